use std::time::{Duration, Instant};

use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::operation::send_task_success::SendTaskSuccessError;
use serde_json::{Value, json};

use crate::cloud::Test;

fn two_activities(first: &str, second: &str) -> Value {
    json!({ "StartAt": "First", "States": {
        "First": { "Type": "Task", "Resource": first, "Next": "Second" },
        "Second": { "Type": "Task", "Resource": second, "End": true },
    } })
}

#[tokio::test]
async fn an_activity_is_fetched_and_answered() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let machine = test
        .machine("machine", &two_activities(&activity, &activity))
        .await;
    let execution = test.start_execution(&machine, &json!({ "n": 1 })).await;
    for output in [json!({ "n": 2 }), json!("done")] {
        let task = test
            .sfn
            .get_activity_task()
            .activity_arn(&activity)
            .worker_name("me")
            .send()
            .await
            .unwrap();
        let token = task.task_token.unwrap();
        test.sfn
            .send_task_heartbeat()
            .task_token(&token)
            .send()
            .await
            .unwrap();
        test.sfn
            .send_task_success()
            .task_token(&token)
            .output(output.to_string())
            .send()
            .await
            .unwrap();
        let again = test
            .sfn
            .send_task_success()
            .task_token(&token)
            .output("1")
            .send()
            .await
            .unwrap_err();
        assert_eq!(again.into_service_error().code(), Some("TaskTimedOut"));
    }
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        (ended.status.as_str(), ended.output),
        ("SUCCEEDED", Some(json!("done")))
    );
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "ActivityScheduled",
        "ActivityStarted",
        "ActivitySucceeded",
        "TaskStateExited",
    ];
    assert_eq!(test.event_types(&execution).await[..6], expected);
    let started = &test.events(&execution).await[3];
    assert_eq!(
        started
            .activity_started_event_details
            .as_ref()
            .unwrap()
            .worker_name
            .as_deref(),
        Some("me")
    );
}

/// A worker that waits is woken by the task, not by a poll; and the next state begins within 5 ms of
/// the callback. The time includes both HTTP requests and the commits of the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_state_begins_within_five_milliseconds_of_the_callback() {
    let test = Test::start().await;
    let (first, second) = (test.activity("first").await, test.activity("second").await);
    let machine = test
        .machine("machine", &two_activities(&first, &second))
        .await;
    let mut overheads = Vec::new();
    for _ in 0..20 {
        test.start_execution(&machine, &json!({})).await;
        let task = test
            .sfn
            .get_activity_task()
            .activity_arn(&first)
            .send()
            .await
            .unwrap();
        let (client, arn) = (test.sfn.clone(), second.clone());
        let waiting = tokio::spawn(async move {
            let task = client
                .get_activity_task()
                .activity_arn(arn)
                .send()
                .await
                .unwrap();
            (Instant::now(), task.task_token.unwrap())
        });
        // Whether the worker is in its long poll by then or not, the next state begins at once.
        let called_back = Instant::now();
        test.sfn
            .send_task_success()
            .task_token(task.task_token.unwrap())
            .output("{}")
            .send()
            .await
            .unwrap();
        let (woken, token) = waiting.await.unwrap();
        overheads.push(woken - called_back);
        test.sfn
            .send_task_success()
            .task_token(token)
            .output("{}")
            .send()
            .await
            .unwrap();
    }
    overheads.sort();
    let median = overheads[overheads.len() / 2];
    println!("callback to the next task in a worker's hands: {overheads:?}, median {median:?}");
    // Whatever else this machine does only adds to a time: the fastest tells of the code.
    assert!(overheads[0] < Duration::from_millis(5), "{overheads:?}");
}

#[tokio::test]
async fn a_failure_reaches_catch_by_its_name() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Try", "States": {
        "Try": {
            "Type": "Task", "Resource": activity, "End": true,
            "Catch": [{ "ErrorEquals": ["Job.OutOfMemory"], "Next": "Caught", "Output": "{% $states.errorOutput %}" }],
        },
        "Caught": { "Type": "Pass", "End": true },
    } });
    let machine = test.machine("machine", &definition).await;
    let execution = test.start_execution(&machine, &json!({})).await;
    let task = test
        .sfn
        .get_activity_task()
        .activity_arn(&activity)
        .send()
        .await
        .unwrap();
    let failure = test
        .sfn
        .send_task_failure()
        .task_token(task.task_token.unwrap())
        .error("Job.OutOfMemory");
    failure.cause("killed").send().await.unwrap();
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        ended.output,
        Some(json!({ "Error": "Job.OutOfMemory", "Cause": "killed" }))
    );
}

#[tokio::test]
async fn heartbeats_keep_a_task_alive_and_their_absence_ends_it() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let state = json!({ "Type": "Task", "Resource": activity, "HeartbeatSeconds": 1, "TimeoutSeconds": 60, "End": true });
    let machine = test
        .machine(
            "machine",
            &json!({ "StartAt": "Task", "States": { "Task": state } }),
        )
        .await;
    let execution = test.start_execution(&machine, &json!({})).await;
    let task = test
        .sfn
        .get_activity_task()
        .activity_arn(&activity)
        .send()
        .await
        .unwrap();
    let token = task.task_token.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        test.sfn
            .send_task_heartbeat()
            .task_token(&token)
            .send()
            .await
            .unwrap();
    }
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        (ended.status.as_str(), ended.error.as_deref()),
        ("FAILED", Some("States.Timeout"))
    );
    let late = test
        .sfn
        .send_task_success()
        .task_token(&token)
        .output("{}")
        .send()
        .await
        .unwrap_err();
    assert_eq!(late.into_service_error().code(), Some("TaskTimedOut"));
    assert!(ended.stopped.unwrap().0 - ended.started.0 >= 2_500_000);
}

#[tokio::test]
async fn bad_callbacks_are_refused_by_name() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let state = json!({ "Type": "Task", "Resource": activity, "End": true });
    let machine = test
        .machine(
            "machine",
            &json!({ "StartAt": "Task", "States": { "Task": state } }),
        )
        .await;
    test.start_execution(&machine, &json!({})).await;
    let token = test
        .sfn
        .get_activity_task()
        .activity_arn(&activity)
        .send()
        .await
        .unwrap()
        .task_token
        .unwrap();
    let success = |token: &str, output: &str| {
        test.sfn
            .send_task_success()
            .task_token(token)
            .output(output)
            .send()
    };
    let code = |error: aws_sdk_sfn::error::SdkError<SendTaskSuccessError>| {
        error.into_service_error().code().map(str::to_owned)
    };
    assert_eq!(
        code(success("no token", "{}").await.unwrap_err()).as_deref(),
        Some("InvalidToken")
    );
    assert_eq!(
        code(success(&token, "{not json").await.unwrap_err()).as_deref(),
        Some("InvalidOutput")
    );
    let long = format!("\"{}\"", "x".repeat(262_144));
    assert_eq!(
        code(success(&token, &long).await.unwrap_err()).as_deref(),
        Some("InvalidOutput")
    );
    // None of them used the token up.
    success(&token, "{}").await.unwrap();
    let unknown = test
        .sfn
        .get_activity_task()
        .activity_arn(format!("{activity}x"))
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        unknown.into_service_error().code(),
        Some("ActivityDoesNotExist")
    );
}

#[tokio::test]
async fn a_worker_that_goes_away_loses_no_task() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let state = json!({ "Type": "Task", "Resource": activity, "End": true });
    let machine = test
        .machine(
            "machine",
            &json!({ "StartAt": "Task", "States": { "Task": state } }),
        )
        .await;
    let poll = tokio::time::timeout(
        Duration::from_millis(100),
        test.sfn.get_activity_task().activity_arn(&activity).send(),
    );
    assert!(poll.await.is_err());
    let execution = test.start_execution(&machine, &json!({})).await;
    let token = test
        .sfn
        .get_activity_task()
        .activity_arn(&activity)
        .send()
        .await
        .unwrap()
        .task_token
        .unwrap();
    test.sfn
        .send_task_success()
        .task_token(token)
        .output("{}")
        .send()
        .await
        .unwrap();
    assert_eq!(
        test.cloud.wait(&execution).await.unwrap().status,
        "SUCCEEDED"
    );
}

#[tokio::test]
async fn a_token_is_not_late_because_everything_stops() {
    let test = Test::start().await;
    // The endpoint serves until the worker is killed.
    let up = test.dir.path().join("up");
    test.worker(&format!("trap '' TERM\necho > {}\nsleep 30", up.display()));
    let run = json!({ "StartAt": "Run", "States": { "Run": {
        "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "End": true,
        "Parameters": {
            "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
            "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
        },
    } } });
    let run = test.machine("run", &run).await;
    test.start_execution(&run, &json!({})).await;
    let activity = test.activity("work").await;
    let ask = test
        .machine("ask", &two_activities(&activity, &activity))
        .await;
    test.start_execution(&ask, &json!({})).await;
    let task = test.sfn.get_activity_task().activity_arn(&activity).send();
    let token = task.await.unwrap().task_token.unwrap();
    // Nothing tells another process of a file.
    while !up.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let send = test
        .sfn
        .send_task_success()
        .task_token(token)
        .output("1")
        .send();
    let ((), answer) = tokio::join!(test.cloud.shutdown(), send);
    let error = answer.unwrap_err();
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    assert_eq!(status, Some(503), "{error:?}");
}
