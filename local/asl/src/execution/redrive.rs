//! Redrive: an execution that did not succeed goes on where it stopped
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>).
//!
//! When a Parallel or a Map fails or is aborted, its progress and its unsuccessful threads are left with its own thread;
//! a retry, a Catch and the next state let go of them. At an unsuccessful end the execution keeps its first thread with
//! all that is left below. A redrive puts those threads back: each runs its state again without entering it anew, so its
//! next event refers to its own last one.

use std::cell::OnceCell;
use std::sync::Arc;

use crate::definition::{Kind, Program};
use crate::execution_type::ExecutionType;
use crate::history::EventKind;
use crate::start::Status;

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::frame::Frame;
use super::ledger::{Execution, state_at};

/// What is left of a Parallel or a Map: how far it had come, and its threads that did not come to their ends.
#[derive(Debug)]
pub(super) struct Left {
    pub activity: Activity,
    pub threads: Vec<Frame>,
}

impl Execution {
    /// Leaves what a failed state had come to with its thread.
    pub(super) fn leave_behind(
        &mut self,
        key: FrameKey,
        activity: Activity,
        threads: Vec<Frame>,
    ) -> Result<(), Broken> {
        let left = Left { activity, threads };
        self.frames.get_mut(key)?.left = Some(Box::new(left));
        Ok(())
    }

    /// Takes a thread out with all below it.
    pub(super) fn gather(&mut self, key: FrameKey) -> Result<Frame, Broken> {
        let mut thread = self.frames.remove(key)?;
        let running = match &mut thread.activity {
            Activity::Parallel(branches) => std::mem::take(&mut branches.running),
            Activity::Map(iterations) => std::mem::take(&mut iterations.running),
            Activity::MapRun(_) => Vec::new(),
            Activity::Entering
            | Activity::Repeating
            | Activity::Waiting { .. }
            | Activity::Retrying { .. }
            | Activity::Task(_) => return Ok(thread),
        };
        let threads = running.into_iter().map(|below| self.gather(below));
        let threads = threads.collect::<Result<_, _>>()?;
        let activity = std::mem::replace(&mut thread.activity, Activity::Repeating);
        thread.left = Some(Box::new(Left { activity, threads }));
        Ok(thread)
    }

    /// The execution ends: keeps what a redrive needs, where there can be one.
    pub(super) fn keep_for_redrive(&mut self) {
        let over = matches!(self.status, Status::Running | Status::Succeeded { .. });
        if !over && self.about.kind == ExecutionType::Standard {
            self.left = self.gather(self.root).ok().map(Box::new);
        }
    }

    /// An execution that did not succeed goes on. Its time begins anew.
    pub(super) fn redrive(&mut self) -> Result<(), Broken> {
        let Some(first) = self.left.take() else {
            return Ok(());
        };
        self.status = Status::Running;
        self.redrives += 1;
        self.identity = OnceCell::new();
        let last = self.history.len() as u64;
        let count = self.redrives;
        self.record(last, EventKind::ExecutionRedriven { count });
        self.start_execution_timer();
        let program = Arc::clone(&self.machine.program);
        let mut maps = Vec::new();
        self.root = self.put_back(&program, None, *first, &mut maps)?;
        for key in maps {
            // The failure of one may have ended the others.
            match self.frames.find(key).map(|frame| &frame.activity) {
                Some(Activity::Map(_)) => self.redrive_map(&program, key)?,
                Some(Activity::MapRun(_)) => self.redrive_run(&program, key)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Puts a thread back with all that is left below it, and tells the Maps among that.
    fn put_back(
        &mut self,
        program: &Program,
        parent: Option<FrameKey>,
        mut thread: Frame,
        maps: &mut Vec<FrameKey>,
    ) -> Result<FrameKey, Broken> {
        thread.parent = parent;
        thread.retry_count = 0;
        thread.retries.clear();
        let Some(left) = thread.left.take() else {
            let is_fail = matches!(state_at(program, thread.state)?.kind, Kind::Fail { .. });
            thread.activity = match thread.activity {
                Activity::Entering => Activity::Entering,
                _ if is_fail => Activity::Entering,
                _ => Activity::Repeating,
            };
            let key = self.frames.insert(thread);
            self.ready.push_back(key);
            return Ok(key);
        };
        thread.activity = left.activity;
        let key = self.frames.insert(thread);
        let mut running = Vec::with_capacity(left.threads.len());
        for below in left.threads {
            running.push(self.put_back(program, Some(key), below, maps)?);
        }
        match &mut self.frames.get_mut(key)?.activity {
            Activity::Parallel(branches) => branches.running = running,
            Activity::Map(iterations) => {
                iterations.running = running;
                maps.push(key);
            }
            Activity::MapRun(_) => maps.push(key),
            _ => return Err(Broken("only of Parallel and Map states something is left")),
        }
        Ok(key)
    }

    /// The iterations of a Map that had not begun begin, as many as there is room for.
    fn redrive_map(&mut self, program: &Program, key: FrameKey) -> Result<(), Broken> {
        let (state, map) = self.map_of(program, key)?;
        let last = self.frames.get(key)?.last;
        match self.start_iterations(key, state, map, last) {
            Ok(()) => Ok(()),
            Err(failure) => self.fail_thread(program, key, failure),
        }
    }
}

#[cfg(test)]
mod tests;
