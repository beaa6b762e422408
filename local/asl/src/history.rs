//! The history of an execution, as GetExecutionHistory tells it.

use std::sync::Arc;

use crate::timestamp::Timestamp;
use crate::value::Value;

/// One event of an execution's history.
#[derive(Clone, Debug)]
pub struct HistoryEvent {
    /// Counts from 1.
    pub id: u64,
    /// The event that led to this one; 0 for the first two.
    pub previous_event_id: u64,
    /// When it happened.
    pub timestamp: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

impl HistoryEvent {
    /// The event in the shape of GetExecutionHistory: `type`, `id`, `previousEventId`, `timestamp` (seconds) and the
    /// details, in which inputs and outputs are JSON texts
    /// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html>).
    pub fn to_json(&self) -> Value {
        Value::Null
    }
}

/// What happened. Payloads are shared with the execution; they become text only in [`HistoryEvent::to_json`].
#[derive(Clone, Debug)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted {
        /// Its input.
        input: Value,
        /// Its role.
        role_arn: Arc<str>,
    },
}
