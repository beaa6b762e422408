//! What an execution has begun and waits for: tasks, timers, children.

use std::sync::{Arc, Weak};

use asl::{ChildId, Event, TaskId, TimerId, Timestamp};
use tokio::task::AbortHandle;

use super::{InFlight, Run};
use crate::clock::Wake;
use crate::engine::Engine;

impl Run {
    /// Notes a task in flight. `work` is called under the lock, so its end cannot be missed.
    pub fn track(
        &self,
        id: TaskId,
        token: Option<Arc<str>>,
        work: impl FnOnce() -> Option<AbortHandle>,
    ) {
        let mut state = self.lock();
        if state.stopped.is_none() {
            let work = work();
            state.tasks.insert(id, InFlight { token, work });
        }
    }

    /// Stops what can be stopped of a task that is no longer wanted.
    pub fn cancel(&self, id: TaskId) {
        let task = self.lock().tasks.remove(&id);
        if let Some(work) = task.as_ref().and_then(|task| task.work.as_ref()) {
            work.abort();
        }
        self.forget_token(task);
    }

    /// Arms a timer.
    pub fn start_timer(self: &Arc<Run>, engine: &Engine, id: TimerId, at: Timestamp) {
        self.lock().timers.insert(id, at);
        let wake: Arc<dyn Wake> = self.clone();
        engine
            .clock
            .start(self.number(), id, at, Arc::downgrade(&wake));
    }

    /// Disarms a timer.
    pub fn cancel_timer(&self, engine: &Engine, id: TimerId) {
        if let Some(at) = self.lock().timers.remove(&id) {
            engine.clock.cancel(self.number(), id, at);
        }
    }

    /// Notes a child execution, and stops it if that was wanted before it was there.
    pub fn adopt(&self, id: ChildId, child: &Arc<Run>) {
        let mut state = self.lock();
        let unwanted = state.called_off.remove(&id) || state.stopped.is_some();
        state.children.insert(id, Arc::downgrade(child));
        drop(state);
        if unwanted {
            stop(child);
        }
    }

    /// Stops a child execution, now or as soon as it is there.
    pub fn stop_child(&self, id: ChildId) {
        let mut state = self.lock();
        let child = state.children.get(&id).and_then(Weak::upgrade);
        if child.is_none() {
            state.called_off.insert(id);
        }
        drop(state);
        if let Some(child) = child {
            stop(&child);
        }
    }
}

impl Wake for Run {
    fn fire(self: Arc<Self>, timer: TimerId) {
        self.post(Event::TimerFired { id: timer });
    }
}

fn stop(child: &Arc<Run>) {
    child.post(Event::Stop {
        error: None,
        cause: None,
    });
}
