//! The local cloud.

pub mod stack;
