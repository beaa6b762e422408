//! Asynchronous invocations: kept on disk until they are done with, tried again when the function
//! fails, and recorded when it fails for good.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::host::Host;
use super::{InvocationType, LATEST, Lambda, Outcome};
use crate::error::ServiceError;
use crate::time::{Timestamp, now};

/// How long an event may wait where the function's configuration does not say.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const EVENT_AGE: Duration = Duration::from_secs(6 * 3_600);

/// An event that waits for its function, as it is kept on disk until it is done with.
#[derive(Debug, Serialize, Deserialize)]
struct Queued {
    request_id: String,
    function: String,
    #[serde(default = "latest")]
    version: String,
    /// A JSON document, as it was sent.
    payload: String,
    accepted: Timestamp,
}

fn latest() -> String {
    LATEST.to_owned()
}

impl Lambda {
    /// Accepts an event: once it is on disk, it is delivered at least once, whatever ends in between.
    pub(super) fn queue(
        &self,
        host: Arc<Host>,
        request_id: String,
        payload: Bytes,
    ) -> Result<(), ServiceError> {
        let queued = Queued {
            function: host.function.name.clone(),
            version: host.version.clone(),
            payload: String::from_utf8_lossy(&payload).into_owned(),
            accepted: now(),
            request_id,
        };
        self.inner.queued.create(&queued.request_id, &queued)?;
        self.work_off(host, queued);
        Ok(())
    }

    /// Queues again what an earlier local cloud accepted and had not done with.
    pub(super) fn take_up(&self) {
        for queued in self.inner.queued.load::<Queued>() {
            match self.host(&queued.function, Some(&queued.version)) {
                Ok(host) => self.work_off(host, queued),
                Err(error) => {
                    tracing::error!(request_id = %queued.request_id, %error, "event dropped");
                    self.inner.queued.remove(&queued.request_id);
                }
            }
        }
    }

    fn work_off(&self, host: Arc<Host>, queued: Queued) {
        let lambda = self.clone();
        let busy = self.work().begin();
        tokio::spawn(async move {
            let Queued {
                request_id,
                payload,
                accepted,
                ..
            } = queued;
            let processes = lambda.inner.shared.processes.clone();
            let work = async {
                let waited = Duration::from_micros((now().0 - accepted.0).unsigned_abs());
                let run = lambda.clone();
                run.run_queued(host, request_id.clone(), payload.into(), waited)
                    .await;
                lambda.inner.queued.remove(&request_id);
            };
            processes.while_open(work).await;
            drop(busy);
        });
    }

    /// Works off one event: at most one try more than there are delays, or than
    /// `maximumRetryAttempts`. Throttled tries wait for a free execution until the event is too
    /// old, they do not count.
    async fn run_queued(
        self,
        host: Arc<Host>,
        request_id: String,
        payload: Bytes,
        waited: Duration,
    ) {
        let name = &host.function.name;
        let retries = host.function.maximum_retry_attempts.unwrap_or(u32::MAX);
        let age = host.function.maximum_event_age.unwrap_or(EVENT_AGE);
        let deadline = Instant::now() + age.saturating_sub(waited);
        let mut delays = self.inner.async_retry_delays.iter().take(retries as usize);
        for attempt in 1_u32.. {
            let permits = host.reserved.as_ref().unwrap_or(&self.inner.unreserved);
            let permit = match timeout_at(deadline, permits.clone().acquire_owned()).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_closed)) => return,
                Err(_elapsed) => {
                    let tries = attempt - 1;
                    let record = record(
                        &host,
                        "EventAgeExceeded",
                        &request_id,
                        tries,
                        &payload,
                        None,
                    );
                    return self.drop_event(&host, record).await;
                }
            };
            let outcome = host.clone().run(&request_id, payload.clone(), false).await;
            drop(permit);
            if self.inner.shared.processes.is_closing() {
                // This is dropped in a moment, and the event is kept for the next local cloud.
                return std::future::pending().await;
            }
            if !outcome.failed {
                return;
            }
            let Some(delay) = delays.next() else {
                let failed = Some(&outcome);
                let record = record(
                    &host,
                    "RetriesExhausted",
                    &request_id,
                    attempt,
                    &payload,
                    failed,
                );
                return self.drop_event(&host, record).await;
            };
            tracing::warn!(function = %name, %request_id, ?delay, "event failed, will be retried");
            tokio::time::sleep(*delay).await;
        }
    }

    /// Gives an event up; the record of it goes to the function's destination, where it has one.
    async fn drop_event(&self, host: &Host, record: Value) {
        let context = &record["requestContext"];
        tracing::error!(
            function = %host.function.name,
            request_id = %context["requestId"],
            condition = %context["condition"],
            "event dropped"
        );
        if let Some(destination) = host.function.on_failure.clone() {
            self.deliver(destination, record).await;
        }
    }

    /// Hands a record to its destination. Boxed, since the destination's own failures may be
    /// recorded in turn.
    fn deliver(
        &self,
        destination: String,
        record: Value,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let lambda = self.clone();
        Box::pin(async move {
            if !destination.contains(":lambda:") {
                tracing::warn!(
                    destination,
                    "a failure record is delivered to functions only"
                );
                return;
            }
            let record = Bytes::from(record.to_string());
            if let Err(error) = lambda
                .invoke(&destination, record, InvocationType::Event)
                .await
            {
                tracing::error!(destination, %error, "a failure record was not delivered");
            }
        })
    }
}

/// The record of an event that was given up; without an outcome where its last try never began.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn record(
    host: &Host,
    condition: &str,
    request_id: &str,
    tries: u32,
    request: &Bytes,
    outcome: Option<&Outcome>,
) -> Value {
    let document = |bytes: &Bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    let mut record = json!({
        "version": "1.0",
        "timestamp": now().to_string(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": format!("{}:{}", host.function.arn, host.version),
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": document(request),
    });
    if let Some(outcome) = outcome {
        record["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": host.version,
            "functionError": "Unhandled",
        });
        record["responsePayload"] = document(&outcome.payload);
    }
    record
}
