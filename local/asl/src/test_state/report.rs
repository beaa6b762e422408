//! From what was observed to the response.

use std::sync::Arc;

use crate::definition::{Kind, State};
use crate::execution::{Alone, Observation, Seen};
use crate::query::Language;
use crate::start::Status;
use crate::value::{Map, Value};

use super::{InspectionLevel, TestResponse, TestStatus};

/// The response to the test of a state that has run.
pub(super) fn report(alone: &mut Alone, input: &Value, level: InspectionLevel) -> TestResponse {
    let observations = alone.observations();
    TestResponse {
        inspection_data: match level {
            InspectionLevel::Info => None,
            InspectionLevel::Debug | InspectionLevel::Trace => {
                Some(inspection(alone.state(), input, &observations))
            }
        },
        ..response(alone.status(), &observations)
    }
}

/// What came of the state, without inspection data.
fn response(status: &Status, observations: &[Observation]) -> TestResponse {
    let mut response = TestResponse {
        status: TestStatus::Failed,
        output: None,
        error: None,
        cause: None,
        next_state: None,
        inspection_data: None,
    };
    let mut caught = false;
    for observation in observations {
        match &observation.seen {
            Seen::Failed { error, cause } => {
                response.error.clone_from(error);
                response.cause.clone_from(cause);
            }
            Seen::Retrier {
                backoff_seconds, ..
            } if backoff_seconds.is_some() => response.status = TestStatus::Retriable,
            Seen::Catcher { .. } => caught = true,
            Seen::Left { output, next, .. } => {
                response.status = if caught {
                    TestStatus::CaughtError
                } else {
                    TestStatus::Succeeded
                };
                response.output = Some(output.clone());
                response.next_state.clone_from(next);
            }
            _ => {}
        }
    }
    // What ends the execution need not be what the state failed with: its Catch may have failed too.
    if let Status::Failed { error, cause } = status {
        response.error.clone_from(error);
        response.cause.clone_from(cause);
    }
    response
}

/// The way from input to output. Payloads are JSON texts.
fn inspection(state: &State, input: &Value, observations: &[Observation]) -> Map {
    let text = |value: &Value| Value::from(value.to_string());
    let json_path = state.language == Language::JsonPath;
    let parallel = matches!(state.kind, Kind::Parallel { .. });
    let has_result = matches!(
        state.kind,
        Kind::Pass { .. } | Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)
    );
    let (mut items, mut selected) = (0, Vec::new());
    let mut details = Map::default();
    let mut shown = Map::default();
    shown.insert("input".into(), text(input));
    for observation in observations {
        let (key, value) = match &observation.seen {
            Seen::InputPath(value) if json_path && !parallel => ("afterInputPath", text(value)),
            Seen::Arguments(value) if json_path && !parallel => ("afterParameters", text(value)),
            Seen::Arguments(value) if state.arguments.is_some() && !parallel => {
                ("afterArguments", text(value))
            }
            Seen::Result(value) => ("result", text(value)),
            Seen::ResultSelected(value) if has_result => ("afterResultSelector", text(value)),
            Seen::ResultPlaced(value) if has_result => ("afterResultPath", text(value)),
            Seen::MaxConcurrency(limit) => ("maxConcurrency", Value::from(*limit)),
            Seen::Items(values) => {
                items = values.len();
                if !json_path {
                    continue;
                }
                ("afterItemsPath", text(&Value::Array(Arc::clone(values))))
            }
            Seen::ItemSelected(value) => {
                selected.push(value.clone());
                continue;
            }
            Seen::Batches(batches) => ("afterItemBatcher", text(&Value::array(batches.clone()))),
            Seen::ToleratedFailureCount(count) => ("toleratedFailureCount", Value::from(*count)),
            Seen::ToleratedFailurePercentage(share) => {
                ("toleratedFailurePercentage", Value::number(*share))
            }
            Seen::Retrier {
                index,
                backoff_seconds,
            } => {
                details.insert("retryIndex".into(), Value::from(*index as u64));
                if let Some(seconds) = backoff_seconds {
                    let seconds = Value::from(seconds.round() as i64);
                    details.insert("retryBackoffIntervalSeconds".into(), seconds);
                }
                continue;
            }
            Seen::Catcher { index } => {
                details.insert("catchIndex".into(), Value::from(*index as u64));
                continue;
            }
            Seen::Left { variables, .. } if !variables.is_empty() => {
                ("variables", text(&Value::Object(Arc::clone(variables))))
            }
            _ => continue,
        };
        shown.insert(key.into(), value);
    }
    let selects = matches!(&state.kind, Kind::Map(map) if map.selector.is_some());
    // A selection that failed on the way is none.
    if selects && selected.len() == items {
        shown.insert("afterItemSelector".into(), text(&Value::array(selected)));
    }
    if !details.is_empty() {
        shown.insert("errorDetails".into(), Value::from(details));
    }
    shown
}
