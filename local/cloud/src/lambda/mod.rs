//! Lambda: the Invoke API over real function binaries that speak the real Runtime API.
//!
//! Each concurrent execution has an environment of its own, a process that is kept warm and
//! reused, the most recently used first, as
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html> describes.

mod environment;
mod host;
mod outcome;
mod pool;
mod queue;
mod rest;
mod runtime_api;

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::action::LambdaAction;
use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::logs::Logs;
use crate::process::Processes;
use crate::records::Records;
use crate::usage::Meter;
use crate::work::Work;
use stack::Function;

use environment::Environment;
use host::{Host, Shared};
pub use outcome::Outcome;
use pool::Pool;
pub(crate) use rest::FUNCTIONS;

/// Largest request and response of a synchronous invocation, bytes (6 MB).
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const SYNC_PAYLOAD_LIMIT: usize = 6 * 1_024 * 1_024;
/// Largest request of an asynchronous invocation, bytes (1 MB since October 2025).
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const ASYNC_PAYLOAD_LIMIT: usize = 1_024 * 1_024;
/// The only version of a local function.
pub const LATEST: &str = "$LATEST";

/// How a function is invoked.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    /// Wait for the response.
    RequestResponse,
    /// Queue the event; two retries when the function fails.
    Event,
    /// Check name and payload only.
    DryRun,
}

/// Answer of Invoke.
#[derive(Debug, Clone)]
pub struct InvokeOutput {
    /// 200 for `RequestResponse`, 202 for `Event`, 204 for `DryRun`.
    pub status_code: u16,
    /// `$LATEST`.
    pub executed_version: String,
    /// Response of the function, or the error document if `function_error` is set.
    pub payload: Bytes,
    /// `Unhandled` if the function failed.
    pub function_error: Option<String>,
    /// Last 4 KB of the log of this invocation, if it was asked for.
    pub log_tail: Option<Vec<u8>>,
    /// Request id, as the function saw it.
    pub request_id: String,
}

/// What one invocation is to do.
#[derive(Debug, Clone)]
pub struct Invoke {
    /// JSON; empty is an empty document.
    pub payload: Bytes,
    /// How.
    pub kind: InvocationType,
    /// Whether the log tail is wanted.
    pub tail: bool,
}

/// The Lambda service.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<Inner>,
}

struct Inner {
    functions: BTreeMap<String, Arc<Host>>,
    unreserved: Arc<Semaphore>,
    async_retry_delays: Vec<Duration>,
    queued: Records,
    shared: Shared,
}

impl Lambda {
    /// A service for these functions, within a tokio runtime. Binaries are looked for when a
    /// function is invoked. Events that an earlier one has left in the data folder are queued again.
    pub fn new(
        local: Local,
        functions: &[Function],
        logs: Logs,
        processes: Processes,
        faults: Faults,
        meter: Meter,
    ) -> Self {
        let reserved: u32 = functions
            .iter()
            .filter_map(|f| f.reserved_concurrency)
            .sum();
        let unreserved = local.limits.lambda_concurrency.saturating_sub(reserved);
        let async_retry_delays = local.limits.async_retry_delays.clone();
        let shared = Shared {
            local,
            logs,
            processes,
            faults,
            meter,
        };
        let pool = Pool::new(shared.local.limits.lambda_memory_mib);
        let functions = functions
            .iter()
            .map(|function| {
                let host = Host::new(function, &shared, &pool);
                (function.name.clone(), Arc::new(host))
            })
            .collect();
        let idle = shared.local.limits.lambda_idle;
        let inner = Arc::new(Inner {
            functions,
            unreserved: Arc::new(Semaphore::new(unreserved as usize)),
            async_retry_delays,
            queued: Records::new(shared.local.data_dir.join("lambda")),
            shared,
        });
        tokio::spawn(give_up_idle(Arc::downgrade(&pool), idle));
        let lambda = Lambda { inner };
        lambda.take_up();
        lambda
    }

    /// Invokes a function by name, partial ARN or ARN, with or without a qualifier.
    pub async fn invoke(
        &self,
        name_or_arn: &str,
        payload: Bytes,
        kind: InvocationType,
    ) -> Result<InvokeOutput, ServiceError> {
        let invoke = Invoke {
            payload,
            kind,
            tail: false,
        };
        self.invoke_with(name_or_arn, invoke).await
    }

    /// Invokes a function.
    pub async fn invoke_with(
        &self,
        name_or_arn: &str,
        invoke: Invoke,
    ) -> Result<InvokeOutput, ServiceError> {
        let host = self.host(name_or_arn)?;
        check_payload(&invoke)?;
        // The members that the protocol carries were checked where they were read.
        let verdict = (self.faults()).admit(LambdaAction::Invoke, &Value::Null)?;
        let request_id = Uuid::new_v4().to_string();
        let mut output = InvokeOutput {
            status_code: 200,
            executed_version: LATEST.to_owned(),
            payload: Bytes::new(),
            function_error: None,
            log_tail: None,
            request_id: request_id.clone(),
        };
        let payload = if invoke.payload.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            invoke.payload
        };
        match (invoke.kind, verdict) {
            (InvocationType::DryRun, _) => output.status_code = 204,
            (InvocationType::Event, Verdict::Lose) => output.status_code = 202,
            (InvocationType::RequestResponse, Verdict::Lose) => return Err(unanswered()),
            (InvocationType::Event, Verdict::Proceed) => {
                output.status_code = 202;
                self.queue(host, request_id, payload)?;
            }
            (InvocationType::RequestResponse, Verdict::Proceed) => {
                let permit = self.try_permit(&host)?;
                // A task of its own: the function runs on when the caller goes away, as on AWS.
                let run = tokio::spawn(async move {
                    let _permit = permit;
                    host.run(&request_id, payload, invoke.tail).await
                });
                let outcome = run.await.map_err(|error| {
                    ServiceError::with_status(500, "ServiceException", error.to_string())
                })?;
                output.payload = outcome.payload;
                output.function_error = outcome.failed.then(|| "Unhandled".to_owned());
                output.log_tail = outcome.log_tail;
            }
        }
        Ok(output)
    }

    fn faults(&self) -> &Faults {
        &self.inner.shared.faults
    }

    /// The work under way in all services.
    pub fn work(&self) -> &Work {
        &self.inner.shared.processes.work
    }

    fn try_permit(&self, host: &Host) -> Result<OwnedSemaphorePermit, ServiceError> {
        let permits = host.reserved.as_ref().unwrap_or(&self.inner.unreserved);
        permits.clone().try_acquire_owned().map_err(|_| throttled())
    }

    fn host(&self, name_or_arn: &str) -> Result<Arc<Host>, ServiceError> {
        let name = function_name(name_or_arn);
        self.inner.functions.get(name).cloned().ok_or_else(|| {
            let arn = self
                .inner
                .shared
                .local
                .arn("lambda", &format!("function:{name}"));
            ServiceError::with_status(
                404,
                "ResourceNotFoundException",
                format!("Function not found: {arn}"),
            )
        })
    }
}

/// Ends environments that were idle for so long, as AWS does after some minutes.
async fn give_up_idle(pool: Weak<Pool<Environment>>, idle: Duration) {
    let mut look = tokio::time::interval((idle / 10).max(Duration::from_millis(10)));
    loop {
        look.tick().await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        pool.retain(|environment| environment.idle_for() < idle);
    }
}

/// `TooManyRequestsException` as Invoke answers it when no execution is free.
pub fn throttled() -> ServiceError {
    ServiceError::with_status(429, "TooManyRequestsException", "Rate Exceeded.")
}

/// What the client of a synchronous invocation reports that has waited for its answer in vain.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>
fn unanswered() -> ServiceError {
    let message = "The client gave up waiting for the answer of Invoke";
    ServiceError::with_status(500, "ClientExecutionTimeoutException", message)
}

fn check_payload(invoke: &Invoke) -> Result<(), ServiceError> {
    let (limit, operation) = match invoke.kind {
        InvocationType::Event => (ASYNC_PAYLOAD_LIMIT, "InvokeAsync"),
        InvocationType::RequestResponse | InvocationType::DryRun => {
            (SYNC_PAYLOAD_LIMIT, "InvokeFunction")
        }
    };
    if invoke.payload.len() > limit {
        return Err(ServiceError::with_status(
            413,
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the {operation} operation"),
        ));
    }
    if !invoke.payload.is_empty() {
        serde_json::from_slice::<IgnoredAny>(&invoke.payload).map_err(|error| {
            ServiceError::new(
                "InvalidRequestContentException",
                format!("Could not parse request body into json: {error}"),
            )
        })?;
    }
    Ok(())
}

/// The plain name in `name`, `name:qualifier`, `account:function:name` or an ARN with or without a
/// qualifier.
pub fn function_name(name_or_arn: &str) -> &str {
    let rest = match name_or_arn.split_once(":function:") {
        Some((_, rest)) => rest,
        None => name_or_arn.strip_prefix("function:").unwrap_or(name_or_arn),
    };
    rest.split(':').next().unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_function_name_is_understood() {
        for form in [
            "f",
            "f:live",
            "function:f",
            "123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f",
            "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST",
        ] {
            assert_eq!(function_name(form), "f", "{form}");
        }
    }

    #[test]
    fn payload_limits_depend_on_the_invocation_type() {
        let big = |bytes: usize, kind| Invoke {
            payload: Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2))),
            kind,
            tail: false,
        };
        let code = |invoke| check_payload(&invoke).err().map(|e| e.code);
        let too_large = Some("RequestTooLargeException".to_owned());
        assert_eq!(
            code(big(SYNC_PAYLOAD_LIMIT, InvocationType::RequestResponse)),
            None
        );
        assert_eq!(
            code(big(SYNC_PAYLOAD_LIMIT + 1, InvocationType::RequestResponse)),
            too_large
        );
        assert_eq!(code(big(ASYNC_PAYLOAD_LIMIT, InvocationType::Event)), None);
        assert_eq!(
            code(big(ASYNC_PAYLOAD_LIMIT + 1, InvocationType::Event)),
            too_large
        );
        let broken = Invoke {
            payload: Bytes::from_static(b"{oops"),
            kind: InvocationType::DryRun,
            tail: false,
        };
        assert_eq!(
            code(broken),
            Some("InvalidRequestContentException".to_owned())
        );
    }
}
