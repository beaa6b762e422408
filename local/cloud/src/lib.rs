//! The compute side of the local cloud: Lambda, ECS, Batch, S3, EventBridge and its Scheduler, and the reads of CloudWatch
//! Logs, behind one endpoint.

pub mod action;
pub mod batch;
pub mod compute;
pub mod config;
mod connections;
pub mod ecs;
pub mod error;
pub mod events;
pub mod faults;
mod guard;
pub mod lambda;
pub mod logs;
pub mod members;
mod pages;
pub mod private;
pub mod process;
pub mod programs;
mod protocol;
mod rates;
mod records;
pub mod rest;
pub mod router;
pub mod s3;
pub mod schedule;
pub mod scheduler;
pub mod service;
pub mod sts;
mod tags;
pub mod targets;
pub mod time;
pub mod usage;
mod variables;
pub mod work;
pub mod worker;

pub use usage::Usage;
