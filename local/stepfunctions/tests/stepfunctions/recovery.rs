//! A local cloud that is killed goes on where it was: the server of these tests is a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use aws_sdk_sfn::types::ExecutionStatus;
use serde_json::{Value, json};

use crate::cloud::{config, probe, stack, write_worker};

/// Serves until it is killed. Run by [`Server::start`], never as a test of its own.
#[tokio::test]
#[ignore = "the server process of the other tests here"]
async fn server() {
    let Ok(dir) = std::env::var("RECOVERY_TEST_DIR") else {
        return;
    };
    let dir = Path::new(&dir);
    let cloud = stepfunctions::Cloud::start(stepfunctions::Config::new(
        stack(),
        dir.join("data"),
        dir.join("bin"),
    ))
    .await
    .unwrap();
    println!("\nendpoint {}", cloud.endpoint());
    std::future::pending::<()>().await;
}

struct Server {
    process: Child,
    sfn: aws_sdk_sfn::Client,
}

impl Server {
    fn start(dir: &Path) -> Server {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "recovery::server", "--ignored", "--nocapture"])
            .env("RECOVERY_TEST_DIR", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let endpoint = lines
            .find_map(|line| line.unwrap().strip_prefix("endpoint ").map(str::to_owned))
            .unwrap();
        // The pipe must be read on, or the server would stop at its next line.
        std::thread::spawn(move || lines.for_each(drop));
        Server {
            process,
            sfn: aws_sdk_sfn::Client::new(&config(&endpoint)),
        }
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    async fn machine(&self, definition: &Value) -> String {
        let create = self
            .sfn
            .create_state_machine()
            .name("machine")
            .definition(definition.to_string());
        create
            .role_arn("arn:aws:iam::123456789012:role/r")
            .send()
            .await
            .unwrap()
            .state_machine_arn
    }

    async fn execution(&self, machine: &str, input: &Value) -> String {
        let start = self
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .input(input.to_string());
        start.send().await.unwrap().execution_arn
    }

    async fn fetch(&self, activity: &str) -> String {
        let task = self
            .sfn
            .get_activity_task()
            .activity_arn(activity)
            .send()
            .await
            .unwrap();
        task.task_token.unwrap()
    }

    async fn succeed(&self, token: &str, output: &str) {
        self.sfn
            .send_task_success()
            .task_token(token)
            .output(output)
            .send()
            .await
            .unwrap();
    }

    async fn types(&self, execution: &str) -> Vec<String> {
        let history = self
            .sfn
            .get_execution_history()
            .execution_arn(execution)
            .max_results(1_000);
        let events = history.send().await.unwrap().events;
        events
            .iter()
            .map(|event| event.r#type.as_str().to_owned())
            .collect()
    }

    /// The output, once there is one. Nothing tells another process of an end, so this asks again.
    async fn output(&self, execution: &str) -> Value {
        for _ in 0..500 {
            let described = self
                .sfn
                .describe_execution()
                .execution_arn(execution)
                .send()
                .await
                .unwrap();
            match described.status {
                ExecutionStatus::Running => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await
                }
                ExecutionStatus::Succeeded => {
                    return serde_json::from_str(&described.output.unwrap()).unwrap();
                }
                _ => panic!("{:?}: {:?}", described.error, described.cause),
            }
        }
        panic!("{execution} does not end");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already dead after `kill`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("bin")).unwrap();
    dir
}

#[tokio::test]
async fn callbacks_timers_and_history_survive_a_kill() {
    let dir = dir();
    let server = Server::start(dir.path());
    let activity = server
        .sfn
        .create_activity()
        .name("work")
        .send()
        .await
        .unwrap()
        .activity_arn;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Both", "States": { "Both": {
        "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "First", "States": {
                "First": { "Type": "Task", "Resource": activity, "Next": "Second" },
                "Second": { "Type": "Task", "Resource": activity, "End": true },
            } },
            { "StartAt": "Wait", "States": {
                "Wait": { "Type": "Wait", "Seconds": 2, "Next": "Id" },
                "Id": { "Type": "Pass", "Output": "{% $uuid() %}", "End": true },
            } },
        ],
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!({ "n": 1 })).await;
    let first = server.fetch(&activity).await;
    server.succeed(&first, "1").await;
    let second = server.fetch(&activity).await;
    let before = server.types(&execution).await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.types(&execution).await[..before.len()], before);
    // The token that the worker got before the kill is still its token.
    server.succeed(&second, "2").await;
    let output = server.output(&execution).await;
    assert_eq!(
        (&output[0], output[1].as_str().map(str::len)),
        (&json!(2), Some(36))
    );
    let ended = server.types(&execution).await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.types(&execution).await, ended);
    assert_eq!(server.output(&execution).await, output);
}

#[tokio::test]
async fn a_running_container_is_found_again_and_finished_work_is_not_repeated() {
    let dir = dir();
    // Each run leaves a line and goes on until it is let go.
    let (marks, go) = (dir.path().join("marks"), dir.path().join("go"));
    let script = "echo run >> MARKS; while [ ! -e GO ]; do sleep 0.02; done";
    let script = script
        .replace("MARKS", marks.to_str().unwrap())
        .replace("GO", go.to_str().unwrap());
    write_worker(dir.path(), &script);
    let server = Server::start(dir.path());
    let definition = json!({ "StartAt": "Map", "States": { "Map": { "Type": "Map", "Next": "Run", "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } },
    } }, "Run": {
        "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "OutputPath": "$.Containers[0].ExitCode", "End": true,
        "Parameters": {
            "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
            "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
        },
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!([1, 2, 3])).await;
    for _ in 0..500 {
        if marks.exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let map_runs = |types: Vec<String>| {
        types
            .iter()
            .filter(|kind| *kind == "MapRunSucceeded")
            .count()
    };
    assert_eq!(map_runs(server.types(&execution).await), 1);
    server.kill();

    let server = Server::start(dir.path());
    std::fs::write(&go, "").unwrap();
    assert_eq!(server.output(&execution).await, json!(0));
    assert_eq!(map_runs(server.types(&execution).await), 1);
    assert_eq!(std::fs::read_to_string(&marks).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn an_interrupted_function_is_invoked_again() {
    let dir = dir();
    std::os::unix::fs::symlink(probe(), dir.path().join("bin/probe")).unwrap();
    let server = Server::start(dir.path());
    let lines = dir.path().join("lines");
    let definition = json!({ "StartAt": "Sleep", "States": {
        "Sleep": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:probe",
            "Parameters": { "do": "sleep", "ms": 700 }, "Next": "Append",
        },
        "Append": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:probe",
            "Parameters": { "do": "append", "path": lines, "until": 1 }, "End": true,
        },
    } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!({})).await;
    while server.types(&execution).await.last().map(String::as_str) != Some("LambdaFunctionStarted")
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.output(&execution).await, json!(null));
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(server.types(&execution).await, expected);
    assert_eq!(std::fs::read_to_string(&lines).unwrap().lines().count(), 1);
}
