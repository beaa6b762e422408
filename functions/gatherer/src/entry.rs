//! What the branches of a Map or Parallel returned, in whatever form it arrives.

use input::{self, InvalidInput};
use jobs::artifacts::{self, ArtifactError, GetObject, S3Uri, outcome_uri};
use jobs::task::Named as _;
use placement::Placement;
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What one branch returned: the receipt of its job, the id of its job, its output when a function did
/// the work directly, or the error that was caught.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// What the branch was to work on.
    pub item: Value,
    /// The job.
    pub job_id: Option<String>,
    /// S3 URI of the pack that the job is done in.
    pub pack: Option<S3Uri>,
    /// S3 URI of its outcome; follows from the job id.
    pub outcome: Option<S3Uri>,
    /// Where the job was to run.
    pub placement: Option<Placement>,
    /// When the work was asked for, as `$states.context.State.EnteredTime` has it.
    pub requested_at: Option<String>,
    /// How long the work took, in ms; an outcome knows better.
    pub duration_ms: Option<u64>,
    /// What a function returned that did the work without a job; the numbers in its `metrics` are reported.
    pub output: Option<Value>,
    /// The error, when the branch failed.
    pub error: Option<CaughtError>,
}

/// `$states.errorOutput`, and what a job of a pack tells of its last attempt.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct CaughtError {
    /// Name of the error.
    pub error: String,
    /// Its cause, mostly a JSON text.
    #[serde(default)]
    pub cause: String,
}

/// A branch whose end is known, or can be read.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    Failed(CaughtError),
    Done(Value),
    At(S3Uri),
}

/// A branch on its way into the report.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub item: Value,
    pub job_id: Option<String>,
    pub placement: Option<Placement>,
    pub requested_at_ms: Option<u64>,
    pub duration_ms: Option<u64>,
    /// The pack, when the job shares its container with others.
    pub pack: Option<S3Uri>,
    pub found: Found,
}

/// Tells for each entry where its outcome is; `inside` is where the entries are.
pub(crate) fn locate(
    entries: Vec<Entry>,
    bucket: &str,
    inside: &str,
) -> Result<Vec<Pending>, InvalidInput> {
    let locate = |(index, entry): (usize, Entry)| {
        let found = match (entry.error, entry.output, entry.outcome, &entry.job_id) {
            (Some(error), ..) => Found::Failed(error),
            (None, Some(output), ..) => Found::Done(output),
            (None, None, Some(uri), _) => Found::At(uri),
            (None, None, None, Some(id)) => Found::At(outcome_uri(bucket, id)),
            (None, None, None, None) => {
                let path = format!("{inside}[{index}]");
                return Err(InvalidInput::new(
                    path,
                    "expected `jobId`, `outcome`, `output` or `error`",
                ));
            }
        };
        let Entry {
            item,
            job_id,
            placement,
            requested_at,
            duration_ms,
            pack,
            ..
        } = entry;
        let moment = |text: String| {
            milliseconds(&text).map_err(|reason| {
                InvalidInput::new(format!("{inside}[{index}].requestedAt"), reason)
            })
        };
        let requested_at_ms = requested_at.map(moment).transpose()?;
        Ok(Pending {
            item,
            job_id,
            placement,
            requested_at_ms,
            duration_ms,
            pack,
            found,
        })
    };
    entries.into_iter().enumerate().map(locate).collect()
}

/// A moment as Step Functions writes it, in ms since the Unix epoch.
fn milliseconds(text: &str) -> Result<u64, String> {
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| format!("expected a moment such as 2026-11-30T12:00:00Z: {error}"))?;
    u64::try_from(moment.unix_timestamp_nanos() / 1_000_000)
        .map_err(|_| "expected a moment after 1970".to_owned())
}

/// What ResultWriter leaves
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-resultwriter.html>).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultWriter {
    destination_bucket: String,
    result_files: ResultFiles,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct ResultFiles {
    #[serde(default)]
    succeeded: Vec<ResultFile>,
    #[serde(default)]
    failed: Vec<ResultFile>,
    #[serde(default)]
    pending: Vec<ResultFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResultFile {
    key: String,
}

/// One child execution in a result file; input and output are JSON texts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Child {
    #[serde(default)]
    input: String,
    #[serde(default)]
    output: String,
    error: Option<String>,
    #[serde(default)]
    cause: String,
}

/// Reads the entries that a manifest points to: a list of them, or what ResultWriter leaves.
pub(crate) async fn read_manifest(
    store: &impl GetObject,
    uri: &S3Uri,
) -> Result<Vec<Entry>, ArtifactError> {
    let malformed = |reason| ArtifactError::Malformed {
        uri: uri.clone(),
        reason,
    };
    let manifest: Value = artifacts::get_json(store, uri).await?;
    if manifest.is_array() {
        return input::parse(manifest).map_err(malformed);
    }
    let files: ResultWriter = input::parse(manifest).map_err(malformed)?;
    let ResultFiles {
        succeeded,
        failed,
        pending,
    } = files.result_files;
    let mut entries = Vec::new();
    for file in succeeded.into_iter().chain(failed).chain(pending) {
        let file = S3Uri::new(&files.destination_bucket, file.key);
        let children: Vec<Child> = artifacts::get_json(store, &file).await?;
        for child in children {
            entries.extend(child.entries());
        }
    }
    Ok(entries)
}

impl Child {
    /// A child that succeeded returned one entry, or the entries of a whole batch of items. One whose output is no
    /// entry counts as failed.
    fn entries(self) -> Vec<Entry> {
        let error = match self.error {
            Some(error) => CaughtError {
                error,
                cause: self.cause,
            },
            None => match output(&self.output) {
                Ok(entries) => return entries,
                Err(error) => CaughtError {
                    error: error.name().to_owned(),
                    cause: error.under("$.Output").to_string(),
                },
            },
        };
        vec![Entry {
            item: serde_json::from_str(&self.input).unwrap_or(Value::Null),
            error: Some(error),
            ..Entry::default()
        }]
    }
}

fn output(text: &str) -> Result<Vec<Entry>, InvalidInput> {
    let output: Value = serde_json::from_str(text)
        .map_err(|error| InvalidInput::new("$", format!("not a JSON text: {error}")))?;
    match output {
        Value::Array(_) => input::parse(output),
        one => input::parse(one).map(|entry| vec![entry]),
    }
}
