//! The functions that Step Functions adds to JSONata, and the guards of [`super::prepare`]
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#jsonata-functions-provided-by-step-functions>).
//!
//! Arguments lose their fractions. What has no sense (a chunk of no items, a range that leads away from its end, a
//! hash without algorithm) gives nothing, and a range of one number gives the number, as on AWS.

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use super::convert::{MAX_BYTES, fits, to_jsonata};
use super::message::MEMORY;
use super::prepare::{JOINED, PADDING, REPLACED, SMALL};
use crate::query::Random;
use crate::query::intrinsics::digest;
use crate::query::java::JavaRandom;
use crate::value::Value;

/// The longest range that `$range` makes; AWS allows as many.
const MAX_RANGE: usize = 360_145;

type Result = std::result::Result<JValue, EvaluatorError>;

/// Makes the functions that the expression calls known to the evaluator.
pub(super) fn register(
    evaluator: &mut Evaluator,
    calls: &[String],
    random: &Random,
) -> std::result::Result<(), EvaluatorError> {
    for name in calls {
        match name.as_str() {
            "partition" => evaluator.register_fn("partition", partition)?,
            "range" => evaluator.register_fn("range", range)?,
            "hash" => evaluator.register_fn("hash", hash)?,
            "parse" => evaluator.register_fn("parse", parse)?,
            "uuid" => {
                let random = random.fork();
                evaluator.register_fn("uuid", move |_: &[JValue]| {
                    Ok(JValue::string(random.uuid()))
                })?;
            }
            "random" => {
                let random = random.fork();
                evaluator.register_fn_override("random", move |args: &[JValue]| {
                    Ok(match args.first() {
                        Some(JValue::Number(seed)) => {
                            JValue::Number(JavaRandom::seeded(*seed as i64).next_double())
                        }
                        None | Some(JValue::Undefined) => JValue::Number(random.unit()),
                        Some(_) => return signature("random", 1),
                    })
                })?;
            }
            "eval" => evaluator.register_fn_override("eval", |_: &[JValue]| {
                fail("T1006: Attempted to invoke a non-function")
            })?,
            SMALL => evaluator.register_fn(SMALL, |args: &[JValue]| small(args))?,
            PADDING => evaluator.register_fn(PADDING, |args: &[JValue]| padding(args))?,
            JOINED => evaluator.register_fn(JOINED, |args: &[JValue]| joined(args))?,
            REPLACED => evaluator.register_fn(REPLACED, |args: &[JValue]| replaced(args))?,
            _ => {}
        }
    }
    Ok(())
}

fn fail(message: impl Into<String>) -> Result {
    Err(EvaluatorError::EvaluationError(message.into()))
}

fn signature(function: &str, argument: usize) -> Result {
    fail(format!(
        "T0410: Argument {argument} of function \"{function}\" does not match function signature"
    ))
}

/// The argument as an integer; `None` when it is not given.
fn integer(
    args: &[JValue],
    index: usize,
    function: &str,
) -> std::result::Result<Option<i64>, EvaluatorError> {
    match args.get(index) {
        Some(JValue::Number(number)) => Ok(Some(number.trunc() as i64)),
        None | Some(JValue::Undefined) => Ok(None),
        Some(_) => signature(function, index + 1).map(|_| None),
    }
}

fn partition(args: &[JValue]) -> Result {
    let Some(size) = integer(args, 1, "partition")? else {
        return Ok(JValue::Undefined);
    };
    let items = match args.first() {
        Some(JValue::Array(items)) => items.to_vec(),
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(single) => vec![single.clone()],
    };
    match usize::try_from(size) {
        Ok(size) if size > 0 && !items.is_empty() => Ok(JValue::array(
            items
                .chunks(size)
                .map(|chunk| JValue::array(chunk.to_vec()))
                .collect(),
        )),
        _ => Ok(JValue::Undefined),
    }
}

fn range(args: &[JValue]) -> Result {
    let bounds = [
        integer(args, 0, "range")?,
        integer(args, 1, "range")?,
        integer(args, 2, "range")?,
    ];
    let [Some(start), Some(end), Some(step)] = bounds else {
        return Ok(JValue::Undefined);
    };
    if step == 0 || (step > 0 && start > end) || (step < 0 && start < end) {
        return Ok(JValue::Undefined);
    }
    let count = (i128::from(end) - i128::from(start)) / i128::from(step) + 1;
    match usize::try_from(count) {
        Ok(1) => Ok(JValue::Number(start as f64)),
        Ok(count) if count <= MAX_RANGE => Ok(JValue::array(
            (0..count as i64)
                .map(|index| JValue::Number((start + index * step) as f64))
                .collect(),
        )),
        _ => fail(MEMORY),
    }
}

fn hash(args: &[JValue]) -> Result {
    match (args.first(), args.get(1)) {
        (Some(JValue::String(text)), Some(JValue::String(algorithm))) => {
            match digest(text, algorithm) {
                Some(digest) => Ok(JValue::string(digest)),
                None => fail(format!("Unsupported hash algorithm: {algorithm}")),
            }
        }
        (None | Some(JValue::Undefined), _) | (_, None | Some(JValue::Undefined)) => {
            Ok(JValue::Undefined)
        }
        (Some(JValue::String(_)), Some(_)) => signature("hash", 2),
        (Some(_), _) => signature("hash", 1),
    }
}

fn parse(args: &[JValue]) -> Result {
    match args.first() {
        Some(JValue::String(text)) => match Value::parse(text) {
            Ok(value) => Ok(to_jsonata(&value)),
            Err(error) => fail(format!("Unable to parse JSON: {error}")),
        },
        None | Some(JValue::Undefined) => Ok(JValue::Undefined),
        Some(_) => signature("parse", 1),
    }
}

/// Gives its argument back, if that is within the bound.
fn small(args: &[JValue]) -> Result {
    match args.first() {
        Some(value) if fits(value) => Ok(value.clone()),
        Some(_) => fail(MEMORY),
        None => Ok(JValue::Undefined),
    }
}

fn padding(args: &[JValue]) -> Result {
    match args.first() {
        Some(JValue::Number(width)) if width.abs() > MAX_BYTES as f64 => fail(MEMORY),
        Some(width) => Ok(width.clone()),
        None => Ok(JValue::Undefined),
    }
}

/// Gives the strings to be joined back, if the result is within the bound.
fn joined(args: &[JValue]) -> Result {
    let separator = args.get(1).and_then(JValue::as_str).map_or(0, str::len);
    let size = match args.first() {
        Some(JValue::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map_or(0, str::len) + separator)
            .fold(0usize, usize::saturating_add),
        _ => 0,
    };
    if size > MAX_BYTES {
        return fail(MEMORY);
    }
    Ok(args.first().cloned().unwrap_or(JValue::Undefined))
}

/// Gives the string to replace in back, if the result is within the bound even when every character is replaced.
fn replaced(args: &[JValue]) -> Result {
    let size = |index: usize| args.get(index).and_then(JValue::as_str).map_or(0, str::len);
    let matches = match args.get(1).and_then(JValue::as_str) {
        Some(pattern) if !pattern.is_empty() => args
            .first()
            .and_then(JValue::as_str)
            .map_or(0, |text| text.matches(pattern).count()),
        _ => size(0),
    };
    // A replacement may name the whole match several times; the texts are bounded themselves.
    if matches.saturating_mul(size(2)).saturating_add(size(0)) > MAX_BYTES.saturating_mul(8) {
        return fail(MEMORY);
    }
    Ok(args.first().cloned().unwrap_or(JValue::Undefined))
}
