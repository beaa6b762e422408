//! vCPUs and memory of the machine as Batch's compute environment: a fair semaphore of two
//! dimensions. Jobs of a higher queue priority go first, then in order of submission; a job at the
//! head waits until it fits and nobody overtakes it.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

/// What a job needs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Need {
    pub(super) vcpus: f64,
    pub(super) memory_mib: u64,
}

/// Place in line: priority of the queue, then number of the request.
type Place = (Reverse<i32>, u64);

#[derive(Debug)]
struct State {
    total: Need,
    free: Need,
    line: BTreeMap<Place, (Need, oneshot::Sender<Permit>)>,
    next: u64,
}

/// The machine's capacity.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    state: Arc<Mutex<State>>,
}

/// Capacity held until dropped.
#[derive(Debug)]
pub(super) struct Permit {
    need: Need,
    slots: Slots,
}

impl Slots {
    pub(super) fn new(vcpus: f64, memory_mib: u64) -> Self {
        let total = Need { vcpus, memory_mib };
        Slots {
            state: Arc::new(Mutex::new(State {
                total,
                free: total,
                line: BTreeMap::new(),
                next: 0,
            })),
        }
    }

    /// Waits for capacity. A job larger than the machine gets the whole machine: here it runs
    /// slower, while on AWS a larger instance would be started for it.
    pub(super) async fn acquire(&self, need: Need, priority: i32) -> Option<Permit> {
        let (sender, receiver) = oneshot::channel();
        {
            let mut state = self.state();
            let need = Need {
                vcpus: need.vcpus.min(state.total.vcpus),
                memory_mib: need.memory_mib.min(state.total.memory_mib),
            };
            let place = (Reverse(priority), state.next);
            state.next += 1;
            state.line.insert(place, (need, sender));
        }
        self.admit();
        receiver.await.ok()
    }

    /// Admits from the head of the line as many as fit.
    fn admit(&self) {
        loop {
            let mut state = self.state();
            let Some(entry) = state.line.first_entry() else {
                return;
            };
            let (need, sender) = entry.get();
            let need = *need;
            let gone = sender.is_closed();
            if !gone && (need.vcpus > state.free.vcpus || need.memory_mib > state.free.memory_mib) {
                return;
            }
            let Some((_, (_, sender))) = state.line.pop_first() else {
                return;
            };
            if gone {
                continue;
            }
            state.free.vcpus -= need.vcpus;
            state.free.memory_mib -= need.memory_mib;
            drop(state);
            // If the receiver went away just now, the permit comes back and gives back.
            let slots = self.clone();
            drop(sender.send(Permit { need, slots }));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        {
            let mut state = self.slots.state();
            state.free.vcpus += self.need.vcpus;
            state.free.memory_mib += self.need.memory_mib;
        }
        self.slots.admit();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    fn need(vcpus: f64, memory_mib: u64) -> Need {
        Need { vcpus, memory_mib }
    }

    #[tokio::test]
    async fn capacity_is_shared_and_given_back() {
        let slots = Slots::new(2.0, 1_000);
        let a = slots.acquire(need(1.0, 600), 0).await.unwrap();
        let mut b = Box::pin(slots.acquire(need(0.5, 600), 0));
        assert!((&mut b).now_or_never().is_none(), "memory is short");
        drop(a);
        assert!(b.now_or_never().is_some());
    }

    #[tokio::test]
    async fn the_head_of_the_line_is_not_overtaken_but_priority_goes_first() {
        let slots = Slots::new(2.0, 1_000);
        let running = slots.acquire(need(2.0, 100), 0).await.unwrap();
        let mut large = Box::pin(slots.acquire(need(2.0, 100), 1));
        let mut small = Box::pin(slots.acquire(need(0.5, 100), 1));
        let mut urgent = Box::pin(slots.acquire(need(1.0, 100), 10));
        assert!((&mut large).now_or_never().is_none());
        assert!((&mut small).now_or_never().is_none());
        assert!((&mut urgent).now_or_never().is_none());
        drop(running);
        let urgent = urgent.now_or_never().unwrap().unwrap();
        assert!(
            (&mut small).now_or_never().is_none(),
            "the large one is before it"
        );
        drop(urgent);
        let large = large.now_or_never().unwrap().unwrap();
        drop(large);
        assert!(small.now_or_never().is_some());
    }

    #[tokio::test]
    async fn one_who_gives_up_does_not_block_the_line() {
        let slots = Slots::new(1.0, 1_000);
        let running = slots.acquire(need(1.0, 1), 0).await.unwrap();
        let mut gives_up = Box::pin(slots.acquire(need(1.0, 1), 0));
        assert!((&mut gives_up).now_or_never().is_none());
        drop(gives_up);
        drop(running);
        assert!(
            slots
                .acquire(need(64.0, 1 << 40), 0)
                .now_or_never()
                .is_some(),
            "clamped to the machine"
        );
    }
}
