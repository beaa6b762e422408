//! Executions.

use std::sync::Arc;

use asl::Status;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::{Description, Inner, internal, not_found};
use super::{check_name, listed, page, parse_input, read};
use cloud::action::StepFunctionsAction;
use cloud::error::ServiceError;
use cloud::faults::Verdict;
use cloud::time::epoch_seconds;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    state_machine_arn: String,
    name: Option<String>,
    input: Option<String>,
}

/// StartExecution.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
pub async fn start(sfn: &Arc<Inner>, request: Start) -> Result<Value, ServiceError> {
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let input = parse_input(request.input.as_deref())?;
    let run = sfn
        .start_execution(&request.state_machine_arn, request.name.as_deref(), input)
        .await?;
    Ok(json!({ "executionArn": &*run.start.arn, "startDate": epoch_seconds(run.started) }))
}

/// StartExecution for a call of a Task state: made again after a restart, it starts nothing new.
pub async fn start_for_call(
    sfn: &Arc<Inner>,
    request: Value,
    call: &str,
) -> Result<Value, ServiceError> {
    match sfn
        .compute
        .faults
        .strike(StepFunctionsAction::StartExecution)?
    {
        Verdict::Proceed => {}
        Verdict::Lose => return Ok(json!({})),
    }
    let request: Start = read(request)?;
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let input = parse_input(request.input.as_deref())?;
    let started = sfn
        .start_for_call(
            &request.state_machine_arn,
            request.name.as_deref(),
            input,
            call,
        )
        .await?;
    Ok(json!({ "executionArn": started.arn, "startDate": epoch_seconds(started.started) }))
}

/// StartSyncExecution: Express machines only; answers with the outcome.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartSyncExecution.html>
pub async fn start_sync(sfn: &Arc<Inner>, request: Start) -> Result<Value, ServiceError> {
    request.name.as_deref().map_or(Ok(()), check_name)?;
    let machine = sfn.machine(&request.state_machine_arn)?;
    if machine.row.kind != "EXPRESS" {
        let message = "This operation is not supported by this type of state machine";
        return Err(ServiceError::new("StateMachineTypeNotSupported", message));
    }
    let input = parse_input(request.input.as_deref())?;
    let run = sfn
        .start_execution(&request.state_machine_arn, request.name.as_deref(), input)
        .await?;
    run.wait().await;
    let description = sfn.describe(&run.start.arn)?;
    let mut response = describe_json(&description);
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
pub async fn stop(sfn: &Arc<Inner>, request: Stop) -> Result<Value, ServiceError> {
    let stopped = sfn
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
pub fn describe(sfn: &Arc<Inner>, request: ByArn) -> Result<Value, ServiceError> {
    let description = sfn.describe(&request.execution_arn)?;
    let mut response = describe_json(&description);
    response["redriveCount"] = json!(0);
    Ok(response)
}

/// The members that DescribeExecution, StartSyncExecution and the nested-execution integration share.
pub fn describe_json(description: &Description) -> Value {
    let mut response = json!({
        "executionArn": description.arn,
        "stateMachineArn": description.state_machine_arn,
        "name": description.name,
        "status": description.status_name(),
        "startDate": epoch_seconds(description.started),
        "input": description.input.to_string(),
        "inputDetails": { "included": true },
    });
    if let Some(stopped) = description.stopped {
        response["stopDate"] = epoch_seconds(stopped);
    }
    if let Some(map_run) = &description.map_run {
        response["mapRunArn"] = json!(map_run);
    }
    match &description.status {
        Status::Running => {
            if let Some(reason) = &description.stands_still {
                response["cause"] = json!(format!("The execution stands still: {reason}"));
            }
        }
        Status::Succeeded { output } => {
            response["output"] = json!(output.to_string());
            response["outputDetails"] = json!({ "included": true });
        }
        Status::Failed { error, cause }
        | Status::TimedOut { error, cause }
        | Status::Aborted { error, cause } => {
            for (key, text) in [("error", error), ("cause", cause)] {
                if let Some(text) = text {
                    response[key] = json!(&**text);
                }
            }
        }
    }
    response
}

/// DescribeStateMachineForExecution: the definition the execution runs, not the machine's latest.
pub fn describe_machine(sfn: &Arc<Inner>, request: ByArn) -> Result<Value, ServiceError> {
    let arn = &request.execution_arn;
    let description = sfn.describe(arn)?;
    let row = sfn
        .store
        .execution(arn)
        .map_err(internal)?
        .ok_or_else(|| not_found(arn))?;
    let definition = sfn.definition_of(&row)?;
    let updated = sfn
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
    status_filter: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// ListExecutions, newest first, of a machine or of a Map Run.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ListExecutions.html>
pub fn list(sfn: &Arc<Inner>, request: List) -> Result<Value, ServiceError> {
    let rows = match (&request.state_machine_arn, &request.map_run_arn) {
        (Some(machine), None) => {
            let known = sfn.machine(machine)?;
            if known.row.kind == "EXPRESS" {
                let message = "This operation is not supported by this type of state machine";
                return Err(ServiceError::new("StateMachineTypeNotSupported", message));
            }
            sfn.store.executions_of(machine).map_err(internal)?
        }
        (None, Some(map_run)) => sfn.store.executions_of_map_run(map_run).map_err(internal)?,
        _ => {
            return Err(super::invalid(
                "Exactly one of stateMachineArn and mapRunArn must be given".into(),
            ));
        }
    };
    let mut executions = Vec::new();
    for row in rows {
        // The end of an execution reaches the store a moment after the execution itself.
        let live = sfn.runs.get(&row.start.arn);
        let description = match live {
            Some(_) => sfn.describe(&row.start.arn)?,
            None => Description::from(row),
        };
        if request
            .status_filter
            .as_deref()
            .is_none_or(|wanted| wanted == description.status_name())
        {
            executions.push(description);
        }
    }
    let (executions, next) = page(
        executions,
        request.max_results,
        request.next_token.as_deref(),
        100,
    )?;
    let items = executions.iter().map(|description| {
        let mut item = json!({
            "executionArn": description.arn,
            "stateMachineArn": description.state_machine_arn,
            "name": description.name,
            "status": description.status_name(),
            "startDate": epoch_seconds(description.started),
        });
        if let Some(stopped) = description.stopped {
            item["stopDate"] = epoch_seconds(stopped);
        }
        if let Some(map_run) = &description.map_run {
            item["mapRunArn"] = json!(map_run);
        }
        item
    });
    Ok(listed("executions", items.collect(), next))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct History {
    execution_arn: String,
    max_results: Option<usize>,
    #[serde(default)]
    reverse_order: bool,
    next_token: Option<String>,
}

/// GetExecutionHistory.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetExecutionHistory.html>
pub fn history(sfn: &Arc<Inner>, request: History) -> Result<Value, ServiceError> {
    let mut events = sfn.history(&request.execution_arn)?;
    if request.reverse_order {
        events.reverse();
    }
    let (events, next) = page(
        events,
        request.max_results,
        request.next_token.as_deref(),
        100,
    )?;
    let events = events.iter().map(|event| Value::from(event.to_json()));
    Ok(listed("events", events.collect(), next))
}
