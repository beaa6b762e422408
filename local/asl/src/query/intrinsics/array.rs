//! Functions on arrays. `None` means that the arguments are not valid.

use super::arguments::integer;
use crate::query::java;
use crate::quota::INTRINSIC_RANGE;
use crate::value::Value;

pub(super) fn contains(array: &Value, value: &Value) -> Option<Value> {
    let items = array.as_array()?;
    let printed = java::print(value);
    // Objects print in the order of their members, so the same members in another order are not the same.
    let found = items.iter().any(|item| match (item, value) {
        (Value::String(item), Value::String(value)) => item == value,
        _ => java::print(item) == printed,
    });
    Some(Value::Bool(found))
}

pub(super) fn get_item(array: &Value, index: &Value) -> Option<Value> {
    let items = array.as_array()?;
    let index = integer(index)?;
    if items.is_empty() {
        // AWS gives null for any index into an empty array.
        return Some(Value::Null);
    }
    items.get(usize::try_from(index).ok()?).cloned()
}

pub(super) fn length(array: &Value) -> Option<Value> {
    Some(Value::from(array.as_array()?.len() as u64))
}

pub(super) fn partition(array: &Value, size: &Value) -> Option<Value> {
    let items = array.as_array()?;
    let size = usize::try_from(integer(size)?)
        .ok()
        .filter(|size| *size > 0)?;
    let chunks = items
        .chunks(size)
        .map(|chunk| Value::array(chunk.to_vec()))
        .collect();
    Some(Value::array(chunks))
}

pub(super) fn range(start: &Value, end: &Value, step: &Value) -> Option<Value> {
    let (start, end, step) = (integer(start)?, integer(end)?, integer(step)?);
    if step == 0 {
        return None;
    }
    let mut items = Vec::new();
    let mut next = Some(start);
    while let Some(value) = next.filter(|v| if step > 0 { *v <= end } else { *v >= end }) {
        if items.len() == INTRINSIC_RANGE {
            return None;
        }
        items.push(Value::from(value));
        next = value.checked_add(step);
    }
    Some(Value::array(items))
}

pub(super) fn unique(array: &Value) -> Option<Value> {
    Some(Value::array(java::hash_set(array.as_array()?)))
}
