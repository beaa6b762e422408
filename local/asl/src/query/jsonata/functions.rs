//! The functions that Step Functions adds to JSONata, and the guards of [`super::prepare`]
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#jsonata-functions-provided-by-step-functions>).
//!
//! Arguments lose their fractions. What has no sense (a chunk of no items, a range that leads away from its end) gives
//! nothing, and a range of one number gives the number, as on AWS.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use percent_encoding::percent_decode_str;

use super::convert::{MAX_BYTES, fits, to_jsonata};
use super::message::MEMORY;
use super::prepare::{
    BASE64_DECODED, JOINED, MISMATCH, PADDING, PICTURE, REPLACED, SMALL, URL_DECODED, WHOLE,
};
use crate::query::Random;
use crate::query::intrinsics::digest;
use crate::query::java::JavaRandom;
use crate::value::{Jackson, Value};

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
                evaluator.register_fn("uuid", move |args: &[JValue]| {
                    at_most("uuid", args, 0)?;
                    Ok(JValue::string(random.uuid()))
                })?;
            }
            "random" => {
                let random = random.fork();
                evaluator.register_fn_override("random", move |args: &[JValue]| {
                    at_most("random", args, 1)?;
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
            MISMATCH => evaluator.register_fn(MISMATCH, |args: &[JValue]| mismatch(args))?,
            PICTURE => evaluator.register_fn(PICTURE, |args: &[JValue]| picture(args))?,
            WHOLE => evaluator.register_fn(WHOLE, |args: &[JValue]| whole(args))?,
            URL_DECODED => {
                evaluator.register_fn(URL_DECODED, |args: &[JValue]| url_decoded(args))?;
            }
            BASE64_DECODED => {
                evaluator.register_fn(BASE64_DECODED, |args: &[JValue]| base64_decoded(args))?;
            }
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

/// Refuses arguments beyond those that the function takes.
fn at_most(
    function: &str,
    args: &[JValue],
    count: usize,
) -> std::result::Result<(), EvaluatorError> {
    if args.len() > count {
        signature(function, count + 1)?;
    }
    Ok(())
}

fn partition(args: &[JValue]) -> Result {
    at_most("partition", args, 2)?;
    let items = match args.first() {
        Some(JValue::Array(items)) => items.to_vec(),
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(_) => {
            return fail(
                "T0412: Argument 1 of function \"partition\" must be an array of undefined",
            );
        }
    };
    let Some(size) = integer(args, 1, "partition")? else {
        return Ok(JValue::array(vec![JValue::array(items)]));
    };
    match usize::try_from(size) {
        Ok(size) if size > 0 && !items.is_empty() => Ok(JValue::array(
            items
                .chunks(size)
                .map(|chunk| JValue::array(chunk.to_vec()))
                .collect(),
        )),
        Ok(_) => Ok(JValue::Undefined),
        Err(_) => fail("D3137: Second argument must be zero or greater"),
    }
}

fn range(args: &[JValue]) -> Result {
    at_most("range", args, 3)?;
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
    at_most("hash", args, 2)?;
    let algorithm = match args {
        [] => return signature("hash", 1),
        [JValue::Undefined, ..] | [JValue::String(_)] => return Ok(JValue::Undefined),
        [JValue::String(_), JValue::String(algorithm), ..] => &**algorithm,
        [JValue::String(_), JValue::Undefined, ..] => "null",
        [JValue::String(_), ..] => return signature("hash", 2),
        _ => return signature("hash", 1),
    };
    let text = args[0].as_str().unwrap_or_default();
    match digest(text, algorithm) {
        Some(digest) => Ok(JValue::string(digest)),
        None => fail(format!(
            "D3137: Hash algorithm '{algorithm}' must be one of SHA-1, SHA-384, SHA-256, SHA-512, MD5"
        )),
    }
}

/// Reads JSON, in which strings may stand in single quotes and no name may stand twice in an object.
fn parse(args: &[JValue]) -> Result {
    at_most("parse", args, 1)?;
    let text = match args.first() {
        Some(JValue::String(text)) => text,
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(_) => return signature("parse", 1),
    };
    let jackson = Jackson {
        source: String::new(),
        places_after: false,
        single_quotes: true,
        unique_names: true,
    };
    let read = jackson.read(text).ok();
    match read.and_then(|text| Value::parse(&text).ok()) {
        Some(value) => Ok(to_jsonata(&value)),
        None => fail("D3137: Invalid JSON"),
    }
}

/// Fails for the function and the position that its last two arguments name.
fn mismatch(args: &[JValue]) -> Result {
    match args {
        [.., JValue::String(function), JValue::Number(argument)] => {
            signature(function, *argument as usize)
        }
        _ => Ok(JValue::Undefined),
    }
}

/// Gives the picture or time zone of `$now` back, if it is a string; the second argument is its position.
fn picture(args: &[JValue]) -> Result {
    match args {
        [value @ (JValue::String(_) | JValue::Undefined), ..] => Ok(value.clone()),
        [_, JValue::Number(argument)] => signature("now", *argument as usize),
        _ => Ok(JValue::Undefined),
    }
}

/// Cuts the fraction of a number off.
fn whole(args: &[JValue]) -> Result {
    Ok(match args.first() {
        Some(JValue::Number(number)) => JValue::Number(number.trunc()),
        Some(value) => value.clone(),
        None => JValue::Undefined,
    })
}

/// `$decodeUrlComponent` as Java decodes: `+` is a blank, and what is not UTF-8 becomes U+FFFD.
fn url_decoded(args: &[JValue]) -> Result {
    let text = match args.first() {
        Some(JValue::String(text)) => text,
        None | Some(JValue::Undefined) => return Ok(JValue::Undefined),
        Some(_) => return signature("decodeUrlComponent", 1),
    };
    let encoded = text.replace('+', " ");
    let well_formed = encoded.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !well_formed {
        return fail(format!(
            "D3140: Malformed URL passed to $decodeUrlComponent(): {}",
            Value::from(&**text)
        ));
    }
    let decoded = percent_decode_str(&encoded).decode_utf8_lossy();
    Ok(JValue::string(decoded))
}

/// `$base64decode`: the padding may be missing, but no other character may be there.
fn base64_decoded(args: &[JValue]) -> Result {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &STANDARD,
        GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    match args.first() {
        Some(JValue::String(text)) => match LENIENT.decode(text.as_bytes()) {
            Ok(bytes) => Ok(JValue::string(String::from_utf8_lossy(&bytes))),
            Err(base64::DecodeError::InvalidByte(_, byte)) => {
                fail(format!("Illegal base64 character {byte:x}"))
            }
            Err(error) => fail(error.to_string()),
        },
        None | Some(JValue::Undefined) => Ok(JValue::Undefined),
        Some(_) => signature("base64decode", 1),
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
