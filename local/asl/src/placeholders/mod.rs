//! Placeholders of a definition: `${Name}`, which a deployment fills in, and `#{AWS::Region}` of the Serverless
//! Framework's plugin for pseudo parameters. They are filled in the text, so that what is found in it keeps its place.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html>

mod named;

use std::collections::{BTreeMap, BTreeSet};

use crate::value::Value;

pub use named::{function_name, machine_name};

/// Region of every ARN that is made up.
pub const REGION: &str = "us-east-1";

/// Account of every ARN that is made up: the example account of the AWS documentation.
pub const ACCOUNT: &str = "123456789012";

/// Pseudo parameters of CloudFormation.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/pseudo-parameter-reference.html>
const PSEUDO: &[(&str, &str)] = &[
    ("AWS::AccountId", ACCOUNT),
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
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<String, String>);

impl From<BTreeMap<String, String>> for Values {
    fn from(values: BTreeMap<String, String>) -> Values {
        Values(values)
    }
}

/// What becomes of a placeholder that has no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unset {
    /// It stays, as a deployment will fill it in. Where the language wants a number, one stands for it.
    Stays,
    /// A function, activity or state machine gets an ARN with the placeholder's name, so that a stand-in can be named for
    /// it. A number that stands for one is told as missing.
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
}

impl Values {
    /// The names that were set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Fills in the placeholders of a JSON text.
    pub fn fill(&self, text: &str, unset: Unset) -> Filled {
        let mut filling = Filling {
            values: self,
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
pub(in crate::placeholders) fn placeholder(text: &str) -> Option<(usize, &str)> {
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
    values: &'s Values,
    unset: Unset,
    /// The name of the member whose value is read.
    key: &'t str,
    filled: Filled,
}

impl<'t> Filling<'_, 't> {
    fn value(&mut self, name: &str) -> Option<String> {
        let value = self.values.value(name)?.to_owned();
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
        let number = Value::parse(&value).ok();
        number
            .filter(|value| matches!(value, Value::Number(_) | Value::Bool(_)))
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
            (Unset::GetsName, "Resource") => named::resource(&text).unwrap_or(text),
            (Unset::GetsName, "StateMachineArn") if text.contains("${") => named::machine(&text),
            (Unset::GetsName | Unset::Stays, _) => text,
        }
    }
}

/// As it stands within a JSON string.
fn escaped(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(text: &str, sets: &[&str], unset: Unset) -> String {
        let sets = sets.iter().filter_map(|set| set.split_once('='));
        let sets = sets.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Values(sets.collect()).fill(text, unset).text
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
        let text = r#"{"Resource":"${WorkActivityArn}"}"#;
        assert_eq!(
            fill(text, &[], Unset::GetsName),
            r#"{"Resource":"arn:aws:states:us-east-1:123456789012:activity:WorkActivityArn"}"#
        );
        let text = r#"{"StateMachineArn":"${Child}"}"#;
        assert_eq!(
            fill(text, &[], Unset::GetsName),
            r#"{"StateMachineArn":"arn:aws:states:us-east-1:123456789012:stateMachine:Child"}"#
        );
        let number = Values::default().fill(r#"{"MaxAttempts":"${N}"}"#, Unset::GetsName);
        assert_eq!(number.missing, BTreeSet::from(["N".to_owned()]));
    }
}
