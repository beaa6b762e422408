use super::*;
use proptest::prelude::*;
use serde_json::json;

fn canary(strategy: serde_json::Value) -> Canary {
    let canary = json!({"name": "c", "stable": "old", "candidate": "new", "strategy": strategy});
    serde_json::from_value(canary).unwrap()
}

fn share_of_candidate(canary: &Canary, tally: &Tally, requests: u32) -> f64 {
    let to_candidate = |id: &u32| route(canary, &id.to_string(), None, tally).0 == Role::Candidate;
    (0..requests).filter(to_candidate).count() as f64 / f64::from(requests)
}

fn tally(stable: (u64, u64), candidate: (u64, u64)) -> Tally {
    let count = |(successes, requests)| Count {
        requests,
        successes,
        slow: 0,
        latency_ms: 0,
    };
    Tally {
        stable: count(stable),
        candidate: count(candidate),
    }
}

#[test]
fn a_fixed_share_is_kept() {
    for share in [0.0, 0.1, 0.5, 1.0] {
        let canary = canary(json!({"kind": "FIXED", "share": share}));
        let seen = share_of_candidate(&canary, &Tally::default(), 10_000);
        // Four standard deviations of a binomial share.
        assert!(
            (seen - share).abs() <= 4.0 * (share * (1.0 - share) / 1e4).sqrt(),
            "{share}: {seen}"
        );
    }
}

#[test]
fn thompson_sampling_follows_success_after_the_minimum() {
    let canary = canary(json!({"kind": "ADAPTIVE", "share": 0.2}));
    let early = share_of_candidate(&canary, &tally((49, 49), (0, 49)), 2_000);
    assert!((0.15..0.25).contains(&early), "{early}");
    let better = share_of_candidate(&canary, &tally((60, 100), (95, 100)), 2_000);
    // A tenth explores with a share of a fifth.
    assert!((0.90..0.94).contains(&better), "{better}");
    let equal = share_of_candidate(&canary, &tally((90, 100), (90, 100)), 2_000);
    assert!((0.38..0.56).contains(&equal), "{equal}");
    assert_eq!(
        share_of_candidate(&canary, &tally((95, 100), (50, 100)), 2_000),
        0.0
    );
}

#[test]
fn a_slow_candidate_gets_no_traffic() {
    let mut canary = canary(json!({"kind": "ADAPTIVE", "share": 0.2}));
    canary.latency = Some(crate::canary::LatencyGuard {
        limit_ms: 100.0,
        share: 0.05,
    });
    let mut slow = tally((90, 100), (100, 100));
    slow.candidate.slow = 40;
    assert_eq!(share_of_candidate(&canary, &slow, 500), 0.0);
}

proptest! {
    /// The same key always meets the same variant, and a larger share takes nobody from the candidate.
    #[test]
    fn keys_stick(key in ".{0,20}", less in 0.0..1.0_f64, more in 0.0..1.0_f64, ids in any::<(u64, u64)>()) {
        let (less, more) = (less.min(more), less.max(more));
        let at = |share: f64, id: u64| {
            route(&canary(json!({"kind": "STICKY", "share": share})), &id.to_string(), Some(&key), &Tally::default()).0
        };
        prop_assert_eq!(at(less, ids.0), at(less, ids.1));
        prop_assert!(at(less, ids.0) <= at(more, ids.1));
    }
}
