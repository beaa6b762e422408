//! Intrinsic functions (`States.*`) of JSONPath states
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>).
//!
//! Where AWS does otherwise than its page says, this follows what AWS does: `States.MathAdd` rounds its arguments
//! half up before it adds; the other functions cut fractions off; `States.ArrayContains` compares values as they
//! print, so that `"1"` matches `1`; `States.ArrayUnique` gives its items in the order of a Java `HashSet`;
//! `States.StringSplit` leaves empty parts out; Base64 decoding skips what is not Base64.

mod arguments;
mod array;
mod format;
mod function;
mod math;
mod parse;
mod text;

use std::sync::Arc;

use format::Format;
use function::{Function, Run};
pub(super) use text::digest;

use super::jsonpath::Path;
use super::{QueryError, Scope, SyntaxError};
use crate::value::Value;

/// What a `.$` field holds: a path or a call of an intrinsic function.
#[derive(Clone, Debug)]
pub enum Expression {
    /// A path into the input, the context object or a variable.
    Path(Path),
    /// A call.
    Call(Arc<Call>),
}

/// A call of an intrinsic function with its arguments.
#[derive(Debug)]
pub struct Call {
    text: Arc<str>,
    function: &'static Function,
    arguments: Box<[Argument]>,
    /// The compiled template of `States.Format`, when it is a literal.
    format: Option<Format>,
}

#[derive(Debug)]
enum Argument {
    Literal(Value),
    Path(Path),
    Call(Call),
}

impl Expression {
    /// Compiles a path or a call.
    pub fn compile(text: &str) -> Result<Expression, SyntaxError> {
        if text.starts_with('$') {
            return Path::compile(text).map(Expression::Path);
        }
        parse::call(text).map(|call| Expression::Call(Arc::new(call)))
    }

    /// Whether the text means a call and not a path.
    pub fn is_call(text: &str) -> bool {
        text.starts_with("States.")
    }

    /// The value; `field` is the name that an error gives to the place of the expression (`total.$`, `CausePath`).
    pub fn evaluate(&self, scope: &Scope, field: &str) -> Result<Value, QueryError> {
        match self {
            Expression::Path(path) => path.select(scope).map_err(|miss| miss.in_field(field)),
            Expression::Call(call) => call.evaluate(scope),
        }
    }

    /// The paths that the expression reads, in order.
    pub fn paths(&self) -> Vec<&Path> {
        fn collect<'c>(call: &'c Call, paths: &mut Vec<&'c Path>) {
            for argument in &call.arguments {
                match argument {
                    Argument::Literal(_) => {}
                    Argument::Path(path) => paths.push(path),
                    Argument::Call(call) => collect(call, paths),
                }
            }
        }
        match self {
            Expression::Path(path) => vec![path],
            Expression::Call(call) => {
                let mut paths = Vec::new();
                collect(call, &mut paths);
                paths
            }
        }
    }
}

/// Why a call failed.
enum Failure {
    /// A path among the arguments has no value.
    Missing(String),
    /// The call's text and what is wrong with its arguments.
    Invalid(Arc<str>, String),
}

impl Call {
    /// The call's value.
    pub fn evaluate(&self, scope: &Scope) -> Result<Value, QueryError> {
        self.run(scope).map_err(|failure| {
            QueryError::runtime(match failure {
                Failure::Missing(reason) => {
                    format!(
                        "The function '{}' had the following error: {reason}",
                        self.text
                    )
                }
                Failure::Invalid(call, reason) => format!(
                    "There was an error while evaluating the intrinsic function: {call}. {reason}"
                ),
            })
        })
    }

    fn run(&self, scope: &Scope) -> Result<Value, Failure> {
        if !self.function.run.takes(self.arguments.len()) {
            return Err(self.invalid());
        }
        if let [first, second] = &*self.arguments {
            let arguments = [first.value(scope)?, second.value(scope)?];
            return self.apply(&arguments, scope);
        }
        let arguments: Vec<Value> = self
            .arguments
            .iter()
            .map(|argument| argument.value(scope))
            .collect::<Result<_, Failure>>()?;
        self.apply(&arguments, scope)
    }

    fn apply(&self, arguments: &[Value], scope: &Scope) -> Result<Value, Failure> {
        let value = match (&self.function.run, arguments) {
            (Run::Any(run), items) => run(items),
            (Run::One(run), [value]) => run(value),
            (Run::Two(run), [first, second]) => run(first, second),
            (Run::Three(run), [first, second, third]) => run(first, second, third),
            (Run::Random, [start, end]) => math::random(start, end, None, scope.random),
            (Run::Random, [start, end, seed]) => math::random(start, end, Some(seed), scope.random),
            (Run::Uuid, []) => Some(Value::from(scope.random.uuid())),
            (Run::Text(run), [Value::String(text)]) => {
                return run(text)
                    .map_err(|reason| Failure::Invalid(Arc::clone(&self.text), reason));
            }
            (Run::Format, [template, values @ ..]) => {
                return self
                    .format(template, values)
                    .map_err(|reason| Failure::Invalid(Arc::clone(&self.text), reason));
            }
            // Not a text, or ruled out by their number.
            _ => None,
        };
        value.ok_or_else(|| self.invalid())
    }

    fn format(&self, template: &Value, values: &[Value]) -> Result<Value, String> {
        let printed = |index: usize, value: &Value| match self.arguments.get(index + 1) {
            // What StringToJson gives is a JSON node, which prints as JSON.
            Some(Argument::Call(call)) if matches!(call.function.run, Run::Text(_)) => {
                Some(value.to_string())
            }
            _ => None,
        };
        match (&self.format, template) {
            (Some(format), _) => format.render(values, printed),
            (None, Value::String(text)) => Format::parse(text)?.render(values, printed),
            (None, _) => Err(format!("Invalid arguments in {}", self.function.name)),
        }
    }

    fn invalid(&self) -> Failure {
        Failure::Invalid(
            Arc::clone(&self.text),
            format!("Invalid arguments in {}", self.function.name),
        )
    }
}

impl Argument {
    fn value(&self, scope: &Scope) -> Result<Value, Failure> {
        match self {
            Argument::Literal(value) => Ok(value.clone()),
            Argument::Path(path) => path
                .select(scope)
                .map_err(|miss| Failure::Missing(miss.as_argument())),
            Argument::Call(call) => call.run(scope),
        }
    }
}

#[cfg(test)]
mod tests;
