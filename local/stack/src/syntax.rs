//! The syntax of Serverless variables.

use serde_json::Value;

/// `${type:` or `${type(`; CloudFormation's `${Name}`, `${A.B}` and `${AWS::Region}` are left alone.
pub fn is_variable(tail: &str) -> bool {
    let kind = tail.bytes().take_while(u8::is_ascii_alphanumeric).count();
    let after = &tail.as_bytes()[kind..];
    kind > 0 && matches!(after.first(), Some(b':' | b'(')) && !after.starts_with(b"::")
}

/// Where the brace that was opened before `tail` is closed.
pub fn closing_brace(tail: &str) -> Option<usize> {
    let mut open = 0u32;
    for (index, byte) in tail.bytes().enumerate() {
        match byte {
            b'{' => open += 1,
            b'}' if open == 0 => return Some(index),
            b'}' => open -= 1,
            _ => {}
        }
    }
    None
}

/// The sources of a variable: separated by commas that stand in no quotes or brackets.
pub fn split_sources(inner: &str) -> Vec<&str> {
    let (mut parts, mut start, mut nested, mut quote) = (Vec::new(), 0, 0u32, None);
    for (index, byte) in inner.bytes().enumerate() {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"') => quote = Some(byte),
            (None, b'(' | b'{') => nested += 1,
            (None, b')' | b'}') => nested = nested.saturating_sub(1),
            (None, b',') if nested == 0 => {
                parts.push(&inner[start..index]);
                start = index + 1;
            }
            (None, _) => {}
        }
    }
    parts.push(&inner[start..]);
    parts
}

/// A quoted string, a number, `true`, `false` or `null`.
pub fn literal(source: &str) -> Option<Value> {
    let quoted = |quote: char| {
        source
            .strip_prefix(quote)
            .and_then(|text| text.strip_suffix(quote))
    };
    if let Some(text) = quoted('\'').or_else(|| quoted('"')) {
        return Some(Value::String(text.to_owned()));
    }
    match source {
        "true" => Some(Value::Bool(true)),
        "false" => Some(Value::Bool(false)),
        "null" => Some(Value::Null),
        _ => source.parse::<serde_json::Number>().ok().map(Value::Number),
    }
}

/// `file(a.yml):b.c` into `("file", "a.yml", "b.c")`.
pub fn split_source(source: &str) -> (&str, &str, &str) {
    let kind_end = source.find(['(', ':']).unwrap_or(source.len());
    let (kind, rest) = source.split_at(kind_end);
    match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((parameter, rest)) => (kind, parameter, rest.strip_prefix(':').unwrap_or("")),
        None => (kind, "", rest.strip_prefix(':').unwrap_or("")),
    }
}
