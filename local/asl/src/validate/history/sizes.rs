//! How large an input may make what a state reads.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::value::Value;

/// No schema bounds it.
pub(super) const UNBOUNDED: u64 = u64::MAX;

/// References and subschemas followed at most.
const MAX_DEPTH: usize = 16;

/// A place of a state's input: `$states.input.a.b` and, in JSONPath, `$.a.b` and `$$.Execution.Input.a.b`.
static INPUT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:\$states\.(?:context\.Execution\.Input|input)|\$\$\.Execution\.Input|(?:^|[^$\w])\$)((?:\.[A-Za-z_]\w*)+)",
    )
});
/// A variable.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$([A-Za-z_]\w*)"));
/// A number that something is compared with.
static COMPARED: LazyLock<Regex> = LazyLock::new(|| pattern(r"[<>=]\s*(\d+)(?:[^.\w]|$)"));

fn pattern(text: &str) -> Regex {
    // The patterns are literals, and each is used by a test.
    Regex::new(text).expect("a pattern of this file is well-formed")
}

/// The largest sizes of arrays and numbers.
pub(super) struct Sizes<'d> {
    schema: &'d Value,
    /// What is assigned to each variable anywhere.
    assigned: HashMap<&'d str, Vec<&'d Value>>,
    /// What is passed to tasks under each name.
    passed: HashMap<&'d str, Vec<&'d Value>>,
}

impl<'d> Sizes<'d> {
    pub(super) fn of(machine: &'d Value, schema: &'d Value) -> Sizes<'d> {
        let mut sizes = Sizes {
            schema,
            assigned: HashMap::new(),
            passed: HashMap::new(),
        };
        sizes.collect(machine);
        sizes
    }

    fn collect(&mut self, value: &'d Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members.iter() {
                    match &**name {
                        "Assign" => note(value, &mut self.assigned),
                        "Arguments" | "Parameters" => note(value, &mut self.passed),
                        _ => {}
                    }
                    self.collect(value);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// The most items of a Map, if that can be told.
    pub(super) fn items(&self, state: &Value) -> Option<u64> {
        match state.get("Items").or_else(|| state.get("ItemsPath")) {
            Some(Value::Array(items)) => Some(items.len() as u64),
            Some(Value::String(text)) => self.largest(text, true, &mut HashSet::new()),
            _ => self.limit("", true),
        }
    }

    /// The largest number that a rule of a Choice compares with, if that can be told.
    pub(super) fn compared_with(&self, test: &Value) -> Option<u64> {
        match test {
            Value::Object(members) => {
                let tests = members.iter().filter(|(name, _)| {
                    !matches!(&***name, "Next" | "Assign" | "Output" | "Comment")
                });
                tests
                    .filter_map(|(_, value)| self.compared_with(value))
                    .max()
            }
            Value::Array(items) => items
                .iter()
                .filter_map(|item| self.compared_with(item))
                .max(),
            Value::Number(_) => test.as_f64().filter(|n| *n >= 0.0).map(|n| n as u64),
            Value::String(text) => {
                let literals = COMPARED.captures_iter(text);
                let literal = literals.filter_map(|found| found[1].parse().ok()).max();
                literal.max(self.largest(text, false, &mut HashSet::new()))
            }
            Value::Null | Value::Bool(_) => None,
        }
    }

    /// The largest size that a query speaks of: the length of an array, or a number.
    fn largest(&self, query: &str, items: bool, seen: &mut HashSet<&'d str>) -> Option<u64> {
        let mut largest = None;
        for found in INPUT.captures_iter(query) {
            let path = &found[1];
            let known = self.limit(path, items).or_else(|| {
                // A task made it of what was passed to it under the same name.
                let name = path.rsplit('.').next().filter(|_| items)?;
                self.of_all(&self.passed, name, items, seen)
            });
            largest = largest.max(known);
        }
        for found in VARIABLE.captures_iter(query) {
            largest = largest.max(self.of_all(&self.assigned, &found[1], items, seen));
        }
        largest
    }

    /// The largest of what stands under a name that has not been looked up yet.
    fn of_all(
        &self,
        named: &HashMap<&'d str, Vec<&'d Value>>,
        name: &str,
        items: bool,
        seen: &mut HashSet<&'d str>,
    ) -> Option<u64> {
        let (&name, values) = named.get_key_value(name)?;
        if !seen.insert(name) {
            return None;
        }
        values
            .iter()
            .filter_map(|value| match value {
                Value::String(text) => self.largest(text, items, seen),
                Value::Array(list) => items.then_some(list.len() as u64),
                Value::Number(_) => value.as_i64().and_then(|number| u64::try_from(number).ok()),
                Value::Null | Value::Bool(_) | Value::Object(_) => None,
            })
            .max()
    }

    /// What the schema allows at a path of the input.
    fn limit(&self, path: &str, items: bool) -> Option<u64> {
        let names: Vec<&str> = path.split('.').filter(|name| !name.is_empty()).collect();
        self.limit_below(self.schema, &names, items, 0)
    }

    fn limit_below(&self, node: &Value, path: &[&str], items: bool, depth: usize) -> Option<u64> {
        if depth > MAX_DEPTH {
            return None;
        }
        let below = |node: &Value| self.limit_below(node, path, items, depth + 1);
        if let Some(reference) = node.get("$ref").and_then(Value::as_str) {
            return below(self.at_pointer(reference.strip_prefix('#')?)?);
        }
        let choices = ["oneOf", "anyOf", "allOf"]
            .iter()
            .filter_map(|key| node.get(key)?.as_array());
        let of_choices = choices.flat_map(|list| list.iter()).filter_map(below).max();
        let own = match path.split_first() {
            None => limit_of(node, items),
            Some((name, rest)) => node
                .get("properties")
                .and_then(|properties| properties.get(name))
                .and_then(|node| self.limit_below(node, rest, items, depth + 1)),
        };
        own.max(of_choices)
    }

    fn at_pointer(&self, pointer: &str) -> Option<&Value> {
        let mut parts = pointer.split('/').skip(1);
        parts.try_fold(self.schema, |node, name| node.get(name))
    }
}

fn note<'d>(value: &'d Value, names: &mut HashMap<&'d str, Vec<&'d Value>>) {
    let Value::Object(members) = value else {
        return;
    };
    for (name, value) in members.iter() {
        let name = name.strip_suffix(".$").unwrap_or(name);
        names.entry(name).or_default().push(value);
        note(value, names);
    }
}

/// The bound of an array's length, if `items`, or of a whole number.
fn limit_of(node: &Value, items: bool) -> Option<u64> {
    let is = |kind: &str| match node.get("type") {
        Some(Value::String(own)) => **own == *kind,
        Some(Value::Array(kinds)) => kinds.iter().any(|own| own.as_str() == Some(kind)),
        _ => false,
    };
    let number = |key: &str| node.get(key).and_then(Value::as_f64);
    let bound = |bound: Option<f64>| bound.map_or(UNBOUNDED, |bound| bound.max(0.0) as u64);
    let listed = node.get("enum").and_then(Value::as_array);
    if items && is("array") {
        Some(bound(number("maxItems")))
    } else if is("integer") {
        let below = number("exclusiveMaximum").map(|above| above - 1.0);
        Some(bound(number("maximum").or(below)))
    } else {
        let numbers = listed?.iter().filter_map(Value::as_i64);
        numbers
            .filter_map(|number| u64::try_from(number).ok())
            .max()
    }
}
