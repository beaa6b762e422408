//! A world for placement rules: jobs of which nobody knows how long they run and how much memory they need, and
//! placements that refuse, are slow to start and are taken back.

use placement::choice::{Availability, Needs, choose};
use placement::course::{Ending, Lessons, Past};
use placement::estimate::{Expected, Feature, Sample, USUAL};
use placement::pricing::Prices;
use placement::{Capacity, Placement, Resources};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

const PLACEMENTS: usize = Placement::ALL.len();
/// Spot is taken back twice as often as the price list reckons.
const RECLAIMS_PER_HOUR: f64 = 0.02;
/// Runs that the ledger of a class keeps.
const KEPT: usize = 400;
/// Jobs that are placed before the ledger knows of one.
const DELAY: usize = 20;
/// Attempts after which a job is given up.
const ATTEMPTS: usize = 12;

/// Jobs that are alike: how long they run is a power of the size of their input, times something with a heavy tail.
struct Class {
    vcpu: f64,
    /// Seconds on an input of size 1, and the power.
    seconds: (f64, f64),
    /// MiB on an input of size 1, and the power.
    memory: (f64, f64),
    /// Sizes, each order of magnitude as frequent.
    sizes: (f64, f64),
    with_deadline: f64,
    interruptible: f64,
}

const CLASSES: [Class; 6] = [
    // A request that somebody waits for.
    Class {
        vcpu: 1.0,
        seconds: (0.5, 0.8),
        memory: (200.0, 0.2),
        sizes: (1.0, 100.0),
        with_deadline: 0.8,
        interruptible: 0.2,
    },
    // A file to be transformed.
    Class {
        vcpu: 1.0,
        seconds: (4.0, 1.0),
        memory: (300.0, 0.4),
        sizes: (1.0, 60.0),
        with_deadline: 0.5,
        interruptible: 0.5,
    },
    // A model to be trained.
    Class {
        vcpu: 2.0,
        seconds: (60.0, 1.1),
        memory: (1_500.0, 0.3),
        sizes: (1.0, 30.0),
        with_deadline: 0.4,
        interruptible: 0.7,
    },
    // The same without any order in its sizes.
    Class {
        vcpu: 2.0,
        seconds: (700.0, 0.0),
        memory: (2_500.0, 0.0),
        sizes: (1.0, 30.0),
        with_deadline: 0.3,
        interruptible: 0.7,
    },
    // The nightly heavy work.
    Class {
        vcpu: 4.0,
        seconds: (900.0, 0.9),
        memory: (4_000.0, 0.5),
        sizes: (1.0, 8.0),
        with_deadline: 0.4,
        interruptible: 0.8,
    },
    Class {
        vcpu: 8.0,
        seconds: (1_200.0, 0.7),
        memory: (12_000.0, 0.2),
        sizes: (1.0, 12.0),
        with_deadline: 0.3,
        interruptible: 0.6,
    },
];

/// What really happens to a start on one placement.
#[derive(Clone, Copy)]
struct Fate {
    refused: bool,
    start_seconds: f64,
    /// Seconds from launch until Spot capacity is taken back; infinite on demand.
    interrupted_after: f64,
}

/// One job, and what will come of each start.
pub struct Job {
    class: usize,
    size: f64,
    vcpu: f64,
    within: Option<f64>,
    interruptible: bool,
    run_seconds: f64,
    memory_mib: u32,
    fates: Vec<[Fate; PLACEMENTS]>,
}

/// What a rule paid for a job, and when that was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// USD of all attempts.
    pub usd: f64,
    /// Seconds from the first attempt to the end.
    pub finish_seconds: f64,
}

/// How one start went.
enum Attempt {
    Refused,
    Ended(Outcome, Option<Ending>),
}

impl Job {
    /// Whether `outcome` is in time.
    pub fn met(&self, outcome: Outcome) -> bool {
        self.within
            .is_none_or(|within| outcome.finish_seconds <= within)
    }

    /// Whether somebody waits for it.
    pub fn has_deadline(&self) -> bool {
        self.within.is_some()
    }

    fn resources(&self, memory_mib: u32) -> Resources {
        Resources {
            vcpu: self.vcpu,
            memory_mib,
        }
    }

    /// The start number `number` on `placement` with `memory_mib`.
    fn start(
        &self,
        number: usize,
        placement: Placement,
        memory_mib: u32,
        prices: &Prices,
    ) -> Attempt {
        let fate = self.fates[number.min(ATTEMPTS - 1)][placement as usize];
        let Ok(offer) = prices.offer(placement, &self.resources(memory_mib)) else {
            return Attempt::Refused;
        };
        if fate.refused {
            return Attempt::Refused;
        }
        let limit = placement.time_limit().unwrap_or(f64::INFINITY);
        // Who runs out of memory does so half way through.
        let short = memory_mib < self.memory_mib;
        let works = if short {
            self.run_seconds / 2.0
        } else {
            self.run_seconds
        };
        let whole = fate.start_seconds + works.min(limit);
        let seconds = whole.min(fate.interrupted_after);
        let ending = match () {
            () if seconds < whole => Some(Ending::Reclaimed),
            () if works > limit => Some(Ending::TimedOut),
            () if short => Some(Ending::OutOfMemory),
            () => None,
        };
        let outcome = Outcome {
            usd: offer.cost(seconds),
            finish_seconds: seconds,
        };
        Attempt::Ended(outcome, ending)
    }

    fn draw(random: &mut StdRng, prices: &Prices) -> Self {
        let number = random.random_range(0..CLASSES.len());
        let class = &CLASSES[number];
        let size = random
            .random_range(class.sizes.0.ln()..class.sizes.1.ln())
            .exp();
        let usual = class.seconds.0 * size.powf(class.seconds.1);
        let run_seconds = usual * noise(random, 0.2) * tail(random, 5.0);
        let memory =
            class.memory.0 * size.powf(class.memory.1) * noise(random, 0.05) * tail(random, 14.0);
        let within = usual * random.random_range(2.0..12.0) + random.random_range(0.0..600.0);
        Self {
            class: number,
            size,
            vcpu: class.vcpu,
            within: random.random_bool(class.with_deadline).then_some(within),
            interruptible: random.random_bool(class.interruptible),
            run_seconds,
            memory_mib: memory as u32,
            fates: (0..ATTEMPTS).map(|_| fates(random, prices)).collect(),
        }
    }
}

/// A factor around 1, log-normal.
fn noise(random: &mut StdRng, sigma: f64) -> f64 {
    let sum: f64 = (0..12).map(|_| random.random_range(0.0..1.0_f64)).sum();
    ((sum - 6.0) * sigma).exp()
}

/// A factor from 1 with a Pareto tail.
fn tail(random: &mut StdRng, power: f64) -> f64 {
    random
        .random_range(f64::MIN_POSITIVE..1.0_f64)
        .powf(-1.0 / power)
}

fn fates(random: &mut StdRng, prices: &Prices) -> [Fate; PLACEMENTS] {
    // How slow a service is to start at that moment; Spot and on demand share it.
    let slowness: [f64; 3] = random.random();
    Placement::ALL.map(|placement| {
        let start = prices.start_up(placement);
        let slow = match placement.capacity() {
            Capacity::Function => slowness[0],
            Capacity::Fargate => slowness[1],
            Capacity::Instance => slowness[2],
        };
        let hours = -random.random_range(f64::MIN_POSITIVE..1.0_f64).ln() / RECLAIMS_PER_HOUR;
        let spot = placement.is_spot();
        Fate {
            refused: random.random_bool(if spot { 0.05 } else { 0.005 }),
            start_seconds: start.shortest + (start.longest - start.shortest) * slow,
            interrupted_after: if spot { hours * 3_600.0 } else { f64::INFINITY },
        }
    })
}

/// The same jobs and fates for each seed.
pub fn jobs(seed: u64, count: usize, prices: &Prices) -> Vec<Job> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| Job::draw(&mut random, prices)).collect()
}

/// Who knows everything: the cheapest placement that meets the deadline, or the cheapest at all.
pub fn clairvoyant(job: &Job, prices: &Prices) -> Option<Outcome> {
    let runs = Placement::ALL.into_iter().filter_map(|placement| {
        if placement.is_spot() && !job.interruptible {
            return None;
        }
        match job.start(0, placement, job.memory_mib, prices) {
            Attempt::Ended(outcome, None) => Some(outcome),
            _ => None,
        }
    });
    runs.min_by(|a, b| job.met(*b).cmp(&job.met(*a)).then(a.usd.total_cmp(&b.usd)))
}

/// A rule that begins anew after each end that was none: `next` names placement and memory by the attempts so far and
/// the seconds since the first of them.
fn pursue(
    job: &Job,
    prices: &Prices,
    mut next: impl FnMut(&[Past], f64, &Availability) -> Option<(Placement, u32)>,
) -> Option<Outcome> {
    let mut past: Vec<Past> = Vec::new();
    let (mut usd, mut now, mut refusals) = (0.0, 0.0, Availability::all());
    let mut starts = 0;
    while past.len() < ATTEMPTS {
        let (placement, memory_mib) = next(&past, now, &refusals)?;
        let attempt = job.start(starts, placement, memory_mib, prices);
        match attempt {
            Attempt::Refused => refusals.refuse(placement, "no capacity"),
            Attempt::Ended(outcome, ending) => {
                usd += outcome.usd;
                now += outcome.finish_seconds;
                let Some(ending) = ending else {
                    return Some(Outcome {
                        usd,
                        finish_seconds: now,
                    });
                };
                starts += 1;
                refusals = Availability::all();
                past.push(Past {
                    placement,
                    given: Some(job.resources(memory_mib)),
                    ending,
                });
            }
        }
    }
    None
}

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
            let memory = expected.memory_mib().max(lessons.memory_mib.unwrap_or(0));
            let needs = Needs {
                resources: job.resources(memory),
                expected_seconds: expected.expected_seconds(),
                longest_seconds: expected.longest_seconds(),
                within: job.within.map(|within| (within - now).max(0.001)),
                interruptible: job.interruptible,
            };
            let among =
                |lenient| choose(&needs, prices, &lessons.availability(lenient).and(refusals));
            let decision = among(false).or_else(|_| among(true)).ok()?;
            Some((decision.placement, memory))
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
    let class = &CLASSES[job.class];
    let usual = class.memory.0 * job.size.powf(class.memory.1);
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
