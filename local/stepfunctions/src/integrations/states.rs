//! Nested executions: `states:startExecution`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html>

use asl::{Event, Pattern, Status, TaskError};
use futures::FutureExt;
use serde_json::{Value, json};

use super::case::{camel, dates, millis, pascal};
use super::{Accepted, Call, Job, as_text, service_error, with_metadata};
use crate::api::describe_json;
use cloud::action::StepFunctionsAction;
use cloud::faults::Verdict;

/// StartExecution. With `.sync` the result is the execution's description, its input and output as
/// text; with `.sync:2` as JSON.
pub async fn start_execution(call: &Call) -> Result<Accepted, TaskError> {
    let arguments = &call.arguments;
    let failed = |error| service_error("StepFunctions", "AWSStepFunctions", &error);
    let machine = arguments["StateMachineArn"].as_str().unwrap_or_default();
    let input = arguments
        .get("Input")
        .map_or_else(|| "{}".to_owned(), as_text);
    let input = asl::Value::parse(&input).map_err(|error| TaskError {
        error: "StepFunctions.InvalidExecutionInputException".into(),
        cause: Some(format!("Invalid State Machine Execution Input: '{error}'")),
    })?;
    let name = arguments["Name"].as_str();
    let verdict = call.sfn.compute.faults.admit(
        StepFunctionsAction::StartExecution,
        &camel(arguments.clone()),
    );
    match verdict.map_err(failed)? {
        Verdict::Proceed => {}
        Verdict::Lose => return Ok(lost(call, machine, name.unwrap_or(&call.token))),
    }
    let nested = call
        .sfn
        .start_for_call(machine, name, input, &call.token)
        .await
        .map_err(failed)?;
    let started = json!({ "ExecutionArn": nested.arn, "StartDate": nested.started.0 / 1_000 });
    let output = with_metadata(started, &uuid::Uuid::new_v4().to_string()).into();
    let job = matches!(call.pattern, Pattern::Sync | Pattern::SyncV2).then(|| {
        let (sfn, parsed) = (call.sfn.clone(), call.pattern == Pattern::SyncV2);
        // None has ended already, before a restart.
        let run = sfn.runs.get(&nested.arn);
        let running = run.clone();
        Job {
            ended: Some(
                async move {
                    if let Some(run) = running {
                        run.wait().await;
                    }
                    let description = sfn.describe(&nested.arn);
                    let nested = description.map_err(|error| {
                        service_error("StepFunctions", "AWSStepFunctions", &error)
                    })?;
                    let description = nested_json(describe_json(&nested), parsed);
                    match nested.status {
                        Status::Succeeded { .. } => Ok(description),
                        _ => Err(TaskError {
                            error: "States.TaskFailed".into(),
                            cause: Some(description.to_string()),
                        }),
                    }
                }
                .boxed(),
            ),
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

/// The answer of a start that nobody carries out.
fn lost(call: &Call, machine: &str, name: &str) -> Accepted {
    let machine = machine.rsplit(':').next().unwrap_or_default();
    let arn = call
        .sfn
        .local
        .arn("states", &format!("execution:{machine}:{name}"));
    let started = json!({ "ExecutionArn": arn, "StartDate": call.sfn.clock.now().0 / 1_000 });
    Accepted {
        output: with_metadata(started, &uuid::Uuid::new_v4().to_string()).into(),
        job: Some(Job {
            ended: None,
            stop: Box::new(|| ()),
        }),
    }
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
