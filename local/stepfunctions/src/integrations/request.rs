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
use crate::outside::{Outside, OutsideCall, Purpose};

/// Makes one call outside an execution, for TestState: without a job to wait for and without a callback.
pub(crate) async fn call_once(engine: &Arc<Engine>, task: &Task) -> Result<asl::Value, TaskError> {
    let refuse = |what: &str| TaskError {
        error: "States.Runtime".into(),
        cause: Some(format!(
            "TestState cannot call {what}; give a mocked result or error"
        )),
    };
    let token = || uuid::Uuid::new_v4().simple().to_string();
    match &task.resource {
        Resource::Service {
            pattern: Pattern::RequestResponse,
            ..
        }
        | Resource::Lambda { .. }
            if let Some(outside) = engine.outside(&task.state, &task.resource) =>
        {
            Ok(ask_outside(outside, task, token()).await?.output)
        }
        Resource::Lambda { arn } => lambda::invoke_arn(engine, arn, &task.arguments).await,
        Resource::Activity { .. } => Err(refuse("an activity")),
        Resource::Service {
            pattern: Pattern::RequestResponse,
            ..
        } => Ok(request(engine, task, token()).await?.output),
        Resource::Service { pattern, .. } => {
            Err(refuse(&format!("an integration with {}", pattern.suffix())))
        }
    }
}

impl Engine {
    /// What answers a call in place of this cloud.
    pub(crate) fn outside(&self, state: &str, resource: &Resource) -> Option<&Arc<dyn Outside>> {
        let local = match resource {
            Resource::Lambda { .. } | Resource::Activity { .. } => true,
            Resource::Service { .. } => {
                Integration::of(resource).is_some() || is_map_resource(resource)
            }
        };
        let outside = self.outside.as_ref()?;
        outside.answers(state, resource, local).then_some(outside)
    }
}

/// Has a task's call answered outside of this cloud.
pub(super) async fn ask_outside(
    outside: &Arc<dyn Outside>,
    task: &Task,
    token: String,
) -> Result<Accepted, TaskError> {
    let purpose = match &task.resource {
        Resource::Service {
            pattern: Pattern::WaitForTaskToken,
            ..
        } => Purpose::Callback {
            task_token: task.task_token.clone(),
        },
        Resource::Service { .. } | Resource::Lambda { .. } | Resource::Activity { .. } => {
            Purpose::Result
        }
    };
    let call = OutsideCall {
        state: task.state.clone(),
        resource: task.resource.clone(),
        arguments: task.arguments.clone(),
        purpose,
        token,
    };
    outside.call(call).await.map(Accepted::done)
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
pub(super) enum Integration {
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
    pub(super) fn of(resource: &Resource) -> Option<Integration> {
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

/// Whether a Distributed Map can read or write by this resource.
pub(super) fn is_map_resource(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { service, action, .. }
        if matches!(&**service, "s3" | "aws-sdk:s3")
            && matches!(&**action, "getObject" | "listObjectsV2" | "putObject"))
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
