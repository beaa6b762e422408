//! EventBridge: `events:putEvents`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-eventbridge.html>

use asl::TaskError;
use serde_json::{Value, json};

use super::call::{Accepted, Call, as_text, service_error, with_metadata};
use cloud::action::EventBridgeAction;

/// PutEvents. `Detail` may be a structure; one entry that fails fails the state.
pub fn put_events(call: &Call) -> Result<Accepted, TaskError> {
    let mut request = call.arguments.clone();
    for entry in request["Entries"].as_array_mut().into_iter().flatten() {
        entry["Detail"] = json!(as_text(&entry["Detail"]));
    }
    let answer = call
        .engine
        .compute
        .events
        .call(EventBridgeAction::PutEvents, &request);
    let answer: Value =
        answer.map_err(|error| service_error("EventBridge", "AmazonEventBridge", &error))?;
    if answer["FailedEntryCount"].as_u64().unwrap_or(0) > 0 {
        return Err(TaskError {
            error: "EventBridge.FailedEntry".into(),
            cause: Some(answer.to_string()),
        });
    }
    Ok(Accepted::answer(with_metadata(
        answer,
        &uuid::Uuid::new_v4().to_string(),
    )))
}
