//! From the Resource of a Task state to the call of a service.

use std::sync::Arc;

use asl::{Pattern, Resource, Task, TaskError};
use cloud::action::Action;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::call::{Accepted, Call};
use super::sdk::SdkAction;
use super::{batch, ecs, events, lambda, states};
use crate::engine::Engine;
use crate::map_run;

/// Makes one call outside an execution, for TestState: without a job to wait for and without a callback.
pub(crate) async fn call_once(engine: &Arc<Engine>, task: &Task) -> Result<asl::Value, TaskError> {
    let refuse = |what: &str| TaskError {
        error: "States.Runtime".into(),
        cause: Some(format!(
            "TestState cannot call {what}; give a mocked result or error"
        )),
    };
    match &task.resource {
        Resource::Lambda { arn } => lambda::invoke_arn(engine, arn, &task.arguments).await,
        Resource::Activity { .. } => Err(refuse("an activity")),
        Resource::Service {
            pattern: Pattern::RequestResponse,
            ..
        } => {
            let token = uuid::Uuid::new_v4().simple().to_string();
            Ok(request(engine, task, token).await?.output)
        }
        Resource::Service { pattern, .. } => {
            Err(refuse(&format!("an integration with {}", pattern.suffix())))
        }
    }
}

/// Calls the service that a task names.
pub(super) async fn request(
    engine: &Arc<Engine>,
    task: &Task,
    token: String,
) -> Result<Accepted, TaskError> {
    let unsupported = || unsupported_error(&task.resource);
    let Resource::Service { pattern, .. } = &task.resource else {
        return Err(unsupported());
    };
    let integration = Integration::of(&task.resource).ok_or_else(unsupported)?;
    let arguments = Value::from(&task.arguments);
    if !arguments.is_object() {
        return Err(TaskError {
            error: "States.Runtime".into(),
            cause: Some(format!(
                "The arguments of '{}' must be a JSON object",
                task.resource
            )),
        });
    }
    let call = Call {
        engine: engine.clone(),
        pattern: *pattern,
        arguments,
        token,
    };
    match integration {
        Integration::Invoke => lambda::invoke(&call).await,
        Integration::RunTask => ecs::run_task(&call),
        Integration::SubmitJob => batch::submit_job(&call),
        Integration::StartExecution => states::start_execution(&call).await,
        Integration::PutEvents => events::put_events(&call),
        Integration::Sdk(action) => action.call(&call).await,
    }
}

/// What the local cloud calls for a Resource that names a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Integration {
    /// `lambda:invoke`.
    Invoke,
    /// `ecs:runTask`.
    RunTask,
    /// `batch:submitJob`.
    SubmitJob,
    /// `states:startExecution`.
    StartExecution,
    /// `events:putEvents`.
    PutEvents,
    /// `aws-sdk:<service>:<action>`.
    Sdk(SdkAction),
}

impl Integration {
    /// `None` where the local cloud has no such service, action or pattern.
    fn of(resource: &Resource) -> Option<Integration> {
        let Resource::Service {
            service,
            action,
            pattern,
        } = resource
        else {
            return None;
        };
        let integration = match (&**service, &**action) {
            ("lambda", "invoke") => Integration::Invoke,
            ("ecs", "runTask") => Integration::RunTask,
            ("batch", "submitJob") => Integration::SubmitJob,
            ("states", "startExecution") => Integration::StartExecution,
            ("events", "putEvents") => Integration::PutEvents,
            (service, action) => {
                let action = Action::of_sdk(service.strip_prefix("aws-sdk:")?, action)?;
                Integration::Sdk(SdkAction::of(action)?)
            }
        };
        let knows_pattern = match integration {
            Integration::StartExecution => true,
            Integration::RunTask | Integration::SubmitJob => *pattern != Pattern::SyncV2,
            Integration::Invoke | Integration::PutEvents | Integration::Sdk(_) => {
                !matches!(pattern, Pattern::Sync | Pattern::SyncV2)
            }
        };
        knows_pattern.then_some(integration)
    }
}

/// Whether the local cloud can call this resource.
fn is_supported(resource: &Resource) -> bool {
    match resource {
        Resource::Lambda { .. } | Resource::Activity { .. } => true,
        Resource::Service { .. } => Integration::of(resource).is_some(),
    }
}

/// What of a definition the local cloud cannot run, as `State: resource` and `State: argument of its ItemReader`.
pub(crate) fn unsupported(definition: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(definition) = serde_json::from_str::<Value>(definition) {
        collect_unsupported(&definition, &mut found);
    }
    found
}

fn collect_unsupported(machine: &Value, found: &mut Vec<String>) {
    for (name, state) in machine["States"].as_object().into_iter().flatten() {
        let resource = state["Resource"].as_str().unwrap_or_default();
        if state["Type"] == "Task"
            && !Resource::parse(resource).is_some_and(|resource| is_supported(&resource))
        {
            found.push(format!("{name}: {resource}"));
        }
        for argument in map_run::unknown_arguments(&state["ItemReader"]) {
            found.push(format!("{name}: {argument} of its ItemReader"));
        }
        let branches = state["Branches"].as_array().into_iter().flatten();
        let processors = ["ItemProcessor", "Iterator"]
            .into_iter()
            .filter_map(|key| state.get(key));
        branches
            .chain(processors)
            .for_each(|machine| collect_unsupported(machine, found));
    }
}

pub(super) fn unsupported_error(resource: &Resource) -> TaskError {
    TaskError {
        error: "States.Runtime".into(),
        cause: Some(format!(
            "The local cloud has no integration for the resource '{resource}'"
        )),
    }
}

/// Names a call: 32 hexadecimal digits, the longest that every service takes as a client token.
pub(super) fn call_token(execution_arn: &str, task: u64) -> String {
    let digest = Sha256::digest(format!("{execution_arn}#{task}").as_bytes());
    hex::encode(&digest[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn unsupported_resources_are_found_before_the_run() {
        let definition = json!({ "StartAt": "A", "States": {
            "A": { "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync" },
            "B": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync" },
            "C": { "Type": "Parallel", "Branches": [{ "States": {
                "D": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject" },
                "E": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:selectObjectContent" },
                "I": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:copyObject" },
                "J": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:sfn:listStateMachineVersions" },
                "K": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:scheduler:createSchedule" },
                "L": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:ecs:RunTask" },
            } }] },
            "F": { "Type": "Map", "ItemReader": { "Resource": "arn:aws:states:::s3:getObject",
                "Parameters": { "Bucket": "b", "Key.$": "$.k", "VersionId.$": "$.v" } }, "ItemProcessor": { "States": {
                "G": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.sync" },
                "H": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" },
            } } },
        } });
        let expected = [
            "B: arn:aws:states:::glue:startJobRun.sync",
            "E: arn:aws:states:::aws-sdk:s3:selectObjectContent",
            "I: arn:aws:states:::aws-sdk:s3:copyObject",
            "L: arn:aws:states:::aws-sdk:ecs:RunTask",
            "F: VersionId of its ItemReader",
            "G: arn:aws:states:::lambda:invoke.sync",
        ];
        assert_eq!(unsupported(&definition.to_string()), expected);
    }
}
