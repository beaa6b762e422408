//! The engine is killed with SIGKILL, or stopped; the next one goes on with what the first has started.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use cloud::action::EcsAction;
use cloud::lambda::InvocationType;
use serde_json::{Value, json};

use crate::changes;
use crate::cloud::{Cloud, Folder, Gate, stack, wait_for_lines};

pub const NO_FAULTS: &str = r#"{"faults": []}"#;
const FOLDER: &str = "TEST_CLOUD_FOLDER";

fn task(token: &str) -> Value {
    json!({
        "cluster": "main", "taskDefinition": "worker", "launchType": "FARGATE", "clientToken": token,
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
    })
}

fn job(name: &str, more: Value) -> Value {
    let mut request = json!({
        "jobName": name, "jobQueue": "on-demand", "jobDefinition": "worker", "tags": {"name": name},
    });
    for (field, value) in more.as_object().unwrap() {
        request[field] = value.clone();
    }
    request
}

/// A worker that notes that it runs, waits at the gate, and ends with exit code 3.
fn patient_worker(folder: &Folder) -> Gate {
    let path = folder.path().display();
    folder.worker(&format!(
        "echo \"run $AWS_BATCH_JOB_ID\" >> {path}/runs\nread _ < {path}/gate\necho end >> {path}/ends\nexit 3"
    ));
    Gate::new(&folder.path().join("gate"))
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .count()
}

/// What the engine that is to be killed does; the tests below run it in a process of its own.
#[tokio::test]
#[ignore = "other tests start it as a process of its own and kill it"]
async fn engine() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let runs = Path::new(&folder).join("runs");
    let cloud = Cloud::start_in(Folder::at(folder), &stack(), NO_FAULTS).await;
    cloud.compute.ecs.run_task(&task("task")).unwrap();
    cloud
        .compute
        .batch
        .submit_job(&job("single", json!({})))
        .unwrap();
    let array = json!({"arrayProperties": {"size": 2}});
    cloud
        .compute
        .batch
        .submit_job(&job("array", array))
        .unwrap();
    // Seen here, on the one thread, they are noted as running too.
    wait_for_lines(&runs, 3).await;
    println!("started");
    std::future::pending::<()>().await;
}

/// Runs the engine until its three first containers run (two vCPUs for the jobs), and kills it.
fn run_and_kill_engine(folder: &Folder) {
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["restart::engine", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(engine.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("started")));
    engine.kill().unwrap();
    engine.wait().unwrap();
}

async fn all_ended(cloud: &Cloud) {
    let task = cloud.compute.ecs.find("task").unwrap().stopped().await;
    assert_eq!(task["containers"][0]["exitCode"], 3);
    assert_eq!(task["stopCode"], "EssentialContainerExited");
    let find = |name: &str| cloud.compute.batch.find_tag("name", name).unwrap();
    let single = find("single").finished().await;
    assert_eq!(
        (&single["status"], &single["container"]["exitCode"]),
        (&json!("FAILED"), &json!(3))
    );
    let array = find("array").finished().await;
    assert_eq!(array["arrayProperties"]["statusSummary"]["FAILED"], 2);
}

async fn all_end_once(folder: &Folder, cloud: &Cloud) {
    all_ended(cloud).await;
    assert_eq!(
        lines(&folder.path().join("runs")),
        4,
        "one task, one job, two children"
    );
    assert_eq!(lines(&folder.path().join("ends")), 4);
}

#[tokio::test]
async fn running_containers_are_taken_up_and_run_once() {
    let folder = Folder::new();
    let mut gate = patient_worker(&folder);
    run_and_kill_engine(&folder);
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let again = cloud
        .compute
        .ecs
        .run_task(&task("task"))
        .unwrap()
        .tasks
        .remove(0);
    assert_eq!(again.describe()["lastStatus"], "RUNNING");
    gate.open();
    all_end_once(&folder, &cloud).await;
    // What has ended is known to the next engine too.
    let next = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    all_end_once(&folder, &next).await;
}

#[tokio::test]
async fn the_exit_code_of_a_container_that_ended_in_between_is_known() {
    let folder = Folder::new();
    let mut gate = patient_worker(&folder);
    run_and_kill_engine(&folder);
    gate.open();
    // The shells that stand before the three note how they ended.
    let workers = folder.path().join("data/workers");
    let noted = || (files(&workers, "exit") == 3).then_some(());
    changes::until(&workers, noted).await;
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    all_end_once(&folder, &cloud).await;
}

#[tokio::test]
async fn a_taken_up_container_can_be_stopped() {
    let folder = Folder::new();
    let _gate = patient_worker(&folder);
    run_and_kill_engine(&folder);
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let handle = cloud.compute.ecs.find("task").unwrap();
    handle.stop("enough");
    let task = handle.stopped().await;
    assert_eq!(
        (&task["stoppedReason"], &task["containers"][0]["exitCode"]),
        (&json!("enough"), &json!(143))
    );
    cloud.compute.shutdown().await;
}

#[tokio::test]
async fn what_an_orderly_shutdown_stopped_is_started_again() {
    let folder = Folder::new();
    let mut gate = patient_worker(&folder);
    let first = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let arn = first.compute.ecs.run_task(&task("task")).unwrap().tasks[0]
        .arn
        .clone();
    let submit = |name: &str, more| first.compute.batch.submit_job(&job(name, more)).unwrap();
    submit("single", json!({}));
    submit("array", json!({"arrayProperties": {"size": 2}}));
    // The task, and two jobs on two vCPUs.
    wait_for_lines(&folder.path().join("runs"), 3).await;
    first.compute.shutdown().await;
    assert_eq!(lines(&folder.path().join("ends")), 0);

    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    wait_for_lines(&folder.path().join("runs"), 6).await;
    let again = cloud.compute.ecs.find("task").unwrap();
    assert_eq!(again.arn, arn);
    assert_eq!(again.describe()["lastStatus"], "RUNNING");
    gate.open();
    all_ended(&cloud).await;
    let (runs, ends) = (folder.path().join("runs"), folder.path().join("ends"));
    assert_eq!((lines(&runs), lines(&ends)), (7, 4));
}

#[tokio::test]
async fn a_stop_that_was_asked_for_before_the_shutdown_is_told_after_it() {
    let folder = Folder::new();
    folder.worker(&format!(
        "trap '' TERM; echo run >> {}/runs; exec sleep 1000",
        folder.path().display()
    ));
    let first = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let started = first.compute.ecs.run_task(&task("task")).unwrap();
    wait_for_lines(&folder.path().join("runs"), 1).await;
    let stop = json!({"cluster": "main", "task": started.tasks[0].arn, "reason": "enough"});
    let asked = first.compute.ecs.call(EcsAction::StopTask, &stop).unwrap();
    assert_eq!(asked["task"]["desiredStatus"], "STOPPED");
    first.compute.shutdown().await;

    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let stopped = cloud.compute.ecs.find("task").unwrap().stopped().await;
    assert_eq!(
        lines(&folder.path().join("runs")),
        1,
        "it is not started again"
    );
    assert_eq!(
        (&stopped["stopCode"], &stopped["stoppedReason"]),
        (&json!("UserInitiated"), &json!("enough"))
    );
}

#[tokio::test]
async fn an_event_that_was_accepted_reaches_its_function_after_a_restart() {
    let folder = Folder::new();
    let path = folder.path().join("attempts");
    let first = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    // Its first attempt hangs.
    let hang = json!({"do": "sleep", "ms": 60_000}).to_string();
    let append = json!({"do": "append", "path": path, "until": 1}).to_string();
    for event in [hang, append.clone()] {
        let lambda = &first.compute.lambda;
        let kind = InvocationType::Event;
        let accepted = lambda.invoke("probe", event.into(), kind).await.unwrap();
        assert_eq!(accepted.status_code, 202);
    }
    wait_for_lines(&path, 1).await;
    let queue = folder.path().join("data/lambda");
    changes::until(&queue, || (files(&queue, "json") == 1).then_some(())).await;
    first.compute.shutdown().await;
    assert_eq!(files(&queue, "json"), 1, "what was under way is kept");

    // The event that was under way now does something else, so that it can be seen.
    let kept = std::fs::read_dir(&queue).unwrap().next().unwrap().unwrap();
    let mut record: Value = serde_json::from_slice(&std::fs::read(kept.path()).unwrap()).unwrap();
    record["payload"] = json!(append);
    std::fs::write(kept.path(), record.to_string()).unwrap();
    let _cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    wait_for_lines(&path, 2).await;
}

/// How many files with this ending are in a folder, and written.
fn files(folder: &Path, ending: &str) -> usize {
    let entries = std::fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|found| found == ending))
        .filter(|path| std::fs::metadata(path).is_ok_and(|file| file.len() > 0))
        .count()
}
