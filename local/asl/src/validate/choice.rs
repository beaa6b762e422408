//! The rules of Choice states.

use super::fields::timestamp;
use super::findings::{Findings, JsonType, SCHEMA};
use super::queries;
use super::subject::State;
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::value::{Map, Value};

/// How deep And, Or and Not may be nested.
const MAX_NESTING: usize = 32;

const SELECTORS: &[&str] = &["And", "Or", "Not", "Variable", "Condition"];

/// In the order in which AWS's set was filled, which shows where two names share a bucket.
const COMPARISONS: &[&str] = &[
    "StringEquals",
    "StringLessThan",
    "StringGreaterThan",
    "StringLessThanEquals",
    "StringGreaterThanEquals",
    "NumericEquals",
    "NumericLessThan",
    "NumericGreaterThan",
    "NumericLessThanEquals",
    "NumericGreaterThanEquals",
    "BooleanEquals",
    "TimestampEquals",
    "TimestampLessThan",
    "TimestampGreaterThan",
    "TimestampLessThanEquals",
    "TimestampGreaterThanEquals",
    "StringEqualsPath",
    "StringLessThanPath",
    "StringGreaterThanPath",
    "StringLessThanEqualsPath",
    "StringGreaterThanEqualsPath",
    "NumericEqualsPath",
    "NumericLessThanPath",
    "NumericGreaterThanPath",
    "NumericLessThanEqualsPath",
    "NumericGreaterThanEqualsPath",
    "BooleanEqualsPath",
    "TimestampEqualsPath",
    "TimestampLessThanPath",
    "TimestampGreaterThanPath",
    "TimestampLessThanEqualsPath",
    "TimestampGreaterThanEqualsPath",
    "StringMatches",
    "IsNull",
    "IsPresent",
    "IsNumeric",
    "IsString",
    "IsBoolean",
    "IsTimestamp",
];

pub(super) fn choices(state: &State, findings: &mut Findings) {
    if let Some(default) = state.members.get("Default") {
        findings.typed(default, &state.at("Default"), JsonType::String);
    }
    let Some(choices) = state.members.get("Choices") else {
        findings.required(state.location, &["Choices"]);
        return;
    };
    let at = state.at("Choices");
    let Value::Array(rules) = choices else {
        findings.typed(choices, &at, JsonType::Array);
        return;
    };
    if rules.is_empty() {
        findings.schema(&at, "Value cannot be empty");
    }
    for (index, rule) in rules.iter().enumerate() {
        top_rule(state, rule, &format!("{at}[{index}]"), findings);
    }
}

fn top_rule(state: &State, rule: &Value, at: &str, findings: &mut Findings) {
    let Value::Object(members) = rule else {
        findings.typed(rule, at, JsonType::Object);
        return;
    };
    match members.get("Next") {
        None => findings.required(at, &["Next"]),
        Some(next) => _ = findings.typed(next, &format!("{at}/Next"), JsonType::String),
    }
    if let Some(assign) = members.get("Assign") {
        let at = format!("{at}/Assign");
        queries::assign(assign, &at, state.language, Place::default(), findings);
    }
    if let Some(output) = members.get("Output") {
        match state.language {
            Language::Jsonata => {
                queries::expressions(output, &format!("{at}/Output"), Place::default(), findings);
            }
            Language::JsonPath => foreign(state, "Output", at, findings),
        }
    }
    let mut known = vec!["Next", "Assign", "Output", "Comment"];
    known.extend(SELECTORS);
    known.extend(COMPARISONS);
    for field in members.keys().filter(|field| !known.contains(&&***field)) {
        findings.unsupported(at, field, &known);
    }
    test(state, members, at, 0, findings);
}

fn foreign(state: &State, field: &str, at: &str, findings: &mut Findings) {
    let (other, suggestion) = match state.language {
        Language::JsonPath => (
            Language::Jsonata,
            "compare with Variable and an operator such as NumericLessThan",
        ),
        Language::Jsonata => (Language::JsonPath, "write the test as a Condition"),
    };
    findings.error(
        SCHEMA,
        at,
        format!(
            "The QueryLanguage is set to '{}', but field '{field}' is only supported for the '{}' QueryLanguage",
            state.language.name(),
            other.name()
        ),
        Some(suggestion.to_string()),
    );
}

/// The test of a rule: a Condition, a comparison, or a combination of tests.
fn test(state: &State, members: &Map, at: &str, depth: usize, findings: &mut Findings) {
    if depth > MAX_NESTING {
        findings.schema(
            at,
            format!("Rules are nested deeper than {MAX_NESTING} levels"),
        );
        return;
    }
    let selected: Vec<&str> = SELECTORS
        .iter()
        .filter(|field| members.contains_key(**field))
        .copied()
        .collect();
    let [selector] = *selected else {
        findings.schema(
            at,
            format!(
                "The object must have only one of the following fields, [{}]",
                SELECTORS.join(", ")
            ),
        );
        return;
    };
    let wanted = match state.language {
        Language::Jsonata => selector == "Condition",
        Language::JsonPath => selector != "Condition",
    };
    if !wanted {
        foreign(state, selector, at, findings);
        return;
    }
    let value = members.get(selector).unwrap_or(&Value::Null);
    let place = format!("{at}/{selector}");
    match selector {
        "Condition" => {
            if value.as_bool().is_none() && findings.typed(value, &place, JsonType::String) {
                queries::must_be_expression(value, &place, findings);
                queries::expressions(value, &place, Place::default(), findings);
            }
        }
        "Not" => nested(state, value, &place, depth, findings),
        "Variable" => comparison(members, value, at, findings),
        _ => {
            let Value::Array(items) = value else {
                findings.typed(value, &place, JsonType::Array);
                return;
            };
            if items.is_empty() {
                findings.schema(&place, "Value cannot be empty");
            }
            for (index, item) in items.iter().enumerate() {
                nested(state, item, &format!("{place}[{index}]"), depth, findings);
            }
        }
    }
}

fn nested(state: &State, rule: &Value, at: &str, depth: usize, findings: &mut Findings) {
    let Value::Object(members) = rule else {
        findings.typed(rule, at, JsonType::Object);
        return;
    };
    let mut known = vec!["Comment"];
    known.extend(SELECTORS);
    known.extend(COMPARISONS);
    for field in members.keys().filter(|field| !known.contains(&&***field)) {
        findings.unsupported(at, field, &known);
    }
    test(state, members, at, depth + 1, findings);
}

fn comparison(members: &Map, variable: &Value, at: &str, findings: &mut Findings) {
    queries::reference(variable, &format!("{at}/Variable"), findings);
    let operators: Vec<(&str, &Value)> = members
        .iter()
        .map(|(field, value)| (&**field, value))
        .filter(|(field, _)| COMPARISONS.contains(field))
        .collect();
    let [(operator, operand)] = *operators else {
        findings.exactly_one(members, at, COMPARISONS);
        return;
    };
    let place = format!("{at}/{operator}");
    if operator.ends_with("Path") {
        queries::reference(operand, &place, findings);
    } else if operator.starts_with("Numeric") {
        findings.typed(operand, &place, JsonType::Number);
    } else if operator.starts_with("Boolean") || operator.starts_with("Is") {
        findings.typed(operand, &place, JsonType::Boolean);
    } else if operator.starts_with("Timestamp") {
        timestamp(operand, &place, findings);
    } else {
        findings.typed(operand, &place, JsonType::String);
    }
}
