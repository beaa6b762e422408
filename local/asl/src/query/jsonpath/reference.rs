//! Reference paths: paths that name one place, where ResultPath puts the result.

use std::sync::Arc;

use super::miss::{conflict, step_conflict};
use super::path::{Path, Root, Step, item};
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
    /// `States.ReferencePathConflict` when something on the way is neither an object nor a long enough array.
    pub fn insert(&self, mut into: Value, what: Value) -> Result<Value, QueryError> {
        let steps = &self.0.0.steps;
        match misfit(&into, steps) {
            None => {
                *place(&mut into, steps) = what;
                Ok(into)
            }
            Some(step) if matches!(into, Value::Array(_) | Value::Object(_)) => {
                Err(step_conflict(step, &into))
            }
            Some(_) => Err(conflict(format!(
                "Unable to apply ReferencePath {} to input {into}",
                self.text()
            ))),
        }
    }
}

/// The first step that leads below something that has nothing below it.
fn misfit<'s>(value: &Value, steps: &'s [Step]) -> Option<&'s Step> {
    let (step, rest) = steps.split_first()?;
    match (step, value) {
        (Step::Name(name), Value::Object(members)) => {
            misfit(members.get(name).unwrap_or(&Value::Null), rest)
        }
        (Step::Name(_), Value::Null) => misfit(&Value::Null, rest),
        (Step::Index(at), Value::Array(items)) => match item(items, *at) {
            Some(next) => misfit(next, rest),
            None => Some(step),
        },
        _ => Some(step),
    }
}

/// The place below a value without a [`misfit`], made where it is missing.
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
        // Ruled out by `misfit`.
        (_, value) => value,
    }
}
