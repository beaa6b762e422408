//! `hybrid validate`: every error of a definition, before it runs.

use std::{path::PathBuf, process::ExitCode};

use asl::{Diagnostic, Severity};
use clap::Args;
use serde_json::json;

use crate::{
    error::{Error, INVALID},
    project::read_text,
};

/// Arguments of `hybrid validate`.
#[derive(Args)]
pub struct Validate {
    /// Amazon States Language files, or `-` for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON document: per file its result and diagnostics, as
    /// ValidateStateMachineDefinition gives them.
    #[arg(long)]
    json: bool,
}

impl Validate {
    /// Exit code 0 if every file is valid (warnings allowed), else 3.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let mut reports = Vec::new();
        for file in &self.files {
            reports.push((file, asl::validate(&read_text(file)?)));
        }
        if self.json {
            let report: Vec<_> = reports
                .iter()
                .map(|(file, diagnostics)| {
                    json!({"file": file, "result": result(diagnostics), "diagnostics": diagnostics})
                })
                .collect();
            println!("{}", json!(report));
        } else {
            for (file, diagnostics) in &reports {
                println!("{}: {}", file.display(), result(diagnostics));
                for diagnostic in diagnostics {
                    println!("  {}", line(diagnostic));
                }
            }
        }
        let failed = reports.iter().any(|(_, found)| result(found) == "FAIL");
        Ok(if failed {
            ExitCode::from(INVALID)
        } else {
            ExitCode::SUCCESS
        })
    }
}

fn result(diagnostics: &[Diagnostic]) -> &'static str {
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        "FAIL"
    } else {
        "OK"
    }
}

/// One diagnostic on one line.
pub fn line(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = place(&diagnostic.location);
    // Where it was found is told already, and the whole text need not be.
    let message = diagnostic
        .message
        .split("\n at [Source: ")
        .next()
        .unwrap_or_default();
    let mut line = format!("{severity} {}{place}: {message}", diagnostic.code);
    if let Some(suggestion) = &diagnostic.suggestion {
        line.push_str(&format!(" ({suggestion})"));
    }
    line
}

/// ` at PLACE`. Of a text that is no JSON the place holds the whole text, of which line and column are enough.
fn place(location: &str) -> String {
    let inside = location
        .strip_prefix("[Source: ")
        .and_then(|source| source.strip_suffix(']'));
    match inside.and_then(|source| source.rsplit_once("; ")) {
        Some((_, place)) => format!(" at {place}"),
        None if location.is_empty() => String::new(),
        None => format!(" at {location}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_json_is_not_repeated() {
        let found = asl::validate("{\"a\":1,}");
        let told = line(&found[0]);
        assert!(
            told.starts_with("error INVALID_JSON_DESCRIPTION at line: 1, column: 9: Unexpected"),
            "{told}"
        );
        assert!(!told.contains("\"a\"") && !told.contains('\n'), "{told}");
        assert_eq!(place(""), "");
        assert_eq!(place("/States/A"), " at /States/A");
    }
}
