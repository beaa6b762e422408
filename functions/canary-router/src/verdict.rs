//! What is to be done with the candidate, from what came of the requests.

use serde::{Deserialize, Serialize};

use crate::canary::Canary;
use crate::ledger::Tally;
use crate::statistics::{log_evidence_below, log_evidence_worse, threshold};

/// What is to be done with the candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Verdict {
    /// It is at most the margin worse: let it serve everything.
    Promote,
    /// Not enough is known: go on.
    Hold,
    /// It fails or is slow more often than it may: the stable variant serves everything.
    RollBack,
}

/// A verdict with its grounds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// What is to be done.
    pub verdict: Verdict,
    /// Why, in one sentence.
    pub reason: String,
    /// Log evidence that the candidate fails more often.
    pub worse: f64,
    /// Log evidence that it is too often slow; 0 without a latency guard.
    pub slow: f64,
    /// Log evidence that it is at most the margin worse.
    pub as_good: f64,
    /// Log evidence that a roll-back takes.
    pub needed: f64,
}

/// The three questions to the record, each as log evidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Evidence {
    /// That the candidate fails more often.
    pub worse: f64,
    /// That it is too often slow; 0 without a latency guard.
    pub slow: f64,
    /// That it is at most the margin worse.
    pub as_good: f64,
}

/// What the record says so far.
pub(crate) fn evidence(canary: &Canary, tally: &Tally) -> Evidence {
    let (stable, candidate) = (tally.stable.succeeded(), tally.candidate.succeeded());
    let slow = canary.latency.map_or(0.0, |guard| {
        log_evidence_below(tally.candidate.fast(), 1.0 - guard.share)
    });
    Evidence {
        worse: log_evidence_worse(candidate, stable, 0.0),
        slow,
        as_good: log_evidence_worse(stable, candidate, -canary.margin),
    }
}

/// The evidence that a roll-back takes. Its two grounds share the false-alarm rate, so that their union stays within
/// it.
pub(crate) fn needed_to_roll_back(canary: &Canary) -> f64 {
    let grounds = if canary.latency.is_some() { 2.0 } else { 1.0 };
    threshold(canary.false_alarm_rate / grounds)
}

/// The evidence that a promotion takes.
pub(crate) fn needed_to_promote(canary: &Canary) -> f64 {
    threshold(canary.false_alarm_rate)
}

/// Judges the candidate.
pub fn judge(canary: &Canary, tally: &Tally) -> Judgement {
    let (stable, candidate) = (tally.stable.succeeded(), tally.candidate.succeeded());
    let needed = needed_to_roll_back(canary);
    let Evidence {
        worse,
        slow,
        as_good,
    } = evidence(canary, tally);
    let fewest = stable.total.min(candidate.total);
    let (verdict, reason) = if fewest < canary.minimum_samples {
        let minimum = canary.minimum_samples;
        (
            Verdict::Hold,
            format!("{fewest} of at least {minimum} samples per variant"),
        )
    } else if worse >= needed {
        let (candidate, stable) = (100.0 * candidate.rate(), 100.0 * stable.rate());
        (
            Verdict::RollBack,
            format!(
                "succeeds in {candidate:.1} % of requests, the stable variant in {stable:.1} %"
            ),
        )
    } else if slow >= needed {
        let share = 100.0 * (1.0 - tally.candidate.fast().rate());
        (
            Verdict::RollBack,
            format!("{share:.1} % of requests are slower than the latency guard allows"),
        )
    } else if as_good >= needed_to_promote(canary) {
        let margin = 100.0 * canary.margin;
        (
            Verdict::Promote,
            format!("at most {margin:.1} points worse than the stable variant"),
        )
    } else {
        (Verdict::Hold, "not enough evidence either way".to_owned())
    };
    Judgement {
        verdict,
        reason,
        worse,
        slow,
        as_good,
        needed,
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
