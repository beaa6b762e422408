//! Field values that may be literals, paths or expressions.

use std::sync::Arc;

use crate::query::{Language, QueryError, Scope, SyntaxError, jsonata, jsonpath, template};
use crate::value::Value;

/// The index of a state within its [`super::program::Program`].
pub(crate) type StateId = u32;

/// InputPath, OutputPath.
#[derive(Debug)]
pub(crate) enum PathField {
    /// `$`, the default.
    Whole,
    /// `null`: an empty object.
    Nothing,
    Path(jsonpath::Path),
}

/// ResultPath.
#[derive(Debug)]
pub(crate) enum ResultPath {
    /// `$`, the default: the result replaces the input.
    Replace,
    /// `null`: the input stays, the result is dropped.
    Discard,
    Insert(jsonpath::ReferencePath),
}

/// A template in the state's language.
#[derive(Debug)]
pub(crate) enum Template {
    JsonPath(template::Template),
    Jsonata(jsonata::Template),
}

/// A string: literal, a path or intrinsic (`ErrorPath`), or a JSONata expression.
#[derive(Debug)]
pub(crate) enum StringField {
    Literal(Arc<str>),
    Path {
        field: &'static str,
        expression: template::Expression,
        text: Arc<str>,
    },
    Jsonata {
        field: &'static str,
        expression: jsonata::Expr,
    },
}

/// A number: literal, a path (`TimeoutSecondsPath`), or a JSONata expression.
#[derive(Debug)]
pub(crate) enum Dynamic {
    Literal {
        field: &'static str,
        number: f64,
    },
    Path {
        field: &'static str,
        path: jsonpath::Path,
        text: Arc<str>,
    },
    Jsonata {
        field: &'static str,
        expression: jsonata::Expr,
    },
}

impl PathField {
    /// What the path selects of the scope's input.
    pub(crate) fn apply(&self, scope: &Scope) -> Result<Value, QueryError> {
        match self {
            PathField::Whole => Ok(scope.input.clone()),
            PathField::Nothing => Ok(Value::empty_object()),
            PathField::Path(path) => path.select(scope).map_err(|missing| missing.invalid_path()),
        }
    }
}

impl Template {
    pub(crate) fn compile(language: Language, value: &Value) -> Result<Template, SyntaxError> {
        match language {
            Language::JsonPath => template::Template::compile(value).map(Template::JsonPath),
            Language::Jsonata => jsonata::Template::compile(value).map(Template::Jsonata),
        }
    }

    /// The rendered template; `field` names it in errors of JSONata.
    pub(crate) fn render(&self, scope: &Scope, field: &str) -> Result<Value, QueryError> {
        match self {
            Template::JsonPath(template) => template.render(scope),
            Template::Jsonata(template) => template.render(scope, field),
        }
    }
}

impl StringField {
    /// The field's value, which need not be a string.
    pub(crate) fn text(&self, scope: &Scope) -> Result<Value, QueryError> {
        match self {
            StringField::Literal(text) => Ok(Value::String(Arc::clone(text))),
            StringField::Path {
                field, expression, ..
            } => expression.evaluate(scope, field),
            StringField::Jsonata { field, expression } => {
                expression.evaluate_as(scope, field, jsonata::Kind::String)
            }
        }
    }
}

impl Dynamic {
    /// The field's name as the definition has it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Dynamic::Literal { field, .. }
            | Dynamic::Path { field, .. }
            | Dynamic::Jsonata { field, .. } => field,
        }
    }

    /// The field's value, which need not be a number.
    pub(crate) fn evaluate(&self, scope: &Scope) -> Result<Value, QueryError> {
        match self {
            Dynamic::Literal { number, .. } => Ok(Value::number(*number)),
            Dynamic::Path { path, .. } => {
                path.select(scope).map_err(|missing| missing.invalid_path())
            }
            Dynamic::Jsonata { field, expression } => {
                expression.evaluate_as(scope, field, jsonata::Kind::Number)
            }
        }
    }

    /// A whole number within a range; anything else is the error that AWS words for this field.
    pub(crate) fn integer(&self, scope: &Scope) -> Result<i64, QueryError> {
        let value = self.evaluate(scope)?;
        // Behind a path a number may come as text.
        let integer = match (self, value.as_str()) {
            (Dynamic::Path { .. }, Some(text)) => text.parse().ok(),
            _ => whole(&value),
        };
        if let Some(integer) = integer {
            return Ok(integer);
        }
        Err(match self {
            Dynamic::Literal { field, number } => QueryError::runtime(format!(
                "The {field} field is not a valid integer: {number}"
            )),
            Dynamic::Path { field, text, .. } => QueryError::runtime(format!(
                "The {field} field refers to value \"{}\" which is not a valid integer: {text}",
                plain(&value)
            )),
            Dynamic::Jsonata { field, .. } => QueryError::evaluation(
                format!("The {field} field cannot be parsed as an integer: {value}"),
                *field,
            ),
        })
    }

    /// Any number; anything else is the error that AWS words for this field.
    pub(crate) fn number(&self, scope: &Scope) -> Result<f64, QueryError> {
        let value = self.evaluate(scope)?;
        let number = match (self, value.as_str()) {
            (Dynamic::Path { .. }, Some(text)) => {
                text.parse().ok().filter(|number: &f64| number.is_finite())
            }
            _ => value.as_f64(),
        };
        if let Some(number) = number {
            return Ok(number);
        }
        Err(match self {
            Dynamic::Literal { field, .. } => {
                QueryError::runtime(format!("The {field} field is not a valid float"))
            }
            Dynamic::Path { field, text, .. } => QueryError::runtime(format!(
                "The {field} field refers to value \"{}\" which is not a valid float: {text}",
                plain(&value)
            )),
            Dynamic::Jsonata { field, .. } => QueryError::evaluation(
                format!("The {field} field must be a number but was: {value}"),
                *field,
            ),
        })
    }

    /// Prefixes an error that concerns the value itself with the place of the field, where the language tells places.
    pub(crate) fn refuse(&self, cause: String) -> QueryError {
        match self {
            Dynamic::Literal { .. } | Dynamic::Path { .. } => QueryError::runtime(cause),
            Dynamic::Jsonata { field, .. } => QueryError::evaluation(cause, *field),
        }
    }
}

/// The value as an integer; a double with no fraction counts.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| {
        let number = value.as_f64()?;
        // Within 2^53 every whole double is exactly an i64.
        (number.fract() == 0.0 && number.abs() <= 9_007_199_254_740_992.0).then_some(number as i64)
    })
}

/// A string without quotes, anything else as JSON.
pub(crate) fn plain(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_string(),
        None => value.to_string(),
    }
}
