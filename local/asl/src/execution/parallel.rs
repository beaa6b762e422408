//! Parallel states.

use std::sync::Arc;

use crate::definition::{Program, State, StateId};
use crate::history::EventKind;
use crate::state_type::StateType;
use crate::value::Value;

use super::failure::Failure;
use super::frame::{Activity, Branches, Frame, FrameKey};
use super::{Execution, Step};

impl Execution {
    pub(super) fn parallel(
        &mut self,
        key: FrameKey,
        state: &State,
        branches: &[StateId],
    ) -> Result<Step, Failure> {
        let input = self.effective_input(key, state)?;
        self.record_for(key, EventKind::ParallelStateStarted);
        let mut running = Vec::with_capacity(branches.len());
        for (index, start) in branches.iter().enumerate() {
            if let Some(branch) = self.spawn(key, index as u64, *start, input.clone()) {
                running.push(branch);
            }
        }
        if running.is_empty() {
            let last = self.frames.get(key).map_or(0, |frame| frame.last);
            self.record(last, EventKind::StateSucceeded(StateType::Parallel));
            return self
                .finish(key, state, Value::array(Vec::new()))
                .map(Step::Done);
        }
        if let Some(frame) = self.frames.get_mut(key) {
            frame.activity = Activity::Parallel(Box::new(Branches {
                results: vec![Value::Null; running.len()],
                running,
            }));
        }
        Ok(Step::Blocked)
    }

    /// A new thread under another one, which starts from that one's last event.
    pub(super) fn spawn(
        &mut self,
        parent: FrameKey,
        index: u64,
        state: StateId,
        input: Value,
    ) -> Option<FrameKey> {
        let around = self.frames.get(parent)?;
        let frame = Frame {
            parent: Some(parent),
            index,
            state,
            input,
            variables: Arc::clone(&around.variables),
            last: around.last,
            entered_event: 0,
            entered: self.now,
            retry_count: 0,
            retries: Vec::new(),
            item: around.item.clone(),
            activity: Activity::Entering,
        };
        let key = self.frames.insert(frame);
        self.ready.push_back(key);
        Some(key)
    }

    pub(super) fn branch_done(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        ended: &Frame,
        output: Value,
    ) {
        let Some(frame) = self.frames.get_mut(parent) else {
            return;
        };
        frame.last = ended.last;
        let Activity::Parallel(branches) = &mut frame.activity else {
            return;
        };
        branches.running.retain(|running| *running != key);
        if let Some(result) = branches.results.get_mut(ended.index as usize) {
            *result = output;
        }
        if branches.running.is_empty() {
            let results = std::mem::take(&mut branches.results);
            frame.activity = Activity::Repeating;
            let succeeded = EventKind::StateSucceeded(StateType::Parallel);
            let succeeded = self.record(ended.last, succeeded);
            self.complete_after(Some(succeeded), program, parent, Value::array(results));
        }
    }

    pub(super) fn branch_failed(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        failure: Failure,
    ) {
        let Some(ended) = self.frames.remove(key) else {
            return;
        };
        if failure.origin.is_task() {
            self.record(ended.last, EventKind::StateAborted(StateType::Task));
        }
        let Some(frame) = self.frames.get_mut(parent) else {
            return;
        };
        frame.last = ended.last;
        if let Activity::Parallel(branches) =
            std::mem::replace(&mut frame.activity, Activity::Repeating)
        {
            for sibling in branches.running {
                self.abort(sibling, ended.last);
            }
        }
        self.fail_thread(program, parent, failure.of_state());
    }
}
