use super::*;
use crate::canary::{LatencyGuard, Role};
use crate::ledger::Outcome;
use crate::routing::route;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

fn canary(strategy: serde_json::Value) -> Canary {
    let canary = json!({"name": "c", "stable": "old", "candidate": "new", "strategy": strategy});
    serde_json::from_value(canary).unwrap()
}

/// Sends up to `most` requests, judges after each, and gives the verdict with the number of requests.
fn trial(canary: &Canary, stable: f64, candidate: f64, most: u64, seed: u64) -> (Verdict, u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut tally = Tally::default();
    for request in 1..=most {
        let (role, _) = route(canary, &format!("{seed}-{request}"), None, &tally);
        let rate = match role {
            Role::Stable => stable,
            Role::Candidate => candidate,
        };
        tally.add(Outcome {
            role,
            succeeded: random.random_bool(rate),
            slow: false,
            latency_ms: 1,
        });
        let verdict = judge(canary, &tally).verdict;
        if verdict != Verdict::Hold {
            return (verdict, request);
        }
    }
    (Verdict::Hold, most)
}

fn share(trials: &[(Verdict, u64)], verdict: Verdict) -> f64 {
    trials.iter().filter(|(seen, _)| *seen == verdict).count() as f64 / trials.len() as f64
}

/// A/A: both variants are the same. Looking after every one of 1,500 requests, a candidate that is
/// not worse is rolled back in at most the stated 5 % of runs.
#[test]
fn false_alarms_stay_within_the_stated_rate() {
    for (strategy, runs) in [
        (json!({"kind": "FIXED", "share": 0.5}), 200),
        (json!({"kind": "FIXED", "share": 0.1}), 200),
        (json!({"kind": "ADAPTIVE", "share": 0.5}), 60),
    ] {
        for rate in [0.95, 0.6] {
            let canary = canary(strategy.clone());
            let trials: Vec<_> = (0..runs)
                .map(|seed| trial(&canary, rate, rate, 1_500, seed))
                .collect();
            let alarms = share(&trials, Verdict::RollBack);
            println!(
                "A/A {strategy} at {rate}: {:.1} % false alarms in {runs} runs",
                100.0 * alarms
            );
            assert!(
                alarms <= canary.false_alarm_rate,
                "{strategy} {rate}: {alarms}"
            );
        }
    }
}

/// A candidate that succeeds 20 % less often (76 % against 95 %) is always rolled back.
#[test]
fn a_candidate_that_is_a_fifth_worse_is_rolled_back_soon() {
    for (strategy, at_most) in [
        (json!({"kind": "FIXED", "share": 0.5}), 200),
        (json!({"kind": "FIXED", "share": 0.1}), 800),
        (json!({"kind": "ADAPTIVE", "share": 0.5}), 600),
    ] {
        let canary = canary(strategy.clone());
        let mut trials: Vec<_> = (0..51)
            .map(|seed| trial(&canary, 0.95, 0.76, 20_000, seed))
            .collect();
        assert!(
            share(&trials, Verdict::RollBack) >= 1.0 - canary.false_alarm_rate,
            "{strategy}"
        );
        trials.sort_by_key(|(_, requests)| *requests);
        let (_, median) = trials[trials.len() / 2];
        println!("a fifth worse, {strategy}: rolled back after {median} requests in the median");
        assert!(median <= at_most, "{strategy}: {median}");
    }
}

#[test]
fn an_equal_candidate_is_promoted_in_the_end() {
    let canary = canary(json!({"kind": "FIXED", "share": 0.5}));
    let mut trials: Vec<_> = (0..21)
        .map(|seed| trial(&canary, 0.95, 0.95, 20_000, seed))
        .collect();
    assert!(share(&trials, Verdict::Promote) >= 0.95);
    trials.sort_by_key(|(_, requests)| *requests);
    println!(
        "equal: promoted after {} requests in the median",
        trials[10].1
    );
}

#[test]
fn a_candidate_worse_than_the_margin_is_not_promoted() {
    let canary = canary(json!({"kind": "FIXED", "share": 0.5}));
    let trials: Vec<_> = (0..60)
        .map(|seed| trial(&canary, 0.95, 0.90, 3_000, seed))
        .collect();
    assert!(share(&trials, Verdict::Promote) <= canary.false_alarm_rate);
}

#[test]
fn no_verdict_before_the_minimum_and_a_slow_candidate_is_rolled_back() {
    let mut canary = canary(json!({"kind": "FIXED", "share": 0.5}));
    canary.latency = Some(LatencyGuard {
        limit_ms: 100.0,
        share: 0.05,
    });
    let mut tally = Tally::default();
    let slow = |role, slow| Outcome {
        role,
        succeeded: true,
        slow,
        latency_ms: 1,
    };
    for request in 0..50 {
        assert_eq!(judge(&canary, &tally).verdict, Verdict::Hold, "{request}");
        tally.add(slow(Role::Stable, false));
        tally.add(slow(Role::Candidate, request % 3 == 0));
    }
    let judgement = judge(&canary, &tally);
    assert_eq!(judgement.verdict, Verdict::RollBack);
    assert!(
        judgement.reason.contains("34.0 % of requests are slower"),
        "{}",
        judgement.reason
    );
}
