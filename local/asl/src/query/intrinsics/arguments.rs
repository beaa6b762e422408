//! What several functions ask of their arguments.

use crate::quota::INTRINSIC_CHARACTERS;
use crate::value::Value;

/// The number with its fraction cut off.
pub(super) fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number
            .as_i64()
            .or_else(|| Some(number.as_f64()?.trunc() as i64)),
        _ => None,
    }
}

/// Text within the limit of the hashing and Base64 functions.
pub(super) fn short_text(text: &str) -> bool {
    text.len() <= INTRINSIC_CHARACTERS || text.chars().count() <= INTRINSIC_CHARACTERS
}
