//! Step Functions, reached by the real SDK client over the one endpoint.

#![allow(clippy::unwrap_used, missing_docs)]

mod callbacks;
mod cloud;
mod disk;
mod executions;
mod integrations;
mod machines;
mod map_runs;
mod members;
mod recall;
mod recovery;
mod redrive;
mod repeated;
mod server;
#[path = "../../../cloud/tests/support/mod.rs"]
mod support;
mod versions;
