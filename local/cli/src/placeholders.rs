//! Placeholders of a definition: `${Name}`, which a deployment fills in, and `#{AWS::Region}` of the Serverless
//! Framework's plugin for pseudo parameters. They are filled in the text, so that what is found in it keeps its place.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html>

use std::collections::{BTreeMap, BTreeSet};

use asl::{Diagnostic, Resource};
use serde_json::Value;

use crate::error::Error;

/// Region of every ARN that is made up.
pub const REGION: &str = "us-east-1";

/// Pseudo parameters of CloudFormation.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
const PSEUDO: &[(&str, &str)] = &[
    ("AWS::AccountId", stack::ACCOUNT),
    ("AWS::Partition", "aws"),
    ("AWS::Region", REGION),
    ("AWS::StackName", "exec"),
    ("AWS::URLSuffix", "amazonaws.com"),
];

/// Fields of the language that hold a number, each with one that any definition may have there.
const NUMBERS: &[(&str, &str)] = &[
    ("BackoffRate", "1"),
    ("HeartbeatSeconds", "1"),
    ("IntervalSeconds", "1"),
    ("ItemsPerBatch", "1"),
    ("MaxAttempts", "1"),
    ("MaxConcurrency", "1"),
    ("MaxDelaySeconds", "31622399"),
    ("MaxInputBytesPerBatch", "1"),
    ("MaxItems", "1"),
    ("MaxItemsPerBatch", "1"),
    ("Seconds", "1"),
    ("TimeoutSeconds", "99999999"),
    ("ToleratedFailureCount", "1"),
    ("ToleratedFailurePercentage", "1"),
    ("NumericEquals", "1"),
    ("NumericGreaterThan", "1"),
    ("NumericGreaterThanEquals", "1"),
    ("NumericLessThan", "1"),
    ("NumericLessThanEquals", "1"),
    ("BooleanEquals", "true"),
];

/// What stands for the placeholders.
#[derive(Debug, Default)]
pub struct Settings(BTreeMap<String, String>);

/// What becomes of a placeholder that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// It stays, as a deployment will fill it in. Where the language wants a number, one stands for it.
    Stays,
    /// A function or state machine gets an ARN with the placeholder's name, so that a stand-in can be named for it;
    /// a number has to be set.
    GetsName,
}

/// A text whose placeholders are filled in.
#[derive(Debug, Default)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// The names of placeholders that had a value.
    pub used: BTreeSet<String>,
    /// Placeholders without a value where the language wants a number.
    pub missing: BTreeSet<String>,
    /// Whether lines and columns of the text are not those of its file.
    pub is_rewritten: bool,
}

impl Filled {
    /// Findings in the text with their places in its file, as far as there are any.
    pub fn placed(&self, mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
        if self.is_rewritten {
            found.iter_mut().for_each(|one| one.position = None);
        }
        found
    }
}

impl Settings {
    /// Reads `NAME=VALUE` arguments.
    ///
    /// # Errors
    /// One without `=`, or a name that is given twice.
    pub fn parse(arguments: &[String]) -> Result<Settings, Error> {
        let mut values = BTreeMap::new();
        for argument in arguments {
            let (name, value) = super::standins::pair("--set", argument, "NAME=VALUE")?;
            if values.insert(name.to_owned(), value.to_owned()).is_some() {
                return Err(Error::Usage(format!("--set {name} is given twice")));
            }
        }
        Ok(Settings(values))
    }

    /// The names that were set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Fills in the placeholders of a JSON text.
    pub fn fill(&self, text: &str, unset: Unset) -> Filled {
        let mut filling = Filling {
            settings: self,
            unset,
            key: "",
            filled: Filled::default(),
        };
        let mut rest = text;
        while let Some(start) = rest.find(['"', '$', '#']) {
            filling.filled.text.push_str(&rest[..start]);
            rest = &rest[start..];
            rest = match string(rest) {
                Some((content, after)) => filling.string(content, after),
                None if rest.starts_with('"') => break,
                None => filling.bare(rest),
            };
        }
        filling.filled.text.push_str(rest);
        filling.filled
    }

    fn value(&self, name: &str) -> Option<&str> {
        let pseudo = || PSEUDO.iter().find(|(known, _)| *known == name);
        let set = self.0.get(name).map(String::as_str);
        set.or_else(|| pseudo().map(|(_, value)| *value))
    }
}

/// The string that a text begins with, without its quotes, and what follows.
fn string(text: &str) -> Option<(&str, &str)> {
    let content = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = content.find(|character| {
        let ends = character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        ends
    })?;
    Some((&content[..end], &content[end + 1..]))
}

/// The placeholder that a text begins with: its whole length and its name.
fn placeholder(text: &str) -> Option<(usize, &str)> {
    let plugin = text.starts_with("#{AWS::");
    let inner = text.strip_prefix("${").or(text.strip_prefix("#{"))?;
    let name = &inner[..inner.find('}')?];
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-.:,/".contains(c));
    (is_name && (plugin || text.starts_with('$'))).then_some((name.len() + 3, name))
}

struct Filling<'s, 't> {
    settings: &'s Settings,
    unset: Unset,
    /// The name of the member whose value is read.
    key: &'t str,
    filled: Filled,
}

impl<'t> Filling<'_, 't> {
    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.settings.value(name)?.to_owned();
        self.filled.used.insert(name.to_owned());
        Some(value)
    }

    /// A placeholder outside of quotes, or a character that begins none.
    fn bare(&mut self, text: &'t str) -> &'t str {
        let Some((length, name)) = placeholder(text) else {
            let (first, rest) = text.split_at(1);
            self.filled.text.push_str(first);
            return rest;
        };
        match self.value(name).or_else(|| self.number(name)) {
            Some(value) => self.filled.text.push_str(&value),
            None => self.filled.text.push_str(&text[..length]),
        }
        &text[length..]
    }

    /// A number for a placeholder that has no value.
    fn number(&mut self, name: &str) -> Option<String> {
        let (_, number) = NUMBERS.iter().find(|(field, _)| *field == self.key)?;
        if self.unset == Unset::GetsName {
            self.filled.missing.insert(name.to_owned());
        }
        Some((*number).to_owned())
    }

    /// A string: a member's name, or a value.
    fn string(&mut self, content: &'t str, after: &'t str) -> &'t str {
        if after.trim_start().starts_with(':') {
            self.key = content;
        } else if let Some(number) = self.quoted_number(content) {
            self.filled.text.push_str(&number);
            return after;
        }
        let filled = self.text(content);
        self.filled.text.push('"');
        self.filled.text.push_str(&filled);
        self.filled.text.push('"');
        after
    }

    /// The number or truth value that a quoted placeholder stands for, where the language wants one.
    fn quoted_number(&mut self, content: &str) -> Option<String> {
        let (length, name) = placeholder(content)?;
        let wanted = NUMBERS.iter().any(|(field, _)| *field == self.key);
        if !wanted || length != content.len() {
            return None;
        }
        let Some(value) = self.value(name) else {
            return self.number(name);
        };
        let number = serde_json::from_str::<Value>(&value).ok();
        number
            .filter(|value| value.is_number() || value.is_boolean())
            .map(|_| value)
    }

    /// A string's content with its placeholders filled in.
    fn text(&mut self, content: &str) -> String {
        let mut text = String::with_capacity(content.len());
        let mut rest = content;
        while let Some(start) = rest.find(['$', '#']) {
            text.push_str(&rest[..start]);
            rest = &rest[start..];
            let length = match placeholder(rest) {
                Some((length, name)) => {
                    match self.value(name) {
                        Some(value) => text.push_str(&escaped(&value)),
                        None => text.push_str(&rest[..length]),
                    }
                    length
                }
                None => {
                    text.push_str(&rest[..1]);
                    1
                }
            };
            rest = &rest[length..];
        }
        text.push_str(rest);
        match (self.unset, self.key) {
            (Unset::GetsName, "Resource") => resource(&text).unwrap_or(text),
            (Unset::GetsName, "StateMachineArn") if text.contains("${") => {
                arn("states", "stateMachine", machine_name(&text))
            }
            (Unset::GetsName | Unset::Stays, _) => text,
        }
    }
}

/// As it stands within a JSON string.
fn escaped(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// A Resource whose placeholders have no value, as an ARN that names them; a function's where nothing else is told.
fn resource(text: &str) -> Option<String> {
    if !text.contains("${") {
        return None;
    }
    let mut parts = parts(text);
    // Where it is known what they stand for.
    for (place, value) in [(1, "aws"), (3, REGION), (4, stack::ACCOUNT)] {
        let part = parts.get_mut(place).filter(|part| part.starts_with("${"));
        if let Some(part) = part {
            *part = value;
        }
    }
    let named = without_braces(&parts.join(":"));
    if Resource::parse(&named).is_some() {
        return Some(named);
    }
    Some(arn("lambda", "function", function_name(text)))
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
    format!(
        "arn:aws:{service}:{REGION}:{}:{kind}:{name}",
        stack::ACCOUNT
    )
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

    fn fill(text: &str, sets: &[&str], unset: Unset) -> String {
        let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
        Settings::parse(&sets).unwrap().fill(text, unset).text
    }

    #[test]
    fn placeholders_are_filled_in() {
        let lambda = r#"{"Resource":"arn:${AWS::Partition}:lambda:#{AWS::Region}:#{AWS::AccountId}:function:f"}"#;
        let filled =
            r#"{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:f"}"#.to_owned();
        assert_eq!(fill(lambda, &[], Unset::Stays), filled);
        for (text, sets, expected) in [
            (r#"{"a":"x-${N}"}"#, &["N=\"q\""][..], r#"{"a":"x-\"q\""}"#),
            (r#"{"Seconds":"${N}"}"#, &["N=5"], r#"{"Seconds":5}"#),
            (r#"{"Seconds": ${N}}"#, &["N=5"], r#"{"Seconds": 5}"#),
            (r#"{"Name":"${N}"}"#, &["N=5"], r#"{"Name":"5"}"#),
            (r#"{"Seconds":"${N}"}"#, &[], r#"{"Seconds":1}"#),
            (
                r##"{"a":"${N}", "b":"#{x} $"}"##,
                &[],
                r##"{"a":"${N}", "b":"#{x} $"}"##,
            ),
            (
                r#"{"a":"{% ${'b': 1} %}"}"#,
                &[],
                r#"{"a":"{% ${'b': 1} %}"}"#,
            ),
            (r#"{"a":"\"${N}\\"}"#, &["N=é"], r#"{"a":"\"é\\"}"#),
            (r#"{"unended"#, &[], r#"{"unended"#),
            (
                r#"{"r":"${AWS::Region}"}"#,
                &["AWS::Region=eu-west-1"],
                r#"{"r":"eu-west-1"}"#,
            ),
        ] {
            assert_eq!(fill(text, sets, Unset::Stays), expected);
        }
    }

    #[test]
    fn what_has_no_value_can_be_named_by_a_stand_in() {
        let function = |name: &str| {
            format!(r#"{{"Resource":"arn:aws:lambda:us-east-1:123456789012:function:{name}"}}"#)
        };
        for (resource, name) in [
            ("${Fn}", "Fn"),
            ("${Fn.Arn}", "Fn"),
            ("${Fn.Arn}:live", "Fn"),
            ("${self:service}-f", "self-service-f"),
        ] {
            let text = format!(r#"{{"Resource":"{resource}"}}"#);
            assert_eq!(fill(&text, &[], Unset::GetsName), function(name));
        }
        let text = r#"{"Resource":"arn:aws:lambda:${R}:1:function:${F}:$LATEST"}"#;
        assert_eq!(
            fill(text, &[], Unset::GetsName),
            r#"{"Resource":"arn:aws:lambda:us-east-1:1:function:F:$LATEST"}"#
        );
        let text = r#"{"Resource":"arn:${P}:states:::sqs:sendMessage"}"#;
        assert_eq!(
            fill(text, &[], Unset::GetsName),
            r#"{"Resource":"arn:aws:states:::sqs:sendMessage"}"#
        );
        let text = r#"{"StateMachineArn":"${Child}"}"#;
        assert_eq!(
            fill(text, &[], Unset::GetsName),
            r#"{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Child"}"#
        );
        let number = Settings::default().fill(r#"{"MaxAttempts":"${N}"}"#, Unset::GetsName);
        assert_eq!(number.missing, BTreeSet::from(["N".to_owned()]));
    }

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
