//! Works through a pack: job after job, an outcome for each as it ends.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tracing::{Instrument as _, info, info_span, warn};

use super::{Assignment, Context, Unfinished, compute, failure, interval};
use crate::artifacts::{self, GetObject, PutObject, When, job_uri};
use crate::checkpoint::{Checkpoint, Order, Stop};
use crate::job::{Job, JobOutcome, JobResult};
use crate::measure::now_ms;
use crate::pack::{Pack, PackInput, Tally, failed_uri, outcomes_uri};
use crate::task::{Failure, Named};

/// The output of the job, which is a pack: done when each of its jobs has an outcome. A job that fails does not end the
/// others; then the pack fails under the name of the first, and its next attempt does those that have no outcome.
pub(super) async fn work_through<S, I, O, E>(
    store: &S,
    assignment: &Assignment,
    of: &Job,
    input: PackInput,
    stop: &Stop,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) -> Result<Value, Unfinished>
where
    S: GetObject + PutObject,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let pack = artifacts::get_json::<Pack>(store, &input.pack).await;
    let pack = pack.map_err(|error| Unfinished::from(&error))?;
    let all = pack.jobs.len();
    let (mut outcomes, mut failed) = (Vec::new(), Vec::new());
    for small in pack.jobs {
        if let Some(order) = stop.order() {
            return Err(stopped(order, outcomes.len(), all));
        }
        let job = small.job(&pack.origin, &of.worker, of.placement);
        let span = info_span!("small", id = job.id);
        let one = One {
            store,
            assignment,
            job: &job,
            stop,
        };
        match Box::pin(one.conclude(work)).instrument(span).await? {
            Ok(outcome) => outcomes.push(outcome),
            Err(unfinished) => match stop.order() {
                // What ended because the pack has to stop has not failed.
                Some(order) => return Err(stopped(order, outcomes.len(), all)),
                None => failed.push(unfinished),
            },
        }
    }
    let tally = Tally::of(&outcomes);
    info!(
        tally.succeeded,
        tally.refused,
        failed = failed.len(),
        "pack ended"
    );
    let uri = outcomes_uri(&input.pack);
    let told = artifacts::put_json(store, &uri, &outcomes, When::Always).await;
    told.map_err(|error| Unfinished::from(&error))?;
    let count = failed.len();
    match failed.into_iter().next() {
        None => Ok(json!(tally)),
        Some(Unfinished { name, message }) => Err(Unfinished {
            name,
            message: format!("{count} of {all} jobs failed, the first so: {message}"),
        }),
    }
}

/// The pack has to stop before all its jobs are done.
fn stopped(order: &Order, done: usize, all: usize) -> Unfinished {
    Unfinished {
        name: order.name.to_owned(),
        message: format!("{}; {done} of {all} jobs have an outcome", order.reason),
    }
}

/// One job of a pack.
struct One<'a, S> {
    store: &'a S,
    assignment: &'a Assignment,
    job: &'a Job,
    stop: &'a Stop,
}

impl<S: GetObject + PutObject> One<'_, S> {
    /// The outcome of the job: the committed one, or the one that `work` makes now. An error of the storage ends the whole pack: all of
    /// its jobs need it.
    async fn conclude<I, O, E>(
        &self,
        work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
    ) -> Result<Result<JobOutcome, Unfinished>, Unfinished>
    where
        I: DeserializeOwned,
        O: Serialize,
        E: Named,
    {
        let (store, job) = (self.store, self.job);
        let uri = job_uri(&self.assignment.job_uri.bucket, &job.id);
        let outcome_uri = uri.sibling("outcome.json");
        let unavailable = |error| Unfinished::from(&error);
        let committed = artifacts::find_json::<JobOutcome>(store, &outcome_uri).await;
        if let Some(committed) = committed.map_err(unavailable)? {
            return Ok(Ok(committed));
        }
        let started_at_ms = now_ms();
        let checkpoint = Checkpoint::new(store, job, &uri, interval(), self.stop.clone());
        let context = Context {
            job,
            store,
            uri: &uri,
            checkpoint: &checkpoint,
        };
        let result = match compute(context, work).await {
            Ok(output) => JobResult::Succeeded { output },
            Err(unfinished) => {
                let Failure { error, cause } =
                    failure(&unfinished.name, &unfinished.message, &job.id);
                if !unfinished.is_final() {
                    if self.stop.order().is_none() {
                        warn!(error, "{cause}");
                        let told = json!({"Error": error, "Cause": cause});
                        let at = failed_uri(&uri);
                        let put = artifacts::put_json(store, &at, &told, When::Always).await;
                        put.map_err(unavailable)?;
                    }
                    return Ok(Err(unfinished));
                }
                JobResult::Refused { error, cause }
            }
        };
        let outcome = JobOutcome {
            job_id: job.id.clone(),
            worker: job.worker.clone(),
            placement: self.assignment.placement.unwrap_or(job.placement),
            given: self.assignment.given,
            started_at_ms,
            finished_at_ms: now_ms(),
            measured: None,
            result,
        };
        let committed = artifacts::put_once(store, &outcome_uri, outcome).await;
        Ok(Ok(committed.map_err(unavailable)?))
    }
}

#[cfg(test)]
mod tests;
