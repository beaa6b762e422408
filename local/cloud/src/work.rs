//! Whether anything real is going on: the virtual clock stands still while it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the work under way over all services. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Work {
    count: Arc<AtomicUsize>,
    idle: Arc<Notify>,
}

/// One piece of work under way, until it is dropped.
#[derive(Debug)]
pub struct Busy(Work);

impl Work {
    /// Begins a piece of work.
    pub fn begin(&self) -> Busy {
        self.count.fetch_add(1, Ordering::AcqRel);
        Busy(self.clone())
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Resolves when the last piece of work has ended; each end wakes one waiter.
    pub async fn idle(&self) {
        self.idle.notified().await;
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_one();
        }
    }
}
