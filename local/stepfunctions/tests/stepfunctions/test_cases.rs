//! Executions that run as a test case, whose calls are mocked.

use std::sync::Arc;
use std::time::Duration;

use asl::{TaskError, Value};
use aws_sdk_sfn::types::StateMachineType;
use serde_json::json;
use stepfunctions::{ClockMode, Invocation, MockedResponse, TestCases};

use crate::cloud::{Test, code};

/// Mocks every state but `Real`: a state that is called `Fails` fails at first, and `Items` gives two items.
#[derive(Debug)]
struct Mocked;

impl TestCases for Mocked {
    fn check(&self, _machine: &str, case: &str, _definition: &str) -> Result<(), String> {
        match case {
            "Case" => Ok(()),
            other => Err(format!("there is no test case {other:?}")),
        }
    }

    fn response(&self, invocation: &Invocation) -> Option<MockedResponse> {
        let outcome = match (invocation.state, invocation.number) {
            ("Real", _) => return None,
            ("Fails", 0) => Err(TaskError {
                error: "Busy".to_owned(),
                cause: None,
            }),
            ("Items", _) => Ok(Value::parse("[1,2]").unwrap()),
            (state, number) => Ok(Value::from(format!("{state} {number}"))),
        };
        let hour = Duration::from_secs(3_600);
        Some(MockedResponse {
            outcome,
            after: if invocation.state == "Slow" {
                hour
            } else {
                Duration::ZERO
            },
        })
    }
}

async fn start() -> Test {
    Test::with(|config| {
        config.test_cases = Some(Arc::new(Mocked));
        config.clock = ClockMode::Virtual;
    })
    .await
}

fn task(resource: &str) -> serde_json::Value {
    json!({ "Type": "Task", "Resource": resource, "End": true })
}

fn alone(name: &str, state: serde_json::Value) -> serde_json::Value {
    json!({ "StartAt": name, "States": { name: state } })
}

#[tokio::test]
async fn every_kind_of_call_is_mocked_in_maps_and_parallels_too() {
    let test = start().await;
    let retried = json!({ "Type": "Task", "Resource": "arn:aws:states:::http:invoke", "End": true,
        "Arguments": { "Method": "GET", "ApiEndpoint": "https://example.com",
            "Authentication": { "ConnectionArn": "arn:aws:events:us-east-1:123456789012:connection/c/1" } },
        "Retry": [{ "ErrorEquals": ["Busy"], "IntervalSeconds": 60 }] });
    let each = json!({ "Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Item", "States": { "Item": task("arn:aws:states:::sqs:sendMessage") } },
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSON" },
            "Arguments": { "Bucket": "none", "Key": "none" } } });
    let inline = json!({ "Type": "Map", "Items": [1, 2], "MaxConcurrency": 1, "End": true, "ItemProcessor": {
        "StartAt": "Inline", "States": { "Inline": task("arn:aws:states:::batch:submitJob.sync") } } });
    let branches = [
        alone("Sync", task("arn:aws:states:::ecs:runTask.sync")),
        alone(
            "Token",
            task("arn:aws:states:::sqs:sendMessage.waitForTaskToken"),
        ),
        alone(
            "Activity",
            task("arn:aws:states:us-east-1:123456789012:activity:nobody"),
        ),
        alone(
            "Function",
            task("arn:aws:lambda:us-east-1:123456789012:function:nobody"),
        ),
        alone(
            "Nested",
            task("arn:aws:states:::states:startExecution.sync:2"),
        ),
        alone("Slow", task("arn:aws:states:::aws-sdk:dynamodb:getItem")),
        alone("Fails", retried),
        alone("Items", each),
        alone("Inline map", inline),
    ];
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "All", "States": {
        "All": { "Type": "Parallel", "Branches": branches, "End": true } } });
    let machine = test.machine("mocked", &definition).await;
    let execution = test.run(&format!("{machine}#Case"), &json!({})).await;
    let output = execution
        .output()
        .unwrap_or_else(|| panic!("{execution:?}"));
    let mut expected = json!([
        "Sync 0",
        "Token 0",
        "Activity 0",
        "Function 0",
        "Nested 0",
        "Slow 0",
        "Fails 1",
        ["Item 0", "Item 1"],
        ["Inline 0", "Inline 1"]
    ]);
    // Which child of the Distributed Map asks first is left open.
    let mut output = output.clone();
    for found in [&mut expected, &mut output] {
        found[7]
            .as_array_mut()
            .unwrap()
            .sort_by_key(ToString::to_string);
    }
    assert_eq!(output, expected);
    assert_eq!(execution.state_machine_arn, machine);
}

#[tokio::test]
async fn a_state_without_a_mock_calls_its_service_and_an_unknown_case_is_refused() {
    let test = start().await;
    let machine = test
        .machine(
            "real",
            &alone("Real", task("arn:aws:states:::sqs:sendMessage")),
        )
        .await;
    let execution = test.run(&format!("{machine}#Case"), &json!({})).await;
    let cause = execution.cause().unwrap_or_default();
    assert!(cause.contains("no integration for the resource"), "{cause}");
    let start = |machine: String| test.sfn.start_execution().state_machine_arn(machine).send();
    let refused = start(format!("{machine}#Other")).await;
    let message = format!("{:?}", refused.as_ref().unwrap_err());
    assert!(message.contains("there is no test case"), "{message}");
    assert_eq!(code(refused), "ValidationException");

    let kind = StateMachineType::Express;
    let express = test
        .machine_of(
            "express",
            &alone("Mocked", task("arn:aws:states:::sqs:sendMessage")),
            kind,
        )
        .await;
    let body = json!({ "stateMachineArn": format!("{express}#Case") });
    let answer = test.post("StartSyncExecution", &body).await;
    assert_eq!(answer["output"], "\"Mocked 0\"", "{answer}");
}

#[tokio::test]
async fn without_test_cases_there_is_none_to_run() {
    let test = Test::start().await;
    let machine = test.machine("m", &crate::cloud::pass(1)).await;
    let start = test.sfn.start_execution();
    let refused = start
        .state_machine_arn(format!("{machine}#Case"))
        .send()
        .await;
    assert_eq!(code(refused), "ValidationException");
}
