//! Places jobs of which nothing is known beforehand, and compares with who knows everything and with simple rules.
//!
//! `cargo run -p placement --example learning -- [SEED] [JOBS]`
//!
//! How long a job runs and how much memory it needs is drawn from heavy tails around a power of the size of its input,
//! per class. Placements refuse starts, are slow, and Spot is taken back; who has too little memory loses half of the
//! run. The learner is the dispatcher: estimates from the ledger of the class, and lessons from the attempts before.
//! A tenth of the jobs comes first as a warm-up.
//!
//! Exits with 1 when the learner pays more than 10 % above the clairvoyant after the warm-up, or meets less than 99 % of
//! the deadlines that could be met.

mod fate;
mod rules;
mod world;

use std::process::ExitCode;

use placement::Placement;
use placement::pricing::Prices;
use rules::{Learner, Tally};

fn main() -> ExitCode {
    let mut arguments = std::env::args()
        .skip(1)
        .filter_map(|argument| argument.parse::<u64>().ok());
    let seed = arguments.next().unwrap_or(1);
    let count = arguments.next().unwrap_or(10_000) as usize;
    let prices = Prices::x86_64();
    let warm_up = count / 10;
    let jobs = world::jobs(seed, warm_up + count, &prices);
    let names = ["Lambda", "Fargate", "Batch"];
    let always = [Placement::Lambda, Placement::Fargate, Placement::Batch];
    let mut learner = Learner::default();
    let (mut begun, mut learnt) = ([Tally::default(); 2], Tally::default());
    let [mut best, mut guess, mut usual] = [Tally::default(); 3];
    let mut simple = always.map(|_| Tally::default());
    for (number, job) in jobs.iter().enumerate() {
        let clairvoyant = world::clairvoyant(job, &prices);
        let outcome = learner.place(job, &prices);
        if number < warm_up {
            begun[number * 2 / warm_up].add(job, clairvoyant, outcome);
            continue;
        }
        learnt.add(job, clairvoyant, outcome);
        best.add(job, clairvoyant, clairvoyant);
        guess.add(job, clairvoyant, rules::perfect_guess(job, &prices));
        usual.add(job, clairvoyant, rules::static_rule(job, &prices));
        for (tally, placement) in simple.iter_mut().zip(always) {
            tally.add(job, clairvoyant, rules::always(job, placement, &prices));
        }
    }
    println!(
        "{count} jobs after {warm_up} of warm-up, seed {seed}, prices of {}",
        prices.as_of
    );
    println!("rule                            USD  to best  in time  not run");
    let rows = [
        ("clairvoyant", best),
        ("learner", learnt),
        ("  first half of its warm-up", begun[0]),
        ("  second half", begun[1]),
        ("dispatcher, perfect guesses", guess),
        ("Spot 3 retries, then on demand", usual),
    ];
    for (name, tally) in rows {
        row(name, &tally);
    }
    for (name, tally) in names.iter().zip(&simple) {
        row(&format!("always {name}"), tally);
    }
    println!(
        "to best: cost divided by the clairvoyant's for the same jobs; in time: of the deadlines that it meets"
    );
    match learnt.ratio() <= 1.1 && learnt.in_time() >= 0.99 && learnt.failed == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn row(name: &str, tally: &Tally) {
    let percent = tally.in_time() * 100.0;
    println!(
        "{name:<30} {:>8.2} {:>8.3} {percent:>6.2} % {:>8}",
        tally.usd,
        tally.ratio(),
        tally.failed
    );
}
