//! Retry and Catch.

use super::fields::{at_least, integer};
use super::findings::{Findings, JsonType, SCHEMA};
use super::queries;
use super::subject::State;
use crate::error_name;
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::quota::MAX_NUMBER;
use crate::value::{Map, Value};

const RETRIER: &[&str] = &[
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
    "Comment",
];
const CATCHER: &[&str] = &[
    "ErrorEquals",
    "Next",
    "ResultPath",
    "Assign",
    "Output",
    "Comment",
];

pub(super) fn retriers(state: &State, value: &Value, findings: &mut Findings) {
    each(
        state,
        "Retry",
        value,
        RETRIER,
        findings,
        |members, at, findings| {
            if let Some(value) = members.get("IntervalSeconds") {
                integer(
                    value,
                    &format!("{at}/IntervalSeconds"),
                    0,
                    MAX_NUMBER,
                    findings,
                );
            }
            if let Some(value) = members.get("MaxAttempts") {
                integer(value, &format!("{at}/MaxAttempts"), 0, MAX_NUMBER, findings);
            }
            if let Some(value) = members.get("BackoffRate") {
                at_least(value, &format!("{at}/BackoffRate"), 1.0, findings);
            }
            if let Some(value) = members.get("MaxDelaySeconds") {
                integer(
                    value,
                    &format!("{at}/MaxDelaySeconds"),
                    1,
                    31_622_400,
                    findings,
                );
            }
            if let Some(value) = members.get("JitterStrategy") {
                findings.one_of(value, &format!("{at}/JitterStrategy"), &["NONE", "FULL"]);
            }
        },
    );
}

pub(super) fn catchers(state: &State, value: &Value, findings: &mut Findings) {
    let place = Place {
        result: false,
        error_output: true,
    };
    each(
        state,
        "Catch",
        value,
        CATCHER,
        findings,
        |members, at, findings| {
            match members.get("Next") {
                None => findings.required(at, &["Next"]),
                Some(next) => _ = findings.typed(next, &format!("{at}/Next"), JsonType::String),
            }
            if let Some(assign) = members.get("Assign") {
                let at = format!("{at}/Assign");
                queries::assign(assign, &at, state.language, place, findings);
            }
            for (field, wanted) in [
                ("ResultPath", Language::JsonPath),
                ("Output", Language::Jsonata),
            ] {
                let Some(value) = members.get(field) else {
                    continue;
                };
                let place_of_field = format!("{at}/{field}");
                if state.language != wanted {
                    findings.schema(
                    at,
                    format!(
                        "The QueryLanguage is set to '{}', but field '{field}' is only supported for the '{}' QueryLanguage",
                        state.language.name(),
                        wanted.name()
                    ),
                );
                } else if wanted == Language::JsonPath {
                    queries::result_path(value, &place_of_field, findings);
                } else {
                    queries::expressions(value, &place_of_field, place, findings);
                }
            }
        },
    );
}

/// Checks the list and what its entries have in common.
fn each(
    state: &State,
    field: &str,
    value: &Value,
    known: &[&str],
    findings: &mut Findings,
    check: impl Fn(&Map, &str, &mut Findings),
) {
    let at = state.at(field);
    let Value::Array(entries) = value else {
        findings.typed(value, &at, JsonType::Array);
        return;
    };
    for (index, entry) in entries.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let Value::Object(members) = entry else {
            findings.typed(entry, &at, JsonType::Object);
            continue;
        };
        for field in members.keys().filter(|field| !known.contains(&&***field)) {
            findings.unsupported(&at, field, known);
        }
        match members.get("ErrorEquals") {
            None => findings.required(&at, &["ErrorEquals"]),
            Some(names) => {
                let last = index + 1 == entries.len();
                error_names(names, &format!("{at}/ErrorEquals"), last, findings);
            }
        }
        check(members, &at, findings);
    }
}

fn error_names(value: &Value, at: &str, last: bool, findings: &mut Findings) {
    let Value::Array(names) = value else {
        findings.typed(value, at, JsonType::Array);
        return;
    };
    if names.is_empty() {
        findings.schema(at, "Value cannot be empty");
    }
    for (index, name) in names.iter().enumerate() {
        findings.typed(name, &format!("{at}[{index}]"), JsonType::String);
    }
    let all = names
        .iter()
        .any(|name| name.as_str() == Some(error_name::ALL));
    if all && (names.len() > 1 || !last) {
        findings.error(
            SCHEMA,
            at,
            "States.ALL must appear alone and at end of list",
            Some("move it to an entry of its own after the others".to_string()),
        );
    }
}
