//! Values for `jsonata-core` and back.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use jsonata_core::value::JValue;

use super::lane::number_value;
use crate::query::member;
use crate::value::{Map, Value};

/// How many bytes a value may have, a number counting as eight and a character as one: AWS's own bound.
pub(super) const MAX_BYTES: usize = 6_990_256;

/// How deep a result may be nested.
const MAX_DEPTH: usize = 512;

/// The parts of a value that an expression mentions.
#[derive(Clone, Debug, Default)]
pub(super) struct Mentions {
    whole: bool,
    members: BTreeMap<String, Mentions>,
}

impl Mentions {
    /// Adds a path of names; what lies below its end is mentioned as a whole.
    pub(super) fn add(&mut self, names: &[&str]) {
        match names.split_first() {
            None => self.whole = true,
            Some((name, rest)) => self
                .members
                .entry((*name).to_string())
                .or_default()
                .add(rest),
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<&Mentions> {
        self.members.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.members.keys().map(String::as_str)
    }

    /// Whether the value is wanted with all that it holds.
    pub(super) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The value, without the members of objects that are not mentioned.
    pub(super) fn project(&self, value: &Value) -> JValue {
        match value {
            Value::Object(members) if !self.whole => JValue::object(
                self.members
                    .iter()
                    .filter_map(|(name, inner)| {
                        let value = member(members, name)?;
                        Some((name.clone(), inner.project(value)))
                    })
                    .collect(),
            ),
            _ => to_jsonata(value),
        }
    }
}

/// The whole value for `jsonata-core`.
pub(super) fn to_jsonata(value: &Value) -> JValue {
    match value {
        Value::Null => JValue::Null,
        Value::Bool(value) => JValue::Bool(*value),
        Value::Number(number) => JValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::String(text) => JValue::string(&**text),
        Value::Array(items) => JValue::array(items.iter().map(to_jsonata).collect()),
        Value::Object(members) => JValue::object(
            members
                .iter()
                .map(|(key, value)| (key.to_string(), to_jsonata(value)))
                .collect::<IndexMap<_, _>>(),
        ),
    }
}

/// Why a result is not JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A function or a regular expression.
    Function,
    /// Too large or too deep.
    TooLarge,
}

/// The result as JSON; `None` for undefined. Numbers that JSON cannot hold become the strings that AWS gives.
pub(super) fn from_jsonata(value: &JValue) -> Result<Option<Value>, Unfit> {
    let mut budget = MAX_BYTES;
    take(value, &mut budget, 0)
}

/// Whether the value is within the bound, however often parts of it are shared.
pub(super) fn fits(value: &JValue) -> bool {
    fn measure(value: &JValue, budget: &mut usize, depth: usize) -> bool {
        let cost = match value {
            JValue::String(text) => text.len(),
            JValue::Object(members) => members.keys().map(String::len).sum::<usize>() + 8,
            _ => 8,
        };
        if depth > MAX_DEPTH || *budget < cost {
            return false;
        }
        *budget -= cost;
        match value {
            JValue::Array(items) => items.iter().all(|item| measure(item, budget, depth + 1)),
            JValue::Object(members) => members
                .values()
                .all(|value| measure(value, budget, depth + 1)),
            _ => true,
        }
    }
    let mut budget = MAX_BYTES;
    measure(value, &mut budget, 0)
}

fn take(value: &JValue, budget: &mut usize, depth: usize) -> Result<Option<Value>, Unfit> {
    let cost = match value {
        JValue::String(text) => text.len(),
        _ => 8,
    };
    if depth > MAX_DEPTH || *budget < cost {
        return Err(Unfit::TooLarge);
    }
    *budget -= cost;
    Ok(Some(match value {
        JValue::Null => Value::Null,
        JValue::Bool(value) => Value::Bool(*value),
        JValue::Number(number) => from_number(*number),
        JValue::String(text) => Value::from(&**text),
        JValue::Array(items) => {
            let mut taken = Vec::with_capacity(items.len());
            for item in items {
                taken.extend(take(item, budget, depth + 1)?);
            }
            Value::array(taken)
        }
        JValue::Object(members) => {
            let mut taken = Map::with_capacity_and_hasher(members.len(), Default::default());
            for (key, value) in members.iter() {
                *budget = budget.checked_sub(key.len()).ok_or(Unfit::TooLarge)?;
                if let Some(value) = take(value, budget, depth + 1)? {
                    taken.insert(Arc::from(key.as_str()), value);
                }
            }
            Value::from(taken)
        }
        JValue::Undefined => return Ok(None),
        JValue::Lambda(_) | JValue::Builtin { .. } | JValue::Regex { .. } => {
            return Err(Unfit::Function);
        }
    }))
}

fn from_number(number: f64) -> Value {
    number_value(number).unwrap_or_else(|| {
        Value::from(match number {
            f64::INFINITY => "Infinity",
            f64::NEG_INFINITY => "-Infinity",
            _ => "NaN",
        })
    })
}
