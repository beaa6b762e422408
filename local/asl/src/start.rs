//! How an execution starts, and where it stands.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::execution_type::ExecutionType;
use crate::quota::Limits;
use crate::value::Value;

/// What an execution knows of itself from its start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// The execution's ARN.
    pub arn: Arc<str>,
    /// The execution's name.
    pub name: Arc<str>,
    /// The role that the state machine assumes.
    pub role_arn: Arc<str>,
    /// The state machine's ARN.
    pub state_machine_arn: Arc<str>,
    /// The state machine's name.
    pub state_machine_name: Arc<str>,
    /// Standard or Express.
    pub kind: ExecutionType,
    /// The input.
    pub input: Value,
    /// The input's text as it was sent, where it is not how the value prints; the history shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_text: Option<Arc<str>>,
    /// Where `$uuid`, `$random`, `States.UUID`, jitter and task tokens get their randomness, so that a replay is exact.
    pub seed: u64,
    /// The quotas in force; AWS's own when absent.
    #[serde(default)]
    pub limits: Option<Limits>,
}

impl Default for Start {
    fn default() -> Start {
        Start {
            arn: "arn:aws:states:us-east-1:123456789012:execution:machine:execution".into(),
            name: "execution".into(),
            role_arn: "arn:aws:iam::123456789012:role/machine".into(),
            state_machine_arn: "arn:aws:states:us-east-1:123456789012:stateMachine:machine".into(),
            state_machine_name: "machine".into(),
            kind: ExecutionType::Standard,
            input: Value::empty_object(),
            input_text: None,
            seed: 0,
            limits: None,
        }
    }
}

/// Where an execution stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Status {
    /// It goes on.
    Running,
    /// It reached a terminal state.
    Succeeded {
        /// The terminal state's output.
        output: Value,
    },
    /// An error was not caught, or a Fail state was reached.
    Failed {
        /// The error name.
        error: Option<Arc<str>>,
        /// Details for people.
        cause: Option<Arc<str>>,
    },
    /// The state machine's own TimeoutSeconds ran out.
    TimedOut {
        /// Empty, as on AWS: only the history tells `States.Timeout`.
        error: Option<Arc<str>>,
        /// Empty.
        cause: Option<Arc<str>>,
    },
    /// It was stopped.
    Aborted {
        /// The error that the caller of StopExecution gave.
        error: Option<Arc<str>>,
        /// The cause that the caller of StopExecution gave.
        cause: Option<Arc<str>>,
    },
}

impl Status {
    /// The status as DescribeExecution names it: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT`, `ABORTED`.
    pub fn name(&self) -> &'static str {
        match self {
            Status::Running => "RUNNING",
            Status::Succeeded { .. } => "SUCCEEDED",
            Status::Failed { .. } => "FAILED",
            Status::TimedOut { .. } => "TIMED_OUT",
            Status::Aborted { .. } => "ABORTED",
        }
    }
}
