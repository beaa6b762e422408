//! Runs the test cases of a mock file and prints how each ends.
//!
//! `cargo run -p testing --example cases`
#![allow(clippy::unwrap_used)]

use asl::Value;
use testing::{Definition, MockFile, Options, Substitutions, rehearse};

const DEFINITION: &str = include_str!("../../../bench/workloads/mocked.asl.json");
const MOCKS: &str = include_str!("../../../bench/workloads/MockConfigFile.json");
const MACHINE: &str = "LambdaSQSIntegration";

/// The cases that mock every task.
const CASES: [&str; 2] = ["HappyPath", "RetryPath"];

fn main() {
    let definition = Definition::parse(MACHINE, DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    for case in CASES {
        let mocks = file.case(MACHINE, case).unwrap();
        let run = rehearse(
            &definition,
            &Value::empty_object(),
            mocks,
            Options::default(),
        );
        assert_eq!(run.status().name(), "SUCCEEDED");
        println!(
            "{case}: {} after {} s by {:?}",
            run.status().name(),
            run.seconds,
            run.entered
        );
    }
}
