//! Rate limits of actions: token buckets, as AWS throttles its APIs.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// How often an action may be called.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls at once after a pause: the bucket's size.
    pub burst: f64,
    /// Calls per second in the long run: what refills the bucket.
    pub per_second: f64,
}

/// Rate limits by `service:Action`; an action that has none is not limited.
#[derive(Debug, Default)]
pub(crate) struct Rates {
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

#[derive(Debug)]
struct Bucket {
    rate: Rate,
    tokens: f64,
    filled: Instant,
}

impl Rates {
    pub(crate) fn new(rates: &BTreeMap<String, Rate>) -> Self {
        let full = |rate: Rate| Bucket {
            rate,
            tokens: rate.burst,
            filled: Instant::now(),
        };
        let buckets = rates
            .iter()
            .map(|(action, rate)| (action.clone(), full(*rate)));
        Rates {
            buckets: Mutex::new(buckets.collect()),
        }
    }

    /// Takes a token at this moment; whether there was one.
    pub(crate) fn admit(&self, action: &str, now: Instant) -> bool {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(bucket) = buckets.get_mut(action) else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_holds_its_burst_and_fills_at_its_rate() {
        let rate = Rate {
            burst: 3.0,
            per_second: 2.0,
        };
        let rates = Rates::new(&[("ecs:RunTask".to_owned(), rate)].into());
        let start = Instant::now();
        let admitted = |action: &str, second: u64| {
            let now = start + Duration::from_secs(second);
            (0..10).filter(|_| rates.admit(action, now)).count()
        };
        assert_eq!(admitted("ecs:RunTask", 0), 3);
        assert_eq!(admitted("ecs:RunTask", 1), 2);
        assert_eq!(admitted("ecs:RunTask", 60), 3);
        assert_eq!(admitted("ecs:StopTask", 60), 10);
    }
}
