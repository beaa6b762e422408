//! A local cloud that is killed goes on where it was.

use serde_json::json;

use crate::cloud::{code, write_worker};
use crate::server::{Server, folder, pipe, reader_of};

/// A worker that leaves a line, goes on until it is let go, and answers its token.
const CALLS_BACK: &str = r#"echo run >> "$MARKS"; cat "$GO${AWS_BATCH_JOB_ID:+-job}"
curl -s "$AWS_ENDPOINT_URL" -H "X-Amz-Target: AWSStepFunctions.SendTaskSuccess" \
  -H "Content-Type: application/x-amz-json-1.0" -d "{\"taskToken\": \"$TOKEN\", \"output\": \"1\"}""#;

#[tokio::test]
async fn callbacks_timers_and_history_survive_a_kill() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Both", "States": { "Both": {
        "Type": "Parallel", "End": true, "Branches": [
            { "StartAt": "First", "States": {
                "First": { "Type": "Task", "Resource": activity, "Next": "Second" },
                "Second": { "Type": "Task", "Resource": activity, "End": true },
            } },
            { "StartAt": "Wait", "States": {
                "Wait": { "Type": "Wait", "Seconds": 2, "Next": "Id" },
                "Id": { "Type": "Pass", "Output": "{% $uuid() %}", "End": true },
            } },
        ],
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!({ "n": 1 })).await;
    let first = server.fetch(&activity).await;
    server.succeed(&first, "1").await;
    let second = server.fetch(&activity).await;
    let before = server.types(&execution).await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.types(&execution).await[..before.len()], before);
    // The token that the worker got before the kill is still its token.
    server.succeed(&second, "2").await;
    let output = server.output(&execution).await;
    assert_eq!(
        (&output[0], output[1].as_str().map(str::len)),
        (&json!(2), Some(36))
    );
    let ended = server.types(&execution).await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.types(&execution).await, ended);
    assert_eq!(server.output(&execution).await, output);
}

#[tokio::test]
async fn a_running_container_is_found_again_and_finished_work_is_not_repeated() {
    let dir = folder();
    // Each run leaves a line and goes on until it is let go.
    let (marks, go) = (dir.path().join("marks"), dir.path().join("go"));
    pipe(&go);
    let script = format!("echo run >> {}; cat {}", marks.display(), go.display());
    write_worker(dir.path(), &script);
    let server = Server::start(dir.path());
    let definition = json!({ "StartAt": "Map", "States": { "Map": { "Type": "Map", "Next": "Run", "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "End": true } },
    } }, "Run": {
        "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync", "OutputPath": "$.Containers[0].ExitCode", "End": true,
        "Parameters": {
            "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
            "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
        },
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!([1, 2, 3])).await;
    let running = reader_of(&go).await;
    let map_runs = |types: Vec<String>| {
        types
            .iter()
            .filter(|kind| *kind == "MapRunSucceeded")
            .count()
    };
    assert_eq!(map_runs(server.types(&execution).await), 1);
    server.kill();

    let server = Server::start(dir.path());
    drop(running);
    assert_eq!(server.output(&execution).await, json!(0));
    assert_eq!(map_runs(server.types(&execution).await), 1);
    assert_eq!(std::fs::read_to_string(&marks).unwrap().lines().count(), 1);
}

#[tokio::test]
async fn an_interrupted_function_is_invoked_again() {
    let dir = folder();
    let server = Server::start(dir.path());
    let lines = dir.path().join("lines");
    let definition = json!({ "StartAt": "Sleep", "States": {
        "Sleep": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:probe",
            "Parameters": { "do": "sleep", "ms": 700 }, "Next": "Append",
        },
        "Append": {
            "Type": "Task", "Resource": "arn:aws:lambda:us-east-1:123456789012:function:probe",
            "Parameters": { "do": "append", "path": lines, "until": 1 }, "End": true,
        },
    } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!({})).await;
    server.event("LambdaFunctionStarted").await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.output(&execution).await, json!(null));
    let expected = [
        "ExecutionStarted",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "TaskStateEntered",
        "LambdaFunctionScheduled",
        "LambdaFunctionStarted",
        "LambdaFunctionSucceeded",
        "TaskStateExited",
        "ExecutionSucceeded",
    ];
    assert_eq!(server.types(&execution).await, expected);
    assert_eq!(std::fs::read_to_string(&lines).unwrap().lines().count(), 1);
}

/// Jobs of the dispatcher's kind: no state asks for them again, their token is all that is known.
#[tokio::test]
async fn jobs_that_nobody_asks_for_again_run_after_an_orderly_stop() {
    let dir = folder();
    let (marks, go) = (dir.path().join("marks"), dir.path().join("go"));
    let pipes = [go.clone(), dir.path().join("go-job")];
    pipes.iter().for_each(|path| pipe(path));
    let (of_marks, of_go) = (marks.display(), go.display());
    let script = format!("MARKS='{of_marks}' GO='{of_go}'\n{CALLS_BACK}");
    write_worker(dir.path(), &script);
    let token = json!([{ "Name": "TOKEN", "Value": "{% $states.context.Task.Token %}" }]);
    let task = json!({
        "Cluster": "main", "TaskDefinition": "worker", "LaunchType": "FARGATE",
        "NetworkConfiguration": { "AwsvpcConfiguration": { "Subnets": ["subnet-1"] } },
        "Overrides": { "ContainerOverrides": [{ "Name": "worker", "Environment": token }] },
    });
    let job = json!({
        "JobName": "job", "JobQueue": "on-demand", "JobDefinition": "worker",
        "ContainerOverrides": { "Environment": token },
    });
    let branch = |name: &str, resource: &str, arguments| {
        json!({ "StartAt": name, "States": { name: {
            "Type": "Task", "Resource": format!("arn:aws:states:::{resource}.waitForTaskToken"),
            "Arguments": arguments, "End": true,
        } } })
    };
    let definition = json!({ "QueryLanguage": "JSONata", "StartAt": "Both", "States": { "Both": {
        "Type": "Parallel", "End": true,
        "Branches": [branch("Task", "ecs:runTask", task), branch("Job", "aws-sdk:batch:submitJob", job)],
    } } });
    let server = Server::start(dir.path());
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!({})).await;
    let [task, job] = [reader_of(&pipes[0]).await, reader_of(&pipes[1]).await];
    // Else it might be stopped before the service's answer is in its log, and is asked for again.
    for _ in 0..2 {
        server.event("TaskSubmitted").await;
    }
    assert!(server.stop().success());
    drop((task, job));

    let server = Server::start(dir.path());
    for pipe in &pipes {
        drop(reader_of(pipe).await);
    }
    assert_eq!(server.output(&execution).await, json!([1, 1]));
    let runs = std::fs::read_to_string(&marks).unwrap();
    assert_eq!(
        runs.lines().count(),
        4,
        "each was started once before and once after"
    );
}

#[tokio::test]
async fn a_map_run_of_express_children_is_known_after_a_restart() {
    let dir = folder();
    let server = Server::start(dir.path());
    let choice = json!({ "Variable": "$", "NumericGreaterThan": 3, "Next": "Fail" });
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" },
        "StartAt": "Which", "States": {
            "Which": { "Type": "Choice", "Choices": [choice], "Default": "Pass" },
            "Pass": { "Type": "Pass", "End": true },
            "Fail": { "Type": "Fail", "Error": "Own.Error" },
        },
    });
    let definition = json!({ "StartAt": "Map", "States": { "Map": {
        "Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 2, "ToleratedFailurePercentage": 50, "End": true,
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!([1, 2, 3, 4])).await;
    server.output(&execution).await;
    let runs = async |server: &Server| {
        let runs = server.sfn.list_map_runs().execution_arn(&execution);
        let arn = runs.send().await.unwrap().map_runs.remove(0).map_run_arn;
        let run = server.sfn.describe_map_run().map_run_arn(arn);
        run.send().await.unwrap()
    };
    let before = runs(&server).await;
    server.kill();
    let server = Server::start(dir.path());
    let after = runs(&server).await;
    assert_eq!(
        (&after.execution_counts, &after.item_counts, after.stop_date),
        (
            &before.execution_counts,
            &before.item_counts,
            before.stop_date
        )
    );
    let counts = before.execution_counts.unwrap();
    assert_eq!((counts.total, counts.succeeded, counts.failed), (4, 3, 1));
    assert_eq!(before.status.as_str(), "SUCCEEDED");
    assert_eq!(
        (before.max_concurrency, before.tolerated_failure_percentage),
        (2, 50.0)
    );
    let unknown = server.sfn.describe_map_run();
    let unknown = unknown.map_run_arn(format!("{}x", before.map_run_arn));
    assert_eq!(code(unknown.send().await), "ResourceNotFound");
}
