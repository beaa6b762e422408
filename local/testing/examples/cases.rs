//! Runs the test cases of a mock file and prints how each ends; with `--rate`, how many cases a second are run.
//!
//! `cargo run -p testing --example cases`
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use asl::Value;
use testing::{Definition, MockFile, Options, Substitutions, rehearse};

const DEFINITION: &str = include_str!("../../../bench/workloads/mocked.asl.json");
const MOCKS: &str = include_str!("../../../bench/workloads/MockConfigFile.json");
const MACHINE: &str = "LambdaSQSIntegration";

/// The cases that mock every task.
const CASES: [&str; 2] = ["HappyPath", "RetryPath"];

/// How long the cases are repeated, how often; the best time counts, for the others were disturbed.
const TIME: Duration = Duration::from_millis(100);
const TIMES: usize = 25;

fn main() {
    let definition = Definition::parse(MACHINE, DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    let run = |case: &str| {
        let mocks = file.case(MACHINE, case).unwrap();
        let run = rehearse(
            &definition,
            &Value::empty_object(),
            mocks,
            Options::default(),
        );
        assert_eq!(run.status().name(), "SUCCEEDED");
        run
    };
    if !std::env::args().any(|argument| argument == "--rate") {
        for case in CASES {
            let run = run(case);
            println!(
                "{case}: {} after {} s by {:?}",
                run.status().name(),
                run.seconds,
                run.entered
            );
        }
        return;
    }
    for case in CASES {
        let once = || {
            let begin = Instant::now();
            let mut done = 0;
            while done == 0 || begin.elapsed() < TIME {
                drop(run(case));
                done += 1;
            }
            f64::from(done) / begin.elapsed().as_secs_f64()
        };
        let rate = (0..TIMES).map(|_| once()).fold(0.0, f64::max);
        println!("testing {case} {rate:.0}");
    }
}
