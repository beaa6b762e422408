//! `hybrid validate`: every error of a definition, before it runs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use asl::{Diagnostic, Severity};
use blueprint::check::{Finding, check};
use clap::Args;
use serde_json::json;

use crate::{
    definition,
    error::{Error, INVALID},
    placeholders::{Filled, Settings, Unset},
    project::{Project, read_json},
    suites,
};

/// Arguments of `hybrid validate`.
#[derive(Args)]
pub struct Validate {
    /// Amazon States Language files, JSON or YAML, or `-` for standard input.
    #[arg(required_unless_present = "project")]
    files: Vec<PathBuf>,
    /// Check this project instead: its definitions, and what would fail on AWS only, such as a role that lacks a call or a
    /// worker without a job definition.
    #[arg(long, conflicts_with_all = ["files", "sets"])]
    project: bool,
    /// The value of a placeholder `${NAME}`; one without a value stands for what fits.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Print one JSON document: per file its result and diagnostics, as
    /// ValidateStateMachineDefinition gives them; of a project `{"definitions","project"}`.
    #[arg(long)]
    json: bool,
}

impl Validate {
    /// Exit code 0 if everything is valid (warnings allowed), else 3.
    pub fn execute(mut self) -> Result<ExitCode, Error> {
        let mut findings = Vec::new();
        if self.project {
            let project = Project::here()?;
            let folder = suites::relative(&project.root().join("statemachines"));
            let definition = |file: &PathBuf| file.to_string_lossy().ends_with(".asl.json");
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            self.files = entries
                .map(|entry| entry.path())
                .filter(definition)
                .collect();
            self.files.sort();
            findings = check(project.root())?;
        }
        let settings = Settings::parse(&self.sets)?;
        let mut used = BTreeSet::new();
        let mut reports = Vec::new();
        for file in &self.files {
            let filled = definition::read(file, &settings, Unset::Stays)?;
            reports.push((file, diagnostics(file, &filled)?));
            used.extend(filled.used);
        }
        definition::check_used(&settings, &used)?;
        if self.json {
            let report: Vec<_> = reports
                .iter()
                .map(|(file, diagnostics)| {
                    json!({"file": file, "result": result(diagnostics), "diagnostics": diagnostics})
                })
                .collect();
            let told = |finding: &Finding| json!({"file": finding.file, "severity": finding.severity.word(), "message": finding.message});
            let document = match self.project {
                true => json!({
                    "definitions": report,
                    "project": findings.iter().map(told).collect::<Vec<_>>(),
                }),
                false => json!(report),
            };
            println!("{document}");
        } else {
            for (file, diagnostics) in &reports {
                println!("{}: {}", file.display(), result(diagnostics));
                for diagnostic in diagnostics {
                    println!("  {}", line(file, diagnostic));
                }
            }
        }
        let mut failed = reports.iter().any(|(_, found)| result(found) == "FAIL");
        if self.project {
            let wrong = findings.iter().any(Finding::is_error);
            if !self.json {
                println!("project: {}", if wrong { "FAIL" } else { "OK" });
                findings.iter().for_each(|finding| println!("  {finding}"));
            }
            failed |= wrong;
        }
        Ok(if failed {
            ExitCode::from(INVALID)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The findings of a definition; with a schema of its input beside it (`NAME.schema.json`), also whether the largest
/// input fits into a history.
fn diagnostics(file: &Path, definition: &Filled) -> Result<Vec<Diagnostic>, Error> {
    let mut found = definition.placed(asl::validate(&definition.text));
    if let Some(schema) = schema_beside(file).filter(|schema| schema.is_file())
        && result(&found) == "OK"
    {
        let schema = asl::Value::from(read_json(&schema)?);
        let warnings = asl::history_warnings(&definition.text, &schema);
        found.extend(definition.placed(warnings));
    }
    Ok(found)
}

fn schema_beside(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let mut endings = [".json", ".yaml", ".yml"].into_iter();
    let stem = endings.find_map(|ending| name.strip_suffix(ending));
    let stem = stem.unwrap_or(name);
    let stem = stem.strip_suffix(".asl").unwrap_or(stem);
    Some(file.with_file_name(format!("{stem}.schema.json")))
}

fn result(diagnostics: &[Diagnostic]) -> &'static str {
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        "FAIL"
    } else {
        "OK"
    }
}

/// One diagnostic on one line, which begins as compilers' do, so that editors find the place.
pub fn line(file: &Path, diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let place = diagnostic.position.map_or_else(String::new, |position| {
        format!("{}:{}:", position.line, position.column)
    });
    // Where it was found is told already, and the whole text need not be.
    let message = diagnostic
        .message
        .split("\n at [Source: ")
        .next()
        .unwrap_or_default();
    let mut line = format!(
        "{}:{place} {severity} {}{}: {message}",
        file.display(),
        diagnostic.code,
        location(&diagnostic.location),
    );
    if let Some(suggestion) = &diagnostic.suggestion {
        line.push_str(&format!(" ({suggestion})"));
    }
    line
}

/// ` at LOCATION`. Of a text that is no JSON it holds the whole text, of which line and column are told already.
fn location(location: &str) -> String {
    if location.is_empty() || location.starts_with("[Source: ") {
        return String::new();
    }
    format!(" at {location}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_no_json_is_not_repeated() {
        let found = asl::validate("{\"a\":1,}");
        let told = line(Path::new("a.json"), &found[0]);
        assert!(
            told.starts_with("a.json:1:8: error INVALID_JSON_DESCRIPTION: Unexpected"),
            "{told}"
        );
        assert!(!told.contains("\"a\"") && !told.contains('\n'), "{told}");
        assert_eq!(location(""), "");
        assert_eq!(location("/States/A"), " at /States/A");
    }
}
