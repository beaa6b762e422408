//! From JSON to a pattern.

use serde_json::{Map, Value};

use super::condition::{self, Condition};
use super::{Alternative, Pattern, PatternError};

/// The name under which alternatives stand.
const OR: &str = "$or";

/// Names that no field inside `$or` may have: operators, and what is kept for operators to come.
/// <https://github.com/aws/event-ruler/blob/main/README.md#the-or-primitive>
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Most alternatives that the `$or`s of one pattern may multiply out to.
const ALTERNATIVES_LIMIT: usize = 1_000;

pub(super) fn pattern(document: &Value) -> Result<Pattern, PatternError> {
    let Value::Object(fields) = document else {
        return Err(invalid("", "Filter is not an object"));
    };
    let mut alternatives = vec![Alternative::new()];
    read_object(&mut alternatives, fields, "", false)?;
    Ok(Pattern { alternatives })
}

/// An error at a path.
fn invalid(path: &str, reason: impl Into<String>) -> PatternError {
    let path = if path.is_empty() {
        "$".to_owned()
    } else {
        format!("$.{path}")
    };
    PatternError {
        path,
        reason: reason.into(),
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Adds what an object demands to every alternative.
fn read_object(
    alternatives: &mut Vec<Alternative>,
    fields: &Map<String, Value>,
    path: &str,
    inside_or: bool,
) -> Result<(), PatternError> {
    if fields.is_empty() {
        return Err(invalid(path, "Empty objects are not allowed"));
    }
    for (name, value) in fields {
        let below = joined(path, name);
        if name == OR {
            read_or(alternatives, value, path)?;
            continue;
        }
        if inside_or && RESERVED.contains(&name.as_str()) {
            return Err(invalid(
                &below,
                format!("{name} is a reserved name, which cannot be used inside {OR}"),
            ));
        }
        match value {
            Value::Object(inner) => read_object(alternatives, inner, &below, inside_or)?,
            Value::Array(items) => {
                let conditions = read_conditions(items, &below)?;
                for alternative in alternatives.iter_mut() {
                    // The same path again, by another spelling or in an `$or`: the later one counts.
                    alternative.insert(below.clone(), conditions.clone());
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let reason = format!("\"{name}\" must be an object or an array");
                return Err(invalid(&below, reason));
            }
        }
    }
    Ok(())
}

/// Multiplies the alternatives by those of an `$or`.
fn read_or(
    alternatives: &mut Vec<Alternative>,
    choices: &Value,
    path: &str,
) -> Result<(), PatternError> {
    let at = joined(path, OR);
    let Value::Array(choices) = choices else {
        return Err(invalid(&at, format!("{OR} must be followed by an array")));
    };
    let mut all = Vec::new();
    for choice in choices {
        let Value::Object(fields) = choice else {
            let reason = format!("Only JSON objects are allowed in the array of {OR}");
            return Err(invalid(&at, reason));
        };
        let mut chosen = alternatives.clone();
        read_object(&mut chosen, fields, path, true)?;
        all.append(&mut chosen);
        if all.len() > ALTERNATIVES_LIMIT {
            let reason =
                format!("Rule is too complex: more than {ALTERNATIVES_LIMIT} combinations of {OR}");
            return Err(invalid(&at, reason));
        }
    }
    if choices.len() < 2 {
        let reason = format!("There must be at least 2 objects in {OR}");
        return Err(invalid(&at, reason));
    }
    *alternatives = all;
    Ok(())
}

fn read_conditions(items: &[Value], path: &str) -> Result<Vec<Condition>, PatternError> {
    if items.is_empty() {
        return Err(invalid(path, "Empty arrays are not allowed"));
    }
    let read =
        |item: &Value| condition::parse(item).map_err(|reason| invalid(path, reason.to_string()));
    items.iter().map(read).collect()
}
