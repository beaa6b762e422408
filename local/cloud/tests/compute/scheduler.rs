use chrono::{TimeDelta, Utc};
use cloud::action::SchedulerAction as Asked;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;

use crate::changes;
use crate::cloud::{Cloud, Folder, stack};

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";

fn ask(cloud: &Cloud, action: Asked, body: &Value) -> Value {
    let answer = cloud.compute.scheduler.call(action, body);
    answer.unwrap_or_else(|error| json!({"error": error.code, "message": error.message}))
}

/// A request with what it must have, and more.
fn schedule(name: &str, expression: &str, more: Value) -> Value {
    let mut request = json!({
        "Name": name,
        "ScheduleExpression": expression,
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "Target": {"Arn": MACHINE, "RoleArn": "arn:aws:iam::123456789012:role/r"},
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn seconds(from_now: i64) -> i64 {
    (Utc::now() + TimeDelta::seconds(from_now)).timestamp()
}

#[tokio::test]
async fn a_schedule_keeps_all_that_it_is_given() {
    let cloud = Cloud::start(&stack()).await;
    let start = seconds(86_400);
    let given = json!({
        "Description": "d",
        "StartDate": start,
        "EndDate": start + 60,
        "ScheduleExpressionTimezone": "Europe/Vienna",
        "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 5},
        "State": "DISABLED",
        "ActionAfterCompletion": "DELETE",
        "Target": {
            "Arn": MACHINE, "RoleArn": "r", "Input": "{\"x\": 1}",
            "RetryPolicy": {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 60},
            "DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"},
        },
    });
    ask(
        &cloud,
        Asked::CreateSchedule,
        &schedule("all", "cron(0 9 ? * MON-FRI *)", given.clone()),
    );
    let again = Cloud::start_in(Folder::at(cloud.dir.path()), &stack(), r#"{"faults": []}"#).await;
    let kept = ask(&again, Asked::GetSchedule, &json!({"Name": "all"}));
    for (name, value) in given.as_object().unwrap() {
        let same = match (value.as_f64(), kept[name].as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
            _ => value == &kept[name],
        };
        assert!(same, "{name}: {} instead of {value}", kept[name]);
    }
    let plain = schedule("all", "rate(1 hour)", json!({}));
    ask(&again, Asked::UpdateSchedule, &plain);
    let kept = ask(&again, Asked::GetSchedule, &json!({"Name": "all"}));
    assert_eq!(
        (&kept["State"], &kept["Description"]),
        (&json!("ENABLED"), &Value::Null)
    );
    assert_eq!(kept["Target"]["RetryPolicy"]["MaximumRetryAttempts"], 185);
    assert_eq!(kept["ActionAfterCompletion"], "NONE");
}

#[tokio::test]
async fn what_the_scheduler_refuses_is_refused() {
    let cloud = Cloud::start(&stack()).await;
    for (expression, more) in [
        ("cron(0 10 * * * *)", json!({})),
        ("rate(1 fortnight)", json!({})),
        ("at(2020-01-01T00:00:00)", json!({})),
        (
            "rate(1 hour)",
            json!({"ScheduleExpressionTimezone": "Mars/Olympus"}),
        ),
        ("rate(1 hour)", json!({"StartDate": seconds(-600)})),
        ("rate(1 hour)", json!({"EndDate": seconds(-60)})),
        (
            "rate(1 hour)",
            json!({"StartDate": seconds(100), "EndDate": seconds(50)}),
        ),
        (
            "rate(1 hour)",
            json!({"FlexibleTimeWindow": {"Mode": "FLEXIBLE"}}),
        ),
        (
            "rate(1 hour)",
            json!({"FlexibleTimeWindow": {"Mode": "OFF", "MaximumWindowInMinutes": 1}}),
        ),
        ("rate(1 hour)", json!({"State": "PAUSED"})),
        ("rate(1 hour)", json!({"Name": "no spaces"})),
        (
            "rate(1 hour)",
            json!({"Target": {"Arn": MACHINE, "Input": "{"}}),
        ),
        (
            "rate(1 hour)",
            json!({"Target": {"Arn": "arn:aws:sqs:us-east-1:123456789012:q"}}),
        ),
        (
            "rate(1 hour)",
            json!({"Target": {"Arn": MACHINE, "RetryPolicy": {"MaximumRetryAttempts": 186}}}),
        ),
    ] {
        let answer = ask(
            &cloud,
            Asked::CreateSchedule,
            &schedule("s", expression, more.clone()),
        );
        assert_eq!(
            answer["error"], "ValidationException",
            "{expression} {more}"
        );
    }
    let elsewhere = schedule("s", "rate(1 hour)", json!({"GroupName": "none"}));
    assert_eq!(
        ask(&cloud, Asked::CreateSchedule, &elsewhere)["error"],
        "ResourceNotFoundException"
    );
    let request = schedule("s", "rate(1 hour)", json!({"ClientToken": "t"}));
    let arn = &ask(&cloud, Asked::CreateSchedule, &request)["ScheduleArn"];
    assert_eq!(
        &ask(&cloud, Asked::CreateSchedule, &request)["ScheduleArn"],
        arn
    );
    let other = schedule("s", "rate(2 hours)", json!({}));
    assert_eq!(
        ask(&cloud, Asked::CreateSchedule, &other)["error"],
        "ConflictException"
    );
    assert_eq!(
        ask(&cloud, Asked::GetSchedule, &json!({"Name": "x"}))["error"],
        "ResourceNotFoundException"
    );
}

#[tokio::test]
async fn groups_and_lists_are_filtered_and_paged() {
    let cloud = Cloud::start(&stack()).await;
    let group = json!({"Name": "nightly", "Tags": [{"Key": "k", "Value": "v"}]});
    let arn = ask(&cloud, Asked::CreateScheduleGroup, &group)["ScheduleGroupArn"].clone();
    assert_eq!(
        ask(&cloud, Asked::CreateScheduleGroup, &group)["error"],
        "ConflictException"
    );
    for (name, more) in [
        ("a1", json!({"GroupName": "nightly"})),
        ("a2", json!({"GroupName": "nightly", "State": "DISABLED"})),
        ("b1", json!({})),
    ] {
        ask(
            &cloud,
            Asked::CreateSchedule,
            &schedule(name, "rate(1 hour)", more),
        );
    }
    let names = |request: Value| -> Vec<String> {
        let answer = ask(&cloud, Asked::ListSchedules, &request);
        let schedules = answer["Schedules"].as_array().cloned().unwrap_or_default();
        schedules
            .iter()
            .map(|one| one["Name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(json!({})), ["b1", "a1", "a2"]);
    assert_eq!(names(json!({"NamePrefix": "zz"})), Vec::<String>::new());
    assert_eq!(
        names(json!({"NamePrefix": "a", "State": "ENABLED"})),
        ["a1"]
    );
    assert_eq!(
        names(json!({"GroupName": "nightly", "MaxResults": "1"})),
        ["a1"]
    );
    let first = ask(&cloud, Asked::ListSchedules, &json!({"MaxResults": 2}));
    assert_eq!(names(json!({"NextToken": first["NextToken"]})), ["a2"]);
    assert_eq!(
        ask(&cloud, Asked::ListSchedules, &json!({"GroupName": "x"}))["error"],
        "ResourceNotFoundException"
    );

    let tags = || {
        ask(
            &cloud,
            Asked::ListTagsForResource,
            &json!({"ResourceArn": arn}),
        )
    };
    assert_eq!(tags()["Tags"], json!([{"Key": "k", "Value": "v"}]));
    ask(
        &cloud,
        Asked::UntagResource,
        &json!({"ResourceArn": arn, "TagKeys": "k"}),
    );
    assert_eq!(tags()["Tags"], json!([]));
    ask(
        &cloud,
        Asked::DeleteScheduleGroup,
        &json!({"Name": "nightly"}),
    );
    assert_eq!(names(json!({})), ["b1"]);
    let gone = ask(&cloud, Asked::GetScheduleGroup, &json!({"Name": "nightly"}));
    assert_eq!(gone["error"], "ResourceNotFoundException");
    let groups = ask(&cloud, Asked::ListScheduleGroups, &json!({}));
    assert_eq!(groups["ScheduleGroups"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn schedules_obey_their_dates_and_end_as_they_say() {
    let cloud = Cloud::start(&stack()).await;
    let mut executions = cloud.executions();
    cloud.compute.watch_clock();
    let due = Utc::now() - TimeDelta::seconds(1);
    let at = format!("at({})", due.format("%Y-%m-%dT%H:%M:%S"));
    let with = |text: &str, more: Value| {
        let mut all = more;
        all["Target"] = json!({"Arn": MACHINE, "Input": json!({"is": text, "arn": "<aws.scheduler.schedule-arn>"}).to_string()});
        all
    };
    ask(
        &cloud,
        Asked::CreateSchedule,
        &schedule(
            "later",
            "rate(1 minute)",
            with("later", json!({"StartDate": seconds(600)})),
        ),
    );
    ask(
        &cloud,
        Asked::CreateSchedule,
        &schedule(
            "off",
            "rate(1 minute)",
            with("off", json!({"State": "DISABLED"})),
        ),
    );
    // A rate without a start is due at once.
    ask(
        &cloud,
        Asked::CreateSchedule,
        &schedule("rate", "rate(1 minute)", with("rate", json!({}))),
    );
    ask(
        &cloud,
        Asked::CreateSchedule,
        &schedule(
            "once",
            &at,
            with("once", json!({"ActionAfterCompletion": "DELETE"})),
        ),
    );
    let mut heard = Vec::new();
    for _ in 0..2 {
        let (_, input) = timeout(Duration::from_secs(10), executions.recv())
            .await
            .unwrap()
            .unwrap();
        heard.push(format!("{} {}", input["is"], input["arn"]));
    }
    heard.sort();
    let arn = |name: &str| {
        format!("\"{name}\" \"arn:aws:scheduler:us-east-1:123456789012:schedule/default/{name}\"")
    };
    assert_eq!(heard, [arn("once"), arn("rate")]);
    let kept = cloud.dir.path().join("data/scheduler/schedules");
    let once = || ask(&cloud, Asked::GetSchedule, &json!({"Name": "once"}));
    changes::until(&kept, || (!once()["error"].is_null()).then_some(())).await;
    assert!(executions.try_recv().is_err());
    // What has been invoked is not invoked again by the next cloud.
    cloud.compute.scheduler.stop();
    let again = Cloud::start_in(Folder::at(cloud.dir.path()), &stack(), r#"{"faults": []}"#).await;
    let mut executions = again.executions();
    again.compute.watch_clock();
    tokio::task::yield_now().await;
    assert!(executions.try_recv().is_err());
}
