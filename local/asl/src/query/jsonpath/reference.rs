//! Reference paths: paths that name one place, where ResultPath puts the result.

use std::sync::Arc;

use super::{Path, Root, Step};
use crate::query::{QueryError, SyntaxError};
use crate::value::{Map, Value};

/// A path of names and indexes only (<https://states-language.net/spec.html#ref-paths>).
#[derive(Clone, Debug, PartialEq)]
pub struct ReferencePath(Path);

impl ReferencePath {
    /// Compiles a reference path into the input. `@ , : ? *`, `..`, `$$` and variables are refused.
    pub fn compile(text: &str) -> Result<ReferencePath, SyntaxError> {
        let path = Path::compile(text)?;
        let simple = path
            .0
            .steps
            .iter()
            .all(|step| matches!(step, Step::Name(_) | Step::Index(_)));
        if !simple || *path.root() != Root::Input {
            return Err(SyntaxError::new(format!(
                "'{text}' is not a reference path: it must start with '$' and name one place, without @ , : ? * or .."
            )));
        }
        Ok(ReferencePath(path))
    }

    /// The path as written.
    pub fn text(&self) -> &Arc<str> {
        self.0.text()
    }

    /// Whether this is `$`, which replaces the whole input.
    pub fn is_whole_input(&self) -> bool {
        self.0.is_whole_input()
    }

    /// The path for reading the same place.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `into` with `what` at this place. Missing objects on the way are made; what is not on the way stays shared.
    ///
    /// # Errors
    /// `States.ResultPathMatchFailure` when something on the way is neither an object nor a long enough array.
    pub fn insert(&self, mut into: Value, what: Value) -> Result<Value, QueryError> {
        let steps = &self.0.0.steps;
        if !fits(&into, steps) {
            return Err(QueryError {
                error: "States.ResultPathMatchFailure",
                cause: format!(
                    "Unable to apply ReferencePath {} to input {into}",
                    self.text()
                ),
                location: None,
            });
        }
        *place(&mut into, steps) = what;
        Ok(into)
    }
}

/// Whether something can be put below the value.
fn fits(value: &Value, steps: &[Step]) -> bool {
    match (steps.split_first(), value) {
        (None, _) => true,
        (Some((Step::Name(name), rest)), Value::Object(members)) => {
            fits(members.get(name).unwrap_or(&Value::Null), rest)
        }
        (Some((Step::Name(_), rest)), Value::Null) => fits(&Value::Null, rest),
        (Some((Step::Index(at), rest)), Value::Array(items)) => {
            super::item(items, *at).is_some_and(|next| fits(next, rest))
        }
        _ => false,
    }
}

/// The place below a value that it [`fits`], made where it is missing.
fn place<'v>(value: &'v mut Value, steps: &[Step]) -> &'v mut Value {
    let Some((step, rest)) = steps.split_first() else {
        return value;
    };
    if *value == Value::Null {
        *value = Value::from(Map::default());
    }
    match (step, value) {
        (Step::Name(name), Value::Object(members)) => {
            let members = Arc::make_mut(members);
            place(members.entry(Arc::clone(name)).or_default(), rest)
        }
        (Step::Index(at), Value::Array(items)) => {
            let items = Arc::make_mut(items);
            let index = if *at < 0 {
                at + items.len() as i64
            } else {
                *at
            };
            place(&mut items[index as usize], rest)
        }
        // Ruled out by `fits`.
        (_, value) => value,
    }
}
