//! The histories that were rebuilt last: their next pages will be asked for.

use std::collections::VecDeque;
use std::sync::Arc;

use asl::{HistoryEvent, MapRunReport};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

/// Histories that are kept because their next page will be asked for.
const KEPT: usize = 4;

/// Events of all kept histories together: two of the longest.
const KEPT_EVENTS: usize = 50_000;

/// Histories that are looked at or rebuilt at the same time.
const AT_ONCE: usize = 4;

/// What an execution's log comes to.
pub(crate) struct Past {
    pub(crate) history: Vec<HistoryEvent>,
    pub(crate) map_runs: Vec<MapRunReport>,
}

/// A past that does not change any more, with its execution's number.
type Ended = (i64, Arc<Past>);

/// The histories that were rebuilt last, the latest at the end.
pub struct Histories {
    kept: Mutex<VecDeque<Ended>>,
    pub(crate) places: Arc<Semaphore>,
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
    pub(crate) fn get(&self, execution: i64) -> Option<Arc<Past>> {
        let kept = self.kept.lock();
        let found = kept.iter().find(|(id, _)| *id == execution);
        found.map(|(_, past)| past.clone())
    }

    /// An execution goes on, so its past changes.
    pub(crate) fn forget(&self, execution: i64) {
        self.kept.lock().retain(|(id, _)| *id != execution);
    }

    pub(crate) fn keep(&self, execution: i64, past: &Arc<Past>) {
        let mut kept = self.kept.lock();
        kept.retain(|(id, _)| *id != execution);
        kept.push_back((execution, past.clone()));
        let events = |kept: &VecDeque<Ended>| -> usize {
            kept.iter().map(|(_, past)| past.history.len()).sum()
        };
        while kept.len() > KEPT || events(&kept) > KEPT_EVENTS {
            kept.pop_front();
        }
    }
}
