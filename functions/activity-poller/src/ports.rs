//! Calling the processor, with its in-memory twin.

use std::sync::{Mutex, PoisonError};

use jobs::task::{JOB_CAPACITY, JOB_CRASHED, JOB_NOT_STARTED, Named};
use serde_json::Value;

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
        /// Whether another call may do: see [`jobs::aws::is_capacity`].
        capacity: bool,
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
            InvokeError::NotInvoked { capacity: true, .. } => JOB_CAPACITY,
            InvokeError::NotInvoked { .. } => JOB_NOT_STARTED,
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
