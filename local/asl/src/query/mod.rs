//! The two query languages of the Amazon States Language, as Step Functions runs them.
//!
//! - [`jsonpath`]: paths in the Jayway dialect, over the state's input, the context object (`$$`) and variables;
//! - [`intrinsics`]: the `States.*` functions;
//! - [`template`]: Parameters, ResultSelector, ItemSelector and Assign of JSONPath states (`"key.$"`);
//! - [`jsonata`]: `{% … %}` expressions and the templates of JSONata states.
//!
//! Every query is compiled once per definition and evaluated against a [`Scope`]. Errors carry AWS's own cause
//! texts, without the sentence "An error occurred while executing the state …", which the interpreter puts in front.

pub mod intrinsics;
pub(crate) mod java;
pub mod jsonata;
pub mod jsonpath;
mod language;
mod random;
pub mod template;

pub use language::Language;
pub use random::Random;

use std::fmt;

use crate::error_name;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

/// The workflow variables that a state sees: its own scope and the enclosing ones.
pub trait Variables {
    /// The variable's value; inner scopes hide outer ones.
    fn get(&self, name: &str) -> Option<&Value>;
}

impl Variables for Map {
    fn get(&self, name: &str) -> Option<&Value> {
        member(self, name)
    }
}

/// What a query sees when it is evaluated.
pub struct Scope<'a> {
    /// The state's input: `$` in JSONPath, `$states.input` in JSONata.
    pub input: &'a Value,
    /// Builds the context object; called only when a query reads it.
    pub context: &'a dyn Fn() -> Value,
    /// The workflow variables.
    pub variables: &'a dyn Variables,
    /// `$states.result`, where there is one.
    pub result: Option<&'a Value>,
    /// `$states.errorOutput`, in a Catch.
    pub error_output: Option<&'a Value>,
    /// The execution's source of random numbers.
    pub random: &'a Random,
    /// The time of the event that is handled, for `$now` and `$millis`.
    pub now: Timestamp,
}

/// A query that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// `States.Runtime`, `States.ReferencePathConflict` or `States.QueryEvaluationError`.
    pub error: &'static str,
    /// AWS's sentence, without the state's name.
    pub cause: String,
    /// The field within the state, as the EvaluationFailed event names it: `Output/total`.
    pub location: Option<String>,
}

impl QueryError {
    /// A JSONPath or intrinsic failure; it cannot be caught.
    pub fn runtime(cause: impl Into<String>) -> QueryError {
        QueryError {
            error: error_name::RUNTIME,
            cause: cause.into(),
            location: None,
        }
    }

    /// A JSONata failure at a field of the state.
    pub fn evaluation(cause: impl Into<String>, location: impl Into<String>) -> QueryError {
        QueryError {
            error: error_name::QUERY_EVALUATION,
            cause: cause.into(),
            location: Some(location.into()),
        }
    }
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.error, self.cause)
    }
}

impl std::error::Error for QueryError {}

/// Text that is not a query of its language.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SyntaxError {
    /// What is wrong with it.
    pub message: String,
    /// Where within the field, `/key/0` for nested values and empty for the field itself.
    pub location: String,
}

impl SyntaxError {
    pub(crate) fn new(message: impl Into<String>) -> SyntaxError {
        SyntaxError {
            message: message.into(),
            location: String::new(),
        }
    }

    pub(crate) fn under(mut self, key: &str) -> SyntaxError {
        self.location = format!("/{key}{}", self.location);
        self
    }
}

/// Looks a member up; comparing a few short keys is faster than hashing one.
pub(crate) fn member<'a>(members: &'a Map, key: &str) -> Option<&'a Value> {
    if members.len() <= 8 {
        members
            .iter()
            .find_map(|(name, value)| (**name == *key).then_some(value))
    } else {
        members.get(key)
    }
}

/// The JSON type's name, as AWS words it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
pub(crate) mod testing;
