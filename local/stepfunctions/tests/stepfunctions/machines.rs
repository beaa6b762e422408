use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::{StateMachineType, Tag};
use serde_json::{Value, json};

use crate::cloud::{STATES, Test, pass};

#[tokio::test]
async fn machines_are_created_updated_listed_and_deleted() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass(1)).await;
    assert_eq!(machine, format!("{STATES}:stateMachine:machine"));
    assert_eq!(test.machine("machine", &pass(1)).await, machine);
    let create = test
        .sfn
        .create_state_machine()
        .name("machine")
        .definition(pass(2).to_string());
    let error = create
        .role_arn("arn:aws:iam::123456789012:role/states")
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        error.into_service_error().code(),
        Some("StateMachineAlreadyExists")
    );
    test.sfn
        .update_state_machine()
        .state_machine_arn(&machine)
        .definition(pass(2).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(
        test.run(&machine, &json!({})).await.output(),
        Some(json!(2))
    );
    let described = test
        .sfn
        .describe_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    assert_eq!(
        (described.definition, described.r#type),
        (pass(2).to_string(), StateMachineType::Standard)
    );
    assert_eq!(
        test.sfn
            .list_state_machines()
            .send()
            .await
            .unwrap()
            .state_machines
            .len(),
        1
    );
    test.sfn
        .delete_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap();
    let gone = test
        .sfn
        .describe_state_machine()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        gone.into_service_error().code(),
        Some("StateMachineDoesNotExist")
    );
}

#[tokio::test]
async fn bad_definitions_are_refused_with_their_findings() {
    let test = Test::start().await;
    let definition =
        json!({ "StartAt": "A", "States": { "A": { "Type": "Pass", "Next": "Missing" } } })
            .to_string();
    let create = test
        .sfn
        .create_state_machine()
        .name("bad")
        .definition(&definition)
        .role_arn("arn:aws:iam::123456789012:role/r");
    let error = create.send().await.unwrap_err().into_service_error();
    assert_eq!(error.code(), Some("InvalidDefinition"));
    assert!(error.message().unwrap().contains("/States/A"), "{error}");
    let checked = test
        .sfn
        .validate_state_machine_definition()
        .definition(&definition)
        .send()
        .await
        .unwrap();
    assert_eq!(checked.result.as_str(), "FAIL");
    assert!(!checked.diagnostics.is_empty());
    let checked = test
        .sfn
        .validate_state_machine_definition()
        .definition(pass(1).to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(checked.result.as_str(), "OK");
}

#[tokio::test]
async fn an_execution_keeps_the_definition_it_started_with() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let definition = json!({ "StartAt": "Task", "States": { "Task": { "Type": "Task", "Resource": activity, "End": true } } });
    let machine = test.machine("machine", &definition).await;
    let execution = test.start_execution(&machine, &json!({})).await;
    test.sfn
        .update_state_machine()
        .state_machine_arn(&machine)
        .definition(pass(2).to_string())
        .send()
        .await
        .unwrap();
    let describe = test
        .sfn
        .describe_state_machine_for_execution()
        .execution_arn(&execution)
        .send()
        .await
        .unwrap();
    assert_eq!(describe.definition, definition.to_string());
}

#[tokio::test]
async fn tags_are_kept() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass(1)).await;
    let tag = Tag::builder().key("team").value("data").build();
    test.sfn
        .tag_resource()
        .resource_arn(&machine)
        .tags(tag.clone())
        .send()
        .await
        .unwrap();
    let list = || {
        test.sfn
            .list_tags_for_resource()
            .resource_arn(&machine)
            .send()
    };
    assert_eq!(list().await.unwrap().tags(), [tag]);
    test.sfn
        .untag_resource()
        .resource_arn(&machine)
        .tag_keys("team")
        .send()
        .await
        .unwrap();
    assert!(list().await.unwrap().tags().is_empty());
}

#[tokio::test]
async fn one_state_is_tested_with_a_mock_or_with_the_local_services() {
    let test = Test::start().await;
    let state = json!({
        "Type": "Task", "QueryLanguage": "JSONata", "Resource": "arn:aws:states:::lambda:invoke", "Next": "Then",
        "Arguments": { "FunctionName": "probe", "Payload": "{% $states.input %}" }, "Output": "{% $states.result.Payload %}",
        "Catch": [{ "ErrorEquals": ["Own.Error"], "Next": "Caught" }],
    })
    .to_string();
    let test_state = |definition: &str, mock: Value| {
        let mut body = json!({ "definition": definition, "input": "{\"x\":1}" });
        body.as_object_mut()
            .unwrap()
            .extend(mock.as_object().unwrap().clone());
        body
    };
    let real = test.post("TestState", &test_state(&state, json!({}))).await;
    assert_eq!(
        real,
        json!({ "status": "SUCCEEDED", "output": "{\"x\":1}", "nextState": "Then" })
    );
    let mock = json!({ "mock": { "errorOutput": { "error": "Own.Error", "cause": "mocked" } } });
    let caught = test.post("TestState", &test_state(&state, mock)).await;
    assert_eq!(
        (&caught["status"], &caught["nextState"]),
        (&json!("CAUGHT_ERROR"), &json!("Caught"))
    );
    let started = state
        .replace("lambda:invoke", "states:startExecution")
        .replace("FunctionName", "StateMachineArn");
    for (mode, answer) in [
        ("STRICT", "ValidationException"),
        ("PRESENT", ""),
        ("NONE", ""),
    ] {
        let mock = json!({ "mock": { "result": "{\"Payload\":1}", "fieldValidationMode": mode } });
        let tested = test.post("TestState", &test_state(&started, mock)).await;
        assert_eq!(tested["__type"].as_str().unwrap_or_default(), answer);
    }
    let bad = test.post("TestState", &test_state("{}", json!({}))).await;
    assert_eq!(bad["__type"], "InvalidDefinition");
}
