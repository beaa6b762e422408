use std::time::Duration;

use cloud::action::EventBridgeAction;
use serde_json::{Value, json};
use stack::{Rule, RuleTarget, Schedule, Stack};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::cloud::{Cloud, stack};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

fn with_rule(pattern: Value) -> Stack {
    let mut stack = stack();
    stack.rules = vec![Rule {
        name: "rule".into(),
        event_bus: "default".into(),
        pattern,
        enabled: true,
        targets: vec![RuleTarget {
            id: "t".into(),
            arn: MACHINE.into(),
            ..RuleTarget::default()
        }],
        ..Rule::default()
    }];
    stack
}

async fn next(executions: &mut UnboundedReceiver<(String, Value)>) -> Value {
    let (arn, input) = timeout(Duration::from_secs(10), executions.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(arn, MACHINE);
    input
}

#[tokio::test]
async fn every_change_of_a_task_and_a_job_is_an_event() {
    let pattern = json!({"detail-type": ["ECS Task State Change", "Batch Job State Change"]});
    let cloud = Cloud::start(&with_rule(pattern)).await;
    let mut executions = cloud.executions();
    cloud.worker("exit 3");
    let request = json!({
        "cluster": "main", "taskDefinition": "worker", "launchType": "FARGATE",
        "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
    });
    let task = cloud
        .compute
        .ecs
        .run_task(&request)
        .unwrap()
        .tasks
        .remove(0);
    let mut statuses = Vec::new();
    let stopped = loop {
        let event = next(&mut executions).await;
        assert_eq!(
            (event["source"].as_str(), &event["resources"][0]),
            (Some("aws.ecs"), &json!(task.arn))
        );
        statuses.push(event["detail"]["lastStatus"].as_str().unwrap().to_owned());
        if event["detail"]["lastStatus"] == "STOPPED" {
            break event;
        }
    };
    // Deliveries of events are not ordered, their number is.
    statuses.sort();
    assert_eq!(
        statuses,
        [
            "DEPROVISIONING",
            "PENDING",
            "PROVISIONING",
            "RUNNING",
            "STOPPED"
        ]
    );
    assert_eq!(stopped["detail"]["containers"][0]["exitCode"], 3);
    assert_eq!(stopped["detail"]["stopCode"], "EssentialContainerExited");
    assert!(
        stopped["detail"]["stoppedAt"]
            .as_str()
            .unwrap()
            .ends_with('Z')
    );

    let request = json!({"jobName": "j", "jobQueue": "on-demand", "jobDefinition": "worker"});
    let job = cloud.compute.batch.submit_job(&request).unwrap();
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let event = next(&mut executions).await;
        assert_eq!(event["detail"]["jobId"], job.id);
        statuses.push(event["detail"]["status"].as_str().unwrap().to_owned());
    }
    statuses.sort();
    assert_eq!(
        statuses,
        ["FAILED", "RUNNABLE", "RUNNING", "STARTING", "SUBMITTED"]
    );
}

#[tokio::test]
async fn put_events_reaches_the_rules_that_match() {
    let cloud = Cloud::start(&with_rule(
        json!({"source": [{"prefix": "shop."}], "detail": {"n": [{"numeric": [">", 1]}]}}),
    ))
    .await;
    let mut executions = cloud.executions();
    let entry = |source: &str, n: u32| json!({"Source": source, "DetailType": "t", "Detail": json!({"n": n}).to_string()});
    let body = json!({"Entries": [
        entry("shop.orders", 1), entry("shop.orders", 2), entry("other", 3), entry("aws.ecs", 4),
        {"Source": "shop.x", "DetailType": "t", "Detail": "[]"},
    ]});
    let answer = cloud
        .compute
        .events
        .call(EventBridgeAction::PutEvents, &body)
        .unwrap();
    assert_eq!(answer["FailedEntryCount"], 2);
    assert_eq!(
        answer["Entries"][3]["ErrorCode"],
        "NotAuthorizedForSourceException"
    );
    assert_eq!(answer["Entries"][4]["ErrorCode"], "MalformedDetail");
    let event = next(&mut executions).await;
    assert_eq!(event["id"], answer["Entries"][1]["EventId"]);
    assert_eq!(event["detail"], json!({"n": 2}));
    assert!(executions.try_recv().is_err());
}

#[tokio::test]
async fn a_rule_invokes_a_function() {
    let mut stack = with_rule(json!({"source": ["app"]}));
    stack.rules[0].targets[0].arn = stack.functions[0].arn.clone();
    let path = std::env::temp_dir().join(format!("rule-{}", std::process::id()));
    stack.rules[0].targets[0].input_transformer = Some(json!({
        "InputPathsMap": {"path": "$.detail.path"},
        "InputTemplate": r#"{"do": "append", "path": <path>}"#,
    }));
    let cloud = Cloud::start(&stack).await;
    let detail = json!({"path": path}).to_string();
    let body = json!({"Entries": [{"Source": "app", "DetailType": "t", "Detail": detail}]});
    cloud
        .compute
        .events
        .call(EventBridgeAction::PutEvents, &body)
        .unwrap();
    let written = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), written).await.unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_schedule_starts_an_execution() {
    let mut stack = stack();
    let due = chrono::Utc::now() + chrono::TimeDelta::seconds(2);
    stack.schedules = vec![Schedule {
        name: "soon".into(),
        group: "default".into(),
        expression: format!("at({})", due.format("%Y-%m-%dT%H:%M:%S")),
        enabled: true,
        target_arn: MACHINE.into(),
        input: json!({"x": 1}),
        ..Schedule::default()
    }];
    let cloud = Cloud::start(&stack).await;
    let mut executions = cloud.executions();
    cloud.compute.watch_clock();
    assert_eq!(next(&mut executions).await, json!({"x": 1}));
}
