//! Paths, templates and expressions.

use super::fields::integer;
use super::findings::{Findings, JsonType, SCHEMA};
use super::placeholder;
use super::subject::State;
use crate::query::Language;
use crate::query::intrinsics::Expression;
use crate::query::jsonata::{self, Expr, Place};
use crate::query::jsonpath::{Path, ReferencePath};
use crate::query::template::Template;
use crate::value::{Map, Value};

/// The names of the query languages, as a refusal lists them.
const NAMES: [&str; 2] = [Language::JsonPath.name(), Language::Jsonata.name()];

/// Whatever is not exactly `JSONPath` is taken for JSONata, as AWS does.
fn language(value: &Value) -> Language {
    value
        .as_str()
        .and_then(Language::parse)
        .unwrap_or(Language::Jsonata)
}

/// The state machine's language.
pub(super) fn language_of_machine(
    value: Option<&Value>,
    location: &str,
    findings: &mut Findings,
) -> Language {
    match value {
        None => Language::JsonPath,
        Some(value) => {
            findings.one_of(value, location, &NAMES);
            language(value)
        }
    }
}

/// The state's language in a machine of another one; `None` when it may not have the one that it names.
pub(super) fn language_of_state(
    machine: Language,
    value: Option<&Value>,
    location: &str,
    findings: &mut Findings,
) -> Option<Language> {
    let Some(value) = value else {
        return Some(machine);
    };
    findings.one_of(value, &format!("{location}/QueryLanguage"), &NAMES);
    let language = language(value);
    if machine == Language::Jsonata && language == Language::JsonPath {
        findings.error(
            SCHEMA,
            location,
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            Some(
                "set JSONPath for the state machine and JSONata for the states that want it"
                    .to_string(),
            ),
        );
        return None;
    }
    Some(language)
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

/// A whole number, or in a JSONata state an expression for one.
pub(super) fn number_or_expression(
    state: &State,
    field: &str,
    value: &Value,
    least: i64,
    most: i64,
    findings: &mut Findings,
) {
    let at = state.at(field);
    if state.language == Language::Jsonata && value.as_str().is_some() {
        must_be_expression(value, &at, findings);
        expressions(value, &at, Place::default(), findings);
    } else {
        integer(value, &at, least, most, findings);
    }
}

/// A path to a number, which the context object never holds.
pub(super) fn number_path(value: &Value, location: &str, findings: &mut Findings) {
    match value.as_str() {
        Some(text) if text.starts_with("$$") => findings.error(
            SCHEMA,
            location,
            "Value is not a Reference Path",
            Some("name a place of the state's input".to_string()),
        ),
        _ => path(value, location, false, findings),
    }
}

/// A path that selects; `null` is allowed where the field says so.
pub(super) fn path(value: &Value, location: &str, nullable: bool, findings: &mut Findings) {
    if nullable && *value == Value::Null {
        return;
    }
    if !findings.typed(value, location, JsonType::String) {
        return;
    }
    if let Some(Err(error)) = value.as_str().map(Path::compile)
        && !findings.is_open(value)
    {
        findings.error(
            SCHEMA,
            location,
            "Value must be a valid JSONPath.",
            Some(error.message),
        );
    }
}

/// A path or an intrinsic function.
pub(super) fn path_or_call(value: &Value, location: &str, findings: &mut Findings) {
    if !findings.typed(value, location, JsonType::String) {
        return;
    }
    if let Some(Err(error)) = value.as_str().map(Expression::compile)
        && !findings.is_open(value)
    {
        findings.error(
            SCHEMA,
            location,
            "Value must be a valid JSONPath or a valid intrinsic function call",
            Some(error.message),
        );
    }
}

/// A path that names one place of the input.
pub(super) fn result_path(value: &Value, location: &str, findings: &mut Findings) {
    if *value == Value::Null || !findings.typed(value, location, JsonType::String) {
        return;
    }
    if let Some(Err(error)) = value.as_str().map(ReferencePath::compile)
        && !findings.is_open(value)
    {
        findings.error(
            SCHEMA,
            location,
            "Value is not a Reference Path",
            Some(error.message),
        );
    }
}

/// A path that names one place of the input, the context object or a variable.
pub(super) fn reference(value: &Value, location: &str, findings: &mut Findings) {
    if !findings.typed(value, location, JsonType::String) {
        return;
    }
    let Some(text) = value.as_str().filter(|_| !findings.is_open(value)) else {
        return;
    };
    if !text.starts_with('$') {
        findings.error(
            SCHEMA,
            location,
            "Value is not a Reference Path: Reference path didn't start with '$'",
            Some(format!("write '$.{text}'")),
        );
        return;
    }
    match Path::compile(text) {
        Ok(path) if path.is_definite() => {}
        Ok(_) => findings.error(
            SCHEMA,
            location,
            "Value is not a Reference Path",
            Some("name one place: no @ , : ? * or .. may be in the path".to_string()),
        ),
        Err(error) => findings.error(
            SCHEMA,
            location,
            "Value is not a Reference Path",
            Some(error.message),
        ),
    }
}

/// A payload template of a JSONPath state.
pub(super) fn payload(value: &Value, location: &str, findings: &mut Findings) {
    if let Err(errors) = Template::compile_all(value) {
        for error in errors {
            let query = at_place(value, &error.location);
            if !query.is_some_and(|query| findings.is_open(query)) {
                findings.error(SCHEMA, location, error.message, query.and_then(reason));
            }
        }
    }
    repeated_names(value, location, findings);
    forgotten_dollar(value, location, findings);
}

/// The value at a place within a template.
fn at_place<'v>(mut value: &'v Value, location: &str) -> Option<&'v Value> {
    for key in location.split('/').skip(1) {
        value = match value {
            Value::Array(items) => items.get(key.parse::<usize>().ok()?)?,
            _ => value.get(key)?,
        };
    }
    Some(value)
}

/// Why a query does not compile.
fn reason(query: &Value) -> Option<String> {
    match query.as_str() {
        None => Some("the value must be a string".to_string()),
        Some(text) => Expression::compile(text).err().map(|error| error.message),
    }
}

/// Reports members that have the same name once `.$` is taken off
/// (<https://states-language.net/spec.html#payload-template>).
fn repeated_names(value: &Value, location: &str, findings: &mut Findings) {
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter() {
                let place = format!("{location}/{key}");
                if let Some(name) = key.strip_suffix(".$")
                    && members.contains_key(name)
                {
                    findings.error(
                        SCHEMA,
                        &place,
                        format!("The fields '{name}' and '{key}' have the same name"),
                        Some(format!("keep '{name}' for a fixed value, or '{key}'")),
                    );
                }
                repeated_names(value, &place, findings);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                repeated_names(item, &format!("{location}/{index}"), findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Warns of strings that look like queries beneath names that do not end in `.$`.
fn forgotten_dollar(value: &Value, location: &str, findings: &mut Findings) {
    match value {
        Value::Object(members) => {
            for (key, value) in members.iter() {
                let place = format!("{location}/{key}");
                match value {
                    Value::String(text) if !key.ends_with(".$") && looks_like_query(text) => {
                        findings.warning(
                            "NO_DOLLAR",
                            &place,
                            "No `.$` on a field that appears to be a JSONPath or Intrinsic Function.",
                            format!("name it '{key}.$' if the value shall be evaluated"),
                        );
                    }
                    _ => forgotten_dollar(value, &place, findings),
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                forgotten_dollar(item, &format!("{location}/{index}"), findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Whether a string was probably meant as a path or a call.
pub(super) fn looks_like_query(text: &str) -> bool {
    ["$.", "$$.", "$["]
        .iter()
        .any(|start| text.starts_with(start))
        || (text.starts_with("States.") && text.ends_with(')'))
}

/// The expressions in a value of a JSONata state.
pub(super) fn expressions(value: &Value, location: &str, place: Place, findings: &mut Findings) {
    match value {
        Value::String(text) => expression(text, location, place, findings),
        Value::Object(members) => {
            for (key, value) in members.iter() {
                expressions(value, &format!("{location}/{key}"), place, findings);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                expressions(item, &format!("{location}[{index}]"), place, findings);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn expression(text: &str, location: &str, place: Place, findings: &mut Findings) {
    if !jsonata::is_expression(text) {
        // An expression that is not opened or not closed is refused, and blanks around it are neither
        // (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>).
        let missing = match (text.starts_with("{%"), text.ends_with("%}")) {
            (false, false) => return,
            (false, true) => "open the expression with {% as its very first characters",
            (true, _) => "close the expression with %} as its very last characters",
        };
        findings.error(
            SCHEMA,
            location,
            "JSONata string must start with {% and end with %}",
            Some(missing.to_string()),
        );
        return;
    }
    match Expr::compile(text) {
        Err(_) if findings.placeholders && placeholder::within(text) => {}
        Err(error) => {
            findings.error("INVALID_JSONATA_EXPRESSION", location, error.message, None);
        }
        Ok(expression) => {
            for found in expression.unsupported(place) {
                findings.error(
                    "UNSUPPORTED_JSONATA_EXPRESSION",
                    location,
                    found.message,
                    Some(found.suggestion),
                );
            }
        }
    }
}

/// A string that must be an expression.
pub(super) fn must_be_expression(value: &Value, location: &str, findings: &mut Findings) {
    match value.as_str() {
        Some(text) if !text.starts_with("{%") && !findings.is_open(value) => findings.error(
            SCHEMA,
            location,
            "JSONata string must start with {% and end with %}",
            Some(format!("write \"{{% {text} %}}\"")),
        ),
        _ => {}
    }
}

/// The variables that an Assign names.
pub(super) fn assign(
    value: &Value,
    location: &str,
    language: Language,
    place: Place,
    findings: &mut Findings,
) {
    let Value::Object(members) = value else {
        findings.typed(value, location, JsonType::Object);
        return;
    };
    variables(members, location, language, findings);
    match language {
        Language::JsonPath => payload(value, location, findings),
        Language::Jsonata => expressions(value, location, place, findings),
    }
}

fn variables(members: &Map, location: &str, language: Language, findings: &mut Findings) {
    for key in members.keys() {
        let place = format!("{location}/{key}");
        let name = match language {
            Language::JsonPath => key.strip_suffix(".$").unwrap_or(key),
            Language::Jsonata => key,
        };
        let mut characters = name.chars();
        let valid = characters
            .next()
            .is_some_and(|c| c.is_alphabetic() || c == '_')
            && characters.all(|c| c.is_alphanumeric() || c == '_')
            && name.chars().count() <= 80;
        if name == "states" {
            findings.error(
                "RESERVED_VARIABLE_NAME",
                &place,
                "Cannot assign to reserved variable '$states'.",
                None,
            );
        } else if !valid {
            findings.error(
                "INVALID_VARIABLE_NAME",
                &place,
                format!(
                    "Invalid variable name '{name}': the variable name contains invalid characters."
                ),
                Some("use letters, digits and underscores, and begin with a letter".to_string()),
            );
        }
    }
}
