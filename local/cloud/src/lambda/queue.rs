//! Asynchronous invocations: tried again when the function fails, and recorded when it fails for good.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::host::Host;
use super::{InvocationType, LATEST, Lambda, Outcome};
use crate::time::now;

/// How long an event may wait where the function's configuration does not say.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const EVENT_AGE: Duration = Duration::from_secs(6 * 3_600);

impl Lambda {
    /// Works off one event: at most one try more than there are delays, or than
    /// `maximumRetryAttempts`. Throttled tries wait for a free execution until the event is too
    /// old, they do not count.
    pub(super) async fn run_queued(self, host: Arc<Host>, request_id: String, payload: Bytes) {
        let name = &host.function.name;
        let retries = host.function.maximum_retry_attempts.unwrap_or(u32::MAX);
        let age = host.function.maximum_event_age.unwrap_or(EVENT_AGE);
        let deadline = Instant::now() + age;
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
            "functionArn": format!("{}:{LATEST}", host.function.arn),
            "condition": condition,
            "approximateInvokeCount": tries,
        },
        "requestPayload": document(request),
    });
    if let Some(outcome) = outcome {
        record["responseContext"] = json!({
            "statusCode": 200,
            "executedVersion": LATEST,
            "functionError": "Unhandled",
        });
        record["responsePayload"] = document(&outcome.payload);
    }
    record
}
