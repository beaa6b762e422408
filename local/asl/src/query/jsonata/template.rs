//! Templates of JSONata states: any JSON, in which strings of the form `{% … %}` are expressions.

use std::sync::Arc;

use super::{Expr, is_expression};
use crate::query::{QueryError, Scope, SyntaxError};
use crate::value::{Map, Value};

/// A compiled template; parts without expressions are shared between all that is made from it.
#[derive(Clone, Debug)]
pub enum Template {
    /// No expression in here.
    Constant(Value),
    /// An expression.
    Expression(Expr),
    /// An object with an expression somewhere below.
    Object(Vec<(Arc<str>, Template)>),
    /// An array with an expression somewhere below.
    Array(Vec<Template>),
}

/// The place of a part within its field, linked outwards so that it costs nothing until an error needs it.
enum Place<'p> {
    Field(&'p str),
    Member(&'p Place<'p>, &'p str),
    Item(&'p Place<'p>, usize),
}

impl Place<'_> {
    fn write(&self, text: &mut String) {
        match self {
            Place::Field(field) => text.push_str(field),
            Place::Member(outer, key) => {
                outer.write(text);
                text.push('/');
                text.push_str(key);
            }
            Place::Item(outer, index) => {
                outer.write(text);
                text.push_str(&format!("[{index}]"));
            }
        }
    }

    fn spell(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }
}

impl Template {
    /// Compiles a template; the first bad expression is the error.
    pub fn compile(value: &Value) -> Result<Template, SyntaxError> {
        let mut errors = Vec::new();
        let template = Template::build(value, "", &mut errors);
        match errors.into_iter().next() {
            None => Ok(template),
            Some(error) => Err(error),
        }
    }

    /// Every expression of a template with its location (`/total/0`), compiled or not.
    pub fn expressions(value: &Value) -> Vec<(String, Result<Expr, SyntaxError>)> {
        fn collect(
            value: &Value,
            location: String,
            found: &mut Vec<(String, Result<Expr, SyntaxError>)>,
        ) {
            match value {
                Value::String(text) if is_expression(text) => {
                    found.push((location, Expr::compile(text)));
                }
                Value::Object(members) => {
                    for (key, value) in members.iter() {
                        collect(value, format!("{location}/{key}"), found);
                    }
                }
                Value::Array(items) => {
                    for (index, item) in items.iter().enumerate() {
                        collect(item, format!("{location}[{index}]"), found);
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        let mut found = Vec::new();
        collect(value, String::new(), &mut found);
        found
    }

    fn build(value: &Value, location: &str, errors: &mut Vec<SyntaxError>) -> Template {
        match value {
            Value::String(text) if is_expression(text) => match Expr::compile(text) {
                Ok(expression) => Template::Expression(expression),
                Err(error) => {
                    errors.push(SyntaxError {
                        message: error.message,
                        location: location.to_string(),
                    });
                    Template::Constant(Value::Null)
                }
            },
            Value::Object(members) => {
                let parts: Vec<(Arc<str>, Template)> = members
                    .iter()
                    .map(|(key, value)| {
                        let location = format!("{location}/{key}");
                        (Arc::clone(key), Template::build(value, &location, errors))
                    })
                    .collect();
                if parts.iter().all(|(_, part)| part.is_constant()) {
                    return Template::Constant(value.clone());
                }
                Template::Object(parts)
            }
            Value::Array(items) => {
                let parts: Vec<Template> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| {
                        Template::build(item, &format!("{location}[{index}]"), errors)
                    })
                    .collect();
                if parts.iter().all(Template::is_constant) {
                    return Template::Constant(value.clone());
                }
                Template::Array(parts)
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                Template::Constant(value.clone())
            }
        }
    }

    fn is_constant(&self) -> bool {
        matches!(self, Template::Constant(_))
    }

    /// The template with its expressions' values in place; `field` is its place within the state.
    pub fn render(&self, scope: &Scope, field: &str) -> Result<Value, QueryError> {
        self.render_at(scope, &Place::Field(field))
    }

    fn render_at(&self, scope: &Scope, place: &Place) -> Result<Value, QueryError> {
        match self {
            Template::Constant(value) => Ok(value.clone()),
            Template::Expression(expression) => expression.evaluate_at(scope, || place.spell()),
            Template::Object(parts) => {
                let mut members = Map::with_capacity_and_hasher(parts.len(), Default::default());
                for (key, part) in parts {
                    let value = part.render_at(scope, &Place::Member(place, key))?;
                    members.insert(Arc::clone(key), value);
                }
                Ok(Value::from(members))
            }
            Template::Array(parts) => {
                let mut items = Vec::with_capacity(parts.len());
                for (index, part) in parts.iter().enumerate() {
                    items.push(part.render_at(scope, &Place::Item(place, index))?);
                }
                Ok(Value::array(items))
            }
        }
    }
}
