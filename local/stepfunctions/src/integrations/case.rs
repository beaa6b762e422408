//! Step Functions writes every member in PascalCase; ECS, Batch and Step Functions itself use
//! camelCase on the wire.

use serde_json::{Map, Value};

/// Members whose keys are the user's own.
const FREE_FORM: &[&str] = &["tags", "parameters", "labels", "dockerlabels", "options"];

/// With every key in PascalCase.
pub fn pascal(value: Value) -> Value {
    rename(value, &|key| {
        change_first(key, |first| first.to_ascii_uppercase())
    })
}

/// With every key in camelCase.
pub fn camel(value: Value) -> Value {
    rename(value, &|key| {
        change_first(key, |first| first.to_ascii_lowercase())
    })
}

fn rename(value: Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| rename(item, change)).collect(),
        Value::Object(object) => {
            let mut renamed = Map::with_capacity(object.len());
            for (key, child) in object {
                let free =
                    child.is_object() && FREE_FORM.contains(&key.to_ascii_lowercase().as_str());
                let child = if free { child } else { rename(child, change) };
                renamed.insert(change(&key), child);
            }
            Value::Object(renamed)
        }
        plain => plain,
    }
}

fn change_first(key: &str, change: impl Fn(char) -> char) -> String {
    let mut characters = key.chars();
    characters
        .next()
        .map(change)
        .into_iter()
        .chain(characters)
        .collect()
}

/// Seconds since the epoch in members that end in `At` or `Date`, changed by `convert`.
pub fn dates(value: Value, convert: &dyn Fn(f64) -> Value) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| dates(item, convert)).collect(),
        Value::Object(object) => {
            let entries = object.into_iter().map(|(key, child)| {
                let is_date = key.ends_with("At") || key.ends_with("Date");
                let child = match child.as_f64().filter(|_| is_date) {
                    Some(seconds) => convert(seconds),
                    None => dates(child, convert),
                };
                (key, child)
            });
            Value::Object(entries.collect())
        }
        plain => plain,
    }
}

/// Milliseconds since the epoch: dates of optimised integrations.
pub fn millis(seconds: f64) -> Value {
    Value::from((seconds * 1_000.0).round() as i64)
}

/// ISO 8601: dates of SDK integrations.
pub fn iso(seconds: f64) -> Value {
    Value::from(asl::Timestamp((seconds * 1e6).round() as i64).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_users_own_keys_are_kept() {
        let wire = json!({ "jobName": "x", "tags": { "myKey": 1 }, "list": [{ "name": "aB" }] });
        let states = json!({ "JobName": "x", "Tags": { "myKey": 1 }, "List": [{ "Name": "aB" }] });
        assert_eq!(pascal(wire.clone()), states);
        assert_eq!(camel(states), wire);
    }

    #[test]
    fn dates_are_found_by_name() {
        let value = json!({ "CreatedAt": 1.5, "Engine": [{ "StopDate": 2 }], "Count": 3 });
        let expected = json!({ "CreatedAt": 1_500, "Engine": [{ "StopDate": 2_000 }], "Count": 3 });
        assert_eq!(dates(value, &millis), expected);
    }
}
