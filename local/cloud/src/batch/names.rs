//! Names and references, as every resource of Batch has them.

use serde_json::Value;

use super::client_error;
use crate::error::ServiceError;

/// Longest name of a job, definition, queue or compute environment.
const LONGEST: usize = 128;

/// The name that a request must have: letters, digits, hyphens and underscores, the first a letter or digit.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html>
pub(super) fn check_name<'a>(request: &'a Value, member: &str) -> Result<&'a str, ServiceError> {
    let name = request[member].as_str().unwrap_or_default();
    let fits = name.len() <= LONGEST
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && (name.chars()).all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits {
        return Ok(name);
    }
    Err(client_error(format!(
        "{member} '{name}' must begin with a letter or digit and have at most {LONGEST} letters, digits, hyphens and underscores"
    )))
}

/// A text that a request must have.
pub(super) fn required<'a>(request: &'a Value, member: &str) -> Result<&'a str, ServiceError> {
    let text = request[member].as_str().filter(|text| !text.is_empty());
    text.ok_or_else(|| client_error(format!("{member} must not be null or empty")))
}

/// The texts of a list; null is none.
pub(super) fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}

/// `ENABLED` or `DISABLED`, if a request says it.
pub(super) fn state(request: &Value) -> Result<Option<&str>, ServiceError> {
    match request["state"].as_str() {
        Some(state) if state != "ENABLED" && state != "DISABLED" => Err(client_error(format!(
            "state {state} must be one of ENABLED | DISABLED"
        ))),
        state => Ok(state),
    }
}
