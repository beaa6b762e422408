//! SDK integrations, `aws-sdk:<service>:<action>`, for the services that this cloud has. They call
//! the very code that the HTTP endpoint calls.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/supported-services-awssdk.html>

use serde_json::{Value, json};

use super::case::{camel, dates, iso, pascal};
use super::{Accepted, Call, Failure, as_text, lambda, s3, service_error};
use crate::api;
use cloud::router::JsonService;

const ECS: &[&str] = &[
    "RunTask",
    "StopTask",
    "DescribeTasks",
    "ListTasks",
    "DescribeTaskDefinition",
    "ListTaskDefinitions",
    "DescribeClusters",
    "ListClusters",
];

const BATCH: &[&str] = &[
    "SubmitJob",
    "DescribeJobs",
    "ListJobs",
    "TerminateJob",
    "CancelJob",
    "DescribeJobDefinitions",
    "DescribeJobQueues",
    "DescribeComputeEnvironments",
];

/// Whether the local service has this action.
pub fn is_supported(service: &str, action: &str) -> bool {
    match service {
        "sfn" => api::ACTIONS.contains(&wire_action(action).as_str()),
        "ecs" => ECS.contains(&wire_action(action).as_str()),
        "batch" => BATCH.contains(&wire_action(action).as_str()),
        "eventbridge" => ["putEvents", "listRules"].contains(&action),
        "lambda" => action == "invoke",
        "s3" => s3::ACTIONS.contains(&action),
        _ => false,
    }
}

/// Calls an action of a service; `service` is without `aws-sdk:`.
pub async fn call(service: &str, call: &Call) -> Result<Accepted, Failure> {
    if !is_supported(service, &call.action) {
        return Err(Failure::Unsupported);
    }
    let action = wire_action(&call.action);
    let compute = &call.sfn.compute;
    match service {
        "sfn" => {
            let mut request = camel(call.arguments.clone());
            for key in ["input", "output", "definition"] {
                if request[key].is_object() || request[key].is_array() {
                    request[key] = json!(as_text(&request[key]));
                }
            }
            let answer = if action == "StartExecution" {
                api::start_for_call(&call.sfn, request, &call.token).await
            } else {
                call.sfn.clone().action(&action, request).await
            };
            let answer = answer.map_err(|error| service_error("Sfn", "Sfn", &error))?;
            Ok(Accepted::answer(dates(pascal(answer), &iso)))
        }
        "ecs" => {
            let mut request = camel(call.arguments.clone());
            // As the SDKs do: a request that is made again after a restart starts nothing new.
            if action == "RunTask" && request["clientToken"].is_null() {
                request["clientToken"] = json!(call.token);
            }
            let answer = compute.ecs.call(&action, request).await;
            let answer = answer.map_err(|error| service_error("Ecs", "Ecs", &error))?;
            Ok(Accepted::answer(dates(pascal(answer), &iso)))
        }
        "batch" => {
            let request = camel(call.arguments.clone());
            let answer = if action == "SubmitJob" {
                let job = compute.batch.submit_job_for_call(&request, &call.token);
                job.map(|job| job.answer())
            } else {
                compute.batch.call(&action, &request)
            };
            let answer: Value = answer.map_err(|error| service_error("Batch", "Batch", &error))?;
            Ok(Accepted::answer(pascal(answer)))
        }
        "eventbridge" => {
            let answer = compute.events.call(&action, call.arguments.clone()).await;
            let answer =
                answer.map_err(|error| service_error("EventBridge", "EventBridge", &error))?;
            Ok(Accepted::answer(answer))
        }
        "lambda" => Ok(lambda::invoke(call).await?),
        "s3" => Ok(Accepted::answer(s3::call(call).await?)),
        _ => Err(Failure::Unsupported),
    }
}

/// `describeTasks` is `DescribeTasks` on the wire.
fn wire_action(action: &str) -> String {
    let mut characters = action.chars();
    characters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(characters)
        .collect()
}
