//! How the evidence came together, request by request: what a chart of the verdict shows.

use serde::Serialize;

use crate::canary::Canary;
use crate::ledger::Tally;
use crate::verdict::{evidence, needed_to_promote, needed_to_roll_back};

/// Points of a curve; a state's output has to hold them all, and a chart shows no more.
const MOST_POINTS: usize = 80;

/// The evidence over the requests, and what it had to reach.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Course {
    /// By question: the requests so far with the log evidence. A question that was not asked has no curve.
    pub curves: Vec<Curve>,
    /// What the evidence has to reach.
    pub limits: Vec<Limit>,
}

/// The evidence on one question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curve {
    /// The question.
    pub name: String,
    /// Requests and log evidence.
    pub points: Vec<(u64, f64)>,
}

/// A boundary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// What happens there.
    pub name: String,
    /// The log evidence that it takes.
    pub value: f64,
}

impl Course {
    /// The evidence at each of `sums`, the record after each outcome, thinned to what a chart can show.
    pub(crate) fn of(canary: &Canary, sums: &[Tally]) -> Self {
        let last = sums.len().saturating_sub(1);
        let every = last.div_ceil(MOST_POINTS).max(1);
        let (mut worse, mut slow, mut as_good) = (Vec::new(), Vec::new(), Vec::new());
        let shown = sums.iter().enumerate();
        for (_, tally) in shown.filter(|(at, _)| at % every == 0 || *at == last) {
            let requests = tally.stable.requests + tally.candidate.requests;
            let now = evidence(canary, tally);
            worse.push((requests, round(now.worse)));
            slow.push((requests, round(now.slow)));
            as_good.push((requests, round(now.as_good)));
        }
        let curve = |name: &str, points| Curve {
            name: name.to_owned(),
            points,
        };
        let mut curves = vec![
            curve("it is as good", as_good),
            curve("it fails more often", worse),
        ];
        if canary.latency.is_some() {
            curves.push(curve("it is too slow", slow));
        }
        let limit = |name: &str, value| Limit {
            name: name.to_owned(),
            value: round(value),
        };
        let limits = vec![
            limit("promote", needed_to_promote(canary)),
            limit("roll back", needed_to_roll_back(canary)),
        ];
        Self { curves, limits }
    }
}

/// Three decimals are more than a chart shows, and sixteen would fill the state's output.
fn round(evidence: f64) -> f64 {
    (evidence * 1e3).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canary::Role;
    use crate::ledger::Outcome;
    use crate::verdict::judge;
    use serde_json::json;

    fn canary(latency: bool) -> Canary {
        let mut canary = json!({"name": "c", "stable": "old", "candidate": "new",
            "strategy": {"kind": "FIXED", "share": 0.5}});
        if latency {
            canary["latency"] = json!({"limitMs": 200});
        }
        serde_json::from_value(canary).unwrap()
    }

    /// The sums after each of `count` outcomes, of which the candidate's all fail, on top of `before`.
    fn sums(before: Tally, count: u64) -> Vec<Tally> {
        let outcome = |at: u64| Outcome {
            role: if at.is_multiple_of(2) {
                Role::Stable
            } else {
                Role::Candidate
            },
            succeeded: at.is_multiple_of(2),
            slow: false,
            latency_ms: 1,
        };
        let mut sums = vec![before];
        for at in 0..count {
            let mut tally = sums[sums.len() - 1];
            tally.add(outcome(at));
            sums.push(tally);
        }
        sums
    }

    /// The last point is what the verdict rests on.
    #[test]
    fn the_course_ends_with_the_evidence_of_the_verdict() {
        for (count, latency) in [(0, false), (1, true), (79, false), (1_000, true)] {
            let (canary, sums) = (canary(latency), sums(Tally::default(), count));
            let judged = judge(&canary, sums.last().unwrap());
            let course = Course::of(&canary, &sums);
            assert_eq!(course.curves.len(), if latency { 3 } else { 2 });
            let ends = |name: &str| {
                let curve = course
                    .curves
                    .iter()
                    .find(|curve| curve.name == name)
                    .unwrap();
                assert!(curve.points.len() <= MOST_POINTS + 2);
                assert_eq!(curve.points[0], (0, 0.0));
                *curve.points.last().unwrap()
            };
            assert_eq!(ends("it fails more often"), (count, round(judged.worse)));
            assert_eq!(ends("it is as good"), (count, round(judged.as_good)));
            assert_eq!(course.limits[1].value, round(judged.needed));
        }
    }

    #[test]
    fn what_was_folded_is_where_the_course_begins() {
        let mut before = Tally::default();
        before.stable.requests = 90;
        before.stable.successes = 90;
        let course = Course::of(&canary(false), &sums(before, 10));
        let points = &course.curves[0].points;
        assert_eq!((points[0].0, points.last().unwrap().0), (90, 100));
    }
}
