//! A Map Run goes on after its end: the children that have not succeeded run again, then those that never began
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html>).

use std::sync::Arc;

use crate::definition::{DistributedFields, MapFields, Program};
use crate::error_name;
use crate::execution::activity::FrameKey;
use crate::execution::broken::Broken;
use crate::execution::failure::{Failure, Origin};
use crate::execution::ledger::Execution;
use crate::history::EventKind;
use crate::quota;
use crate::start::Status;

use super::run::items_of;

impl Execution {
    pub(in crate::execution) fn redrive_run(
        &mut self,
        program: &Program,
        key: FrameKey,
    ) -> Result<(), Broken> {
        let (state, map, distributed) = self.distributed_of(program, key)?;
        let now = self.now;
        let count = self.report(key)?.redrive(now);
        let run = self.frames.get_mut(key)?.map_run()?;
        run.running.clear();
        run.transfer = None;
        run.failed = 0;
        let succeeded = |index: usize| {
            let child = run.children.get(index);
            child.is_some_and(|child| matches!(child.status, Status::Succeeded { .. }))
        };
        run.again = (0..run.children.len())
            .filter(|index| !succeeded(*index))
            .collect();
        let waiting: Vec<usize> = run
            .again
            .iter()
            .filter_map(|index| run.children.get(*index))
            .map(|child| items_of(run, &child.input))
            .collect();
        let (arn, planned) = (Arc::clone(&run.arn), run.planned);
        let (input, items) = (run.input.clone(), Arc::clone(&run.items));
        for items in waiting {
            self.report(key)?.await_redrive(items);
        }
        self.record_for(key, EventKind::MapRunRedriven { arn, count })?;
        let went = match &distributed.reader {
            _ if count > quota::MAP_RUN_REDRIVES => Err(too_often()),
            _ if planned => self.go_on_run(key, state, map, distributed),
            Some(reader) => self.read_items(key, state, reader, &input),
            None => self.begin_run(key, state, map, distributed, items),
        };
        self.resume(program, key, state, went)
    }

    /// The next child that has not succeeded runs again.
    pub(super) fn restart_child(
        &mut self,
        key: FrameKey,
        map: &MapFields,
        distributed: &DistributedFields,
    ) -> Result<(), Broken> {
        let run = self.frames.get_mut(key)?.map_run()?;
        let index = run.again.pop_front().ok_or(Broken::UNKNOWN_CHILD)?;
        let child = run.children.get_mut(index).ok_or(Broken::UNKNOWN_CHILD)?;
        let before = std::mem::replace(&mut child.status, Status::Running);
        child.redrives += 1;
        let input = child.input.clone();
        let items = items_of(run, &input);
        self.report(key)?.begin_again(items, &before);
        self.run_child(key, map, distributed, index)
    }
}

fn too_often() -> Failure {
    let cause = format!(
        "A Map Run can be redriven {} times at most.",
        quota::MAP_RUN_REDRIVES
    );
    Failure::new(error_name::RUNTIME, cause, Origin::Runtime)
}
