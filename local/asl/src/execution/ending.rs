//! The end of an execution, and of threads that are ended from outside.

use std::sync::Arc;

use crate::command::{ChildId, Command, TaskId, TimerId};
use crate::error_name;
use crate::history::{ErrorDetails, EventKind};
use crate::start::Status;

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::frame::Frame;
use super::ledger::{Execution, state_at};
use super::map_run::report::MapRunStatus;

impl Execution {
    /// The state machine's TimeoutSeconds ran out. Only the event tells the error; the execution's own stays empty.
    pub(super) fn timed_out(&mut self) {
        let details = ErrorDetails {
            error: Some(error_name::TIMEOUT.into()),
            cause: None,
        };
        self.record(0, EventKind::ExecutionTimedOut(details));
        self.end(Status::TimedOut {
            error: None,
            cause: None,
        });
    }

    /// Somebody stopped the execution. What was going on leaves no events of its own.
    pub(super) fn stop(&mut self, error: Option<Arc<str>>, cause: Option<Arc<str>>) {
        let details = ErrorDetails {
            error: error.clone(),
            cause: cause.clone(),
        };
        self.record(0, EventKind::ExecutionAborted(details));
        self.end(Status::Aborted { error, cause });
    }

    pub(super) fn history_full(&mut self) {
        let last = self.history.len() as u64;
        let cause = format!(
            "The execution reached the maximum number of history events ({}).",
            self.limits.history_events
        );
        self.fail_execution(last, Some(error_name::RUNTIME.into()), Some(cause.into()));
    }

    /// The interpreter has broken one of its own rules: nothing that it says after that could be trusted.
    pub(super) fn fail_broken(&mut self, broken: Broken) {
        let last = self.history.len() as u64;
        self.fail_execution(
            last,
            Some(error_name::BROKEN_INVARIANT.into()),
            Some(broken.cause().into()),
        );
    }

    pub(super) fn fail_execution(
        &mut self,
        last: u64,
        error: Option<Arc<str>>,
        cause: Option<Arc<str>>,
    ) {
        let details = ErrorDetails {
            error: error.clone(),
            cause: cause.clone(),
        };
        self.record(last, EventKind::ExecutionFailed(details));
        self.end(Status::Failed { error, cause });
    }

    /// The execution is over: whatever still runs is called off.
    pub(super) fn end(&mut self, status: Status) {
        self.status = status;
        for run in &mut self.map_runs {
            run.close(MapRunStatus::Aborted, self.now);
        }
        self.ready.clear();
        self.keep_for_redrive();
        self.frames.clear();
        let sorted = |ids: Vec<u64>| {
            let mut ids = ids;
            ids.sort_unstable();
            ids
        };
        for id in sorted(self.tasks.drain().map(|(id, _)| id).collect()) {
            self.commands.push(Command::CancelTask { id: TaskId(id) });
        }
        for id in sorted(self.children.drain().map(|(id, _)| id).collect()) {
            self.commands.push(Command::StopChild { id: ChildId(id) });
        }
        for id in sorted(self.timers.drain().map(|(id, _)| id).collect()) {
            self.commands.push(Command::CancelTimer { id: TimerId(id) });
        }
    }

    /// Ends a thread because of an event of another one, with all below it; what is left of it.
    pub(super) fn abort(&mut self, key: FrameKey, previous: u64) -> Result<Frame, Broken> {
        let thread = self.gather(key)?;
        self.abort_gathered(&thread, previous)?;
        Ok(thread)
    }

    fn abort_gathered(&mut self, thread: &Frame, previous: u64) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let state = state_at(&program, thread.state)?;
        match &thread.activity {
            Activity::Entering => return Ok(()),
            Activity::Waiting { timer } | Activity::Retrying { timer } => self.cancel_timer(*timer),
            Activity::Task(task) => self.call_off(task),
            // Its task has just ended, but the state has not; or what ran in it is gathered below.
            Activity::Repeating
            | Activity::Parallel(_)
            | Activity::Map(_)
            | Activity::MapRun(_) => {}
        }
        if let Some(left) = thread.left.as_deref() {
            for below in &left.threads {
                if let Activity::Map(_) = left.activity {
                    self.record_iteration_aborted(state, below.index, previous);
                }
                self.abort_gathered(below, previous)?;
            }
            if let Activity::MapRun(run) = &left.activity {
                self.call_off_run(run, MapRunStatus::Aborted);
                self.record(previous, EventKind::MapRunAborted);
            }
        }
        self.record(previous, EventKind::StateAborted(state.kind.state_type()));
        Ok(())
    }
}
