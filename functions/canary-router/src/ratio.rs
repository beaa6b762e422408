//! Whether the variants have the outcomes that their shares promise. If not, outcomes are lost, recorded twice or
//! routed wrongly, and a comparison of what is left misleads, however much of it there is.
//!
//! The test is Pearson's chi-squared test of the observed counts against the shares, with one degree of freedom, as
//! A. Fabijan et al., "Diagnosing Sample Ratio Mismatch in Online Controlled Experiments", KDD 2019, propose it, with
//! their strict level, because it is looked at again and again.

use libm::erfc;
use serde::Serialize;

use crate::canary::{Canary, Strategy};
use crate::ledger::Tally;

/// Chance that one look at counts that are as promised finds a mismatch: 1 in 2,000. The chance over several looks
/// is at most their number times it.
pub const FALSE_ALARM_RATE: f64 = 0.000_5;

/// Outcomes that each variant must be due, as the chi-squared distribution asks for
/// (W. G. Cochran, "The chi-squared test of goodness of fit", Annals of Mathematical Statistics 23, 1952).
const FEWEST: f64 = 5.0;

/// How far the counts are from the shares.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleRatio {
    /// The candidate's share by the strategy.
    pub expected: f64,
    /// Its share of the outcomes.
    pub observed: f64,
    /// The statistic.
    pub chi_squared: f64,
    /// Chance of counts as far from the shares, were all as promised.
    pub p_value: f64,
    /// The level, for one look.
    pub false_alarm_rate: f64,
    /// Whether the counts are too far from the shares.
    pub mismatch: bool,
}

impl SampleRatio {
    /// Tests the counts; none where they say nothing: too few of them, `STICKY`, where the requests of one key stay
    /// together and so are no independent draws, and `ADAPTIVE`, which promises no share.
    pub fn of(canary: &Canary, tally: &Tally) -> Option<Self> {
        let Strategy::Fixed { share } = canary.strategy else {
            return None;
        };
        let (stable, candidate) = (
            tally.stable.requests as f64,
            tally.candidate.requests as f64,
        );
        let all = stable + candidate;
        if all * share.min(1.0 - share) < FEWEST {
            return None;
        }
        let part = |observed: f64, due: f64| (observed - due).powi(2) / due;
        let chi_squared = part(candidate, all * share) + part(stable, all * (1.0 - share));
        // With one degree of freedom the statistic is the square of a standard normal variable.
        let p_value = erfc((chi_squared / 2.0).sqrt());
        Some(Self {
            expected: share,
            observed: candidate / all,
            chi_squared,
            p_value,
            false_alarm_rate: FALSE_ALARM_RATE,
            mismatch: p_value < FALSE_ALARM_RATE,
        })
    }

    /// What a mismatch means, in one sentence.
    pub fn warning(&self) -> Option<String> {
        self.mismatch.then(|| {
            format!(
                "sample-ratio mismatch: the candidate has {:.1} % of the outcomes where its share is {:.1} % \
                 (chi-squared {:.1}, p {}): outcomes are lost or routed wrongly, and the verdict rests on them",
                100.0 * self.observed,
                100.0 * self.expected,
                self.chi_squared,
                if self.p_value < 1e-6 { "below 0.000001".to_owned() } else { format!("{:.6}", self.p_value) },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Outcome;
    use crate::routing::route;
    use serde_json::json;

    fn canary(kind: &str, share: f64) -> Canary {
        let strategy = json!({"kind": kind, "share": share});
        let canary =
            json!({"name": "c", "stable": "old", "candidate": "new", "strategy": strategy});
        serde_json::from_value(canary).unwrap()
    }

    fn tally(stable: u64, candidate: u64) -> Tally {
        let mut tally = Tally::default();
        tally.stable.requests = stable;
        tally.candidate.requests = candidate;
        tally
    }

    #[test]
    fn counts_far_from_the_shares_are_a_mismatch() {
        for (share, stable, candidate, mismatch) in [
            (0.5, 500, 500, false),
            (0.5, 520, 480, false),
            (0.5, 600, 400, true),
            (0.1, 900, 100, false),
            (0.1, 850, 150, true),
            (0.1, 1_000, 0, true),
        ] {
            let ratio =
                SampleRatio::of(&canary("FIXED", share), &tally(stable, candidate)).unwrap();
            assert_eq!(ratio.mismatch, mismatch, "{ratio:?}");
            assert_eq!(ratio.warning().is_some(), mismatch);
        }
        // By hand: (400 - 500)^2 / 500 twice.
        let ratio = SampleRatio::of(&canary("FIXED", 0.5), &tally(600, 400)).unwrap();
        assert!((ratio.chi_squared - 40.0).abs() < 1e-9, "{ratio:?}");
        // The 95 % point of the distribution is 3.841.
        let ratio = SampleRatio::of(&canary("FIXED", 0.5), &tally(531, 469)).unwrap();
        assert!((ratio.p_value - 0.05).abs() < 0.001, "{ratio:?}");
    }

    #[test]
    fn nothing_is_said_of_counts_that_say_nothing() {
        assert!(SampleRatio::of(&canary("FIXED", 0.5), &tally(9, 0)).is_none());
        assert!(SampleRatio::of(&canary("STICKY", 0.5), &tally(900, 100)).is_none());
        assert!(SampleRatio::of(&canary("ADAPTIVE", 0.5), &tally(900, 100)).is_none());
    }

    /// The router's own shares pass at the stated rate.
    #[test]
    fn what_is_routed_as_promised_is_no_mismatch() {
        for share in [0.5, 0.1] {
            let canary = canary("FIXED", share);
            let found = (0..400).filter(|run| {
                let mut tally = Tally::default();
                for request in 0..300 {
                    let (role, _) = route(&canary, &format!("{run}-{request}"), None, &tally);
                    let outcome = Outcome {
                        role,
                        succeeded: true,
                        slow: false,
                        latency_ms: 1,
                    };
                    tally.add(outcome);
                }
                SampleRatio::of(&canary, &tally).is_some_and(|ratio| ratio.mismatch)
            });
            assert!(found.count() <= 2, "{share}");
        }
    }
}
