use std::time::Duration;

use cloud::action::EventBridgeAction;
use serde_json::{Value, json};
use stack::{Rule, RuleTarget, Schedule, Stack};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

use crate::cloud::{Cloud, stack, wait_for_lines};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

pub fn with_rule(pattern: Value) -> Stack {
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

pub async fn next(executions: &mut UnboundedReceiver<(String, Value)>) -> Value {
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
    stack.rules[0].targets[0].input_transformer = Some(json!({
        "InputPathsMap": {"path": "$.detail.path"},
        "InputTemplate": r#"{"do": "append", "path": <path>}"#,
    }));
    let cloud = Cloud::start(&stack).await;
    let path = cloud.dir.path().join("ran");
    let detail = json!({"path": path}).to_string();
    let body = json!({"Entries": [{"Source": "app", "DetailType": "t", "Detail": detail}]});
    cloud
        .compute
        .events
        .call(EventBridgeAction::PutEvents, &body)
        .unwrap();
    wait_for_lines(&path, 1).await;
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

fn ask(cloud: &Cloud, action: EventBridgeAction, body: Value) -> Value {
    let answer = cloud.compute.events.call(action, &body);
    answer.unwrap_or_else(|error| json!({"error": error.code}))
}

#[tokio::test]
async fn rules_and_buses_made_by_requests_work_and_are_kept() {
    use EventBridgeAction as Asked;
    let cloud = Cloud::start(&stack()).await;
    let pattern = json!({"detail": {"lines": {"sku": ["b"], "n": [1]}}}).to_string();
    ask(&cloud, Asked::CreateEventBus, json!({"Name": "shop"}));
    for name in ["paid", "shipped"] {
        let rule = json!({"Name": name, "EventBusName": "shop", "EventPattern": pattern, "Description": name});
        let arn = format!("arn:aws:events:us-east-1:123456789012:rule/shop/{name}");
        assert_eq!(ask(&cloud, Asked::PutRule, rule)["RuleArn"], arn);
    }
    let target = json!({"Id": "m", "Arn": MACHINE, "InputPath": "$.detail.id", "RetryPolicy": {"MaximumRetryAttempts": 3}});
    let put = json!({"Rule": "paid", "EventBusName": "shop", "Targets": [target]});
    assert_eq!(ask(&cloud, Asked::PutTargets, put)["FailedEntryCount"], 0);

    // A new cloud on the same folder knows them.
    let folder = crate::cloud::Folder::at(cloud.dir.path());
    let again = Cloud::start_in(folder, &stack(), r#"{"faults": []}"#).await;
    let mut executions = again.executions();
    let of = |more: Value| {
        let mut request = json!({"EventBusName": "shop"});
        for (name, value) in more.as_object().unwrap() {
            request[name] = value.clone();
        }
        request
    };
    let targets = ask(
        &again,
        Asked::ListTargetsByRule,
        of(json!({"Rule": "paid"})),
    );
    assert_eq!(
        targets["Targets"][0]["RetryPolicy"]["MaximumRetryAttempts"],
        3
    );
    let first = ask(&again, Asked::ListRules, of(json!({"Limit": 1})));
    let second = ask(
        &again,
        Asked::ListRules,
        of(json!({"NextToken": first["NextToken"]})),
    );
    assert_eq!(
        (&first["Rules"][0]["Name"], &second["Rules"][0]["Name"]),
        (&json!("paid"), &json!("shipped"))
    );
    assert_eq!(
        ask(&again, Asked::ListRules, of(json!({"NamePrefix": "z"})))["Rules"],
        json!([])
    );

    let publish = |lines: Value| {
        let detail = json!({"id": lines, "lines": lines}).to_string();
        let entry =
            json!({"Source": "s", "DetailType": "t", "EventBusName": "shop", "Detail": detail});
        ask(&again, Asked::PutEvents, json!({"Entries": [entry]}))
    };
    publish(json!([{"sku": "a", "n": 1}, {"sku": "b", "n": 2}]));
    publish(json!([{"sku": "b", "n": 1}]));
    assert_eq!(next(&mut executions).await, json!([{"sku": "b", "n": 1}]));
    assert!(executions.try_recv().is_err());

    ask(&again, Asked::DisableRule, of(json!({"Name": "paid"})));
    publish(json!([{"sku": "b", "n": 1}]));
    assert!(executions.try_recv().is_err());
    assert_eq!(
        ask(&again, Asked::DeleteRule, of(json!({"Name": "paid"})))["error"],
        "ValidationException"
    );
    ask(
        &again,
        Asked::RemoveTargets,
        of(json!({"Rule": "paid", "Ids": ["m"]})),
    );
    ask(&again, Asked::DeleteRule, of(json!({"Name": "paid"})));
    assert_eq!(
        ask(&again, Asked::DescribeRule, of(json!({"Name": "paid"})))["error"],
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn what_eventbridge_refuses_is_refused() {
    use EventBridgeAction as Asked;
    let cloud = Cloud::start(&stack()).await;
    let rule = |more: Value| {
        let mut rule = json!({"Name": "r"});
        for (name, value) in more.as_object().unwrap() {
            rule[name] = value.clone();
        }
        rule
    };
    let bad_pattern = json!({"EventPattern": json!({"a": [{"wildcard": "x**"}]}).to_string()});
    let whole = json!({
        "id": "1", "account": "1", "source": "s", "time": "2026-11-24T08:15:33Z", "region": "r",
        "resources": [], "detail-type": "t", "detail": {"a": 2},
    });
    let test = |event: &Value| {
        let pattern = json!({"detail": {"a": [{"numeric": [">", 1]}]}}).to_string();
        json!({"EventPattern": pattern, "Event": event.to_string()})
    };
    for (action, body, code) in [
        (
            Asked::PutRule,
            rule(bad_pattern),
            "InvalidEventPatternException",
        ),
        (Asked::PutRule, rule(json!({})), "ValidationException"),
        (
            Asked::PutRule,
            rule(json!({"ScheduleExpression": "rate(1 minutes)"})),
            "ValidationException",
        ),
        (
            Asked::PutRule,
            rule(json!({"ScheduleExpression": "at(2030-01-01T00:00:00)"})),
            "ValidationException",
        ),
        (
            Asked::PutRule,
            rule(json!({"EventPattern": "{\"a\":[1]}", "EventBusName": "no"})),
            "ResourceNotFoundException",
        ),
        (
            Asked::PutTargets,
            json!({"Rule": "r", "Targets": []}),
            "ResourceNotFoundException",
        ),
        (Asked::ListRules, json!({"Limit": 0}), "ValidationException"),
        (
            Asked::ListRules,
            json!({"NextToken": "?"}),
            "ValidationException",
        ),
        (
            Asked::CreateEventBus,
            json!({"Name": "default"}),
            "ResourceAlreadyExistsException",
        ),
        (
            Asked::DeleteEventBus,
            json!({"Name": "default"}),
            "ValidationException",
        ),
        (
            Asked::TestEventPattern,
            test(&json!({"id": "1"})),
            "ValidationException",
        ),
    ] {
        assert_eq!(
            ask(&cloud, action, body.clone())["error"],
            code,
            "{action:?} {body}"
        );
    }
    assert_eq!(
        ask(&cloud, Asked::TestEventPattern, test(&whole))["Result"],
        true
    );
    assert_eq!(
        ask(
            &cloud,
            Asked::PutRule,
            rule(json!({"EventPattern": "{\"a\":[1]}"}))
        )["error"],
        Value::Null
    );
    let elsewhere = json!({"Rule": "r", "Targets": [{"Id": "q", "Arn": "arn:aws:sqs:us-east-1:123456789012:q"}]});
    assert_eq!(
        ask(&cloud, Asked::PutTargets, elsewhere)["error"],
        "ValidationException"
    );
}

#[tokio::test]
async fn what_cannot_be_delivered_is_a_dead_letter() {
    let mut stack = with_rule(json!({"source": ["app"]}));
    stack.rules[0].targets.clear();
    let cloud = Cloud::start(&stack).await;
    let target = json!({
        "Id": "gone", "Arn": "arn:aws:lambda:us-east-1:123456789012:function:gone",
        "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:letters"},
    });
    let put = json!({"Rule": "rule", "Targets": [target]});
    ask(&cloud, EventBridgeAction::PutTargets, put);
    let body = json!({"Entries": [{"Source": "app", "DetailType": "t", "Detail": "{}"}]});
    ask(&cloud, EventBridgeAction::PutEvents, body);
    let letters = cloud.dir.path().join("data/dead-letters/letters.jsonl");
    let letter: Value = serde_json::from_str(&std::fs::read_to_string(letters).unwrap()).unwrap();
    assert_eq!(
        letter["attributes"]["ERROR_CODE"],
        "ResourceNotFoundException"
    );
    assert_eq!(letter["body"]["source"], "app");
}
