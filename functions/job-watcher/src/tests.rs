use jobs::artifacts::{MemoryStore, S3Uri, When, put_json};
use jobs::attempt::{
    Attempt, Ended as End, SUCCEEDED, attempt_id, attempt_uri, attempts, note_end, runs,
};
use jobs::job::JobResult;
use jobs::measure::Measured;
use jobs::task::{MemoryCallback, TaskToken};
use placement::Placement;
use serde_json::json;

use super::*;

fn ecs(stop_code: &str, stopped: &str, container: Value) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "ECS Task State Change", "source": "aws.ecs",
        "account": "123456789012", "time": "2026-11-24T09:00:00Z", "region": "us-east-1",
        "resources": ["arn:aws:ecs:us-east-1:123456789012:task/c/1"],
        "detail": {
            "taskArn": "arn:aws:ecs:us-east-1:123456789012:task/c/1", "lastStatus": "STOPPED",
            "stopCode": stop_code, "stoppedReason": stopped, "containers": [container],
            "overrides": {"containerOverrides": [{"name": "trainer", "environment": [
                {"name": "JOB_URI", "value": "s3://b/jobs/j/job.json"}, {"name": "TASK_TOKEN", "value": "t"}
            ]}]}
        }
    })
}

fn batch(status: &str, reason: &str, container: Value) -> Value {
    let mut event = json!({
        "version": "0", "id": "1", "detail-type": "Batch Job State Change", "source": "aws.batch",
        "account": "123456789012", "time": "2026-11-24T09:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"jobName": "j-1", "jobId": "1", "status": status, "statusReason": reason, "container": container}
    });
    event["detail"]["container"]["environment"] = json!([{"name": "JOB_URI", "value": "s3://b/jobs/j/job.json"}, {"name": "TASK_TOKEN", "value": "t"}]);
    event
}

fn blocked(reason: &str) -> Value {
    let mut event = batch("RUNNABLE", reason, json!({}));
    event["detail-type"] = json!("Batch Job Queue Blocked");
    event
}

async fn answer(event: Value) -> (Response, Vec<(TaskToken, Signal)>) {
    let callback = MemoryCallback::default();
    let response = handle(&MemoryStore::default(), &callback, event)
        .await
        .unwrap();
    (response, callback.signals())
}

#[tokio::test]
async fn a_job_that_died_fails_under_the_name_of_its_cause() {
    let oom = json!({"exitCode": 137, "reason": "OutOfMemoryError: Container killed due to memory usage"});
    let pull = json!({"reason": "CannotPullContainerError: pull image manifest has been retried 1 time(s)"});
    let essential = "Essential container in task exited";
    let cases = [
        (
            ecs(
                "EssentialContainerExited",
                essential,
                json!({"exitCode": 137}),
            ),
            "Job.Crashed",
        ),
        (
            ecs(
                "EssentialContainerExited",
                essential,
                json!({"exitCode": 0}),
            ),
            "Job.Crashed",
        ),
        (
            ecs("EssentialContainerExited", essential, oom.clone()),
            "Job.OutOfMemory",
        ),
        (
            ecs("TaskFailedToStart", "Task failed to start", pull.clone()),
            "Job.ImagePull",
        ),
        (
            ecs(
                "SpotInterruption",
                "Your Spot Task was interrupted.",
                json!({"exitCode": 143}),
            ),
            "Job.SpotReclaimed",
        ),
        (
            ecs(
                "UserInitiated",
                "Task stopped by user",
                json!({"exitCode": 143}),
            ),
            "Job.Interrupted",
        ),
        (
            ecs(
                "TaskFailedToStart",
                "Capacity is unavailable at this time.",
                json!({}),
            ),
            "Job.Capacity",
        ),
        (
            batch(
                "FAILED",
                "Essential container in task exited",
                json!({"exitCode": 1}),
            ),
            "Job.Crashed",
        ),
        (
            batch(
                "FAILED",
                "Canceled by JobStateTimeLimit action due to reason: CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY",
                json!({}),
            ),
            "Job.Capacity",
        ),
        (
            batch(
                "FAILED",
                "Canceled by JobStateTimeLimit action due to reason: MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT",
                json!({}),
            ),
            "Job.NotStarted",
        ),
        (
            blocked(
                "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the resource requirement of the job.",
            ),
            "Job.NotStarted",
        ),
        (
            blocked("ACTION_REQUIRED - CE(s) associated with the job queue are invalid."),
            "Job.NotStarted",
        ),
        (
            batch("FAILED", "Essential container in task exited", oom),
            "Job.OutOfMemory",
        ),
        (
            batch("FAILED", "Task failed to start", pull),
            "Job.ImagePull",
        ),
        (
            batch(
                "FAILED",
                "Host EC2 (instance i-0abc) terminated.",
                json!({}),
            ),
            "Job.SpotReclaimed",
        ),
    ];
    for (event, expected) in cases {
        let (response, signals) = answer(event.clone()).await;
        assert_eq!(
            response,
            Response {
                told: "failure",
                heard: true
            }
        );
        let [(token, Signal::Failure(failure))] = &signals[..] else {
            panic!("{signals:?}")
        };
        assert_eq!(token.reveal(), "t");
        assert_eq!(failure.error, expected, "{event}");
        let cause: Value = serde_json::from_str(&failure.cause).unwrap();
        assert_eq!(cause["jobId"], "j");
    }
}

#[tokio::test]
async fn a_worker_function_that_failed_is_answered_for() {
    let failed = |response: Value| {
        json!({
        "version": "1.0", "timestamp": "2026-11-24T09:00:00Z",
        "requestContext": {"requestId": "1", "functionArn": "arn:f", "condition": "RetriesExhausted", "approximateInvokeCount": 1},
        "requestPayload": {"jobUri": "s3://b/jobs/j/job.json", "taskToken": "t"},
        "responseContext": {"statusCode": 200, "functionError": "Unhandled"},
        "responsePayload": response
        })
    };
    let killed = json!({"errorType": "Runtime.ExitError", "errorMessage": "Runtime exited with error: signal: killed"});
    let late =
        json!({"errorMessage": "2026-11-24T09:15:00.000Z 1 Task timed out after 900.00 seconds"});
    for (response, name, said) in [
        (killed, "Job.Crashed", "signal: killed"),
        (late, "Job.TimedOut", "900.00 seconds"),
    ] {
        let (_, signals) = answer(failed(response)).await;
        let [(_, Signal::Failure(failure))] = &signals[..] else {
            panic!("{signals:?}")
        };
        assert_eq!(failure.error, name);
        assert!(failure.cause.contains(said));
    }
}

#[tokio::test]
async fn a_committed_outcome_is_delivered() {
    let (store, callback) = (MemoryStore::default(), MemoryCallback::default());
    let outcome = JobOutcome {
        job_id: "j".into(),
        worker: "trainer".into(),
        placement: Placement::Fargate,
        given: None,
        started_at_ms: 0,
        finished_at_ms: 1,
        measured: None,
        result: JobResult::Succeeded { output: json!({}) },
    };
    put_json(
        &store,
        &S3Uri::new("b", "jobs/j/outcome.json"),
        &outcome,
        When::Always,
    )
    .await
    .unwrap();
    let event = ecs(
        "EssentialContainerExited",
        "Essential container in task exited",
        json!({"exitCode": 1}),
    );
    let first = handle(&store, &callback, event.clone()).await.unwrap();
    assert_eq!(
        first,
        Response {
            told: "success",
            heard: true
        }
    );
    // EventBridge delivers at least once; the second time nobody waits.
    let second = handle(&store, &callback, event).await.unwrap();
    assert_eq!(
        second,
        Response {
            told: "success",
            heard: false
        }
    );
    assert!(matches!(&callback.signals()[..], [(_, Signal::Success(_))]));
}

fn attempt(token: &str) -> Attempt {
    Attempt {
        id: attempt_id(Some(&TaskToken::new(token))),
        worker: "trainer".into(),
        class: "Train".into(),
        feature: None,
        dispatched_at_ms: 1_000,
        placement: Placement::FargateSpot,
        resources: None,
        predicted: None,
        reason: "cheapest".into(),
    }
}

#[tokio::test]
async fn a_death_is_noted_beside_the_job_and_in_the_ledger_once() {
    let (store, callback) = (MemoryStore::default(), MemoryCallback::default());
    let job = S3Uri::new("b", "jobs/j/job.json");
    let uri = attempt_uri(&job, &attempt("t").id);
    put_json(&store, &uri, &attempt("t"), When::Absent)
        .await
        .unwrap();
    let mut event = ecs(
        "SpotInterruption",
        "Your Spot Task was interrupted.",
        json!({"exitCode": 143}),
    );
    for (field, value) in [
        ("cpu", "1024"),
        ("memory", "2048"),
        ("createdAt", "1970-01-01T00:00:02Z"),
        ("pullStartedAt", "1970-01-01T00:00:05Z"),
        ("pullStoppedAt", "1970-01-01T00:00:11Z"),
        ("startedAt", "1970-01-01T00:00:12.5Z"),
        ("stoppedAt", "1970-01-01T00:01:40Z"),
    ] {
        event["detail"][field] = json!(value);
    }
    for _ in 0..2 {
        handle(&store, &callback, event.clone()).await.unwrap();
    }
    let past = attempts(&store, &job).await.unwrap();
    let [(_, Some(end))] = &past[..] else {
        panic!("{past:?}")
    };
    assert_eq!(end.ending, "Job.SpotReclaimed");
    assert_eq!(end.duration_ms(), Some(87_500));
    assert_eq!(end.given.unwrap().memory_mib, 2_048);
    let waits = end.measured;
    assert_eq!(
        [waits.queue_ms, waits.image_ms, waits.start_ms],
        [Some(3_000), Some(6_000), Some(1_500)]
    );
    assert_eq!(waits.waited_ms, Some(11_500));
    assert!(waits.usd.unwrap() > 0.0);
    let ledger = runs(&store, "b", "trainer", "Train").read().await.unwrap();
    let entry = End {
        job: Some("j".into()),
        ..end.clone()
    };
    assert_eq!(ledger.tally.newest, [entry]);
}

#[tokio::test]
async fn what_a_worker_has_noted_stays_and_gets_the_waits() {
    let (store, callback) = (MemoryStore::default(), MemoryCallback::default());
    let job = S3Uri::new("b", "jobs/j/job.json");
    let (attempt, own) = (attempt("t"), |start_ms| End {
        ending: SUCCEEDED.into(),
        placement: Placement::Batch,
        given: None,
        feature: None,
        job: None,
        started_at_ms: Some(5_000),
        finished_at_ms: 9_000,
        measured: Measured {
            cpu_ms: Some(3_900),
            queue_ms: start_ms,
            ..Measured::default()
        },
    });
    put_json(
        &store,
        &attempt_uri(&job, &attempt.id),
        &attempt,
        When::Absent,
    )
    .await
    .unwrap();
    note_end(&store, &job, &attempt, &own(None)).await;
    let mut event = batch("SUCCEEDED", "", json!({"exitCode": 0}));
    event["detail"]["createdAt"] = json!(1_500);
    event["detail"]["startedAt"] = json!(4_000);
    handle(&store, &callback, event).await.unwrap();
    let past = attempts(&store, &job).await.unwrap();
    assert_eq!(past, [(attempt, Some(own(Some(2_500))))]);
}

#[tokio::test]
async fn events_of_others_are_left_alone() {
    let waiting = blocked("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill it");
    let unknown = blocked("UNDETERMINED - Batch job is blocked, root cause is undetermined.");
    let mut running = ecs("", "", json!({}));
    running["detail"]["lastStatus"] = json!("RUNNING");
    let mut foreign = ecs("", "", json!({}));
    foreign["detail"]["overrides"] = json!({"containerOverrides": [{"name": "x"}]});
    let mut sync = ecs("", "", json!({}));
    sync["detail"]["overrides"]["containerOverrides"][0]["environment"]
        .as_array_mut()
        .unwrap()
        .pop();
    let started = batch("RUNNING", "", json!({}));
    for event in [waiting, unknown, running, foreign, sync, started] {
        let (response, signals) = answer(event).await;
        assert_eq!((response.told, signals.len()), ("nothing", 0));
    }
}

#[tokio::test]
async fn an_event_of_another_kind_is_refused() {
    let mut event = ecs("", "", json!({}));
    event["detail-type"] = json!("EC2 Instance State-change Notification");
    let error = handle(&MemoryStore::default(), &MemoryCallback::default(), event)
        .await
        .unwrap_err();
    assert_eq!(error.name(), "Input.Invalid");
    let malformed = batch("FAILED", "", json!({"exitCode": "one"}));
    let error = handle(
        &MemoryStore::default(),
        &MemoryCallback::default(),
        malformed,
    )
    .await
    .unwrap_err();
    assert!(
        error.to_string().starts_with("$.detail.container.exitCode"),
        "{error}"
    );
}
