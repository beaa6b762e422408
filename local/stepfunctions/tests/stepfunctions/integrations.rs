use cloud::faults::Faults;
use serde_json::{Value, json};
use stepfunctions::ClockMode;

use crate::cloud::{STATES, Test};

fn cause(ended: &stepfunctions::ExecutionDescription) -> Value {
    serde_json::from_str(ended.cause().unwrap()).unwrap()
}

#[tokio::test]
async fn lambda_answers_in_both_forms() {
    let test = Test::start().await;
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:probe";
    let direct = test
        .task(
            "direct",
            json!({ "Resource": arn, "Arguments": { "x": 1.5 } }),
        )
        .await;
    assert_eq!(direct.output(), Some(json!({ "x": 1.5 })));
    let invoke = json!({ "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "probe", "Payload": { "x": 2 } } });
    let invoked = test.task("invoke", invoke).await;
    let output = invoked.output().unwrap();
    assert_eq!(
        (&output["Payload"], &output["StatusCode"]),
        (&json!({ "x": 2 }), &json!(200))
    );
    assert_eq!(output["ExecutedVersion"], "$LATEST");
    assert_eq!(output["SdkHttpMetadata"]["HttpStatusCode"], 200);
    let types = test.event_types(&invoked.arn).await;
    assert_eq!(
        types[2..5],
        ["TaskScheduled", "TaskStarted", "TaskSucceeded"]
    );
}

#[tokio::test]
async fn lambda_failures_carry_the_functions_own_error() {
    let test = Test::start().await;
    let invoke = |payload: Value| json!({ "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "probe", "Payload": payload } });
    let crashed = test
        .task("crashed", invoke(json!({ "do": "exit", "code": 3 })))
        .await;
    assert_eq!(
        (crashed.status.name(), crashed.error()),
        ("FAILED", Some("Runtime.ExitError"))
    );
    let failed = test.task("failed", invoke(json!({ "do": "fail" }))).await;
    assert_eq!(cause(&failed)["errorMessage"], "this went wrong");
    assert_eq!(failed.error(), cause(&failed)["errorType"].as_str());
    let missing = json!({ "Resource": "arn:aws:states:::lambda:invoke", "Arguments": { "FunctionName": "nobody" } });
    let missing = test.task("missing", missing).await;
    assert_eq!(missing.error(), Some("Lambda.ResourceNotFoundException"));
}

fn run_task(extra: &Value) -> Value {
    let mut arguments = json!({
        "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
        "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
    });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    arguments
}

#[tokio::test]
async fn an_ecs_task_runs_to_its_end_and_its_exit_code_counts() {
    let test = Test::start().await;
    test.worker("exit ${CODE:-0}");
    let resource = "arn:aws:states:::ecs:runTask.sync";
    let good = test
        .task(
            "good",
            json!({ "Resource": resource, "Arguments": run_task(&json!({})) }),
        )
        .await;
    let output = good.output().unwrap();
    assert_eq!(
        (&output["LastStatus"], &output["Containers"][0]["ExitCode"]),
        (&json!("STOPPED"), &json!(0))
    );
    assert_eq!(output["StartedBy"], "AWS Step Functions");
    let types = test.event_types(&good.arn).await;
    assert_eq!(
        types[2..6],
        [
            "TaskScheduled",
            "TaskStarted",
            "TaskSubmitted",
            "TaskSucceeded"
        ]
    );

    let code = json!({ "Overrides": { "ContainerOverrides": [{ "Name": "worker", "Environment": [{ "Name": "CODE", "Value": "3" }] }] } });
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Run", "States": {
        "Run": {
            "Type": "Task", "Resource": resource, "Arguments": run_task(&code), "End": true,
            "Catch": [{ "ErrorEquals": ["States.TaskFailed"], "Next": "Caught", "Output": "{% $parse($states.errorOutput.Cause) %}" }],
        },
        "Caught": { "Type": "Pass", "End": true },
    } });
    let machine = test.machine("bad", &definition).await;
    let caught = test.run(&machine, &json!({})).await.output().unwrap();
    assert_eq!(caught["Containers"][0]["ExitCode"], 3);
    assert_eq!(caught["StopCode"], "EssentialContainerExited");
}

#[tokio::test]
async fn what_a_fault_lost_ends_by_the_time_limit_of_its_state() {
    let actions = [
        "ecs:RunTask",
        "batch:SubmitJob",
        "states:StartExecution",
        "lambda:Invoke",
    ];
    // The first StartExecution of each test is the test's own.
    let skip = |action: &str| u32::from(action == "states:StartExecution") * 4;
    let faults = actions.map(|at| json!({ "at": at, "do": "lose", "skip": skip(at) }));
    let faults = json!({ "faults": faults }).to_string();
    let test = Test::with(|config| {
        config.faults = Faults::parse(&faults).unwrap();
        config.clock = ClockMode::Virtual;
    })
    .await;
    let job = json!({ "JobName": "job", "JobQueue": "on-demand", "JobDefinition": "worker" });
    let child =
        json!({ "StateMachineArn": format!("{STATES}:stateMachine:child"), "Name": "child" });
    let invoke = json!({ "FunctionName": "probe" });
    for (name, resource, arguments, error) in [
        (
            "task",
            "ecs:runTask.sync",
            run_task(&json!({})),
            "States.Timeout",
        ),
        ("job", "batch:submitJob.sync", job, "States.Timeout"),
        (
            "invocation",
            "lambda:invoke",
            invoke,
            "Lambda.ClientExecutionTimeoutException",
        ),
        (
            "child",
            "states:startExecution.sync:2",
            child,
            "States.Timeout",
        ),
    ] {
        let resource = format!("arn:aws:states:::{resource}");
        let state =
            json!({ "Resource": resource, "Arguments": arguments, "TimeoutSeconds": 86_400 });
        let ended = test.task(name, state).await;
        assert_eq!(ended.error(), Some(error), "{name}");
    }
    assert!(test.cloud.compute().faults.unstruck().is_empty());
}

#[tokio::test]
async fn every_local_service_is_called_by_its_sdk_integration() {
    let test = Test::start().await;
    let schedule = json!({
        "Name": "later", "ScheduleExpression": "rate(1 days)", "FlexibleTimeWindow": { "Mode": "OFF" },
        "Target": { "Arn": format!("{STATES}:stateMachine:m"), "RoleArn": "r" },
    });
    let machine = json!({ "StateMachineArn": format!("{STATES}:stateMachine:sts") });
    for (name, action, arguments, member, expected) in [
        (
            "sts",
            "sts:getCallerIdentity",
            json!({}),
            "Account",
            json!("123456789012"),
        ),
        (
            "create",
            "scheduler:createSchedule",
            schedule,
            "ScheduleArn",
            json!("arn:aws:scheduler:us-east-1:123456789012:schedule/default/later"),
        ),
        (
            "get",
            "scheduler:getSchedule",
            json!({ "Name": "later" }),
            "GroupName",
            json!("default"),
        ),
        (
            "versions",
            "sfn:listStateMachineVersions",
            machine,
            "StateMachineVersions",
            json!([]),
        ),
        (
            "rules",
            "eventbridge:listRules",
            json!({}),
            "Rules",
            Value::Null,
        ),
    ] {
        let resource = format!("arn:aws:states:::aws-sdk:{action}");
        let state = json!({ "Resource": resource, "Arguments": arguments });
        let ended = test.task(name, state).await;
        let output = ended
            .output()
            .unwrap_or_else(|| panic!("{name}: {:?}", ended.cause()));
        match expected {
            Value::Null => assert!(output[member].is_array(), "{output}"),
            expected => assert_eq!(output[member], expected, "{name}"),
        }
    }
    let state =
        json!({ "Resource": "arn:aws:states:::aws-sdk:ecs:listClusters", "Arguments": [1] });
    let ended = test.task("array", state).await;
    assert_eq!(ended.error(), Some("States.Runtime"));
}

#[tokio::test]
async fn a_task_that_times_out_stops_its_ecs_task() {
    let test = Test::start().await;
    test.worker("exec sleep 600");
    let state = json!({ "Resource": "arn:aws:states:::ecs:runTask.sync", "Arguments": run_task(&json!({ "ClientToken": "mine" })), "TimeoutSeconds": 1 });
    let ended = test.task("slow", state).await;
    assert_eq!(ended.error(), Some("States.Timeout"));
    let task = test
        .cloud
        .compute()
        .ecs
        .find("mine")
        .unwrap()
        .stopped()
        .await;
    assert_eq!(task["stoppedReason"], "Aborted by Step Functions");
}

#[tokio::test]
async fn ecs_errors_are_named() {
    let test = Test::start().await;
    let arguments = run_task(&json!({ "Cluster": "nowhere" }));
    let ended = test
        .task(
            "bad",
            json!({ "Resource": "arn:aws:states:::ecs:runTask.sync", "Arguments": arguments }),
        )
        .await;
    assert_eq!(ended.error(), Some("ECS.ClusterNotFoundException"));
}

#[tokio::test]
async fn a_batch_job_runs_to_its_end_and_its_exit_code_counts() {
    let test = Test::start().await;
    test.worker("exit ${CODE:-0}");
    let submit = |code: &str| {
        json!({
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Arguments": {
                "JobName": "job", "JobQueue": "on-demand", "JobDefinition": "worker",
                "ContainerOverrides": { "Environment": [{ "Name": "CODE", "Value": code }] },
            },
        })
    };
    let good = test.task("good", submit("0")).await;
    let output = good.output().unwrap();
    assert_eq!(
        (&output["Status"], &output["Container"]["ExitCode"]),
        (&json!("SUCCEEDED"), &json!(0))
    );
    let bad = test.task("bad", submit("3")).await;
    assert_eq!(bad.error(), Some("States.TaskFailed"));
    assert_eq!(
        (
            &cause(&bad)["Status"],
            &cause(&bad)["Container"]["ExitCode"]
        ),
        (&json!("FAILED"), &json!(3))
    );
}

#[tokio::test]
async fn an_array_job_is_waited_for_and_fails_with_a_child() {
    let test = Test::start().await;
    test.worker(r#"[ "$AWS_BATCH_JOB_ARRAY_INDEX" != "$BAD" ]"#);
    let submit = |bad: &str| {
        json!({
            "Resource": "arn:aws:states:::batch:submitJob.sync",
            "Arguments": {
                "JobName": "job", "JobQueue": "on-demand", "JobDefinition": "worker",
                "ArrayProperties": { "Size": 3 },
                "ContainerOverrides": { "Environment": [{ "Name": "BAD", "Value": bad }] },
            },
        })
    };
    let good = test.task("good", submit("none")).await;
    let summary = &good.output().unwrap()["ArrayProperties"];
    assert_eq!(summary["Size"], 3);
    assert_eq!(summary["StatusSummary"]["SUCCEEDED"], 3, "{summary}");
    let bad = test.task("bad", submit("1")).await;
    assert_eq!(bad.error(), Some("States.TaskFailed"));
    let summary = cause(&bad)["ArrayProperties"]["StatusSummary"].clone();
    assert_eq!(
        (&summary["SUCCEEDED"], &summary["FAILED"]),
        (&json!(2), &json!(1))
    );
}

#[tokio::test]
async fn executions_nest() {
    let test = Test::start().await;
    let inner = json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "Result": { "deep": 1 }, "End": true } } });
    let inner = test.machine("inner", &inner).await;
    let failing = json!({ "StartAt": "Fail", "States": { "Fail": { "Type": "Fail", "Error": "Own.Error" } } });
    let failing = test.machine("failing", &failing).await;
    let start = |machine: &str, pattern: &str| {
        json!({
            "Resource": format!("arn:aws:states:::states:startExecution{pattern}"),
            "Arguments": { "StateMachineArn": machine, "Input": { "x": 1 } },
        })
    };
    let text = test
        .task("text", start(&inner, ".sync"))
        .await
        .output()
        .unwrap();
    assert_eq!(
        (&text["Status"], &text["Output"]),
        (&json!("SUCCEEDED"), &json!("{\"deep\":1}"))
    );
    let parsed = test
        .task("parsed", start(&inner, ".sync:2"))
        .await
        .output()
        .unwrap();
    assert_eq!(
        (&parsed["Output"], &parsed["Input"]),
        (&json!({ "deep": 1 }), &json!({ "x": 1 }))
    );
    let started = test
        .task("started", start(&inner, ""))
        .await
        .output()
        .unwrap();
    assert!(
        started["ExecutionArn"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{STATES}:execution:inner:"))
    );
    let failed = test.task("failed", start(&failing, ".sync:2")).await;
    assert_eq!(failed.error(), Some("States.TaskFailed"));
    assert_eq!(cause(&failed)["Error"], "Own.Error");
}

#[tokio::test]
async fn events_start_what_their_rules_name() {
    let test = Test::start().await;
    let target =
        json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } } });
    test.machine("target", &target).await;
    let mut events = test.cloud.subscribe();
    let put = json!({
        "Resource": "arn:aws:states:::events:putEvents",
        "Arguments": { "Entries": [{ "Source": "test", "DetailType": "Order", "Detail": { "id": 7 } }] },
    });
    let sent = test.task("put", put).await.output().unwrap();
    assert_eq!(sent["FailedEntryCount"], 0);
    loop {
        let event = events.recv().await.unwrap();
        if event.execution_arn.contains(":target:") && event.event["type"] == "ExecutionStarted" {
            let input = event.event["executionStartedEventDetails"]["input"]
                .as_str()
                .unwrap();
            let input: Value = serde_json::from_str(input).unwrap();
            assert_eq!(input["detail"], json!({ "id": 7 }));
            break;
        }
    }
}

#[tokio::test]
async fn sdk_integrations_call_the_local_services() {
    let test = Test::start().await;
    let call = |call: &str, arguments: Value| json!({ "Resource": format!("arn:aws:states:::aws-sdk:{call}"), "Arguments": arguments });
    let object = |extra: Value| {
        let mut arguments = json!({ "Bucket": "bucket", "Key": "a/b.json" });
        arguments
            .as_object_mut()
            .unwrap()
            .extend(extra.as_object().unwrap().clone());
        arguments
    };
    let put = test
        .task(
            "put",
            call("s3:putObject", object(json!({ "Body": { "n": 1 } }))),
        )
        .await;
    assert!(put.output().unwrap()["ETag"].is_string());
    let got = test
        .task("get", call("s3:getObject", object(json!({}))))
        .await
        .output()
        .unwrap();
    assert_eq!(
        (&got["Body"], &got["ContentLength"]),
        (&json!("{\"n\":1}"), &json!(7))
    );
    let list = test
        .task(
            "list",
            call(
                "s3:listObjectsV2",
                json!({ "Bucket": "bucket", "Prefix": "a/" }),
            ),
        )
        .await
        .output()
        .unwrap();
    assert_eq!(
        (&list["KeyCount"], &list["Contents"][0]["Key"]),
        (&json!(1), &json!("a/b.json"))
    );
    test.task("delete", call("s3:deleteObject", object(json!({}))))
        .await;
    let gone = test
        .task("gone", call("s3:getObject", object(json!({}))))
        .await;
    assert_eq!(gone.error(), Some("S3.NoSuchKeyException"));
    let unknown = test
        .task(
            "unknown",
            call(
                "sfn:describeExecution",
                json!({ "ExecutionArn": format!("{STATES}:execution:m:x") }),
            ),
        )
        .await;
    assert_eq!(unknown.error(), Some("Sfn.ExecutionDoesNotExistException"));
    let machines = test
        .task("machines", call("sfn:listStateMachines", json!({})))
        .await
        .output()
        .unwrap();
    assert_eq!(machines["StateMachines"].as_array().unwrap().len(), 7);
    let clusters = test
        .task("clusters", call("ecs:listClusters", json!({})))
        .await
        .output()
        .unwrap();
    assert_eq!(
        clusters["ClusterArns"][0],
        "arn:aws:ecs:us-east-1:123456789012:cluster/main"
    );
}

#[tokio::test]
async fn what_is_not_here_is_named() {
    let test = Test::start().await;
    let ended = test.task("glue", json!({ "Resource": "arn:aws:states:::glue:startJobRun.sync", "Arguments": { "JobName": "x" } })).await;
    assert_eq!(ended.error(), Some("States.Runtime"));
    assert!(ended.cause().unwrap().contains("glue:startJobRun.sync"));
}

#[tokio::test]
async fn a_worker_calls_back_with_its_token() {
    let test = Test::start().await;
    test.worker(
        r#"curl -s "$AWS_ENDPOINT_URL" -H "X-Amz-Target: AWSStepFunctions.SendTaskSuccess" \
           -H "Content-Type: application/x-amz-json-1.0" -d "{\"taskToken\": \"$TASK_TOKEN\", \"output\": \"{\\\"rows\\\": 3}\"}""#,
    );
    let token = json!({ "Name": "TASK_TOKEN", "Value": "{% $states.context.Task.Token %}" });
    let overrides = json!({ "ContainerOverrides": [{ "Name": "worker", "Environment": [token] }] });
    let arguments = run_task(&json!({ "Overrides": overrides }));
    let ended = test.task("callback", json!({ "Resource": "arn:aws:states:::ecs:runTask.waitForTaskToken", "Arguments": arguments })).await;
    assert_eq!(ended.output(), Some(json!({ "rows": 3 })));
}
