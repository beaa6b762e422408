//! The rules that are compared, and what each comes to.

use placement::Placement;
use placement::choice::{Needs, choose};
use placement::course::{Ending, Lessons};
use placement::estimate::{Expected, Feature, Sample, USUAL};
use placement::memory;
use placement::pricing::Prices;

use crate::world::{CLASSES, Job, Outcome, pursue};

/// Runs that the ledger of a class keeps.
const KEPT: usize = 400;
/// Jobs that are placed before the ledger knows of one.
const DELAY: usize = 20;

/// The dispatcher: what is not known is learnt from the runs before, and from the attempts at the job itself.
#[derive(Default)]
pub struct Learner {
    ledgers: [Vec<Sample>; CLASSES.len()],
    ended: Vec<(usize, Sample)>,
}

impl Learner {
    /// Places one job, and learns from it.
    pub fn place(&mut self, job: &Job, prices: &Prices) -> Option<Outcome> {
        let feature = Feature {
            name: "size".into(),
            value: job.size,
        };
        let expected = Expected::of(&self.ledgers[job.class], Some(&feature));
        let outcome = pursue(job, prices, |past, now, refusals| {
            let lessons = Lessons::learn(past, None, USUAL.memory_mib).ok()?;
            let mut needs = Needs {
                resources: job.resources(expected.memory_mib()),
                expected_seconds: expected.expected_seconds(),
                longest_seconds: expected.longest_seconds(),
                within: job.within.map(|within| (within - now).max(0.001)),
                interruptible: job.interruptible,
            };
            let among = |lenient| lessons.availability(lenient).and(refusals);
            let free = among(false);
            if let Some(memory) = memory::cheapest(&expected, &needs, prices, &free) {
                needs.resources.memory_mib = memory.mib;
            }
            if let Some(least) = lessons.memory_mib {
                needs.resources.memory_mib = needs.resources.memory_mib.max(least);
            }
            let choose = |refusing| choose(&needs, prices, &refusing);
            let decision = choose(free).or_else(|_| choose(among(true))).ok()?;
            Some((decision.placement, needs.resources.memory_mib))
        });
        if outcome.is_some() {
            let sample = Sample {
                feature: Some(feature),
                seconds: job.run_seconds,
                memory_mib: Some(job.memory_mib),
            };
            self.ended.push((job.class, sample));
        }
        if self.ended.len() > DELAY {
            let (class, sample) = self.ended.remove(0);
            let ledger = &mut self.ledgers[class];
            ledger.push(sample);
            if ledger.len() > KEPT {
                ledger.remove(0);
            }
        }
        outcome
    }
}

/// The rule of the dispatcher for a caller whose guesses are perfect.
pub fn perfect_guess(job: &Job, prices: &Prices) -> Option<Outcome> {
    pursue(job, prices, |past, now, refusals| {
        let needs = Needs {
            resources: job.resources(job.memory_mib),
            expected_seconds: job.run_seconds,
            longest_seconds: Needs::longest_of(job.run_seconds),
            within: job.within.map(|within| (within - now).max(0.001)),
            interruptible: job.interruptible,
        };
        let mut refusing = refusals.clone();
        past.iter()
            .for_each(|one| refusing.refuse(one.placement, "interrupted"));
        let decision = choose(&needs, prices, &refusing).ok()?;
        Some((decision.placement, job.memory_mib))
    })
}

/// The usual rule of a queue: Spot with three retries, then on demand, with twice the memory that the class usually has.
pub fn static_rule(job: &Job, prices: &Prices) -> Option<Outcome> {
    let usual = CLASSES[job.class].usual_memory(job.size);
    pursue(job, prices, |past, _, refusals| {
        let short = past.iter().filter(|one| one.ending == Ending::OutOfMemory);
        let memory = (usual * 2.0) as u32 * (1 + short.count() as u32);
        let spot = job.interruptible && past.len() <= 3;
        let wanted = if spot {
            Placement::BatchSpot
        } else {
            Placement::Batch
        };
        let order = [wanted, Placement::Batch, Placement::Fargate];
        let free = order
            .into_iter()
            .find(|one| refusals.refusal(*one).is_none());
        free.map(|placement| (placement, memory))
    })
}

/// Always the same placement, with the memory that the job really needs.
pub fn always(job: &Job, placement: Placement, prices: &Prices) -> Option<Outcome> {
    pursue(job, prices, |past, _, refusals| {
        let free = refusals.refusal(placement).is_none() && past.len() < 3;
        free.then_some((placement, job.memory_mib))
    })
}

/// What a rule comes to over many jobs.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// USD of the jobs that it ended.
    pub usd: f64,
    /// What the clairvoyant pays for the same jobs.
    pub best_usd: f64,
    /// Deadlines that the clairvoyant meets.
    pub feasible: usize,
    /// Of these, those that it meets too.
    pub met: usize,
    /// Jobs that it did not end.
    pub failed: usize,
}

impl Tally {
    /// Counts one job.
    pub fn add(&mut self, job: &Job, best: Option<Outcome>, outcome: Option<Outcome>) {
        let feasible = job.has_deadline() && best.is_some_and(|best| job.met(best));
        self.feasible += usize::from(feasible);
        let Some(outcome) = outcome else {
            self.failed += 1;
            return;
        };
        self.met += usize::from(feasible && job.met(outcome));
        // What nobody can run undisturbed has no price to compare with.
        if let Some(best) = best {
            self.usd += outcome.usd;
            self.best_usd += best.usd;
        }
    }

    /// Cost in multiples of what the clairvoyant pays for the same jobs.
    pub fn ratio(&self) -> f64 {
        self.usd / self.best_usd
    }

    /// Share of the feasible deadlines that it meets.
    pub fn in_time(&self) -> f64 {
        self.met as f64 / self.feasible.max(1) as f64
    }
}
