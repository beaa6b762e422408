//! The direct form: `.sync` tasks whose containers' exit codes decide.

#![allow(clippy::unwrap_used)]

use end_to_end::{Run, root};
use serde_json::{Value, json};

fn sample() -> Value {
    let file = root().join("statemachines/hybrid-hello.input.json");
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

fn run(input: &Value) -> Value {
    let (finished, _out) = Run::start("hybrid-hello", input, &[]).finish();
    finished.json()
}

#[test]
fn both_containers_run_to_their_end() {
    let document = run(&sample());
    assert_eq!(
        document["status"], "SUCCEEDED",
        "{} {}",
        document["error"], document["cause"]
    );
    let events = document["events"].to_string();
    for resource in ["runTask.sync", "submitJob.sync"] {
        assert!(events.contains(resource), "{resource}");
    }
    assert!(!events.contains("\"TaskFailed\""));
}

#[test]
fn a_container_that_exits_with_3_reaches_catch() {
    let mut input = sample();
    input["forest"]["maxDepth"] = json!(-1);
    let document = run(&input);
    assert_eq!(
        document["status"], "SUCCEEDED",
        "{} {}",
        document["error"], document["cause"]
    );
    let events = document["events"].as_array().unwrap();
    let failed = events
        .iter()
        .find(|event| event["type"] == "TaskFailed")
        .unwrap();
    let details = &failed["taskFailedEventDetails"];
    assert_eq!(details["error"], "States.TaskFailed");
    let cause: Value = serde_json::from_str(details["cause"].as_str().unwrap()).unwrap();
    assert_eq!(cause["Containers"][0]["ExitCode"], 3);
}
