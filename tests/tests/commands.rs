//! The commands that need no pipeline run: validate, exec, test-state, price, history.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use end_to_end::{call, root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A folder with one file in it, and the file's path.
fn file(content: &Value) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.json");
    std::fs::write(&path, content.to_string()).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn definitions() -> Vec<String> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join("statemachines"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".asl.json"))
        .collect();
    found.sort();
    assert!(found.len() >= 9);
    found
        .into_iter()
        .map(|path| path.to_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_state_machine_of_the_project_is_valid() {
    let mut arguments = vec!["validate".to_owned(), "--json".to_owned()];
    arguments.extend(definitions());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let finished = call(&arguments);
    assert_eq!(finished.code, Some(0), "{}", finished.stdout);
    for report in finished.json().as_array().unwrap() {
        assert_eq!(report["result"], "OK", "{report}");
        assert_eq!(report["diagnostics"], json!([]), "{report}");
    }
}

#[test]
fn all_errors_of_a_definition_are_told_at_once_with_their_places() {
    let (_folder, path) = file(&json!({"StartAt": "A", "States": {
        "A": {"Type": "Pass", "Next": "Nowhere"},
        "B": {"Type": "Wait", "Next": "A"}}}));
    let finished = call(&["validate", &path, "--json"]);
    assert_eq!(finished.code, Some(2));
    let report = finished.json();
    let places = report[0]["diagnostics"].to_string();
    assert!(places.contains("/States/A/Next"), "{places}");
    assert!(places.contains("/States/B"), "{places}");
    assert_eq!(report[0]["diagnostics"][0]["line"], 1, "{places}");
    let line = format!("{path}:1:45: error MISSING_TRANSITION_TARGET at /States/A/Next");
    let printed = call(&["validate", &path]).stdout;
    assert!(printed.contains(&line), "{line} is not in {printed}");
}

#[test]
fn a_definition_runs_by_itself_with_a_command_for_its_function() {
    let (_definition, definition) = file(
        &json!({"QueryLanguage": "JSONata", "StartAt": "Nap", "States": {
        "Nap": {"Type": "Wait", "Seconds": 86400, "Next": "Call"},
        "Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "double", "Payload": "{% $states.input %}"},
            "Output": "{% $states.result.Payload %}", "End": true}}}),
    );
    let (_input, input) = file(&json!({"n": 21}));
    let double = r#"double=python3 -c 'import json,sys; print(json.load(sys.stdin)["n"] * 2)'"#;
    let arguments = [
        "exec",
        &definition,
        "--input",
        &input,
        "--clock",
        "virtual",
        "--json",
        "--lambda",
        double,
    ];
    let document = call(&arguments).json();
    assert_eq!(document["status"], "SUCCEEDED", "{document}");
    assert_eq!(document["output"], 42);
    let types: Vec<&str> = document["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    let expected = [
        "ExecutionStarted",
        "WaitStateEntered",
        "WaitStateExited",
        "TaskStateEntered",
        "TaskScheduled",
        "TaskStarted",
        "TaskSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(types, expected);
}

/// More than a pipe holds, in both directions.
#[test]
fn a_large_payload_passes_through_a_command() {
    let (_definition, definition) = file(&json!({"QueryLanguage": "JSONata", "StartAt": "Echo",
        "States": {"Echo": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Arguments": {"FunctionName": "echo", "Payload": "{% $states.input %}"},
            "Output": "{% $length($states.result.Payload.text) %}", "End": true}}}));
    let (_input, input) = file(&json!({"text": "x".repeat(200_000)}));
    let arguments = [
        "exec",
        &definition,
        "--input",
        &input,
        "--lambda",
        "echo=cat",
    ];
    let finished = call(&[&arguments[..], &["--json"]].concat());
    assert_eq!(finished.json()["output"], 200_000, "{}", finished.stderr);
}

#[test]
fn a_reader_that_goes_away_ends_the_printing() {
    use std::process::{Command, Stdio};
    let mut child = Command::new(end_to_end::hybrid())
        .current_dir(root())
        .args(["validate"])
        .args(definitions())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(141));
    assert!(output.stderr.is_empty());
}

#[test]
fn wrong_calls_are_refused_before_anything_is_done() {
    let out = tempfile::tempdir().unwrap();
    let out_path = out.path().join("out");
    let out_text = out_path.to_str().unwrap();
    for name in ["../evil", "a b", "a*", ""] {
        let finished = call(&["run", "wrapper", "--name", name, "--out", out_text]);
        assert_eq!(finished.code, Some(2), "{}", finished.stderr);
        assert!(
            finished.stderr.contains("Invalid Name"),
            "{}",
            finished.stderr
        );
    }
    assert!(!out_path.exists());
    assert_eq!(call(&["validate", "no-such-file.json"]).code, Some(2));
    let input = ["run", "wrapper", "--input", "no-such-file.json"];
    assert_eq!(call(&input).code, Some(2));
}

#[test]
fn a_failed_execution_and_an_invalid_definition_have_exit_codes_of_their_own() {
    let (_folder, failing) = file(&json!({"StartAt": "F", "States": {
        "F": {"Type": "Fail", "Error": "Mine", "Cause": "because"}}}));
    let finished = call(&["exec", &failing, "--json"]);
    assert_eq!(finished.code, Some(1));
    let document = finished.json();
    assert_eq!(
        (&document["error"], &document["cause"]),
        (&json!("Mine"), &json!("because"))
    );
    let (_folder, invalid) = file(&json!({"StartAt": "F", "States": {}}));
    assert_eq!(call(&["exec", &invalid]).code, Some(2));
}

#[test]
fn one_state_is_tested_with_a_mocked_result() {
    let (_state, state) = file(
        &json!({"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "f"}, "ResultSelector": {"v.$": "$.Payload.v"},
        "ResultPath": "$.got", "Next": "After"}),
    );
    let (_input, input) = file(&json!({"kept": true}));
    let (_mock, mock) = file(&json!({"Payload": {"v": 7}}));
    let finished = call(&[
        "test-state",
        &state,
        "--input",
        &input,
        "--mock",
        &mock,
        "--json",
    ]);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    let body = finished.json();
    let output: Value = serde_json::from_str(body["output"].as_str().unwrap()).unwrap();
    assert_eq!(output, json!({"kept": true, "got": {"v": 7}}));
    assert_eq!(
        (&body["status"], &body["nextState"]),
        (&json!("SUCCEEDED"), &json!("After"))
    );
}

#[test]
fn every_placement_of_a_job_has_its_price() {
    let document = call(&["price", "ml-training", "--json"]).json().to_string();
    for placement in placement::Placement::ALL {
        assert!(
            document.contains(&format!("\"{placement}\"")),
            "{placement}"
        );
    }
}

#[test]
fn a_history_is_printed_from_the_results_of_a_run() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("run-1");
    std::fs::create_dir(&folder).unwrap();
    let events =
        json!([{"id": 1, "previousEventId": 0, "type": "ExecutionStarted", "timestamp": 1.0}]);
    std::fs::write(folder.join("history.json"), events.to_string()).unwrap();
    let out = out.path().to_str().unwrap();
    assert_eq!(call(&["history", "--out", out, "--json"]).json(), events);
    assert!(
        call(&["history", "run-1", "--out", out])
            .stdout
            .contains("ExecutionStarted")
    );
    assert_eq!(call(&["history", "run-2", "--out", out]).code, Some(2));
}
