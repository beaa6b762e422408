//! Functions on strings and JSON text. `None` means that the arguments are not valid.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::arguments::short_text;
use crate::query::java;
use crate::value::{Jackson, Value};

pub(super) fn base64_encode(text: &Value) -> Option<Value> {
    let text = text.as_str().filter(|text| short_text(text))?;
    Some(Value::from(STANDARD.encode(text)))
}

/// Decodes up to the first `=` and skips what is not in the alphabet.
pub(super) fn base64_decode(text: &Value) -> Option<Value> {
    let text = text.as_str().filter(|text| short_text(text))?;
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in text.bytes().take_while(|byte| *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => continue,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    Some(Value::from(String::from_utf8_lossy(&bytes).into_owned()))
}

pub(super) fn hash(data: &Value, algorithm: &Value) -> Option<Value> {
    let text = java::print(data);
    if !short_text(&text) {
        return None;
    }
    digest(&text, algorithm.as_str()?).map(Value::from)
}

/// The lower-case hexadecimal digest of the text.
pub(in crate::query) fn digest(text: &str, algorithm: &str) -> Option<String> {
    fn hex<D: Digest>(text: &str) -> String {
        hex::encode(D::digest(text))
    }
    match algorithm {
        "MD5" => Some(hex::<Md5>(text)),
        "SHA-1" => Some(hex::<Sha1>(text)),
        "SHA-256" => Some(hex::<Sha256>(text)),
        "SHA-384" => Some(hex::<Sha384>(text)),
        "SHA-512" => Some(hex::<Sha512>(text)),
        _ => None,
    }
}

/// A shallow merge, the only one that AWS offers; the second object's members win.
pub(super) fn json_merge(first: &Value, second: &Value, deep: &Value) -> Option<Value> {
    let (first, second) = (first.as_object()?, second.as_object()?);
    if *deep == Value::Bool(true) {
        return None;
    }
    let mut merged = Arc::clone(first);
    let members = Arc::make_mut(&mut merged);
    for (key, value) in second.iter() {
        members.insert(Arc::clone(key), value.clone());
    }
    Some(Value::Object(merged))
}

/// Splits at any of the delimiter characters and leaves empty parts out.
pub(super) fn split(text: &Value, delimiters: &Value) -> Option<Value> {
    let (text, delimiters) = (text.as_str()?, delimiters.as_str()?);
    let parts = text
        .split(|c| delimiters.contains(c))
        .filter(|part| !part.is_empty())
        .map(Value::from)
        .collect();
    Some(Value::array(parts))
}

/// Parses JSON; blank text gives null. What is no JSON is told in Jackson's words.
pub(super) fn string_to_json(text: &str) -> Result<Value, String> {
    if text.trim().is_empty() {
        return Ok(Value::Null);
    }
    let error = match text.trim() {
        // JSON's integer -0 is 0; only -0.0 keeps its sign.
        "-0" => return Ok(Value::from(0i64)),
        trimmed => match Value::parse(trimmed) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        },
    };
    let jackson = Jackson {
        source: "REDACTED (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled)".to_string(),
        places_after: false,
        single_quotes: false,
        unique_names: false,
    };
    let reason = match jackson.read(text) {
        Err(fault) => fault.to_string(),
        // A number out of range, or nesting too deep.
        Ok(_) => error.to_string(),
    };
    Err(format!(
        "Cannot convert String to Json in States.StringToJson, caused by: {reason}"
    ))
}
