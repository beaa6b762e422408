//! What the dispatcher knows from before: the ledger of a class of jobs, and the attempts at one job.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jobs::artifacts::{ArtifactError, S3Uri};
use jobs::attempt::{self, Attempt, Ended, Runs, SUCCEEDED};
use jobs::ledger::{SETTLE, Store};
use jobs::task::{JOB_CAPACITY, JOB_CRASHED, JOB_OUT_OF_MEMORY, JOB_SPOT_RECLAIMED, JOB_TIMED_OUT};
use placement::course::{Ending, Past};
use placement::{Capacity, Placement};
use tokio::time::Instant;
use tracing::warn;

/// How long a ledger that was read counts as read: ten thousand jobs that start at once read it a few times.
const FRESH: Duration = Duration::from_secs(20);
/// Runs from which on it does: to few of them each one more matters.
const MANY: usize = 100;
/// Settled entries at which a reader also compacts the ledger.
const COMPACT_AT: usize = 200;

/// A ledger, and when it was read.
type Known = (Instant, Arc<Runs>);

/// The long ledgers that this process has read lately, by worker and class.
#[derive(Debug, Default)]
pub struct Recall(Mutex<BTreeMap<String, Known>>);

impl Recall {
    /// The ledger of `worker`'s jobs of `class`. One that cannot be read is told in the log, and counts as empty: a
    /// job does not wait for what could be known about it.
    pub async fn runs<S: Store>(
        &self,
        store: &S,
        bucket: &str,
        worker: &str,
        class: &str,
    ) -> Arc<Runs> {
        let key = format!("{worker}/{class}");
        let known = self.known().get(&key).cloned();
        if let Some((_, runs)) = known.filter(|(read, _)| read.elapsed() < FRESH) {
            return runs;
        }
        let runs = match read(store, bucket, worker, class).await {
            Ok(runs) => Arc::new(runs),
            Err(error) => {
                warn!("{error}; the job is placed as if no run was known");
                return Arc::default();
            }
        };
        if runs.newest.len() >= MANY {
            let known = (Instant::now(), Arc::clone(&runs));
            self.known().insert(key, known);
        }
        runs
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read<S: Store>(
    store: &S,
    bucket: &str,
    worker: &str,
    class: &str,
) -> Result<Runs, ArtifactError> {
    let ledger = attempt::runs(store, bucket, worker, class);
    let reading = ledger.read().await?;
    if let Some(first) = reading.unreadable.first() {
        let count = reading.unreadable.len();
        warn!("{count} entries of a ledger cannot be read, such as {first}; delete them");
    }
    if reading.settled >= COMPACT_AT
        && let Err(error) = ledger.compact(SETTLE).await
    {
        warn!("{error}; the ledger is compacted another time");
    }
    Ok(reading.tally)
}

/// The attempts at a job so far, without the one of `id`: what each teaches, and when the first was dispatched.
///
/// # Errors
/// [`ArtifactError`] when S3 cannot be read.
pub async fn past<S: Store>(
    store: &S,
    job_uri: &S3Uri,
    id: &str,
) -> Result<(Vec<Past>, Option<u64>), ArtifactError> {
    let attempts = attempt::attempts(store, job_uri).await?;
    let others = attempts.iter().filter(|(attempt, _)| attempt.id != id);
    let past = others.filter_map(|(attempt, ended)| past_of(attempt, ended.as_ref()));
    let first = attempts
        .first()
        .map(|(attempt, _)| attempt.dispatched_at_ms);
    Ok((past.collect(), first))
}

fn past_of(attempt: &Attempt, ended: Option<&Ended>) -> Option<Past> {
    let placement = attempt.placement;
    let ending = match ended {
        None => Ending::Silent,
        Some(ended) if ended.ending == SUCCEEDED => return None,
        Some(ended) => ending(placement, ended),
    };
    Some(Past {
        placement,
        given: ended.and_then(|ended| ended.given).or(attempt.resources),
        ending,
    })
}

fn ending(placement: Placement, ended: &Ended) -> Ending {
    match ended.ending.as_str() {
        JOB_SPOT_RECLAIMED => Ending::Reclaimed,
        JOB_OUT_OF_MEMORY => Ending::OutOfMemory,
        JOB_CAPACITY => Ending::NoCapacity,
        JOB_TIMED_OUT => Ending::TimedOut,
        // Of a function that was killed only the job-watcher tells, and nobody knows when it began.
        JOB_CRASHED
            if placement.capacity() == Capacity::Function && ended.started_at_ms.is_none() =>
        {
            Ending::Silent
        }
        _ => Ending::Failed,
    }
}
