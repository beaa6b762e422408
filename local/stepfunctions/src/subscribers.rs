//! Who hears of history events as they are recorded.

use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

/// A history event of some execution.
#[derive(Debug, Clone)]
pub struct ExecutionEvent {
    /// The execution's ARN.
    pub execution_arn: String,
    /// The event in the shape of GetExecutionHistory.
    pub event: serde_json::Value,
}

/// All subscribers. None is ever made to miss an event; one that has gone is forgotten.
#[derive(Default)]
pub struct Subscribers {
    senders: Mutex<Vec<UnboundedSender<ExecutionEvent>>>,
    count: AtomicUsize,
    changed: watch::Sender<()>,
}

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, Vec<UnboundedSender<ExecutionEvent>>> {
        self.senders.lock()
    }

    /// Adds one.
    pub fn add(&self) -> UnboundedReceiver<ExecutionEvent> {
        let (sender, receiver) = unbounded_channel();
        let mut senders = self.lock();
        senders.push(sender);
        self.count.store(senders.len(), Ordering::Release);
        receiver
    }

    /// Tells that something has changed, to whoever then looks for himself.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Something has changed.
    pub fn change(&self) {
        self.changed.send_replace(());
    }

    /// Whether nobody listens, so events need not be rendered.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Tells all.
    pub fn send(&self, event: &ExecutionEvent) {
        let mut senders = self.lock();
        senders.retain(|sender| sender.send(event.clone()).is_ok());
        self.count.store(senders.len(), Ordering::Release);
    }
}
