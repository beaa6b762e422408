use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineType};
use serde_json::{Value, json};

use crate::cloud::Test;

fn pass() -> Value {
    json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } } })
}

fn wait(seconds: u32) -> Value {
    json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": seconds, "End": true } } })
}

#[tokio::test]
async fn a_name_makes_a_start_idempotent() {
    let test = Test::start().await;
    let machine = test.machine("machine", &wait(600)).await;
    let start = |input: &str| {
        test.sfn
            .start_execution()
            .state_machine_arn(&machine)
            .name("once")
            .input(input)
            .send()
    };
    let first = start(r#"{"a": 1}"#).await.unwrap();
    let second = start(r#"{"a":1}"#).await.unwrap();
    assert_eq!(first.execution_arn, second.execution_arn);
    assert_eq!(first.start_date, second.start_date);
    let other = start(r#"{"a": 2}"#).await.unwrap_err().into_service_error();
    assert_eq!(other.code(), Some("ExecutionAlreadyExists"));
    assert_eq!(
        other.message().unwrap(),
        format!("Execution Already Exists: '{}'", first.execution_arn)
    );
    let stop = test
        .sfn
        .stop_execution()
        .execution_arn(&first.execution_arn)
        .error("Own.Stop")
        .cause("enough");
    stop.send().await.unwrap();
    let ended = test.cloud.wait(&first.execution_arn).await.unwrap();
    assert_eq!(
        (ended.status.name(), ended.error()),
        ("ABORTED", Some("Own.Stop"))
    );
    let closed = start(r#"{"a": 1}"#).await.unwrap_err().into_service_error();
    assert_eq!(closed.code(), Some("ExecutionAlreadyExists"));
}

#[tokio::test]
async fn bad_starts_are_refused_by_name() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass()).await;
    let table = [
        (machine.clone(), "a b", "{}", "InvalidName"),
        (machine.clone(), "ok", "{", "InvalidExecutionInput"),
        (
            format!("{machine}x"),
            "ok",
            "{}",
            "StateMachineDoesNotExist",
        ),
    ];
    for (machine, name, input, code) in table {
        let start = test
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .name(name)
            .input(input);
        let error = start.send().await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some(code), "{error}");
    }
    let unknown = test
        .sfn
        .describe_execution()
        .execution_arn("arn:aws:states:us-east-1:123456789012:execution:m:x");
    let unknown = unknown.send().await.unwrap_err().into_service_error();
    assert_eq!(unknown.code(), Some("ExecutionDoesNotExist"));
}

#[tokio::test]
async fn executions_are_described_listed_and_paged() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass()).await;
    for n in 0..5 {
        test.run(&machine, &json!({ "n": n })).await;
    }
    let waiting = test.machine("waiting", &wait(600)).await;
    test.start_execution(&waiting, &json!({})).await;
    let list = || {
        test.sfn
            .list_executions()
            .state_machine_arn(&machine)
            .max_results(3)
    };
    let first = list().send().await.unwrap();
    assert_eq!(first.executions.len(), 3);
    let second = list()
        .next_token(first.next_token.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!((second.executions.len(), second.next_token), (2, None));
    let newest = &first.executions[0];
    let described = test
        .sfn
        .describe_execution()
        .execution_arn(&newest.execution_arn)
        .send()
        .await
        .unwrap();
    assert_eq!(described.status, ExecutionStatus::Succeeded);
    assert_eq!(described.input.as_deref(), Some(r#"{"n":4}"#));
    assert_eq!(described.output.as_deref(), Some(r#"{"n":4}"#));
    let running = list()
        .status_filter(ExecutionStatus::Running)
        .send()
        .await
        .unwrap();
    assert!(running.executions.is_empty());
    let running = test
        .sfn
        .list_executions()
        .state_machine_arn(&waiting)
        .status_filter(ExecutionStatus::Running);
    assert_eq!(running.send().await.unwrap().executions.len(), 1);
}

/// An expression that uses all of its five seconds.
fn endless() -> Value {
    let expression = "{% $sum([1..800000].($sum([1..1000]))) %}";
    json!({ "StartAt": "Pass", "QueryLanguage": "JSONata", "States": {
        "Pass": { "Type": "Pass", "Output": expression, "End": true },
    } })
}

// All services and this test share one thread: what it did not leave would hold up everything.
#[tokio::test]
async fn long_evaluations_hold_up_nobody() {
    let test = Test::start().await;
    let long = test.machine("long", &endless()).await;
    let mut running = Vec::new();
    for _ in 0..6 {
        running.push(test.start_execution(&long, &json!({})).await);
    }
    let short = json!({ "StartAt": "Pass", "QueryLanguage": "JSONata", "States": {
        "Pass": { "Type": "Pass", "Output": "{% $sum([1, 2]) %}", "End": true },
    } });
    let short = test.machine("short", &short).await;
    assert_eq!(test.run(&short, &json!({})).await.output(), Some(json!(3)));
    let plain = test.machine("plain", &pass()).await;
    assert_eq!(
        test.run(&plain, &json!({})).await.status.name(),
        "SUCCEEDED"
    );
    for arn in &running {
        let found = test.sfn.describe_execution().execution_arn(arn);
        assert_eq!(found.send().await.unwrap().status, ExecutionStatus::Running);
        assert!(test.events(arn).await.len() <= 1);
    }
    let list = test.sfn.list_executions().state_machine_arn(&long);
    let list = list
        .status_filter(ExecutionStatus::Running)
        .send()
        .await
        .unwrap();
    assert_eq!(list.executions.len(), running.len());
}

#[tokio::test]
async fn pages_go_on_where_they_were_and_tokens_are_checked() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass()).await;
    let other = test.machine("other", &pass()).await;
    let mut started = Vec::new();
    for n in 0..5 {
        started.push(test.run(&machine, &json!({ "n": n })).await.arn);
    }
    let list = |machine: &str| {
        let list = test.sfn.list_executions().state_machine_arn(machine);
        list.max_results(3)
    };
    let arns = |page: &aws_sdk_sfn::operation::list_executions::ListExecutionsOutput| {
        let executions = page.executions.iter();
        let arns: Vec<String> = executions
            .map(|found| found.execution_arn.clone())
            .collect();
        arns
    };
    let first = list(&machine).send().await.unwrap();
    let token = first.next_token.clone().unwrap();
    // What starts meanwhile is before the first page, and moves nothing behind it.
    for n in 5..7 {
        test.run(&machine, &json!({ "n": n })).await;
    }
    let second = list(&machine).next_token(&token).send().await.unwrap();
    assert_eq!(second.next_token, None);
    let mut all = [arns(&first), arns(&second)].concat();
    all.reverse();
    assert_eq!(all, started);
    let refused = [
        list(&other).next_token(&token),
        list(&machine)
            .status_filter(ExecutionStatus::Failed)
            .next_token(&token),
        list(&machine).next_token("3"),
        list(&machine).next_token(format!("{token}x")),
    ];
    for list in refused {
        let error = list.send().await.unwrap_err().into_service_error();
        assert_eq!(error.code(), Some("InvalidToken"), "{error}");
    }
    let unknown = list(&machine).status_filter("DONE".into()).send().await;
    let unknown = unknown.unwrap_err().into_service_error();
    assert_eq!(unknown.code(), Some("ValidationException"));
    assert!(unknown.message().unwrap().contains("DONE"), "{unknown}");
}

#[tokio::test]
async fn machines_are_paged_by_name() {
    let test = Test::start().await;
    for name in ["b", "a", "d", "c"] {
        test.machine(name, &pass()).await;
    }
    let list = || test.sfn.list_state_machines().max_results(2);
    let names = |machines: &[aws_sdk_sfn::types::StateMachineListItem]| {
        let names: Vec<String> = machines
            .iter()
            .map(|machine| machine.name.clone())
            .collect();
        names
    };
    let first = list().send().await.unwrap();
    assert_eq!(names(&first.state_machines), ["a", "b"]);
    // Neither a machine before the place nor the end of the last one moves it.
    test.machine("aa", &pass()).await;
    let last = &first.state_machines[1].state_machine_arn;
    let delete = test.sfn.delete_state_machine().state_machine_arn(last);
    delete.send().await.unwrap();
    let second = list()
        .next_token(first.next_token.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(names(&second.state_machines), ["c", "d"]);
}

#[tokio::test]
async fn ended_executions_are_removed_and_their_names_are_free_again() {
    let test = Test::start().await;
    let machine = test.machine("machine", &wait(600)).await;
    let start = |name: &str| {
        let start = test.sfn.start_execution().state_machine_arn(&machine);
        start.name(name).send()
    };
    let (running, ended) = (start("runs").await.unwrap(), start("ends").await.unwrap());
    let stop = test
        .sfn
        .stop_execution()
        .execution_arn(&ended.execution_arn);
    stop.send().await.unwrap();
    let stopped = test
        .cloud
        .wait(&ended.execution_arn)
        .await
        .unwrap()
        .stopped
        .unwrap();
    // It ended at that moment, not before it.
    assert_eq!(test.cloud.remove_ended(stopped).await.unwrap(), 0);
    let later = asl::Timestamp(stopped.0 + 1);
    assert_eq!(test.cloud.remove_ended(later).await.unwrap(), 1);
    let list = test.sfn.list_executions().state_machine_arn(&machine);
    let list = list.send().await.unwrap().executions;
    assert_eq!(
        (list.len(), &list[0].execution_arn),
        (1, &running.execution_arn)
    );
    let gone = test
        .sfn
        .describe_execution()
        .execution_arn(&ended.execution_arn);
    let gone = gone.send().await.unwrap_err().into_service_error();
    assert_eq!(gone.code(), Some("ExecutionDoesNotExist"));
    let again = start("ends").await.unwrap();
    assert_eq!(again.execution_arn, ended.execution_arn);
    let data = test.dir.path().join("data");
    let in_use = stepfunctions::remove_ended(&data, later)
        .await
        .err()
        .unwrap();
    assert!(
        matches!(in_use, stepfunctions::CloudError::InUse { .. }),
        "{in_use}"
    );
    test.cloud.shutdown().await;
    let removed = stepfunctions::remove_ended(&data, asl::Timestamp(i64::MAX))
        .await
        .unwrap();
    assert_eq!(removed.executions, 0);
}

#[tokio::test]
async fn the_history_is_paged_in_both_directions() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass()).await;
    let arn = test.run(&machine, &json!({})).await.arn;
    let history = || {
        test.sfn
            .get_execution_history()
            .execution_arn(&arn)
            .max_results(3)
    };
    let first = history().send().await.unwrap();
    let ids: Vec<i64> = first.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, [1, 2, 3]);
    let second = history()
        .next_token(first.next_token.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!((second.events.len(), second.next_token), (1, None));
    let reverse = history().reverse_order(true).send().await.unwrap();
    assert_eq!(reverse.events[0].r#type.as_str(), "ExecutionSucceeded");
    let token = reverse.next_token.unwrap();
    let last = history().reverse_order(true).next_token(&token);
    let last = last.send().await.unwrap();
    let ids: Vec<i64> = last.events.iter().map(|event| event.id).collect();
    assert_eq!((ids, last.next_token), (vec![1], None));
    let forward = history().next_token(token).send().await.unwrap_err();
    assert_eq!(forward.into_service_error().code(), Some("InvalidToken"));
}

#[tokio::test]
async fn express_executions_answer_synchronously() {
    let test = Test::start().await;
    let machine = test
        .machine_of("express", &pass(), StateMachineType::Express)
        .await;
    let answer = test
        .post(
            "StartSyncExecution",
            &json!({ "stateMachineArn": machine, "input": "{\"x\":1}" }),
        )
        .await;
    assert_eq!(
        (&answer["status"], &answer["output"]),
        (&json!("SUCCEEDED"), &json!("{\"x\":1}"))
    );
    assert_eq!(
        answer["billingDetails"]["billedDurationInMilliseconds"]
            .as_u64()
            .unwrap()
            % 100,
        0
    );
    let list = test
        .sfn
        .list_executions()
        .state_machine_arn(&machine)
        .send()
        .await
        .unwrap_err();
    assert_eq!(
        list.into_service_error().code(),
        Some("StateMachineTypeNotSupported")
    );
}

#[tokio::test]
async fn subscribers_hear_every_event_in_order() {
    let test = Test::start().await;
    let machine = test.machine("machine", &pass()).await;
    let mut events = test.cloud.subscribe();
    let arn = test.run(&machine, &json!({})).await.arn;
    let mut types = Vec::new();
    while types.last().map(String::as_str) != Some("ExecutionSucceeded") {
        let event = events.recv().await.unwrap();
        assert_eq!(event.execution_arn, arn);
        types.push(event.event["type"].as_str().unwrap().to_owned());
    }
    assert_eq!(
        types,
        [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded"
        ]
    );
}

#[tokio::test]
async fn the_virtual_clock_skips_waiting_but_not_work() {
    let dir = tempfile::tempdir().unwrap();
    let bin_dir = crate::cloud::make_binaries(dir.path(), "probe-function");
    let callback = r#"curl -s "$AWS_ENDPOINT_URL" -H "X-Amz-Target: AWSStepFunctions.SendTaskSuccess" \
        -H "Content-Type: application/x-amz-json-1.0" -d "{\"taskToken\": \"$TASK_TOKEN\", \"output\": \"1\"}""#;
    crate::cloud::write_worker(dir.path(), callback);
    let mut config =
        stepfunctions::Config::new(crate::cloud::stack(), dir.path().join("data"), bin_dir);
    config.clock = stepfunctions::ClockMode::Virtual;
    let cloud = stepfunctions::Cloud::start(config).await.unwrap();
    let sfn = aws_sdk_sfn::Client::new(&crate::cloud::config(cloud.endpoint()));
    let definition = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 86_400, "Next": "Work" },
        "Work": {
            "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken",
            "HeartbeatSeconds": 60, "TimeoutSeconds": 3_600, "End": true,
            "Parameters": {
                "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
                "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
                "Overrides": { "ContainerOverrides": [{
                    "Name": "worker", "Environment": [{ "Name": "TASK_TOKEN", "Value.$": "$$.Task.Token" }],
                }] },
            },
        },
    } });
    let create = sfn
        .create_state_machine()
        .name("machine")
        .definition(definition.to_string());
    let create = create.role_arn("arn:aws:iam::123456789012:role/r");
    let machine = create.send().await.unwrap().state_machine_arn;
    let begun = std::time::Instant::now();
    let arn = cloud
        .start_execution(&machine, "day", &json!({}))
        .await
        .unwrap();
    let ended = cloud.wait(&arn).await.unwrap();
    assert_eq!(
        (ended.status.name(), ended.output()),
        ("SUCCEEDED", Some(json!(1)))
    );
    assert!(ended.stopped.unwrap().0 - ended.started.0 >= 86_400_000_000);
    assert!(begun.elapsed() < std::time::Duration::from_secs(30));
    cloud.shutdown().await;
}

#[tokio::test]
async fn a_folder_serves_one_local_cloud_at_a_time() {
    let test = Test::start().await;
    let folder = test.dir.path().join("data");
    let config =
        || stepfunctions::Config::new(crate::cloud::stack(), folder.clone(), folder.clone());
    let refused = stepfunctions::Cloud::start(config()).await.err().unwrap();
    assert!(
        matches!(refused, stepfunctions::CloudError::InUse { .. }),
        "{refused}"
    );
    test.cloud.shutdown().await;
    stepfunctions::Cloud::start(config())
        .await
        .unwrap()
        .shutdown()
        .await;
}
