//! Event patterns.
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>

use std::net::IpAddr;

use serde_json::{Map, Value};

/// What is wrong with an event pattern, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event pattern is not valid at {path}: {reason}")]
pub struct PatternError {
    /// Keys from the root, joined by dots.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

/// Checks a pattern: every leaf is a list of values and known operators.
pub fn validate(pattern: &Value) -> Result<(), PatternError> {
    match pattern {
        Value::Object(fields) if !fields.is_empty() => validate_fields(fields, "$"),
        _ => Err(bad("$", "a pattern is an object with at least one field")),
    }
}

fn bad(path: &str, reason: impl Into<String>) -> PatternError {
    PatternError {
        path: path.to_owned(),
        reason: reason.into(),
    }
}

fn validate_fields(fields: &Map<String, Value>, path: &str) -> Result<(), PatternError> {
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match value {
            Value::Object(inner) => validate_fields(inner, &path)?,
            Value::Array(choices) if name == "$or" => {
                for choice in choices {
                    match choice {
                        Value::Object(inner) => validate_fields(inner, &path)?,
                        _ => return Err(bad(&path, "$or takes a list of patterns")),
                    }
                }
            }
            Value::Array(conditions) if conditions.is_empty() => {
                return Err(bad(&path, "an empty list matches nothing"));
            }
            Value::Array(conditions) => {
                for condition in conditions {
                    validate_condition(condition, &path)?;
                }
            }
            _ => return Err(bad(&path, "a value must be in a list: [\"value\"]")),
        }
    }
    Ok(())
}

fn validate_condition(condition: &Value, path: &str) -> Result<(), PatternError> {
    let Value::Object(operator) = condition else {
        return match condition {
            Value::Array(_) => Err(bad(path, "a list inside a list")),
            _ => Ok(()),
        };
    };
    let mut entries = operator.iter();
    let (Some((name, argument)), None) = (entries.next(), entries.next()) else {
        return Err(bad(path, "a condition has exactly one operator"));
    };
    let valid = match name.as_str() {
        "prefix" | "suffix" => argument.is_string() || argument["equals-ignore-case"].is_string(),
        "equals-ignore-case" | "wildcard" => argument.is_string(),
        "exists" => argument.is_boolean(),
        "anything-but" => true,
        "cidr" => argument
            .as_str()
            .is_some_and(|text| parse_cidr(text).is_some()),
        "numeric" => argument
            .as_array()
            .is_some_and(|terms| numeric_terms(terms).is_some()),
        other => return Err(bad(path, format!("unknown operator {other}"))),
    };
    if valid {
        Ok(())
    } else {
        Err(bad(path, format!("operator {name} cannot take {argument}")))
    }
}

/// Whether an event matches a valid pattern.
pub fn matches(pattern: &Value, event: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, wanted)| matches_field(name, wanted, event)),
        _ => false,
    }
}

fn matches_field(name: &str, wanted: &Value, event: &Value) -> bool {
    match (name, wanted, event) {
        ("$or", Value::Array(choices), _) => choices.iter().any(|choice| matches(choice, event)),
        // A list of objects matches if one of them does.
        (_, _, Value::Array(items)) => items.iter().any(|item| matches_field(name, wanted, item)),
        (_, Value::Array(conditions), _) => {
            let value = event.get(name);
            conditions
                .iter()
                .any(|condition| matches_leaf(condition, value))
        }
        (_, Value::Object(_), _) => matches(wanted, event.get(name).unwrap_or(&Value::Null)),
        _ => false,
    }
}

fn matches_leaf(condition: &Value, value: Option<&Value>) -> bool {
    if let Some(exists) = condition.get("exists").and_then(Value::as_bool) {
        // Exists looks at leaves only.
        return exists == value.is_some_and(|value| !value.is_object());
    }
    match value {
        None => false,
        Some(Value::Array(items)) => items.iter().any(|item| matches_value(condition, item)),
        Some(value) => matches_value(condition, value),
    }
}

fn matches_value(condition: &Value, value: &Value) -> bool {
    let Value::Object(operator) = condition else {
        return same(condition, value);
    };
    operator.iter().all(|(name, argument)| match name.as_str() {
        "anything-but" => anything_but(argument, value),
        "numeric" => value
            .as_f64()
            .zip(argument.as_array().and_then(|terms| numeric_terms(terms)))
            .is_some_and(|(number, terms)| terms.iter().all(|term| term.holds(number))),
        text_operator => value
            .as_str()
            .is_some_and(|text| matches_text(text_operator, argument, text)),
    })
}

fn matches_text(operator: &str, argument: &Value, text: &str) -> bool {
    let ignoring_case = argument["equals-ignore-case"]
        .as_str()
        .map(str::to_lowercase);
    let wanted = argument.as_str().unwrap_or_default();
    match (operator, ignoring_case) {
        ("prefix", Some(wanted)) => text.to_lowercase().starts_with(&wanted),
        ("suffix", Some(wanted)) => text.to_lowercase().ends_with(&wanted),
        ("prefix", None) => text.starts_with(wanted),
        ("suffix", None) => text.ends_with(wanted),
        ("equals-ignore-case", _) => text.to_lowercase() == wanted.to_lowercase(),
        ("wildcard", _) => glob(wanted, text),
        ("cidr", _) => parse_cidr(wanted)
            .zip(text.parse().ok())
            .is_some_and(|(range, address)| in_range(range, address)),
        _ => false,
    }
}

fn anything_but(argument: &Value, value: &Value) -> bool {
    match argument {
        Value::Array(listed) => !listed.iter().any(|one| same(one, value)),
        Value::Object(operator) => operator.iter().all(|(name, inner)| {
            let inner = match inner {
                Value::Array(several) => several.as_slice(),
                one => std::slice::from_ref(one),
            };
            let hit = |one: &Value| {
                value
                    .as_str()
                    .is_some_and(|text| matches_text(name, one, text))
            };
            !inner.iter().any(hit)
        }),
        scalar => !same(scalar, value),
    }
}

/// Equality in which 1 and 1.0 are the same number.
fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a == b,
        _ => a == b,
    }
}

/// Whether text matches a glob in which `*` stands for any characters and `\` takes away its meaning.
pub(crate) fn glob(pattern: &str, text: &str) -> bool {
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            '*' => None,
            '\\' => Some(chars.next().unwrap_or('\\')),
            other => Some(other),
        });
    }
    // reached[i]: the first i tokens match what was read so far.
    let mut reached = vec![false; tokens.len() + 1];
    reached[0] = true;
    let close = |reached: &mut Vec<bool>| {
        for (i, token) in tokens.iter().enumerate() {
            if token.is_none() && reached[i] {
                reached[i + 1] = true;
            }
        }
    };
    close(&mut reached);
    for c in text.chars() {
        let mut next = vec![false; reached.len()];
        for (i, token) in tokens.iter().enumerate() {
            match token {
                Some(wanted) if reached[i] && *wanted == c => next[i + 1] = true,
                None if reached[i] => next[i] = true,
                _ => {}
            }
        }
        close(&mut next);
        reached = next;
    }
    reached[tokens.len()]
}

#[derive(Debug, Clone, Copy)]
enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

#[derive(Debug, Clone, Copy)]
struct Term {
    comparison: Comparison,
    bound: f64,
}

impl Term {
    fn holds(self, number: f64) -> bool {
        match self.comparison {
            Comparison::Less => number < self.bound,
            Comparison::LessOrEqual => number <= self.bound,
            Comparison::Equal => number == self.bound,
            Comparison::GreaterOrEqual => number >= self.bound,
            Comparison::Greater => number > self.bound,
        }
    }
}

/// `[">", 0, "<=", 5]`.
fn numeric_terms(terms: &[Value]) -> Option<Vec<Term>> {
    if terms.is_empty() || terms.len() % 2 == 1 {
        return None;
    }
    let term = |pair: &[Value]| {
        let comparison = match pair[0].as_str()? {
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            "=" => Comparison::Equal,
            ">=" => Comparison::GreaterOrEqual,
            ">" => Comparison::Greater,
            _ => return None,
        };
        let bound = pair[1].as_f64()?;
        Some(Term { comparison, bound })
    };
    terms.chunks(2).map(term).collect()
}

fn parse_cidr(text: &str) -> Option<(IpAddr, u32)> {
    let (address, bits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let bits: u32 = bits.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    (bits <= width).then_some((address, bits))
}

fn in_range((network, bits): (IpAddr, u32), address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let shift = 32 - bits;
            u32::from(network).checked_shr(shift) == u32::from(address).checked_shr(shift)
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let shift = 128 - bits;
            u128::from(network).checked_shr(shift) == u128::from(address).checked_shr(shift)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_match_as_documented() {
        let event = json!({
            "source": "aws.ecs",
            "detail": {
                "lastStatus": "STOPPED",
                "group": "family:Trainer",
                "containers": [{"exitCode": 0}, {"exitCode": 137, "reason": "OutOfMemoryError"}],
                "cpu": 256,
                "ip": "10.0.0.7",
                "tags": ["a", "b"],
                "nothing": null,
                "empty": "",
            }
        });
        let cases = [
            (json!({"source": ["aws.ecs"]}), true),
            (json!({"source": ["aws.batch"]}), false),
            (json!({"source": ["aws.batch", {"prefix": "aws.e"}]}), true),
            (
                json!({"source": ["aws.ecs"], "detail": {"lastStatus": ["RUNNING"]}}),
                false,
            ),
            (json!({"detail": {"group": [{"suffix": "Trainer"}]}}), true),
            (
                json!({"detail": {"group": [{"prefix": {"equals-ignore-case": "FAMILY:"}}]}}),
                true,
            ),
            (
                json!({"detail": {"group": [{"equals-ignore-case": "FAMILY:TRAINER"}]}}),
                true,
            ),
            (
                json!({"detail": {"group": [{"wildcard": "family:*r"}]}}),
                true,
            ),
            (
                json!({"detail": {"group": [{"wildcard": "family:*x"}]}}),
                false,
            ),
            (
                json!({"detail": {"containers": {"exitCode": [{"numeric": [">", 0]}]}}}),
                true,
            ),
            (
                json!({"detail": {"containers": {"exitCode": [{"numeric": [">", 0, "<", 10]}]}}}),
                false,
            ),
            (
                json!({"detail": {"containers": {"exitCode": [{"anything-but": 0}]}}}),
                true,
            ),
            (
                json!({"detail": {"containers": {"reason": [{"exists": true}]}}}),
                true,
            ),
            (
                json!({"detail": {"lastStatus": [{"anything-but": ["STOPPED", "RUNNING"]}]}}),
                false,
            ),
            (
                json!({"detail": {"lastStatus": [{"anything-but": {"prefix": "RUN"}}]}}),
                true,
            ),
            (json!({"detail": {"missing": [{"exists": false}]}}), true),
            (
                json!({"detail": {"missing": {"deeper": [{"exists": false}]}}}),
                true,
            ),
            (
                json!({"detail": {"missing": [{"anything-but": "x"}]}}),
                false,
            ),
            (
                json!({"detail": {"lastStatus": [{"exists": false}]}}),
                false,
            ),
            (json!({"detail": {"cpu": [256.0]}}), true),
            (json!({"detail": {"tags": ["b"]}}), true),
            (json!({"detail": {"tags": ["c"]}}), false),
            (json!({"detail": {"nothing": [null]}}), true),
            (json!({"detail": {"empty": [""]}}), true),
            (json!({"detail": {"ip": [{"cidr": "10.0.0.0/24"}]}}), true),
            (json!({"detail": {"ip": [{"cidr": "10.0.1.0/24"}]}}), false),
            (
                json!({"$or": [{"source": ["x"]}, {"detail": {"cpu": [256]}}]}),
                true,
            ),
            (
                json!({"$or": [{"source": ["x"]}, {"detail": {"cpu": [1]}}]}),
                false,
            ),
        ];
        for (pattern, expected) in cases {
            validate(&pattern).unwrap();
            assert_eq!(matches(&pattern, &event), expected, "{pattern}");
        }
    }

    #[test]
    fn bad_patterns_are_refused_where_they_are_bad() {
        for (pattern, path) in [
            (json!([]), "$"),
            (json!({}), "$"),
            (json!({"source": "aws.ecs"}), "$.source"),
            (json!({"detail": {"x": []}}), "$.detail.x"),
            (json!({"detail": {"x": [{"regex": "."}]}}), "$.detail.x"),
            (json!({"detail": {"x": [{"numeric": [">"]}]}}), "$.detail.x"),
            (
                json!({"detail": {"x": [{"cidr": "10.0.0.0/33"}]}}),
                "$.detail.x",
            ),
        ] {
            assert_eq!(validate(&pattern).unwrap_err().path, path, "{pattern}");
        }
    }

    #[test]
    fn globs() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("137", "137", true),
            ("1*", "137", true),
            ("Host EC2*", "Host EC2 (instance i-1) terminated.", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b", "ac", false),
            (r"a\*", "a*", true),
            (r"a\*", "ab", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
