//! What a request answers that is made a second time: by a Task state after a restart, or by a client
//! that has not got its answer.

use std::sync::Arc;

use aws_sdk_sfn::error::ProvideErrorMetadata;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use cloud::compute::Compute;
use cloud::config::{Limits, Local};
use cloud::faults::Faults;
use cloud::programs::Programs;
use cloud::router::Service as _;
use futures::FutureExt;
use serde_json::{Value, json};
use stack::Stack;
use stepfunctions::{Options, Sfn};

use crate::cloud::{STATES, Test, write_worker};
use crate::server::{Server, cut_log, database, folder};

fn pass() -> Value {
    json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } } })
}

fn task(resource: &str, arguments: Value) -> Value {
    let resource = format!("arn:aws:states:::{resource}");
    json!({ "QueryLanguage": "JSONata", "StartAt": "Task", "States": {
        "Task": { "Type": "Task", "Resource": resource, "Arguments": arguments, "End": true },
    } })
}

#[tokio::test]
async fn parents_find_their_nested_executions_again() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let work = json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": activity, "End": true },
    } });
    let child = server.named_machine("child", &work).await;
    let arguments = json!({ "StateMachineArn": child, "Input": "{% $states.input %}" });
    let parent = server
        .named_machine("parent", &task("states:startExecution.sync:2", arguments))
        .await;
    let mut parents = Vec::new();
    for n in 0..20 {
        parents.push(server.execution(&parent, &json!(n)).await);
    }
    for _ in 0..20 {
        server.event("ActivityScheduled").await;
    }
    server.kill();

    let server = Server::start(dir.path());
    for _ in 0..10 {
        let token = server.fetch(&activity).await;
        server.succeed(&token, "1").await;
    }
    assert!(server.stop().success());

    let server = Server::start(dir.path());
    for _ in 0..10 {
        let token = server.fetch(&activity).await;
        server.succeed(&token, "1").await;
    }
    for parent in &parents {
        assert_eq!(server.output(parent).await["Output"], 1);
    }
    server.kill();
    let executions = "SELECT COUNT(*) FROM executions";
    let count = database(dir.path()).query_row(executions, [], |row| row.get::<_, i64>(0));
    assert_eq!(count.unwrap(), 40, "each child was started once");
}

/// The log of each is cut before the answer of what it called, as a kill in that moment leaves it.
#[tokio::test]
async fn a_call_that_is_repeated_after_a_restart_starts_nothing_new() {
    let dir = folder();
    write_worker(dir.path(), "exit 0");
    let server = Server::start(dir.path());
    let child = server.named_machine("child", &pass()).await;
    let start = json!({ "StateMachineArn": child });
    let named = json!({ "StateMachineArn": child, "Name": "named" });
    let sdk_named = json!({ "StateMachineArn": child, "Name": "sdk-named" });
    let run_task = json!({
        "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
        "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
    });
    let submit_job =
        json!({ "JobName": "job", "JobQueue": "on-demand", "JobDefinition": "worker" });
    let calls = [
        ("states:startExecution", start.clone()),
        ("states:startExecution.sync", start.clone()),
        ("states:startExecution.sync:2", named),
        ("aws-sdk:sfn:startExecution", start),
        ("aws-sdk:sfn:startExecution", sdk_named),
        ("ecs:runTask", run_task.clone()),
        ("ecs:runTask.sync", run_task.clone()),
        ("aws-sdk:ecs:runTask", run_task),
        ("batch:submitJob", submit_job.clone()),
        ("batch:submitJob.sync", submit_job.clone()),
        ("aws-sdk:batch:submitJob", submit_job),
    ];
    let mut executions = Vec::new();
    for (n, (resource, arguments)) in calls.into_iter().enumerate() {
        let machine = server
            .named_machine(&format!("m-{n}"), &task(resource, arguments))
            .await;
        let execution = server.execution(&machine, &json!({})).await;
        executions.push((resource, execution.clone(), server.output(&execution).await));
    }
    assert!(server.stop().success());
    for (_, execution, _) in &executions {
        cut_log(dir.path(), execution, "TaskStarted");
    }

    let server = Server::start(dir.path());
    for (resource, execution, before) in &executions {
        let after = server.output(execution).await;
        let identity = |output: &Value| {
            let keys = ["ExecutionArn", "JobId", "TaskArn"];
            let own = keys.iter().find_map(|key| output.get(key)).cloned();
            own.unwrap_or_else(|| output["Tasks"][0]["TaskArn"].clone())
        };
        assert!(identity(before).is_string(), "{resource}: {before}");
        assert_eq!(identity(&after), identity(before), "{resource}");
    }
}

#[tokio::test]
async fn requests_wait_until_everything_is_taken_up() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let work = json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": activity, "End": true },
    } });
    let machine = server.machine(&work).await;
    let start = server.sfn.start_execution().state_machine_arn(&machine);
    let execution = start.name("one").send().await.unwrap().execution_arn;
    let token = server.fetch(&activity).await;
    server.kill();

    let local = Local {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        endpoint: "http://127.0.0.1:1".into(),
        bin_dir: dir.path().join("bin"),
        data_dir: dir.path().join("data"),
        limits: Limits::default(),
        programs: Programs::default(),
    };
    let stack = Stack::default();
    let compute = Compute::start(local.clone(), &stack, Faults::default()).unwrap();
    let options = Options::default();
    let sfn = Sfn::open(compute, local, &stack, options).await.unwrap();
    let call = |action: &str, body: Value| {
        let request =
            Request::builder().header("x-amz-target", format!("AWSStepFunctions.{action}"));
        sfn.answer(request.body(Body::from(body.to_string())).unwrap())
    };
    let again = json!({ "stateMachineArn": machine, "name": "one" });
    let mut again = call("StartExecution", again);
    let success = json!({ "taskToken": token, "output": "1" });
    let mut success = call("SendTaskSuccess", success);
    assert!((&mut again).now_or_never().is_none());
    assert!((&mut success).now_or_never().is_none());
    sfn.recover().await.unwrap();
    let answer = to_bytes(again.await.unwrap().into_body(), 65_536)
        .await
        .unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["executionArn"], *execution);
    success.await.unwrap();
    let ended = sfn.wait(&execution).await.unwrap();
    assert_eq!(ended.status.name(), "SUCCEEDED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_starts_with_one_name_there_is_one_execution() {
    let test = Arc::new(Test::start().await);
    let wait = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 600, "End": true },
    } });
    let machine = test.machine("machine", &wait).await;
    let starts: Vec<_> = (0..32)
        .map(|_| {
            let start = test.sfn.start_execution().state_machine_arn(&machine);
            tokio::spawn(start.name("same").send())
        })
        .collect();
    for start in starts {
        let arn = start.await.unwrap().unwrap().execution_arn;
        assert_eq!(arn, format!("{STATES}:execution:machine:same"));
    }
    let listed = test.sfn.list_executions().state_machine_arn(&machine);
    assert_eq!(listed.send().await.unwrap().executions.len(), 1);
}

#[tokio::test]
async fn of_two_answers_to_a_token_the_first_counts() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let work = json!({ "StartAt": "Work", "States": {
        "Work": { "Type": "Task", "Resource": activity, "End": true },
    } });
    let machine = test.machine("machine", &work).await;
    let execution = test.start_execution(&machine, &json!({})).await;
    let task = test.sfn.get_activity_task().activity_arn(&activity);
    let token = task.send().await.unwrap().task_token.unwrap();
    let answer = |output: &str| {
        let success = test.sfn.send_task_success().task_token(&token);
        success.output(output).send()
    };
    let (one, two) = tokio::join!(answer("1"), answer("2"));
    let late = [one.is_err(), two.is_err()];
    assert_eq!(late.iter().filter(|late| **late).count(), 1);
    for refused in [one.err(), two.err()].into_iter().flatten() {
        assert_eq!(refused.into_service_error().code(), Some("TaskTimedOut"));
    }
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        ended.output(),
        Some(if late[0] { json!(2) } else { json!(1) })
    );
}

#[tokio::test]
async fn the_stop_date_is_that_of_the_stop() {
    let test = Test::start().await;
    let wait = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 600, "End": true },
    } });
    let machine = test.machine("machine", &wait).await;
    let arn = test.start_execution(&machine, &json!({})).await;
    let stop = || test.sfn.stop_execution().execution_arn(&arn).send();
    let first = stop().await.unwrap().stop_date;
    let described = test.sfn.describe_execution().execution_arn(&arn);
    let described = described.send().await.unwrap();
    assert_eq!(described.stop_date, Some(first));
    assert_eq!(described.status.as_str(), "ABORTED");
    assert_eq!(stop().await.unwrap().stop_date, first);
}
