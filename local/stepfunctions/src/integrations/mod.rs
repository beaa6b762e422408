//! Service integrations: what a Task state's Resource calls, one file per service.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/integrate-services.html>

mod batch;
mod case;
mod ecs;
mod events;
mod lambda;
mod s3;
mod schedule;
mod sdk;
mod states;
mod survey;

use std::sync::Arc;

use asl::{Pattern, Resource, Task, TaskError};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Inner;
use super::outside::{Outside, OutsideCall, Purpose};
use cloud::action::Action;
use cloud::error::ServiceError;
use sdk::SdkAction;

pub(super) use s3::objects as s3_objects;
pub(super) use schedule::schedule;
pub use survey::{CallSite, call_sites, unanswered};

/// One call of a service.
pub(super) struct Call {
    pub sfn: Arc<Inner>,
    pub pattern: Pattern,
    /// The state's Parameters or Arguments: an object.
    pub arguments: Value,
    /// The same for every try to make this call, also after a restart; different for every other call.
    pub token: String,
}

/// A service that took a request.
pub(super) struct Accepted {
    /// The service's answer.
    pub output: asl::Value,
    /// For `.sync`: the job that the request began.
    pub job: Option<Job>,
}

/// Work that goes on after a service took a request.
pub(super) struct Job {
    /// Resolves when the job has ended; `None` if a fault lost the request, so that it never ends.
    pub ended: Option<BoxFuture<'static, Result<asl::Value, TaskError>>>,
    /// Stops the job; called when the task is no longer wanted.
    pub stop: Box<dyn FnOnce() + Send>,
}

impl Accepted {
    /// An answer that is the end of a job, if there was one.
    fn done(output: asl::Value) -> Accepted {
        let ended = output.clone();
        Accepted {
            output,
            job: Some(Job {
                ended: Some(async move { Ok(ended) }.boxed()),
                stop: Box::new(|| ()),
            }),
        }
    }

    fn answer(output: Value) -> Accepted {
        Accepted {
            output: output.into(),
            job: None,
        }
    }
}

/// Makes one call outside an execution, for TestState: without a job to wait for and without a callback.
pub(super) async fn call_once(sfn: &Arc<Inner>, task: &Task) -> Result<asl::Value, TaskError> {
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
            if let Some(outside) = sfn.outside(&task.state, &task.resource) =>
        {
            Ok(ask_outside(outside, task, token()).await?.output)
        }
        Resource::Lambda { arn } => lambda::invoke_arn(sfn, arn, &task.arguments).await,
        Resource::Activity { .. } => Err(refuse("an activity")),
        Resource::Service {
            pattern: Pattern::RequestResponse,
            ..
        } => Ok(request(sfn, task, token()).await?.output),
        Resource::Service { pattern, .. } => {
            Err(refuse(&format!("an integration with {}", pattern.suffix())))
        }
    }
}

impl Inner {
    /// What answers a call in place of this cloud.
    pub(super) fn outside(&self, state: &str, resource: &Resource) -> Option<&Arc<dyn Outside>> {
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
async fn ask_outside(
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
async fn request(sfn: &Arc<Inner>, task: &Task, token: String) -> Result<Accepted, TaskError> {
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
        sfn: sfn.clone(),
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

/// Whether a Distributed Map can read or write by this resource.
fn is_map_resource(resource: &Resource) -> bool {
    matches!(resource, Resource::Service { service, action, .. }
        if matches!(&**service, "s3" | "aws-sdk:s3")
            && matches!(&**action, "getObject" | "listObjectsV2" | "putObject"))
}

fn unsupported_error(resource: &Resource) -> TaskError {
    TaskError {
        error: "States.Runtime".into(),
        cause: Some(format!(
            "The local cloud has no integration for the resource '{resource}'"
        )),
    }
}

/// An API error as Step Functions reports it: `<Prefix>.<Exception>`, with the service's sentence.
pub(super) fn service_error(prefix: &str, service: &str, error: &ServiceError) -> TaskError {
    let ServiceError {
        code,
        message,
        status,
    } = error;
    let name = if code.ends_with("Exception") {
        code.clone()
    } else {
        format!("{code}Exception")
    };
    let cause = format!(
        "{message} (Service: {service}; Status Code: {status}; Error Code: {code}; Request ID: {}; Proxy: null)",
        uuid::Uuid::new_v4()
    );
    TaskError {
        error: format!("{prefix}.{name}"),
        cause: Some(cause),
    }
}

/// Adds what optimised integrations put beside a service's answer.
fn with_metadata(mut output: Value, request_id: &str) -> Value {
    let length = output.to_string().len().to_string();
    if let Value::Object(output) = &mut output {
        let id = json!([request_id]);
        output.insert("SdkHttpMetadata".into(), json!({
            "AllHttpHeaders": { "x-amzn-RequestId": id, "Content-Length": [length], "Content-Type": ["application/x-amz-json-1.1"] },
            "HttpHeaders": { "Content-Length": length, "Content-Type": "application/x-amz-json-1.1", "x-amzn-RequestId": request_id },
            "HttpStatusCode": 200,
        }));
        output.insert(
            "SdkResponseMetadata".into(),
            json!({ "RequestId": request_id }),
        );
    }
    output
}

/// Names a call: 32 hexadecimal digits, the longest that every service takes as a client token.
fn call_token(execution_arn: &str, task: u64) -> String {
    let digest = Sha256::digest(format!("{execution_arn}#{task}").as_bytes());
    hex::encode(&digest[..16])
}

/// Text of a member that may be given as text or as a structure.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        structure => asl::Value::from(structure.clone()).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_errors_are_named_as_aws_names_them() {
        let error = service_error(
            "ECS",
            "AmazonECS",
            &ServiceError::new("ClusterNotFoundException", "Cluster not found."),
        );
        assert_eq!(error.error, "ECS.ClusterNotFoundException");
        let cause = error.cause.unwrap_or_default();
        assert!(
            cause.starts_with("Cluster not found. (Service: AmazonECS; Status Code: 400; "),
            "{cause}"
        );
    }
}
