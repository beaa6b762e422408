//! The items of Map states.

use std::sync::Arc;

use crate::value::Value;

/// `$$.Map.Item`.
#[derive(Debug)]
pub(super) struct MapItem {
    pub index: u64,
    pub value: Value,
    /// The name of the member, when the items are those of an object.
    pub key: Option<Arc<str>>,
    /// Where a Distributed Map has its items from: `STATE_DATA` or an S3 URI.
    pub source: Option<Arc<str>>,
}

impl MapItem {
    /// An item of an array.
    pub(super) fn new(index: usize, value: Value) -> MapItem {
        MapItem {
            index: index as u64,
            value,
            key: None,
            source: None,
        }
    }

    /// An item of a Distributed Map, `keyed` when the items are the members of an object.
    pub(super) fn distributed(keyed: bool, index: usize, value: &Value) -> MapItem {
        if keyed {
            MapItem::of_member(index, value)
        } else {
            MapItem::new(index, value.clone())
        }
    }

    /// A member of an object, which a Distributed Map has as `{"Key": …, "Value": …}`.
    fn of_member(index: usize, member: &Value) -> MapItem {
        let key = match member.get("Key") {
            Some(Value::String(key)) => Some(Arc::clone(key)),
            _ => None,
        };
        MapItem {
            key,
            ..MapItem::new(index, member.get("Value").cloned().unwrap_or_default())
        }
    }

    /// The item as the input of an iteration.
    pub(super) fn input(&self) -> Value {
        match &self.key {
            None => self.value.clone(),
            Some(key) => Value::object([
                ("Key", Value::String(Arc::clone(key))),
                ("Value", self.value.clone()),
            ]),
        }
    }
}
