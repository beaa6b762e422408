//! When a thread may start its next request.

use crate::arrivals::{Arrivals, Profile, Share, Spread, Stage};

/// The pace of one thread, in nanoseconds of the test's clock.
#[derive(Debug)]
pub enum Pace {
    /// Open loop: at the arrivals of the schedule.
    Open {
        /// The arrivals after the next.
        arrivals: Arrivals,
        /// The next arrival; `None` when the schedule is over.
        next: Option<u64>,
    },
    /// Closed loop: when a connection is free, until the end, and not faster than the ceiling allows.
    Closed {
        /// When the last request may start.
        end: u64,
        /// Arrivals at the ceiling's rate, and the next of them; `None` without a ceiling.
        permits: Option<(Arrivals, Option<u64>)>,
    },
}

impl Pace {
    /// The pace of an open loop.
    pub fn open(profile: Profile, share: Share, spread: Spread, seed: u64) -> Self {
        let mut arrivals = Arrivals::new(profile, share, spread, seed);
        let next = arrivals.next();
        Self::Open { arrivals, next }
    }

    /// The pace of a closed loop of `seconds` with at most `ceiling` requests per second in the whole test.
    pub fn closed(seconds: f64, share: Share, ceiling: f64) -> Self {
        let permits = ceiling.is_finite().then(|| {
            let profile = Profile::new(&[Stage::Hold {
                rate: ceiling,
                seconds,
            }]);
            let mut permits = Arrivals::new(profile, share, Spread::Constant, 0);
            let next = permits.next();
            (permits, next)
        });
        Self::Closed {
            end: (seconds * 1e9) as u64,
            permits,
        }
    }

    /// The intended start of the next request if it is due at `now`. `free` tells whether a connection is
    /// free, for which a closed loop waits and an open loop does not.
    #[inline]
    pub fn take(&mut self, now: u64, free: bool) -> Option<u64> {
        match self {
            Self::Open { arrivals, next } => {
                let due = (*next).filter(|&due| due <= now)?;
                *next = arrivals.next();
                Some(due)
            }
            Self::Closed { end, .. } if now >= *end || !free => None,
            Self::Closed { permits: None, .. } => Some(now),
            Self::Closed {
                permits: Some((permits, next)),
                ..
            } => {
                (*next).filter(|&permit| permit <= now)?;
                *next = permits.next();
                Some(now)
            }
        }
    }

    /// When to look again, if not for another reason before.
    #[inline]
    pub fn next(&self, free: bool) -> Option<u64> {
        match self {
            Self::Open { next, .. } => *next,
            Self::Closed {
                permits: Some((_, next)),
                ..
            } if free => *next,
            Self::Closed { .. } => None,
        }
    }

    /// No further request will start.
    pub fn is_over(&self, now: u64) -> bool {
        match self {
            Self::Open { next, .. } => next.is_none(),
            Self::Closed { end, .. } => now >= *end,
        }
    }

    /// Whether requests are started by a schedule.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_loop_does_not_wait_for_connections() {
        let hold = Profile::new(&[Stage::Hold {
            rate: 10.0,
            seconds: 0.3,
        }]);
        let mut pace = Pace::open(hold, Share::WHOLE, Spread::Constant, 0);
        assert_eq!(pace.take(0, false), Some(0));
        assert_eq!(pace.take(99_000_000, false), None);
        assert_eq!(pace.next(false), Some(100_000_000));
        // Late, but with the intended start.
        assert_eq!(pace.take(500_000_000, false), Some(100_000_000));
        assert!(!pace.is_over(500_000_000));
        assert_eq!(pace.take(500_000_000, false), Some(200_000_000));
        assert!(pace.is_over(500_000_000));
    }

    #[test]
    fn a_closed_loop_keeps_below_the_ceiling() {
        let mut pace = Pace::closed(1.0, Share { index: 0, count: 2 }, 20.0);
        let mut started = 0;
        for now in (0..1_200).map(|millis| millis * 1_000_000) {
            started += u32::from(pace.take(now, true).is_some());
        }
        assert_eq!(started, 10);
        assert_eq!(pace.take(0, false), None);
    }

    #[test]
    fn without_a_ceiling_a_free_connection_is_enough() {
        let mut pace = Pace::closed(1.0, Share::WHOLE, f64::INFINITY);
        assert_eq!(pace.take(7, true), Some(7));
        assert_eq!(pace.take(7, false), None);
        assert_eq!(pace.take(1_000_000_000, true), None);
    }
}
