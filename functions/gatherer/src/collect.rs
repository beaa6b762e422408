//! Reading outcomes: many at a time but not all, and not for ever.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jobs::artifacts::{self, ArtifactError, GetObject, ListObjects, S3Uri, job_uri};
use jobs::attempt;
use jobs::cause::words;
use jobs::job::{JobOutcome, JobResult};
use jobs::pack::{failed_uri, outcomes_uri};
use jobs::task::Named as _;
use placement::pricing::Prices;
use serde_json::Value;
use tokio::time::{Instant, sleep_until};

use crate::entry::{CaughtError, Found, Pending};
use crate::files;
use crate::report::{Branch, Status};

/// Outcomes that are read at the same time. S3 serves thousands per second; a function of 512 MB does not.
const CONCURRENCY: usize = 64;
/// Pause before an outcome that was not there is looked for again.
const PAUSE: Duration = Duration::from_secs(1);

/// Makes a branch of each pending one, in their order. An outcome that is not committed by `deadline` is missing, and
/// an object that is no outcome a failure.
pub(crate) async fn collect(
    store: &(impl GetObject + ListObjects),
    bucket: &str,
    prices: &Prices,
    pending: Vec<Pending>,
    deadline: Instant,
) -> Result<Vec<Branch>, ArtifactError> {
    let known = of_packs(store, &pending).await?;
    stream::iter(pending.into_iter().enumerate())
        .map(async |(index, pending)| {
            let packed = pending.pack.is_some();
            let branch = branch(store, prices, &known, (index, pending), deadline).await?;
            match packed {
                true => in_pack(store, bucket, branch).await,
                false => with_path(store, bucket, branch).await,
            }
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

/// Outcomes by the ids of their jobs.
type Known = HashMap<String, JobOutcome>;

/// The outcomes that the packs of `pending` tell together. What they do not tell is looked for job by job: an attempt at
/// a pack that was cut short has not told.
async fn of_packs(store: &impl GetObject, pending: &[Pending]) -> Result<Known, ArtifactError> {
    let packs: BTreeSet<&S3Uri> = pending.iter().filter_map(|one| one.pack.as_ref()).collect();
    let told: Vec<Vec<JobOutcome>> = stream::iter(packs)
        .map(async |pack| {
            let outcomes = artifacts::find_json(store, &outcomes_uri(pack)).await?;
            Ok(outcomes.unwrap_or_default())
        })
        .buffered(CONCURRENCY)
        .try_collect()
        .await?;
    let told = told.into_iter().flatten();
    Ok(told
        .map(|outcome| (outcome.job_id.clone(), outcome))
        .collect())
}

/// The branch of a job of a pack. It has started nothing, so it has neither attempts nor a price of its own; one that
/// has no outcome tells itself why.
async fn in_pack(
    store: &impl GetObject,
    bucket: &str,
    branch: Branch,
) -> Result<Branch, ArtifactError> {
    let branch = Branch {
        usd: None,
        ..branch
    };
    let (Status::Missing, Some(id)) = (branch.status, &branch.job_id) else {
        return Ok(branch);
    };
    let uri = failed_uri(&job_uri(bucket, id));
    Ok(
        match artifacts::find_json::<CaughtError>(store, &uri).await? {
            Some(CaughtError { error, cause }) => failed(branch, error, &cause),
            None => branch,
        },
    )
}

/// The branch with the attempts at its job.
async fn with_path(
    store: &(impl GetObject + ListObjects),
    bucket: &str,
    mut branch: Branch,
) -> Result<Branch, ArtifactError> {
    if let Some(id) = &branch.job_id {
        let attempts = attempt::attempts(store, &job_uri(bucket, id)).await?;
        branch.attempts = attempts.into_iter().map(Into::into).collect();
    }
    Ok(branch)
}

async fn branch(
    store: &impl GetObject,
    prices: &Prices,
    known: &Known,
    (index, pending): (usize, Pending),
    deadline: Instant,
) -> Result<Branch, ArtifactError> {
    let Pending {
        item,
        job_id,
        placement,
        requested_at_ms,
        duration_ms,
        pack,
        found,
    } = pending;
    let known = pack.and_then(|_| known.get(job_id.as_ref()?).cloned());
    let blank = Branch {
        index,
        item,
        status: Status::Missing,
        job_id,
        placement,
        requested_at_ms,
        started_at_ms: None,
        duration_ms,
        usd: None,
        metrics: BTreeMap::new(),
        went_to: None,
        files: Vec::new(),
        outcome: None,
        error: None,
        message: None,
        attempts: Vec::new(),
    };
    match found {
        Found::Failed(CaughtError { error, cause }) => {
            // A failure of a job names it.
            let told: Value = serde_json::from_str(&cause).unwrap_or_default();
            let job_id = blank
                .job_id
                .clone()
                .or(told["jobId"].as_str().map(str::to_owned));
            Ok(failed(Branch { job_id, ..blank }, error, &cause))
        }
        Found::Done(output) => Ok(Branch {
            status: Status::Succeeded,
            metrics: metrics(&output["metrics"]),
            went_to: output["variant"].as_str().map(str::to_owned),
            ..blank
        }),
        Found::At(uri) => match outcome(store, &uri, known, deadline).await {
            Ok(Some(outcome)) => Ok(finished(blank, outcome, uri, prices)),
            Ok(None) => Ok(Branch {
                message: Some("no outcome by the deadline".to_owned()),
                ..blank
            }),
            Err(error @ ArtifactError::Malformed { .. }) => {
                Ok(failed(blank, error.name().to_owned(), &error.to_string()))
            }
            Err(error) => Err(error),
        },
    }
}

/// The outcome, which is known or awaited: as soon as it is committed; looks once in any case.
async fn outcome(
    store: &impl GetObject,
    uri: &S3Uri,
    known: Option<JobOutcome>,
    deadline: Instant,
) -> Result<Option<JobOutcome>, ArtifactError> {
    if known.is_some() {
        return Ok(known);
    }
    loop {
        let outcome = artifacts::find_json(store, uri).await?;
        let again = Instant::now() + PAUSE;
        if outcome.is_some() || again > deadline {
            return Ok(outcome);
        }
        sleep_until(again).await;
    }
}

fn failed(blank: Branch, error: String, cause: &str) -> Branch {
    Branch {
        status: Status::Failed,
        error: Some(error),
        message: Some(sentence(cause)),
        ..blank
    }
}

fn finished(blank: Branch, outcome: JobOutcome, uri: S3Uri, prices: &Prices) -> Branch {
    let seconds = outcome.duration_ms() as f64 / 1e3;
    let given = outcome.given.as_ref();
    let usd = given.and_then(|given| prices.cost(outcome.placement, given, seconds).ok());
    let branch = Branch {
        usd,
        started_at_ms: Some(outcome.started_at_ms),
        duration_ms: Some(outcome.duration_ms()),
        job_id: Some(outcome.job_id),
        placement: Some(outcome.placement),
        outcome: Some(uri),
        ..blank
    };
    match outcome.result {
        JobResult::Succeeded { output } => Branch {
            status: Status::Succeeded,
            metrics: metrics(&output["metrics"]),
            files: files::of(&output),
            ..branch
        },
        JobResult::Refused { error, cause } => failed(branch, error, &cause),
    }
}

fn metrics(value: &Value) -> BTreeMap<String, f64> {
    let numbers = value.as_object().into_iter().flatten();
    numbers
        .filter_map(|(name, value)| Some((name.clone(), value.as_f64()?)))
        .collect()
}

/// A cause in words, as far as a row of a table has room.
fn sentence(cause: &str) -> String {
    let point = words(cause);
    if point.chars().count() <= 400 {
        point
    } else {
        point.chars().take(399).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_told_in_a_sentence() {
        assert_eq!(sentence(r#"{"errorMessage":"$.sets: no"}"#), "$.sets: no");
        let long = "x".repeat(1_000);
        assert_eq!(sentence(&long).chars().count(), 400);
    }
}
