//! What the service's model says of members, wherever they stand in a request: lengths, ranges, names of values.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_Operations.html>

use cloud::error::ServiceError;
use serde_json::Value;

use crate::errors::invalid;

/// Members that are text, with the fewest and the most characters. Inputs and outputs have errors of their own.
const TEXTS: &[(&str, usize, usize)] = &[
    ("activityArn", 1, 256),
    ("cause", 0, 32_768),
    ("clientToken", 1, 64),
    ("context", 0, 262_144),
    ("definition", 1, 1_048_576),
    ("description", 0, 256),
    ("error", 0, 256),
    ("errorCausedByState", 1, 80),
    ("executionArn", 1, 256),
    ("key", 1, 128),
    ("kmsKeyId", 1, 2_048),
    ("mapItemReaderData", 0, 262_144),
    ("mapRunArn", 1, 2_000),
    ("name", 1, 80),
    ("nextToken", 1, 3_096),
    ("resourceArn", 1, 256),
    ("result", 0, 262_144),
    ("roleArn", 1, 256),
    ("stateMachineAliasArn", 1, 256),
    ("stateMachineArn", 1, 256),
    ("stateMachineVersionArn", 1, 2_000),
    ("stateName", 1, 80),
    ("traceHeader", 0, 256),
    ("value", 0, 256),
    ("variables", 0, 262_144),
    ("versionDescription", 0, 256),
    ("workerName", 1, 80),
];

/// Members that are whole numbers, with the least and the greatest.
const NUMBERS: &[(&str, i64, i64)] = &[
    ("kmsDataKeyReusePeriodSeconds", 60, 900),
    ("mapIterationFailureCount", 0, i32::MAX as i64),
    ("maxConcurrency", 0, i32::MAX as i64),
    ("maxResults", 0, 1_000),
    ("retrierRetryCount", 0, i32::MAX as i64),
    ("toleratedFailureCount", 0, i64::MAX),
    ("toleratedFailurePercentage", 0, 100),
    ("weight", 0, 100),
];

/// Members whose values have names.
const CHOICES: &[(&str, &[&str])] = &[
    (
        "encryptionConfiguration.type",
        &["AWS_OWNED_KEY", "CUSTOMER_MANAGED_KMS_KEY"],
    ),
    ("fieldValidationMode", &["STRICT", "PRESENT", "NONE"]),
    ("includedData", &["ALL_DATA", "METADATA_ONLY"]),
    ("inspectionLevel", &["INFO", "DEBUG", "TRACE"]),
    ("level", &["ALL", "ERROR", "FATAL", "OFF"]),
    ("redriveFilter", &["REDRIVEN", "NOT_REDRIVEN"]),
    ("severity", &["ERROR", "WARNING"]),
    (
        "statusFilter",
        &[
            "RUNNING",
            "SUCCEEDED",
            "FAILED",
            "TIMED_OUT",
            "ABORTED",
            "PENDING_REDRIVE",
        ],
    ),
    ("type", &["STANDARD", "EXPRESS"]),
];

/// Checks every member of a request.
///
/// # Errors
/// `ValidationException` names the first that breaks its rule.
pub(super) fn check(request: &Value) -> Result<(), ServiceError> {
    let members = request.as_object().into_iter().flatten();
    members
        .into_iter()
        .try_for_each(|(name, value)| check_member(name, name, value))
}

fn check_member(path: &str, name: &str, value: &Value) -> Result<(), ServiceError> {
    match value {
        Value::Object(members) => members
            .iter()
            .try_for_each(|(inner, value)| check_member(&format!("{path}.{inner}"), inner, value)),
        Value::Array(items) => (1..).zip(items).try_for_each(|(place, item)| {
            check_member(&format!("{path}.{place}.member"), name, item)
        }),
        Value::String(text) => {
            check_length(path, name, text)?;
            check_choice(path, name, text)
        }
        Value::Number(number) => match number.as_i64() {
            Some(number) => check_range(path, name, number),
            None => Ok(()),
        },
        Value::Null | Value::Bool(_) => Ok(()),
    }
}

fn check_length(path: &str, name: &str, text: &str) -> Result<(), ServiceError> {
    let Some((_, least, most)) = TEXTS.iter().find(|(member, ..)| *member == name) else {
        return Ok(());
    };
    let length = text.chars().count();
    if length < *least {
        let rule = format!("Member must have length greater than or equal to {least}");
        return Err(broken(path, text, &rule));
    }
    if length > *most {
        let rule = format!("Member must have length less than or equal to {most}");
        return Err(broken(path, text, &rule));
    }
    Ok(())
}

fn check_choice(path: &str, name: &str, text: &str) -> Result<(), ServiceError> {
    let by = |wanted: &str| CHOICES.iter().find(|(member, _)| *member == wanted);
    match by(path).or_else(|| by(name)) {
        Some((_, values)) if !values.contains(&text) => {
            let rule = format!(
                "Member must satisfy enum value set: [{}]",
                values.join(", ")
            );
            Err(broken(path, text, &rule))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_range(path: &str, name: &str, number: i64) -> Result<(), ServiceError> {
    let Some((_, least, most)) = NUMBERS.iter().find(|(member, ..)| *member == name) else {
        return Ok(());
    };
    if number < *least {
        let rule = format!("Member must have value greater than or equal to {least}");
        return Err(broken(path, number, &rule));
    }
    if number > *most {
        let rule = format!("Member must have value less than or equal to {most}");
        return Err(broken(path, number, &rule));
    }
    Ok(())
}

fn broken(path: &str, value: impl std::fmt::Display, rule: &str) -> ServiceError {
    invalid(format!(
        "1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint: {rule}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_member_and_its_rule_are_named() {
        for (request, words) in [
            (
                json!({ "stateMachineArn": "" }),
                "at 'stateMachineArn' failed to satisfy constraint: Member must have length greater than or equal to 1",
            ),
            (
                json!({ "maxResults": 1_001 }),
                "Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000",
            ),
            (
                json!({ "statusFilter": "DONE" }),
                "Value 'DONE' at 'statusFilter' failed to satisfy constraint: Member must satisfy enum value set: [RUNNING, ",
            ),
            (json!({ "tags": [{ "key": "" }] }), "at 'tags.1.member.key'"),
            (
                json!({ "encryptionConfiguration": { "type": "STANDARD" } }),
                "[AWS_OWNED_KEY, CUSTOMER_MANAGED_KMS_KEY]",
            ),
            (
                json!({ "routingConfiguration": [{}, { "weight": -1 }] }),
                "at 'routingConfiguration.2.member.weight'",
            ),
        ] {
            let error = check(&request).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
        let good = json!({ "type": "EXPRESS", "maxResults": 0, "encryptionConfiguration": { "type": "AWS_OWNED_KEY" } });
        assert_eq!(check(&good), Ok(()));
    }
}
