//! EventBridge: events, rules with event patterns, targets that are functions or state machines.

mod pattern;
mod transform;

use std::sync::{Arc, OnceLock};

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::action::{EventBridgeAction, ServiceId};
use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::lambda::{InvocationType, Lambda};
use crate::rest;
use crate::router::Service;
use crate::time::{Timestamp, now};
use stack::{Rule, RuleTarget};

pub use pattern::{PatternError, matches, validate};

/// Largest event, bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>
const ENTRY_LIMIT: usize = 1_024 * 1_024;
/// Entries in one PutEvents request.
const ENTRIES_LIMIT: usize = 10;

/// Starts an execution of the state machine with this ARN.
pub type StartExecution =
    Arc<dyn Fn(String, Value) -> BoxFuture<'static, Result<(), ServiceError>> + Send + Sync>;

/// The EventBridge service.
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

struct Inner {
    local: Local,
    rules: Vec<Rule>,
    lambda: Lambda,
    faults: Faults,
    start_execution: OnceLock<StartExecution>,
}

/// A rule of the stack that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("rule {rule}: {source}")]
pub struct RuleError {
    /// Rule name.
    pub rule: String,
    /// What is wrong with its pattern.
    pub source: PatternError,
}

impl Events {
    /// A service with the rules of a stack; every pattern is checked.
    pub fn new(
        local: Local,
        rules: &[Rule],
        lambda: Lambda,
        faults: Faults,
    ) -> Result<Self, RuleError> {
        for rule in rules.iter().filter(|rule| !rule.pattern.is_null()) {
            validate(&rule.pattern).map_err(|source| RuleError {
                rule: rule.name.clone(),
                source,
            })?;
        }
        Ok(Events {
            inner: Arc::new(Inner {
                local,
                rules: rules.to_vec(),
                lambda,
                faults,
                start_execution: OnceLock::new(),
            }),
        })
    }

    /// Gives the way to start executions; the first call counts.
    pub fn on_start_execution(&self, start: StartExecution) {
        let _ = self.inner.start_execution.set(start);
    }

    /// Publishes an event of an AWS service about these resources on the default bus.
    pub fn publish(&self, source: &str, detail_type: &str, resources: &[&str], detail: Value) {
        self.deliver(
            "default",
            self.envelope(source, detail_type, json!(resources), detail, now()),
        );
    }

    /// Invokes a target by its ARN with an input: a function or a state machine.
    pub fn invoke_target(&self, arn: &str, input: Value) {
        let (events, arn) = (self.clone(), arn.to_owned());
        let busy = self.inner.lambda.work().begin();
        tokio::spawn(async move {
            let result = match (arn.contains(":states:"), events.inner.start_execution.get()) {
                (true, Some(start)) => start(arn.clone(), input).await,
                (true, None) => Err(ServiceError::new(
                    "StateMachineDoesNotExist",
                    "no state machines here",
                )),
                (false, _) if !arn.contains(":lambda:") => {
                    tracing::debug!(target_arn = %arn, "targets of this kind are not run locally");
                    Ok(())
                }
                (false, _) => {
                    let payload = Bytes::from(input.to_string());
                    let lambda = &events.inner.lambda;
                    lambda
                        .invoke(&arn, payload, InvocationType::Event)
                        .await
                        .map(drop)
                }
            };
            if let Err(error) = result {
                tracing::error!(target_arn = %arn, %error, "event not delivered");
            }
            drop(busy);
        });
    }

    fn envelope(
        &self,
        source: &str,
        detail_type: &str,
        resources: Value,
        detail: Value,
        time: Timestamp,
    ) -> Value {
        // Event times have whole seconds.
        let time = format!("{}Z", &time.to_string()[..19]);
        json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": detail_type,
            "source": source,
            "account": self.inner.local.account,
            "time": time,
            "region": self.inner.local.region,
            "resources": resources,
            "detail": detail,
        })
    }

    fn deliver(&self, bus: &str, event: Value) {
        for rule in &self.inner.rules {
            if rule.enabled
                && rule.event_bus == bus
                && !rule.pattern.is_null()
                && matches(&rule.pattern, &event)
            {
                for target in &rule.targets {
                    self.invoke_target(&target.arn, target_input(target, &event));
                }
            }
        }
    }

    fn put_events(&self, body: &Value, verdict: Verdict) -> Result<Value, ServiceError> {
        let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        if entries.is_empty() || entries.len() > ENTRIES_LIMIT {
            let message = format!(
                "1 validation error detected: Entries must have 1 to {ENTRIES_LIMIT} members"
            );
            return Err(ServiceError::new("ValidationException", message));
        }
        let results: Vec<Value> = entries
            .iter()
            .map(|entry| self.put_entry(entry, verdict))
            .collect();
        let failed = results
            .iter()
            .filter(|result| result["ErrorCode"].is_string())
            .count();
        Ok(json!({"FailedEntryCount": failed, "Entries": results}))
    }

    fn put_entry(&self, entry: &Value, verdict: Verdict) -> Value {
        let refuse =
            |code: &str, message: &str| json!({"ErrorCode": code, "ErrorMessage": message});
        let text = |name: &str| entry[name].as_str().filter(|text| !text.is_empty());
        let (Some(source), Some(detail_type), Some(detail)) =
            (text("Source"), text("DetailType"), text("Detail"))
        else {
            return refuse(
                "InvalidArgument",
                "Source, DetailType and Detail are required",
            );
        };
        if source.len() + detail_type.len() + detail.len() > ENTRY_LIMIT {
            return refuse("InvalidArgument", "the entry is larger than 1 MB");
        }
        if source.starts_with("aws.") {
            return refuse(
                "NotAuthorizedForSourceException",
                "sources that begin with aws. belong to AWS services",
            );
        }
        let detail = match serde_json::from_str::<Value>(detail) {
            Ok(detail @ Value::Object(_)) => detail,
            Ok(_) | Err(_) => {
                return refuse(
                    "MalformedDetail",
                    "Detail is malformed: it must be a JSON object",
                );
            }
        };
        let seconds = entry["Time"].as_f64();
        let time = seconds.map_or_else(now, |seconds| Timestamp((seconds * 1e6) as i64));
        let resources = entry.get("Resources").cloned().unwrap_or_else(|| json!([]));
        let event = self.envelope(source, detail_type, resources, detail, time);
        let id = event["id"].clone();
        // A bus may be named by its ARN: ...:event-bus/<name>.
        let bus = text("EventBusName").unwrap_or("default");
        match verdict {
            Verdict::Proceed => self.deliver(bus.rsplit('/').next().unwrap_or(bus), event),
            Verdict::Lose => {}
        }
        json!({"EventId": id})
    }

    fn list_rules(&self) -> Value {
        let rules = self.inner.rules.iter().map(|rule| {
            json!({
                "Name": rule.name,
                "Arn": rule.arn,
                "EventBusName": rule.event_bus,
                "State": if rule.enabled { "ENABLED" } else { "DISABLED" },
                "EventPattern": rule.pattern.to_string(),
            })
        });
        json!({"Rules": rules.collect::<Vec<_>>()})
    }
}

/// What a target gets: the event, a constant, a part of the event, or a template filled from it.
fn target_input(target: &RuleTarget, event: &Value) -> Value {
    match target {
        RuleTarget {
            input: Some(input), ..
        } => input.clone(),
        RuleTarget {
            input_path: Some(path),
            ..
        } => transform::at_path(event, path)
            .cloned()
            .unwrap_or(Value::Null),
        RuleTarget {
            input_transformer: Some(transformer),
            ..
        } => transform::fill(transformer, event),
        RuleTarget {
            input: None,
            input_path: None,
            input_transformer: None,
            ..
        } => event.clone(),
    }
}

impl Events {
    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: EventBridgeAction, body: &Value) -> Result<Value, ServiceError> {
        match (action, self.inner.faults.admit(action, body)?) {
            (EventBridgeAction::PutEvents, verdict) => self.put_events(body, verdict),
            (EventBridgeAction::ListRules, Verdict::Lose) => Ok(json!({})),
            (EventBridgeAction::ListRules, Verdict::Proceed) => Ok(self.list_rules()),
        }
    }
}

impl Service for Events {
    fn id(&self) -> ServiceId {
        ServiceId::EventBridge
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (action, body) = rest::read_aws_json(request).await?;
            let action = EventBridgeAction::required(&action)?;
            Ok(rest::aws_json(&self.call(action, &body)?))
        }
        .boxed()
    }
}
