//! What is to run, where, and what came of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use placement::{Placement, Resources};

use crate::measure::Measured;
use crate::task::{Failure, Signal};

/// The place in a state machine that asks for a job; with the input, all that a job id is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// Name of the execution, `$states.context.Execution.Name`.
    pub execution: String,
    /// Name of the task state, `$states.context.State.Name`.
    pub state: String,
    /// Index of the Map iteration, `$states.context.Map.Item.Index`, when the state is inside a Map.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// One unit of work, stored as `jobs/<id>/job.json`. It holds no secret: the task token travels apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Derived from the origin, the worker and the input; see [`job_id`].
    pub id: String,
    /// Who asks for it.
    #[serde(flatten)]
    pub origin: Origin,
    /// ARN of the execution, for the logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_arn: Option<String>,
    /// Name of the worker: its task definition, job definition, function and image.
    pub worker: String,
    /// Where the job was first placed. A retry may run elsewhere; the outcome tells where it ran.
    pub placement: Placement,
    /// What it needs; without it the worker's definition decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The worker's own input. Large things are S3 URIs.
    pub input: Value,
}

impl Job {
    /// The job that `origin` asks `worker` for, first placed at `placement`; its id follows.
    pub fn new(origin: Origin, worker: &str, placement: Placement, input: Value) -> Self {
        Self {
            id: job_id(&origin, worker, &input),
            origin,
            execution_arn: None,
            worker: worker.to_owned(),
            placement,
            resources: None,
            input,
        }
    }
}

impl Origin {
    /// The state `state` of `execution`, outside of any Map.
    pub fn new(execution: impl Into<String>, state: impl Into<String>) -> Self {
        Self {
            execution: execution.into(),
            state: state.into(),
            index: None,
        }
    }

    /// The class of the jobs that a state asks for, unless it names another: its own name.
    pub fn class(&self) -> String {
        slug(&self.state, 40)
    }
}

/// The id of a job: the same question always gets the same id, so that it is started and counted once.
///
/// It is readable (`execution-state-index-hash`), at most 96 characters of `[A-Za-z0-9_-]`, which suits an S3 key
/// and an AWS Batch job name (128 characters of that alphabet,
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html>).
pub fn job_id(origin: &Origin, worker: &str, input: &Value) -> String {
    let index = origin
        .index
        .map_or_else(|| "0".to_owned(), |index| index.to_string());
    let hash = digest(
        &[
            &origin.execution,
            &origin.state,
            &index,
            worker,
            &canonical(input),
        ],
        16,
    );
    format!(
        "{}-{}-{index}-{hash}",
        slug(&origin.execution, 40),
        slug(&origin.state, 16)
    )
}

/// The first `length` hexadecimal digits of the SHA-256 of the parts; parts cannot run into each other.
pub fn digest(parts: &[&str], length: usize) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part.len().to_be_bytes());
        hasher.update(part);
    }
    let mut hex = hex::encode(hasher.finalize());
    hex.truncate(length);
    hex
}

fn slug(text: &str, length: usize) -> String {
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '_' {
            c
        } else {
            '-'
        }
    };
    text.chars().take(length).map(keep).collect()
}

/// The JSON text with sorted keys: order of keys is not meaning.
fn canonical(value: &Value) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    sorted.to_string()
}

/// What finally came of a job, committed once as `jobs/<id>/outcome.json`.
///
/// Only final results are committed. A failure that a retry may cure (a crash, a lost machine) is told to the
/// task token and leaves no outcome, so that the next attempt can still succeed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JobOutcome {
    /// The job.
    pub job_id: String,
    /// The worker that ran it.
    pub worker: String,
    /// Where it really ran.
    pub placement: Placement,
    /// What it was given there, as far as the worker knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Resources>,
    /// When the worker began, in ms since the Unix epoch.
    pub started_at_ms: u64,
    /// When it finished, in ms since the Unix epoch.
    pub finished_at_ms: u64,
    /// What the attempt took that came to this outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
    /// Success, or refusal of the input.
    #[serde(flatten)]
    pub result: JobResult,
}

/// How a job ended for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum JobResult {
    /// The worker did it.
    Succeeded {
        /// The worker's own output: small values such as metrics, and S3 URIs of what it stored.
        output: Value,
    },
    /// The worker cannot do it, now or ever, with this input.
    Refused {
        /// An `Input.*` name.
        error: String,
        /// One JSON text: message, job id, path.
        cause: String,
    },
}

impl JobOutcome {
    /// How long the worker worked, in ms; start-up of the container is not in it.
    pub fn duration_ms(&self) -> u64 {
        self.finished_at_ms.saturating_sub(self.started_at_ms)
    }

    /// What the task token gets on success; `uri` is where this outcome is stored.
    pub fn receipt(&self, uri: &str) -> Receipt {
        Receipt {
            job_id: self.job_id.clone(),
            outcome: uri.to_owned(),
            placement: self.placement,
            duration_ms: self.duration_ms(),
        }
    }

    /// What a state that waits for this job is told; `uri` is where this outcome is stored.
    pub fn signal(&self, uri: &str) -> Signal {
        match &self.result {
            JobResult::Succeeded { .. } => Signal::Success(serde_json::json!(self.receipt(uri))),
            JobResult::Refused { error, cause } => Signal::Failure(Failure {
                error: error.clone(),
                cause: cause.clone(),
            }),
        }
    }
}

/// The small value a state gets when its job is done: where to find the outcome. A Map over thousands of jobs
/// stays below the 256 KiB that a state may return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The job.
    pub job_id: String,
    /// S3 URI of its outcome.
    pub outcome: String,
    /// Where it ran.
    pub placement: Placement,
    /// How long the worker worked, in ms.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn origin() -> Origin {
        Origin {
            execution: "run-1".into(),
            state: "Train one set".into(),
            index: Some(3),
        }
    }

    #[test]
    fn an_id_is_stable_and_blind_to_key_order() {
        let one = job_id(
            &origin(),
            "trainer",
            &json!({"a": 1, "b": {"c": 2, "d": 3}}),
        );
        let two = job_id(
            &origin(),
            "trainer",
            &json!({"b": {"d": 3, "c": 2}, "a": 1}),
        );
        assert_eq!(one, two);
        assert!(one.starts_with("run-1-Train-one-set-3-"), "{one}");
    }

    #[test]
    fn each_part_of_the_question_changes_the_id() {
        let base = job_id(&origin(), "trainer", &json!({"a": 1}));
        let others = [
            job_id(
                &Origin {
                    execution: "run-2".into(),
                    ..origin()
                },
                "trainer",
                &json!({"a": 1}),
            ),
            job_id(
                &Origin {
                    state: "Other".into(),
                    ..origin()
                },
                "trainer",
                &json!({"a": 1}),
            ),
            job_id(
                &Origin {
                    index: Some(4),
                    ..origin()
                },
                "trainer",
                &json!({"a": 1}),
            ),
            job_id(&origin(), "transformer", &json!({"a": 1})),
            job_id(&origin(), "trainer", &json!({"a": 2})),
        ];
        for other in others {
            assert_ne!(base, other);
        }
    }

    #[test]
    fn an_outcome_reads_back_as_written() {
        let outcome = JobOutcome {
            job_id: "j".into(),
            worker: "trainer".into(),
            placement: Placement::Batch,
            given: Some(Resources {
                vcpu: 1.0,
                memory_mib: 2_048,
            }),
            started_at_ms: 1_000,
            finished_at_ms: 3_500,
            measured: Some(Measured {
                cpu_ms: Some(900),
                ..Measured::default()
            }),
            result: JobResult::Refused {
                error: "Input.Invalid".into(),
                cause: "{}".into(),
            },
        };
        let text = serde_json::to_value(&outcome).unwrap();
        assert_eq!(text["status"], "REFUSED");
        assert_eq!(text["given"], json!({"vcpu": 1.0, "memoryMiB": 2_048}));
        assert_eq!(serde_json::from_value::<JobOutcome>(text).unwrap(), outcome);
        assert_eq!(outcome.duration_ms(), 2_500);
    }

    #[test]
    fn an_outcome_without_figures_is_read_too() {
        let old = json!({
            "jobId": "j", "worker": "trainer", "placement": "BATCH", "startedAtMs": 1, "finishedAtMs": 2,
            "status": "SUCCEEDED", "output": {}
        });
        let outcome: JobOutcome = serde_json::from_value(old).unwrap();
        assert_eq!((outcome.given, outcome.measured), (None, None));
    }

    proptest! {
        #[test]
        fn an_id_suits_batch_and_s3(execution in ".{0,90}", state in ".{0,90}", index in any::<Option<u64>>()) {
            let id = job_id(&Origin { execution, state, index }, "trainer", &json!({}));
            prop_assert!(id.len() <= 96, "{}", id);
            let legal = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
            prop_assert!(legal, "{}", id);
        }
    }
}
