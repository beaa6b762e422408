//! What requests have in common: how they are read, and which inputs are taken.

use asl::PAYLOAD_BYTES;
use cloud::error::ServiceError;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::errors::invalid;

/// Reads a request. A missing or misshapen member is a `ValidationException` that names it.
pub(super) fn read<T: DeserializeOwned>(body: Value) -> Result<T, ServiceError> {
    serde_json::from_value(body)
        .map_err(|error| invalid(format!("1 validation error detected: {error}")))
}

pub(super) fn parse_input(input: Option<&str>) -> Result<asl::Value, ServiceError> {
    let input = input.unwrap_or("{}");
    if input.len() > PAYLOAD_BYTES {
        return Err(invalid(format!(
            "1 validation error detected: Value at 'input' failed to satisfy constraint: \
             Member must have length less than or equal to {PAYLOAD_BYTES}"
        )));
    }
    asl::Value::parse(input).map_err(|error| {
        ServiceError::new(
            "InvalidExecutionInput",
            format!("Invalid State Machine Execution Input: '{error}'"),
        )
    })
}
