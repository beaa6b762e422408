//! Places 10,000 mixed jobs and compares with hindsight and with three simple policies.
//!
//! `cargo run -p placement --example trace -- [SEED] [JOBS]`
//!
//! Each job is drawn with its size, expected duration, deadline and tolerance of interruption. What
//! the planner does not know is drawn beforehand too: the real duration (a quarter around the
//! expected one), the start-up of each placement within its range, when a Spot run would be
//! interrupted, and which placements refuse the start. Hindsight knows all of it and takes the
//! cheapest placement that meets the deadline. The planner starts, is refused or interrupted,
//! chooses again, and pays for every run.
//!
//! Exits with 1 when the planner costs more than 5 % above hindsight or misses a deadline that a
//! placement could have met.

use std::process::ExitCode;

use placement::choice::{Availability, Needs, choose};
use placement::pricing::Prices;
use placement::{Placement, Resources};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

#[path = "learning/fate.rs"]
mod fate;
use fate::{Fate, PLACEMENTS};

struct TracedJob {
    needs: Needs,
    run_seconds: f64,
    fates: [Fate; PLACEMENTS],
}

/// Cost and completion of one policy on one job.
#[derive(Clone, Copy)]
struct Outcome {
    usd: f64,
    finish_seconds: f64,
}

#[derive(Default)]
struct Tally {
    usd: f64,
    /// What hindsight pays for the jobs that this policy ran.
    best_usd: f64,
    missed: usize,
    avoidable: usize,
    impossible: usize,
    chosen: [usize; PLACEMENTS],
}

fn main() -> ExitCode {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<u64>().ok());
    let seed = arguments.next().unwrap_or(1);
    let jobs = arguments.next().unwrap_or(10_000);
    let prices = Prices::x86_64();
    let mut random = StdRng::seed_from_u64(seed);
    let trace: Vec<TracedJob> = (0..jobs).map(|_| draw(&mut random, &prices)).collect();

    let (mut planner, mut hindsight) = (Tally::default(), Tally::default());
    let simple = [Placement::Lambda, Placement::Fargate, Placement::Batch];
    let mut always = simple.map(|_| Tally::default());
    for job in &trace {
        let best = in_hindsight(job, &prices);
        let could = best.is_some_and(|(_, result)| met(job, result));
        let best_usd = best.map_or(0.0, |(_, result)| result.usd);
        hindsight.add(job, best, could, best_usd);
        planner.add(job, plan(job, &prices), could, best_usd);
        for (tally, placement) in always.iter_mut().zip(simple) {
            tally.add(
                job,
                run(job, placement, &prices).map(|result| (placement, result)),
                could,
                best_usd,
            );
        }
    }

    println!("{jobs} jobs, seed {seed}, prices of {}", prices.as_of);
    println!(
        "policy            USD   to best  missed  avoidable  cannot run  {}",
        Placement::ALL.map(column).concat()
    );
    let rows = [("hindsight", &hindsight), ("planner", &planner)];
    let names = ["always Lambda", "always Fargate", "always Batch"];
    for (name, tally) in rows.into_iter().chain(names.into_iter().zip(&always)) {
        let ratio = tally.usd / tally.best_usd;
        print!(
            "{name:<14} {:>8.2}  {ratio:>7.4}  {:>6}  {:>9}  {:>10}  ",
            tally.usd, tally.missed, tally.avoidable, tally.impossible
        );
        println!("{}", tally.chosen.map(column).concat());
    }
    println!(
        "to best: cost divided by what hindsight pays for the same jobs; avoidable: missed, and a placement could have met it"
    );
    if planner.usd <= hindsight.usd * 1.05 && planner.avoidable == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One column of the choices.
fn column(cell: impl std::fmt::Display) -> String {
    format!(" {cell:>width$}", width = Placement::WIDTH)
}

impl Tally {
    fn add(
        &mut self,
        job: &TracedJob,
        outcome: Option<(Placement, Outcome)>,
        could: bool,
        best_usd: f64,
    ) {
        let Some((placement, result)) = outcome else {
            self.impossible += 1;
            self.missed += usize::from(job.needs.within.is_some());
            self.avoidable += usize::from(job.needs.within.is_some() && could);
            return;
        };
        self.usd += result.usd;
        self.best_usd += best_usd;
        self.chosen[placement as usize] += 1;
        if !met(job, result) {
            self.missed += 1;
            self.avoidable += usize::from(could);
        }
    }
}

fn met(job: &TracedJob, result: Outcome) -> bool {
    job.needs
        .within
        .is_none_or(|deadline| result.finish_seconds <= deadline)
}

/// A kind of job in the trace.
struct Kind {
    /// Share of the jobs, in percent.
    share: u32,
    vcpu: &'static [f64],
    /// Expected duration, seconds; each order of magnitude in the range is as frequent.
    seconds: (f64, f64),
    /// Share with a deadline.
    with_deadline: f64,
    /// The deadline: a multiple of the expected duration, and seconds on top.
    deadline: ((f64, f64), (f64, f64)),
    /// Share that may be interrupted. Who is in a hurry rarely offers it.
    interruptible: f64,
}

const KINDS: [Kind; 4] = [
    // Somebody waits for the answer.
    Kind {
        share: 40,
        vcpu: &[0.25, 0.5, 1.0, 2.0],
        seconds: (0.5, 120.0),
        with_deadline: 0.9,
        deadline: ((1.25, 1.5), (0.0, 60.0)),
        interruptible: 0.2,
    },
    // A step of a pipeline that must be through in an hour or a morning.
    Kind {
        share: 35,
        vcpu: &[0.5, 1.0, 2.0, 4.0, 8.0],
        seconds: (30.0, 7_200.0),
        with_deadline: 0.6,
        deadline: ((1.5, 8.0), (0.0, 900.0)),
        interruptible: 0.6,
    },
    // The nightly heavy work.
    Kind {
        share: 20,
        vcpu: &[2.0, 4.0, 8.0, 16.0, 32.0],
        seconds: (600.0, 28_800.0),
        with_deadline: 0.4,
        deadline: ((2.0, 12.0), (0.0, 3_600.0)),
        interruptible: 0.7,
    },
    // Deadlines that nothing is sure to meet, and hopeless ones.
    Kind {
        share: 5,
        vcpu: &[0.5, 1.0, 2.0, 4.0],
        seconds: (10.0, 3_600.0),
        with_deadline: 1.0,
        deadline: ((0.3, 1.25), (0.0, 30.0)),
        interruptible: 0.2,
    },
];

fn draw(random: &mut StdRng, prices: &Prices) -> TracedJob {
    let mut percent: u32 = random.random_range(0..100);
    let kind = KINDS
        .iter()
        .find(|kind| match percent.checked_sub(kind.share) {
            None => true,
            Some(rest) => {
                percent = rest;
                false
            }
        });
    let kind = kind.unwrap_or(&KINDS[0]);
    let vcpu = kind.vcpu[random.random_range(0..kind.vcpu.len())];
    let gib_per_vcpu = [0.5, 1.0, 2.0, 2.0, 4.0, 4.0, 7.5][random.random_range(0..7)];
    let expected_seconds = random
        .random_range(kind.seconds.0.ln()..kind.seconds.1.ln())
        .exp();
    let ((least, most), (soonest, latest)) = kind.deadline;
    let deadline =
        expected_seconds * random.random_range(least..most) + random.random_range(soonest..latest);
    TracedJob {
        needs: Needs {
            resources: Resources {
                vcpu,
                memory_mib: (vcpu * gib_per_vcpu * 1_024.0) as u32,
            },
            expected_seconds,
            longest_seconds: Needs::longest_of(expected_seconds),
            within: random.random_bool(kind.with_deadline).then_some(deadline),
            interruptible: random.random_bool(kind.interruptible),
        },
        run_seconds: expected_seconds * random.random_range(0.75..1.25),
        fates: fate::draw(random, prices, prices.spot_interruptions_per_hour),
    }
}

/// One undisturbed run on `placement`, or none if it cannot be.
fn run(job: &TracedJob, placement: Placement, prices: &Prices) -> Option<Outcome> {
    let fate = job.fates[placement as usize];
    let offer = prices.offer(placement, &job.needs.resources).ok()?;
    let seconds = fate.start_seconds + job.run_seconds;
    let cut_off = placement
        .time_limit()
        .is_some_and(|limit| job.run_seconds > limit);
    let unfit = placement.is_spot() && !job.needs.interruptible;
    if fate.refused || cut_off || unfit || seconds > fate.interrupted_after {
        return None;
    }
    Some(Outcome {
        usd: offer.cost(seconds),
        finish_seconds: seconds,
    })
}

/// The cheapest placement that meets the deadline, or the cheapest at all.
fn in_hindsight(job: &TracedJob, prices: &Prices) -> Option<(Placement, Outcome)> {
    let runs = Placement::ALL
        .into_iter()
        .filter_map(|placement| Some((placement, run(job, placement, prices)?)));
    runs.min_by(|(_, a), (_, b)| {
        met(job, *b)
            .cmp(&met(job, *a))
            .then(a.usd.total_cmp(&b.usd))
    })
}

/// The planner's run: refusals and interruptions make it choose again.
fn plan(job: &TracedJob, prices: &Prices) -> Option<(Placement, Outcome)> {
    let (mut now, mut usd) = (0.0, 0.0);
    let mut needs = job.needs.clone();
    let mut availability = Availability::all();
    loop {
        needs.within = job.needs.within.map(|within| within - now);
        let placement = choose(&needs, prices, &availability).ok()?.placement;
        let fate = job.fates[placement as usize];
        if fate.refused {
            availability.refuse(placement, "no capacity");
            continue;
        }
        let offer = prices.offer(placement, &job.needs.resources).ok()?;
        let limit = placement.time_limit().unwrap_or(f64::INFINITY);
        let seconds = fate.start_seconds + job.run_seconds.min(limit);
        let ran = seconds.min(fate.interrupted_after);
        usd += offer.cost(ran);
        now += ran;
        if ran == fate.start_seconds + job.run_seconds {
            return Some((
                placement,
                Outcome {
                    usd,
                    finish_seconds: now,
                },
            ));
        }
        // What has taken the run back once would do so again at the same moment of the draw.
        availability.refuse(placement, "interrupted");
    }
}
