//! What is found wrong, in AWS's codes and sentences.

use super::placeholder;
use crate::diagnostic::{Diagnostic, Severity};
use crate::query::java;
use crate::value::{Map, Value};

/// Names of lengths further apart than this are not compared: a hostile name may be long.
const MAX_APART: usize = 16;

/// The code of nearly every error.
pub(super) const SCHEMA: &str = "SCHEMA_VALIDATION_FAILED";

/// The findings so far.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Diagnostic>,
    /// The definition still has its placeholders.
    pub(super) placeholders: bool,
}

impl Findings {
    pub(super) fn error(
        &mut self,
        code: &str,
        location: &str,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.add(Severity::Error, code, location, message.into(), suggestion);
    }

    pub(super) fn warning(
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

    pub(super) fn schema(&mut self, location: &str, message: impl Into<String>) {
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
            position: None,
        };
        if !self.list.contains(&diagnostic) {
            self.list.push(diagnostic);
        }
    }

    /// A field that the object does not have; the most similar known field is suggested.
    pub(super) fn unsupported(&mut self, location: &str, field: &str, known: &[&str]) {
        let suggestion =
            closest(field, known.iter().copied()).map(|known| format!("did you mean '{known}'?"));
        self.error(
            SCHEMA,
            location,
            format!("Field '{field}' is not supported"),
            suggestion,
        );
    }

    pub(super) fn required(&mut self, location: &str, fields: &[&str]) {
        self.schema(
            location,
            format!("These fields are required: [{}]", listed(fields)),
        );
    }

    /// `fields` of the object of which at most one may be there; whether one is.
    pub(super) fn at_most_one(&mut self, members: &Map, location: &str, fields: &[&str]) -> bool {
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
    pub(super) fn exactly_one(&mut self, members: &Map, location: &str, fields: &[&str]) {
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

    /// Whether a placeholder stands where the value must, so that nothing is known of it yet.
    pub(super) fn is_open(&self, value: &Value) -> bool {
        self.placeholders && placeholder::holds(value)
    }

    /// The value must be of the type; whether it is, or may be.
    pub(super) fn typed(&mut self, value: &Value, location: &str, kind: JsonType) -> bool {
        let open = matches!(kind, JsonType::Number | JsonType::Boolean) && self.is_open(value);
        let fits = open || kind.holds(value);
        if !fits {
            self.schema(
                location,
                format!("Expected value of type [{}]", kind.name()),
            );
        }
        fits
    }

    /// The value must be one of the strings.
    pub(super) fn one_of(&mut self, value: &Value, location: &str, allowed: &[&str]) {
        match value.as_str() {
            None => _ = self.typed(value, location, JsonType::String),
            Some(text) if !allowed.contains(&text) && !self.is_open(value) => {
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
pub(super) enum JsonType {
    Array,
    Boolean,
    Number,
    Object,
    String,
}

impl JsonType {
    pub(super) fn holds(self, value: &Value) -> bool {
        matches!(
            (self, value),
            (JsonType::Array, Value::Array(_))
                | (JsonType::Boolean, Value::Bool(_))
                | (JsonType::Number, Value::Number(_))
                | (JsonType::Object, Value::Object(_))
                | (JsonType::String, Value::String(_))
        )
    }

    pub(super) fn name(self) -> &'static str {
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
pub(super) fn closest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let lower = name.to_lowercase();
    known
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= MAX_APART)
        .map(|candidate| {
            let distance = strsim::levenshtein(&lower, &candidate.to_lowercase());
            (distance, candidate)
        })
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().div_ceil(3).min(4))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}
