//! The example of AWS's documentation runs as it stands
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>).

use asl::Value;
use testing::{Definition, MockFile, Options, Run, Substitutions, rehearse};

/// A function, then a queue, as the page's state machine `LambdaSQSIntegration`.
const DEFINITION: &str = include_str!("../../../../bench/workloads/mocked.asl.json");

/// The names, numbers and shapes of the page's file.
const MOCKS: &str = include_str!("../../../../bench/workloads/MockConfigFile.json");

fn run(case: &str) -> Run {
    let definition =
        Definition::parse("LambdaSQSIntegration", DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    let mocks = file.find(&definition.name, case).unwrap();
    assert_eq!(mocks.problems(&definition.outline, "$"), []);
    rehearse(
        &definition,
        &Value::empty_object(),
        mocks,
        Options::default(),
    )
}

#[test]
fn the_happy_path_takes_no_time() {
    let run = run("HappyPath");
    assert_eq!(run.status().name(), "SUCCEEDED");
    assert_eq!(run.entered, ["LambdaState", "SQSState"]);
    assert_eq!(run.seconds, 0.0);
}

#[test]
fn the_path_of_retries_takes_three_of_them() {
    let run = run("RetryPath");
    assert_eq!(run.status().name(), "SUCCEEDED");
    assert_eq!(run.retries["LambdaState"], 3);
    assert_eq!(run.seconds, 2.0 + 4.0 + 8.0);
}

#[test]
fn a_state_without_a_mock_is_told_before_and_leaves_the_run_as_it_stands() {
    let definition = Definition::parse("m", DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    let mocks = file.find("m", "HybridPath").unwrap();
    assert_eq!(mocks.missing(&definition.outline), ["SQSState"]);
    let run = run("HybridPath");
    assert_eq!(run.status().name(), "RUNNING");
    assert_eq!(run.unanswered().unwrap().state, "SQSState");
}
