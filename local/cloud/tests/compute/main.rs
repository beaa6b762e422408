//! The compute services, reached by the real SDK clients over the one endpoint, with real processes.

#![allow(clippy::unwrap_used, missing_docs)]

mod batch;
#[path = "../support/changes.rs"]
mod changes;
mod cloud;
mod ecs;
mod events;
mod guard;
mod lambda;
mod members;
mod resources;
mod restart;
mod runtimes;
mod s3;
mod scheduler;
#[path = "../support/mod.rs"]
mod support;
mod versions;
