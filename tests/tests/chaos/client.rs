//! Requests to a server that comes and goes. A request that was not answered is sent again; it is known whether one
//! was lost on the way, for then the first may have done its work.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_sfn::config::retry::RetryConfig;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;

/// How long an answer may be outstanding, over any number of servers.
const PATIENCE: Duration = Duration::from_secs(240);

/// A client of whatever server is there.
#[derive(Clone)]
pub struct Client {
    pub sfn: aws_sdk_sfn::Client,
    pub s3: aws_sdk_s3::Client,
    signs: Arc<AtomicUsize>,
}

/// An answer, and whether an earlier request may have been taken too.
pub struct Answered<T> {
    pub answer: Result<T, Refusal>,
    pub lost_before: bool,
}

impl<T> Answered<T> {
    /// The same with another answer.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Answered<U> {
        Answered {
            answer: self.answer.map(change),
            lost_before: self.lost_before,
        }
    }
}

/// The service answered that it does not.
#[derive(Debug)]
pub struct Refusal {
    pub code: String,
    pub message: String,
}

impl Client {
    /// A client of this endpoint.
    pub fn new(endpoint: &str) -> Self {
        let credentials = Credentials::new("test", "test", None, None, "chaos");
        let http = aws_smithy_http_client::Builder::new().build_http();
        let sfn = aws_sdk_sfn::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials.clone())
            .endpoint_url(endpoint)
            .http_client(http.clone())
            .retry_config(RetryConfig::disabled())
            .build();
        let s3 = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials)
            .endpoint_url(endpoint)
            .http_client(http)
            .force_path_style(true)
            .build();
        Self {
            sfn: aws_sdk_sfn::Client::from_conf(sfn),
            s3: aws_sdk_s3::Client::from_conf(s3),
            signs: Arc::default(),
        }
    }

    /// Signs of life so far.
    pub fn signs(&self) -> usize {
        self.signs.load(Ordering::Relaxed)
    }

    /// Counts a sign of life.
    pub fn sign(&self) {
        self.signs.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks for an execution.
    pub async fn describe(&self, arn: &str) -> Answered<DescribeExecutionOutput> {
        let describe = async || {
            let describe = self.sfn.describe_execution().execution_arn(arn);
            describe.send().await
        };
        self.ask(describe).await
    }

    /// Sends a request until it is answered. A 5xx is no answer: it promises nothing.
    ///
    /// # Panics
    /// Nothing answers for minutes.
    pub async fn ask<T, E: ProvideErrorMetadata + std::error::Error + 'static>(
        &self,
        request: impl AsyncFn() -> Result<T, SdkError<E>>,
    ) -> Answered<T> {
        let started = Instant::now();
        let mut lost_before = false;
        loop {
            let error = match request().await {
                Ok(answer) => {
                    self.sign();
                    return Answered {
                        answer: Ok(answer),
                        lost_before,
                    };
                }
                Err(error) => error,
            };
            if let SdkError::ServiceError(refused) = &error
                && refused.raw().status().as_u16() < 500
            {
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                let (code, message) = (text(error.code()), text(error.message()));
                return Answered {
                    answer: Err(Refusal { code, message }),
                    lost_before,
                };
            }
            // Nothing was sent where nobody listens.
            lost_before |= !matches!(&error, SdkError::DispatchFailure(failure) if failure.is_io() && refused(&error));
            assert!(
                started.elapsed() < PATIENCE,
                "no answer for {} s: {error:?}",
                PATIENCE.as_secs()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether nobody listened.
fn refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let io = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    io == Some(std::io::ErrorKind::ConnectionRefused) || error.source().is_some_and(refused)
}
