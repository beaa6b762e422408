//! What is told of a Map Run, while it is under way and afterwards
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html>).

use std::sync::Arc;

use crate::start::Status;
use crate::timestamp::Timestamp;

/// A Map Run of an execution.
#[derive(Clone, Debug, PartialEq)]
pub struct MapRunReport {
    /// The Map Run's ARN.
    pub arn: Arc<str>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Option<Timestamp>,
    /// How often it was redriven.
    pub redrives: u64,
    /// When it was last redriven.
    pub redriven: Option<Timestamp>,
    /// Where it stands.
    pub status: MapRunStatus,
    /// MaxConcurrency as it was given; 0 without one.
    pub max_concurrency: u64,
    /// ToleratedFailureCount; 0 without one.
    pub tolerated_count: u64,
    /// ToleratedFailurePercentage; 0 without one.
    pub tolerated_percentage: f64,
    /// Its items.
    pub items: MapRunCounts,
    /// Its child executions, each of which may have a batch of items.
    pub executions: MapRunCounts,
}

/// Where a Map Run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapRunStatus {
    /// It goes on.
    Running,
    /// Every item is done, but for the failures that are tolerated.
    Succeeded,
    /// Too many items failed, or something about the Map Run itself did.
    Failed,
    /// Something else ended the state that it belongs to.
    Aborted,
}

impl MapRunStatus {
    /// The status as DescribeMapRun names it: `RUNNING`, `SUCCEEDED`, `FAILED`, `ABORTED`.
    pub fn name(self) -> &'static str {
        match self {
            MapRunStatus::Running => "RUNNING",
            MapRunStatus::Succeeded => "SUCCEEDED",
            MapRunStatus::Failed => "FAILED",
            MapRunStatus::Aborted => "ABORTED",
        }
    }
}

/// How many items, or child executions, stand where.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapRunCounts {
    /// Not started yet.
    pub pending: usize,
    /// Under way.
    pub running: usize,
    /// Succeeded.
    pub succeeded: usize,
    /// Failed.
    pub failed: usize,
    /// Out of time.
    pub timed_out: usize,
    /// Stopped.
    pub aborted: usize,
    /// Whose results the ResultWriter has written.
    pub results_written: usize,
    /// Of those that have not succeeded, how many wait for their redrive.
    pub pending_redrive: usize,
}

impl MapRunCounts {
    /// All of them.
    pub fn total(&self) -> usize {
        self.pending + self.running + self.ended()
    }

    fn ended(&self) -> usize {
        self.succeeded + self.failed + self.timed_out + self.aborted
    }

    fn begin(&mut self, count: usize) {
        self.pending = self.pending.saturating_sub(count);
        self.running += count;
    }

    fn end(&mut self, count: usize, status: &Status) {
        self.running = self.running.saturating_sub(count);
        *self.ended_as(status) += count;
    }

    fn ended_as(&mut self, status: &Status) -> &mut usize {
        match status {
            Status::Succeeded { .. } => &mut self.succeeded,
            Status::Failed { .. } => &mut self.failed,
            Status::TimedOut { .. } => &mut self.timed_out,
            // What ran when the Map Run ended was stopped.
            Status::Aborted { .. } | Status::Running => &mut self.aborted,
        }
    }
}

impl MapRunReport {
    /// So many items are known, and so many children are to have them.
    pub(super) fn plan(&mut self, items: usize, executions: usize) {
        self.items.pending = items;
        self.executions.pending = executions;
    }

    /// A child begins with so many items.
    pub(super) fn begin(&mut self, items: usize) {
        self.items.begin(items);
        self.executions.begin(1);
    }

    /// A child with so many items has ended.
    pub(super) fn end(&mut self, items: usize, status: &Status) {
        self.items.end(items, status);
        self.executions.end(1, status);
    }

    /// The Map Run goes on after its end; how often it has been redriven by that.
    pub(super) fn redrive(&mut self, now: Timestamp) -> u64 {
        self.status = MapRunStatus::Running;
        self.stopped = None;
        self.redriven = Some(now);
        self.redrives += 1;
        self.redrives
    }

    /// A child with so many items, which has not succeeded, is to run again.
    pub(super) fn await_redrive(&mut self, items: usize) {
        self.items.pending_redrive += items;
        self.executions.pending_redrive += 1;
    }

    /// A child with so many items, which had this status, runs again.
    pub(super) fn begin_again(&mut self, items: usize, status: &Status) {
        for (counts, count) in [(&mut self.items, items), (&mut self.executions, 1)] {
            let ended = counts.ended_as(status);
            *ended = ended.saturating_sub(count);
            counts.pending_redrive = counts.pending_redrive.saturating_sub(count);
            counts.running += count;
        }
    }

    /// The ResultWriter has written what there is.
    pub(super) fn written(&mut self) {
        for counts in [&mut self.items, &mut self.executions] {
            counts.results_written = counts.ended();
        }
    }

    /// The Map Run is over, and with it what was under way; one that is over stays as it is.
    pub(in crate::execution) fn close(&mut self, status: MapRunStatus, now: Timestamp) {
        if self.status != MapRunStatus::Running {
            return;
        }
        self.status = status;
        self.stopped = Some(now);
        for counts in [&mut self.items, &mut self.executions] {
            counts.aborted += std::mem::take(&mut counts.running);
            counts.pending_redrive = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> MapRunReport {
        MapRunReport {
            arn: "arn".into(),
            started: Timestamp(1),
            stopped: None,
            redrives: 0,
            redriven: None,
            status: MapRunStatus::Running,
            max_concurrency: 0,
            tolerated_count: 0,
            tolerated_percentage: 0.0,
            items: MapRunCounts::default(),
            executions: MapRunCounts::default(),
        }
    }

    #[test]
    fn items_are_counted_with_the_child_that_has_them() {
        let mut run = report();
        run.plan(5, 3);
        run.begin(2);
        run.begin(2);
        let failed = Status::Failed {
            error: None,
            cause: None,
        };
        run.end(2, &failed);
        let counts = |counts: MapRunCounts| (counts.pending, counts.running, counts.failed);
        assert_eq!(counts(run.items), (1, 2, 2));
        assert_eq!(counts(run.executions), (1, 1, 1));
        run.close(MapRunStatus::Failed, Timestamp(2));
        assert_eq!((run.items.total(), run.executions.total()), (5, 3));
        assert_eq!((run.items.aborted, run.executions.aborted), (2, 1));
        // It is over once only.
        run.close(MapRunStatus::Aborted, Timestamp(3));
        assert_eq!(run.status, MapRunStatus::Failed);
        assert_eq!(run.stopped, Some(Timestamp(2)));
    }

    #[test]
    fn what_is_written_is_what_has_ended() {
        let mut run = report();
        run.plan(2, 2);
        run.begin(1);
        let output = crate::value::Value::Null;
        run.end(1, &Status::Succeeded { output });
        run.written();
        assert_eq!(run.items.results_written, 1);
    }
}
