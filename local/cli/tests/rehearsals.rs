//! `hybrid test`, `hybrid explore` and `hybrid exec --mocks`, as a person calls them.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_path_buf()
}

/// Exit code, standard output and standard error.
fn hybrid(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_hybrid"))
        .current_dir(root())
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// A copy of a pipeline and its cases, changed.
fn copy(pipeline: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = root().join("statemachines");
    for ending in ["asl.json", "input.json", "schema.json"] {
        let name = format!("{pipeline}.{ending}");
        std::fs::copy(from.join(&name), folder.path().join(&name)).unwrap();
    }
    let name = format!("{pipeline}.test.json");
    let mut cases: Value =
        serde_json::from_str(&std::fs::read_to_string(from.join(&name)).unwrap()).unwrap();
    change(&mut cases);
    std::fs::write(folder.path().join(name), cases.to_string()).unwrap();
    folder
}

#[test]
fn every_pipeline_passes_its_cases_and_they_reach_all_of_it() {
    let (code, stdout, stderr) = hybrid(&["test", "--min-coverage", "100"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains(" 0 failed"), "{stdout}");
    assert_eq!(stderr, "");
}

#[test]
fn a_failed_case_is_told_with_its_differences_and_its_history() {
    let folder = copy("wrapper", |cases| {
        cases["cases"][0]["expect"]["output"]["servedBy"] = json!("nobody");
    });
    let (path, junit) = (
        folder.path().to_str().unwrap(),
        folder.path().join("junit.xml"),
    );
    let (code, stdout, _) = hybrid(&["test", path, "--junit", junit.to_str().unwrap()]);
    assert_eq!(code, 1);
    for expected in [
        "FAIL the service serves",
        "$.servedBy: expected \"nobody\", got \"service\"",
        "ExecutionSucceeded",
        "10 passed, 1 failed",
    ] {
        assert!(stdout.contains(expected), "{expected} is not in\n{stdout}");
    }
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(junit.contains("tests=\"11\" failures=\"1\""), "{junit}");
    let (code, stdout, _) = hybrid(&["test", path, "--json", "--filter", "alternative serves"]);
    assert_eq!(code, 0);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["passed"], 1);
    assert_eq!(
        document["files"][0]["cases"][0]["retries"]["Call the service"],
        2
    );
}

#[test]
fn too_little_coverage_and_a_case_without_an_end_fail() {
    let folder = copy("canary", |cases| {
        cases["cases"] = json!([cases["cases"][3].clone()]);
    });
    let path = folder.path().to_str().unwrap();
    let (code, stdout, stderr) = hybrid(&["test", path, "--min-coverage", "100"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("not reached: Not served"), "{stdout}");
    assert!(stderr.contains("less than 100 %"), "{stderr}");
    let (code, stdout, _) = hybrid(&["test", path, "--max-events", "30"]);
    assert_eq!(code, 1);
    assert!(
        stdout.contains("stopped at 30 events: it might never have ended"),
        "{stdout}"
    );
}

#[test]
fn what_is_wrong_in_a_file_is_told_by_file_path_and_suggestion() {
    let refused = |change: fn(&mut Value), expected: &str| {
        let folder = copy("wrapper", change);
        let (code, _, stderr) = hybrid(&["test", folder.path().to_str().unwrap()]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("wrapper.test.json: "), "{stderr}");
        assert!(stderr.contains(expected), "{stderr}");
    };
    refused(
        |cases| cases["cases"][0]["expct"] = json!({}),
        "$.cases[0]: there is no key \"expct\"; did you mean \"expect\"?",
    );
    refused(
        |cases| cases["cases"][0]["mocks"] = json!({"Call the servce": {"0": {"Return": {}}}}),
        "$.cases[0].mocks['Call the servce']: there is no task state \"Call the servce\"; did you mean \"Call the service\"?",
    );
    refused(
        |cases| cases["cases"][0]["expect"]["enters"] = json!(["Nobdy served"]),
        "$.cases[0].expect.enters[0]: there is no state \"Nobdy served\"; did you mean \"Nobody served\"?",
    );
    refused(
        |cases| {
            cases["cases"][0]["mocks"] =
                json!({"Call the service": {"0": {"Return": {"StatusCode": "200"}}}});
        },
        "lambda:invoke could not have answered this for \"Call the service\": Field 'StatusCode' must be a number",
    );
    let folder = copy("wrapper", |cases| {
        _ = cases.as_object_mut().unwrap().remove("mocks");
    });
    let (_, _, stderr) = hybrid(&["test", folder.path().to_str().unwrap()]);
    assert!(
        stderr.contains("\"Call the alternative\" has no mock in the case \"the service serves\""),
        "{stderr}"
    );
}

#[test]
fn a_case_of_awss_mock_file_runs_by_exec() {
    let (definition, mocks) = (
        "bench/workloads/mocked.asl.json",
        "bench/workloads/MockConfigFile.json",
    );
    let exec = |case: &str| {
        hybrid(&[
            "exec", definition, "--mocks", mocks, "--case", case, "--json",
        ])
    };
    let (code, stdout, stderr) = exec("RetryPath");
    assert_eq!(code, 0, "{stderr}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["status"], "SUCCEEDED");
    assert_eq!(exec("LambdaSQSIntegration#HappyPath").0, 0);
    let (code, _, stderr) = exec("HapyPath");
    assert_eq!(code, 2);
    assert!(
        stderr.contains("there is no test case \"HapyPath\"; did you mean \"HappyPath\"?"),
        "{stderr}"
    );
    let (code, _, stderr) = exec("HybridPath");
    assert_eq!(code, 2);
    assert!(stderr.contains("\"SQSState\" has no mock"), "{stderr}");
}

#[test]
fn the_failures_of_a_pipeline_are_a_table_and_a_fault_has_an_exit_code() {
    let (code, stdout, stderr) = hybrid(&["explore", "wrapper", "--runs", "50"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("Call the service"), "{stdout}");
    assert!(stdout.contains("wrapper: 0 findings"), "{stdout}");
    let folder = copy("wrapper", |cases| {
        _ = cases.as_object_mut().unwrap().remove("accepted");
    });
    let definition = folder.path().join("wrapper.asl.json");
    let changed = std::fs::read_to_string(&definition)
        .unwrap()
        .replace("Lambda.Unknown", "Lambda.Unknwon");
    std::fs::write(&definition, changed).unwrap();
    let (code, stdout, _) = hybrid(&[
        "explore",
        definition.to_str().unwrap(),
        "--runs",
        "50",
        "--json",
    ]);
    assert_eq!(code, 1);
    let document: Value = serde_json::from_str(&stdout).unwrap();
    let found = |finding: &Value| {
        finding["finding"] == "misspelt" && finding["errors"] == json!(["Lambda.Unknwon"])
    };
    assert!(
        document[0]["findings"]
            .as_array()
            .unwrap()
            .iter()
            .any(found),
        "{document}"
    );
}

/// A mock file with one case of the pipeline `wrapper`.
fn mock_file(folder: &Path, states: &Value) -> String {
    let file = json!({"StateMachines": {"wrapper": {"TestCases": {"Case": states}}}});
    let path = folder.join("MockConfigFile.json");
    std::fs::write(&path, file.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_pipeline_runs_with_mocks_in_place_of_its_services() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    let response = json!({"0": {"Return": {"StatusCode": 200, "Payload": {"rows": 7}}}});
    let both = json!({"Call the service": response, "Call the alternative": response});
    let mocks = mock_file(folder.path(), &both);
    let run = |case: &str| {
        let mocked = ["--mocks", &mocks, "--case", case];
        hybrid(
            &[
                &["run", "wrapper", "--json", "--out", out, "--name", "mocked"][..],
                &mocked,
            ]
            .concat(),
        )
    };
    let (code, stdout, stderr) = run("Case");
    assert_eq!(code, 0, "{stdout}{stderr}");
    let document: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(document["output"]["result"]["rows"], 7, "{document}");
    let (code, _, stderr) = run("Cas");
    assert_eq!(code, 2);
    assert!(stderr.contains("did you mean \"Case\"?"), "{stderr}");
    let mocks = mock_file(folder.path(), &json!({"Call the servce": response}));
    let (code, _, stderr) = hybrid(&["run", "wrapper", "--mocks", &mocks, "--case", "Case"]);
    assert_eq!(code, 2);
    assert!(
        stderr.contains("did you mean \"Call the service\"?"),
        "{stderr}"
    );
}

#[test]
fn the_cases_of_a_yaml_definition_run_and_what_they_reach_is_a_page() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let definition =
        "StartAt: A\nStates:\n  A:\n    Type: Pass\n    Next: B\n  B:\n    Type: Succeed\n";
    std::fs::write(file("m.asl.yaml"), definition).unwrap();
    std::fs::write(file("m.test.json"), r#"{"cases": [{"name": "passes"}]}"#).unwrap();
    let (path, page) = (folder.path().to_str().unwrap(), file("coverage.html"));
    let (code, stdout, stderr) = hybrid(&["test", path, "--coverage-html", page.to_str().unwrap()]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let page = std::fs::read_to_string(page).unwrap();
    for expected in [
        "100.0 %",
        "class=\"state pass covered\" id=\"m0-state-A\"",
        "class=\"edge next covered\"",
    ] {
        assert!(page.contains(expected), "{expected} is not in\n{page}");
    }
}

#[test]
fn a_definition_is_drawn() {
    let (code, stdout, _) = hybrid(&["graph", "wrapper"]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("<svg "), "{stdout}");
    let (code, stdout, _) = hybrid(&["graph", "statemachines/wrapper.asl.json", "--mermaid"]);
    assert_eq!(code, 0);
    assert!(stdout.starts_with("flowchart TD"), "{stdout}");
}
