//! Checks without an execution: ValidateStateMachineDefinition and TestState.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ServiceError;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Validate {
    definition: String,
    severity: Option<String>,
    max_results: Option<usize>,
}

/// ValidateStateMachineDefinition.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html>
pub fn validate(request: Validate) -> Result<Value, ServiceError> {
    let warnings = request.severity.as_deref() == Some("WARNING");
    let mut findings = asl::StateMachine::parse(&request.definition)
        .err()
        .map_or(Vec::new(), |invalid| invalid.diagnostics);
    findings.retain(|finding| warnings || finding.severity == asl::Severity::Error);
    let valid = findings
        .iter()
        .all(|finding| finding.severity != asl::Severity::Error);
    let limit = request
        .max_results
        .filter(|limit| *limit > 0)
        .unwrap_or(100)
        .min(100);
    let truncated = findings.len() > limit;
    let diagnostics = findings.iter().take(limit).map(|finding| {
        json!({
            "severity": finding.severity,
            "code": finding.code,
            "message": finding.message,
            "location": finding.location,
        })
    });
    let diagnostics: Vec<Value> = diagnostics.collect();
    Ok(json!({
        "result": if valid { "OK" } else { "FAIL" },
        "diagnostics": diagnostics,
        "truncated": truncated,
    }))
}
