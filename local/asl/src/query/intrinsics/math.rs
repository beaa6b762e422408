//! Functions on numbers. `None` means that the arguments are not valid.

use super::arguments::integer;
use crate::query::Random;
use crate::query::java::JavaRandom;
use crate::value::Value;

pub(super) fn add(a: &Value, b: &Value) -> Option<Value> {
    let sum = rounded(a)?.checked_add(rounded(b)?)?;
    Some(Value::from(i64::from(sum)))
}

/// The nearest 32-bit integer, halves up, as `Math.round` gives it.
fn rounded(value: &Value) -> Option<i32> {
    let Value::Number(number) = value else {
        return None;
    };
    if let Some(integer) = number.as_i64() {
        return i32::try_from(integer).ok();
    }
    let rounded = (number.as_f64()? + 0.5).floor();
    (f64::from(i32::MIN)..=f64::from(i32::MAX))
        .contains(&rounded)
        .then_some(rounded as i32)
}

/// An integer in [start, end), the same for the same seed.
pub(super) fn random(
    start: &Value,
    end: &Value,
    seed: Option<&Value>,
    source: &Random,
) -> Option<Value> {
    let (start, end) = (integer(start)?, integer(end)?);
    if start >= end {
        return None;
    }
    let Some(seed) = seed else {
        return Some(Value::from(source.between(start, end)));
    };
    let seed = integer(seed)?;
    let value = match i32::try_from(end.checked_sub(start)?) {
        Ok(span) => start + i64::from(JavaRandom::seeded(seed).next_int(span)),
        Err(_) => Random::seeded(seed as u64).between(start, end),
    };
    Some(Value::from(value))
}
