//! When a value equals a recorded one: placeholders stand for anything, generated names are free.

use asl::Value;

/// Recorded words that stand for a moment or an id of their own.
const WORDS: [&str; 13] = [
    "date",
    "time",
    "timestamp",
    "datetime",
    "start-time",
    "entered-time",
    "X-Amzn-Trace-Id",
    "x-amzn-RequestId",
    "RequestId",
    "bucket-name",
    "file-key",
    "map_run_arn",
    "RandomNumberGenerated",
];

/// Members whose values are made anew by every run.
const FREE: [&str; 8] = [
    "requestId",
    "RequestId",
    "x-amzn-RequestId",
    "stackTrace",
    "HttpHeaders",
    "AllHttpHeaders",
    "Date",
    "X-Amzn-Trace-Id",
];

/// Tells where two values differ, if they do.
pub fn differ(expected: &Value, actual: &Value) -> Result<(), String> {
    compare(expected, actual, &mut Vec::new())
}

fn compare(expected: &Value, actual: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let fail = |path: &[String]| {
        Err(format!(
            "at /{}\nexpected {}\nbut was  {}",
            path.join("/"),
            shorten(&expected.to_string()),
            shorten(&actual.to_string())
        ))
    };
    match (expected, actual) {
        (Value::String(text), _) if is_placeholder(text) => Ok(()),
        (Value::Number(left), Value::Number(right)) if left.as_f64() == right.as_f64() => Ok(()),
        (Value::String(left), Value::String(right)) => {
            if let (Some(left), Some(right)) = (structure(left), structure(right)) {
                return compare(&left, &right, path);
            }
            if matches_text(left, right) {
                Ok(())
            } else {
                fail(path)
            }
        }
        // What is JSON inside a string was parsed in the recording.
        (_, Value::String(text)) => match Value::parse(text) {
            Ok(value) if !matches!(value, Value::String(_)) => compare(expected, &value, path),
            _ => fail(path),
        },
        (Value::String(text), _) => match Value::parse(text) {
            Ok(value) if !matches!(value, Value::String(_)) => compare(&value, actual, path),
            _ => fail(path),
        },
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (left, right)) in left.iter().zip(right.iter()).enumerate() {
                path.push(index.to_string());
                compare(left, right, path)?;
                path.pop();
            }
            Ok(())
        }
        (Value::Object(left), Value::Object(right)) => {
            if let Some(extra) = right.keys().find(|key| !left.contains_key(*key)) {
                path.push(extra.to_string());
                return Err(format!(
                    "at /{}\nexpected nothing\nbut was  {}",
                    path.join("/"),
                    shorten(&right[extra].to_string())
                ));
            }
            for (key, left) in left.iter() {
                path.push(key.to_string());
                match right.get(key) {
                    None => {
                        return Err(format!(
                            "at /{}\nexpected {}\nbut was nothing",
                            path.join("/"),
                            shorten(&left.to_string())
                        ));
                    }
                    Some(_) if FREE.contains(&&**key) => {}
                    Some(right) => compare(left, right, path)?,
                }
                path.pop();
            }
            Ok(())
        }
        _ if expected == actual => Ok(()),
        _ => fail(path),
    }
}

fn is_placeholder(text: &str) -> bool {
    WORDS.contains(&text)
        || (text.starts_with('<') && text.ends_with('>') && text.matches('<').count() == 1)
}

/// The value of a text that is JSON, when it is more than a plain word.
fn structure(text: &str) -> Option<Value> {
    Value::parse(text)
        .ok()
        .filter(|value| !matches!(value, Value::String(inner) if **inner == *text))
}

fn matches_text(expected: &str, actual: &str) -> bool {
    expected == actual || arns_match(expected, actual) || glob(&pieces(expected), actual)
}

/// ARNs of executions, state machines and Map Runs: everything but the generated names is the same.
fn arns_match(expected: &str, actual: &str) -> bool {
    let (left, right): (Vec<&str>, Vec<&str>) =
        (expected.split(':').collect(), actual.split(':').collect());
    expected.starts_with("arn:aws:states:")
        && left.len() == right.len()
        && left[..6.min(left.len())] == right[..6.min(right.len())]
}

/// The literal parts of a text with placeholders in it.
fn pieces(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest
        .split_once('<')
        .and_then(|(before, after)| Some((before, after.split_once('>')?.1)))
    {
        pieces.push(before);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn glob(pieces: &[&str], text: &str) -> bool {
    let (Some((first, middle)), true) = (pieces.split_first(), pieces.len() > 1) else {
        return false;
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let Some((last, middle)) = middle.split_last() else {
        return false;
    };
    for piece in middle {
        let Some(at) = rest.find(piece) else {
            return false;
        };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}

fn shorten(text: &str) -> String {
    const LONG: usize = 1_500;
    match text.char_indices().nth(LONG) {
        None => text.to_string(),
        Some((at, _)) => format!("{}…", &text[..at]),
    }
}
