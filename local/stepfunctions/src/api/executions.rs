//! Executions.

use std::sync::Arc;
use std::time::Duration;

use asl::{ExecutionType, HistoryEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Page, Paging};
use super::request::{parse_input, read};
use crate::engine::Engine;
use crate::errors::{internal, invalid, no_execution, not_of_this_type};
use crate::launch::StartRequest;
use crate::names::check_name;
use crate::store::{ListedRow, Listing};
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

/// StartExecution; `call` names the call of a Task state that asks for it.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
pub async fn start(
    engine: &Arc<Engine>,
    asked: Value,
    call: Option<&str>,
) -> Result<Value, ServiceError> {
    let request: Start = read(asked.clone())?;
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let request = StartRequest {
        machine: &request.state_machine_arn,
        name: request.name.as_deref(),
        input: parse_input(request.input.as_deref())?,
        call,
        asked: &asked,
    };
    let started = engine.start_requested(request).await?;
    Ok(json!({ "executionArn": started.arn, "startDate": epoch_seconds(started.at) }))
}

/// StartSyncExecution: Express machines only; answers with the outcome.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartSyncExecution.html>
pub async fn start_sync(engine: &Arc<Engine>, request: Start) -> Result<Value, ServiceError> {
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let machine = engine.machine(&request.state_machine_arn)?;
    if machine.row.kind != ExecutionType::Express {
        return Err(not_of_this_type());
    }
    let input = parse_input(request.input.as_deref())?;
    let run = engine
        .start_execution(&request.state_machine_arn, request.name.as_deref(), input)
        .await?;
    run.wait().await;
    let description = engine.describe(&run.start.arn)?;
    let mut response = description.to_json();
    let elapsed = description.stopped.map_or(0, |stopped| {
        (stopped.0 - description.started.0).unsigned_abs() / 1_000
    });
    // Express duration is billed in steps of 100 ms and 64 MB: <https://aws.amazon.com/step-functions/pricing/>
    response["billingDetails"] = json!({ "billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": elapsed.div_ceil(100) * 100 });
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Stop {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

/// StopExecution; one that has ended is no error.
pub async fn stop(engine: &Arc<Engine>, request: Stop) -> Result<Value, ServiceError> {
    let stopped = engine
        .stop_execution(&request.execution_arn, request.error, request.cause)
        .await?;
    Ok(json!({ "stopDate": epoch_seconds(stopped) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByArn {
    execution_arn: String,
}

/// DescribeExecution.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
pub fn describe(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let description = engine.describe(&request.execution_arn)?;
    let mut response = description.to_json();
    response["redriveCount"] = json!(0);
    Ok(response)
}

/// DescribeStateMachineForExecution: the definition the execution runs, not the machine's latest.
pub fn describe_machine(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let arn = &request.execution_arn;
    let description = engine.describe(arn)?;
    let row = engine
        .store
        .execution(arn)
        .map_err(internal)?
        .ok_or_else(|| no_execution(arn))?;
    let definition = engine.definition_of(&row)?;
    let updated = engine
        .machine(&description.state_machine_arn)
        .map_or(row.started, |machine| machine.row.updated);
    let mut response = json!({
        "stateMachineArn": description.state_machine_arn,
        "name": &*row.start.state_machine_name,
        "definition": definition,
        "roleArn": &*row.start.role_arn,
        "updateDate": epoch_seconds(updated),
    });
    if let Some(map_run) = row.map_run {
        response["mapRunArn"] = json!(map_run);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct List {
    state_machine_arn: Option<String>,
    map_run_arn: Option<String>,
    status_filter: Option<StatusFilter>,
    #[serde(flatten)]
    paging: Paging,
}

/// The statuses that can be asked for.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum StatusFilter {
    Running,
    Succeeded,
    Failed,
    TimedOut,
    Aborted,
    /// That of children whose Map Run is redriven; nothing is redriven here.
    PendingRedrive,
}

impl StatusFilter {
    fn name(self) -> &'static str {
        match self {
            StatusFilter::Running => "RUNNING",
            StatusFilter::Succeeded => "SUCCEEDED",
            StatusFilter::Failed => "FAILED",
            StatusFilter::TimedOut => "TIMED_OUT",
            StatusFilter::Aborted => "ABORTED",
            StatusFilter::PendingRedrive => "PENDING_REDRIVE",
        }
    }
}

/// How long a list waits for ends that are not yet in the store. AWS's is only eventually consistent.
const SETTLE: Duration = Duration::from_secs(1);

/// ListExecutions, newest first, of a machine or of a Map Run.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html>
pub async fn list(engine: &Arc<Engine>, request: List) -> Result<Value, ServiceError> {
    let of = match (request.state_machine_arn, request.map_run_arn) {
        (Some(machine), None) => {
            if engine.machine(&machine)?.row.kind == ExecutionType::Express {
                return Err(not_of_this_type());
            }
            machine
        }
        (None, Some(map_run)) => map_run,
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid(
                "Exactly one of stateMachineArn and mapRunArn must be given",
            ));
        }
    };
    let status = request.status_filter.map(StatusFilter::name);
    let name = format!("ListExecutions {of} {}", status.unwrap_or_default());
    let page: Page<(i64, i64)> = request.paging.page(name, engine.clock.now())?;
    settle(engine).await;
    let (after, limit) = (page.after, page.fetch());
    let rows = engine.apart(move |engine| {
        let listing = Listing {
            of: &of,
            status,
            after,
            limit,
        };
        engine.store.list(listing).map_err(internal)
    });
    Ok(page.response(
        "executions",
        rows.await?,
        |row| (row.started.0, row.id),
        listed_json,
    ))
}

/// The end of an execution reaches the store a moment after whoever waits for it is told.
pub async fn settle(engine: &Engine) {
    // Where the store cannot write now, the list is as old as the store.
    let _ = tokio::time::timeout(SETTLE, engine.store.settled()).await;
}

fn listed_json(row: &ListedRow) -> Value {
    let name = row.arn.rsplit(':').next().unwrap_or_default();
    let mut item = json!({
        "executionArn": row.arn,
        "stateMachineArn": row.machine,
        "name": name,
        "status": row.status,
        "startDate": epoch_seconds(row.started),
    });
    if let Some(stopped) = row.stopped {
        item["stopDate"] = epoch_seconds(stopped);
    }
    if let Some(map_run) = &row.map_run {
        item["mapRunArn"] = json!(map_run);
    }
    item
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    execution_arn: String,
    #[serde(default)]
    reverse_order: bool,
    #[serde(flatten)]
    paging: Paging,
}

/// GetExecutionHistory.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html>
pub async fn history(engine: &Arc<Engine>, request: History) -> Result<Value, ServiceError> {
    let (arn, reverse) = (request.execution_arn, request.reverse_order);
    let order = if reverse { "reverse" } else { "forward" };
    let name = format!("GetExecutionHistory {arn} {order}");
    let page: Page<u64> = request.paging.page(name, engine.clock.now())?;
    let (after, count) = (page.after, page.fetch());
    let events = engine.history(&arn, move |history| part(history, reverse, after, count));
    Ok(page.response(
        "events",
        events.await?,
        |event| event.id,
        |event| Value::from(event.to_json()),
    ))
}

/// So many events after the one with that id. Ids count from 1 in the order of the history.
fn part(
    history: &[HistoryEvent],
    reverse: bool,
    after: Option<u64>,
    count: usize,
) -> Vec<HistoryEvent> {
    let after = after.map(|id| usize::try_from(id).unwrap_or(usize::MAX));
    if reverse {
        let end = after.map_or(history.len(), |id| id.saturating_sub(1).min(history.len()));
        history[..end].iter().rev().take(count).cloned().collect()
    } else {
        history
            .iter()
            .skip(after.unwrap_or(0))
            .take(count)
            .cloned()
            .collect()
    }
}
