//! Why a state failed.

use std::sync::Arc;

use crate::definition::State;
use crate::error_name;
use crate::event::TaskError;
use crate::history::ErrorDetails;
use crate::query::QueryError;
use crate::value::{Map, Value};

use super::broken::Broken;
use super::frame::Frame;

/// Why a state failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub error: Option<Arc<str>>,
    pub cause: Option<Arc<str>>,
    pub origin: Origin,
}

/// Where a failure comes from, which decides what the history tells of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// `States.Runtime` and the like: neither Retry nor Catch can help; the execution fails.
    Runtime,
    /// A JSONata expression, at this field.
    Evaluation(Option<Arc<str>>),
    /// A task that was under way.
    Task,
    /// A task that sent no heartbeat in time. The error is `States.Timeout`, and `States.HeartbeatTimeout` matches too.
    SilentTask,
    /// The Map Run of the state, which ends with it.
    MapRun,
    /// A Fail state, a branch, an iteration.
    State,
}

impl Origin {
    /// Whether it comes from a task that was under way.
    pub(super) fn is_task(&self) -> bool {
        matches!(self, Origin::Task | Origin::SilentTask)
    }
}

impl Failure {
    pub(super) fn new(error: &str, cause: impl Into<Arc<str>>, origin: Origin) -> Failure {
        Failure {
            error: Some(error.into()),
            cause: Some(cause.into()),
            origin,
        }
    }

    /// What the driver was asked for did not succeed.
    pub(super) fn of_driver(error: TaskError, origin: Origin) -> Failure {
        Failure {
            error: Some(error.error.into()),
            cause: error.cause.map(Arc::from),
            origin,
        }
    }

    /// A query of the state failed: its cause is told with the state's name, unless a reference path does not apply.
    pub(super) fn of_query(frame: &Frame, state: &State, error: QueryError) -> Failure {
        let cause = match error.error {
            error_name::PATH_CONFLICT => error.cause,
            _ => format!(
                "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
                state.name, frame.entered_event, error.cause
            ),
        };
        let origin = match error.error {
            error_name::QUERY_EVALUATION => Origin::Evaluation(error.location.map(Arc::from)),
            _ => Origin::Runtime,
        };
        Failure::new(error.error, cause, origin)
    }

    /// A result of more bytes than the service's limit.
    pub(super) fn too_large(name: &str) -> Failure {
        let cause = format!(
            "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        Failure::new(error_name::DATA_LIMIT, cause, Origin::State)
    }

    /// More iterations of a Map have failed than it tolerates.
    pub(super) fn too_many_failed() -> Failure {
        Failure::new(
            error_name::TOLERANCE_EXCEEDED,
            "The specified tolerated failure threshold was exceeded",
            Origin::MapRun,
        )
    }

    /// The same failure, passed on to the state around: what the history told of it is told.
    pub(super) fn of_state(self) -> Failure {
        Failure {
            origin: Origin::State,
            ..self
        }
    }

    /// Whether an ErrorEquals list takes the failure in.
    pub(super) fn is_in(&self, list: &[Arc<str>]) -> bool {
        matches(list, self.error.as_deref())
            || (self.origin == Origin::SilentTask
                && matches(list, Some(error_name::HEARTBEAT_TIMEOUT)))
    }

    pub(super) fn details(&self) -> ErrorDetails {
        ErrorDetails {
            error: self.error.clone(),
            cause: self.cause.clone(),
        }
    }

    /// The error output that Catch hands on. A missing cause is told as an empty one.
    pub(super) fn output(&self) -> Value {
        let mut output = Map::default();
        if let Some(error) = &self.error {
            output.insert("Error".into(), Value::String(Arc::clone(error)));
        }
        let cause = self.cause.clone().unwrap_or_default();
        output.insert("Cause".into(), Value::String(cause));
        Value::from(output)
    }
}

impl From<Broken> for Failure {
    fn from(broken: Broken) -> Failure {
        Failure::new(
            error_name::BROKEN_INVARIANT,
            broken.cause(),
            Origin::Runtime,
        )
    }
}

/// Whether an ErrorEquals list takes in an error
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>). `States.ALL` takes in every error but `States.Runtime`, which does
/// not come here; `States.TaskFailed` every one but `States.Timeout`, the missed heartbeat and
/// `States.QueryEvaluationError`; `States.Timeout` the missed heartbeat too.
fn matches(list: &[Arc<str>], error: Option<&str>) -> bool {
    list.iter().any(|name| match (&**name, error) {
        (error_name::ALL, _) => true,
        (error_name::TASK_FAILED, Some(error)) => !matches!(
            error,
            error_name::TIMEOUT | error_name::HEARTBEAT_TIMEOUT | error_name::QUERY_EVALUATION
        ),
        (error_name::TIMEOUT, Some(error)) => {
            matches!(error, error_name::TIMEOUT | error_name::HEARTBEAT_TIMEOUT)
        }
        (name, Some(error)) => name == error,
        (_, None) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_as_the_language_says() {
        let names = |list: &[&str]| {
            list.iter()
                .map(|name| Arc::from(*name))
                .collect::<Vec<Arc<str>>>()
        };
        for (list, error, expected) in [
            (&["States.ALL"][..], Some("Job.Crashed"), true),
            (&["States.ALL"], None, true),
            (&["States.TaskFailed"], Some("Job.Crashed"), true),
            (&["States.TaskFailed"], Some("States.Timeout"), false),
            (
                &["States.TaskFailed"],
                Some("States.QueryEvaluationError"),
                false,
            ),
            (&["States.ALL"], Some("States.QueryEvaluationError"), true),
            (&["States.Timeout"], Some("States.HeartbeatTimeout"), true),
            (&["States.HeartbeatTimeout"], Some("States.Timeout"), false),
            (&["A", "B"], Some("B"), true),
            (&["A"], Some("a"), false),
            (&["A"], None, false),
        ] {
            assert_eq!(
                matches(&names(list), error),
                expected,
                "{list:?} on {error:?}"
            );
        }
    }
}
