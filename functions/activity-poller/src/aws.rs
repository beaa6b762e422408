//! The poller's side of Step Functions and Lambda.

use std::time::Duration;

use aws_sdk_lambda::error::DisplayErrorContext;
use aws_sdk_lambda::types::InvocationType;
use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use serde::Deserialize;
use shared::task::TaskToken;

use crate::POLL;
use crate::ports::{ActivityTask, Invocation, Invoke, InvokeError, PollActivity, PollError};

/// [`PollActivity`] by the Step Functions API.
#[derive(Debug, Clone)]
pub struct SfnActivity(pub aws_sdk_sfn::Client);

impl PollActivity for SfnActivity {
    async fn poll(
        &self,
        activity_arn: &str,
        worker_name: &str,
    ) -> Result<Option<ActivityTask>, PollError> {
        // A client that hangs up earlier would lose a task that is on its way, and one that tries
        // again would overrun its time.
        let patient = TimeoutConfig::builder()
            .read_timeout(POLL)
            .operation_attempt_timeout(POLL)
            .build();
        let config = aws_sdk_sfn::config::Builder::new()
            .timeout_config(patient)
            .retry_config(RetryConfig::disabled());
        let call = self
            .0
            .get_activity_task()
            .activity_arn(activity_arn)
            .worker_name(worker_name);
        let answer = call
            .customize()
            .config_override(config)
            .send()
            .await
            .map_err(|error| PollError {
                activity: activity_arn.to_owned(),
                reason: DisplayErrorContext(error).to_string(),
            })?;
        // Without a task the token is null or empty.
        let token = answer.task_token.filter(|token| !token.is_empty());
        Ok(token.map(|token| ActivityTask {
            token: TaskToken::new(token),
            input: answer.input.unwrap_or_else(|| "{}".to_owned()),
        }))
    }
}

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
            .operation_timeout(crate::HAND_OVER - Duration::from_secs(2))
            .build();
        let config = aws_sdk_lambda::config::Builder::new().timeout_config(patient);
        let request = request.payload(call.payload.to_string().into_bytes().into());
        let answer = request.customize().config_override(config).send().await;
        let answer = answer.map_err(|error| InvokeError::NotInvoked {
            function: call.function.clone(),
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
