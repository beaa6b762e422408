//! Conditions of Choice rules and names of errors, as a person would write them down.

use serde_json::Value;

/// A rule's condition in one line: JSONata as it is, JSONPath's comparisons by their signs.
pub(crate) fn text(rule: &Value) -> String {
    if let Some(condition) = rule.get("Condition") {
        return plain(condition);
    }
    for (field, word) in [("And", " and "), ("Or", " or ")] {
        if let Some(rules) = rule[field].as_array() {
            let parts: Vec<String> = rules.iter().map(text).collect();
            return parts.join(word);
        }
    }
    if let Some(rule) = rule.get("Not") {
        return format!("not ({})", text(rule));
    }
    let variable = rule["Variable"].as_str().unwrap_or_default();
    let comparison = rule.as_object().into_iter().flatten().find(|(field, _)| {
        !matches!(
            field.as_str(),
            "Variable" | "Next" | "Comment" | "Assign" | "Output"
        )
    });
    match comparison {
        Some((operator, value)) => format!("{variable} {}", compared(operator, value)),
        None => variable.to_owned(),
    }
}

/// `NumericGreaterThanEqualsPath` and `$.n` are `≥ $.n`.
fn compared(operator: &str, value: &Value) -> String {
    let name = operator.strip_suffix("Path").unwrap_or(operator);
    if let Some(kind) = name.strip_prefix("Is") {
        let is = if value == false { "is not" } else { "is" };
        return format!("{is} {}", kind.to_lowercase());
    }
    let signs = [
        ("GreaterThanEquals", "≥"),
        ("LessThanEquals", "≤"),
        ("GreaterThan", ">"),
        ("LessThan", "<"),
        ("Equals", "="),
        ("Matches", "matches"),
    ];
    let sign = signs.iter().find(|(ending, _)| name.ends_with(ending));
    let sign = sign.map_or(name, |(_, sign)| *sign);
    let value = match value.as_str() {
        Some(text) if !operator.ends_with("Path") => format!("{text:?}"),
        _ => plain(value),
    };
    format!("{sign} {value}")
}

/// The errors of a catcher.
pub(crate) fn errors(names: &Value) -> String {
    let names: Vec<&str> = names
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match names[..] {
        ["States.ALL"] => "any error".to_owned(),
        _ => names.join(", "),
    }
}

/// A text without quotes, and JSONata without its marks.
pub(crate) fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => expression(text),
        None => value.to_string(),
    }
}

/// A JSONata expression without `{%` and `%}`, in one line.
pub(crate) fn expression(text: &str) -> String {
    let inner = text
        .strip_prefix("{%")
        .and_then(|text| text.strip_suffix("%}"));
    let words: Vec<&str> = inner.unwrap_or(text).split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn conditions_read_as_a_person_writes_them() {
        for (rule, expected) in [
            (
                json!({"Condition": "{% $n\n  > 1 %}", "Next": "A"}),
                "$n > 1",
            ),
            (
                json!({"Variable": "$.n", "NumericGreaterThanEquals": 5, "Next": "A"}),
                "$.n ≥ 5",
            ),
            (
                json!({"Next": "A", "Variable": "$.s", "StringEquals": "x"}),
                "$.s = \"x\"",
            ),
            (
                json!({"Variable": "$.s", "StringEqualsPath": "$.t"}),
                "$.s = $.t",
            ),
            (
                json!({"Variable": "$.s", "IsPresent": false}),
                "$.s is not present",
            ),
            (
                json!({"Not": {"Variable": "$.b", "BooleanEquals": true}}),
                "not ($.b = true)",
            ),
            (
                json!({"Or": [{"Variable": "$.a", "IsNull": true}, {"Variable": "$.a", "StringMatches": "x*"}]}),
                "$.a is null or $.a matches \"x*\"",
            ),
        ] {
            assert_eq!(text(&rule), expected);
        }
    }

    #[test]
    fn any_error_is_called_so() {
        assert_eq!(errors(&json!(["States.ALL"])), "any error");
        assert_eq!(errors(&json!(["A", "B"])), "A, B");
    }
}
