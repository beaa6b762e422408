//! Whether anything real is going on: the virtual clock stands still while it is.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::Notify;

/// Counts the work under way over all services. Clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Work {
    count: Arc<AtomicUsize>,
    idle: Arc<Notify>,
    clock: Arc<OnceLock<Weak<dyn Sleep>>>,
}

/// A clock by which work that waits can let time pass.
pub trait Sleep: Send + Sync + 'static {
    /// Resolves once so much time has passed on this clock. What comes next is work from then on: none may be
    /// skipped in between.
    fn sleep(self: Arc<Self>, time: Duration) -> BoxFuture<'static, Busy>;
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

    /// Names the clock of [`Work::sleep`]; the first one named stays. Without one it is the machine's.
    pub fn wait_by(&self, clock: Weak<dyn Sleep>) {
        let _ = self.clock.set(clock);
    }

    /// Lets time pass in which nothing is done, which a virtual clock skips.
    pub async fn sleep(&self, time: Duration) -> Busy {
        if let Some(clock) = self.clock.get().and_then(Weak::upgrade) {
            return clock.sleep(time).await;
        }
        tokio::time::sleep(time).await;
        self.begin()
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
