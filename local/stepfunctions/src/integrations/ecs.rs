//! ECS and Fargate: `ecs:runTask`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-ecs.html>

use asl::{Pattern, TaskError};
use futures::FutureExt;
use futures::future::join_all;
use serde_json::{Value, json};

use super::call::{Accepted, Call, Job, service_error, with_metadata};
use super::case::{camel, dates, millis, pascal};
use cloud::ecs::TaskHandle;

/// RunTask. With `.sync` the task's own description is the result, and a container that ends with
/// another exit code than 0 fails the state.
pub fn run_task(call: &Call) -> Result<Accepted, TaskError> {
    let mut request = camel(call.arguments.clone());
    if request["clientToken"].is_null() {
        request["clientToken"] = json!(call.token);
    }
    if request["startedBy"].is_null() {
        request["startedBy"] = json!("AWS Step Functions");
    }
    let output = call.engine.compute.ecs.run_task(&request);
    let output = output.map_err(|error| service_error("ECS", "AmazonECS", &error))?;
    let answer = task_json(output.response);
    let placed = answer["Failures"].as_array().is_none_or(Vec::is_empty);
    // RequestResponse hands failures to the state; the other patterns have nothing to wait for.
    if !placed && call.pattern != Pattern::RequestResponse {
        return Err(TaskError {
            error: "AmazonECS.Unknown".into(),
            cause: Some(answer.to_string()),
        });
    }
    let tasks = output.tasks;
    let job = (call.pattern == Pattern::Sync).then(|| {
        let stopping = tasks.clone();
        Job {
            ended: (!output.lost).then(|| ended(tasks).boxed()),
            stop: Box::new(move || {
                stopping
                    .iter()
                    .for_each(|task| task.stop("Aborted by Step Functions"));
            }),
        }
    });
    Ok(Accepted {
        output: with_metadata(answer, &uuid::Uuid::new_v4().to_string()).into(),
        job,
    })
}

async fn ended(tasks: Vec<TaskHandle>) -> Result<asl::Value, TaskError> {
    let tasks = join_all(tasks.iter().map(TaskHandle::stopped)).await;
    let tasks: Vec<Value> = tasks.into_iter().map(task_json).collect();
    match tasks.iter().find(|task| has_failed(task)) {
        Some(task) => Err(TaskError {
            error: "States.TaskFailed".into(),
            cause: Some(task.to_string()),
        }),
        None => Ok(match <[Value; 1]>::try_from(tasks) {
            Ok([task]) => task.into(),
            Err(tasks) => json!({ "Tasks": tasks, "Failures": [] }).into(),
        }),
    }
}

/// A task has failed when it could not start, was stopped from outside, or a container ended with
/// another exit code than 0 or with none.
fn has_failed(task: &Value) -> bool {
    let containers = task["Containers"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    let code = task["StopCode"].as_str().unwrap_or_default();
    code != "EssentialContainerExited"
        || containers
            .iter()
            .any(|container| container["ExitCode"] != json!(0))
}

fn task_json(wire: Value) -> Value {
    dates(pascal(wire), &millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_decides() {
        let task = |code: Value, stop: &str| json!({ "StopCode": stop, "Containers": [{ "ExitCode": code }] });
        for (task, failed) in [
            (task(json!(0), "EssentialContainerExited"), false),
            (task(json!(3), "EssentialContainerExited"), true),
            (task(Value::Null, "EssentialContainerExited"), true),
            (task(Value::Null, "TaskFailedToStart"), true),
            (task(json!(0), "UserInitiated"), true),
        ] {
            assert_eq!(has_failed(&task), failed, "{task}");
        }
    }
}
