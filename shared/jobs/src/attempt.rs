//! The attempts at a job: what the dispatcher decided for each, and how it ended. They stand beside the job, so that
//! the next attempt can learn from them, and in the ledger of their worker and class, so that the next job can.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use placement::estimate::{Feature, Sample};
use placement::{Placement, Resources};
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::artifacts::{
    self, ArtifactError, GetObject, ListObjects, PutObject, S3Uri, When, put_json,
};
use crate::job::digest;
use crate::ledger::{Ledger, Record};
use crate::measure::Measured;
use crate::task::TaskToken;

/// The ending of an attempt that did its work.
pub const SUCCEEDED: &str = "SUCCEEDED";

/// One start of a job, written once as `jobs/<job id>/attempts/<id>.json`: a dispatcher that is asked again for the same
/// start finds what it decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Follows from the task token; see [`attempt_id`].
    pub id: String,
    /// The worker whose ledger it goes into.
    pub worker: String,
    /// The class of job in it.
    pub class: String,
    /// What the size of the input is told by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    /// When the dispatcher decided, in ms since the Unix epoch.
    pub dispatched_at_ms: u64,
    /// Where it was to run.
    pub placement: Placement,
    /// The size that was asked for; without it the worker's definition has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// What it was expected to take, where anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<Predicted>,
    /// Why there, in one line.
    pub reason: String,
}

/// What an attempt was expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Predicted {
    /// How long it probably works, seconds.
    pub expected_seconds: f64,
    /// How long it works at most, seconds.
    pub longest_seconds: f64,
    /// What it probably costs, its start-up included, USD.
    pub usd: f64,
    /// From how many runs of the ledger that was told; 0 when the request said it.
    pub runs: u64,
}

/// How an attempt ended, written as `jobs/<job id>/attempts/<id>.ended.json` by whoever knows first: the worker, or the
/// job-watcher for a worker that died.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ended {
    /// [`SUCCEEDED`], or the name of the error.
    pub ending: String,
    /// Where it ran.
    pub placement: Placement,
    /// What it was given there, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Resources>,
    /// What the size of its input is told by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature: Option<Feature>,
    /// Id of the job, which the ledger needs to tell the attempts at one job from those at another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// When the work began, in ms since the Unix epoch; absent when it never did, or nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at_ms: Option<u64>,
    /// When it ended, in ms since the Unix epoch.
    pub finished_at_ms: u64,
    /// What it took.
    #[serde(flatten)]
    pub measured: Measured,
}

impl Ended {
    /// How long it worked, ms.
    pub fn duration_ms(&self) -> Option<u64> {
        Some(self.finished_at_ms.saturating_sub(self.started_at_ms?))
    }

    /// How long all that the job has come to took, ms: an attempt that went on from a checkpoint did only the rest.
    pub fn whole_ms(&self) -> Option<u64> {
        let earlier = self.measured.earlier_ms.unwrap_or(0);
        Some(self.duration_ms()?.saturating_add(earlier))
    }

    /// What an estimate learns from it. An attempt that was cut short tells nothing: the one that completes the job
    /// tells how much that takes.
    pub fn sample(&self) -> Option<Sample> {
        (self.ending == SUCCEEDED).then_some(())?;
        Some(Sample {
            feature: self.feature.clone(),
            seconds: self.whole_ms()? as f64 / 1e3,
            memory_mib: self.measured.peak_memory_mib,
        })
    }
}

/// The id of the attempt that waits under `token`; of a job that its state machine runs by `.sync`, always the same.
pub fn attempt_id(token: Option<&TaskToken>) -> String {
    token.map_or_else(|| "sync".to_owned(), |token| digest(&[token.reveal()], 24))
}

/// Where the attempt `id` at the job at `job_uri` stands.
pub fn attempt_uri(job_uri: &S3Uri, id: &str) -> S3Uri {
    job_uri.sibling(&format!("attempts/{id}.json"))
}

/// Where its end stands.
pub fn ended_uri(job_uri: &S3Uri, id: &str) -> S3Uri {
    job_uri.sibling(&format!("attempts/{id}.ended.json"))
}

/// An attempt and, when it has ended, its end.
pub type Past = (Attempt, Option<Ended>);

/// All attempts at the job at `job_uri`, the first one first. An object that is none is left out, and named in the log.
///
/// # Errors
/// [`ArtifactError::Unavailable`] when S3 cannot be read.
pub async fn attempts<S: GetObject + ListObjects>(
    store: &S,
    job_uri: &S3Uri,
) -> Result<Vec<Past>, ArtifactError> {
    let mut found = Vec::new();
    for listed in store.list(&job_uri.sibling("attempts/")).await? {
        let key = &listed.uri.key;
        if key.ends_with(".ended.json") || !key.ends_with(".json") {
            continue;
        }
        let Some(attempt) = readable::<Attempt>(store, &listed.uri).await? else {
            continue;
        };
        let ended = readable(store, &ended_uri(job_uri, &attempt.id)).await?;
        found.push((attempt, ended));
    }
    found.sort_by_key(|(attempt, _)| attempt.dispatched_at_ms);
    Ok(found)
}

async fn readable<T: serde::de::DeserializeOwned>(
    store: &impl GetObject,
    uri: &S3Uri,
) -> Result<Option<T>, ArtifactError> {
    match artifacts::find_json(store, uri).await {
        Err(error @ ArtifactError::Malformed { .. }) => {
            warn!("{error}; it is left out");
            Ok(None)
        }
        answer => answer,
    }
}

/// Notes how `attempt` at the job at `job_uri` ended: beside the job, and in the ledger. What cannot be written is
/// told in the log alone, for no job fails because nobody learns from it.
pub async fn note_end<S: GetObject + PutObject>(
    store: &S,
    job_uri: &S3Uri,
    attempt: &Attempt,
    ended: &Ended,
) {
    let noted = async {
        let id = &attempt.id;
        put_json(store, &ended_uri(job_uri, id), ended, When::Always).await?;
        let began = ended.started_at_ms.unwrap_or(ended.finished_at_ms);
        let ledger = runs(store, &job_uri.bucket, &attempt.worker, &attempt.class);
        let entry = Ended {
            job: job_uri.folder().map(str::to_owned),
            ..ended.clone()
        };
        ledger
            .record(&format!("{job_uri} {id} {began}"), &entry)
            .await
    };
    if let Err(error) = noted.await {
        warn!("{error}; nobody will learn from this attempt");
    }
}

/// The ledgers of all workers are under this prefix.
pub const LEDGERS: &str = "ledger/";

/// The ledger of `worker`'s jobs of `class`.
pub fn runs<'a, S>(
    store: &'a S,
    bucket: &'a str,
    worker: &str,
    class: &str,
) -> Ledger<'a, S, Ended> {
    Ledger::new(store, bucket, format!("{LEDGERS}{worker}/{class}"))
}

/// Runs that a ledger keeps: the newest. With 200 for calibration a bound of 95 % is off by half a percent at most.
const KEPT: usize = 400;

/// What a ledger of runs comes to: how many there were, and the newest of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Runs {
    /// All attempts that were ever recorded.
    pub recorded: u64,
    /// The newest of them, in the order in which they ended.
    pub newest: Vec<Ended>,
}

impl Runs {
    /// What an estimate learns from.
    pub fn samples(&self) -> Vec<Sample> {
        self.newest.iter().filter_map(Ended::sample).collect()
    }
}

impl Record for Ended {
    type Sum = Runs;

    /// Its JSON in Base64.
    fn encode(&self) -> String {
        // Numbers, texts and names: serialising them cannot fail.
        let json = serde_json::to_vec(self).unwrap_or_default();
        BASE64_URL_SAFE_NO_PAD.encode(json)
    }

    fn decode(text: &str) -> Option<Self> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }

    fn fold(self, runs: &mut Runs) {
        runs.recorded += 1;
        // Entries come in any order: those of one compaction in that of their ids.
        let later = |kept: &Ended| kept.finished_at_ms <= self.finished_at_ms;
        let at = runs.newest.partition_point(later);
        runs.newest.insert(at, self);
        if runs.newest.len() > KEPT {
            runs.newest.remove(0);
        }
    }
}

#[cfg(test)]
#[path = "attempt_tests.rs"]
mod tests;
