use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepfunctions::ClockMode;

use crate::cloud::Test;
use crate::server::{pipe, reader_of};

fn two_activities(first: &str, second: &str) -> Value {
    json!({ "StartAt": "First", "States": {
        "First": { "Type": "Task", "Resource": first, "Next": "Second" },
        "Second": { "Type": "Task", "Resource": second, "End": true },
    } })
}

fn refused(code: &str) -> Result<(), String> {
    Err(code.to_owned())
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
        let token = test.fetch(&activity).await;
        let heartbeat = test.sfn.send_task_heartbeat().task_token(&token);
        heartbeat.send().await.unwrap();
        test.succeed(&token, &output.to_string()).await.unwrap();
        assert_eq!(test.succeed(&token, "1").await, refused("TaskTimedOut"));
    }
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        (ended.status.name(), ended.output()),
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
    let details = started.activity_started_event_details.as_ref().unwrap();
    assert_eq!(details.worker_name.as_deref(), Some("me"));
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
        let token = test.fetch(&first).await;
        let waiting = test.sfn.get_activity_task().activity_arn(&second).send();
        let waiting = tokio::spawn(async move {
            let task = waiting.await.unwrap();
            (Instant::now(), task.task_token.unwrap())
        });
        // Whether the worker is in its long poll by then or not, the next state begins at once.
        let called_back = Instant::now();
        test.succeed(&token, "{}").await.unwrap();
        let (woken, token) = waiting.await.unwrap();
        overheads.push(woken - called_back);
        test.succeed(&token, "{}").await.unwrap();
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
    let failure = test
        .sfn
        .send_task_failure()
        .task_token(test.fetch(&activity).await)
        .error("Job.OutOfMemory");
    failure.cause("killed").send().await.unwrap();
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        ended.output(),
        Some(json!({ "Error": "Job.OutOfMemory", "Cause": "killed" }))
    );
}

#[tokio::test]
async fn heartbeats_keep_a_task_alive_and_their_absence_ends_it() {
    let test = Test::with(|config| config.clock = ClockMode::Virtual).await;
    // As long as something is going on, the virtual clock does not skip by itself.
    let working = test.cloud.compute().processes.work.begin();
    let activity = test.activity("work").await;
    let state = json!({ "Type": "Task", "Resource": activity, "HeartbeatSeconds": 60, "TimeoutSeconds": 3_600, "End": true });
    let definition = json!({ "StartAt": "Task", "States": { "Task": state } });
    let machine = test.machine("machine", &definition).await;
    let execution = test.start_execution(&machine, &json!({})).await;
    let token = test.fetch(&activity).await;
    for _ in 0..3 {
        test.cloud.skip(Duration::from_secs(40));
        let heartbeat = test.sfn.send_task_heartbeat().task_token(&token);
        heartbeat.send().await.unwrap();
    }
    drop(working);
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(
        (ended.status.name(), ended.error()),
        ("FAILED", Some("States.Timeout"))
    );
    assert_eq!(test.succeed(&token, "{}").await, refused("TaskTimedOut"));
    let seconds = (ended.stopped.unwrap().0 - ended.started.0) / 1_000_000;
    assert!((180..200).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn bad_callbacks_are_refused_by_name() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let machine = test.asking(&activity).await;
    test.start_execution(&machine, &json!({})).await;
    let token = test.fetch(&activity).await;
    let long = format!("\"{}\"", "x".repeat(asl::PAYLOAD_BYTES));
    for (token, output, code) in [
        ("no token", "{}", "InvalidToken"),
        (&token, "{not json", "InvalidOutput"),
        (&token, &long, "InvalidOutput"),
    ] {
        assert_eq!(test.succeed(token, output).await, refused(code));
    }
    // None of them used the token up.
    test.succeed(&token, "{}").await.unwrap();
    let unknown = test.sfn.get_activity_task();
    let unknown = unknown.activity_arn(format!("{activity}x")).send().await;
    let unknown = unknown.unwrap_err().into_service_error();
    assert!(unknown.is_activity_does_not_exist(), "{unknown}");
}

#[tokio::test]
async fn a_worker_that_goes_away_loses_no_task() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let machine = test.asking(&activity).await;
    let poll = tokio::time::timeout(
        Duration::from_millis(100),
        test.sfn.get_activity_task().activity_arn(&activity).send(),
    );
    assert!(poll.await.is_err());
    let execution = test.start_execution(&machine, &json!({})).await;
    let token = test.fetch(&activity).await;
    test.succeed(&token, "{}").await.unwrap();
    let ended = test.cloud.wait(&execution).await.unwrap();
    assert_eq!(ended.status.name(), "SUCCEEDED");
}

#[tokio::test]
async fn a_token_is_not_late_because_everything_stops() {
    let test = Test::start().await;
    // The endpoint serves until the worker is killed.
    let up = test.dir.path().join("up");
    pipe(&up);
    test.worker(&format!(
        "trap '' TERM\nread x < {}\nsleep 30",
        up.display()
    ));
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
    let ask = test.asking(&activity).await;
    test.start_execution(&ask, &json!({})).await;
    let token = test.fetch(&activity).await;
    let _up = reader_of(&up).await;
    let send = test.sfn.send_task_success().task_token(token).output("1");
    let ((), answer) = tokio::join!(test.cloud.shutdown(), send.send());
    let error = answer.unwrap_err();
    let status = error
        .raw_response()
        .map(|response| response.status().as_u16());
    assert_eq!(status, Some(503), "{error:?}");
}
