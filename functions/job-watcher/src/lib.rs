//! The `job-watcher` function: answers for jobs that ended without calling back.
//!
//! It hears of every ECS task that stopped, every Batch job that ended or blocks its queue for good, and every worker
//! function that failed. If
//! the outcome is committed, it delivers it: the callback was lost. If not, it fails the task at once under the
//! name of what happened, so that the state machine reacts in seconds instead of at its timeout. Most jobs have
//! called back themselves; for them the token is gone. Of every attempt it notes how it ended, unless the worker has,
//! and how long the service let it wait, for the dispatcher to learn from.

pub mod diagnosis;
pub mod ended;
mod record;

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject};
use jobs::job::JobOutcome;
use jobs::task::{CallBack, CallbackError, Delivery, Failure, Named, Signal};
use serde::Serialize;
use serde_json::Value;
use tracing::info;

use ended::Ended;

/// What was done about the event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// `success`, `failure`, or `nothing` when the event is of no job that waits for an answer.
    pub told: &'static str,
    /// Whether anybody still waited.
    pub heard: bool,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The event is not one of those that this function understands.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// The outcome could not be read.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
    /// The answer could not be delivered.
    #[error(transparent)]
    Callback(#[from] CallbackError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Input(error) => error.name(),
            Self::Storage(error) => error.name(),
            Self::Callback(error) => error.name(),
        }
    }
}

/// Answers for the job of one event.
///
/// # Errors
/// `Input.Invalid` for an event of another kind; `Job.*` when S3 or Step Functions fail, and Lambda tries again.
pub async fn handle(
    store: &(impl GetObject + PutObject),
    callback: &impl CallBack,
    event: Value,
) -> Result<Response, Error> {
    let Some(ended) = Ended::read(event)? else {
        return Ok(Response {
            told: "nothing",
            heard: false,
        });
    };
    let uri = ended.job_uri.sibling("outcome.json");
    let signal = match artifacts::find_json::<JobOutcome>(store, &uri).await? {
        Some(outcome) => outcome.signal(&uri.to_string()),
        None => Signal::Failure(diagnose(&ended)),
    };
    // Before the answer: the next attempt, which it may bring about, is to know.
    if let Signal::Failure(failure) = &signal {
        record::note(store, &ended, Some(&failure.error)).await;
    } else {
        record::note(store, &ended, None).await;
    }
    let told = signal.kind();
    let heard = callback.call_back(&ended.token, signal).await? == Delivery::Delivered;
    info!(job = ended.job_id(), told, heard, "{}", ended.story());
    Ok(Response { told, heard })
}

fn diagnose(ended: &Ended) -> Failure {
    Failure::new(
        diagnosis::name(ended),
        &ended.story(),
        ended.job_id(),
        ended.log.as_deref(),
    )
}

#[cfg(test)]
mod tests;
