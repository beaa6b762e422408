//! A compiled path, and what it selects.

use std::sync::Arc;

use super::filter::Filter;
use super::miss::{Miss, NotFound};
use super::visit::{pick, visit};
use crate::query::{Scope, member};
use crate::value::Value;

/// A compiled path; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Path(pub(super) Arc<Compiled>);

#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) text: Arc<str>,
    pub(super) root: Root,
    pub(super) steps: Box<[Step]>,
    pub(super) definite: bool,
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
pub(super) enum Step {
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

impl Step {
    fn normal_form(&self) -> String {
        match self {
            Step::Name(name) => format!("['{name}']"),
            Step::Names(names) => {
                let quoted: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
                format!("[{}]", quoted.join(", "))
            }
            Step::Index(index) => format!("[{index}]"),
            Step::Indexes(indexes) => {
                let listed: Vec<String> = indexes.iter().map(i64::to_string).collect();
                format!("[{}]", listed.join(","))
            }
            Step::Slice(from, to) => {
                let bound = |at: &Option<i64>| at.map(|at| at.to_string()).unwrap_or_default();
                format!("[{}:{}]", bound(from), bound(to))
            }
            Step::Wildcard => "[*]".to_string(),
            Step::Filter(_) => "[?]".to_string(),
            Step::Descend => "..".to_string(),
        }
    }
}

impl Path {
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
            if let Some(step) = self.names_on_the_way() {
                return Err(self.not_found(Miss::NamesOnTheWay { step }, root));
            }
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

    /// The step that takes several names, where only the last one may.
    fn names_on_the_way(&self) -> Option<usize> {
        let (_, way) = self.0.steps.split_last()?;
        way.iter().position(|step| matches!(step, Step::Names(_)))
    }

    fn not_found(&self, miss: Miss, searched: &Value) -> NotFound {
        NotFound {
            path: self.clone(),
            miss,
            searched: searched.clone(),
        }
    }

    /// The path up to and including the given number of steps, in Jayway's normal form: `$['a'][0]`.
    pub(super) fn normal_form(&self, steps: usize) -> String {
        let steps = self.0.steps.iter().take(steps);
        std::iter::once("$".to_string())
            .chain(steps.map(Step::normal_form))
            .collect()
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.0.text == other.0.text
    }
}

/// The member, or whether `value` is at least an object.
pub(super) fn property<'v>(value: &'v Value, name: &str) -> Result<&'v Value, bool> {
    match value {
        Value::Object(members) => member(members, name).ok_or(true),
        _ => Err(false),
    }
}

/// The item, counted from the end when negative.
pub(super) fn item(items: &[Value], at: i64) -> Option<&Value> {
    let index = if at < 0 { at + items.len() as i64 } else { at };
    items.get(usize::try_from(index).ok()?)
}
