//! Serves one handler as a Lambda function.

use std::time::SystemTime;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;
use tracing::{error, info};

use crate::task::Named;
use input;

/// Answers invocations with `handle` until Lambda ends the process.
///
/// An event that is not a `Request` fails with `Input.Invalid` and the JSON path. An error of the handler fails
/// the invocation under its own name, which Retry and Catch match.
pub async fn serve<Request, Response, Failure>(
    handle: impl AsyncFn(Request) -> Result<Response, Failure>,
) -> Result<(), lambda_runtime::Error>
where
    Request: DeserializeOwned,
    Response: Serialize,
    Failure: Named,
{
    serve_until(async |request, _deadline| handle(request).await).await
}

/// As [`serve`], for a handler that must know when Lambda will end it.
pub async fn serve_until<Request, Response, Failure>(
    handle: impl AsyncFn(Request, Instant) -> Result<Response, Failure>,
) -> Result<(), lambda_runtime::Error>
where
    Request: DeserializeOwned,
    Response: Serialize,
    Failure: Named,
{
    let handle = &handle;
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<Value>| -> Result<Response, Diagnostic> {
            let left = event.context.deadline().duration_since(SystemTime::now());
            let deadline = Instant::now() + left.unwrap_or_default();
            let request = input::parse(event.payload).map_err(|error| diagnose(&error))?;
            // Boxed, because the compiler cannot lay out a future as deep as SDK call in handler in runtime in main.
            let response = Box::pin(handle(request, deadline))
                .await
                .map_err(|error| diagnose(&error))?;
            info!("answered");
            Ok(response)
        },
    ))
    .await
}

fn diagnose(error: &impl Named) -> Diagnostic {
    error!(error = error.name(), "{error}");
    Diagnostic {
        error_type: error.name().to_owned(),
        error_message: error.to_string(),
    }
}
