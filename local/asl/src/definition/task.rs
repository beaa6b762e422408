//! The fields of Task states, and Retry and Catch.

use std::sync::Arc;

use super::fields::{Dynamic, ResultPath, StateId, Template};
use crate::resource::{Pattern, Resource};

/// A Task state's own fields.
#[derive(Debug)]
pub(crate) struct TaskFields {
    pub resource: Resource,
    /// How the history names it: `resourceType` and `resource` of a service task.
    pub resource_type: Arc<str>,
    pub resource_name: Arc<str>,
    pub timeout: Option<Dynamic>,
    pub heartbeat: Option<Dynamic>,
    pub credentials: Option<Template>,
}

impl TaskFields {
    /// Whether the task is over when somebody answers with its token.
    pub(crate) fn waits_for_token(&self) -> bool {
        matches!(
            self.resource,
            Resource::Service {
                pattern: Pattern::WaitForTaskToken,
                ..
            }
        )
    }
}

/// One entry of Retry.
#[derive(Debug)]
pub(crate) struct RetryRule {
    pub errors: Vec<Arc<str>>,
    pub interval_seconds: f64,
    pub max_attempts: u64,
    pub backoff_rate: f64,
    pub max_delay_seconds: Option<f64>,
    /// JitterStrategy FULL.
    pub jitter: bool,
}

/// One entry of Catch.
#[derive(Debug)]
pub(crate) struct CatchRule {
    pub errors: Vec<Arc<str>>,
    pub result_path: ResultPath,
    pub output: Option<Template>,
    pub assign: Option<Template>,
    pub next: StateId,
}
