//! AWS clients. Endpoints, region and credentials come from the SDK's own environment variables alone.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::{Builder, tls};

/// The configuration that all clients of a process share.
///
/// TLS is rustls on ring, which builds without a C tool chain beyond `cc` and is smaller than aws-lc.
pub async fn config() -> SdkConfig {
    let http = Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https();
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(http)
        .load()
        .await
}

/// Whether another attempt may do after an error with `code` and `message`: throttling, a quota, an error on the
/// server's side, or no answer at all. ECS wraps what EC2 throttled in an `InvalidParameterException`, and only its
/// message tells.
pub fn is_capacity(code: Option<&str>, message: Option<&str>) -> bool {
    const CODES: [&str; 7] = [
        "Throttl",
        "TooManyRequests",
        "LimitExceeded",
        "ServerException",
        "ServiceException",
        "InternalFailure",
        "Unavailable",
    ];
    const MESSAGES: [&str; 4] = [
        "Throttl",
        "Rate exceeded",
        "RequestLimitExceeded",
        "Capacity is unavailable",
    ];
    let Some(code) = code else { return true };
    CODES.iter().any(|part| code.contains(part))
        || message.is_some_and(|message| MESSAGES.iter().any(|part| message.contains(part)))
}

/// An S3 client. Path-style addresses work on AWS and on every other S3.
pub fn s3(config: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(config)
        .force_path_style(true)
        .build();
    aws_sdk_s3::Client::from_conf(config)
}

/// A Step Functions client that waits out throttling: the task-token calls of a thousand workers share one bucket
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>), and an answer must not be lost.
pub fn sfn(config: &SdkConfig) -> aws_sdk_sfn::Client {
    let patient = RetryConfig::standard()
        .with_max_attempts(10)
        .with_initial_backoff(Duration::from_millis(200))
        .with_max_backoff(Duration::from_secs(20));
    aws_sdk_sfn::Client::from_conf(
        aws_sdk_sfn::config::Builder::from(config)
            .retry_config(patient)
            .build(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_counts_as_capacity() {
        let cases = [
            (None, "", true),
            (Some("ThrottlingException"), "", true),
            (Some("TooManyRequestsException"), "", true),
            (Some("LimitExceededException"), "", true),
            (Some("ActivityWorkerLimitExceeded"), "", true),
            (Some("ServerException"), "", true),
            (
                Some("InvalidParameterException"),
                "Error retrieving subnet information for [subnet-1]: Rate exceeded (ErrorCode: Throttling)",
                true,
            ),
            (
                Some("InvalidParameterException"),
                "No Container Instances were found in your cluster.",
                false,
            ),
            (Some("ClientException"), "TaskDefinition is inactive", false),
            (Some("AccessDeniedException"), "", false),
            (Some("ResourceNotFoundException"), "", false),
            (Some("ActivityDoesNotExist"), "", false),
        ];
        for (code, message, expected) in cases {
            assert_eq!(is_capacity(code, Some(message)), expected, "{code:?}");
        }
    }
}
