//! A world for placement rules: jobs of which nobody knows how long they run and how much memory they need, and
//! placements that refuse, are slow to start and are taken back.

use placement::choice::Availability;
use placement::course::{Ending, Past};
use placement::pricing::Prices;
use placement::{Placement, Resources};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::fate::{self, Fate, PLACEMENTS};

/// Spot is taken back twice as often as the price list reckons.
const RECLAIMS_PER_HOUR: f64 = 0.02;
/// Seconds until a job is tried again that no placement had capacity for: the first interval of the pipelines' Retry.
const WAIT_SECONDS: f64 = 5.0;
/// Attempts after which a job is given up.
const ATTEMPTS: usize = 12;

/// Jobs that are alike: how long they run is a power of the size of their input, times something with a heavy tail.
pub struct Class {
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

/// All classes, each as frequent.
pub const CLASSES: [Class; 6] = [
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

impl Class {
    /// What a job on an input of `size` usually needs of memory, MiB.
    pub fn usual_memory(&self, size: f64) -> f64 {
        self.memory.0 * size.powf(self.memory.1)
    }
}

/// One job, and what will come of each start.
pub struct Job {
    /// Its place in [`CLASSES`].
    pub class: usize,
    /// The size of its input.
    pub size: f64,
    vcpu: f64,
    /// Its deadline, seconds from the first attempt.
    pub within: Option<f64>,
    /// Whether Spot may run it.
    pub interruptible: bool,
    /// How long it works.
    pub run_seconds: f64,
    /// How much memory it needs.
    pub memory_mib: u32,
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

    /// Its vCPUs, and so much memory.
    pub fn resources(&self, memory_mib: u32) -> Resources {
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
        let memory = class.usual_memory(size) * noise(random, 0.05) * tail(random, 14.0);
        let within = usual * random.random_range(2.0..12.0) + random.random_range(0.0..600.0);
        Self {
            class: number,
            size,
            vcpu: class.vcpu,
            within: random.random_bool(class.with_deadline).then_some(within),
            interruptible: random.random_bool(class.interruptible),
            run_seconds,
            memory_mib: memory as u32,
            fates: (0..ATTEMPTS)
                .map(|_| fate::draw(random, prices, RECLAIMS_PER_HOUR))
                .collect(),
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

/// The same jobs and fates for each seed.
pub fn jobs(seed: u64, count: usize, prices: &Prices) -> Vec<Job> {
    let mut random = StdRng::seed_from_u64(seed);
    (0..count).map(|_| Job::draw(&mut random, prices)).collect()
}

/// Who knows everything: the cheapest placement that meets the deadline, or the cheapest at all.
pub fn clairvoyant(job: &Job, prices: &Prices) -> Option<Outcome> {
    let at = |number: usize| {
        let waited = number as f64 * WAIT_SECONDS;
        let runs = Placement::ALL.into_iter().filter_map(|placement| {
            if placement.is_spot() && !job.interruptible {
                return None;
            }
            match job.start(number, placement, job.memory_mib, prices) {
                Attempt::Ended(outcome, None) => Some(Outcome {
                    finish_seconds: waited + outcome.finish_seconds,
                    ..outcome
                }),
                _ => None,
            }
        });
        runs.min_by(|a, b| job.met(*b).cmp(&job.met(*a)).then(a.usd.total_cmp(&b.usd)))
    };
    // Where nothing takes the job it waits, as all others do.
    (0..ATTEMPTS).find_map(at)
}

/// A rule that begins anew after each end that was none, and waits where every placement that it names refuses: `next`
/// names placement and memory by the attempts so far and the seconds since the first of them.
pub fn pursue(
    job: &Job,
    prices: &Prices,
    mut next: impl FnMut(&[Past], f64, &Availability) -> Option<(Placement, u32)>,
) -> Option<Outcome> {
    let mut past: Vec<Past> = Vec::new();
    let (mut usd, mut now, mut refusals) = (0.0, 0.0, Availability::all());
    let mut number = 0;
    while number < ATTEMPTS {
        let Some((placement, memory_mib)) = next(&past, now, &refusals) else {
            if refusals == Availability::all() {
                return None;
            }
            (now, number, refusals) = (now + WAIT_SECONDS, number + 1, Availability::all());
            continue;
        };
        let (outcome, ending) = match job.start(number, placement, memory_mib, prices) {
            Attempt::Refused => {
                refusals.refuse(placement, "no capacity");
                continue;
            }
            Attempt::Ended(outcome, ending) => (outcome, ending),
        };
        usd += outcome.usd;
        now += outcome.finish_seconds;
        let Some(ending) = ending else {
            return Some(Outcome {
                usd,
                finish_seconds: now,
            });
        };
        (number, refusals) = (number + 1, Availability::all());
        past.push(Past {
            placement,
            given: Some(job.resources(memory_mib)),
            ending,
        });
    }
    None
}
