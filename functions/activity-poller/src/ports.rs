//! What the poller does to the outside, with in-memory twins.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use shared::task::{JOB_CAPACITY, JOB_CRASHED, Named, TaskToken};

/// A task that an activity gave out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityTask {
    /// Answers the waiting state.
    pub token: TaskToken,
    /// JSON text.
    pub input: String,
}

/// A poll that Step Functions did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("GetActivityTask of {activity} failed: {reason}")]
pub struct PollError {
    /// The activity.
    pub activity: String,
    /// What the service or the connection said.
    pub reason: String,
}

impl Named for PollError {
    fn name(&self) -> &str {
        JOB_CAPACITY
    }
}

/// Asks an activity for a task.
pub trait PollActivity {
    /// Waits up to the long poll for a task; none when nobody has work.
    fn poll(
        &self,
        activity_arn: &str,
        worker_name: &str,
    ) -> impl Future<Output = Result<Option<ActivityTask>, PollError>> + Send;
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Name or ARN.
    pub function: String,
    /// The event.
    pub payload: Value,
    /// Whether the answer is waited for (`RequestResponse`) or not (`Event`).
    pub wait: bool,
}

/// A function that could not be called, or that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// Lambda did not take the call.
    #[error("{function} could not be invoked: {reason}")]
    NotInvoked {
        /// The function.
        function: String,
        /// What the service or the connection said.
        reason: String,
    },
    /// The function itself failed.
    #[error("{function} failed: {message}")]
    Failed {
        /// The function.
        function: String,
        /// Its own error name, for example `Job.Capacity`.
        name: String,
        /// Its own words.
        message: String,
    },
}

impl Named for InvokeError {
    fn name(&self) -> &str {
        match self {
            InvokeError::NotInvoked { .. } => JOB_CAPACITY,
            // A function that dies without a name has one of Lambda's own, such as Runtime.ExitError.
            InvokeError::Failed { name, .. } if name.contains('.') => name,
            InvokeError::Failed { .. } => JOB_CRASHED,
        }
    }
}

/// Calls a function.
pub trait Invoke {
    /// Done when Lambda has taken the event, or, waiting, when the function has succeeded.
    fn invoke(&self, call: &Invocation) -> impl Future<Output = Result<(), InvokeError>> + Send;
}

/// The in-memory twin of [`crate::SfnActivity`]: each entry answers one poll after its time, then every
/// poll waits for a minute in vain.
#[derive(Debug, Default)]
pub struct MemoryActivity {
    script: Mutex<VecDeque<(Duration, Option<ActivityTask>)>>,
}

impl MemoryActivity {
    /// An activity that answers polls with `script`.
    pub fn new(script: impl IntoIterator<Item = (Duration, Option<ActivityTask>)>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
        }
    }

    /// Tasks that nobody has taken.
    pub fn left(&self) -> usize {
        self.script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl PollActivity for MemoryActivity {
    async fn poll(
        &self,
        _activity_arn: &str,
        _worker_name: &str,
    ) -> Result<Option<ActivityTask>, PollError> {
        let next = self
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let (wait, task) = next.unwrap_or((Duration::from_secs(60), None));
        tokio::time::sleep(wait).await;
        Ok(task)
    }
}

/// The in-memory twin of [`crate::LambdaInvoker`]: keeps the calls, refuses the functions it is told to.
#[derive(Debug, Default)]
pub struct MemoryInvoker {
    calls: Mutex<Vec<Invocation>>,
    refusal: Option<InvokeError>,
}

impl MemoryInvoker {
    /// Every call fails with `refusal`.
    pub fn refusing(refusal: InvokeError) -> Self {
        Self {
            calls: Mutex::default(),
            refusal: Some(refusal),
        }
    }

    /// The calls that were taken.
    pub fn calls(&self) -> Vec<Invocation> {
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Invoke for MemoryInvoker {
    async fn invoke(&self, call: &Invocation) -> Result<(), InvokeError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(call.clone());
        Ok(())
    }
}
