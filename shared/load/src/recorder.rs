//! Counting, second by second. A thread counts into one interval and hands it to the coordinator when
//! the second is over; only there are intervals merged and encoded, so that the thread that makes the
//! load never stops to do it.

use std::sync::mpsc::Sender;

use crate::histogram::Latencies;
use crate::result::Failure;

const SECOND: u64 = 1_000_000_000;

/// What one thread counted in one second.
#[derive(Clone, Debug, Default)]
pub struct Interval {
    /// The second, from the start of the measurement.
    pub second: u32,
    /// Requests that ended.
    pub requests: u64,
    /// Latencies in microseconds.
    pub latencies: Latencies,
    /// Scheduling errors in microseconds.
    pub scheduling: Latencies,
    /// Complete responses by status code.
    pub statuses: Vec<(u16, u64)>,
    /// Failed requests by kind.
    pub failures: Vec<(Failure, u64)>,
    /// Bytes sent.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Status code of a complete response.
    pub status: Option<u16>,
    /// Why it does not count as good.
    pub failure: Option<Failure>,
    /// Bytes sent for it.
    pub sent: u64,
    /// Bytes received for it.
    pub received: u64,
}

impl Outcome {
    /// A request that failed without a response.
    pub fn failed(failure: Failure) -> Self {
        Self {
            status: None,
            failure: Some(failure),
            sent: 0,
            received: 0,
        }
    }
}

/// Counts for one thread.
#[derive(Debug)]
pub struct Recorder {
    current: Interval,
    /// Nanoseconds of the test's clock from which is counted: the end of the warm-up.
    from: u64,
    /// When the current second ends.
    until: u64,
    /// When the last counted request ended.
    last: u64,
    full: Sender<Interval>,
}

impl Recorder {
    /// Counts requests whose intended start is `from` or later.
    pub fn new(from: u64, full: Sender<Interval>) -> Self {
        Self {
            current: Interval::default(),
            from,
            until: from + SECOND,
            last: from,
            full,
        }
    }

    /// Hands on the current second if it is over.
    #[inline]
    pub fn tick(&mut self, now: u64) {
        if now >= self.until {
            self.hand_on(now);
        }
    }

    #[cold]
    fn hand_on(&mut self, now: u64) {
        let second = u32::try_from((now - self.from) / SECOND).unwrap_or(u32::MAX);
        let full = std::mem::replace(
            &mut self.current,
            Interval {
                second,
                ..Interval::default()
            },
        );
        self.until = self.from + (u64::from(second) + 1) * SECOND;
        // A coordinator that is gone has given up the test; the thread will hear of it.
        let _ = self.full.send(full);
    }

    /// How late a request was started by the generator itself.
    #[inline]
    pub fn started(&mut self, intended: u64, now: u64) {
        if intended >= self.from {
            self.current
                .scheduling
                .record(now.saturating_sub(intended) / 1_000);
        }
    }

    /// A request ended.
    #[inline]
    pub fn ended(&mut self, intended: u64, now: u64, outcome: &Outcome) {
        if intended < self.from {
            return;
        }
        self.tick(now);
        self.last = now;
        let current = &mut self.current;
        current.requests += 1;
        current.bytes_sent += outcome.sent;
        current.bytes_received += outcome.received;
        if let Some(status) = outcome.status {
            count(&mut current.statuses, status);
        }
        if let Some(failure) = outcome.failure {
            count(&mut current.failures, failure);
        }
        // A request that was refused at once says nothing of how long an answer takes; one that was waited
        // for in vain does.
        let waited = matches!(outcome.failure, Some(Failure::Timeout | Failure::Unsent));
        if outcome.status.is_some() || waited {
            current
                .latencies
                .record(now.saturating_sub(intended) / 1_000);
        }
    }

    /// Hands on the last second; when the last counted request ended.
    pub fn finish(self) -> u64 {
        let _ = self.full.send(self.current);
        self.last
    }
}

/// There are few different keys, so a list is faster than a map.
#[inline]
fn count<K: PartialEq>(counts: &mut Vec<(K, u64)>, key: K) {
    match counts.iter_mut().find(|(known, _)| *known == key) {
        Some((_, count)) => *count += 1,
        None => counts.push((key, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    const GOOD: Outcome = Outcome {
        status: Some(200),
        failure: None,
        sent: 10,
        received: 20,
    };

    #[test]
    fn each_second_is_handed_on_once() {
        let (sender, receiver) = channel();
        let mut recorder = Recorder::new(5 * SECOND, sender);
        recorder.ended(4 * SECOND, 5 * SECOND + 1, &GOOD);
        recorder.ended(5 * SECOND, 5 * SECOND + 2_000, &GOOD);
        recorder.ended(
            6 * SECOND,
            8 * SECOND,
            &Outcome {
                failure: Some(Failure::Status),
                ..GOOD
            },
        );
        recorder.ended(7 * SECOND, 8 * SECOND, &Outcome::failed(Failure::Connect));
        recorder.ended(
            7 * SECOND,
            9 * SECOND - 1,
            &Outcome::failed(Failure::Timeout),
        );
        assert_eq!(recorder.finish(), 9 * SECOND - 1);
        let seconds: Vec<Interval> = receiver.iter().collect();
        let of = |at: usize| {
            (
                seconds[at].second,
                seconds[at].requests,
                seconds[at].latencies.count(),
            )
        };
        // The warm-up is not counted; a refused connection has no latency, a timeout has.
        assert_eq!((seconds.len(), of(0), of(1)), (2, (0, 1, 1), (3, 3, 2)));
        assert_eq!(seconds[1].failures.len(), 3);
        assert_eq!(seconds[0].latencies.max(), 2);
    }
}
