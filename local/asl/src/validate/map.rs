//! Map states: the processor, and what only a Distributed Map has.

use super::block::{self, Machine};
use super::fields::integer;
use super::queries::{self, Language};
use super::state::{State, number_or_expression};
use super::{Findings, JsonType, SCHEMA};
use crate::execution::ExecutionType;
use crate::query::jsonata::Place;
use crate::value::{Map, Value};

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
            queries::path(value, &state.at(path), false, findings);
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
    if distributed {
        reader(state, findings);
        batcher(state, findings);
        writer(state, findings);
    } else {
        for field in DISTRIBUTED_ONLY
            .iter()
            .filter(|field| members.contains_key(**field))
        {
            findings.error(
                SCHEMA,
                state.location,
                format!("Field '{field}' is not supported"),
                Some("only a Map whose ProcessorConfig has Mode DISTRIBUTED has it".to_string()),
            );
        }
    }
    if let Some(label) = members.get("Label") {
        check_label(label, &state.at("Label"), findings);
    }
}

fn numbers(state: &State, findings: &mut Findings) {
    if let Some(value) = state.members.get("MaxConcurrency") {
        number_or_expression(state, "MaxConcurrency", value, 0, 99_999_999, findings);
    }
    if let Some(value) = state.members.get("ToleratedFailureCount") {
        number_or_expression(
            state,
            "ToleratedFailureCount",
            value,
            0,
            99_999_999,
            findings,
        );
    }
    if let Some(value) = state.members.get("ToleratedFailurePercentage") {
        let at = state.at("ToleratedFailurePercentage");
        if state.language == Language::Jsonata && value.as_str().is_some() {
            queries::must_be_expression(value, &at, findings);
            queries::expressions(value, &at, Place::default(), findings);
        } else if findings.typed(value, &at, JsonType::Number)
            && !value.as_f64().is_some_and(|n| (0.0..=100.0).contains(&n))
        {
            findings.schema(&at, "Value should be between 0 and 100");
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
    let at = state.at(field);
    let Value::Object(members) = value else {
        findings.typed(value, &at, JsonType::Object);
        return false;
    };
    let distributed = members
        .get("ProcessorConfig")
        .is_some_and(|config| processor_config(config, &at, machine.kind, findings));
    block::no_language(members, &at, findings);
    const FIELDS: &[&str] = &[
        "Comment",
        "ProcessorConfig",
        "StartAt",
        "States",
        "QueryLanguage",
    ];
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
            findings.one_of(
                value,
                &format!("{at}/ExecutionType"),
                &["STANDARD", "EXPRESS"],
            );
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

fn known(members: &Map, at: &str, fields: &[&str], findings: &mut Findings) {
    for field in members.keys().filter(|field| !fields.contains(&&***field)) {
        findings.unsupported(at, field, fields);
    }
}

/// The object in the field, if the field is there.
fn object<'a>(state: &State<'a>, field: &str, findings: &mut Findings) -> Option<&'a Map> {
    let value = state.members.get(field)?;
    match value {
        Value::Object(members) => Some(members),
        _ => {
            findings.typed(value, &state.at(field), JsonType::Object);
            None
        }
    }
}

/// Parameters or Arguments, and Resource.
fn call(state: &State, members: &Map, at: &str, resources: &[&str], findings: &mut Findings) {
    if let Some(resource) = members.get("Resource") {
        let place = format!("{at}/Resource");
        let fits = resource.as_str().is_some_and(|arn| {
            arn.contains("${") || resources.iter().any(|known| arn.ends_with(known))
        });
        if findings.typed(resource, &place, JsonType::String) && !fits {
            findings.error(
                SCHEMA,
                &place,
                "The field 'Resource' does not match any of the allowed values",
                Some(format!(
                    "allowed are arn:aws:states{}",
                    resources.join(", arn:aws:states")
                )),
            );
        }
    }
    if let Some(value) = members.get("Parameters") {
        queries::payload(value, &format!("{at}/Parameters"), findings);
    }
    if let Some(value) = members.get("Arguments") {
        queries::expressions(
            value,
            &format!("{at}/Arguments"),
            Place::default(),
            findings,
        );
    }
    let (foreign, wanted) = match state.language {
        Language::JsonPath => ("Arguments", "JSONata"),
        Language::Jsonata => ("Parameters", "JSONPath"),
    };
    if members.contains_key(foreign) {
        findings.schema(
            at,
            format!(
                "The QueryLanguage is set to '{}', but field '{foreign}' is only supported for the '{wanted}' QueryLanguage",
                state.language.name()
            ),
        );
    }
}

fn reader(state: &State, findings: &mut Findings) {
    let Some(members) = object(state, "ItemReader", findings) else {
        return;
    };
    let at = state.at("ItemReader");
    known(
        members,
        &at,
        &["Resource", "Parameters", "Arguments", "ReaderConfig"],
        findings,
    );
    if !members.contains_key("Resource") {
        findings.required(&at, &["Resource"]);
    }
    call(
        state,
        members,
        &at,
        &[":::s3:getObject", ":::s3:listObjectsV2"],
        findings,
    );
    match members.get("ReaderConfig") {
        None => {}
        Some(Value::Object(config)) => {
            reader_config(state, config, &format!("{at}/ReaderConfig"), findings)
        }
        Some(value) => _ = findings.typed(value, &format!("{at}/ReaderConfig"), JsonType::Object),
    }
}

fn reader_config(state: &State, config: &Map, at: &str, findings: &mut Findings) {
    const FIELDS: &[&str] = &[
        "InputType",
        "ManifestType",
        "Transformation",
        "CSVDelimiter",
        "CSVHeaderLocation",
        "CSVHeaders",
        "MaxItems",
        "MaxItemsPath",
        "ItemsPointer",
    ];
    known(config, at, FIELDS, findings);
    findings.at_most_one(config, at, &["MaxItems", "MaxItemsPath"]);
    let lists: [(&str, &[&str]); 5] = [
        (
            "InputType",
            &["CSV", "JSON", "JSONL", "MANIFEST", "PARQUET"],
        ),
        ("ManifestType", &["ATHENA_DATA", "S3_INVENTORY"]),
        ("Transformation", &["NONE", "LOAD_AND_FLATTEN"]),
        (
            "CSVDelimiter",
            &["COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB"],
        ),
        ("CSVHeaderLocation", &["FIRST_ROW", "GIVEN"]),
    ];
    for (field, allowed) in lists {
        if let Some(value) = config.get(field) {
            findings.one_of(value, &format!("{at}/{field}"), allowed);
        }
    }
    let text = |field: &str| config.get(field).and_then(Value::as_str);
    match (text("InputType"), config.contains_key("CSVHeaderLocation")) {
        (Some("CSV"), false) => {
            findings.schema(at, "The field 'CSVHeaderLocation' is required");
        }
        (Some("JSON" | "JSONL" | "PARQUET"), true) => {
            findings.unsupported(at, "CSVHeaderLocation", &[]);
        }
        _ => {}
    }
    if text("CSVHeaderLocation") == Some("GIVEN") && !config.contains_key("CSVHeaders") {
        findings.required(at, &["CSVHeaders"]);
    }
    if let Some(value) = config.get("MaxItemsPath")
        && state.language == Language::JsonPath
    {
        queries::path(value, &format!("{at}/MaxItemsPath"), false, findings);
    }
    if let Some(value) = config.get("MaxItems") {
        let place = format!("{at}/MaxItems");
        if value.as_str().is_some() && state.language == Language::Jsonata {
            queries::must_be_expression(value, &place, findings);
            queries::expressions(value, &place, Place::default(), findings);
        } else {
            findings.typed(value, &place, JsonType::Number);
        }
    }
}

fn batcher(state: &State, findings: &mut Findings) {
    let Some(members) = object(state, "ItemBatcher", findings) else {
        return;
    };
    let at = state.at("ItemBatcher");
    const FIELDS: &[&str] = &[
        "MaxItemsPerBatch",
        "MaxItemsPerBatchPath",
        "MaxInputBytesPerBatch",
        "MaxInputBytesPerBatchPath",
        "BatchInput",
    ];
    known(members, &at, FIELDS, findings);
    for (number, path) in [
        ("MaxItemsPerBatch", "MaxItemsPerBatchPath"),
        ("MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath"),
    ] {
        findings.at_most_one(members, &at, &[number, path]);
        if let Some(value) = members.get(number) {
            let place = format!("{at}/{number}");
            if value.as_str().is_some() && state.language == Language::Jsonata {
                queries::must_be_expression(value, &place, findings);
                queries::expressions(value, &place, Place::default(), findings);
            } else {
                integer(value, &place, 1, i64::MAX, findings);
            }
        }
        if let Some(value) = members.get(path) {
            queries::path(value, &format!("{at}/{path}"), false, findings);
        }
    }
    if !FIELDS[..4].iter().any(|field| members.contains_key(*field)) {
        findings.schema(
            &at,
            format!(
                "This object should have at least one of the following fields: [{}]",
                FIELDS[..4].join(", ")
            ),
        );
    }
    if let Some(value) = members.get("BatchInput") {
        let place = format!("{at}/BatchInput");
        match state.language {
            Language::JsonPath => queries::payload(value, &place, findings),
            Language::Jsonata => queries::expressions(value, &place, Place::default(), findings),
        }
    }
}

fn writer(state: &State, findings: &mut Findings) {
    let Some(members) = object(state, "ResultWriter", findings) else {
        return;
    };
    let at = state.at("ResultWriter");
    known(
        members,
        &at,
        &["Resource", "Parameters", "Arguments", "WriterConfig"],
        findings,
    );
    call(state, members, &at, &[":::s3:putObject"], findings);
    match members.get("WriterConfig") {
        None => {}
        Some(Value::Object(config)) => {
            let at = format!("{at}/WriterConfig");
            known(config, &at, &["Transformation", "OutputType"], findings);
            if let Some(value) = config.get("Transformation") {
                let place = format!("{at}/Transformation");
                findings.one_of(value, &place, &["NONE", "COMPACT", "FLATTEN"]);
            }
            if let Some(value) = config.get("OutputType") {
                findings.one_of(value, &format!("{at}/OutputType"), &["JSON", "JSONL"]);
            }
        }
        Some(value) => _ = findings.typed(value, &format!("{at}/WriterConfig"), JsonType::Object),
    }
}

/// At most 40 characters, without blanks, wildcards, brackets and the like
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
fn check_label(label: &Value, at: &str, findings: &mut Findings) {
    if !findings.typed(label, at, JsonType::String) {
        return;
    }
    let text = label.as_str().unwrap_or_default();
    let forbidden =
        |c: char| c.is_whitespace() || c.is_control() || "?*<>{}[]:;,\\|^~$#%&`\"".contains(c);
    if text.is_empty() || text.chars().count() > 40 || text.contains(forbidden) {
        findings.error(
            "INVALID_LABEL_NAME",
            at,
            "You have provided an invalid label name.",
            Some("use at most 40 letters, digits, hyphens and underscores".to_string()),
        );
    }
}
