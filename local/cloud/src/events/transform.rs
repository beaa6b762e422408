//! Input paths and input transformers of rule targets.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-transform-target-input.html>

use serde_json::{Map, Value};

/// The value at `$`, `$.detail.x` or `$.resources[0]`.
pub(super) fn at_path<'a>(event: &'a Value, path: &str) -> Option<&'a Value> {
    let mut at = event;
    for step in path
        .strip_prefix('$')?
        .split(['.', '['])
        .filter(|step| !step.is_empty())
    {
        let step = step.trim_end_matches(']').trim_matches(['\'', '"']);
        at = match at {
            Value::Array(items) => items.get(step.parse::<usize>().ok()?)?,
            other => other.get(step)?,
        };
    }
    Some(at)
}

/// Fills `InputTemplate` with the values that `InputPathsMap` names. The template is JSON in which
/// `<name>` stands for a value, or for its text inside a string.
pub(super) fn fill(transformer: &Value, event: &Value) -> Value {
    let none = Map::new();
    let paths = transformer["InputPathsMap"].as_object().unwrap_or(&none);
    let mut text = transformer["InputTemplate"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    for (name, path) in paths {
        let value = path
            .as_str()
            .and_then(|path| at_path(event, path))
            .unwrap_or(&Value::Null);
        text = replace(&text, &format!("<{name}>"), value);
    }
    let whole = event.to_string();
    text = text
        .replace("<aws.events.event.json>", &whole)
        .replace("<aws.events.event>", &whole);
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// Replaces a placeholder by JSON, or by bare text where it stands inside a JSON string.
fn replace(template: &str, placeholder: &str, value: &Value) -> String {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once(placeholder) {
        filled.push_str(before);
        let json = value.to_string();
        let bare = match value {
            Value::String(_) => json[1..json.len() - 1].to_owned(),
            _ => json.replace('"', "\\\""),
        };
        filled.push_str(if inside_string(&filled) { &bare } else { &json });
        rest = after;
    }
    filled.push_str(rest);
    filled
}

/// Whether the end of this text lies inside a JSON string.
fn inside_string(text: &str) -> bool {
    let mut escaped = false;
    text.bytes().fold(false, |inside, byte| {
        let toggles = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        inside != toggles
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_template_takes_values_and_text() {
        let event = json!({"detail": {"state": "STOPPED", "n": 3, "list": ["a"]}});
        let transformer = json!({
            "InputPathsMap": {"s": "$.detail.state", "n": "$.detail.n", "all": "$.detail", "first": "$.detail.list[0]"},
            "InputTemplate": r#"{"text": "was <s>, <n>", "n": <n>, "all": <all>, "first": <first>, "none": "<first>"}"#,
        });
        assert_eq!(
            fill(&transformer, &event),
            json!({"text": "was STOPPED, 3", "n": 3, "all": event["detail"], "first": "a", "none": "a"})
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_is_none() {
        let event = json!({"a": [1]});
        assert_eq!(at_path(&event, "$"), Some(&event));
        assert_eq!(at_path(&event, "$.a[0]"), Some(&json!(1)));
        assert_eq!(at_path(&event, "$.a[1]"), None);
        assert_eq!(at_path(&event, "a"), None);
    }
}
