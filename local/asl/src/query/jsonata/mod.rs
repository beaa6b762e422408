//! JSONata, as Step Functions runs it
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html>).
//!
//! Expressions are parsed and evaluated by `jsonata-core`. Its values are reference-counted without atomics and its
//! numbers are doubles, so payloads are converted at the edge, and only those parts that the expression mentions
//! ([`convert`]). The commonest expressions (`$states.input.a.b`, `$n + 1`, `$n < 1000`, `'a' & $b`) do not go there at
//! all: they are compiled to a small tree over our own values ([`lane`]), which gives up, and leaves the evaluation to
//! `jsonata-core`, as soon as it meets a case whose meaning is not plain (an array on the way, a wrong type).
//!
//! The functions that AWS adds are in [`functions`]; `$eval` does not exist, `$now` and `$millis` tell the time of the
//! event that is handled, `$random` and `$uuid` draw from the execution's seed. An evaluation is bounded as on AWS:
//! 100 levels deep, about 7 MB for a value; and by five seconds.

mod check;
mod convert;
mod evaluate;
mod functions;
mod lane;
mod message;
mod prepare;
mod template;

use std::sync::Arc;

pub use check::{Place, Unsupported};
use evaluate::Program;
use lane::{Lane, Outcome};
pub use template::Template;

use super::{QueryError, Scope, SyntaxError, type_name};
use crate::value::Value;

/// A compiled expression; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Expr(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Arc<str>,
    lane: Option<Lane>,
    program: Program,
}

/// The JSON types that a field may demand of its expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An array.
    Array,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// An object.
    Object,
    /// A string.
    String,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Array => "array",
            Kind::Boolean => "boolean",
            Kind::Number => "number",
            Kind::Object => "object",
            Kind::String => "string",
        }
    }
}

/// Whether the string is an expression: `{%` and `%}` are its very first and last characters.
pub fn is_expression(text: &str) -> bool {
    text.len() >= 4 && text.starts_with("{%") && text.ends_with("%}")
}

/// The expression between `{%` and `%}`, without blanks around it.
fn inner(text: &str) -> &str {
    match text
        .strip_prefix("{%")
        .and_then(|text| text.strip_suffix("%}"))
    {
        Some(inner) => inner.trim(),
        None => text.trim(),
    }
}

impl Expr {
    /// Compiles an expression, given with or without its `{% … %}`.
    pub fn compile(text: &str) -> Result<Expr, SyntaxError> {
        let text = inner(text);
        let ast = evaluate::parse(text)?;
        Ok(Expr(Arc::new(Compiled {
            text: text.into(),
            lane: Lane::compile(&ast),
            program: Program::new(ast),
        })))
    }

    /// The expression without `{% %}`.
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// What the expression must not refer to at its place, as CreateStateMachine finds it.
    pub fn unsupported(&self, place: Place) -> Vec<Unsupported> {
        check::unsupported(self.0.program.source(), place)
    }

    /// The workflow variables that the expression may read, `states` not among them.
    pub fn variables(&self) -> Vec<&str> {
        self.0.program.variables()
    }

    /// The expression's value. `field` is its place within the state: `Output/total`, `Choices[0]/Condition`.
    pub fn evaluate(&self, scope: &Scope, field: &str) -> Result<Value, QueryError> {
        self.evaluate_at(scope, || field.to_string())
    }

    /// The expression's value, which must be of the given type.
    pub fn evaluate_as(&self, scope: &Scope, field: &str, kind: Kind) -> Result<Value, QueryError> {
        let value = self.evaluate(scope, field)?;
        if type_name(&value) == kind.name() {
            return Ok(value);
        }
        Err(self.failure(
            field.to_string(),
            format!(
                "returned an unexpected result type. Expected '{}', but was '{}' for value: {value}",
                kind.name(),
                type_name(&value)
            ),
        ))
    }

    /// As [`Expr::evaluate`], with a place that is spelt out only when it is needed.
    pub(crate) fn evaluate_at(
        &self,
        scope: &Scope,
        field: impl FnOnce() -> String,
    ) -> Result<Value, QueryError> {
        let value = match self.0.lane.as_ref().map(|lane| lane.evaluate(scope)) {
            Some(Outcome::Value(value)) => return Ok(value.into_owned()),
            Some(Outcome::Undefined) => Ok(None),
            Some(Outcome::Unclear) | None => self.0.program.evaluate(scope),
        };
        match value {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(self.failure(field(), "returned nothing (undefined).".to_string())),
            Err(tail) => Err(self.failure(field(), tail)),
        }
    }

    fn failure(&self, field: String, tail: String) -> QueryError {
        QueryError::evaluation(
            format!(
                "The JSONata expression '{}' specified for the field '{field}' {tail}",
                self.0.text
            ),
            field,
        )
    }
}

#[cfg(test)]
mod tests;
