//! Starting a worker, whatever it runs on.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jobs::artifacts::S3Uri;
use jobs::job::{Job, digest};
use jobs::task::TaskToken;
use placement::{Placement, Resources};

/// One start of a job: the same job, token and placement are the same start.
#[derive(Debug, Clone, Copy)]
pub struct Launch<'a> {
    /// The job, stored at `uri`.
    pub job: &'a Job,
    /// S3 URI of `job.json`.
    pub uri: &'a S3Uri,
    /// Whom the worker answers.
    pub token: &'a TaskToken,
    /// Where to run.
    pub placement: Placement,
    /// The size to ask for; without it the worker's definition has one.
    pub resources: Option<Resources>,
}

impl Launch<'_> {
    /// Names this start; 32 hexadecimal digits.
    pub fn key(&self) -> String {
        digest(
            &[&self.job.id, self.token.reveal(), self.placement.as_str()],
            32,
        )
    }

    /// The size that the job gets when it asks for one; otherwise its definition has one.
    ///
    /// # Errors
    /// [`StartError::Refused`] when the placement has no such size.
    pub fn size(&self) -> Result<Option<Resources>, StartError> {
        let Some(wanted) = self.resources else {
            return Ok(None);
        };
        let size = self.placement.capacity().size(&wanted);
        size.map(Some).ok_or_else(|| StartError::Refused {
            placement: self.placement,
            reason: "it has no size for the job's resources".to_owned(),
        })
    }

    /// The environment of the container, which has `size` if that is not its definition's.
    pub fn environment(&self, size: Option<Resources>) -> Vec<(&'static str, String)> {
        let mut variables = vec![
            ("JOB_URI", self.uri.to_string()),
            ("TASK_TOKEN", self.token.reveal().to_owned()),
            ("PLACEMENT", self.placement.to_string()),
        ];
        if let Some(size) = size {
            variables.push(("VCPU", size.vcpu.to_string()));
            variables.push(("MEMORY_MIB", size.memory_mib.to_string()));
        }
        variables
    }
}

/// Why a placement did not start a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// No capacity, a quota, or throttling: another time or another placement may do.
    #[error("{placement} has no capacity for the job now: {reason}")]
    Capacity {
        /// The placement.
        placement: Placement,
        /// What the service said.
        reason: String,
    },
    /// The service did not answer: the job may have been started.
    #[error("{placement} did not answer whether it started the job: {reason}")]
    Unanswered {
        /// The placement.
        placement: Placement,
        /// What the connection said.
        reason: String,
    },
    /// The service refuses this start, and will again.
    #[error(
        "{placement} refused to start the job: {reason}; check the worker's definition and permissions"
    )]
    Refused {
        /// The placement.
        placement: Placement,
        /// What the service said.
        reason: String,
    },
}

impl StartError {
    /// The placement that did not start the job.
    pub fn placement(&self) -> Placement {
        match self {
            Self::Capacity { placement, .. }
            | Self::Unanswered { placement, .. }
            | Self::Refused { placement, .. } => *placement,
        }
    }
}

/// Starts a worker.
pub trait StartJob {
    /// Starts the worker of `launch` unless this very launch has been started before; returns its ARN or id.
    fn start(&self, launch: &Launch<'_>)
    -> impl Future<Output = Result<String, StartError>> + Send;
}

/// The in-memory twin of [`crate::AwsStarter`].
#[derive(Debug, Default)]
pub struct MemoryStarter {
    failing: Vec<StartError>,
    launches: Mutex<BTreeMap<String, Placement>>,
}

impl MemoryStarter {
    /// A starter whose placements `full` have no capacity.
    pub fn with_full(full: &[Placement]) -> Self {
        let full = full.iter().map(|&placement| StartError::Capacity {
            placement,
            reason: "full".into(),
        });
        Self::failing(full.collect())
    }

    /// A starter whose placements fail as `failing` tells of each.
    pub fn failing(failing: Vec<StartError>) -> Self {
        Self {
            failing,
            launches: Mutex::default(),
        }
    }

    /// The placements of all launches, repeated ones counted once.
    pub fn launches(&self) -> Vec<Placement> {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .copied()
            .collect()
    }
}

impl StartJob for MemoryStarter {
    async fn start(&self, launch: &Launch<'_>) -> Result<String, StartError> {
        let placement = launch.placement;
        if let Some(error) = self.failing.iter().find(|e| e.placement() == placement) {
            return Err(error.clone());
        }
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(launch.key(), placement);
        Ok(launch.key())
    }
}
