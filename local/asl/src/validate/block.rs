//! State machines and the blocks of states within Map and Parallel: StartAt, States, transitions.

use std::collections::HashSet;

use super::fields::integer;
use super::findings::{Findings, JsonType};
use super::queries;
use super::subject::Machine;
use super::transitions::transitions;
use super::{scopes, state};
use crate::execution_type::ExecutionType;
use crate::quota::MAX_NUMBER;
use crate::value::{Map, Value};

/// Blocks nested deeper than this are refused.
const MAX_NESTING: usize = 24;

/// The longest name of a state, in characters (<https://states-language.net/spec.html#states-fields>).
const MAX_NAME: usize = 80;

pub(super) fn machine(value: &Value, kind: ExecutionType, findings: &mut Findings) {
    const FIELDS: &[&str] = &[
        "Comment",
        "QueryLanguage",
        "StartAt",
        "States",
        "TimeoutSeconds",
        "Version",
    ];
    let Value::Object(members) = value else {
        findings.typed(value, "/", JsonType::Object);
        return;
    };
    let language =
        queries::language_of_machine(members.get("QueryLanguage"), "/QueryLanguage", findings);
    if let Some(version) = members.get("Version") {
        findings.one_of(version, "/Version", &["1.0"]);
    }
    if let Some(timeout) = members.get("TimeoutSeconds") {
        integer(timeout, "/TimeoutSeconds", 0, MAX_NUMBER, findings);
    }
    let mut machine = Machine {
        kind,
        language,
        labels: HashSet::new(),
        names: HashSet::new(),
    };
    block(members, "", FIELDS, 0, &mut machine, findings);
}

/// Checks a block; `location` is empty for the state machine itself.
pub(super) fn block(
    members: &Map,
    location: &str,
    fields: &[&str],
    depth: usize,
    machine: &mut Machine,
    findings: &mut Findings,
) {
    let here = if location.is_empty() { "/" } else { location };
    if depth > MAX_NESTING {
        findings.error(
            "TOO_DEEPLY_NESTED",
            here,
            "The states are too deeply nested.",
            Some("start a nested execution instead".to_string()),
        );
        return;
    }
    for field in members.keys().filter(|field| !fields.contains(&&***field)) {
        findings.unsupported(here, field, fields);
    }
    if let Some(comment) = members.get("Comment") {
        findings.typed(comment, &format!("{location}/Comment"), JsonType::String);
    }
    let missing: Vec<&str> = ["StartAt", "States"]
        .into_iter()
        .filter(|field| !members.contains_key(*field))
        .collect();
    if !missing.is_empty() {
        findings.required(here, &missing);
    }
    let start = members.get("StartAt");
    if let Some(start) = start {
        findings.typed(start, &format!("{location}/StartAt"), JsonType::String);
    }
    let Some(states) = members.get("States") else {
        return;
    };
    let at = format!("{location}/States");
    let Value::Object(states) = states else {
        findings.typed(states, &at, JsonType::Object);
        return;
    };
    if states.is_empty() {
        findings.schema(&at, "Value cannot be empty");
    }
    for (name, value) in states.iter() {
        name_of_state(name, &format!("{at}/{name}"), machine, findings);
        state::state(value, &format!("{at}/{name}"), depth, machine, findings);
    }
    transitions(start.and_then(Value::as_str), states, location, findings);
    scopes::shadowing(states, &at, findings);
}

fn name_of_state(name: &str, location: &str, machine: &mut Machine, findings: &mut Findings) {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        findings.error(
            "INVALID_STATE_NAME",
            location,
            format!("The state name must be between 1 and {MAX_NAME} characters long."),
            None,
        );
    }
    if !machine.names.insert(name.to_string()) {
        findings.error(
            "DUPLICATE_STATE_NAME",
            location,
            format!("Duplicate State name: {name}"),
            Some("state names are unique in the whole state machine".to_string()),
        );
    }
}
