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

use std::sync::Arc;

use asl::{Pattern, Resource, Task, TaskError};
use futures::future::BoxFuture;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Inner;
use cloud::error::ServiceError;

pub(super) use s3::objects as s3_objects;
pub(super) use schedule::schedule;

/// One call of a service.
pub(super) struct Call {
    pub sfn: Arc<Inner>,
    pub action: Arc<str>,
    pub pattern: Pattern,
    /// The state's Parameters or Arguments.
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
    /// Resolves when the job has ended.
    pub ended: BoxFuture<'static, Result<asl::Value, TaskError>>,
    /// Stops the job; called when the task is no longer wanted.
    pub stop: Box<dyn FnOnce() + Send>,
}

impl Accepted {
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
    match &task.resource {
        Resource::Lambda { arn } => lambda::invoke_arn(sfn, arn, &task.arguments).await,
        Resource::Activity { .. } => Err(refuse("an activity")),
        Resource::Service {
            service,
            action,
            pattern: Pattern::RequestResponse,
        } => {
            let call = Call {
                sfn: sfn.clone(),
                action: action.clone(),
                pattern: Pattern::RequestResponse,
                arguments: Value::from(&task.arguments),
                token: uuid::Uuid::new_v4().simple().to_string(),
            };
            match request(service, call).await {
                Ok(accepted) => Ok(accepted.output),
                Err(Failure::Service(error)) => Err(error),
                Err(Failure::Unsupported) => Err(unsupported_error(&task.resource)),
            }
        }
        Resource::Service { pattern, .. } => {
            Err(refuse(&format!("an integration with {}", pattern.suffix())))
        }
    }
}

/// Why a request was not accepted.
pub(super) enum Failure {
    /// The service refused it.
    Service(TaskError),
    /// There is no such integration here.
    Unsupported,
}

impl From<TaskError> for Failure {
    fn from(error: TaskError) -> Failure {
        Failure::Service(error)
    }
}

async fn request(service: &str, call: Call) -> Result<Accepted, Failure> {
    match (service, &*call.action) {
        ("lambda", "invoke") => Ok(lambda::invoke(&call).await?),
        ("ecs", "runTask") => Ok(ecs::run_task(&call)?),
        ("batch", "submitJob") => Ok(batch::submit_job(&call).await?),
        ("states", "startExecution") => Ok(states::start_execution(&call).await?),
        ("events", "putEvents") => Ok(events::put_events(&call).await?),
        _ => match service.strip_prefix("aws-sdk:") {
            Some(service) => sdk::call(service, &call).await,
            None => Err(Failure::Unsupported),
        },
    }
}

/// Whether the local cloud can call this resource.
fn is_supported(resource: &Resource) -> bool {
    match resource {
        Resource::Lambda { .. } | Resource::Activity { .. } => true,
        Resource::Service {
            service,
            action,
            pattern,
        } => match (&**service, &**action) {
            ("lambda", "invoke") | ("events", "putEvents") => {
                matches!(
                    pattern,
                    Pattern::RequestResponse | Pattern::WaitForTaskToken
                )
            }
            ("states", "startExecution") => true,
            ("ecs", "runTask") | ("batch", "submitJob") => *pattern != Pattern::SyncV2,
            (service, action) => {
                let sdk = service.strip_prefix("aws-sdk:");
                let pattern = matches!(
                    pattern,
                    Pattern::RequestResponse | Pattern::WaitForTaskToken
                );
                pattern && sdk.is_some_and(|service| sdk::is_supported(service, action))
            }
        },
    }
}

/// Task states of a definition that the local cloud cannot run, as `State: resource`.
pub(super) fn unsupported(definition: &str) -> Vec<String> {
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
        let branches = state["Branches"].as_array().into_iter().flatten();
        let processors = ["ItemProcessor", "Iterator"]
            .into_iter()
            .filter_map(|key| state.get(key));
        branches
            .chain(processors)
            .for_each(|machine| collect_unsupported(machine, found));
    }
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
    digest
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
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
    fn unsupported_resources_are_found_before_the_run() {
        let definition = json!({ "StartAt": "A", "States": {
            "A": { "Type": "Task", "Resource": "arn:aws:states:::ecs:runTask.sync" },
            "B": { "Type": "Task", "Resource": "arn:aws:states:::glue:startJobRun.sync" },
            "C": { "Type": "Parallel", "Branches": [{ "States": {
                "D": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject" },
                "E": { "Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:selectObjectContent" },
            } }] },
            "F": { "Type": "Map", "ItemProcessor": { "States": {
                "G": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.sync" },
                "H": { "Type": "Task", "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken" },
            } } },
        } });
        let expected = [
            "B: arn:aws:states:::glue:startJobRun.sync",
            "E: arn:aws:states:::aws-sdk:s3:selectObjectContent",
            "G: arn:aws:states:::lambda:invoke.sync",
        ];
        assert_eq!(unsupported(&definition.to_string()), expected);
    }

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
