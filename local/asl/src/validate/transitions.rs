//! Where states lead: every target exists, every state is reached, one is terminal.

use std::collections::HashSet;

use super::findings::{Findings, closest};
use crate::state_type::StateType;
use crate::value::{Map, Value};

/// Every target must exist, every state must be reached, and one must be terminal.
pub(super) fn transitions(
    start: Option<&str>,
    states: &Map,
    location: &str,
    findings: &mut Findings,
) {
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
    let known = start.filter(|start| states.contains_key(*start));
    if let (Some(start), None) = (start, known) {
        missing(start, format!("{location}/StartAt"), findings);
    }
    for (name, state) in states {
        for (target, place, _) in targets(state) {
            if !states.contains_key(target) {
                missing(target, format!("{at}/{name}{place}"), findings);
            }
        }
    }
    let terminal = states.values().any(is_terminal);
    // Where the start is unknown, or nothing ends, AWS says nothing about what is reached.
    if let (Some(start), true) = (known, terminal) {
        let reached = reached(start, states);
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

/// The states that can be reached from the first.
fn reached<'s>(start: &'s str, states: &'s Map) -> HashSet<&'s str> {
    let mut reached = HashSet::new();
    let mut open = vec![start];
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
    reached
}

/// A state without a type is none, so it ends nothing.
fn is_terminal(state: &Value) -> bool {
    let kind = state.get("Type").and_then(Value::as_str);
    match kind.map(StateType::parse) {
        None => false,
        Some(Some(StateType::Succeed | StateType::Fail)) => true,
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
