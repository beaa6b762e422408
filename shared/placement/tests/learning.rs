//! The law of a placement that learns, on fewer jobs than the example `learning` places.

#![allow(missing_docs)]

#[path = "../examples/learning/fate.rs"]
mod fate;
#[path = "../examples/learning/rules.rs"]
#[allow(dead_code)]
mod rules;
#[path = "../examples/learning/world.rs"]
mod world;

use placement::pricing::Prices;
use rules::{Learner, Tally};

/// After a warm-up it costs a tenth more than who knows everything, and meets the deadlines that could be met.
#[test]
fn who_learns_comes_near_to_who_knows() {
    let prices = Prices::x86_64();
    let jobs = world::jobs(1, 2_500, &prices);
    let (mut learner, mut tally, mut usual) =
        (Learner::default(), Tally::default(), Tally::default());
    for (number, job) in jobs.iter().enumerate() {
        let best = world::clairvoyant(job, &prices);
        let outcome = learner.place(job, &prices);
        if number >= 500 {
            tally.add(job, best, outcome);
            usual.add(job, best, rules::static_rule(job, &prices));
        }
    }
    assert_eq!(tally.failed, 0, "{tally:?}");
    assert!(tally.ratio() <= 1.1, "{} {tally:?}", tally.ratio());
    assert!(tally.in_time() >= 0.99, "{} {tally:?}", tally.in_time());
    assert!(usual.ratio() > tally.ratio(), "{usual:?}");
}
