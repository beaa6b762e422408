//! What ran, for how long, and how large: the basis of the estimated cost.

use std::sync::Arc;

use parking_lot::Mutex;
use placement::Placement;

use crate::time::Timestamp;

/// One Lambda invocation, ECS task or Batch job attempt.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Usage {
    /// Where it ran, as AWS would bill it.
    pub placement: Placement,
    /// Function name, task definition family or job definition name.
    pub name: String,
    /// vCPUs; for Lambda, what its memory buys (1,769 MB are one vCPU).
    pub vcpus: f64,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Start of the billed time.
    pub started: Timestamp,
    /// End of the billed time.
    pub stopped: Timestamp,
    /// Request id, task ARN or job id.
    pub id: String,
    /// `JOB_URI` the worker was given, if any.
    pub job_uri: Option<String>,
}

/// Append-only record of usage, shared by the services.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    rows: Arc<Mutex<Vec<Usage>>>,
}

impl Meter {
    /// Adds a row.
    pub fn record(&self, usage: Usage) {
        self.rows.lock().push(usage);
    }

    /// All rows so far, in order of completion.
    pub fn rows(&self) -> Vec<Usage> {
        self.rows.lock().clone()
    }
}
