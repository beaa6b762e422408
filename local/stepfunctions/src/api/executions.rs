//! Executions.

use std::sync::Arc;
use std::time::Duration;

use asl::{ExecutionType, HistoryEvent};
use serde::Deserialize;
use serde_json::{Value, json};

use super::configuration::{Logging, Tracing};
use super::machines::includes_data;
use super::pages::{Page, Paging};
use super::request::{execution_input, read};
use crate::arns::{check_execution, check_map_run};
use crate::engine::Engine;
use crate::errors::{internal, invalid, no_execution, not_of_this_type};
use crate::launch::StartRequest;
use crate::store::{Configuration, ListedRow, Listing, Qualifier};
use crate::test_cases::split;
use cloud::error::ServiceError;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Start {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
}

/// StartExecution; `call` names the call of a Task state that asks for it.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
pub async fn start(
    engine: &Arc<Engine>,
    asked: Value,
    call: Option<&str>,
) -> Result<Value, ServiceError> {
    let request: Start = read(asked.clone())?;
    let request = StartRequest {
        machine: &request.state_machine_arn,
        name: request.name.as_deref(),
        input: execution_input(request.input.as_deref())?,
        trace: request.trace_header,
        call,
    };
    let started = engine.start_requested(request, &asked).await?;
    Ok(json!({ "executionArn": started.arn, "startDate": epoch_seconds(started.at) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartSync {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
    trace_header: Option<String>,
    included_data: Option<String>,
}

/// StartSyncExecution: Express machines only; answers with the outcome.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartSyncExecution.html>
pub async fn start_sync(engine: &Arc<Engine>, request: StartSync) -> Result<Value, ServiceError> {
    let (arn, _) = split(&request.state_machine_arn);
    let target = engine.target(arn)?;
    if target.machine.row.kind != ExecutionType::Express {
        return Err(not_of_this_type());
    }
    let start = StartRequest {
        machine: &request.state_machine_arn,
        name: request.name.as_deref(),
        input: execution_input(request.input.as_deref())?,
        trace: request.trace_header,
        call: None,
    };
    let run = engine.start(start).await?;
    run.wait().await;
    let description = engine.describe(&run.start.arn)?;
    let mut response = description.to_json();
    if !includes_data(request.included_data.as_deref()) {
        leave_data_out(&mut response);
    }
    let elapsed = description.stopped.map_or(0, |stopped| {
        (stopped.0 - description.started.0).unsigned_abs() / 1_000
    });
    // Express duration is billed in steps of 100 ms and 64 MB: <https://aws.amazon.com/step-functions/pricing/>
    response["billingDetails"] = json!({ "billedMemoryUsedInMB": 64, "billedDurationInMilliseconds": elapsed.div_ceil(100) * 100 });
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Stop {
    execution_arn: String,
    error: Option<String>,
    cause: Option<String>,
}

/// StopExecution; one that has ended is no error.
pub async fn stop(engine: &Arc<Engine>, request: Stop) -> Result<Value, ServiceError> {
    check_execution(&request.execution_arn)?;
    let stopped = engine
        .stop_execution(&request.execution_arn, request.error, request.cause)
        .await?;
    Ok(json!({ "stopDate": epoch_seconds(stopped) }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ByArn {
    execution_arn: String,
    included_data: Option<String>,
}

/// DescribeExecution.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DescribeExecution.html>
pub fn describe(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    check_execution(&request.execution_arn)?;
    let description = engine.describe(&request.execution_arn)?;
    let mut response = description.to_json();
    if !includes_data(request.included_data.as_deref()) {
        leave_data_out(&mut response);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Redrive {
    execution_arn: String,
    client_token: Option<String>,
}

/// RedriveExecution.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html>
pub async fn redrive(engine: &Arc<Engine>, request: Redrive) -> Result<Value, ServiceError> {
    check_execution(&request.execution_arn)?;
    let at = engine.redrive(&request.execution_arn, request.client_token);
    Ok(json!({ "redriveDate": epoch_seconds(at.await?) }))
}

/// What `METADATA_ONLY` leaves out.
fn leave_data_out(response: &mut Value) {
    if let Value::Object(members) = response {
        for (member, details) in [("input", "inputDetails"), ("output", "outputDetails")] {
            if members.remove(member).is_some() {
                members.insert(details.into(), json!({ "included": false }));
            }
        }
    }
}

/// DescribeStateMachineForExecution: the definition the execution runs, not the machine's latest.
pub fn describe_machine(engine: &Arc<Engine>, request: ByArn) -> Result<Value, ServiceError> {
    let arn = &request.execution_arn;
    check_execution(arn)?;
    let description = engine.describe(arn)?;
    let row = engine
        .store
        .execution(arn)
        .map_err(internal)?
        .ok_or_else(|| no_execution(arn))?;
    let definition = match includes_data(request.included_data.as_deref()) {
        true => engine.store.definition_of(&row)?,
        false => "{}".to_owned(),
    };
    let machine = engine.machine(&description.state_machine_arn);
    let machine = machine.as_ref().map(|machine| &machine.row);
    let updated = machine.map_or(row.started, |row| row.updated);
    let configuration = machine.map_or_else(
        |_| Configuration::default(),
        |row| row.configuration.clone(),
    );
    // Of a child of a Distributed Map the name is that of its state machine, with the label of the Map.
    let name = &*row.start.state_machine_name;
    let mut response = json!({
        "stateMachineArn": description.state_machine_arn,
        "name": name,
        "definition": definition,
        "roleArn": &*row.start.role_arn,
        "updateDate": epoch_seconds(updated),
        "loggingConfiguration": Logging::shown(&configuration),
        "tracingConfiguration": Tracing::shown(&configuration),
    });
    if let Some((_, label)) = name.split_once('/') {
        response["label"] = json!(label);
    }
    if let Some(map_run) = row.map_run {
        response["mapRunArn"] = json!(map_run);
    }
    Ok(response)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct List {
    state_machine_arn: Option<String>,
    map_run_arn: Option<String>,
    status_filter: Option<String>,
    redrive_filter: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// How long a list waits for ends that are not yet in the store. AWS's is only eventually consistent.
const SETTLE: Duration = Duration::from_secs(1);

/// ListExecutions, newest first, of a machine or of a Map Run.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html>
pub async fn list(engine: &Arc<Engine>, request: List) -> Result<Value, ServiceError> {
    let (of, qualifier) = listed(engine, request.state_machine_arn, request.map_run_arn)?;
    let status = request.status_filter;
    let redriven = request.redrive_filter.map(|filter| filter == "REDRIVEN");
    let name = format!("ListExecutions {of} {qualifier:?} {status:?} {redriven:?}");
    let paging = Paging::new(request.max_results, request.next_token);
    let page: Page<(i64, i64)> = paging.page(name, engine.clock.now())?;
    settle(engine).await;
    let (after, limit) = (page.after, page.fetch());
    let rows = engine.apart(move |engine| {
        let listing = Listing {
            of: &of,
            qualifier: qualifier.as_ref(),
            status: status.as_deref(),
            name: None,
            redriven,
            since: None,
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

/// ARN of the state machine or the Map Run whose executions are wanted, and the version or alias that is named.
fn listed(
    engine: &Engine,
    machine: Option<String>,
    map_run: Option<String>,
) -> Result<(String, Option<Qualifier>), ServiceError> {
    match (machine, map_run) {
        (Some(arn), None) => {
            let target = engine.target(&arn)?;
            if target.machine.row.kind == ExecutionType::Express {
                return Err(not_of_this_type());
            }
            let of = target.machine.row.arn.clone();
            let qualifier = match (target.alias, target.version) {
                (Some(alias), _) => Some(Qualifier::Alias(alias)),
                (None, version) => version.map(Qualifier::Version),
            };
            Ok((of, qualifier))
        }
        (None, Some(map_run)) => {
            check_map_run(&map_run)?;
            Ok((map_run, None))
        }
        (Some(_), Some(_)) | (None, None) => Err(invalid(
            "Exactly one of stateMachineArn and mapRunArn must be given",
        )),
    }
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
        "redriveCount": row.redrives,
    });
    for (key, moment) in [("stopDate", row.stopped), ("redriveDate", row.redriven)] {
        if let Some(moment) = moment {
            item[key] = epoch_seconds(moment);
        }
    }
    for (key, arn) in [
        ("mapRunArn", &row.map_run),
        ("stateMachineVersionArn", &row.version),
        ("stateMachineAliasArn", &row.alias),
    ] {
        if let Some(arn) = arn {
            item[key] = json!(arn);
        }
    }
    item
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct History {
    execution_arn: String,
    #[serde(default)]
    reverse_order: bool,
    include_execution_data: Option<bool>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// GetExecutionHistory.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html>
pub async fn history(engine: &Arc<Engine>, request: History) -> Result<Value, ServiceError> {
    let (arn, reverse) = (request.execution_arn, request.reverse_order);
    check_execution(&arn)?;
    let with_data = request.include_execution_data.unwrap_or(true);
    let order = if reverse { "reverse" } else { "forward" };
    let name = format!("GetExecutionHistory {arn} {order}");
    let paging = Paging::new(request.max_results, request.next_token);
    let page: Page<u64> = paging.page(name, engine.clock.now())?;
    let (after, count) = (page.after, page.fetch());
    let events = engine.history(&arn, move |history| part(history, reverse, after, count));
    Ok(page.response(
        "events",
        events.await?,
        |event| event.id,
        |event| event_json(event, with_data),
    ))
}

/// An event; without data it has neither input nor output.
fn event_json(event: &HistoryEvent, with_data: bool) -> Value {
    let mut event = Value::from(event.to_json());
    if !with_data {
        let members = event.as_object_mut().into_iter().flatten();
        let details = members.filter_map(|(_, details)| details.as_object_mut());
        details.for_each(|details| {
            details.retain(|member, _| {
                !["input", "output", "inputDetails", "outputDetails"].contains(&member.as_str())
            });
        });
    }
    event
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
