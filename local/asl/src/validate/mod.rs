//! Everything that CreateStateMachine refuses, found at once and without running anything
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html>).
//!
//! Codes, sentences and locations are AWS's own where they are known; suggestions are ours.

mod block;
mod choice;
mod distributed;
mod fields;
mod integrations;
mod json;
mod map;
mod queries;
mod retry;
mod scopes;
mod state;
mod task;

use crate::diagnostic::{Diagnostic, Severity};
use crate::execution::ExecutionType;
use crate::query::java;
use crate::value::{Map, Value};

/// The code of nearly every error.
const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";

/// All findings in a definition of a STANDARD state machine, errors first.
pub fn validate(definition: &str) -> Vec<Diagnostic> {
    validate_as(definition, ExecutionType::Standard)
}

/// All findings in a definition of a state machine of the given type, errors first.
pub fn validate_as(definition: &str, kind: ExecutionType) -> Vec<Diagnostic> {
    let mut findings = Findings::default();
    match json::read(definition) {
        Ok((value, duplicates)) => {
            for duplicate in duplicates {
                findings.error(
                    "DUPLICATE_STATE_NAME",
                    &duplicate.location,
                    format!("Duplicate State name: {}", duplicate.name),
                    Some("give every state a name of its own".to_string()),
                );
            }
            block::machine(&value, kind, &mut findings);
        }
        Err(diagnostic) => findings.list.push(*diagnostic),
    }
    // A stable sort keeps the order of the definition among equals.
    findings
        .list
        .sort_by_key(|finding| finding.severity == Severity::Warning);
    findings.list
}

/// The findings so far.
#[derive(Default)]
struct Findings {
    list: Vec<Diagnostic>,
}

impl Findings {
    fn error(
        &mut self,
        code: &str,
        location: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(Severity::Error, code, location, message.into(), suggestion);
    }

    fn warning(
        &mut self,
        code: &str,
        location: &str,
        message: impl Into<String>,
        suggestion: String,
    ) {
        self.add(
            Severity::Warning,
            code,
            location,
            message.into(),
            Some(suggestion),
        );
    }

    fn schema(&mut self, location: &str, message: impl Into<String>) {
        self.error(SCHEMA, location, message, None);
    }

    fn add(
        &mut self,
        severity: Severity,
        code: &str,
        location: &str,
        message: String,
        suggestion: Option<String>,
    ) {
        let diagnostic = Diagnostic {
            severity,
            code: code.to_string(),
            message,
            location: location.to_string(),
            suggestion,
        };
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// A field that the object does not have; the most similar known field is suggested.
    fn unsupported(&mut self, location: &str, field: &str, known: &[&str]) {
        let suggestion =
            closest(field, known.iter().copied()).map(|known| format!("did you mean '{known}'?"));
        self.error(
            SCHEMA,
            location,
            format!("Field '{field}' is not supported"),
            suggestion,
        );
    }

    fn required(&mut self, location: &str, fields: &[&str]) {
        self.schema(
            location,
            format!("These fields are required: [{}]", listed(fields)),
        );
    }

    /// `fields` of the object of which at most one may be there; whether one is.
    fn at_most_one(&mut self, members: &Map, location: &str, fields: &[&str]) -> bool {
        let present = fields
            .iter()
            .filter(|field| members.contains_key(**field))
            .count();
        if present > 1 {
            self.schema(
                location,
                format!(
                    "There should only be one of the following fields: [{}]",
                    listed(fields)
                ),
            );
        }
        present > 0
    }

    /// As [`Findings::at_most_one`], and one must be there.
    fn exactly_one(&mut self, members: &Map, location: &str, fields: &[&str]) {
        if !self.at_most_one(members, location, fields) {
            self.schema(
                location,
                format!(
                    "This object should have only one of the following fields: [{}]",
                    listed(fields)
                ),
            );
        }
    }

    /// The value must be of the type; whether it is.
    fn typed(&mut self, value: &Value, location: &str, kind: JsonType) -> bool {
        let fits = kind.holds(value);
        if !fits {
            self.schema(
                location,
                format!("Expected value of type [{}]", kind.name()),
            );
        }
        fits
    }

    /// The value must be one of the strings.
    fn one_of(&mut self, value: &Value, location: &str, allowed: &[&str]) {
        match value.as_str() {
            None => _ = self.typed(value, location, JsonType::String),
            Some(text) if !allowed.contains(&text) => {
                let suggestion = closest(text, allowed.iter().copied())
                    .map(|known| format!("did you mean '{known}'?"));
                self.error(
                    SCHEMA,
                    location,
                    format!(
                        "Value should be one of the following: [{}]",
                        allowed.join(", ")
                    ),
                    suggestion,
                );
            }
            Some(_) => {}
        }
    }
}

/// The fields as AWS lists them: in the order of a Java set.
fn listed(fields: &[&str]) -> String {
    java::name_order(fields).join(", ")
}

/// The types of JSON values, as AWS names them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum JsonType {
    Array,
    Boolean,
    Number,
    Object,
    String,
}

impl JsonType {
    fn holds(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (JsonType::Array, Value::Array(_))
                | (JsonType::Boolean, Value::Bool(_))
                | (JsonType::Number, Value::Number(_))
                | (JsonType::Object, Value::Object(_))
                | (JsonType::String, Value::String(_))
        )
    }

    fn name(self) -> &'static str {
        match self {
            JsonType::Array => "ARRAY",
            JsonType::Boolean => "BOOLEAN",
            JsonType::Number => "NUMBER",
            JsonType::Object => "OBJECT",
            JsonType::String => "STRING",
        }
    }
}

/// The name most like the given one, if any is like it at all.
fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    known
        .map(|candidate| (distance(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many characters must be added, removed or changed to make one text of the other.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > 16 {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests;
