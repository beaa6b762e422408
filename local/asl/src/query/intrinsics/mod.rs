//! Intrinsic functions (`States.*`) of JSONPath states
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>).
//!
//! Where AWS does otherwise than its page says, this follows what AWS does: `States.MathAdd` rounds its arguments
//! half up before it adds; the other functions cut fractions off; `States.ArrayContains` compares values as they
//! print, so that `"1"` matches `1`; `States.ArrayUnique` gives its items in the order of a Java `HashSet`;
//! `States.StringSplit` leaves empty parts out; Base64 decoding skips what is not Base64.

mod array;
mod format;
mod math;
mod parse;
mod text;

use std::sync::Arc;

use format::Format;
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
    function: Function,
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

/// The intrinsic functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Array,
    ArrayContains,
    ArrayGetItem,
    ArrayLength,
    ArrayPartition,
    ArrayRange,
    ArrayUnique,
    Base64Decode,
    Base64Encode,
    Format,
    Hash,
    JsonMerge,
    JsonToString,
    MathAdd,
    MathRandom,
    StringSplit,
    StringToJson,
    Uuid,
}

/// Names with the least and the greatest number of arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 18] = [
    ("States.Array", Function::Array, 0, usize::MAX),
    ("States.ArrayContains", Function::ArrayContains, 2, 2),
    ("States.ArrayGetItem", Function::ArrayGetItem, 2, 2),
    ("States.ArrayLength", Function::ArrayLength, 1, 1),
    ("States.ArrayPartition", Function::ArrayPartition, 2, 2),
    ("States.ArrayRange", Function::ArrayRange, 3, 3),
    ("States.ArrayUnique", Function::ArrayUnique, 1, 1),
    ("States.Base64Decode", Function::Base64Decode, 1, 1),
    ("States.Base64Encode", Function::Base64Encode, 1, 1),
    ("States.Format", Function::Format, 1, usize::MAX),
    ("States.Hash", Function::Hash, 2, 2),
    ("States.JsonMerge", Function::JsonMerge, 3, 3),
    ("States.JsonToString", Function::JsonToString, 1, 1),
    ("States.MathAdd", Function::MathAdd, 2, 2),
    ("States.MathRandom", Function::MathRandom, 2, 3),
    ("States.StringSplit", Function::StringSplit, 2, 2),
    ("States.StringToJson", Function::StringToJson, 1, 1),
    ("States.UUID", Function::Uuid, 0, 0),
];

impl Function {
    fn row(self) -> &'static (&'static str, Function, usize, usize) {
        // Every function stands in the table.
        FUNCTIONS
            .iter()
            .find(|row| row.1 == self)
            .unwrap_or(&FUNCTIONS[0])
    }

    fn name(self) -> &'static str {
        self.row().0
    }
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
        let (_, _, least, most) = *self.function.row();
        if !(least..=most).contains(&self.arguments.len()) {
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
        let value = match (self.function, arguments) {
            (Function::Array, items) => Some(Value::array(items.to_vec())),
            (Function::ArrayContains, [array, value]) => array::contains(array, value),
            (Function::ArrayGetItem, [array, index]) => array::get_item(array, index),
            (Function::ArrayLength, [array]) => array::length(array),
            (Function::ArrayPartition, [array, size]) => array::partition(array, size),
            (Function::ArrayRange, [start, end, step]) => array::range(start, end, step),
            (Function::ArrayUnique, [array]) => array::unique(array),
            (Function::Base64Decode, [text]) => text::base64_decode(text),
            (Function::Base64Encode, [text]) => text::base64_encode(text),
            (Function::Format, [template, values @ ..]) => {
                return self
                    .format(template, values)
                    .map_err(|reason| Failure::Invalid(Arc::clone(&self.text), reason));
            }
            (Function::Hash, [data, algorithm]) => text::hash(data, algorithm),
            (Function::JsonMerge, [first, second, deep]) => text::json_merge(first, second, deep),
            (Function::JsonToString, [value]) => Some(Value::from(value.to_string())),
            (Function::MathAdd, [a, b]) => math::add(a, b),
            (Function::MathRandom, [start, end]) => math::random(start, end, None, scope.random),
            (Function::MathRandom, [start, end, seed]) => {
                math::random(start, end, Some(seed), scope.random)
            }
            (Function::StringSplit, [text, delimiters]) => text::split(text, delimiters),
            (Function::StringToJson, [Value::String(text)]) => {
                return text::string_to_json(text)
                    .map_err(|reason| Failure::Invalid(Arc::clone(&self.text), reason));
            }
            (Function::Uuid, []) => Some(Value::from(scope.random.uuid())),
            // Ruled out by the number of arguments.
            _ => None,
        };
        value.ok_or_else(|| self.invalid())
    }

    fn format(&self, template: &Value, values: &[Value]) -> Result<Value, String> {
        let printed = |index: usize, value: &Value| match self.arguments.get(index + 1) {
            // What StringToJson gives is a JSON node, which prints as JSON.
            Some(Argument::Call(call)) if call.function == Function::StringToJson => {
                Some(value.to_string())
            }
            _ => None,
        };
        match (&self.format, template) {
            (Some(format), _) => format.render(values, printed),
            (None, Value::String(text)) => Format::parse(text)?.render(values, printed),
            (None, _) => Err(format!("Invalid arguments in {}", self.function.name())),
        }
    }

    fn invalid(&self) -> Failure {
        Failure::Invalid(
            Arc::clone(&self.text),
            format!("Invalid arguments in {}", self.function.name()),
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

/// The number with its fraction cut off.
fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| Some(number.as_f64()?.trunc() as i64)),
        _ => None,
    }
}

/// Text of at most 10,000 characters, the limit of the hashing and Base64 functions.
fn short_text(text: &str) -> bool {
    text.len() <= 10_000 || text.chars().count() <= 10_000
}

#[cfg(test)]
mod tests;
