//! Event patterns, as Event Ruler has them: which are valid, and which events they match.
//! <https://github.com/aws/event-ruler/blob/main/README.md>
//! <https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html>
//!
//! A pattern is a set of alternatives, since `$or` multiplies it out; an alternative is a set of paths, and each path has
//! conditions of which one must hold. The path is the names from the root joined by dots, so a name with dots in it
//! is the same as names inside each other, in patterns and in events.

mod compile;
mod condition;
mod search;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::ServiceError;
use condition::Condition;

/// What must hold at each path, all at once.
type Alternative = BTreeMap<String, Vec<Condition>>;

/// A valid event pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    alternatives: Vec<Alternative>,
}

/// What is wrong with an event pattern, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Event pattern is not valid. Reason: {reason} at {path}")]
pub struct PatternError {
    /// Names from the root, joined by dots.
    pub path: String,
    /// What is wrong.
    pub reason: String,
}

impl From<PatternError> for ServiceError {
    fn from(error: PatternError) -> ServiceError {
        ServiceError::new("InvalidEventPatternException", error.to_string())
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is not one.
    pub fn new(pattern: &Value) -> Result<Pattern, PatternError> {
        compile::pattern(pattern)
    }

    /// Reads a pattern from its text. Of a name that stands twice in an object, the last counts.
    ///
    /// # Errors
    /// It is not JSON, or no pattern.
    pub fn parse(text: &str) -> Result<Pattern, PatternError> {
        let document: Value = serde_json::from_str(text).map_err(|error| PatternError {
            path: "$".to_owned(),
            reason: format!("the pattern is not JSON: {error}"),
        })?;
        Pattern::new(&document)
    }

    /// Whether an event matches.
    pub fn matches(&self, event: &Value) -> bool {
        let fields = search::Fields::of(event);
        self.alternatives
            .iter()
            .any(|alternative| fields.satisfy(alternative))
    }
}

#[cfg(test)]
mod tests;
