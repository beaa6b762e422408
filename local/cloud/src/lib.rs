//! The local cloud.

pub mod batch;
mod cloud;
pub mod compute;
pub mod config;
pub mod ecs;
pub mod error;
pub mod events;
pub mod faults;
pub mod lambda;
pub mod logs;
pub mod process;
mod rates;
mod records;
mod rest;
pub mod router;
pub mod s3;
pub mod scheduler;
pub mod sfn;
pub mod stack;
pub mod time;
pub mod usage;
pub mod work;
pub mod worker;

pub use cloud::{Cloud, CloudError, Config, ExecutionDescription};
pub use sfn::{ClockMode, ExecutionEvent};
pub use usage::Usage;
