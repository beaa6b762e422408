//! What a worker tells of its own attempt: what it took, and how it ended.

use std::time::Duration;

use placement::pricing::Prices;

use super::Assignment;
use crate::artifacts::{self, GetObject, PutObject};
use crate::attempt::{Attempt, Ended, attempt_id, attempt_uri, note_end};
use crate::job::Job;
use crate::measure::{Measured, Meter, now_ms};
use placement::Placement;

/// An attempt from the beginning of the work on.
pub(super) struct Running<'a> {
    assignment: &'a Assignment,
    attempt: Attempt,
    placement: Placement,
    meter: Meter,
    pub started_at_ms: u64,
    /// Whether the dispatcher decided it, and so when the wait began.
    dispatched: bool,
}

impl<'a> Running<'a> {
    /// Begins to measure. Where no dispatcher has decided this attempt, as for a task of an activity, it belongs to the
    /// class of its state.
    pub(super) async fn begin(
        store: &impl GetObject,
        assignment: &'a Assignment,
        job: &Job,
    ) -> Self {
        let placement = assignment.placement.unwrap_or(job.placement);
        let id = attempt_id(assignment.task_token.as_ref());
        let uri = attempt_uri(&assignment.job_uri, &id);
        let found: Option<Attempt> = artifacts::find_json(store, &uri).await.unwrap_or_default();
        let dispatched = found.is_some();
        let started_at_ms = now_ms();
        let attempt = found.unwrap_or_else(|| Attempt {
            id,
            worker: job.worker.clone(),
            class: job.origin.class(),
            feature: None,
            dispatched_at_ms: started_at_ms,
            placement,
            resources: None,
            predicted: None,
            reason: String::new(),
        });
        Self {
            assignment,
            attempt,
            placement,
            meter: Meter::start(store),
            started_at_ms,
            dispatched,
        }
    }

    /// What it took until now, after `earlier` attempts had worked on what it went on from.
    pub(super) fn measured(&self, store: &impl GetObject, earlier: Option<Duration>) -> Measured {
        let waited = self
            .started_at_ms
            .saturating_sub(self.attempt.dispatched_at_ms);
        let seconds = now_ms().saturating_sub(self.started_at_ms) as f64 / 1e3;
        let given = self.assignment.given.as_ref();
        let prices = Prices::of_this_machine();
        Measured {
            earlier_ms: earlier.and_then(|earlier| u64::try_from(earlier.as_millis()).ok()),
            waited_ms: self.dispatched.then_some(waited),
            usd: given.and_then(|given| prices.cost(self.placement, given, seconds).ok()),
            ..self.meter.read(store)
        }
    }

    /// Notes that it ended as `ending` with `measured`.
    pub(super) async fn end(
        &self,
        store: &(impl GetObject + PutObject),
        ending: &str,
        measured: Measured,
    ) {
        let ended = Ended {
            ending: ending.to_owned(),
            placement: self.placement,
            given: self.assignment.given,
            feature: self.attempt.feature.clone(),
            job: None,
            started_at_ms: Some(self.started_at_ms),
            finished_at_ms: now_ms(),
            measured,
        };
        note_end(store, &self.assignment.job_uri, &self.attempt, &ended).await;
    }
}
