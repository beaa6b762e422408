//! Payload templates of JSONPath states: Parameters, ResultSelector, ItemSelector and Assign. A member whose name
//! ends in `.$` holds a path or an intrinsic function; its value takes the member's place
//! (<https://states-language.net/spec.html#payload-template>).

use std::sync::Arc;

pub use super::intrinsics::Expression;
use super::jsonpath::Root;
use super::{QueryError, Scope, SyntaxError};
use crate::value::{Map, Value};

/// A compiled template; parts without queries are shared between all that is made from it.
#[derive(Clone, Debug)]
pub enum Template {
    /// No query in here.
    Constant(Value),
    /// A `.$` member's query and its full name.
    Query(Expression, Arc<str>),
    /// An object with a query somewhere below.
    Object(Vec<(Arc<str>, Template)>),
    /// An array with a query somewhere below.
    Array(Vec<Template>),
}

impl Template {
    /// Compiles a template; the first bad query is the error.
    pub fn compile(value: &Value) -> Result<Template, SyntaxError> {
        Template::compile_all(value).map_err(|errors| {
            // There is at least one error; the default is never used.
            errors
                .into_iter()
                .next()
                .unwrap_or_else(|| SyntaxError::new("not a template"))
        })
    }

    /// Compiles a template; every bad query is reported.
    pub fn compile_all(value: &Value) -> Result<Template, Vec<SyntaxError>> {
        let mut errors = Vec::new();
        let template = Template::build(value, &mut errors);
        if errors.is_empty() {
            Ok(template)
        } else {
            Err(errors)
        }
    }

    fn build(value: &Value, errors: &mut Vec<SyntaxError>) -> Template {
        match value {
            Value::Object(members) => {
                let parts: Vec<(Arc<str>, Template)> = members
                    .iter()
                    .map(|(key, value)| Template::member(key, value, errors))
                    .collect();
                if parts
                    .iter()
                    .all(|(_, part)| matches!(part, Template::Constant(_)))
                {
                    return Template::Constant(value.clone());
                }
                Template::Object(parts)
            }
            Value::Array(items) => {
                let parts: Vec<Template> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        nested(errors, &index.to_string(), |errors| {
                            Template::build(item, errors)
                        })
                    })
                    .collect();
                if parts
                    .iter()
                    .all(|part| matches!(part, Template::Constant(_)))
                {
                    return Template::Constant(value.clone());
                }
                Template::Array(parts)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Template::Constant(value.clone())
            }
        }
    }

    fn member(
        key: &Arc<str>,
        value: &Value,
        errors: &mut Vec<SyntaxError>,
    ) -> (Arc<str>, Template) {
        let Some(name) = key.strip_suffix(".$") else {
            let part = nested(errors, key, |errors| Template::build(value, errors));
            return (Arc::clone(key), part);
        };
        let compiled = match value {
            Value::String(text) => Expression::compile(text),
            _ => Err(SyntaxError::new("the value is not a string")),
        };
        let part = if let Ok(expression) = compiled {
            Template::Query(expression, Arc::clone(key))
        } else {
            errors.push(
                SyntaxError::new(format!(
                    "The value for the field '{key}' must be a valid JSONPath or a valid intrinsic function call"
                ))
                .under(key),
            );
            Template::Constant(Value::Null)
        };
        (name.into(), part)
    }

    /// The template with its queries' values in place.
    pub fn render(&self, scope: &Scope) -> Result<Value, QueryError> {
        match self {
            Template::Constant(value) => Ok(value.clone()),
            Template::Query(Expression::Path(path), _)
                if *scope.input == Value::Null && *path.root() == Root::Input =>
            {
                Err(QueryError::runtime(
                    "Unable to apply Path transformation to null or empty input.",
                ))
            }
            Template::Query(Expression::Path(path), key) => match path.select(scope) {
                Ok(value) => Ok(value),
                Err(miss) if miss.is_past_the_end() => Ok(Value::Null),
                Err(miss) => Err(miss.in_field(key)),
            },
            Template::Query(expression, key) => expression.evaluate(scope, key),
            Template::Object(parts) => {
                let mut members = Map::with_capacity_and_hasher(parts.len(), Default::default());
                for (key, part) in parts {
                    members.insert(Arc::clone(key), part.render(scope)?);
                }
                Ok(Value::from(members))
            }
            Template::Array(parts) => Ok(Value::array(
                parts
                    .iter()
                    .map(|part| part.render(scope))
                    .collect::<Result<_, _>>()?,
            )),
        }
    }

    /// Calls `each` with every query of the template.
    pub fn queries<'t>(&'t self, each: &mut dyn FnMut(&'t Expression)) {
        match self {
            Template::Constant(_) => {}
            Template::Query(expression, _) => each(expression),
            Template::Object(parts) => parts.iter().for_each(|(_, part)| part.queries(each)),
            Template::Array(parts) => parts.iter().for_each(|part| part.queries(each)),
        }
    }
}

/// Runs `build` and puts `key` in front of the locations of the errors it finds.
fn nested<R>(
    errors: &mut Vec<SyntaxError>,
    key: &str,
    build: impl FnOnce(&mut Vec<SyntaxError>) -> R,
) -> R {
    let mut inner = Vec::new();
    let built = build(&mut inner);
    errors.extend(inner.into_iter().map(|error| error.under(key)));
    built
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Fixture, parse};
    use super::*;

    fn render(template: &str, fixture: &Fixture) -> Result<Value, QueryError> {
        let template = Template::compile(&parse(template)).unwrap();
        fixture.with(|scope| template.render(scope))
    }

    #[test]
    fn queries_take_their_members_place() {
        let mut fixture = Fixture::new(r#"{"a": {"b": [1, 2]}, "items": [1]}"#).variable("v", "7");
        fixture.context = parse(r#"{"Execution": {"Id": "x"}}"#);
        for (template, rendered) in [
            (
                r#"{"x.$": "$.a.b[1]", "y": "$.a"}"#,
                r#"{"x": 2, "y": "$.a"}"#,
            ),
            (
                r#"{"list": [{"id.$": "$$.Execution.Id"}, 1], "v.$": "$v"}"#,
                r#"{"list": [{"id": "x"}, 1], "v": 7}"#,
            ),
            (
                r#"{"sum.$": "States.MathAdd($v, 1)", "all.$": "$.a.b[*]"}"#,
                r#"{"sum": 8, "all": [1, 2]}"#,
            ),
            (r#"{"past.$": "$.items[5]"}"#, r#"{"past": null}"#),
            (r#"["$.a", 1]"#, r#"["$.a", 1]"#),
        ] {
            assert_eq!(
                render(template, &fixture),
                Ok(parse(rendered)),
                "{template}"
            );
        }
    }

    #[test]
    fn a_path_without_value_names_its_field_and_the_input() {
        let error = render(r#"{"a": {"x.$": "$.no"}}"#, &Fixture::new(r#"{"b":1}"#)).unwrap_err();
        assert_eq!(error.error, "States.Runtime");
        assert_eq!(
            error.cause,
            r#"The JSONPath '$.no' specified for the field 'x.$' could not be found in the input '{"b":1}'"#
        );
    }

    #[test]
    fn every_bad_query_is_reported_with_its_place() {
        let template = parse(r#"{"a": [{"x.$": "no"}], "y.$": 1, "z.$": "States.No()"}"#);
        let errors = Template::compile_all(&template).unwrap_err();
        let places: Vec<&str> = errors.iter().map(|e| e.location.as_str()).collect();
        assert_eq!(places, ["/a/0/x.$", "/y.$", "/z.$"]);
    }
}
