//! PutEvents and TestEventPattern.

use serde::Deserialize;
use serde_json::{Value, json};

use super::Events;
use super::api::invalid;
use super::pattern::Pattern;
use super::rule::{DEFAULT_BUS, bus_name};
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::time::{Timestamp, now};

/// Largest event, bytes.
/// <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevents.html>
const ENTRY_LIMIT: usize = 1_024 * 1_024;
/// Entries in one PutEvents request.
const ENTRIES_LIMIT: usize = 10;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TestEventPattern {
    event_pattern: String,
    event: String,
}

impl Events {
    pub(super) fn put_events(&self, body: &Value, verdict: Verdict) -> Result<Value, ServiceError> {
        let entries = body["Entries"].as_array().map_or(&[][..], Vec::as_slice);
        if entries.is_empty() || entries.len() > ENTRIES_LIMIT {
            return Err(invalid(format!(
                "1 validation error detected: Entries must have 1 to {ENTRIES_LIMIT} members"
            )));
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
        for name in ["Source", "DetailType", "Detail"] {
            if text(name).is_none() {
                let message = format!(
                    "Parameter {name} is not valid. Reason: {name} is a required argument."
                );
                return refuse("InvalidArgument", &message);
            }
        }
        let [source, detail_type, detail] =
            ["Source", "DetailType", "Detail"].map(|name| text(name).unwrap_or_default());
        if source.len() + detail_type.len() + detail.len() > ENTRY_LIMIT {
            return refuse("InvalidArgument", "the entry is larger than 1 MB");
        }
        if source.starts_with("aws.") {
            return refuse(
                "NotAuthorizedForSourceException",
                "Not authorized for the source: those that begin with aws. belong to AWS services.",
            );
        }
        let detail = match serde_json::from_str::<Value>(detail) {
            Ok(detail @ Value::Object(_)) => detail,
            Ok(_) | Err(_) => {
                return refuse(
                    "MalformedDetail",
                    "Detail is malformed: it must be a JSON object.",
                );
            }
        };
        let seconds = entry["Time"].as_f64();
        let time = seconds.map_or_else(now, |seconds| Timestamp((seconds * 1e6) as i64));
        let resources = entry.get("Resources").cloned().unwrap_or_else(|| json!([]));
        let event = self.envelope(source, detail_type, resources, detail, time);
        let bus = bus_name(text("EventBusName").unwrap_or(DEFAULT_BUS));
        let delivered = match verdict {
            Verdict::Proceed => self.deliver(bus, &event, 0),
            Verdict::Lose => Ok(()),
        };
        match delivered {
            Ok(()) => json!({"EventId": event["id"]}),
            Err(error) => refuse("InternalFailure", &error.to_string()),
        }
    }
}

/// Whether a pattern matches an event, which must have what every event has.
pub(super) fn test_event_pattern(request: &TestEventPattern) -> Result<Value, ServiceError> {
    let pattern = Pattern::parse(&request.event_pattern)?;
    let not_valid =
        |reason: &str| invalid(format!("Parameter Event is not valid. Reason: {reason}"));
    let event: Value = serde_json::from_str(&request.event)
        .map_err(|error| not_valid(&format!("it is not JSON: {error}")))?;
    for name in [
        "id",
        "account",
        "source",
        "time",
        "region",
        "resources",
        "detail-type",
    ] {
        if event.get(name).is_none() {
            return Err(not_valid(&format!("{name} is missing")));
        }
    }
    Ok(json!({"Result": pattern.matches(&event)}))
}
