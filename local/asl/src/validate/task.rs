//! Task states: the resource and its integration pattern.

use super::findings::{Findings, JsonType, SCHEMA, closest};
use super::integrations::{INTEGRATIONS, Patterns, REQUIRED};
use super::subject::Machine;
use super::subject::State;
use super::{placeholder, queries};
use crate::execution_type::ExecutionType;
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::value::Value;

pub(super) fn task(state: &State, machine: &Machine, findings: &mut Findings) {
    let members = state.members;
    findings.at_most_one(
        members,
        state.location,
        &["TimeoutSeconds", "TimeoutSecondsPath"],
    );
    findings.at_most_one(
        members,
        state.location,
        &["HeartbeatSeconds", "HeartbeatSecondsPath"],
    );
    let seconds = |field: &str| members.get(field).and_then(Value::as_f64);
    if let (Some(timeout), Some(heartbeat)) =
        (seconds("TimeoutSeconds"), seconds("HeartbeatSeconds"))
        && heartbeat >= timeout
    {
        findings.schema(
            state.location,
            "HeartbeatSeconds must be smaller than TimeoutSeconds",
        );
    }
    credentials(state, findings);
    let Some(resource) = members.get("Resource") else {
        findings.required(state.location, &["Resource"]);
        return;
    };
    let at = state.at("Resource");
    let Some(arn) = resource.as_str() else {
        findings.typed(resource, &at, JsonType::String);
        return;
    };
    // A placeholder is filled in by a deployment.
    if placeholder::within(arn) {
        return;
    }
    check(state, arn, &at, machine.kind, findings);
}

fn credentials(state: &State, findings: &mut Findings) {
    let Some(credentials) = state.members.get("Credentials") else {
        return;
    };
    let at = state.at("Credentials");
    match state.language {
        Language::JsonPath => queries::payload(credentials, &at, findings),
        Language::Jsonata => queries::expressions(credentials, &at, Place::default(), findings),
    }
    let Value::Object(members) = credentials else {
        if state.language == Language::JsonPath {
            findings.typed(credentials, &at, JsonType::Object);
        }
        return;
    };
    if !members.contains_key("RoleArn") && !members.contains_key("RoleArn.$") {
        findings.schema(&at, "The field 'RoleArn' is required but was missing");
    }
}

fn check(state: &State, arn: &str, at: &str, kind: ExecutionType, findings: &mut Findings) {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, service, _, _, rest] = *parts else {
        findings.error(
            SCHEMA,
            at,
            "Value is not a valid resource ARN",
            Some(
                "write the ARN of a function or an activity, or arn:aws:states:::service:action"
                    .to_string(),
            ),
        );
        return;
    };
    if !partition.starts_with("aws") {
        unrecognized(arn, at, None, findings);
        return;
    }
    match service {
        "lambda" if rest.starts_with("function:") => {}
        "states" if rest.starts_with("activity:") => {
            if kind == ExecutionType::Express {
                findings.schema(at, "Express state machine does not support Activity ARN");
            }
        }
        // Unproven: only published samples name a region and an account here.
        "states" => {
            integration(state, arn, rest, at, kind, findings);
        }
        _ => unrecognized(arn, at, None, findings),
    }
}

fn unrecognized(arn: &str, at: &str, suggestion: Option<String>, findings: &mut Findings) {
    findings.error(
        SCHEMA,
        at,
        format!(
            "The resource provided {arn} is not recognized. The value is not a valid resource ARN, or the resource is \
             not available in this region."
        ),
        suggestion,
    );
}

/// `service:action[.pattern]` after `arn:aws:states:::`.
fn integration(
    state: &State,
    arn: &str,
    rest: &str,
    at: &str,
    kind: ExecutionType,
    findings: &mut Findings,
) {
    let (call, pattern) = split_pattern(rest);
    if kind == ExecutionType::Express && !pattern.is_empty() {
        let pattern = if pattern.starts_with(".sync") {
            ".sync"
        } else {
            pattern
        };
        findings.schema(
            at,
            format!("Express state machine does not support '{pattern}' service integration"),
        );
    }
    let Some((service, action)) = call.split_once(':') else {
        unrecognized(arn, at, Some("write service:action".to_string()), findings);
        return;
    };
    if service == "aws-sdk" {
        if action.split(':').count() != 2 || pattern.starts_with(".sync") {
            let suggestion = "SDK integrations are written aws-sdk:service:action, without .sync";
            unrecognized(arn, at, Some(suggestion.to_string()), findings);
        }
    } else {
        optimized(arn, at, service, action, pattern, findings);
        parameters(state, service, action, arn, findings);
    }
    if pattern == ".waitForTaskToken" {
        token(state, findings);
    }
}

fn split_pattern(rest: &str) -> (&str, &str) {
    for pattern in [".sync:2", ".sync", ".waitForTaskToken"] {
        if rest.ends_with(pattern) {
            return rest.split_at(rest.len() - pattern.len());
        }
    }
    (rest, "")
}

fn optimized(
    arn: &str,
    at: &str,
    service: &str,
    action: &str,
    pattern: &str,
    findings: &mut Findings,
) {
    let Some((_, patterns, actions)) = INTEGRATIONS.iter().find(|row| row.0 == service) else {
        let suggestion = closest(service, INTEGRATIONS.iter().map(|row| row.0)).map_or_else(
            || format!("services without an optimized integration are called as aws-sdk:{service}:{action}"),
            |known| format!("did you mean '{known}'?"),
        );
        unrecognized(arn, at, Some(suggestion), findings);
        return;
    };
    if !actions.contains(&action) {
        let suggestion = closest(action, actions.iter().copied()).map_or_else(
            || format!("other actions of the service are called as aws-sdk:{service}:{action}"),
            |known| format!("did you mean '{known}'?"),
        );
        unrecognized(arn, at, Some(suggestion), findings);
        return;
    }
    let fits = match pattern {
        "" => true,
        ".sync" => matches!(patterns, Patterns::Sync | Patterns::Both | Patterns::Nested),
        ".sync:2" => *patterns == Patterns::Nested,
        _ => matches!(
            patterns,
            Patterns::Token | Patterns::Both | Patterns::Nested
        ),
    };
    if !fits {
        let suggestion = format!("{service}:{action} does not know the pattern {pattern}");
        unrecognized(arn, at, Some(suggestion), findings);
    }
}

fn parameters(state: &State, service: &str, action: &str, arn: &str, findings: &mut Findings) {
    let field = match state.language {
        Language::JsonPath => "Parameters",
        Language::Jsonata => "Arguments",
    };
    let Some(value) = state.members.get(field) else {
        findings.schema(
            state.location,
            format!("{field} field is required for resource ARN: {arn}"),
        );
        return;
    };
    let (Value::Object(members), Some((_, _, required))) = (
        value,
        REQUIRED
            .iter()
            .find(|row| row.0 == service && row.1 == action),
    ) else {
        return;
    };
    for name in *required {
        if !members.contains_key(*name) && !members.contains_key(&*format!("{name}.$")) {
            findings.schema(
                &state.at(field),
                format!("The field '{name}' is required but was missing"),
            );
        }
    }
}

/// Warns when nothing passes the task token on, so that nobody could ever finish the task.
fn token(state: &State, findings: &mut Findings) {
    fn mentions(value: &Value) -> bool {
        match value {
            Value::String(text) => {
                text.contains("Task.Token")
                    || text.contains("states.context") && !text.contains("context.")
            }
            Value::Array(items) => items.iter().any(mentions),
            Value::Object(members) => members.values().any(mentions),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let passed = ["Parameters", "Arguments"]
        .iter()
        .filter_map(|field| state.members.get(*field))
        .any(|value| mentions(value) || *value == Value::from("$$") || passes_all(value));
    if !passed {
        findings.warning(
            "NO_TASK_TOKEN",
            state.location,
            "The task waits for its token to come back, but nothing passes the token on.",
            match state.language {
                Language::JsonPath => "pass \"TaskToken.$\": \"$$.Task.Token\"".to_string(),
                Language::Jsonata => {
                    "pass \"TaskToken\": \"{% $states.context.Task.Token %}\"".to_string()
                }
            },
        );
    }
}

/// Whether the whole context object, or something computed, is passed.
fn passes_all(value: &Value) -> bool {
    match value {
        Value::String(text) => text.starts_with("{%"),
        Value::Object(members) => members
            .iter()
            .any(|(key, value)| key.ends_with(".$") && value.as_str() == Some("$$")),
        _ => false,
    }
}
