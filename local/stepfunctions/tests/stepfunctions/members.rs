//! What requests say is honoured, or refused by its name.

use aws_sdk_sfn::types::{
    EncryptionConfiguration, EncryptionType, IncludedData, LogLevel, LoggingConfiguration,
    StateMachineType, Tag, TracingConfiguration,
};
use serde_json::json;

use crate::cloud::{ROLE, STATES, Test, code, pass};

#[tokio::test]
async fn an_input_is_shown_as_it_was_sent() {
    let test = Test::start().await;
    let machine = test.machine("m", &pass(1)).await;
    let input = r#"{"a": 1e3,  "n": 12345678901234567890123, "é": "\u00e9"}"#;
    let start = test.sfn.start_execution().state_machine_arn(&machine);
    let start = start.input(input).trace_header("Root=1-2-3").name("once");
    let arn = start.clone().send().await.unwrap().execution_arn;
    test.cloud.wait(&arn).await.unwrap();
    let describe = test.sfn.describe_execution().execution_arn(&arn);
    let described = describe.clone().send().await.unwrap();
    assert_eq!(described.input.as_deref(), Some(input));
    assert_eq!(described.trace_header.as_deref(), Some("Root=1-2-3"));
    let details = test
        .events(&arn)
        .await
        .remove(0)
        .execution_started_event_details;
    assert_eq!(details.unwrap().input.as_deref(), Some(input));

    let described = describe.included_data(IncludedData::MetadataOnly);
    let described = described.send().await.unwrap();
    assert_eq!((described.input, described.output), (None, None));
    assert!(!described.input_details.unwrap().included);
    let history = test.sfn.get_execution_history().execution_arn(&arn);
    let history = history.include_execution_data(false).send().await.unwrap();
    for event in history.events {
        let started = event.execution_started_event_details;
        assert!(started.is_none_or(|details| details.input.is_none()));
        let ended = event.execution_succeeded_event_details;
        assert!(ended.is_none_or(|details| details.output.is_none()));
    }
}

#[tokio::test]
async fn malformed_arns_are_invalid() {
    let test = Test::start().await;
    let sfn = &test.sfn;
    for arn in ["bad", "arn:aws:lambda:us-east-1:123456789012:function:f"] {
        let describe = sfn.describe_state_machine().state_machine_arn(arn);
        assert_eq!(code(describe.send().await), "InvalidArn");
        let start = sfn.start_execution().state_machine_arn(arn);
        assert_eq!(code(start.send().await), "InvalidArn");
        let describe = sfn.describe_execution().execution_arn(arn);
        assert_eq!(code(describe.send().await), "InvalidArn");
        let stop = sfn.stop_execution().execution_arn(arn);
        assert_eq!(code(stop.send().await), "InvalidArn");
        let history = sfn.get_execution_history().execution_arn(arn);
        assert_eq!(code(history.send().await), "InvalidArn");
        let activity = sfn.describe_activity().activity_arn(arn);
        assert_eq!(code(activity.send().await), "InvalidArn");
        let task = sfn.get_activity_task().activity_arn(arn);
        assert_eq!(code(task.send().await), "InvalidArn");
        let run = sfn.describe_map_run().map_run_arn(arn);
        assert_eq!(code(run.send().await), "InvalidArn");
        let tags = sfn.list_tags_for_resource().resource_arn(arn);
        assert_eq!(code(tags.send().await), "InvalidArn");
        let create = sfn.create_state_machine().name("r").role_arn(arn);
        let create = create.definition(pass(1).to_string()).send().await;
        assert_eq!(code(create), "InvalidArn");
    }
    let activity = test.activity("a").await;
    let wrong = sfn.describe_state_machine().state_machine_arn(&activity);
    assert_eq!(code(wrong.send().await), "InvalidArn");
    let unknown = sfn.list_tags_for_resource();
    let unknown = unknown.resource_arn(format!("{activity}x"));
    assert_eq!(code(unknown.send().await), "ResourceNotFound");
}

#[tokio::test]
async fn tags_die_with_their_resource() {
    let test = Test::start().await;
    let tag = Tag::builder().key("x").value("y").build();
    let create = || test.sfn.create_activity().name("a");
    let activity = create()
        .tags(tag.clone())
        .send()
        .await
        .unwrap()
        .activity_arn;
    let machine = || {
        let create = test.sfn.create_state_machine().name("m").role_arn(ROLE);
        create.definition(pass(1).to_string())
    };
    let arn = machine().tags(tag).send().await.unwrap().state_machine_arn;
    let tags = async |arn: &str| {
        let list = test.sfn.list_tags_for_resource().resource_arn(arn);
        list.send().await.unwrap().tags.unwrap().len()
    };
    assert_eq!((tags(&activity).await, tags(&arn).await), (1, 1));
    let delete = test.sfn.delete_activity().activity_arn(&activity);
    delete.send().await.unwrap();
    let delete = test.sfn.delete_state_machine().state_machine_arn(&arn);
    delete.send().await.unwrap();
    create().send().await.unwrap();
    machine().send().await.unwrap();
    assert_eq!((tags(&activity).await, tags(&arn).await), (0, 0));
}

#[tokio::test]
async fn configurations_are_kept_or_refused() {
    let test = Test::start().await;
    let create = || {
        let create = test.sfn.create_state_machine().name("m").role_arn(ROLE);
        create.definition(pass(1).to_string())
    };
    let described = create().version_description("x").send().await;
    assert_eq!(code(described), "ValidationException");
    let logging = LoggingConfiguration::builder().level(LogLevel::All);
    let logged = create().logging_configuration(logging.build()).send().await;
    assert_eq!(code(logged), "InvalidLoggingConfiguration");
    let key = EncryptionConfiguration::builder().r#type(EncryptionType::CustomerManagedKmsKey);
    let encrypted = create().encryption_configuration(key.build().unwrap());
    assert_eq!(
        code(encrypted.send().await),
        "InvalidEncryptionConfiguration"
    );
    let tracing = TracingConfiguration::builder().enabled(true).build();
    let machine = create().tracing_configuration(tracing).send().await;
    let machine = machine.unwrap().state_machine_arn;
    let describe = test
        .sfn
        .describe_state_machine()
        .state_machine_arn(&machine);
    let described = describe.clone().send().await.unwrap();
    assert!(described.tracing_configuration.unwrap().enabled);
    let described = describe.included_data(IncludedData::MetadataOnly);
    assert_eq!(described.send().await.unwrap().definition, "{}");
    // Another role is no other state machine, other tracing is.
    let tracing = TracingConfiguration::builder().enabled(true).build();
    let same = create()
        .tracing_configuration(tracing)
        .role_arn(format!("{ROLE}2"));
    same.send().await.unwrap();
    assert_eq!(code(create().send().await), "StateMachineAlreadyExists");
}

#[tokio::test]
async fn members_are_checked_as_the_model_says() {
    let test = Test::start().await;
    let machine = test.machine("m", &pass(1)).await;
    let list = test.sfn.list_executions().state_machine_arn(&machine);
    assert_eq!(
        code(list.max_results(1_001).send().await),
        "ValidationException"
    );
    for (action, body, words) in [
        (
            "DescribeStateMachine",
            json!({}),
            "Value null at 'stateMachineArn'",
        ),
        (
            "DescribeStateMachine",
            json!({ "stateMachineArn": machine, "other": 1 }),
            "other",
        ),
        (
            "CreateStateMachine",
            json!({ "name": "x", "definition": "{}", "roleArn": ROLE, "type": "FAST" }),
            "enum value set: [STANDARD, EXPRESS]",
        ),
        (
            "StopExecution",
            json!({ "executionArn": format!("{STATES}:execution:m:x"), "error": "e".repeat(257) }),
            "less than or equal to 256",
        ),
    ] {
        let answer = test.post(action, &body).await;
        assert_eq!(answer["__type"], "ValidationException", "{answer}");
        let message = answer["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
    }
}

#[tokio::test]
async fn express_machines_do_not_wait_for_others() {
    let test = Test::start().await;
    let activity = test.activity("a").await;
    for resource in [
        activity.as_str(),
        "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "arn:aws:states:::ecs:runTask.sync",
    ] {
        let state = json!({ "Type": "Task", "Resource": resource, "End": true,
            "Parameters": { "FunctionName": "f", "Payload": {}, "Cluster": "c", "TaskDefinition": "t" } });
        let definition = json!({ "StartAt": "Task", "States": { "Task": state } });
        let create = test.sfn.create_state_machine().name("x").role_arn(ROLE);
        let create = create.r#type(StateMachineType::Express);
        let create = create.definition(definition.to_string()).send().await;
        assert_eq!(code(create), "InvalidDefinition", "{resource}");
    }
}

#[tokio::test]
async fn what_concerns_the_whole_definition_has_no_location() {
    let test = Test::start().await;
    let body = json!({ "definition": " " });
    let answer = test.post("ValidateStateMachineDefinition", &body).await;
    assert_eq!(answer["result"], "FAIL");
    assert_eq!(answer["diagnostics"][0].get("location"), None, "{answer}");
}
