//! ARNs with the names of placeholders in their places, and the names in ARNs.

use crate::resource::Resource;

use super::{ACCOUNT, REGION, placeholder};

/// A Resource whose placeholders have no value, as an ARN that names them; where nothing else is told, that of an activity
/// if the name speaks of one, else of a function.
pub(super) fn resource(text: &str) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut parts = parts(text);
    // Where it is known what they stand for.
    for (place, value) in [(1, "aws"), (3, REGION), (4, ACCOUNT)] {
        let part = parts.get_mut(place).filter(|part| part.starts_with("${"));
        if let Some(part) = part {
            *part = value;
        }
    }
    let named = without_braces(&parts.join(":"));
    if Resource::parse(&named).is_some() {
        return Some(named);
    }
    let name = function_name(text);
    Some(match name.to_lowercase().contains("activity") {
        true => arn("states", "activity", name),
        false => arn("lambda", "function", name),
    })
}

/// The ARN of a state machine whose placeholders have no value.
pub(super) fn machine(text: &str) -> String {
    arn("states", "stateMachine", machine_name(text))
}

/// What stands between colons, those within placeholders aside.
fn parts(text: &str) -> Vec<&str> {
    let mut depth = 0;
    text.split(|character| {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        character == ':' && depth == 0
    })
    .collect()
}

fn arn(service: &str, kind: &str, name: &str) -> String {
    let name = without_braces(name);
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{kind}:{name}")
}

/// With the name of each placeholder in its place: `${Work.Arn}` is `Work`.
fn without_braces(text: &str) -> String {
    let mut named = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        named.push_str(&rest[..start]);
        rest = &rest[start..];
        match placeholder(rest) {
            Some((length, name)) => {
                let name = name.strip_suffix(".Arn").unwrap_or(name);
                named.push_str(&name.replace([':', '.', ',', '/'], "-"));
                rest = &rest[length..];
            }
            None => {
                named.push_str("${");
                rest = &rest[2..];
            }
        }
    }
    named.push_str(rest);
    named
}

/// The name in a function's name, partial ARN or ARN, with or without a qualifier; that of a placeholder for one.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
pub fn function_name(function: &str) -> &str {
    name_after(function, "function:")
}

/// The name in a state machine's ARN, with or without a version or alias; that of a placeholder for one.
pub fn machine_name(machine: &str) -> &str {
    name_after(machine, "stateMachine:")
}

fn name_after<'t>(text: &'t str, kind: &str) -> &'t str {
    let after = text.rsplit_once(kind).map_or(text, |(_, name)| name);
    let name = parts(after).first().copied().unwrap_or(after);
    match placeholder(name) {
        Some((length, inner)) if length == name.len() => {
            inner.strip_suffix(".Arn").unwrap_or(inner)
        }
        Some(_) | None => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_found_by_name_or_arn() {
        for function in [
            "echo",
            "echo:live",
            "arn:aws:lambda:us-east-1:123456789012:function:echo",
            "arn:aws:lambda:us-east-1:123456789012:function:echo:$LATEST",
            "${echo}",
            "${echo.Arn}",
        ] {
            assert_eq!(function_name(function), "echo");
        }
    }
}
