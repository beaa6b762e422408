//! The local cloud.

pub mod config;
pub mod error;
pub mod faults;
pub mod logs;
pub mod process;
pub mod stack;
pub mod time;
pub mod usage;
