//! Packs: many small jobs that one container or function does, one after the other, so that it starts once.
//!
//! A pack is a job whose input names a list on S3, and each job of the list stays a job of its own: it has its id, its
//! folder, and its outcome, committed once. So an attempt at a pack that is cut short loses the job under way, and the
//! next attempt goes on with what has no outcome.

use placement::Placement;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::artifacts::S3Uri;
use crate::job::{Job, JobOutcome, JobResult, Origin};

/// The input of a job that is a pack: no worker has such an input of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackInput {
    /// S3 URI of its [`Pack`].
    pub pack: S3Uri,
}

/// The input of an array job whose children are packs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArrayInput {
    /// The folder of the packs, with a slash at its end: `0.json` is that of the first child.
    pub packs: S3Uri,
}

/// A list of jobs for one worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pack {
    /// Who asks for the jobs: their ids follow.
    #[serde(flatten)]
    pub origin: Origin,
    /// The jobs, in the order in which they are done.
    pub jobs: Vec<Small>,
}

/// One job of a pack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Small {
    /// Its place in the batch that was divided into packs, from 0.
    pub index: u64,
    /// The worker's own input.
    pub input: Value,
}

impl Small {
    /// The job that it is, of a batch that `origin` asks for.
    pub fn job(self, origin: &Origin, worker: &str, placement: Placement) -> Job {
        let origin = Origin {
            index: Some(self.index),
            ..origin.clone()
        };
        Job::new(origin, worker, placement, self.input)
    }
}

/// What came of the jobs of a pack, when all have an outcome: the pack's output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Jobs that were done.
    pub succeeded: u64,
    /// Jobs whose input was refused for good.
    pub refused: u64,
}

impl Tally {
    /// What these outcomes come to.
    pub fn of(outcomes: &[JobOutcome]) -> Self {
        let succeeded =
            |outcome: &&JobOutcome| matches!(outcome.result, JobResult::Succeeded { .. });
        let succeeded = outcomes.iter().filter(succeeded).count();
        Self {
            succeeded: succeeded as u64,
            refused: (outcomes.len() - succeeded) as u64,
        }
    }
}

/// Where the pack `index` of a batch is, whose folder is that of `batch_uri`.
pub fn pack_uri(batch_uri: &S3Uri, index: usize) -> S3Uri {
    batch_uri.sibling(&format!("packs/{index}.json"))
}

/// Where all outcomes of a pack stand when an attempt has gone through its list, for whoever reads them all: the same
/// as the `outcome.json` of each of its jobs.
pub fn outcomes_uri(pack_uri: &S3Uri) -> S3Uri {
    let key = pack_uri.key.trim_end_matches(".json");
    S3Uri::new(&pack_uri.bucket, format!("{key}.outcomes.json"))
}

/// Where a job tells why its last attempt failed, beside its `job.json`, until it has an outcome: `{"Error", "Cause"}`,
/// as states tell it.
pub fn failed_uri(job_uri: &S3Uri) -> S3Uri {
    job_uri.sibling("failed.json")
}

/// The child `index` of the array job `job` at `uri`, and where it is. Of packs it has its own; any other input is that
/// of all children.
pub fn child_of(job: Job, uri: &S3Uri, index: u32) -> (Job, S3Uri) {
    let input = match serde_json::from_value::<ArrayInput>(job.input.clone()) {
        Ok(ArrayInput { packs }) => json!(PackInput {
            pack: S3Uri::new(packs.bucket, format!("{}{index}.json", packs.key)),
        }),
        Err(_) => job.input.clone(),
    };
    let id = format!("{}-{index}", job.id);
    let uri = uri.sibling(&format!("children/{index}/job.json"));
    (Job { id, input, ..job }, uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_of_an_array_has_its_own_pack_and_its_own_folder() {
        let uri = S3Uri::new("b", "jobs/j/job.json");
        let input = json!(ArrayInput {
            packs: pack_uri(&uri, 0).sibling("")
        });
        let array = Job {
            id: "j".into(),
            ..Job::new(Origin::new("e", "s"), "trainer", Placement::Batch, input)
        };
        let (child, at) = child_of(array.clone(), &uri, 7);
        assert_eq!(child.id, "j-7");
        assert_eq!(child.input, json!({"pack": "s3://b/jobs/j/packs/7.json"}));
        assert_eq!(pack_uri(&uri, 7).to_string(), "s3://b/jobs/j/packs/7.json");
        assert_eq!(
            at.sibling("outcome.json").key,
            "jobs/j/children/7/outcome.json"
        );
        let other = Job {
            input: json!({"x": 1}),
            ..array
        };
        let outcomes = outcomes_uri(&pack_uri(&uri, 7)).to_string();
        assert_eq!(outcomes, "s3://b/jobs/j/packs/7.outcomes.json");
        assert_eq!(child_of(other, &uri, 7).0.input, json!({"x": 1}));
    }

    #[test]
    fn a_job_of_a_pack_is_the_one_that_would_run_alone() {
        let origin = Origin::new("e", "s");
        let small = Small {
            index: 3,
            input: json!({"seed": 1}),
        };
        let alone = Origin {
            index: Some(3),
            ..origin.clone()
        };
        let alone = Job::new(alone, "trainer", Placement::Batch, json!({"seed": 1}));
        assert_eq!(small.job(&origin, "trainer", Placement::Batch), alone);
    }
}
