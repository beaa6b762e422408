//! Nested executions: `states:startExecution`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html>

use std::sync::Arc;

use asl::{Event, Pattern, Status, TaskError};
use cloud::error::ServiceError;
use futures::FutureExt;
use serde_json::{Value, json};

use super::call::{Accepted, Call, Job, as_text, service_error, with_metadata};
use super::case::{camel, dates, millis, pascal};
use crate::engine::Engine;
use crate::launch::{Input, StartRequest};
use crate::run::Run;

/// StartExecution. With `.sync` the result is the execution's description, its input and output as
/// text; with `.sync:2` as JSON.
pub async fn start_execution(call: &Call) -> Result<Accepted, TaskError> {
    let arguments = &call.arguments;
    let input = arguments
        .get("Input")
        .map_or_else(|| "{}".to_owned(), as_text);
    let input = Input::parse(&input).map_err(|error| TaskError {
        error: "StepFunctions.InvalidExecutionInputException".into(),
        cause: Some(format!("Invalid State Machine Execution Input: '{error}'")),
    })?;
    let request = StartRequest {
        machine: arguments["StateMachineArn"].as_str().unwrap_or_default(),
        name: arguments["Name"].as_str(),
        input,
        trace: arguments["TraceHeader"].as_str().map(str::to_owned),
        call: Some(&call.token),
    };
    let asked = camel(arguments.clone());
    let nested = call
        .engine
        .start_requested(request, &asked)
        .await
        .map_err(failed)?;
    let started = json!({ "ExecutionArn": &*nested.arn, "StartDate": nested.at.0 / 1_000 });
    let output = with_metadata(started, &uuid::Uuid::new_v4().to_string()).into();
    let job = matches!(call.pattern, Pattern::Sync | Pattern::SyncV2).then(|| {
        let (engine, parsed) = (call.engine.clone(), call.pattern == Pattern::SyncV2);
        // None has ended already, before a restart, or was never begun.
        let run = engine.runs.get(&nested.arn);
        let running = run.clone();
        Job {
            ended: (!nested.lost)
                .then(|| async move { ended(&engine, &nested.arn, running, parsed).await }.boxed()),
            stop: Box::new(move || {
                if let Some(run) = run {
                    run.post(Event::Stop {
                        error: None,
                        cause: None,
                    });
                }
            }),
        }
    });
    Ok(Accepted { output, job })
}

/// Waits for the end of a nested execution.
async fn ended(
    engine: &Engine,
    arn: &str,
    run: Option<Arc<Run>>,
    parsed: bool,
) -> Result<asl::Value, TaskError> {
    if let Some(run) = run {
        run.wait().await;
    }
    let nested = engine.describe(arn).map_err(failed)?;
    let description = nested_json(nested.to_json(), parsed);
    match nested.status {
        Status::Succeeded { .. } => Ok(description),
        _ => Err(TaskError {
            error: "States.TaskFailed".into(),
            cause: Some(description.to_string()),
        }),
    }
}

fn failed(error: ServiceError) -> TaskError {
    service_error("StepFunctions", "AWSStepFunctions", &error)
}

fn nested_json(description: Value, parsed: bool) -> asl::Value {
    let mut description = dates(pascal(description), &millis);
    if parsed {
        for key in ["Input", "Output"] {
            let value = description[key]
                .as_str()
                .and_then(|text| serde_json::from_str(text).ok());
            if let Some(value) = value {
                description[key] = value;
            }
        }
    }
    description.into()
}
