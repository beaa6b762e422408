//! Executions that did not succeed go on where they stopped.

use aws_sdk_sfn::types::{
    ExecutionRedriveFilter, ExecutionRedriveStatus, ExecutionStatus, MapRunStatus, StateMachineType,
};
use serde_json::{Value, json};

use crate::cloud::{Test, code, pass};
use crate::server::{Server, folder};

/// Events of an execution whose activity failed, and succeeded when it was redriven.
const REDRIVEN: [&str; 12] = [
    "ExecutionStarted",
    "TaskStateEntered",
    "ActivityScheduled",
    "ActivityStarted",
    "ActivityFailed",
    "ExecutionFailed",
    "ExecutionRedriven",
    "ActivityScheduled",
    "ActivityStarted",
    "ActivitySucceeded",
    "TaskStateExited",
    "ExecutionSucceeded",
];

fn asking(activity: &str) -> Value {
    json!({ "StartAt": "Task", "States": { "Task": { "Type": "Task", "Resource": activity, "End": true } } })
}

async fn fail(sfn: &aws_sdk_sfn::Client, token: String) {
    let fail = sfn.send_task_failure().task_token(token).error("Broken");
    fail.send().await.unwrap();
}

#[tokio::test]
async fn a_redriven_execution_goes_on_under_its_arn() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let machine = test.asking(&activity).await;
    let arn = test.start_execution(&machine, &json!({})).await;
    let redrive = || test.sfn.redrive_execution().execution_arn(&arn);
    let describe = async || {
        let describe = test.sfn.describe_execution().execution_arn(&arn);
        describe.send().await.unwrap()
    };
    assert_eq!(code(redrive().send().await), "ExecutionNotRedrivable");
    fail(&test.sfn, test.fetch(&activity).await).await;
    test.cloud.wait(&arn).await.unwrap();
    let described = describe().await;
    assert_eq!(
        described.redrive_status,
        Some(ExecutionRedriveStatus::Redrivable)
    );
    assert_eq!(
        (described.redrive_count, described.redrive_date),
        (Some(0), None)
    );

    let once = redrive().client_token("once").send().await.unwrap();
    let again = redrive().client_token("once").send().await.unwrap();
    assert_eq!(once.redrive_date, again.redrive_date);
    let other = redrive().client_token("other").send().await;
    assert_eq!(code(other), "ExecutionNotRedrivable");
    let described = describe().await;
    assert_eq!(described.status, ExecutionStatus::Running);
    assert_eq!(described.stop_date, None);
    assert_eq!(
        (described.redrive_count, described.redrive_date),
        (Some(1), Some(once.redrive_date))
    );
    assert_eq!(
        described.redrive_status_reason.as_deref(),
        Some("Execution is RUNNING and cannot be redriven")
    );
    test.succeed(&test.fetch(&activity).await, "7")
        .await
        .unwrap();
    assert_eq!(
        test.cloud.wait(&arn).await.unwrap().output(),
        Some(json!(7))
    );
    assert_eq!(code(redrive().send().await), "ExecutionNotRedrivable");
    assert_eq!(test.event_types(&arn).await, REDRIVEN);

    test.start_execution(&machine, &json!({})).await;
    let listed = async |filter| {
        let list = test.sfn.list_executions().state_machine_arn(&machine);
        let list = list.redrive_filter(filter).send().await.unwrap();
        let executions = list.executions.into_iter();
        executions
            .map(|execution| execution.redrive_count)
            .collect::<Vec<_>>()
    };
    assert_eq!(listed(ExecutionRedriveFilter::Redriven).await, [Some(1)]);
    assert_eq!(listed(ExecutionRedriveFilter::NotRedriven).await, [Some(0)]);

    let unknown = test
        .sfn
        .redrive_execution()
        .execution_arn(format!("{arn}x"));
    assert_eq!(code(unknown.send().await), "ExecutionDoesNotExist");
    let malformed = test.sfn.redrive_execution().execution_arn("x");
    assert_eq!(code(malformed.send().await), "InvalidArn");
    let express = test
        .machine_of("express", &pass(1), StateMachineType::Express)
        .await;
    let express = test.run(&express, &json!({})).await.arn;
    let express = test.sfn.redrive_execution().execution_arn(express);
    assert_ne!(code(express.send().await), "");
}

#[tokio::test]
async fn a_redrive_survives_a_kill() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let machine = server.machine(&asking(&activity)).await;
    let execution = server.execution(&machine, &json!({})).await;
    fail(&server.sfn, server.fetch(&activity).await).await;
    server.event("ExecutionFailed").await;
    server.kill();

    // It is no longer in memory.
    let server = Server::start(dir.path());
    let redrive = server.sfn.redrive_execution().execution_arn(&execution);
    redrive.client_token("once").send().await.unwrap();
    let token = server.fetch(&activity).await;
    let before = server.types(&execution).await;
    server.kill();

    let server = Server::start(dir.path());
    assert_eq!(server.types(&execution).await, before);
    let again = server.sfn.redrive_execution().execution_arn(&execution);
    again.client_token("once").send().await.unwrap();
    server.succeed(&token, "7").await;
    assert_eq!(server.output(&execution).await, json!(7));
    let described = server.sfn.describe_execution().execution_arn(&execution);
    assert_eq!(described.send().await.unwrap().redrive_count, Some(1));
}

#[tokio::test]
async fn a_map_run_redrives_its_children() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let mut processor = asking(&activity);
    processor["ProcessorConfig"] = json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" });
    let definition = json!({ "StartAt": "Map", "States": { "Map": {
        "Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 1, "End": true,
    } } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!([1, 2])).await;
    server.succeed(&server.fetch(&activity).await, "1").await;
    fail(&server.sfn, server.fetch(&activity).await).await;
    while server.event("ExecutionFailed").await != execution {}

    let runs = server.sfn.list_map_runs().execution_arn(&execution);
    let map_run = runs.send().await.unwrap().map_runs.remove(0).map_run_arn;
    let children = async |server: &Server| {
        let list = server.sfn.list_executions().map_run_arn(&map_run);
        let mut children = list.send().await.unwrap().executions;
        children.sort_by_key(|child| child.redrive_count);
        children
    };
    let before = children(&server).await;
    let failed = before
        .iter()
        .find(|child| child.status == ExecutionStatus::Failed);
    let failed = failed.unwrap().execution_arn.clone();
    let describe = server.sfn.describe_execution().execution_arn(&failed);
    let status = describe.send().await.unwrap().redrive_status;
    assert_eq!(status, Some(ExecutionRedriveStatus::RedrivableByMapRun));
    let alone = server.sfn.redrive_execution().execution_arn(&failed);
    assert_eq!(code(alone.send().await), "ExecutionNotRedrivable");

    let redrive = server.sfn.redrive_execution().execution_arn(&execution);
    redrive.send().await.unwrap();
    let token = server.fetch(&activity).await;
    server.kill();
    let server = Server::start(dir.path());
    server.succeed(&token, "2").await;
    assert_eq!(server.output(&execution).await, json!([1, 2]));
    let after = children(&server).await;
    let told =
        |child: &aws_sdk_sfn::types::ExecutionListItem| (child.status.clone(), child.redrive_count);
    let told: Vec<_> = after.iter().map(told).collect();
    let succeeded = ExecutionStatus::Succeeded;
    assert_eq!(told, [(succeeded.clone(), Some(0)), (succeeded, Some(1))]);
    assert_eq!(after[1].execution_arn, failed);
    assert_eq!(server.types(&failed).await, REDRIVEN);
    let run = server.sfn.describe_map_run().map_run_arn(&map_run);
    let run = run.send().await.unwrap();
    assert_eq!(
        (run.status, run.redrive_count),
        (MapRunStatus::Succeeded, Some(1))
    );
    assert_eq!(run.execution_counts.unwrap().succeeded, 2);
    let update = server.sfn.update_map_run().map_run_arn(&map_run);
    assert_eq!(
        code(update.max_concurrency(2).send().await),
        "ValidationException"
    );
}

#[tokio::test]
async fn a_map_run_under_way_takes_other_limits() {
    let test = Test::start().await;
    let activity = test.activity("work").await;
    let mut processor = asking(&activity);
    processor["ProcessorConfig"] = json!({ "Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS" });
    processor["States"]["Task"] = json!({ "Type": "Wait", "Seconds": 3_600, "End": true });
    let definition = json!({ "StartAt": "Map", "States": { "Map": {
        "Type": "Map", "ItemProcessor": processor, "MaxConcurrency": 1, "End": true,
    } } });
    let machine = test.machine("machine", &definition).await;
    let execution = test.start_execution(&machine, &json!([1, 2, 3])).await;
    let runs = test.sfn.list_map_runs().execution_arn(&execution);
    let arn = runs.send().await.unwrap().map_runs.remove(0).map_run_arn;
    let describe = async || {
        let describe = test.sfn.describe_map_run().map_run_arn(&arn);
        describe.send().await.unwrap()
    };
    assert_eq!(describe().await.execution_counts.unwrap().running, 1);
    let update = || test.sfn.update_map_run().map_run_arn(&arn);
    let limits = update()
        .max_concurrency(2)
        .tolerated_failure_percentage(12.5);
    limits.tolerated_failure_count(1).send().await.unwrap();
    let run = describe().await;
    assert_eq!((run.max_concurrency, run.tolerated_failure_count), (2, 1));
    assert_eq!(
        (
            run.tolerated_failure_percentage,
            run.execution_counts.unwrap().running
        ),
        (12.5, 2)
    );
    assert_eq!(code(update().send().await), "ValidationException");
    assert_eq!(
        code(update().max_concurrency(-1).send().await),
        "ValidationException"
    );
    let unknown = test.sfn.update_map_run().map_run_arn(format!("{arn}x"));
    assert_eq!(
        code(unknown.max_concurrency(1).send().await),
        "ResourceNotFound"
    );
}
