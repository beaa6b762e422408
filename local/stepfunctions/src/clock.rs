//! One clock for every timer of every execution: Wait, Retry delays, TimeoutSeconds and
//! HeartbeatSeconds all fire here.
//!
//! The virtual clock is the real one plus an offset that jumps to the next timer as soon as nothing
//! real is going on, so a pipeline that waits for hours ends in seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use asl::{TimerId, Timestamp};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use cloud::time::now;
use cloud::work::{Busy, Sleep, Work};

/// Which clock executions see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClockMode {
    /// The machine's own.
    #[default]
    Real,
    /// Skips to the next timer when no task is in flight.
    Virtual,
}

/// What a timer wakes.
pub trait Wake: Send + Sync + 'static {
    /// The timer has reached its moment.
    fn fire(self: Arc<Self>, timer: TimerId);
}

/// Timers in order of their moment. The key's second part tells executions apart.
type Timers = BTreeMap<(i64, u64, u64), Weak<dyn Wake>>;

/// The clock and its timers.
pub struct Clock {
    mode: ClockMode,
    offset: AtomicI64,
    timers: Mutex<Timers>,
    changed: Notify,
    /// The last timer has fired or was disarmed, and nothing is going on.
    stalled: Notify,
    work: Work,
    /// How often somebody has slept by this clock.
    sleeps: AtomicU64,
}

/// Stands for an execution's number with those who sleep; runs are numbered from one.
const SLEEPERS: u64 = 0;

impl Clock {
    /// A clock without timers.
    pub fn new(mode: ClockMode, work: Work) -> Arc<Clock> {
        let sleeper = work.clone();
        let clock = Arc::new(Clock {
            mode,
            offset: AtomicI64::new(0),
            timers: Mutex::default(),
            changed: Notify::new(),
            stalled: Notify::new(),
            work,
            sleeps: AtomicU64::new(0),
        });
        let by: Weak<Clock> = Arc::downgrade(&clock);
        sleeper.wait_by(by);
        clock
    }

    /// Now, as executions see it.
    pub fn now(&self) -> Timestamp {
        let offset = self.offset.load(Ordering::Relaxed);
        Timestamp(now().0.saturating_add(offset))
    }

    /// Moves forward.
    pub fn skip(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.offset.fetch_add(micros, Ordering::Relaxed);
        self.changed.notify_one();
    }

    /// Marks something real as going on.
    pub fn busy(&self) -> Busy {
        self.work.begin()
    }

    /// Resolves when the virtual clock has nothing to skip to.
    pub async fn stalled(&self) {
        loop {
            let stalled = self.stalled.notified();
            tokio::pin!(stalled);
            // Registered before the look, so that no change in between is missed.
            stalled.as_mut().enable();
            if self.mode == ClockMode::Virtual && self.work.is_idle() && self.lock().is_empty() {
                return;
            }
            stalled.await;
        }
    }

    /// Arms a timer of the execution numbered `run`.
    pub fn start(&self, run: u64, timer: TimerId, at: Timestamp, wake: Weak<dyn Wake>) {
        let key = (at.0, run, timer.0);
        let mut timers = self.lock();
        timers.insert(key, wake);
        let first = timers.keys().next() == Some(&key);
        drop(timers);
        if first {
            self.changed.notify_one();
        }
    }

    /// Disarms a timer.
    pub fn cancel(&self, run: u64, timer: TimerId, at: Timestamp) {
        self.lock().remove(&(at.0, run, timer.0));
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Timers> {
        self.timers.lock()
    }

    /// Fires timers until the task that runs this is aborted.
    pub async fn run(self: Arc<Clock>) {
        loop {
            // Registered before the look at the timers, so no change in between is missed.
            let changed = self.changed.notified();
            let next = self.fire_due();
            if next.is_none() {
                self.stalled.notify_waiters();
            }
            tokio::select! {
                () = changed => {}
                () = self.work.idle(), if self.mode == ClockMode::Virtual => {}
                () = sleep(next) => {}
            }
        }
    }

    /// Fires what is due; the time until the next timer, if there is one.
    fn fire_due(&self) -> Option<Duration> {
        loop {
            let now = self.now().0;
            let mut timers = self.lock();
            let first = timers.first_entry()?;
            let (at, _, timer) = *first.key();
            if at <= now {
                let wake = first.remove();
                drop(timers);
                if let Some(wake) = wake.upgrade() {
                    wake.fire(TimerId(timer));
                }
                continue;
            }
            drop(timers);
            if self.mode == ClockMode::Virtual && self.work.is_idle() {
                self.offset.fetch_add(at - now, Ordering::Relaxed);
                continue;
            }
            // Saturates for timers further off than any run; the clock just looks again then.
            let micros = u64::try_from(at - now).unwrap_or(u64::MAX);
            return Some(Duration::from_micros(micros).min(Duration::from_secs(3_600)));
        }
    }
}

impl Sleep for Clock {
    fn sleep(self: Arc<Self>, time: Duration) -> BoxFuture<'static, Busy> {
        let (over, slept) = oneshot::channel();
        let sleeper: Arc<dyn Wake> = Arc::new(Sleeper {
            work: self.work.clone(),
            over: Mutex::new(Some(over)),
        });
        let timer = TimerId(self.sleeps.fetch_add(1, Ordering::Relaxed));
        let at = self.now().plus_seconds(time.as_secs_f64());
        self.start(SLEEPERS, timer, at, Arc::downgrade(&sleeper));
        let armed = Armed {
            clock: self,
            timer,
            at,
            _sleeper: sleeper,
        };
        async move {
            let busy = slept.await;
            // An error would mean that the sleeper has gone, which `armed` holds.
            let busy = busy.unwrap_or_else(|_| armed.clock.busy());
            drop(armed);
            busy
        }
        .boxed()
    }
}

/// Somebody who sleeps.
struct Sleeper {
    work: Work,
    over: Mutex<Option<oneshot::Sender<Busy>>>,
}

impl Wake for Sleeper {
    fn fire(self: Arc<Self>, _: TimerId) {
        if let Some(over) = self.over.lock().take() {
            // Nobody listens where the sleep was broken off in this moment.
            let _ = over.send(self.work.begin());
        }
    }
}

/// The timer of somebody who sleeps, disarmed when the sleep is over or broken off.
struct Armed {
    clock: Arc<Clock>,
    timer: TimerId,
    at: Timestamp,
    _sleeper: Arc<dyn Wake>,
}

impl Drop for Armed {
    fn drop(&mut self) {
        self.clock.cancel(SLEEPERS, self.timer, self.at);
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Fired(Mutex<Vec<u64>>, Notify);

    impl Wake for Fired {
        fn fire(self: Arc<Self>, timer: TimerId) {
            self.0.lock().push(timer.0);
            self.1.notify_one();
        }
    }

    #[tokio::test]
    async fn the_virtual_clock_waits_for_what_is_real() {
        let clock = Clock::new(ClockMode::Virtual, Work::default());
        let fired = Arc::new(Fired::default());
        let wake: Arc<dyn Wake> = fired.clone();
        let busy = clock.busy();
        let start = clock.now();
        for (timer, seconds) in [(2, 7_200.0), (1, 3_600.0), (3, 9_000.0)] {
            clock.start(
                1,
                TimerId(timer),
                start.plus_seconds(seconds),
                Arc::downgrade(&wake),
            );
        }
        clock.cancel(1, TimerId(3), start.plus_seconds(9_000.0));
        let task = tokio::spawn(clock.clone().run());
        tokio::task::yield_now().await;
        assert!(fired.0.lock().is_empty());
        drop(busy);
        while fired.0.lock().len() < 2 {
            fired.1.notified().await;
        }
        task.abort();
        assert_eq!(*fired.0.lock(), [1, 2]);
        assert!(clock.now() >= start.plus_seconds(7_200.0));
    }

    #[tokio::test]
    async fn who_sleeps_is_woken_by_a_skip_and_leaves_no_timer_behind() {
        let work = Work::default();
        let clock = Clock::new(ClockMode::Virtual, work.clone());
        let task = tokio::spawn(clock.clone().run());
        let start = clock.now();
        let broken_off = work.sleep(Duration::from_secs(60));
        assert!(broken_off.now_or_never().is_none());
        let busy = work.sleep(Duration::from_secs(3_600)).await;
        assert!(clock.now() >= start.plus_seconds(3_600.0));
        assert!(!work.is_idle());
        drop(busy);
        clock.stalled().await;
        task.abort();
    }
}
