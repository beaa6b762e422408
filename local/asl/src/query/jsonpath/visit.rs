//! All matches of a path.

use std::sync::Arc;

use super::path::{Step, item, property};
use crate::query::member;
use crate::value::{Map, Value};

/// The named members, as one object.
pub(super) fn pick(members: &Map, names: &[Arc<str>]) -> Value {
    Value::object(
        names.iter().filter_map(|name| {
            member(members, name).map(|value| (Arc::clone(name), value.clone()))
        }),
    )
}

/// Calls `found` with every match of the steps below `value`, in document order.
pub(super) fn visit(steps: &[Step], value: &Value, root: &Value, found: &mut dyn FnMut(&Value)) {
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
            for at in slice(items.len(), *from, *to) {
                if let Some(value) = item(items, at) {
                    visit(rest, value, root, found);
                }
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

/// The indexes that `[from:to]` means in an array of that length. With both bounds Jayway counts from the one to the
/// other as they are written, and takes each negative index on the way from the end: `[1:-1]` has none.
fn slice(length: usize, from: Option<i64>, to: Option<i64>) -> std::ops::Range<i64> {
    let length = length as i64;
    let counted = |at: i64| if at < 0 { at + length } else { at };
    match (from, to) {
        // Indexes further below find nothing.
        (Some(from), Some(to)) => from.max(-length)..to.min(length),
        (Some(from), None) => counted(from).max(0)..length,
        (None, Some(to)) => 0..counted(to).min(length),
        (None, None) => 0..length,
    }
}
