//! Parallel states.

use std::sync::Arc;

use crate::definition::{Program, State, StateId};
use crate::history::EventKind;
use crate::state_type::StateType;
use crate::value::Value;

use super::activity::{Activity, Branches, FrameKey};
use super::broken::Broken;
use super::failure::Failure;
use super::frame::Frame;
use super::ledger::{Execution, Step};

impl Execution {
    pub(super) fn parallel(
        &mut self,
        key: FrameKey,
        state: &State,
        branches: &[StateId],
    ) -> Result<Step, Failure> {
        let input = self.effective_input(key, state)?;
        self.record_for(key, EventKind::ParallelStateStarted)?;
        let mut running = Vec::with_capacity(branches.len());
        for (index, start) in branches.iter().enumerate() {
            running.push(self.spawn(key, index as u64, *start, input.clone())?);
        }
        if running.is_empty() {
            let last = self.frames.get(key)?.last;
            self.record(last, EventKind::StateSucceeded(StateType::Parallel));
            return self
                .finish(key, state, Value::array(Vec::new()))
                .map(Step::Done);
        }
        self.frames.get_mut(key)?.activity = Activity::Parallel(Box::new(Branches {
            results: vec![Value::Null; running.len()],
            running,
        }));
        Ok(Step::Blocked)
    }

    /// A new thread under another one, which starts from that one's last event.
    pub(super) fn spawn(
        &mut self,
        parent: FrameKey,
        index: u64,
        state: StateId,
        input: Value,
    ) -> Result<FrameKey, Broken> {
        let around = self.frames.get(parent)?;
        let frame = Frame {
            parent: Some(parent),
            index,
            variables: Arc::clone(&around.variables),
            last: around.last,
            item: around.item.clone(),
            state,
            input,
            entered_event: 0,
            entered: self.now,
            retry_count: 0,
            retries: Vec::new(),
            activity: Activity::Entering,
            left: None,
        };
        let key = self.frames.insert(frame);
        self.ready.push_back(key);
        Ok(key)
    }

    pub(super) fn branch_done(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        ended: &Frame,
        output: Value,
    ) -> Result<(), Broken> {
        let frame = self.frames.get_mut(parent)?;
        frame.last = ended.last;
        let branches = frame.branches()?;
        branches.running.retain(|running| *running != key);
        let place = branches.results.get_mut(ended.index as usize);
        *place.ok_or(Broken::NO_PLACE)? = output;
        if !branches.running.is_empty() {
            return Ok(());
        }
        let results = std::mem::take(&mut branches.results);
        frame.activity = Activity::Repeating;
        let succeeded = EventKind::StateSucceeded(StateType::Parallel);
        let succeeded = self.record(ended.last, succeeded);
        self.complete_after(succeeded, program, parent, Value::array(results))
    }

    pub(super) fn branch_failed(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        failure: Failure,
    ) -> Result<(), Broken> {
        let ended = self.frames.remove(key)?;
        if failure.origin.is_task() {
            self.record(ended.last, EventKind::StateAborted(StateType::Task));
        }
        let last = ended.last;
        let frame = self.frames.get_mut(parent)?;
        frame.last = last;
        let running = std::mem::take(&mut frame.branches()?.running);
        let activity = std::mem::replace(&mut frame.activity, Activity::Repeating);
        let mut threads = vec![ended];
        for sibling in running.into_iter().filter(|sibling| *sibling != key) {
            threads.push(self.abort(sibling, last)?);
        }
        self.leave_behind(parent, activity, threads)?;
        self.fail_thread(program, parent, failure.of_state())
    }
}
