//! Asynchronous invocations: tried again when the function fails, and recorded when it fails for good.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::host::Host;
use super::{InvocationType, LATEST, Lambda, Outcome};
use crate::time::now;

impl Lambda {
    /// Works off one event: at most one try more than there are delays, or than
    /// `maximumRetryAttempts`. Throttled tries wait for a free execution, they do not count.
    pub(super) async fn run_queued(self, host: Arc<Host>, request_id: String, payload: Bytes) {
        let name = &host.function.name;
        let retries = host.function.maximum_retry_attempts.unwrap_or(u32::MAX);
        let mut delays = self.inner.async_retry_delays.iter().take(retries as usize);
        for attempt in 1_u32.. {
            let permits = host.reserved.as_ref().unwrap_or(&self.inner.unreserved);
            let Ok(permit) = permits.clone().acquire_owned().await else {
                return;
            };
            let outcome = host.clone().run(&request_id, payload.clone(), false).await;
            drop(permit);
            if !outcome.failed {
                return;
            }
            let Some(delay) = delays.next() else {
                tracing::error!(function = %name, %request_id, "event dropped after its last try");
                if let Some(destination) = host.function.on_failure.clone() {
                    let record =
                        record(&host.function.arn, &request_id, attempt, &payload, &outcome);
                    self.deliver(destination, record).await;
                }
                return;
            };
            tracing::warn!(function = %name, %request_id, ?delay, "event failed, will be retried");
            tokio::time::sleep(*delay).await;
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

/// The record of an event that failed for good.
/// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>
fn record(arn: &str, request_id: &str, tries: u32, request: &Bytes, outcome: &Outcome) -> Value {
    let document = |bytes: &Bytes| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    json!({
        "version": "1.0",
        "timestamp": now().to_string(),
        "requestContext": {
            "requestId": request_id,
            "functionArn": format!("{arn}:{LATEST}"),
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": document(request),
        "responseContext": {
            "statusCode": 200,
            "executedVersion": LATEST,
            "functionError": "Unhandled",
        },
        "responsePayload": document(&outcome.payload),
    })
}
