//! Ended executions are kept for some time only.
//!
//! On AWS that is 90 days, after which a name can be used again:
//! <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asl::Timestamp;

use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::errors::{SfnError, internal};
use crate::folder::{CloudError, DATABASE, lock_folder};
use crate::store::{Durability, Store, StoreError};

/// How often the executions that have been kept long enough are looked for.
const PERIOD: Duration = Duration::from_secs(3_600);

/// What was removed on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Executions, children of Distributed Maps included.
    pub executions: usize,
    /// Bytes of the history database before.
    pub bytes_before: u64,
    /// Bytes of the history database now.
    pub bytes_now: u64,
}

/// Removes the executions that ended before a moment from a data folder that no local cloud works on.
///
/// # Errors
/// [`CloudError`]: the folder has no history, is in use, or its database cannot be used.
pub async fn remove_ended(data_dir: &Path, before: Timestamp) -> Result<Removed, CloudError> {
    let data_dir = data_dir.to_owned();
    let work = tokio::task::spawn_blocking(move || remove_from(&data_dir, before));
    // It does not panic, and nothing cancels it.
    work.await
        .unwrap_or(Err(SfnError::from(StoreError::Closed).into()))
}

fn remove_from(data_dir: &Path, before: Timestamp) -> Result<Removed, CloudError> {
    let path = data_dir.join(DATABASE);
    let size = || {
        let metadata = std::fs::metadata(&path);
        let data = |source| CloudError::Data {
            path: path.clone(),
            source,
        };
        metadata.map(|metadata| metadata.len()).map_err(data)
    };
    let bytes_before = size()?;
    let _lock = lock_folder(data_dir)?;
    let store = Store::open(&path, Durability::default()).map_err(SfnError::from)?;
    let mut executions = 0;
    let outcome = store.remove_ended(before, |_| executions += 1);
    store.close();
    outcome.map_err(SfnError::from)?;
    Ok(Removed {
        executions,
        bytes_before,
        bytes_now: size()?,
    })
}

impl Engine {
    /// Removes ended executions once they have been kept for `keep`, until this service ends.
    pub(super) fn keep_for(self: &Arc<Self>, keep: Duration) {
        let engine = Arc::downgrade(self);
        self.runtime.spawn(async move {
            let mut periods = tokio::time::interval(PERIOD);
            loop {
                periods.tick().await;
                let Some(engine) = engine.upgrade().filter(|engine| !engine.is_closed()) else {
                    return;
                };
                let before = engine.clock.now().plus_seconds(-keep.as_secs_f64());
                let outcome = engine.apart(move |engine| engine.forget_ended(before)).await;
                if let Err(error) = outcome
                    && !engine.is_closed()
                {
                    tracing::error!(%error, "ended executions cannot be removed; tried again in an hour");
                }
            }
        });
    }

    /// Removes the executions that ended before a moment, from memory too.
    pub(super) fn forget_ended(&self, before: Timestamp) -> Result<usize, ServiceError> {
        let mut count = 0;
        let outcome = self.store.remove_ended(before, |arn| {
            self.runs.forget(arn);
            count += 1;
        });
        if count > 0 {
            tracing::info!(count, "ended executions have been removed");
        }
        outcome.map_err(internal).map(|()| count)
    }
}
