//! Which job a worker is to do, and for whom.

use serde::Deserialize;
use tokio::time::Instant;

use crate::artifacts::S3Uri;
use crate::env::{self, Malformed, Unusable};
use crate::job::Job;
use crate::pack::child_of;
use crate::task::TaskToken;
use placement::{Placement, Resources};

/// What a worker is told: where its job is, and whom to answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    /// S3 URI of `job.json`.
    pub job_uri: S3Uri,
    /// The waiting state, unless the caller watches the exit code itself (`.sync`).
    #[serde(default)]
    pub task_token: Option<TaskToken>,
    /// Where the worker runs, when that is not the job's own placement.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// Which child of an array job it is; its job is not the one at `job_uri` but follows from it.
    #[serde(skip)]
    pub child: Option<u32>,
    /// What the worker was given there, if its environment tells.
    #[serde(skip)]
    pub given: Option<Resources>,
    /// When Lambda will end the worker.
    #[serde(skip)]
    pub deadline: Option<Instant>,
}

impl Assignment {
    /// Reads the environment of a container.
    pub(super) fn from_env() -> Result<Self, Unusable> {
        Ok(Self {
            job_uri: env::required_as("JOB_URI")?,
            task_token: env::optional("TASK_TOKEN").map(TaskToken::new),
            placement: env::parsed("PLACEMENT")?,
            // https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
            child: env::parsed("AWS_BATCH_JOB_ARRAY_INDEX")?,
            given: given_from_env()?,
            deadline: None,
        })
    }

    /// The job itself, given the one at `job_uri`, and where it is.
    pub(super) fn resolve(&self, job: Job) -> (Self, Job) {
        let Some(index) = self.child else {
            return (self.clone(), job);
        };
        let (job, job_uri) = child_of(job, &self.job_uri, index);
        let assignment = Self {
            job_uri,
            ..self.clone()
        };
        (assignment, job)
    }
}

/// The size of the container: its definition tells it beside the size itself, and the dispatcher where it asks for
/// another one.
pub(super) fn given_from_env() -> Result<Option<Resources>, Malformed> {
    let (vcpu, memory_mib): (Option<f64>, Option<u32>) =
        (env::parsed("VCPU")?, env::parsed("MEMORY_MIB")?);
    let given = vcpu.zip(memory_mib);
    Ok(given.map(|(vcpu, memory_mib)| Resources { vcpu, memory_mib }))
}
