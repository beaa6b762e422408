//! Map states: the processor, and what only a Distributed Map has.

use super::block;
use super::distributed::{batcher, known, reader, writer};
use super::findings::{Findings, JsonType};
use super::queries;
use super::subject::Machine;
use super::subject::State;
use crate::execution_type::ExecutionType;
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::quota::MAX_NUMBER;
use crate::value::Value;

/// Fields that only a Distributed Map has.
const DISTRIBUTED_ONLY: &[&str] = &["ItemReader", "ItemBatcher", "ResultWriter"];

pub(super) fn map(state: &State, machine: &mut Machine, findings: &mut Findings) {
    let members = state.members;
    findings.exactly_one(members, state.location, &["ItemProcessor", "Iterator"]);
    for (number, path) in [
        ("MaxConcurrency", "MaxConcurrencyPath"),
        (
            "ToleratedFailurePercentage",
            "ToleratedFailurePercentagePath",
        ),
        ("ToleratedFailureCount", "ToleratedFailureCountPath"),
    ] {
        findings.at_most_one(members, state.location, &[number, path]);
        if let Some(value) = members.get(path)
            && state.language == Language::JsonPath
        {
            queries::number_path(value, &state.at(path), findings);
        }
    }
    findings.at_most_one(members, state.location, &["ItemSelector", "Parameters"]);
    numbers(state, findings);
    items(state, findings);
    let mut distributed = false;
    for field in ["ItemProcessor", "Iterator"] {
        if let Some(value) = members.get(field) {
            distributed |= processor(state, field, value, machine, findings);
        }
    }
    reader(state, findings);
    batcher(state, findings);
    writer(state, findings);
    if !distributed {
        // AWS accepts them, and fails the state when it runs.
        for field in DISTRIBUTED_ONLY
            .iter()
            .filter(|field| members.contains_key(**field))
        {
            findings.warning(
                "INLINE_MAP_FIELD",
                &state.at(field),
                "The ItemReader, ItemBatcher and ResultWriter fields are not supported for INLINE maps",
                "set ProcessorConfig.Mode to DISTRIBUTED".to_string(),
            );
        }
    }
    if let Some(label) = members.get("Label") {
        check_label(label, &state.at("Label"), machine, findings);
    }
}

fn numbers(state: &State, findings: &mut Findings) {
    if let Some(value) = state.members.get("MaxConcurrency") {
        queries::number_or_expression(state, "MaxConcurrency", value, 0, MAX_NUMBER, findings);
    }
    if let Some(value) = state.members.get("ToleratedFailureCount") {
        queries::number_or_expression(
            state,
            "ToleratedFailureCount",
            value,
            0,
            MAX_NUMBER,
            findings,
        );
    }
    if let Some(value) = state.members.get("ToleratedFailurePercentage") {
        let at = state.at("ToleratedFailurePercentage");
        if state.language == Language::Jsonata && value.as_str().is_some() {
            queries::must_be_expression(value, &at, findings);
            queries::expressions(value, &at, Place::default(), findings);
        } else if findings.typed(value, &at, JsonType::Number) {
            match value.as_f64() {
                Some(percentage) if percentage < 0.0 => {
                    findings.schema(&at, "Minimum value is 0.0");
                }
                Some(percentage) if percentage > 100.0 => {
                    findings.schema(&at, "Maximum value is 100.0");
                }
                _ => {}
            }
        }
    }
}

fn items(state: &State, findings: &mut Findings) {
    let members = state.members;
    if let Some(value) = members.get("ItemsPath")
        && state.language == Language::JsonPath
    {
        queries::path(value, &state.at("ItemsPath"), false, findings);
    }
    if let Some(value) = members.get("Items") {
        let at = state.at("Items");
        match value {
            Value::String(_) => {
                queries::must_be_expression(value, &at, findings);
                queries::expressions(value, &at, Place::default(), findings);
            }
            Value::Array(_) | Value::Object(_) => {
                queries::expressions(value, &at, Place::default(), findings);
            }
            _ => _ = findings.typed(value, &at, JsonType::Array),
        }
    }
    if let Some(value) = members.get("ItemSelector") {
        let at = state.at("ItemSelector");
        match state.language {
            Language::JsonPath => queries::payload(value, &at, findings),
            Language::Jsonata => queries::expressions(value, &at, Place::default(), findings),
        }
    }
}

/// Checks the processor; whether it is a distributed one.
fn processor(
    state: &State,
    field: &str,
    value: &Value,
    machine: &mut Machine,
    findings: &mut Findings,
) -> bool {
    const FIELDS: &[&str] = &[
        "Comment",
        "ProcessorConfig",
        "StartAt",
        "States",
        "QueryLanguage",
    ];
    let at = state.at(field);
    let Value::Object(members) = value else {
        findings.typed(value, &at, JsonType::Object);
        return false;
    };
    let distributed = members
        .get("ProcessorConfig")
        .is_some_and(|config| processor_config(config, &at, machine.kind, findings));
    queries::no_language(members, &at, findings);
    block::block(members, &at, FIELDS, state.depth + 1, machine, findings);
    distributed
}

fn processor_config(
    config: &Value,
    processor: &str,
    kind: ExecutionType,
    findings: &mut Findings,
) -> bool {
    let at = format!("{processor}/ProcessorConfig");
    let Value::Object(members) = config else {
        findings.typed(config, &at, JsonType::Object);
        return false;
    };
    known(members, &at, &["Mode", "ExecutionType"], findings);
    if let Some(mode) = members.get("Mode") {
        findings.one_of(mode, &format!("{at}/Mode"), &["INLINE", "DISTRIBUTED"]);
    }
    let distributed = members.get("Mode").and_then(Value::as_str) == Some("DISTRIBUTED");
    match (members.get("ExecutionType"), distributed) {
        (None, true) => findings.required(&at, &["ExecutionType"]),
        (Some(_), false) if members.contains_key("Mode") => {
            findings.unsupported(&at, "ExecutionType", &[]);
        }
        (Some(value), _) => {
            findings.one_of(value, &format!("{at}/ExecutionType"), &ExecutionType::NAMES);
        }
        (None, false) => {}
    }
    if distributed && kind == ExecutionType::Express {
        findings.schema(
            &format!("{at}/Mode"),
            "The field 'Mode' with value 'DISTRIBUTED' is not supported inside 'EXPRESS' state machines",
        );
    }
    distributed
}

/// At most 40 characters, without blanks, wildcards, brackets and the like
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
fn check_label(label: &Value, at: &str, machine: &mut Machine, findings: &mut Findings) {
    if !findings.typed(label, at, JsonType::String) {
        return;
    }
    let text = label.as_str().unwrap_or_default();
    let forbidden =
        |c: char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
    if findings.is_open(label) {
        return;
    }
    if text.is_empty() || text.chars().count() > 40 || text.contains(forbidden) {
        findings.error(
            "INVALID_LABEL_NAME",
            at,
            "You have provided an invalid label name.",
            Some("use at most 40 letters, digits, hyphens and underscores".to_string()),
        );
    }
    if !machine.labels.insert(text.to_string()) {
        findings.error(
            "DUPLICATE_LABEL_NAME",
            at,
            format!("Duplicate Label name: {text}"),
            Some("give every Map a label of its own".to_string()),
        );
    }
}
