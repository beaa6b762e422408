//! The history of an execution, as GetExecutionHistory tells it
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html>).

mod json;

use std::sync::Arc;

use crate::state_type::StateType;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

/// One event of an execution's history.
#[derive(Clone, Debug, PartialEq)]
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

/// An error name and its cause, either of which may be missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorDetails {
    /// The error name that Retry and Catch match.
    pub error: Option<Arc<str>>,
    /// Details for people.
    pub cause: Option<Arc<str>>,
}

/// Which of the three families of events a Task state writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskFamily {
    /// `LambdaFunction…`: a function's ARN as the Resource.
    Lambda {
        /// The function's ARN.
        arn: Arc<str>,
    },
    /// `Activity…`
    Activity {
        /// The activity's ARN.
        arn: Arc<str>,
    },
    /// `Task…`: a service integration.
    Service {
        /// `resourceType`: the service, `lambda`.
        resource_type: Arc<str>,
        /// `resource`: the action with its pattern, `submitJob.sync`.
        resource: Arc<str>,
    },
}

impl TaskFamily {
    /// What is called: the service or the ARN.
    pub(crate) fn called(&self) -> &str {
        match self {
            TaskFamily::Service { resource_type, .. } => resource_type,
            TaskFamily::Lambda { arn } | TaskFamily::Activity { arn } => arn,
        }
    }
}

/// What happened to a task.
#[derive(Clone, Debug, PartialEq)]
pub enum TaskProgress {
    /// It was asked for.
    Scheduled {
        /// The arguments.
        input: Value,
        /// The region that a service task is called in.
        region: Arc<str>,
        /// TimeoutSeconds.
        timeout_seconds: Option<u64>,
        /// HeartbeatSeconds.
        heartbeat_seconds: Option<u64>,
        /// Credentials.
        credentials: Option<Value>,
    },
    /// It began.
    Started {
        /// An activity worker's name.
        worker: Option<Arc<str>>,
    },
    /// The service took the request.
    Submitted {
        /// Its answer.
        output: Value,
    },
    /// It is done.
    Succeeded {
        /// Its result.
        output: Value,
    },
    /// It failed.
    Failed(ErrorDetails),
    /// It took too long or was silent for too long.
    TimedOut(ErrorDetails),
}

/// What happened. Payloads are shared with the execution; they become text only in [`HistoryEvent::to_json`].
#[derive(Clone, Debug, PartialEq)]
pub enum EventKind {
    /// The execution began.
    ExecutionStarted {
        /// Its input.
        input: Value,
        /// The input's text as it was sent, where it is not how the value prints.
        text: Option<Arc<str>>,
        /// Its role.
        role_arn: Arc<str>,
    },
    /// The execution ended well.
    ExecutionSucceeded {
        /// Its output.
        output: Value,
    },
    /// The execution failed.
    ExecutionFailed(ErrorDetails),
    /// The state machine's TimeoutSeconds ran out.
    ExecutionTimedOut(ErrorDetails),
    /// The execution was stopped.
    ExecutionAborted(ErrorDetails),
    /// The execution had not succeeded and goes on.
    ExecutionRedriven {
        /// How often it has been redriven, this time included.
        count: u64,
    },
    /// A state was entered: `PassStateEntered`.
    StateEntered {
        /// The state's type.
        state: StateType,
        /// The state's name.
        name: Arc<str>,
        /// Its input.
        input: Value,
    },
    /// A state was left: `PassStateExited`.
    StateExited {
        /// The state's type.
        state: StateType,
        /// The state's name.
        name: Arc<str>,
        /// Its output.
        output: Value,
        /// The variables that it assigned.
        assigned: Option<Arc<Map>>,
    },
    /// A task moved on.
    Task(Box<(TaskFamily, TaskProgress)>),
    /// `TaskStateAborted`, `WaitStateAborted`, `MapStateAborted`, `ParallelStateAborted`.
    StateAborted(StateType),
    /// `MapStateStarted`
    MapStateStarted {
        /// How many items there are; 0 where they are yet to be read.
        length: u64,
    },
    /// `ParallelStateStarted`
    ParallelStateStarted,
    /// `MapStateSucceeded`, `ParallelStateSucceeded`
    StateSucceeded(StateType),
    /// `MapStateFailed`, `ParallelStateFailed`
    StateFailed(StateType),
    /// `MapIterationStarted`
    MapIterationStarted {
        /// The Map state's name.
        name: Arc<str>,
        /// The item's index.
        index: u64,
    },
    /// `MapIterationSucceeded`
    MapIterationSucceeded {
        /// The Map state's name.
        name: Arc<str>,
        /// The item's index.
        index: u64,
    },
    /// `MapIterationFailed`
    MapIterationFailed {
        /// The Map state's name.
        name: Arc<str>,
        /// The item's index.
        index: u64,
    },
    /// `MapIterationAborted`
    MapIterationAborted {
        /// The Map state's name.
        name: Arc<str>,
        /// The item's index.
        index: u64,
    },
    /// `MapRunStarted`
    MapRunStarted {
        /// The Map Run's ARN.
        arn: Arc<str>,
    },
    /// `MapRunRedriven`
    MapRunRedriven {
        /// The Map Run's ARN.
        arn: Arc<str>,
        /// How often it has been redriven, this time included.
        count: u64,
    },
    /// `MapRunSucceeded`
    MapRunSucceeded,
    /// `MapRunFailed`
    MapRunFailed(ErrorDetails),
    /// `MapRunAborted`
    MapRunAborted,
    /// A JSONata expression could not be evaluated.
    EvaluationFailed(Box<Evaluation>),
}

impl EventKind {
    /// Whether it is the last event of a history.
    pub(crate) fn ends_execution(&self) -> bool {
        matches!(
            self,
            EventKind::ExecutionSucceeded { .. }
                | EventKind::ExecutionFailed(_)
                | EventKind::ExecutionTimedOut(_)
                | EventKind::ExecutionAborted(_)
        )
    }
}

/// The details of `EvaluationFailed`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evaluation {
    /// The error name and cause.
    pub failure: ErrorDetails,
    /// The field: `Output/total`.
    pub location: Option<Arc<str>>,
    /// The state's name.
    pub state: Arc<str>,
}
