//! Everything that CreateStateMachine refuses, found at once and without running anything
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinition.html>).
//!
//! Codes, sentences and locations are AWS's own where they are known; suggestions are ours.

mod block;
mod choice;
mod distributed;
mod fields;
mod findings;
mod history;
mod integrations;
mod json;
mod map;
mod placeholder;
mod positions;
mod queries;
mod retry;
mod scopes;
mod state;
mod subject;
mod task;
mod transitions;

use crate::diagnostic::{Diagnostic, Severity};
use crate::execution_type::ExecutionType;

use findings::Findings;
pub use history::history_warnings;

/// All findings in the definition of a STANDARD state machine as it stands in its file, errors first.
pub fn validate(definition: &str) -> Vec<Diagnostic> {
    validate_file(definition, ExecutionType::Standard)
}

/// All findings in a definition as it stands in its file, errors first: placeholders (`${Name}`), which a deployment fills
/// in, may stand for numbers, paths and names.
pub fn validate_file(definition: &str, kind: ExecutionType) -> Vec<Diagnostic> {
    check(definition, kind, true)
}

/// All findings in a definition of a state machine of the given type as CreateStateMachine takes it, errors first.
pub fn validate_as(definition: &str, kind: ExecutionType) -> Vec<Diagnostic> {
    check(definition, kind, false)
}

fn check(definition: &str, kind: ExecutionType, placeholders: bool) -> Vec<Diagnostic> {
    let mut findings = Findings {
        placeholders,
        ..Findings::default()
    };
    match json::read(definition) {
        Ok((value, duplicates)) => {
            for duplicate in duplicates {
                findings.error(
                    "DUPLICATE_STATE_NAME",
                    &duplicate.location,
                    format!("Duplicate State name: {}", duplicate.name),
                    Some("give every state a name of its own".to_string()),
                );
            }
            block::machine(&value, kind, &mut findings);
            positions::place(definition, &mut findings.list);
        }
        Err(diagnostic) => findings.list.push(*diagnostic),
    }
    // A stable sort keeps the order of the definition among equals.
    findings
        .list
        .sort_by_key(|finding| finding.severity == Severity::Warning);
    findings.list
}

#[cfg(test)]
mod tests;
