//! Rate limits of actions: token buckets, as AWS throttles its APIs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::action::Action;

/// How often an action may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls at once after a pause: the bucket's size.
    pub burst: f64,
    /// Calls per second in the long run: what refills the bucket.
    pub per_second: f64,
}

/// Rate limits of actions; one that has none is not limited.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: Mutex<BTreeMap<Action, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Rates {
    pub(crate) fn new(rates: &BTreeMap<Action, Rate>) -> Self {
        let full = |rate: Rate| Bucket {
            rate,
            tokens: rate.burst,
            filled: Instant::now(),
        };
        let buckets = rates.iter().map(|(action, rate)| (*action, full(*rate)));
        Rates {
            buckets: Mutex::new(buckets.collect()),
        }
    }

    /// Takes a token at this moment; whether there was one.
    pub(crate) fn admit(&self, action: Action, now: Instant) -> bool {
        let mut buckets = self.buckets.lock();
        let Some(bucket) = buckets.get_mut(&action) else {
            return true;
        };
        let refill =
            now.saturating_duration_since(bucket.filled).as_secs_f64() * bucket.rate.per_second;
        bucket.tokens = (bucket.tokens + refill).min(bucket.rate.burst);
        bucket.filled = now;
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

/// Lets through as many as a rate allows, the others later: the same bucket, for those who wait instead of being
/// refused.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// When the bucket is full again.
    full_at: Mutex<Option<Instant>>,
}

impl Pace {
    pub(crate) fn new(rate: Rate) -> Self {
        Pace {
            rate,
            full_at: Mutex::default(),
        }
    }

    /// Takes the next turn: how long to wait for it.
    pub(crate) fn turn(&self, now: Instant) -> Duration {
        let each = Duration::from_secs_f64(1.0 / self.rate.per_second);
        let ahead = each.mul_f64((self.rate.burst - 1.0).max(0.0));
        let mut full_at = self.full_at.lock();
        let before = full_at.map_or(now, |at| at.max(now));
        *full_at = Some(before + each);
        before.saturating_duration_since(now).saturating_sub(ahead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::EcsAction;

    #[test]
    fn those_beyond_the_rate_wait_for_their_turn() {
        let pace = Pace::new(Rate {
            burst: 2.0,
            per_second: 10.0,
        });
        let start = Instant::now();
        let turns: Vec<u128> = (0..5).map(|_| pace.turn(start).as_millis()).collect();
        assert_eq!(turns, [0, 0, 100, 200, 300]);
        let later = start + Duration::from_secs(60);
        let turns: Vec<u128> = (0..3).map(|_| pace.turn(later).as_millis()).collect();
        assert_eq!(turns, [0, 0, 100]);
    }

    #[test]
    fn a_bucket_holds_its_burst_and_fills_at_its_rate() {
        let rate = Rate {
            burst: 3.0,
            per_second: 2.0,
        };
        let rates = Rates::new(&[(EcsAction::RunTask.into(), rate)].into());
        let start = Instant::now();
        let admitted = |action: EcsAction, second: u64| {
            let now = start + Duration::from_secs(second);
            (0..10).filter(|_| rates.admit(action.into(), now)).count()
        };
        assert_eq!(admitted(EcsAction::RunTask, 0), 3);
        assert_eq!(admitted(EcsAction::RunTask, 1), 2);
        assert_eq!(admitted(EcsAction::RunTask, 60), 3);
        assert_eq!(admitted(EcsAction::StopTask, 60), 10);
    }
}
