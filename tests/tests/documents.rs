//! The pages of `docs/`: what they show is run, and what the command prints for programs is as its schemas say.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use cloud::faults::Faults;
use end_to_end::{Run, call, commands, hybrid, root};
use jobs::job::{Job, JobOutcome};
use serde_json::{Value, json};

fn page(name: &str) -> String {
    std::fs::read_to_string(root().join("docs").join(name)).unwrap()
}

/// The blocks of a page that are JSON of this kind: fenced by "```json KIND".
fn blocks(page: &str, kind: &str) -> Vec<String> {
    let fence = format!("```json {kind}\n");
    let blocks = page.split(fence.as_str()).skip(1);
    blocks
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

fn block(page: &str, kind: &str) -> String {
    let mut blocks = blocks(page, kind);
    assert_eq!(blocks.len(), 1, "{kind}");
    blocks.remove(0)
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn sample(pipeline: &str) -> Value {
    let path = root().join(format!("statemachines/{pipeline}.input.json"));
    parsed(&std::fs::read_to_string(path).unwrap())
}

#[test]
fn the_faults_strike_as_the_page_says() {
    let page = page("faults.md");
    assert!(Faults::parse(&block(&page, "faults")).is_ok());
    let refused = Faults::parse(&block(&page, "no-faults")).unwrap_err();
    assert!(refused.to_string().contains("line 1, column"), "{refused}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("faults.json");
    std::fs::write(&file, block(&page, "faults wrapper")).unwrap();
    let mut input = sample("wrapper");
    input["service"]["url"] = json!("http://127.0.0.1:9/airports.csv");
    let faults = file.to_str().unwrap();
    let run = Run::start(
        "wrapper",
        &input,
        &["--clock", "virtual", "--faults", faults],
    );
    let (finished, _out) = run.finish();
    let document = finished.json();
    assert_eq!(document["unstruckFaults"], json!([]), "{document}");
    assert_eq!(document["output"]["servedBy"], "alternative", "{document}");
}

#[test]
fn the_mocks_answer_as_the_page_says() {
    let page = page("mocks.md");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, kind: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, block(&page, kind)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let definition = write("machine.asl.json", "definition");
    let mocks = write("mocks.json", "mocks");
    let run = |case: &str| {
        call(&[
            "exec",
            &definition,
            "--mocks",
            &mocks,
            "--case",
            case,
            "--json",
        ])
    };
    let busy = run("busy");
    assert_eq!(busy.code, Some(0), "{}", busy.stderr);
    assert_eq!(busy.json()["output"], json!({"found": true}));
    let down = run("down");
    assert_eq!(
        (down.code, &down.json()["error"]),
        (Some(1), &json!("Lambda.Unknown"))
    );
}

#[test]
fn the_jobs_are_as_the_page_says() {
    let page = page("jobs.md");
    let stored = parsed(&block(&page, "stored"));
    let job: Job = serde_json::from_value(stored.clone()).unwrap();
    assert_eq!(json!(job), stored);
    let outcome = parsed(&block(&page, "outcome"));
    let read: JobOutcome = serde_json::from_value(outcome.clone()).unwrap();
    assert_eq!(json!(read), outcome);
    let priced = call(&["price", &block(&page, "job")]);
    assert_eq!(priced.code, Some(0), "{}", priced.stderr);
    // What `price` takes of a request is in the request.
    let request = parsed(&block(&page, "request"));
    for member in parsed(&block(&page, "job")).as_object().unwrap().keys() {
        assert!(request.get(member).is_some(), "{member}");
    }
}

/// Holds a document against the schema of its command.
fn hold(command: &str, document: &Value) {
    let schema = parsed(&page(&format!("json/{command}.schema.json")));
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(document)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{command}: {}", wrong.join("\n"));
}

fn write(folder: &Path, name: &str, content: &Value) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn what_commands_without_a_run_print_is_as_their_schemas_say() {
    let folder = tempfile::tempdir().unwrap();
    let definition = write(
        folder.path(),
        "machine.asl.json",
        &json!({"StartAt": "Call", "States": {"Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke",
            "Parameters": {"FunctionName": "f"}, "End": true}}}),
    );
    let cases = write(
        folder.path(),
        "machine.test.json",
        &json!({"mocks": {"Call": {"0": {"Throw": {"Error": "Mine", "Cause": "so"}}}},
                "cases": [{"name": "fails", "expect": {"error": "Other"}}]}),
    );
    let broken = write(
        folder.path(),
        "broken.asl.json",
        &json!({"StartAt": "A", "States": {"A": {"Type": "Pas"}}}),
    );
    let pass = write(
        folder.path(),
        "state.json",
        &json!({"Type": "Pass", "End": true}),
    );
    let job = block(&page("jobs.md"), "job");
    let run = json!({"ending": "SUCCEEDED", "placement": "FARGATE", "job": "j", "startedAtMs": 1, "finishedAtMs": 9,
        "cpuMs": 8, "peakMemoryMiB": 20, "waitedMs": 5, "usd": 0.001});
    let ledger = json!({"trainer": {"Train": {"recorded": 3, "newest": [run, "torn"]}}});
    write(folder.path(), "ledger.json", &ledger);
    let out = folder.path().to_str().unwrap();
    let calls: [&[&str]; 13] = [
        &["doctor", "run"],
        &["exec", &definition, "--lambda", "f=echo 1"],
        &["exec", &definition, "--lambda", "f=false"],
        &["explore", "wrapper", "--runs", "20"],
        &[
            "load",
            "http://127.0.0.1:9/",
            "--duration",
            "100ms",
            "--threshold",
            "p99 < 1 s",
        ],
        &["jobs", "--out", out],
        &["price", "ml-training"],
        &["price", &job],
        &["test", "wrapper", "--coverage"],
        &["test", &cases],
        &["test-state", &pass],
        &["validate", &definition],
        &["validate", &broken],
    ];
    for arguments in calls {
        let finished = call(&[arguments, &["--json"]].concat());
        hold(arguments[0], &finished.json());
    }
}

#[test]
fn what_runs_print_is_as_their_schemas_say() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    let mut nobody = sample("wrapper");
    nobody["service"]["url"] = json!("http://127.0.0.1:9/airports.csv");
    let served = nobody.clone();
    nobody["alternative"]["key"] = json!("data/none.csv");
    for (name, input, code) in [("served", served, 0), ("nobody", nobody, 1)] {
        let input = input.to_string();
        let finished = call(&[
            "run", "wrapper", "--clock", "virtual", "--json", "--out", folder, "--name", name,
            "--input", &input,
        ]);
        assert_eq!(finished.code, Some(code), "{}", finished.stderr);
        hold("run", &finished.json());
    }
    hold(
        "history",
        &call(&["history", "nobody", "--out", folder, "--json"]).json(),
    );
    let again = "served/Call the service";
    let again = call(&["test-state", "--from", again, "--data", folder, "--json"]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    hold("test-state", &again.json());
}

#[test]
fn what_serve_and_prune_print_is_as_their_schemas_say() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Command::new(hybrid())
        .current_dir(root())
        .args(["serve", "--no-build", "--port", "0", "--json", "--data"])
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    hold("serve", &parsed(&line));
    let data = data.path().to_str().unwrap();
    hold(
        "prune",
        &call(&["prune", "--keep-days", "0", "--data", data, "--json"]).json(),
    );
}

#[test]
fn what_new_prints_is_as_its_schema_says() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("first");
    let made = call(&["new", "project", project.to_str().unwrap(), "--json"]);
    hold("new", &made.json());
}

/// Every command that prints for programs has its schema, and the page names it.
#[test]
fn every_command_with_json_has_a_schema() {
    let index = page("json.md");
    for name in commands() {
        if call(&[&name, "--help"]).stdout.contains("--json ") {
            assert!(
                index.contains(&format!("(json/{name}.schema.json)")),
                "{name}"
            );
            parsed(&page(&format!("json/{name}.schema.json")));
        }
    }
}
