//! The interpreter: one execution of one state machine.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::definition::StateMachine;
use crate::event::Event;
use crate::history::HistoryEvent;
use crate::timestamp::Timestamp;
use crate::value::Value;

/// Which of the two workflow types runs
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html>).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ExecutionType {
    /// Durable, with a full history of at most 25,000 events.
    #[default]
    Standard,
    /// Short and cheap; no history is kept on AWS.
    Express,
}

/// What an execution knows of itself from its start.
#[derive(Clone, Debug, Serialize, Deserialize)]
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
    /// Where `$uuid`, `$random`, `States.UUID`, jitter and task tokens get their randomness, so that a replay is exact.
    pub seed: u64,
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
            seed: 0,
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
        /// `States.Timeout`.
        error: Option<Arc<str>>,
        /// Details for people.
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

/// One execution of a state machine. Holds no clock: time arrives with every call.
pub struct Execution {
    history: Vec<HistoryEvent>,
    status: Status,
}

impl Execution {
    /// Starts an execution; the commands are to be carried out at once.
    pub fn start(
        _machine: &StateMachine,
        _start: Start,
        _now: Timestamp,
    ) -> (Execution, Vec<Command>) {
        (
            Execution {
                history: Vec::new(),
                status: Status::Running,
            },
            Vec::new(),
        )
    }

    /// Takes note of an event. Unknown ids, ids of what has already ended, and events after the end are ignored.
    pub fn apply(&mut self, _event: Event, _now: Timestamp) -> Vec<Command> {
        Vec::new()
    }

    /// The history so far. It only ever grows.
    pub fn history(&self) -> &[HistoryEvent] {
        &self.history
    }

    /// Where the execution stands.
    pub fn status(&self) -> &Status {
        &self.status
    }
}
