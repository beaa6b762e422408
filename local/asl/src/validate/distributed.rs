//! What only a Distributed Map has: ItemReader, ItemBatcher, ResultWriter.

use super::fields::integer;
use super::findings::{Findings, JsonType, SCHEMA};
use super::subject::State;
use super::{placeholder, queries};
use crate::query::Language;
use crate::query::jsonata::Place;
use crate::value::{Map, Value};

/// The most items that MaxItems may ask for.
const MAX_ITEMS: i64 = 100_000_000;

/// Reports fields that the object does not have.
pub(super) fn known(members: &Map, at: &str, fields: &[&str], findings: &mut Findings) {
    for field in members.keys().filter(|field| !fields.contains(&&***field)) {
        findings.unsupported(at, field, fields);
    }
}

/// The object in the field, if the field is there.
fn object<'a>(state: &State<'a>, field: &str, findings: &mut Findings) -> Option<&'a Map> {
    let value = state.members.get(field)?;
    if let Value::Object(members) = value {
        Some(members)
    } else {
        findings.typed(value, &state.at(field), JsonType::Object);
        None
    }
}

/// `service:action` of an integration's ARN, in which a region and an account may stand as in that of a task.
fn called(arn: &str) -> Option<&str> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    match *parts {
        ["arn", partition, "states", _, _, call] if partition.starts_with("aws") => Some(call),
        _ => None,
    }
}

/// Parameters or Arguments, and Resource.
fn call(state: &State, members: &Map, at: &str, resources: &[&str], findings: &mut Findings) {
    if let Some(resource) = members.get("Resource") {
        let place = format!("{at}/Resource");
        let fits = resource.as_str().is_some_and(|arn| {
            placeholder::within(arn) || called(arn).is_some_and(|call| resources.contains(&call))
        });
        if findings.typed(resource, &place, JsonType::String) && !fits {
            findings.error(
                SCHEMA,
                &place,
                "The field 'Resource' does not match any of the allowed values",
                Some(format!(
                    "allowed are arn:aws:states:::{}",
                    resources.join(", arn:aws:states:::")
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

pub(super) fn reader(state: &State, findings: &mut Findings) {
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
        &["s3:getObject", "s3:listObjectsV2"],
        findings,
    );
    match members.get("ReaderConfig") {
        None => {}
        Some(Value::Object(config)) => {
            reader_config(state, config, &format!("{at}/ReaderConfig"), findings);
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
    if matches!(text("InputType"), Some("JSON" | "JSONL" | "PARQUET"))
        && config.contains_key("CSVHeaders")
    {
        findings.unsupported(at, "CSVHeaders", &[]);
    }
    if text("InputType") == Some("JSON") && config.contains_key("ManifestType") {
        findings.unsupported(at, "ManifestType", &[]);
    }
    let reads_files = text("Transformation") == Some("LOAD_AND_FLATTEN")
        || text("ManifestType") == Some("ATHENA_DATA");
    if reads_files && !config.contains_key("InputType") {
        findings.schema(at, "The field 'InputType' is required");
    }
    if let Some(pointer) = text("ItemsPointer")
        && !pointer.is_empty()
        && !pointer.starts_with('/')
    {
        findings.schema(
            &format!("{at}/ItemsPointer"),
            format!("Invalid input: JSON Pointer expression must start with '/': \"{pointer}\""),
        );
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
            integer(value, &place, 0, MAX_ITEMS, findings);
        }
    }
}

pub(super) fn batcher(state: &State, findings: &mut Findings) {
    const FIELDS: &[&str] = &[
        "MaxItemsPerBatch",
        "MaxItemsPerBatchPath",
        "MaxInputBytesPerBatch",
        "MaxInputBytesPerBatchPath",
        "BatchInput",
    ];
    let Some(members) = object(state, "ItemBatcher", findings) else {
        return;
    };
    let at = state.at("ItemBatcher");
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
        match (members.get(path), state.language) {
            (None, _) => {}
            (Some(value), Language::JsonPath) => {
                queries::path(value, &format!("{at}/{path}"), false, findings);
            }
            (Some(_), Language::Jsonata) => findings.schema(
                &at,
                format!(
                    "The QueryLanguage is set to 'JSONata', but field '{path}' is only supported for the 'JSONPath' QueryLanguage"
                ),
            ),
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

pub(super) fn writer(state: &State, findings: &mut Findings) {
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
    call(state, members, &at, &["s3:putObject"], findings);
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
