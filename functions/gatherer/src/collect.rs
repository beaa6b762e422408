//! Reading outcomes: many at a time but not all, and not for ever.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use jobs::artifacts::{self, ArtifactError, GetObject, S3Uri};
use jobs::cause::words;
use jobs::job::{JobOutcome, JobResult};
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
    store: &impl GetObject,
    prices: &Prices,
    pending: Vec<Pending>,
    deadline: Instant,
) -> Result<Vec<Branch>, ArtifactError> {
    stream::iter(pending.into_iter().enumerate())
        .map(|(index, pending)| branch(store, prices, index, pending, deadline))
        .buffered(CONCURRENCY)
        .try_collect()
        .await
}

async fn branch(
    store: &impl GetObject,
    prices: &Prices,
    index: usize,
    pending: Pending,
    deadline: Instant,
) -> Result<Branch, ArtifactError> {
    let Pending {
        item,
        job_id,
        placement,
        requested_at_ms,
        duration_ms,
        found,
    } = pending;
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
    };
    match found {
        Found::Failed(CaughtError { error, cause }) => Ok(failed(blank, error, &cause)),
        Found::Done(output) => Ok(Branch {
            status: Status::Succeeded,
            metrics: metrics(&output["metrics"]),
            went_to: output["variant"].as_str().map(str::to_owned),
            ..blank
        }),
        Found::At(uri) => match await_outcome(store, &uri, deadline).await {
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

/// The outcome as soon as it is committed; looks once in any case.
async fn await_outcome(
    store: &impl GetObject,
    uri: &S3Uri,
    deadline: Instant,
) -> Result<Option<JobOutcome>, ArtifactError> {
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
