//! When requests are to start: the schedule of an open-loop test.
//!
//! The whole test has one rate profile. Its integral, the number of arrivals until a time, is inverted
//! in closed form, so arrival `k` is known without looking at the ones before it. Each of `n`
//! generators takes every `n`-th arrival: together they make exactly the schedule of the test, evenly
//! interleaved and without rounding, whatever `n` is.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// How arrivals are spread at a given rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Spread {
    /// Evenly: one arrival every `1 / rate` seconds.
    #[default]
    Constant,
    /// A Poisson process, as many independent users make it: the gaps are exponential.
    Poisson,
}

/// One part of the rate profile. Rates are requests per second of the whole test.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Stage {
    /// From the rate before (0 at the beginning) linearly to `rate`.
    Ramp {
        /// Requests per second at the end.
        rate: f64,
        /// Length in seconds.
        seconds: f64,
    },
    /// At `rate` from the first instant on.
    Hold {
        /// Requests per second.
        rate: f64,
        /// Length in seconds.
        seconds: f64,
    },
    /// At `rate` from the first instant on, and then at once back to the rate before.
    Spike {
        /// Requests per second.
        rate: f64,
        /// Length in seconds.
        seconds: f64,
    },
}

impl Stage {
    /// The rate that the stage leads to or holds, in requests per second.
    pub fn rate(&self) -> f64 {
        match *self {
            Self::Ramp { rate, .. } | Self::Hold { rate, .. } | Self::Spike { rate, .. } => rate,
        }
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        match *self {
            Self::Ramp { seconds, .. }
            | Self::Hold { seconds, .. }
            | Self::Spike { seconds, .. } => seconds,
        }
    }
}

/// A piece of the profile with a linear rate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Segment {
    /// Seconds from the start of the test.
    start: f64,
    seconds: f64,
    from: f64,
    to: f64,
    /// Arrivals before this segment.
    before: f64,
}

impl Segment {
    fn arrivals(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }

    /// Seconds from the start of the test at which `count` arrivals are reached.
    fn time_of(&self, count: f64) -> f64 {
        let count = (count - self.before).max(0.0);
        if count == 0.0 {
            return self.start;
        }
        // The positive root of `from * t + slope / 2 * t^2 = count`, in the form that does not cancel.
        let slope = (self.to - self.from) / self.seconds;
        let root = (self.from * self.from + 2.0 * slope * count)
            .max(0.0)
            .sqrt();
        self.start + (2.0 * count / (self.from + root)).min(self.seconds)
    }
}

/// The rate of a test over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    segments: Vec<Segment>,
}

impl Profile {
    /// The profile of `stages`, one after the other. Rates and lengths must be finite and not negative.
    pub fn new(stages: &[Stage]) -> Self {
        let mut segments: Vec<Segment> = Vec::with_capacity(stages.len());
        let (mut start, mut before, mut rate_before) = (0.0, 0.0, 0.0);
        for stage in stages {
            let (from, to, after) = match *stage {
                Stage::Ramp { rate, .. } => (rate_before, rate, rate),
                Stage::Hold { rate, .. } => (rate, rate, rate),
                Stage::Spike { rate, .. } => (rate, rate, rate_before),
            };
            let segment = Segment {
                start,
                seconds: stage.seconds(),
                from,
                to,
                before,
            };
            start += segment.seconds;
            before += segment.arrivals();
            rate_before = after;
            segments.push(segment);
        }
        Self { segments }
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        self.segments
            .last()
            .map_or(0.0, |last| last.start + last.seconds)
    }

    /// Number of arrivals that the profile stands for.
    pub fn arrivals(&self) -> f64 {
        let total = self
            .segments
            .last()
            .map_or(0.0, |last| last.before + last.arrivals());
        // 0.1 * 30 is 3.0000000000000004: without this there would be a fourth arrival.
        if (total - total.round()).abs() < 1e-6 {
            total.round()
        } else {
            total
        }
    }

    /// The highest rate, in requests per second.
    pub fn peak(&self) -> f64 {
        self.segments
            .iter()
            .map(|segment| segment.from.max(segment.to))
            .fold(0.0, f64::max)
    }
}

/// A part of a test: generator `index` of `count`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Which part, from 0.
    pub index: u32,
    /// How many parts there are, at least 1.
    pub count: u32,
}

impl Share {
    /// The whole test.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Part `index` of `count` parts of this part.
    #[must_use]
    pub fn of(self, index: u32, count: u32) -> Self {
        Self {
            index: self.index + self.count * index,
            count: self.count * count,
        }
    }

    /// How many of the numbers below `total` are this part's.
    pub fn of_total(self, total: u64) -> u64 {
        (total + u64::from(self.count) - 1).saturating_sub(u64::from(self.index))
            / u64::from(self.count)
    }
}

/// The arrivals of one share, in order, as nanoseconds from the start of the test.
#[derive(Debug)]
pub struct Arrivals {
    profile: Profile,
    share: Share,
    total: f64,
    /// The arrivals of the whole test up to the next one of this share.
    count: f64,
    segment: usize,
    random: Option<StdRng>,
}

impl Arrivals {
    /// The share's arrivals. `seed` makes a Poisson process repeatable; constant arrivals need none.
    pub fn new(profile: Profile, share: Share, spread: Spread, seed: u64) -> Self {
        let total = profile.arrivals();
        let random = match spread {
            Spread::Constant => None,
            // Independent processes of rate/n add up to one of the whole rate, so each share draws its own.
            Spread::Poisson => Some(StdRng::seed_from_u64(seed ^ (u64::from(share.index) << 32))),
        };
        let mut arrivals = Self {
            profile,
            share,
            total,
            count: f64::from(share.index),
            segment: 0,
            random,
        };
        if arrivals.random.is_some() {
            arrivals.count = arrivals.gap();
        }
        arrivals
    }

    /// Arrivals of the whole test until the next one of this share.
    fn gap(&mut self) -> f64 {
        let every = f64::from(self.share.count);
        match &mut self.random {
            None => every,
            Some(random) => -(1.0 - random.random::<f64>()).ln() * every,
        }
    }
}

impl Iterator for Arrivals {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        if self.count >= self.total {
            return None;
        }
        let count = self.count;
        self.count += self.gap();
        let segments = &self.profile.segments;
        while self.segment + 1 < segments.len() && count >= segments[self.segment + 1].before {
            self.segment += 1;
        }
        Some((segments[self.segment].time_of(count) * 1e9) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn arrivals(stages: &[Stage], share: Share, spread: Spread) -> Vec<u64> {
        Arrivals::new(Profile::new(stages), share, spread, 7).collect()
    }

    fn stage() -> impl Strategy<Value = Stage> {
        (0u8..3, 0u32..400, 1u32..40).prop_map(|(kind, rate, tenths)| {
            let (rate, seconds) = (f64::from(rate), f64::from(tenths) / 10.0);
            match kind {
                0 => Stage::Ramp { rate, seconds },
                1 => Stage::Hold { rate, seconds },
                _ => Stage::Spike { rate, seconds },
            }
        })
    }

    #[test]
    fn a_constant_rate_is_one_arrival_per_interval() {
        let hold = [Stage::Hold {
            rate: 1_000.0,
            seconds: 2.0,
        }];
        let times = arrivals(&hold, Share::WHOLE, Spread::Constant);
        assert_eq!(times.len(), 2_000);
        assert!(
            times
                .iter()
                .enumerate()
                .all(|(k, &at)| at.abs_diff(k as u64 * 1_000_000) <= 1)
        );
    }

    #[test]
    fn a_ramp_reaches_its_rate() {
        let ramp = [Stage::Ramp {
            rate: 100.0,
            seconds: 10.0,
        }];
        let times = arrivals(&ramp, Share::WHOLE, Spread::Constant);
        assert_eq!(times.len(), 500);
        // Half of the way there are a quarter of the arrivals.
        assert_eq!(times.iter().filter(|&&at| at < 5_000_000_000).count(), 125);
    }

    #[test]
    fn a_spike_goes_back_to_the_rate_before() {
        let stages = [
            Stage::Hold {
                rate: 10.0,
                seconds: 1.0,
            },
            Stage::Spike {
                rate: 1_000.0,
                seconds: 1.0,
            },
            Stage::Ramp {
                rate: 10.0,
                seconds: 1.0,
            },
        ];
        let profile = Profile::new(&stages);
        assert_eq!(
            (profile.arrivals(), profile.peak(), profile.seconds()),
            (1_020.0, 1_000.0, 3.0)
        );
    }

    #[test]
    fn a_poisson_process_has_the_rate_and_exponential_gaps() {
        let hold = [Stage::Hold {
            rate: 1_000.0,
            seconds: 100.0,
        }];
        let times = arrivals(&hold, Share { index: 2, count: 4 }, Spread::Poisson);
        // 25,000 expected, standard deviation 158.
        assert!(times.len().abs_diff(25_000) < 650, "{}", times.len());
        let gaps: Vec<f64> = times
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as f64 / 4e6)
            .collect();
        let longer = gaps.iter().filter(|&&gap| gap > 1.0).count() as f64 / gaps.len() as f64;
        assert!((longer - (-1.0f64).exp()).abs() < 0.015, "{longer}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn the_shares_together_are_exactly_the_whole_schedule(
            stages in prop::collection::vec(stage(), 1..5),
            generators in 1u32..8,
            threads in 1u32..4
        ) {
            let whole = arrivals(&stages, Share::WHOLE, Spread::Constant);
            let mut together = Vec::new();
            for index in 0..generators {
                let share = Share { index, count: generators };
                let own = arrivals(&stages, share, Spread::Constant);
                prop_assert_eq!(own.len() as u64, share.of_total(whole.len() as u64));
                prop_assert!(own.is_sorted());
                let mut split = Vec::new();
                for thread in 0..threads {
                    split.extend(arrivals(&stages, share.of(thread, threads), Spread::Constant));
                }
                split.sort_unstable();
                prop_assert_eq!(&split, &own);
                together.extend(own);
            }
            together.sort_unstable();
            prop_assert_eq!(together, whole);
        }

        #[test]
        fn parts_of_a_total_add_up_and_differ_by_at_most_one(total in 0u64..1_000_000, count in 1u32..2_000) {
            let parts: Vec<u64> = (0..count).map(|index| Share { index, count }.of_total(total)).collect();
            prop_assert_eq!(parts.iter().sum::<u64>(), total);
            prop_assert!(parts.iter().max().unwrap() - parts.iter().min().unwrap() <= 1);
        }

        #[test]
        fn no_arrival_is_outside_the_test(stages in prop::collection::vec(stage(), 1..5), seed: u64) {
            let profile = Profile::new(&stages);
            let end = (profile.seconds() * 1e9) as u64 + 1;
            for spread in [Spread::Constant, Spread::Poisson] {
                let times: Vec<u64> = Arrivals::new(profile.clone(), Share::WHOLE, spread, seed).collect();
                prop_assert!(times.is_sorted());
                prop_assert!(times.iter().all(|&at| at <= end));
            }
        }
    }
}
