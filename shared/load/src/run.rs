//! Running a test: one loop per thread, and a coordinator that merges what they counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::histogram::Latencies;
use crate::result::{LoadResult, Measured, Second};

use crate::driver::{Driver, Finished, Work};
use crate::error::Error;
use crate::http2;
use crate::plan::Plan;
use crate::recorder::{Interval, Recorder};
use crate::spec::Version;

/// When to begin and to end.
#[derive(Clone, Debug, Default)]
pub struct Timing {
    /// The instant at which all generators begin; at once when absent.
    pub start_at: Option<SystemTime>,
    /// When to stop with what there is.
    pub stop_at: Option<Instant>,
    /// Set it from anywhere to stop with what there is.
    pub stop: Arc<AtomicBool>,
}

/// What is known after a second of the test.
#[derive(Debug)]
pub struct Progress<'a> {
    /// The second that is over, from 0; warm-up is not counted.
    pub second: u32,
    /// Length of the measured part in seconds.
    pub of_seconds: f64,
    /// Requests that ended in this second.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Latencies of this second.
    pub latencies: &'a Latencies,
    /// Everything so far.
    pub total: &'a Measured,
}

/// Runs the test and blocks until it is over. `progress` hears of every second.
///
/// # Errors
/// [`Error::Io`] when the system does not give what a generator needs. Failed requests are no errors
/// here: the result counts them.
pub fn run(
    plan: &Plan,
    timing: &Timing,
    progress: &mut dyn FnMut(&Progress<'_>),
) -> Result<LoadResult, Error> {
    let (origin, late) = origin(timing.start_at)?;
    let warmup = (plan.test.warmup_seconds * 1e9) as u64;
    let mut coordinator = Coordinator::new(plan, progress);
    let finished = on_threads(plan, timing, origin, &mut coordinator)?;
    let last = finished.iter().map(|thread| thread.last).max();
    let last = last.unwrap_or(warmup);
    let truncated = finished.iter().any(|thread| thread.truncated);
    let measured = coordinator.measured;
    let scheduled = if truncated {
        0.0
    } else {
        plan.test.seconds() - plan.test.warmup_seconds
    };
    let started = SystemTime::now() - origin.elapsed() + Duration::from_nanos(warmup);
    Ok(LoadResult {
        started_at_ms: started
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3,
        late_ms: late.as_secs_f64() * 1e3,
        seconds: scheduled.max((last - warmup) as f64 / 1e9),
        offered: plan.offered().unwrap_or(measured.requests),
        unfinished: finished.iter().map(|thread| thread.unfinished).sum(),
        truncated,
        measured,
        ..plan.empty_result()
    })
}

/// Lets every thread make its share, while `coordinator` collects what they measure.
fn on_threads(
    plan: &Plan,
    timing: &Timing,
    origin: Instant,
    coordinator: &mut Coordinator<'_>,
) -> Result<Vec<Finished>, Error> {
    let warmup = (plan.test.warmup_seconds * 1e9) as u64;
    let (sender, receiver) = channel();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..plan.threads)
            .map(|index| {
                let work = Work {
                    plan,
                    share: plan.thread_share(index),
                    connections: plan.thread_connections(index),
                    origin,
                    stop_at: timing.stop_at,
                    stop: &timing.stop,
                };
                let recorder = Recorder::new(warmup, sender.clone());
                let pace = plan.pace(index);
                scope.spawn(move || match plan.test.http {
                    Version::Http1 => Driver::new(work, pace, recorder).and_then(Driver::run),
                    Version::Http2 => http2::run(work, pace, recorder),
                })
            })
            .collect();
        drop(sender);
        coordinator.collect(&receiver)?;
        let finished = threads.into_iter().map(|thread| {
            let ended = thread
                .join()
                .map_err(|_| std::io::Error::other("a thread of the generator panicked"));
            ended.and_then(|ended| ended).map_err(Error::from)
        });
        finished.collect()
    })
}

/// Zero of the test's clock, and how much later it is than was agreed.
fn origin(start_at: Option<SystemTime>) -> Result<(Instant, Duration), Error> {
    // Long enough for all threads to stand ready.
    const LEAD: Duration = Duration::from_millis(5);
    let now = Instant::now();
    let (ahead, late) = match start_at.map(|at| at.duration_since(SystemTime::now())) {
        None => (LEAD, Duration::ZERO),
        Some(Ok(ahead)) => (ahead.max(LEAD), LEAD.saturating_sub(ahead)),
        Some(Err(past)) => (LEAD, past.duration() + LEAD),
    };
    let origin = now.checked_add(ahead);
    origin
        .map(|origin| (origin, late))
        .ok_or_else(|| Error::invalid("startAtMs", "is too far away"))
}

/// Merges the seconds of all threads.
struct Coordinator<'a> {
    plan: &'a Plan,
    progress: &'a mut dyn FnMut(&Progress<'_>),
    measured: Measured,
    /// Seconds that not all threads have handed in, and how many have.
    pending: BTreeMap<u32, (u32, Interval)>,
}

impl<'a> Coordinator<'a> {
    fn new(plan: &'a Plan, progress: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        Self {
            plan,
            progress,
            measured: Measured::default(),
            pending: BTreeMap::new(),
        }
    }

    /// Takes intervals until every thread is done.
    fn collect(&mut self, receiver: &Receiver<Interval>) -> Result<(), Error> {
        for interval in receiver {
            let second = interval.second;
            match self.pending.get_mut(&second) {
                Some((threads, pending)) => {
                    *threads += 1;
                    add(pending, &interval);
                }
                None => drop(self.pending.insert(second, (1, interval))),
            }
            // A second is complete when every thread has told it; two seconds later it counts as complete in
            // any case, since a thread that was stopped in it tells it late or never.
            while let Some(entry) = self.pending.first_entry()
                && (entry.get().0 >= self.plan.threads || entry.key() + 2 < second)
            {
                let (_, (_, interval)) = entry.remove_entry();
                self.complete(&interval)?;
            }
        }
        while let Some((_, (_, interval))) = self.pending.pop_first() {
            self.complete(&interval)?;
        }
        Ok(())
    }

    fn complete(&mut self, interval: &Interval) -> Result<(), Error> {
        let errors = interval.failures.iter().map(|(_, count)| count).sum();
        let mut part = Measured {
            requests: interval.requests,
            latencies: interval.latencies.clone(),
            scheduling: interval.scheduling.clone(),
            statuses: totals(&interval.statuses),
            errors: totals(&interval.failures),
            bytes_sent: interval.bytes_sent,
            bytes_received: interval.bytes_received,
            seconds: Vec::new(),
        };
        if interval.requests > 0 {
            part.seconds.push(Second {
                second: interval.second,
                requests: interval.requests,
                errors,
                bytes_received: interval.bytes_received,
                latencies: interval.latencies.to_base64(),
            });
        }
        self.measured.merge(&part)?;
        (self.progress)(&Progress {
            second: interval.second,
            of_seconds: self.plan.test.seconds() - self.plan.test.warmup_seconds,
            requests: interval.requests,
            errors,
            latencies: &interval.latencies,
            total: &self.measured,
        });
        Ok(())
    }
}

/// Counts by key, where several threads may have counted the same.
fn totals<K: Ord + Copy>(counts: &[(K, u64)]) -> BTreeMap<K, u64> {
    let mut totals = BTreeMap::new();
    for (key, count) in counts {
        *totals.entry(*key).or_default() += count;
    }
    totals
}

/// Adds the interval of another thread.
fn add(sum: &mut Interval, other: &Interval) {
    sum.requests += other.requests;
    sum.latencies.merge(&other.latencies);
    sum.scheduling.merge(&other.scheduling);
    sum.statuses.extend_from_slice(&other.statuses);
    sum.failures.extend_from_slice(&other.failures);
    sum.bytes_sent += other.bytes_sent;
    sum.bytes_received += other.bytes_received;
}
