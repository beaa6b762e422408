//! UpdateMapRun: other limits for a Map Run that is under way
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateMapRun.html>).

use std::sync::Arc;

use crate::event::MapRunUpdate;
use crate::execution::activity::{Activity, FrameKey};
use crate::execution::broken::Broken;
use crate::execution::failure::Failure;
use crate::execution::ledger::{Execution, Step};

use super::run;

impl Execution {
    /// The next children start by the new limits, and the run fails if too many have failed by them. A Map Run that is
    /// not under way stays as it is.
    pub(in crate::execution) fn update_run(
        &mut self,
        map_run: &str,
        update: MapRunUpdate,
    ) -> Result<(), Broken> {
        let meant = |activity: &Activity| match activity {
            Activity::MapRun(run) => *run.arn == *map_run,
            _ => false,
        };
        let Some(key) = self.frames.search(|frame| meant(&frame.activity)) else {
            return Ok(());
        };
        self.take_update(key, update)?;
        let run = self.frames.get_mut(key)?.map_run()?;
        if !run.planned || run.transfer.is_some() {
            return Ok(());
        }
        let exceeded = run.tolerance.exceeded(run.failed, run.total);
        let program = Arc::clone(&self.machine.program);
        let (state, map, distributed) = self.distributed_of(&program, key)?;
        let went: Result<Step, Failure> = match exceeded {
            true => Err(Failure::too_many_failed()),
            false => self.go_on_run(key, state, map, distributed),
        };
        self.resume(&program, key, state, went)
    }

    fn take_update(&mut self, key: FrameKey, update: MapRunUpdate) -> Result<(), Broken> {
        let MapRunUpdate {
            max_concurrency,
            tolerated_count,
            tolerated_percentage,
        } = update;
        let run = self.frames.get_mut(key)?.map_run()?;
        if let Some(limit) = max_concurrency {
            run.limit = run::limit(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        run.tolerance.count = tolerated_count.or(run.tolerance.count);
        run.tolerance.share = tolerated_percentage.or(run.tolerance.share);
        let report = self.report(key)?;
        report.max_concurrency = max_concurrency.unwrap_or(report.max_concurrency);
        report.tolerated_count = tolerated_count.unwrap_or(report.tolerated_count);
        let share = report.tolerated_percentage;
        report.tolerated_percentage = tolerated_percentage.unwrap_or(share);
        Ok(())
    }
}
