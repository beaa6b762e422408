//! States: which fields each type has, and what stands in them.

use super::block;
use super::fields::timestamp;
use super::findings::{Findings, JsonType, SCHEMA, closest};
use super::queries;
use super::subject::Machine;
use super::subject::State;
use super::{choice, map, retry, task};
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::quota::MAX_NUMBER;
use crate::state_type::StateType;
use crate::value::{Map, Value};

const COMMON: &[&str] = &["Type", "Comment", "QueryLanguage"];
const PASS: &[&str] = &[
    "InputPath",
    "OutputPath",
    "Result",
    "ResultPath",
    "Parameters",
    "Output",
    "Assign",
    "Next",
    "End",
];
const TASK: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "Arguments",
    "Output",
    "Assign",
    "Resource",
    "Credentials",
    "ResultSelector",
    "Retry",
    "Catch",
    "TimeoutSeconds",
    "TimeoutSecondsPath",
    "HeartbeatSeconds",
    "HeartbeatSecondsPath",
    "Next",
    "End",
];
const WAIT: &[&str] = &[
    "InputPath",
    "OutputPath",
    "Output",
    "Assign",
    "Seconds",
    "Timestamp",
    "SecondsPath",
    "TimestampPath",
    "Next",
    "End",
];
const PARALLEL: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "Arguments",
    "Output",
    "Assign",
    "ResultSelector",
    "Retry",
    "Catch",
    "Branches",
    "Next",
    "End",
];
const MAP: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "Output",
    "Assign",
    "ResultSelector",
    "Retry",
    "Catch",
    "ItemProcessor",
    "Iterator",
    "ItemsPath",
    "Items",
    "ItemSelector",
    "ItemReader",
    "ItemBatcher",
    "ResultWriter",
    "MaxConcurrency",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentage",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCount",
    "ToleratedFailureCountPath",
    "Label",
    "Next",
    "End",
];
const CHOICE: &[&str] = &[
    "InputPath",
    "OutputPath",
    "Output",
    "Assign",
    "Choices",
    "Default",
];
const SUCCEED: &[&str] = &["InputPath", "OutputPath", "Output"];
const FAIL: &[&str] = &["Error", "Cause", "ErrorPath", "CausePath"];

/// Fields that only JSONPath states have.
const JSONPATH_ONLY: &[&str] = &[
    "InputPath",
    "OutputPath",
    "ResultPath",
    "Parameters",
    "ResultSelector",
    "Result",
    "ItemsPath",
    "TimeoutSecondsPath",
    "HeartbeatSecondsPath",
    "SecondsPath",
    "TimestampPath",
    "MaxConcurrencyPath",
    "ToleratedFailurePercentagePath",
    "ToleratedFailureCountPath",
    "ErrorPath",
    "CausePath",
];
/// Fields that only JSONata states have.
const JSONATA_ONLY: &[&str] = &["Arguments", "Output", "Items"];

fn fields_of(kind: StateType) -> &'static [&'static str] {
    match kind {
        StateType::Pass => PASS,
        StateType::Task => TASK,
        StateType::Wait => WAIT,
        StateType::Parallel => PARALLEL,
        StateType::Map => MAP,
        StateType::Choice => CHOICE,
        StateType::Succeed => SUCCEED,
        StateType::Fail => FAIL,
    }
}

pub(super) fn state(
    value: &Value,
    location: &str,
    depth: usize,
    machine: &mut Machine,
    findings: &mut Findings,
) {
    let Value::Object(members) = value else {
        findings.typed(value, location, JsonType::Object);
        return;
    };
    let Some(kind) = kind(members, location, findings) else {
        return;
    };
    let language = queries::language_of_state(
        machine.language,
        members.get("QueryLanguage"),
        location,
        findings,
    );
    let fields = fields_of(kind);
    let known: Vec<&str> = COMMON.iter().chain(fields).copied().collect();
    for field in members.keys().filter(|field| !known.contains(&&***field)) {
        findings.unsupported(location, field, &known);
    }
    let state = State {
        members,
        location,
        kind,
        // A refused language is no reason for further findings about it.
        language: language.unwrap_or(Language::JsonPath),
        depth,
    };
    if language.is_some() {
        foreign_fields(&state, &known, findings);
    }
    transition(&state, findings);
    for (field, value) in members
        .iter()
        .filter(|(field, _)| known.contains(&&***field))
    {
        common_field(&state, field, value, findings);
    }
    match kind {
        StateType::Task => task::task(&state, machine, findings),
        StateType::Wait => wait(&state, findings),
        StateType::Choice => choice::choices(&state, findings),
        StateType::Parallel => parallel(&state, machine, findings),
        StateType::Map => map::map(&state, machine, findings),
        StateType::Fail => {
            findings.at_most_one(members, location, &["Error", "ErrorPath"]);
            findings.at_most_one(members, location, &["Cause", "CausePath"]);
        }
        StateType::Pass => pass(&state, findings),
        StateType::Succeed => {}
    }
}

/// The type that the state names.
fn kind(members: &Map, location: &str, findings: &mut Findings) -> Option<StateType> {
    let Some(value) = members.get("Type") else {
        findings.schema(location, "The field 'Type' is required");
        return None;
    };
    let at = format!("{location}/Type");
    let Some(name) = value.as_str() else {
        findings.typed(value, &at, JsonType::String);
        return None;
    };
    let kind = StateType::parse(name);
    if kind.is_none() {
        let names = StateType::ALL.map(StateType::name);
        findings.error(
            SCHEMA,
            &at,
            format!(
                "The field 'Type' should have one of these values: [{}]",
                names.join(", ")
            ),
            closest(name, names.into_iter()).map(|known| format!("did you mean '{known}'?")),
        );
    }
    kind
}

/// Fields of the other query language.
fn foreign_fields(state: &State, known: &[&str], findings: &mut Findings) {
    let (foreign, other) = match state.language {
        Language::JsonPath => (JSONATA_ONLY, Language::Jsonata),
        Language::Jsonata => (JSONPATH_ONLY, Language::JsonPath),
    };
    for field in foreign {
        if state.members.contains_key(*field) && known.contains(field) {
            findings.error(
                SCHEMA,
                state.location,
                format!(
                    "The QueryLanguage is set to '{}', but field '{field}' is only supported for the '{}' QueryLanguage",
                    state.language.name(),
                    other.name()
                ),
                instead(field).map(|field| format!("use '{field}'")),
            );
        }
    }
}

/// What the other language has in a field's place.
fn instead(field: &str) -> Option<&'static str> {
    Some(match field {
        "Parameters" => "Arguments",
        "Arguments" => "Parameters",
        "ResultSelector" | "ResultPath" | "OutputPath" | "Result" => "Output",
        "Output" => "OutputPath",
        "ItemsPath" => "Items",
        "Items" => "ItemsPath",
        "TimeoutSecondsPath" => "TimeoutSeconds",
        "HeartbeatSecondsPath" => "HeartbeatSeconds",
        "SecondsPath" => "Seconds",
        "TimestampPath" => "Timestamp",
        "MaxConcurrencyPath" => "MaxConcurrency",
        "ToleratedFailurePercentagePath" => "ToleratedFailurePercentage",
        "ToleratedFailureCountPath" => "ToleratedFailureCount",
        "ErrorPath" => "Error",
        "CausePath" => "Cause",
        _ => return None,
    })
}

/// Next or End.
fn transition(state: &State, findings: &mut Findings) {
    if matches!(
        state.kind,
        StateType::Choice | StateType::Succeed | StateType::Fail
    ) {
        return;
    }
    let end = state.members.get("End");
    let next = state.members.get("Next");
    if let Some(end) = end {
        findings.typed(end, &state.at("End"), JsonType::Boolean);
    }
    if let Some(next) = next {
        findings.typed(next, &state.at("Next"), JsonType::String);
    }
    let ends = end.is_some_and(|end| *end != Value::Bool(false));
    match (next.is_some(), ends) {
        (true, true) => findings.error(
            SCHEMA,
            state.location,
            "There should only be one of the following fields: [Next, End]",
            Some("keep Next, or End if the state is the last one".to_string()),
        ),
        (false, false) => findings.error(
            SCHEMA,
            state.location,
            "This object should have only one of the following fields: [Next, End]",
            Some("add \"Next\": \"…\" or \"End\": true".to_string()),
        ),
        _ => {}
    }
}

/// Fields that mean the same in every type that has them.
fn common_field(state: &State, field: &str, value: &Value, findings: &mut Findings) {
    let at = state.at(field);
    let jsonata = state.language == Language::Jsonata;
    let place = Place {
        result: matches!(
            state.kind,
            StateType::Task | StateType::Map | StateType::Parallel
        ) && matches!(field, "Output" | "Assign"),
        error_output: false,
    };
    match field {
        "Comment" => _ = findings.typed(value, &at, JsonType::String),
        "InputPath" | "OutputPath" if !jsonata => queries::path(value, &at, true, findings),
        "ResultPath" if !jsonata => queries::result_path(value, &at, findings),
        "Parameters" | "ResultSelector" if !jsonata => queries::payload(value, &at, findings),
        "Assign" => queries::assign(value, &at, state.language, place, findings),
        "Output" | "Arguments" if jsonata => queries::expressions(value, &at, place, findings),
        "ErrorPath" | "CausePath" if !jsonata => queries::path_or_call(value, &at, findings),
        "Error" | "Cause" => {
            let text = findings.typed(value, &at, JsonType::String);
            if text && jsonata {
                queries::expressions(value, &at, place, findings);
            }
        }
        "TimeoutSeconds" | "HeartbeatSeconds" | "Seconds" => {
            // A Wait may wait for no time at all.
            let least = i64::from(field != "Seconds");
            queries::number_or_expression(state, field, value, least, MAX_NUMBER, findings);
        }
        "TimeoutSecondsPath" | "HeartbeatSecondsPath" | "SecondsPath" | "TimestampPath"
            if !jsonata =>
        {
            queries::path(value, &at, false, findings);
        }
        "Timestamp" => {
            if jsonata && value.as_str().is_some_and(|text| text.starts_with("{%")) {
                queries::expressions(value, &at, place, findings);
            } else {
                timestamp(value, &at, findings);
            }
        }
        "Retry" => retry::retriers(state, value, findings),
        "Catch" => retry::catchers(state, value, findings),
        _ => {}
    }
}

fn wait(state: &State, findings: &mut Findings) {
    const TIMES: &[&str] = &["SecondsPath", "Seconds", "TimestampPath", "Timestamp"];
    findings.exactly_one(state.members, state.location, TIMES);
}

fn pass(state: &State, findings: &mut Findings) {
    let looks_dynamic = |value: &Value| match value {
        Value::String(text) => queries::looks_like_query(text),
        Value::Object(members) => members.keys().any(|key| key.ends_with(".$")),
        _ => false,
    };
    if state.members.get("Result").is_some_and(looks_dynamic) {
        findings.warning(
            "PASS_RESULT_IS_STATIC",
            &state.at("Result"),
            "Attempt to use a path in the result of a pass state.",
            "use Parameters, whose paths are evaluated".to_string(),
        );
    }
}

fn parallel(state: &State, machine: &mut Machine, findings: &mut Findings) {
    const FIELDS: &[&str] = &["Comment", "StartAt", "States", "QueryLanguage"];
    let Some(branches) = state.members.get("Branches") else {
        findings.required(state.location, &["Branches"]);
        return;
    };
    let at = state.at("Branches");
    let Value::Array(branches) = branches else {
        findings.typed(branches, &at, JsonType::Array);
        return;
    };
    if branches.is_empty() {
        findings.schema(&at, "Value cannot be empty");
    }
    for (index, branch) in branches.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::Object(members) = branch else {
            findings.typed(branch, &at, JsonType::Object);
            continue;
        };
        queries::no_language(members, &at, findings);
        block::block(members, &at, FIELDS, state.depth + 1, machine, findings);
    }
}
