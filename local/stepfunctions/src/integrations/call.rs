//! One call of a service: what it is given, what it answers.

use std::sync::Arc;

use asl::{Pattern, TaskError};
use cloud::error::ServiceError;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use crate::engine::Engine;

/// One call of a service.
pub(super) struct Call {
    pub engine: Arc<Engine>,
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
    pub(super) fn done(output: asl::Value) -> Accepted {
        let ended = output.clone();
        Accepted {
            output,
            job: Some(Job {
                ended: Some(async move { Ok(ended) }.boxed()),
                stop: Box::new(|| ()),
            }),
        }
    }

    pub(super) fn answer(output: Value) -> Accepted {
        Accepted {
            output: output.into(),
            job: None,
        }
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
pub(super) fn with_metadata(mut output: Value, request_id: &str) -> Value {
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

/// Text of a member that may be given as text or as a structure.
pub(super) fn as_text(value: &Value) -> String {
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
