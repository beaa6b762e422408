//! The main job, for real: real functions, real workers, the real data set, a small budget.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use end_to_end::{Run, call, children, computed, root, signal};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use serde_json::{Value, json};

/// One round of one set for each of two placements, and an accuracy that any model reaches.
fn small() -> Value {
    let file = root().join("statemachines/ml-training.input.json");
    let mut input: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    input["maxRounds"] = json!(1);
    input["setsPerRound"] = json!(2);
    input["placements"] = json!(["FARGATE", "BATCH"]);
    input["targetAccuracy"] = json!(0.5);
    input
}

/// A forest that trains long enough to be hit.
fn slow() -> Value {
    let mut input = small();
    input["setsPerRound"] = json!(1);
    input["placements"] = json!(["FARGATE"]);
    input["include"] = json!([{"forest": {"nTrees": 2000, "maxDepth": 20, "minSamplesLeaf": 1}}]);
    input
}

fn of_type<'a>(document: &'a Value, kind: &str) -> Vec<&'a Value> {
    let events = document["events"].as_array().unwrap();
    events
        .iter()
        .filter(|event| event["type"] == kind)
        .collect()
}

#[test]
fn an_unknown_pipeline_lists_the_nearest_known_ones() {
    let finished = call(&["run", "ml-trianing"]);
    assert_eq!(finished.code, Some(2));
    let nearest = "nearest of 9 are: ml-training, ";
    assert!(finished.stderr.contains(nearest), "{}", finished.stderr);
}

#[test]
fn bad_input_is_refused_by_its_json_path_before_anything_starts() {
    let mut input = small();
    input["targetAccuracy"] = json!("high");
    input.as_object_mut().unwrap().remove("dataset");
    let (finished, out) = Run::start("ml-training", &input, &[]).finish();
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("$.targetAccuracy"),
        "{}",
        finished.stderr
    );
    assert!(finished.stderr.contains("dataset"), "{}", finished.stderr);
    assert_eq!(std::fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn the_loop_trains_on_fargate_and_batch_and_a_bad_set_sinks_nothing() {
    let mut input = small();
    input["setsPerRound"] = json!(3);
    input["include"] = json!([{"forest": {"nTrees": 10, "maxDepth": -1, "minSamplesLeaf": 1}}]);
    let (finished, _out) = Run::start("ml-training", &input, &[]).finish();
    let document = finished.json();
    assert_eq!(
        finished.code,
        Some(0),
        "{} {}",
        document["error"],
        document["cause"]
    );
    assert_eq!(document["status"], "SUCCEEDED");
    let usage = document["usage"].as_array().unwrap();
    let ran_on = |placement: &str| usage.iter().any(|one| one["placement"] == placement);
    assert!(ran_on("FARGATE") && ran_on("BATCH"), "{usage:?}");

    let page = std::fs::read_to_string(document["report"].as_str().unwrap()).unwrap();
    assert!(page.contains("<svg"));
    assert!(page.contains("Input.Invalid"));
    let refused: Vec<&Value> = of_type(&document, "TaskFailed")
        .into_iter()
        .filter(|event| event["taskFailedEventDetails"]["error"] == "Input.Invalid")
        .collect();
    assert_eq!(refused.len(), 1, "refused once and never retried");
}

#[test]
fn a_killed_worker_is_noticed_and_its_branch_retried() {
    let run = Run::start("ml-training", &slow(), &[]);
    let worker = run.child_named("trainer", Duration::from_secs(300));
    signal(worker, "KILL");
    let (finished, _out) = run.finish();
    let document = finished.json();
    assert_eq!(
        document["status"], "SUCCEEDED",
        "{} {}",
        document["error"], document["cause"]
    );
    let crashed = of_type(&document, "TaskFailed");
    assert_eq!(crashed.len(), 1);
    assert_eq!(crashed[0]["taskFailedEventDetails"]["error"], "Job.Crashed");
    let report = &document["output"];
    assert_eq!(report["failed"].as_u64().unwrap_or(0), 0, "{report}");
}

#[test]
fn a_reclaimed_worker_goes_on_where_it_was() {
    let mut input = slow();
    input["placements"] = json!(["FARGATE_SPOT"]);
    input["include"][0]["forest"]["nTrees"] = json!(400);
    let run = Run::start("ml-training", &input, &["--name", "reclaimed"]);
    let worker = run.child_named("trainer", Duration::from_secs(300));
    // By then it has read the data and trains, however busy the machine is. The kernel tells the time only if asked.
    while computed(worker).unwrap() < Duration::from_secs(1) {
        std::thread::sleep(Duration::from_millis(2));
    }
    signal(worker, "TERM");
    let (finished, out) = run.finish();
    let document = finished.json();
    assert_eq!(document["status"], "SUCCEEDED", "{document}");
    let reclaimed = of_type(&document, "TaskFailed");
    assert_eq!(reclaimed.len(), 1);
    let failure = &reclaimed[0]["taskFailedEventDetails"];
    assert_eq!(failure["error"], "Job.SpotReclaimed");
    let cause = failure["cause"].as_str().unwrap();
    assert!(cause.contains("the next attempt goes on"), "{cause}");
    let logs = out.path().join("reclaimed/cloud/logs");
    let said = read_all(&logs);
    assert!(said.contains("goes on from s3://"), "{said}");
}

/// The text of all files in a folder and below.
fn read_all(folder: &std::path::Path) -> String {
    let entries = std::fs::read_dir(folder).unwrap();
    let read = |entry: std::io::Result<std::fs::DirEntry>| {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => read_all(&path),
            false => std::fs::read_to_string(&path).unwrap(),
        }
    };
    entries.map(read).collect()
}

#[test]
fn ctrl_c_stops_the_children_and_keeps_the_history() {
    let run = Run::start("ml-training", &slow(), &[]);
    let worker = run.child_named("trainer", Duration::from_secs(300));
    assert!(children(run.pid()).contains(&worker));
    let pid = Pid::from_raw(i32::try_from(worker).unwrap()).unwrap();
    let end = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    signal(run.pid(), "INT");
    let (finished, out) = run.finish();
    assert_eq!(finished.code, Some(130));
    // What was killed may take a moment to end.
    let moment = Duration::from_secs(30).try_into().unwrap();
    let ended = poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&moment)).unwrap();
    assert_eq!(ended, 1, "the worker runs on");
    // Beside it may be the ledger.
    let mut entries = std::fs::read_dir(out.path()).unwrap();
    let folder = entries.find_map(|entry| Some(entry.unwrap().path()).filter(|path| path.is_dir()));
    let history = std::fs::read_to_string(folder.unwrap().join("history.json")).unwrap();
    assert!(history.contains("ExecutionStarted"));
}
