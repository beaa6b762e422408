//! What happens when a state fails: Retry, Catch, and the end of the thread.

use std::sync::Arc;

use crate::definition::{CatchRule, Kind, Program, State};
use crate::history::{ErrorDetails, Evaluation, EventKind};
use crate::query::{Language, PATH_CONFLICT, QueryError};
use crate::value::{Map, Value};

use super::context::Given;
use super::frame::{Activity, Frame, FrameKey};
use super::{Execution, Outcome, retry};

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
    /// `States.Runtime`: neither Retry nor Catch can help; the execution fails.
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

    /// A query of the state failed: its cause is told with the state's name, unless a reference path does not apply.
    pub(super) fn of_query(frame: &Frame, state: &State, error: QueryError) -> Failure {
        let cause = match error.error {
            PATH_CONFLICT => error.cause,
            _ => format!(
                "An error occurred while executing the state '{}' (entered at the event id #{}). {}",
                state.name, frame.entered_event, error.cause
            ),
        };
        let origin = match error.error {
            "States.QueryEvaluationError" => Origin::Evaluation(error.location.map(Arc::from)),
            _ => Origin::Runtime,
        };
        Failure::new(error.error, cause, origin)
    }

    /// A result of more bytes than the service's limit.
    pub(super) fn too_large(name: &str) -> Failure {
        let cause = format!(
            "The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service limit."
        );
        Failure::new("States.DataLimitExceeded", cause, Origin::State)
    }

    /// More iterations of a Map have failed than it tolerates.
    pub(super) fn too_many_failed() -> Failure {
        Failure::new(
            "States.ExceedToleratedFailureThreshold",
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

    /// The thread has ended meanwhile, so nobody is there to see this.
    pub(super) fn gone() -> Failure {
        Failure {
            error: None,
            cause: None,
            origin: Origin::State,
        }
    }

    /// Whether an ErrorEquals list takes the failure in.
    pub(super) fn is_in(&self, list: &[Arc<str>]) -> bool {
        retry::matches(list, self.error.as_deref())
            || (self.origin == Origin::SilentTask
                && retry::matches(list, Some("States.HeartbeatTimeout")))
    }

    fn details(&self) -> ErrorDetails {
        ErrorDetails {
            error: self.error.clone(),
            cause: self.cause.clone(),
        }
    }

    /// The error output that Catch hands on. A missing cause is told as an empty one.
    fn output(&self) -> Value {
        let mut output = Map::default();
        if let Some(error) = &self.error {
            output.insert("Error".into(), Value::String(Arc::clone(error)));
        }
        let cause = self.cause.clone().unwrap_or_default();
        output.insert("Cause".into(), Value::String(cause));
        Value::from(output)
    }
}

impl Execution {
    /// A state has failed: true when its thread goes on at once because the error was caught.
    pub(super) fn fail_state(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        failure: Failure,
    ) -> bool {
        let Some(frame) = self.frames.get_mut(key) else {
            return false;
        };
        if failure.origin == Origin::Runtime {
            let last = frame.last;
            self.fail_execution(last, failure.error, failure.cause);
            return false;
        }
        // What ran in the state runs no more.
        match frame.activity {
            Activity::MapRun(_) => self.fail_run(key, &failure),
            _ => frame.activity = Activity::Repeating,
        }
        self.record_evaluation(key, state, &failure);
        let before = self.frames.get(key).map_or(0, |frame| frame.last);
        if self.retry(key, state, &failure) {
            return false;
        }
        self.record_composite_failure(key, state);
        let matching = |rule: &&CatchRule| failure.is_in(&rule.errors);
        let Some((index, rule)) = state
            .catch
            .iter()
            .enumerate()
            .find(|(_, rule)| matching(rule))
        else {
            self.thread_failed(program, key, failure);
            return false;
        };
        match self.caught(key, state, index, rule, &failure) {
            Ok(outcome) => self.leave(program, key, state, outcome),
            Err(second) if second.origin == Origin::Runtime => {
                let last = self.frames.get(key).map_or(0, |frame| frame.last);
                self.fail_execution(last, second.error, second.cause);
                false
            }
            Err(second) => {
                // The history goes on from before the first failure was told, and nothing catches the second.
                if let Some(frame) = self.frames.get_mut(key) {
                    frame.last = before;
                }
                self.record_evaluation(key, state, &second);
                self.record_composite_failure(key, state);
                self.thread_failed(program, key, second);
                false
            }
        }
    }

    fn record_evaluation(&mut self, key: FrameKey, state: &State, failure: &Failure) {
        if let Origin::Evaluation(location) = &failure.origin {
            let evaluation = Evaluation {
                failure: failure.details(),
                location: location.clone(),
                state: Arc::clone(&state.name),
            };
            self.record_for(key, EventKind::EvaluationFailed(Box::new(evaluation)));
        }
    }

    fn record_composite_failure(&mut self, key: FrameKey, state: &State) {
        match state.kind {
            Kind::Parallel { .. } | Kind::Map(_) => {
                self.record_for(key, EventKind::StateFailed(state.kind.state_type()));
            }
            Kind::Pass { .. }
            | Kind::Task(_)
            | Kind::Choice { .. }
            | Kind::Wait(_)
            | Kind::Succeed
            | Kind::Fail { .. } => {}
        }
    }

    pub(super) fn caught(
        &self,
        key: FrameKey,
        state: &State,
        index: usize,
        rule: &CatchRule,
        failure: &Failure,
    ) -> Result<Outcome, Failure> {
        let error_output = failure.output();
        let input = self.input(key);
        let given = |input| Given {
            input,
            result: None,
            error_output: Some(&error_output),
            item: None,
            token: None,
        };
        // A JSONPath Assign reads the error output as its input.
        let assign_input = match state.language {
            Language::JsonPath => &error_output,
            Language::Jsonata => &input,
        };
        let assigned = match &rule.assign {
            None => None,
            Some(assign) => Some(self.evaluate(key, state, given(assign_input), |scope| {
                assign.render(scope, &format!("Catch[{index}]/Assign"))
            })?),
        };
        let output = match (&rule.output, state.language) {
            (Some(output), _) => self.evaluate(key, state, given(&input), |scope| {
                output.render(scope, &format!("Catch[{index}]/Output"))
            })?,
            (None, Language::Jsonata) => error_output,
            (None, Language::JsonPath) => {
                self.place(key, state, &rule.result_path, error_output)?
            }
        };
        Ok(Outcome {
            output,
            assigned,
            next: Some(rule.next),
            caught: true,
        })
    }

    /// A thread ends with a failure that nothing in it caught.
    pub(super) fn thread_failed(&mut self, program: &Program, key: FrameKey, failure: Failure) {
        let Some(frame) = self.frames.get(key) else {
            return;
        };
        match frame.parent {
            None => {
                let last = frame.last;
                self.fail_execution(last, failure.error, failure.cause);
            }
            Some(parent) => match self.frames.get(parent).map(|parent| &parent.activity) {
                Some(Activity::Parallel(_)) => self.branch_failed(program, parent, key, failure),
                Some(Activity::Map(_)) => self.iteration_failed(program, parent, key, failure),
                _ => {}
            },
        }
    }
}
