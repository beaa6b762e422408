//! Map Runs of Distributed Map states.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeMapRun.html>

use std::sync::Arc;

use asl::{MapRunCounts, MapRunReport, MapRunStatus, MapRunUpdate};
use serde::Deserialize;
use serde_json::{Value, json};

use super::executions::settle;
use super::pages::{Page, Paging};
use crate::arns::{check_execution, check_map_run};
use crate::engine::Engine;
use crate::errors::{internal, invalid, no_resource};
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    execution_arn: String,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// ListMapRuns of an execution, in the order of their start.
pub async fn list(engine: &Arc<Engine>, request: List) -> Result<Value, ServiceError> {
    let execution = request.execution_arn;
    check_execution(&execution)?;
    let machine = engine.describe(&execution)?.state_machine_arn;
    let page: Page<usize> = Paging::new(request.max_results, request.next_token)
        .page(format!("ListMapRuns {execution}"), engine.clock.now())?;
    // Their places do not change: a history only grows.
    let runs = engine.map_runs(&execution).await?.into_iter().enumerate();
    let runs = runs.skip(page.after.map_or(0, |last| last.saturating_add(1)));
    let runs = runs.take(page.fetch()).collect();
    Ok(page.response(
        "mapRuns",
        runs,
        |(place, _)| *place,
        |(_, run): &(usize, MapRunReport)| {
            let mut item = json!({
                "executionArn": execution,
                "mapRunArn": &*run.arn,
                "stateMachineArn": machine,
                "startDate": epoch_seconds(run.started),
            });
            if let Some(stopped) = run.stopped {
                item["stopDate"] = epoch_seconds(stopped);
            }
            item
        },
    ))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Describe {
    map_run_arn: String,
}

/// DescribeMapRun.
pub async fn describe(engine: &Arc<Engine>, request: Describe) -> Result<Value, ServiceError> {
    let arn = request.map_run_arn;
    check_map_run(&arn)?;
    let (execution, run) = find(engine, &arn).await?;
    let mut response = json!({
        "mapRunArn": arn,
        "executionArn": execution,
        "status": run.status.name(),
        "startDate": epoch_seconds(run.started),
        "maxConcurrency": run.max_concurrency,
        "toleratedFailurePercentage": run.tolerated_percentage,
        "toleratedFailureCount": run.tolerated_count,
        "itemCounts": counts_json(&run.items),
        "executionCounts": counts_json(&run.executions),
        "redriveCount": run.redrives,
    });
    for (key, moment) in [("stopDate", run.stopped), ("redriveDate", run.redriven)] {
        if let Some(moment) = moment {
            response[key] = epoch_seconds(moment);
        }
    }
    Ok(response)
}

/// A Map Run, and ARN of the execution that it is of.
async fn find(engine: &Arc<Engine>, arn: &str) -> Result<(String, MapRunReport), ServiceError> {
    let missing = || no_resource(arn);
    settle(engine).await;
    let execution = engine.store.execution_of_map_run(arn).map_err(internal)?;
    let execution = execution.ok_or_else(missing)?;
    let mut runs = engine.map_runs(&execution).await?.into_iter();
    let run = runs.find(|run| *run.arn == *arn).ok_or_else(missing)?;
    Ok((execution, run))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Update {
    map_run_arn: String,
    max_concurrency: Option<u64>,
    tolerated_failure_percentage: Option<f64>,
    tolerated_failure_count: Option<u64>,
}

/// UpdateMapRun: of one that is under way.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateMapRun.html>
pub async fn update(engine: &Arc<Engine>, request: Update) -> Result<Value, ServiceError> {
    let arn = request.map_run_arn;
    check_map_run(&arn)?;
    let update = MapRunUpdate {
        max_concurrency: request.max_concurrency,
        tolerated_count: request.tolerated_failure_count,
        tolerated_percentage: request.tolerated_failure_percentage,
    };
    if update == MapRunUpdate::default() {
        return Err(invalid(
            "At least one of maxConcurrency, toleratedFailurePercentage and toleratedFailureCount must be given",
        ));
    }
    let (execution, run) = find(engine, &arn).await?;
    if run.status != MapRunStatus::Running {
        let status = run.status.name();
        return Err(invalid(format!(
            "The Map Run '{arn}' is {status}: only one that is RUNNING can be updated"
        )));
    }
    engine.update_map_run(&execution, arn, update).await?;
    Ok(json!({}))
}

fn counts_json(counts: &MapRunCounts) -> Value {
    json!({
        "pending": counts.pending,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "timedOut": counts.timed_out,
        "aborted": counts.aborted,
        "total": counts.total(),
        "resultsWritten": counts.results_written,
        "failuresNotRedrivable": 0,
        "pendingRedrive": counts.pending_redrive,
    })
}
