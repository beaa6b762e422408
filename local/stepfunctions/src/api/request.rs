//! What requests have in common: how they are read, and which inputs are taken.

use asl::PAYLOAD_BYTES;
use cloud::error::ServiceError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::model;
use crate::errors::invalid;
use crate::launch::Input;

/// Reads a request. A member that is missing, misshapen, or unknown is a `ValidationException` that names it.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, ServiceError> {
    model::check(&body)?;
    serde_json::from_value(body).map_err(|error| {
        let text = error.to_string();
        let missing = text.strip_prefix("missing field `");
        invalid(match missing.and_then(|rest| rest.split_once('`')) {
            Some((member, _)) => format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: \
                 Member must not be null"
            ),
            None => format!("1 validation error detected: {text}"),
        })
    })
}

/// The input of an execution.
pub(super) fn execution_input(input: Option<&str>) -> Result<Input, ServiceError> {
    let input = input.unwrap_or("{}");
    check_size(input)?;
    Input::parse(input).map_err(|error| invalid_input(&error))
}

/// A document that is given as text.
pub(super) fn parse_input(input: &str) -> Result<asl::Value, ServiceError> {
    check_size(input)?;
    asl::Value::parse(input).map_err(|error| invalid_input(&error))
}

fn check_size(input: &str) -> Result<(), ServiceError> {
    if input.len() > PAYLOAD_BYTES {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: \
             Member must have length less than or equal to {PAYLOAD_BYTES}"
        )));
    }
    Ok(())
}

fn invalid_input(error: &asl::ParseError) -> ServiceError {
    ServiceError::new(
        "InvalidExecutionInput",
        format!("Invalid State Machine Execution Input: '{error}'"),
    )
}
