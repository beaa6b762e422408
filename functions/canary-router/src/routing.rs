//! Which variant serves a request. Pure: the same request gets the same answer from the same tally.

use jobs::job::digest;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Beta, Distribution};

use crate::canary::{Canary, Role, Strategy};
use crate::ledger::{Count, Tally};
use crate::verdict::{self, Verdict};

/// The variant for the request `id` that belongs to `key` (a user, a session), after `tally`.
pub fn route(canary: &Canary, id: &str, key: Option<&str>, tally: &Tally) -> (Role, &'static str) {
    match canary.strategy {
        Strategy::Fixed { share } => (by_share(canary, id, share), "fixed share"),
        Strategy::Sticky { share } => (by_share(canary, key.unwrap_or(id), share), "sticky by key"),
        Strategy::Adaptive { share } => adaptive(canary, id, share, tally),
    }
}

/// Whether the strategy needs to know the outcomes.
pub fn needs_tally(strategy: Strategy) -> bool {
    match strategy {
        Strategy::Fixed { .. } | Strategy::Sticky { .. } => false,
        Strategy::Adaptive { .. } => true,
    }
}

/// Consistent hashing of two variants on the unit circle: the candidate owns [0, share).
fn by_share(canary: &Canary, key: &str, share: f64) -> Role {
    if point(&canary.name, key) < share {
        Role::Candidate
    } else {
        Role::Stable
    }
}

/// A point in [0, 1), spread evenly over keys, other for every canary.
fn point(canary: &str, key: &str) -> f64 {
    let bits = u64::from_str_radix(&digest(&[canary, key], 13), 16).unwrap_or(0);
    bits as f64 / (1_u64 << 52) as f64
}

/// One of how many adaptive requests goes by the fixed share.
const EXPLORE: u32 = 10;

/// Thompson sampling: each variant draws a success rate from what is known of it, the higher draw
/// serves. W. R. Thompson, "On the likelihood that one unknown probability exceeds another",
/// Biometrika 25 (1933). One request in [`EXPLORE`] goes by the fixed share: sampling alone would
/// starve a bad candidate before there is evidence for a verdict.
fn adaptive(canary: &Canary, id: &str, share: f64, tally: &Tally) -> (Role, &'static str) {
    if tally.stable.requests.min(tally.candidate.requests) < canary.minimum_samples {
        return (
            by_share(canary, id, share),
            "share until both have the minimum of samples",
        );
    }
    if verdict::judge(canary, tally).verdict == Verdict::RollBack {
        return (Role::Stable, "the candidate is worse or too slow");
    }
    let mut random =
        StdRng::seed_from_u64(u64::from_str_radix(&digest(&[id], 16), 16).unwrap_or(0));
    if random.random_ratio(1, EXPLORE) {
        return (by_share(canary, id, share), "exploring by the fixed share");
    }
    let mut draw = |count: Count| {
        let failures = count.requests.saturating_sub(count.successes);
        Beta::new(count.successes as f64 + 1.0, failures as f64 + 1.0)
            .map_or(0.5, |beta| beta.sample(&mut random))
    };
    let (stable, candidate) = (draw(tally.stable), draw(tally.candidate));
    let role = if candidate > stable {
        Role::Candidate
    } else {
        Role::Stable
    };
    (role, "Thompson sampling")
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
