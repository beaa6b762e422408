//! Histories: of executions in memory as they stand, of older ones rebuilt from their log.

use std::collections::VecDeque;
use std::sync::Arc;

use asl::HistoryEvent;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::{Inner, internal, not_found};
use cloud::error::ServiceError;

/// Histories that are kept because their next page will be asked for.
const KEPT: usize = 4;

/// Events of all kept histories together: two of the longest.
const KEPT_EVENTS: usize = 50_000;

/// Histories that are looked at or rebuilt at the same time.
const AT_ONCE: usize = 4;

/// A history that does not change any more, with its execution's number.
type Ended = (i64, Arc<[HistoryEvent]>);

/// The histories that were rebuilt last, the latest at the end.
pub struct Histories {
    kept: Mutex<VecDeque<Ended>>,
    places: Arc<Semaphore>,
}

impl Default for Histories {
    fn default() -> Histories {
        Histories {
            kept: Mutex::default(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Histories {
    fn get(&self, execution: i64) -> Option<Arc<[HistoryEvent]>> {
        let kept = self.kept.lock();
        let found = kept.iter().find(|(id, _)| *id == execution);
        found.map(|(_, history)| history.clone())
    }

    fn keep(&self, execution: i64, history: &Arc<[HistoryEvent]>) {
        let mut kept = self.kept.lock();
        kept.retain(|(id, _)| *id != execution);
        kept.push_back((execution, history.clone()));
        let events = |kept: &VecDeque<Ended>| -> usize {
            kept.iter().map(|(_, history)| history.len()).sum()
        };
        while kept.len() > KEPT || events(&kept) > KEPT_EVENTS {
            kept.pop_front();
        }
    }
}

impl Inner {
    /// Looks at the history of an execution, on a thread of its own: it may have to be rebuilt first.
    pub(super) async fn history<T: Send + 'static>(
        self: &Arc<Self>,
        arn: &str,
        look: impl FnOnce(&[HistoryEvent]) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let places = self.histories.places.clone();
        let place = places.acquire_owned().await.map_err(internal)?;
        let arn = arn.to_owned();
        self.apart(move |sfn| {
            let _place = place;
            sfn.with_history(&arn, look)
        })
        .await
    }

    fn with_history<T>(
        &self,
        arn: &str,
        look: impl FnOnce(&[HistoryEvent]) -> T,
    ) -> Result<T, ServiceError> {
        if let Some(run) = self.runs.get(arn) {
            return Ok(run.with_history(look));
        }
        let row = self.store.execution(arn).map_err(internal)?;
        let row = row.ok_or_else(|| not_found(arn))?;
        if let Some(history) = self.histories.get(row.id) {
            return Ok(look(&history));
        }
        let history: Arc<[HistoryEvent]> = self.replay(&row, |_| {})?.execution.history().into();
        if row.stopped.is_some() {
            self.histories.keep(row.id, &history);
        }
        Ok(look(&history))
    }
}
