//! JSON documents and JSON Lines.

use super::{Fault, without_mark};
use crate::value::Value;

/// Adds the items of the array at the pointer, at most as many as make `most`.
pub(super) fn document(
    pointer: Option<&str>,
    body: &[u8],
    most: usize,
    items: &mut Vec<Value>,
) -> Result<(), Fault> {
    let document = parse(without_mark(body), 0)?;
    let value = match pointer {
        None => &document,
        Some(pointer) => point(&document, pointer).ok_or(Fault::NothingAtPointer)?,
    };
    let Value::Array(found) = value else {
        return Err(Fault::NotAnArray);
    };
    let room = most.saturating_sub(items.len());
    items.extend(found.iter().take(room).cloned());
    Ok(())
}

/// Adds the value of each line that is not blank, at most as many as make `most`.
pub(super) fn lines(body: &[u8], most: usize, items: &mut Vec<Value>) -> Result<(), Fault> {
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    for (before, line) in lines.filter(|(_, line)| !line.trim_ascii().is_empty()) {
        if items.len() >= most {
            break;
        }
        items.push(parse(line, before)?);
    }
    Ok(())
}

/// The value of a text that so many lines of the file stand before.
pub(super) fn parse(text: &[u8], before: usize) -> Result<Value, Fault> {
    serde_json::from_slice(text).map_err(|error| {
        let message = error.to_string();
        // The place is told in the terms of the file.
        let own_place = format!(" at line {} column {}", error.line(), error.column());
        Fault::Json {
            line: before + error.line().max(1),
            column: error.column(),
            reason: message.trim_end_matches(&own_place).to_string(),
        }
    })
}

/// Follows a JSON pointer (RFC 6901).
fn point<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return Some(document);
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .try_fold(document, |value, part| {
            let part = part.replace("~1", "/").replace("~0", "~");
            match value {
                Value::Object(members) => members.get(part.as_str()),
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                _ => None,
            }
        })
}
