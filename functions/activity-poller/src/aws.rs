//! Calling the processor on Lambda.

use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_lambda::types::InvocationType;
use jobs::aws::is_capacity;
use serde::Deserialize;

use crate::ports::{Invocation, Invoke, InvokeError};

/// [`Invoke`] by the Lambda API.
#[derive(Debug, Clone)]
pub struct LambdaInvoker(pub aws_sdk_lambda::Client);

/// How Lambda reports an error of a function.
/// <https://docs.aws.amazon.com/lambda/latest/dg/rust-handler.html>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FunctionError {
    #[serde(default)]
    error_type: String,
    #[serde(default)]
    error_message: String,
}

impl Invoke for LambdaInvoker {
    async fn invoke(&self, call: &Invocation) -> Result<(), InvokeError> {
        let kind = if call.wait {
            InvocationType::RequestResponse
        } else {
            InvocationType::Event
        };
        let request = self
            .0
            .invoke()
            .function_name(&call.function)
            .invocation_type(kind);
        let patient = TimeoutConfig::builder()
            .operation_timeout(crate::HAND_OVER.saturating_sub(Duration::from_secs(2)))
            .build();
        let config = aws_sdk_lambda::config::Builder::new().timeout_config(patient);
        let request = request.payload(call.payload.to_string().into_bytes().into());
        let answer = request.customize().config_override(config).send().await;
        let answer = answer.map_err(|error| InvokeError::NotInvoked {
            function: call.function.clone(),
            capacity: is_capacity(error.code(), error.message()),
            reason: DisplayErrorContext(error).to_string(),
        })?;
        if answer.function_error().is_none() {
            return Ok(());
        }
        let body = answer
            .payload
            .map(aws_sdk_lambda::primitives::Blob::into_inner)
            .unwrap_or_default();
        let error = serde_json::from_slice(&body).unwrap_or(FunctionError {
            error_type: String::new(),
            error_message: String::from_utf8_lossy(&body).into_owned(),
        });
        Err(InvokeError::Failed {
            function: call.function.clone(),
            name: error.error_type,
            message: error.error_message,
        })
    }
}
