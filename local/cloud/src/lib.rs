//! The compute side of the local cloud: Lambda, ECS, Batch, S3, EventBridge and its Scheduler behind one endpoint.

pub mod action;
pub mod batch;
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
pub mod rest;
pub mod router;
pub mod s3;
pub mod scheduler;
pub mod sts;
pub mod time;
pub mod usage;
pub mod work;
pub mod worker;

pub use usage::Usage;
