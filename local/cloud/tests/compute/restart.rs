//! The engine is killed with SIGKILL; the next one finds what the first has started.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cloud::{Cloud, Folder, stack};

const NO_FAULTS: &str = r#"{"faults": []}"#;
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

/// A worker that notes that it runs, waits for a file, and ends with exit code 3.
fn patient_worker(folder: &Folder) {
    let path = folder.path().display();
    folder.worker(&format!(
        "echo \"run $AWS_BATCH_JOB_ID\" >> {path}/runs\nwhile [ ! -e {path}/go ]; do sleep 0.01; done\n\
         echo end >> {path}/ends\nexit 3"
    ));
}

fn lines(path: &Path) -> usize {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .count()
}

async fn wait_for_lines(path: &Path, count: usize) {
    for _ in 0..2_000 {
        if lines(path) >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} has {} lines, not {count}", path.display(), lines(path));
}

/// What the engine that is to be killed does; the tests below run it in a process of its own.
#[tokio::test]
#[ignore = "other tests start it as a process of its own and kill it"]
async fn engine() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
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
    println!("started");
    std::future::pending::<()>().await;
}

/// Runs the engine until its three first containers run (two vCPUs for the jobs), and kills it.
async fn run_and_kill_engine(folder: &Folder) {
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["restart::engine", "--exact", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(engine.stdout.take().unwrap()).lines();
    assert!(output.any(|line| line.unwrap().contains("started")));
    wait_for_lines(&folder.path().join("runs"), 3).await;
    engine.kill().unwrap();
    engine.wait().unwrap();
}

async fn all_end_once(folder: &Folder, cloud: &Cloud) {
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
    patient_worker(&folder);
    run_and_kill_engine(&folder).await;
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    let again = cloud
        .compute
        .ecs
        .run_task(&task("task"))
        .unwrap()
        .tasks
        .remove(0);
    assert_eq!(again.describe()["lastStatus"], "RUNNING");
    std::fs::write(folder.path().join("go"), "").unwrap();
    all_end_once(&folder, &cloud).await;
    // What has ended is known to the next engine too.
    let next = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    all_end_once(&folder, &next).await;
}

#[tokio::test]
async fn the_exit_code_of_a_container_that_ended_in_between_is_known() {
    let folder = Folder::new();
    patient_worker(&folder);
    run_and_kill_engine(&folder).await;
    std::fs::write(folder.path().join("go"), "").unwrap();
    wait_for_lines(&folder.path().join("ends"), 3).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
    all_end_once(&folder, &cloud).await;
}

#[tokio::test]
async fn a_taken_up_container_can_be_stopped() {
    let folder = Folder::new();
    patient_worker(&folder);
    run_and_kill_engine(&folder).await;
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
async fn an_orderly_shutdown_forgets_what_it_stopped() {
    let folder = Folder::new();
    patient_worker(&folder);
    for runs in [1, 2] {
        let cloud = Cloud::start_in(Folder::at(folder.path()), &stack(), NO_FAULTS).await;
        assert!(cloud.compute.ecs.find("task").is_none());
        let handle = cloud
            .compute
            .ecs
            .run_task(&task("task"))
            .unwrap()
            .tasks
            .remove(0);
        wait_for_lines(&folder.path().join("runs"), runs).await;
        cloud.compute.shutdown().await;
        handle.stopped().await;
    }
}
