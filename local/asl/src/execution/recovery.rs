//! What happens when a state fails: Retry, Catch, and the end of the thread.

use std::sync::Arc;

use crate::definition::{CatchRule, Kind, Program, State};
use crate::error_name;
use crate::history::{Evaluation, EventKind};
use crate::query::Language;

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::context::Given;
use super::failure::{Failure, Origin};
use super::ledger::{Execution, Outcome};
use super::observe::Seen;

impl Execution {
    /// A state has failed: true when its thread goes on at once because the error was caught.
    pub(super) fn fail_state(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        failure: Failure,
    ) -> Result<bool, Broken> {
        let frame = self.frames.get_mut(key)?;
        self.observer.see(state, frame, || Seen::Failed {
            error: failure.error.clone(),
            cause: failure.cause.clone(),
        });
        if failure.origin == Origin::Runtime {
            let last = frame.last;
            if let Activity::MapRun(_) = frame.activity {
                // A redrive starts another Map Run.
                frame.activity = Activity::Repeating;
            }
            self.fail_execution(last, failure.error, failure.cause);
            return Ok(false);
        }
        // A redrive runs a state whose data were too large as a whole.
        if failure.error.as_deref() == Some(error_name::DATA_LIMIT) {
            frame.left = None;
        }
        // What ran in the state runs no more.
        match frame.activity {
            Activity::MapRun(_) => self.fail_run(key, &failure)?,
            _ => frame.activity = Activity::Repeating,
        }
        self.record_evaluation(key, state, &failure)?;
        let before = self.frames.get(key)?.last;
        if self.retry(key, state, &failure)? {
            return Ok(false);
        }
        self.record_composite_failure(key, state)?;
        let catcher = state.catch.iter().enumerate();
        let Some((index, rule)) = catcher
            .into_iter()
            .find(|(_, rule)| failure.is_in(&rule.errors))
        else {
            self.thread_failed(program, key, failure)?;
            return Ok(false);
        };
        let frame = self.frames.get(key)?;
        self.observer.see(state, frame, || Seen::Catcher { index });
        let second = match self.caught(key, state, index, rule, &failure) {
            Ok(outcome) => return self.leave(program, key, state, outcome),
            Err(second) => second,
        };
        if second.origin == Origin::Runtime {
            let last = self.frames.get(key)?.last;
            self.fail_execution(last, second.error, second.cause);
        } else {
            // The history goes on from before the first failure was told, and nothing catches the second.
            self.frames.get_mut(key)?.last = before;
            self.record_evaluation(key, state, &second)?;
            self.record_composite_failure(key, state)?;
            self.thread_failed(program, key, second)?;
        }
        Ok(false)
    }

    fn record_evaluation(
        &mut self,
        key: FrameKey,
        state: &State,
        failure: &Failure,
    ) -> Result<(), Broken> {
        if let Origin::Evaluation(location) = &failure.origin {
            let evaluation = Evaluation {
                failure: failure.details(),
                location: location.clone(),
                state: Arc::clone(&state.name),
            };
            self.record_for(key, EventKind::EvaluationFailed(Box::new(evaluation)))?;
        }
        Ok(())
    }

    fn record_composite_failure(&mut self, key: FrameKey, state: &State) -> Result<(), Broken> {
        match state.kind {
            Kind::Parallel { .. } | Kind::Map(_) => {
                self.record_for(key, EventKind::StateFailed(state.kind.state_type()))?;
            }
            Kind::Pass { .. }
            | Kind::Task(_)
            | Kind::Choice { .. }
            | Kind::Wait(_)
            | Kind::Succeed
            | Kind::Fail { .. } => {}
        }
        Ok(())
    }

    /// What Catch makes of a failure.
    fn caught(
        &self,
        key: FrameKey,
        state: &State,
        index: usize,
        rule: &CatchRule,
        failure: &Failure,
    ) -> Result<Outcome, Failure> {
        let error_output = failure.output();
        let input = self.input(key)?;
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
    pub(super) fn thread_failed(
        &mut self,
        program: &Program,
        key: FrameKey,
        failure: Failure,
    ) -> Result<(), Broken> {
        let frame = self.frames.get(key)?;
        let Some(parent) = frame.parent else {
            let last = frame.last;
            self.fail_execution(last, failure.error, failure.cause);
            return Ok(());
        };
        match self.frames.get(parent)?.activity {
            Activity::Parallel(_) => self.branch_failed(program, parent, key, failure),
            Activity::Map(_) => self.iteration_failed(program, parent, key, failure),
            _ => Err(Broken::NO_PARENT),
        }
    }
}
