//! Many small jobs in few packs: a pack runs in one container or function, one job after the other, so that its
//! start-up is paid once.
//!
//! [`pack`] is pure, and takes milliseconds for ten thousand jobs. Which job goes where is the rule of the longest
//! processing time: the longest job that is left goes to the pack that has least to do (Graham 1969, "Bounds on
//! Multiprocessing Timing Anomalies", <https://doi.org/10.1137/0117039>: the last pack ends at most a third later than
//! with the best of all divisions). How many packs there are, cost and deadline decide.

use std::cmp::{Ordering, Reverse};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};

use crate::choice::{self, Availability, Decision, Needs, NoPlacement, Promise};
use crate::pricing::{Prices, TRANSITION_USD};

/// A packing may cost so many times what the cheapest costs, if it is done sooner: without a deadline the cheapest is
/// often a single pack, which saves its last cent by hours.
const MAY_COST: f64 = 1.1;

/// How long one of the jobs runs, seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Length {
    /// Probably.
    pub expected: f64,
    /// At most.
    pub longest: f64,
}

/// What holds for all jobs of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    /// What each job needs while it runs, and when all must be done; how long it runs is told by its [`Length`].
    pub needs: &'a Needs,
    /// What each placement costs.
    pub prices: &'a Prices,
    /// Which placements take packs.
    pub availability: &'a Availability,
    /// The fewest packs.
    pub least: usize,
    /// The most packs.
    pub most: usize,
}

/// The jobs of one container or function.
#[derive(Debug, Clone, PartialEq)]
pub struct Pack {
    /// Their places in the batch, in the order in which they run.
    pub jobs: Vec<usize>,
    /// How long they run together.
    pub length: Length,
}

/// A division of a batch into packs.
#[derive(Debug, Clone, PartialEq)]
pub struct Packing {
    /// The packs; none is empty.
    pub packs: Vec<Pack>,
    /// Where the one runs that is done last, and why.
    pub decision: Decision,
    /// What all probably cost, with the transitions of a state machine that starts them, USD.
    pub usd: f64,
    /// What the jobs would cost in a container or function each, USD.
    pub alone_usd: f64,
    /// In how many seconds from now the last job is probably done.
    pub finish_seconds: f64,
    /// In how many seconds it is done at the latest.
    pub latest_seconds: f64,
    /// Whether every pack is sure to be in time.
    pub in_time: bool,
}

/// Divides jobs into packs: of the divisions that meet the deadline the one that is done first, among those that cost
/// at most a tenth more than the cheapest, and not more than the jobs one by one. Where no division is sure to meet it,
/// the one that is done first at the latest. Without jobs there are no packs.
///
/// # Errors
/// [`NoPlacement`] when no placement can run a pack.
pub fn pack(jobs: &[Length], terms: &Terms<'_>) -> Result<Packing, NoPlacement> {
    let mut order: Vec<usize> = (0..jobs.len()).collect();
    order.sort_by(|&a, &b| jobs[b].expected.total_cmp(&jobs[a].expected));
    let alone = run(jobs.iter().copied(), terms)?;
    let mut tried: Vec<Packing> = Vec::new();
    let mut refused = None;
    for count in counts(jobs.len(), terms) {
        // Where more packs cost so much more already, only job by job may cost less again.
        let dear =
            |last: &Packing| cheapest(&tried).is_some_and(|usd| last.usd > 2.0 * MAY_COST * usd);
        if count < jobs.len() && tried.last().is_some_and(dear) {
            continue;
        }
        match evaluate(divide(jobs, &order, count), terms, alone.usd) {
            Ok(packing) => tried.push(packing),
            // More packs are shorter ones, which may fit.
            Err(error) => refused = Some(error),
        }
    }
    best(tried, alone.usd).ok_or_else(|| refused.unwrap_or_else(nothing))
}

fn nothing() -> NoPlacement {
    NoPlacement("there is nothing to run".to_owned())
}

/// Numbers of packs that are tried: each up to a dozen, then about a tenth more each time.
fn counts(jobs: usize, terms: &Terms<'_>) -> Vec<usize> {
    let most = terms.most.min(jobs);
    let least = terms.least.clamp(1, most.max(1));
    let next = |&count: &usize| Some((count + (count / 10).max(1)).min(most));
    let mut counts = Vec::new();
    let mut count = Some(least);
    while let Some(now) = count.filter(|now| *now <= most && counts.last() != Some(now)) {
        counts.push(now);
        count = next(&now);
    }
    counts
}

/// How much a pack has to do; the one with least comes first, then the first.
#[derive(PartialEq)]
struct Load(f64, usize);

impl Eq for Load {}

impl Ord for Load {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0).then(self.1.cmp(&other.1))
    }
}

impl PartialOrd for Load {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The jobs, the longest first in `order`, in `count` packs.
fn divide(jobs: &[Length], order: &[usize], count: usize) -> Vec<Pack> {
    let empty = Pack {
        jobs: Vec::with_capacity(order.len() / count + 1),
        length: Length {
            expected: 0.0,
            longest: 0.0,
        },
    };
    let mut packs = vec![empty; count];
    let mut loads: BinaryHeap<_> = (0..count).map(|at| Reverse(Load(0.0, at))).collect();
    for &job in order {
        let Some(mut least) = loads.peek_mut() else {
            break;
        };
        let pack = &mut packs[least.0.1];
        pack.jobs.push(job);
        pack.length.expected += jobs[job].expected;
        pack.length.longest += jobs[job].longest;
        least.0.0 = pack.length.expected;
    }
    packs
}

/// What runs come to that each get the placement that the choice gives them.
#[derive(Clone)]
struct Run {
    usd: f64,
    finish_seconds: f64,
    latest_seconds: f64,
    in_time: bool,
    /// Of the one that is done last.
    decision: Decision,
}

fn run(lengths: impl Iterator<Item = Length>, terms: &Terms<'_>) -> Result<Run, NoPlacement> {
    // Many jobs are equally long.
    let mut known: BTreeMap<(u64, u64), Run> = BTreeMap::new();
    let mut all: Option<Run> = None;
    for length in lengths {
        let key = (length.expected.to_bits(), length.longest.to_bits());
        let one = match known.entry(key) {
            Entry::Occupied(one) => one.into_mut(),
            Entry::Vacant(place) => place.insert(start(length, terms)?),
        };
        match &mut all {
            None => all = Some(one.clone()),
            Some(all) => all.join(one),
        }
    }
    all.ok_or_else(nothing)
}

/// What one start comes to.
fn start(length: Length, terms: &Terms<'_>) -> Result<Run, NoPlacement> {
    let needs = Needs {
        expected_seconds: length.expected,
        longest_seconds: length.longest,
        ..terms.needs.clone()
    };
    let decision = choice::choose(&needs, terms.prices, terms.availability)?;
    let row = decision.chosen().ok_or_else(nothing)?;
    Ok(Run {
        usd: row.usd + TRANSITION_USD,
        finish_seconds: row.finish_seconds,
        latest_seconds: row.latest_seconds,
        in_time: row.promise == Promise::Meets,
        decision,
    })
}

impl Run {
    fn join(&mut self, other: &Run) {
        self.usd += other.usd;
        self.in_time &= other.in_time;
        self.latest_seconds = self.latest_seconds.max(other.latest_seconds);
        if other.finish_seconds > self.finish_seconds {
            self.finish_seconds = other.finish_seconds;
            self.decision = other.decision.clone();
        }
    }
}

/// What a division comes to.
fn evaluate(packs: Vec<Pack>, terms: &Terms<'_>, alone_usd: f64) -> Result<Packing, NoPlacement> {
    let run = run(packs.iter().map(|pack| pack.length), terms)?;
    Ok(Packing {
        packs,
        decision: run.decision,
        usd: run.usd,
        alone_usd,
        finish_seconds: run.finish_seconds,
        latest_seconds: run.latest_seconds,
        in_time: run.in_time,
    })
}

/// What the cheapest costs that is in time.
fn cheapest(tried: &[Packing]) -> Option<f64> {
    let in_time = tried.iter().filter(|packing| packing.in_time);
    in_time.map(|packing| packing.usd).min_by(f64::total_cmp)
}

fn best(tried: Vec<Packing>, alone_usd: f64) -> Option<Packing> {
    let Some(cheapest) = cheapest(&tried) else {
        let sooner = |a: &Packing, b: &Packing| a.latest_seconds.total_cmp(&b.latest_seconds);
        return tried.into_iter().min_by(sooner);
    };
    // Of equals the first is taken, which has fewer packs.
    let most = (cheapest * MAY_COST).min(alone_usd.max(cheapest));
    let good = |packing: &Packing| packing.in_time && packing.usd <= most;
    let sooner = |a: &Packing, b: &Packing| a.finish_seconds.total_cmp(&b.finish_seconds);
    tried.into_iter().filter(good).min_by(sooner)
}

#[cfg(test)]
#[path = "packing_tests.rs"]
mod tests;
