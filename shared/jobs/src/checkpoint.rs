//! What a long job saves of its work, so that its next attempt goes on from there, wherever it runs.
//!
//! The work asks for what an earlier attempt saved, and offers its state after every unit of work (a tree, a file):
//!
//! ```
//! # use jobs::artifacts::{ArtifactError, GetObject, PutObject};
//! # use jobs::checkpoint::{Checkpoint, Interrupted};
//! # #[derive(Debug, thiserror::Error)]
//! # enum Error { #[error(transparent)] Storage(#[from] ArtifactError), #[error(transparent)] Interrupted(#[from] Interrupted) }
//! # async fn sum<S: GetObject + PutObject>(checkpoint: &Checkpoint<'_, S>) -> Result<u64, Error> {
//! let (mut done, mut sum) = checkpoint.restore::<(u64, u64)>().await?.unwrap_or_default();
//! while done < 1_000 {
//!     (done, sum) = (done + 1, sum + done);
//!     checkpoint.offer(done, || (done, sum)).await?;
//! }
//! # Ok(sum)
//! # }
//! ```
//!
//! An offer costs next to nothing unless it is time to save: at an interval, and when the job is told to stop. Then the
//! offer saves and fails with [`Interrupted`], which the work passes on; the state machine tries the job again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::artifacts::{ArtifactError, GetObject, PutObject, S3Uri, When};
use crate::job::Job;
use crate::measure::now_ms;
use crate::task::Named;

mod record;
use record::Header;

/// Time between two checkpoints, unless `CHECKPOINT_SECONDS` says otherwise.
pub const INTERVAL: Duration = Duration::from_secs(30);
/// A checkpoint is due at the earliest after so many times what the last one took: saving costs at most 5 % of the time.
const COST_FACTOR: u32 = 20;

/// Why a job has to stop before it is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// `Job.SpotReclaimed` or `Job.Interrupted`: what the waiting state is told.
    pub name: &'static str,
    /// What happened, in words.
    pub reason: String,
}

/// Between what hears that the job has to stop and the work, which alone can save its state.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<StopState>);

#[derive(Debug, Default)]
struct StopState {
    order: OnceLock<Order>,
    heeded: AtomicBool,
}

impl Stop {
    /// Orders the work to save and stop; the first order counts.
    pub fn give(&self, order: Order) {
        self.0.order.get_or_init(|| order);
    }

    /// Whether the work uses its checkpoint: it will save and stop when it comes to its next offer. Other work has
    /// nothing to wait for.
    pub fn is_heeded(&self) -> bool {
        self.0.heeded.load(Ordering::SeqCst)
    }

    /// What was ordered, if anything.
    pub fn order(&self) -> Option<&Order> {
        self.0.order.get()
    }

    fn heed(&self) -> Option<&Order> {
        self.0.heeded.store(true, Ordering::SeqCst);
        self.order()
    }
}

/// The job was told to stop, and did.
#[derive(Debug, thiserror::Error)]
#[error("{}; {saved}", order.reason)]
pub struct Interrupted {
    order: Order,
    saved: String,
}

impl Named for Interrupted {
    fn name(&self) -> &str {
        self.order.name
    }
}

/// The checkpoint of one job, `checkpoint` beside its `job.json`.
///
/// It only ever grows: of two attempts that run at the same time, the one that has done more replaces what the other
/// saved, never the reverse. A checkpoint that is torn, or of another job, worker or release, is told and ignored.
#[derive(Debug)]
pub struct Checkpoint<'a, S> {
    store: &'a S,
    job: &'a Job,
    uri: S3Uri,
    interval: Duration,
    stop: Stop,
    began: Instant,
    last: Mutex<Last>,
}

/// What is known of the last checkpoint.
#[derive(Debug, Clone)]
struct Last {
    /// Version of the object, if there is one.
    tag: Option<String>,
    /// Units of work in it.
    done: u64,
    /// How long earlier attempts had worked on what this one goes on from.
    earlier: Duration,
    /// When it was read or written.
    at: Instant,
    /// What writing it took.
    cost: Duration,
}

impl<'a, S> Checkpoint<'a, S> {
    /// The checkpoint of `job`, which is stored at `job_uri`; the work stops when `stop` says so.
    pub fn new(
        store: &'a S,
        job: &'a Job,
        job_uri: &S3Uri,
        interval: Duration,
        stop: Stop,
    ) -> Self {
        Self {
            store,
            job,
            uri: job_uri.sibling("checkpoint"),
            interval,
            stop,
            began: Instant::now(),
            last: Mutex::new(Last {
                tag: None,
                done: 0,
                earlier: Duration::ZERO,
                at: Instant::now(),
                cost: Duration::ZERO,
            }),
        }
    }

    /// How long earlier attempts had worked on what this one went on from; `None` when it began anew.
    pub fn earlier(&self) -> Option<Duration> {
        Some(self.last().earlier).filter(|earlier| !earlier.is_zero())
    }

    fn last(&self) -> Last {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn remember(&self, last: Last) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

impl<S: GetObject + PutObject> Checkpoint<'_, S> {
    /// What the last attempt saved, if there is anything that can be used.
    ///
    /// # Errors
    /// When S3 fails; a job that began anew then would lose what is saved.
    pub async fn restore<T: DeserializeOwned>(&self) -> Result<Option<T>, ArtifactError> {
        // From now on the work is expected to save.
        let _ = self.stop.heed();
        let Some(object) = self.store.get_tagged(&self.uri).await? else {
            return Ok(None);
        };
        let mut last = Last {
            tag: Some(object.tag),
            at: Instant::now(),
            ..self.last()
        };
        let found = record::read(&object.body, self.job)
            .and_then(|(header, state)| Ok((header, record::state(state)?)));
        let state = match found {
            Ok((header, state)) => {
                last.done = header.done;
                last.earlier = Duration::from_millis(header.worked_ms);
                info!(
                    done = header.done,
                    saved_at_ms = header.saved_at_ms,
                    "goes on from {}",
                    self.uri
                );
                Some(state)
            }
            Err(unusable) => {
                warn!("{} cannot be used: {unusable}; begins anew", self.uri);
                None
            }
        };
        self.remember(last);
        Ok(state)
    }

    /// Offers the state after `done` units of work; it is made and saved when that is due.
    ///
    /// # Errors
    /// [`Interrupted`] when the job has to stop. A state that cannot be saved is told in the log, and fails no job.
    pub async fn offer<T: Serialize>(
        &self,
        done: u64,
        state: impl FnOnce() -> T,
    ) -> Result<(), Interrupted> {
        let order = self.stop.heed();
        let last = self.last();
        let pause = self.interval.max(last.cost * COST_FACTOR);
        if order.is_none() && last.at.elapsed() < pause {
            return Ok(());
        }
        let saved = self.save(done, &state(), last).await;
        if let Err(error) = &saved {
            warn!("{error}");
        }
        let Some(order) = order else { return Ok(()) };
        Err(Interrupted {
            order: order.clone(),
            saved: match saved {
                Ok(done) => {
                    format!("units of work saved: {done}; the next attempt goes on from there")
                }
                Err(error) => format!("what was done since the last checkpoint is lost: {error}"),
            },
        })
    }

    /// Saves the state unless as much is saved already; the units of work that are saved then.
    async fn save<T: Serialize>(
        &self,
        done: u64,
        state: &T,
        mut last: Last,
    ) -> Result<u64, Unsaved> {
        let begin = Instant::now();
        if last.tag.is_none() || done > last.done {
            let worked = last.earlier + self.began.elapsed();
            let worked_ms = u64::try_from(worked.as_millis()).unwrap_or(u64::MAX);
            let header = Header::new(self.job, done, worked_ms, now_ms());
            let body = record::write(&header, state)?;
            last = self.replace(last, done, body).await?;
        }
        last.at = Instant::now();
        last.cost = last.at - begin;
        let saved = last.done;
        self.remember(last);
        info!(done = saved, "saved {}", self.uri);
        Ok(saved)
    }

    /// Puts `body` in place of what was there when this attempt last looked. What another attempt of the job has put
    /// there meanwhile stays if it is further.
    async fn replace(&self, mut last: Last, done: u64, body: Vec<u8>) -> Result<Last, Unsaved> {
        loop {
            let when = last.tag.as_deref().map_or(When::Absent, When::Matches);
            let written = self.store.put_tagged(&self.uri, body.clone(), when).await?;
            if let Some(tag) = written {
                return Ok(Last {
                    tag: Some(tag),
                    done,
                    ..last
                });
            }
            let found = self.store.get_tagged(&self.uri).await?;
            let header = found
                .as_ref()
                .and_then(|object| Some(record::read(&object.body, self.job).ok()?.0));
            last.tag = found.map(|object| object.tag);
            if let Some(theirs) = header.filter(|theirs| theirs.done >= done) {
                info!(theirs.done, "another attempt of this job is further");
                return Ok(Last {
                    done: theirs.done,
                    ..last
                });
            }
        }
    }
}

/// Why a state is not saved.
#[derive(Debug, thiserror::Error)]
enum Unsaved {
    /// It is not JSON.
    #[error("the state of the work cannot be saved: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// S3 refused, or could not be reached.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
}

#[cfg(test)]
mod tests;
