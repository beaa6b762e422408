//! What is wrong with a definition, and where.

use std::fmt;

use serde::Serialize;

/// Whether a finding forbids running the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Severity {
    /// CreateStateMachine refuses the definition.
    Error,
    /// The definition runs, but probably not as meant.
    Warning,
}

/// One finding, in the terms of the ValidateStateMachineDefinition API
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Whether it forbids running.
    pub severity: Severity,
    /// The kind of finding, such as `SCHEMA_VALIDATION_FAILED` or `MISSING_TRANSITION_TARGET`.
    pub code: String,
    /// What is wrong, as a sentence.
    pub message: String,
    /// Where, as a path into the definition: `/States/Charge/Next`; empty for the workflow as a whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// What would put it right, when that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suggestion: Option<String>,
    /// Where in the definition's text, when the text is known.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Position {
    /// Counts from 1.
    pub line: usize,
    /// Counts from 1, in characters.
    pub column: usize,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        // What concerns the whole workflow is at "null" in AWS's sentences.
        let location = match self.location.as_str() {
            "" => "null",
            location => location,
        };
        write!(f, "{}: {} at {location}", self.code, self.message)
    }
}

/// The definition cannot run; every error found is listed. Printed as CreateStateMachine words it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid State Machine Definition: '{}'", list(.diagnostics))]
pub struct Invalid {
    /// All errors, in the order of the definition.
    pub diagnostics: Vec<Diagnostic>,
}

fn list(diagnostics: &[Diagnostic]) -> String {
    let lines: Vec<String> = diagnostics.iter().map(Diagnostic::to_string).collect();
    lines.join(", ")
}
