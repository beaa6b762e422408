//! What every function and worker shares: the job, the task-token protocol, artifacts on S3, and the set-up
//! that each binary needs.
//!
//! Types and rules build everywhere. What talks to AWS is behind the feature `aws`.

pub mod activity;
pub mod artifacts;
pub mod attempt;
#[cfg(feature = "aws")]
pub mod aws;
pub mod cause;
pub mod checkpoint;
pub mod env;
pub mod gzip;
pub mod job;
#[cfg(feature = "aws")]
pub mod lambda;
pub mod ledger;
pub mod measure;
pub mod pack;
pub mod task;
pub mod telemetry;
#[cfg(feature = "aws")]
pub mod worker;
