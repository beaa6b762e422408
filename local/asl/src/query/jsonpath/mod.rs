//! JSONPath in the Jayway dialect, which Step Functions follows
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html>).
//!
//! This is our own code, for two reasons. A definite path (only names and single indexes) is the commonest query of
//! all and must cost a few comparisons without building anything. And Rust's JSONPath crates follow RFC 9535, which
//! differs from Jayway where it shows: a definite path gives its value instead of a list, a path that may match many
//! gives `[]` where RFC 9535 gives nothing and Jayway's exceptions are suppressed, filters have `=~ /re/i`, `in`,
//! `contains`, `size`, `empty`, compare `"1"` and `1` as equal, and test existence by the bare path; and all of them
//! want `serde_json::Value`, which would copy the payload. Only the regular expressions come from a crate (`regex`,
//! whose time is linear in the text). Functions such as `.length()` do not exist on AWS: `length()` is a member's name.

mod filter;
mod parse;
mod reference;

use std::sync::Arc;

use filter::Filter;
pub use reference::ReferencePath;

use super::{QueryError, Scope, SyntaxError, java, member};
use crate::value::{Map, Value};

/// A compiled path; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Path(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: Arc<str>,
    root: Root,
    steps: Box<[Step]>,
    definite: bool,
}

/// What a path starts from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Root {
    /// `$`: the state's input (or whatever the field applies to).
    Input,
    /// `$$`: the context object.
    Context,
    /// `$name`: a workflow variable.
    Variable(Arc<str>),
}

#[derive(Debug)]
enum Step {
    Name(Arc<str>),
    Names(Box<[Arc<str>]>),
    Index(i64),
    Indexes(Box<[i64]>),
    Slice(Option<i64>, Option<i64>),
    Wildcard,
    Filter(Filter),
    /// `..`: the next step applies to the value and everything below it.
    Descend,
}

/// Why a definite path has no value.
#[derive(Clone, Debug)]
pub struct NotFound {
    path: Path,
    miss: Miss,
    searched: Value,
}

#[derive(Clone, Debug)]
enum Miss {
    Variable,
    Member { step: usize },
    NotAnObject { step: usize, found: Value },
    Item { step: usize },
    NotAnArray { step: usize, found: Value },
}

impl Path {
    /// Compiles a path: `$.a[0]['b c']`, `$$.Execution.Id`, `$variable.x`, `$..book[?(@.price < 10)]`.
    pub fn compile(text: &str) -> Result<Path, SyntaxError> {
        parse::path(text).map(|compiled| Path(Arc::new(compiled)))
    }

    /// The path as written.
    pub fn text(&self) -> &Arc<str> {
        &self.0.text
    }

    /// What the path starts from.
    pub fn root(&self) -> &Root {
        &self.0.root
    }

    /// Whether the path names exactly one place, so that it gives a value and not a list of matches.
    pub fn is_definite(&self) -> bool {
        self.0.definite
    }

    /// Whether this is `$`, the whole input.
    pub fn is_whole_input(&self) -> bool {
        self.0.root == Root::Input && self.0.steps.is_empty()
    }

    /// The value at the path. A path that may match many gives the array of its matches, empty when there is none.
    pub fn select(&self, scope: &Scope) -> Result<Value, NotFound> {
        match &self.0.root {
            Root::Input => self.select_in(scope.input),
            Root::Context => self.select_in(&(scope.context)()),
            Root::Variable(name) => match scope.variables.get(name) {
                Some(value) => self.select_in(value),
                None => Err(self.not_found(Miss::Variable, &Value::Null)),
            },
        }
    }

    /// The value at the path within `root`, whatever the path's own root is.
    pub fn select_in(&self, root: &Value) -> Result<Value, NotFound> {
        if !self.0.definite {
            let mut matches = Vec::new();
            visit(&self.0.steps, root, root, &mut |value| {
                matches.push(value.clone());
            });
            return Ok(Value::array(matches));
        }
        let mut value = root;
        for (index, step) in self.0.steps.iter().enumerate() {
            let next = match step {
                Step::Name(name) => property(value, name).map_err(|object| match object {
                    true => Miss::Member { step: index },
                    false => Miss::NotAnObject {
                        step: index,
                        found: value.clone(),
                    },
                }),
                Step::Index(at) => match value {
                    Value::Array(items) => item(items, *at).ok_or(Miss::Item { step: index }),
                    _ => Err(Miss::NotAnArray {
                        step: index,
                        found: value.clone(),
                    }),
                },
                // A definite path holds several names only at its end.
                Step::Names(names) => match value {
                    Value::Object(members) => return Ok(pick(members, names)),
                    _ => Err(Miss::NotAnObject {
                        step: index,
                        found: value.clone(),
                    }),
                },
                Step::Indexes(_)
                | Step::Slice(..)
                | Step::Wildcard
                | Step::Filter(_)
                | Step::Descend => Err(Miss::Member { step: index }),
            };
            value = next.map_err(|miss| self.not_found(miss, root))?;
        }
        Ok(value.clone())
    }

    fn not_found(&self, miss: Miss, searched: &Value) -> NotFound {
        NotFound {
            path: self.clone(),
            miss,
            searched: searched.clone(),
        }
    }

    /// The path up to and including the given number of steps, in Jayway's normal form: `$['a'][0]`.
    fn normal_form(&self, steps: usize) -> String {
        let mut text = String::from("$");
        for step in self.0.steps.iter().take(steps) {
            match step {
                Step::Name(name) => text.push_str(&format!("['{name}']")),
                Step::Names(names) => {
                    let quoted: Vec<String> =
                        names.iter().map(|name| format!("'{name}'")).collect();
                    text.push_str(&format!("[{}]", quoted.join(",")));
                }
                Step::Index(index) => text.push_str(&format!("[{index}]")),
                Step::Indexes(indexes) => {
                    let listed: Vec<String> = indexes.iter().map(i64::to_string).collect();
                    text.push_str(&format!("[{}]", listed.join(",")));
                }
                Step::Slice(from, to) => {
                    let bound = |at: &Option<i64>| at.map(|at| at.to_string()).unwrap_or_default();
                    text.push_str(&format!("[{}:{}]", bound(from), bound(to)));
                }
                Step::Wildcard => text.push_str("[*]"),
                Step::Filter(_) => text.push_str("[?]"),
                Step::Descend => text.push_str(".."),
            }
        }
        text
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.0.text == other.0.text
    }
}

impl NotFound {
    /// Whether the path led to an array and past its end. Such a path in a payload template gives `null`.
    pub fn is_past_the_end(&self) -> bool {
        matches!(&self.miss, Miss::Item { step } if step + 1 == self.path.0.steps.len())
    }

    /// The failure of a payload template's field (or ErrorPath, CausePath) whose path has no value.
    pub fn in_field(&self, field: &str) -> QueryError {
        QueryError::runtime(format!(
            "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
            self.path.text(),
            self.searched
        ))
    }

    /// The failure of a processing path (InputPath, OutputPath, TimeoutSecondsPath) that has no value.
    pub fn invalid_path(&self) -> QueryError {
        QueryError::runtime(format!(
            "Invalid path '{}' : {}",
            self.path.text(),
            self.reason()
        ))
    }

    /// The failure of an intrinsic function's argument that has no value.
    pub(crate) fn as_argument(&self) -> String {
        if matches!(self.miss, Miss::NotAnArray { .. }) {
            return self.reason();
        }
        format!(
            "The JsonPath argument for the field '{}' could not be found in the input '{}'",
            self.path.text(),
            self.searched
        )
    }

    /// Jayway's words for it.
    pub fn reason(&self) -> String {
        let steps = self.path.0.steps.len();
        match &self.miss {
            Miss::Variable => format!("No value for variable: {}", self.path.text()),
            Miss::Member { step } if step + 1 < steps => {
                format!(
                    "Missing property in path {}",
                    self.path.normal_form(step + 1)
                )
            }
            Miss::Member { .. } | Miss::Item { .. } => {
                format!("No results for path: {}", self.path.normal_form(steps))
            }
            Miss::NotAnObject { step, found } => format!(
                "Expected to find an object with property {} in path {} but found '{}'. This is not a json object \
                 according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
                &self.path.normal_form(step + 1)[self.path.normal_form(*step).len()..],
                self.path.normal_form(*step),
                java_class(found)
            ),
            Miss::NotAnArray { step, found } if *found == Value::Null => {
                format!("The path {} is null", self.path.normal_form(*step))
            }
            Miss::NotAnArray { step, found } => format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                &self.path.normal_form(step + 1)[self.path.normal_form(*step).len()..],
                java::print(found)
            ),
        }
    }
}

fn java_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(number) if number.is_f64() => "java.lang.Double",
        Value::Number(_) => "java.lang.Integer",
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "java.util.ArrayList",
        Value::Object(_) => "java.util.LinkedHashMap",
    }
}

/// The member, or whether `value` is at least an object.
fn property<'v>(value: &'v Value, name: &str) -> Result<&'v Value, bool> {
    match value {
        Value::Object(members) => member(members, name).ok_or(true),
        _ => Err(false),
    }
}

/// The item, counted from the end when negative.
fn item(items: &[Value], at: i64) -> Option<&Value> {
    let index = if at < 0 { at + items.len() as i64 } else { at };
    items.get(usize::try_from(index).ok()?)
}

fn pick(members: &Map, names: &[Arc<str>]) -> Value {
    Value::object(
        names.iter().filter_map(|name| {
            member(members, name).map(|value| (Arc::clone(name), value.clone()))
        }),
    )
}

/// Calls `found` with every match of the steps below `value`, in document order.
fn visit(steps: &[Step], value: &Value, root: &Value, found: &mut dyn FnMut(&Value)) {
    let Some((step, rest)) = steps.split_first() else {
        return found(value);
    };
    match step {
        Step::Name(name) => {
            if let Ok(value) = property(value, name) {
                visit(rest, value, root, found);
            }
        }
        Step::Names(names) => {
            let Value::Object(members) = value else {
                return;
            };
            if rest.is_empty() {
                return found(&pick(members, names));
            }
            for name in names {
                if let Some(value) = member(members, name) {
                    visit(rest, value, root, found);
                }
            }
        }
        Step::Index(at) => {
            if let Value::Array(items) = value
                && let Some(value) = item(items, *at)
            {
                visit(rest, value, root, found);
            }
        }
        Step::Indexes(indexes) => {
            let Value::Array(items) = value else {
                return;
            };
            for value in indexes.iter().filter_map(|at| item(items, *at)) {
                visit(rest, value, root, found);
            }
        }
        Step::Slice(from, to) => {
            let Value::Array(items) = value else {
                return;
            };
            for value in &items[slice(items.len(), *from, *to)] {
                visit(rest, value, root, found);
            }
        }
        Step::Wildcard => match value {
            Value::Array(items) => {
                for value in items.iter() {
                    visit(rest, value, root, found);
                }
            }
            Value::Object(members) => {
                for value in members.values() {
                    visit(rest, value, root, found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        },
        Step::Filter(filter) => match value {
            Value::Array(items) => {
                for value in items.iter().filter(|item| filter.accepts(item, root)) {
                    visit(rest, value, root, found);
                }
            }
            Value::Object(_) if filter.accepts(value, root) => visit(rest, value, root, found),
            _ => {}
        },
        Step::Descend => descend(rest, value, root, found),
    }
}

/// Applies the steps to the value and to every array and object below it, outermost first.
fn descend(steps: &[Step], value: &Value, root: &Value, found: &mut dyn FnMut(&Value)) {
    // A filter tests each object that is come by, not once more as an item of the array around it.
    let by_item =
        matches!(steps.first(), Some(Step::Filter(_))) && matches!(value, Value::Array(_));
    if !by_item {
        visit(steps, value, root, found);
    }
    match value {
        Value::Array(items) => {
            for value in items.iter().filter(|item| is_container(item)) {
                descend(steps, value, root, found);
            }
        }
        Value::Object(members) => {
            for value in members.values().filter(|value| is_container(value)) {
                descend(steps, value, root, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::Array(_) | Value::Object(_))
}

/// The range of indexes that `[from:to]` means in an array of that length.
fn slice(length: usize, from: Option<i64>, to: Option<i64>) -> std::ops::Range<usize> {
    let bound = |at: i64| {
        let at = if at < 0 { at + length as i64 } else { at };
        at.clamp(0, length as i64) as usize
    };
    let start = from.map_or(0, bound);
    let end = to.map_or(length, bound);
    start..end.max(start)
}

#[cfg(test)]
mod tests;
