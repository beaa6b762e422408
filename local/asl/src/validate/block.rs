//! State machines and the blocks of states within Map and Parallel: StartAt, States, transitions.

use std::collections::HashSet;

use super::queries::Language;
use super::{Findings, JsonType, SCHEMA, closest, scopes, state};
use crate::execution::ExecutionType;
use crate::value::{Map, Value};

/// Blocks nested deeper than this are refused.
const MAX_NESTING: usize = 24;

/// The longest name of a state, in characters (<https://states-language.net/spec.html#states-fields>).
const MAX_NAME: usize = 80;

/// What holds for the whole state machine.
pub(super) struct Machine {
    pub(super) kind: ExecutionType,
    pub(super) language: Language,
    pub(super) labels: HashSet<String>,
    names: HashSet<String>,
}

pub(super) fn machine(value: &Value, kind: ExecutionType, findings: &mut Findings) {
    let Value::Object(members) = value else {
        findings.typed(value, "/", JsonType::Object);
        return;
    };
    let language = Language::of_machine(members.get("QueryLanguage"), "/QueryLanguage", findings);
    if let Some(version) = members.get("Version") {
        findings.one_of(version, "/Version", &["1.0"]);
    }
    if let Some(timeout) = members.get("TimeoutSeconds") {
        super::fields::integer(timeout, "/TimeoutSeconds", 0, 99_999_999, findings);
    }
    let mut machine = Machine {
        kind,
        language,
        labels: HashSet::new(),
        names: HashSet::new(),
    };
    const FIELDS: &[&str] = &[
        "Comment",
        "QueryLanguage",
        "StartAt",
        "States",
        "TimeoutSeconds",
        "Version",
    ];
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

/// Every target must exist, every state must be reached, and one must be terminal.
fn transitions(start: Option<&str>, states: &Map, location: &str, findings: &mut Findings) {
    let at = format!("{location}/States");
    let missing = |target: &str, place: String, findings: &mut Findings| {
        let suggestion = closest(target, states.keys().map(|name| &**name))
            .map(|name| format!("did you mean '{name}'?"));
        findings.error(
            "MISSING_TRANSITION_TARGET",
            &place,
            format!("Missing 'Next' target: {target}"),
            suggestion,
        );
    };
    let mut reached: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = Vec::new();
    if let Some(start) = start {
        if states.contains_key(start) {
            open.push(start);
        } else {
            missing(start, format!("{location}/StartAt"), findings);
        }
    }
    for (name, state) in states.iter() {
        for (target, place, _) in targets(state) {
            if !states.contains_key(target) {
                missing(target, format!("{at}/{name}{place}"), findings);
            }
        }
    }
    let terminal = states.values().any(is_terminal);
    // Where the start is unknown, or nothing ends, AWS says nothing about what is reached.
    if !open.is_empty() && terminal {
        while let Some(name) = open.pop() {
            if reached.insert(name) {
                let next = states.get(name).map(targets).unwrap_or_default();
                open.extend(
                    next.into_iter()
                        .map(|(target, ..)| target)
                        .filter(|target| states.contains_key(*target)),
                );
            }
        }
        for name in states.keys().filter(|name| !reached.contains(&***name)) {
            findings.error(
                "MISSING_TRANSITION_TARGET",
                &format!("{at}/{name}"),
                format!("State \"{name}\" is not reachable."),
                Some("lead a transition to it or remove it".to_string()),
            );
        }
    }
    if !terminal {
        findings.error(
            "MISSING_END_STATE",
            if location.is_empty() { "" } else { location },
            "Workflow has no terminal state",
            Some("give the last state \"End\": true".to_string()),
        );
    }
}

/// A state without a type is none, so it ends nothing.
fn is_terminal(state: &Value) -> bool {
    match state.get("Type").and_then(Value::as_str) {
        None => false,
        Some("Succeed" | "Fail") => true,
        Some(_) => state.get("End") == Some(&Value::Bool(true)),
    }
}

/// The states that a state may lead to, with the place of each mention within it and the object whose Assign is done
/// on the way there.
pub(super) fn targets(state: &Value) -> Vec<(&str, String, &Value)> {
    let mut targets = Vec::new();
    for field in ["Next", "Default"] {
        if let Some(target) = state.get(field).and_then(Value::as_str) {
            targets.push((target, format!("/{field}"), state));
        }
    }
    for field in ["Choices", "Catch"] {
        let Some(Value::Array(items)) = state.get(field) else {
            continue;
        };
        for (index, item) in items.iter().enumerate() {
            if let Some(target) = item.get("Next").and_then(Value::as_str) {
                targets.push((target, format!("/{field}[{index}]/Next"), item));
            }
        }
    }
    targets
}

/// Reports a `QueryLanguage` where none may stand.
pub(super) fn no_language(members: &Map, location: &str, findings: &mut Findings) {
    if members.contains_key("QueryLanguage") {
        findings.error(
            SCHEMA,
            location,
            "Field 'QueryLanguage' is not supported",
            Some("set it on the state machine or on the states".to_string()),
        );
    }
}
