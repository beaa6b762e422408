//! `hybrid validate`: every error of a definition, before it runs.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use asl::placeholders::{Unset, Values};
use asl::{Diagnostic, ExecutionType, Severity};
use blueprint::check::{Finding, check};
use clap::Args;
use serde_json::{Value, json};
use stack::StateMachineKind;

use crate::{
    definition,
    error::{Error, INVALID},
    machines::{self, Machines},
    place::ProjectArguments,
    project::read_json,
};

/// Arguments of `hybrid validate`.
#[derive(Args)]
pub struct Validate {
    /// Amazon States Language files, JSON or YAML, or `-` for standard input. Without any, the project is checked: its
    /// definitions, and what would fail on AWS only, such as a role that lacks a call or a worker without a job definition.
    files: Vec<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    /// The value of a placeholder `${NAME}` of a file; one without a value stands for what fits.
    #[arg(long = "set", value_name = "NAME=VALUE", requires = "files")]
    sets: Vec<String>,
    /// Print one JSON document: per file its result and diagnostics, as
    /// ValidateStateMachineDefinition gives them; of a project `{"definitions","project"}`.
    #[arg(long)]
    json: bool,
}

/// What was found in a definition.
struct Report {
    /// Its file, or the project's file that holds it.
    file: PathBuf,
    diagnostics: Vec<Diagnostic>,
}

impl Validate {
    /// Exit code 0 if everything is valid (warnings allowed), else 3.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let of_project = self.files.is_empty();
        let (reports, findings) = match of_project {
            true => check_project(&Machines::of(&self.project)?)?,
            false => (self.of_files()?, Vec::new()),
        };
        if self.json {
            let report: Vec<_> = reports.iter().map(Report::json).collect();
            let told = |finding: &Finding| json!({"file": finding.file, "severity": finding.severity.word(), "message": finding.message});
            let document = match of_project {
                true => json!({
                    "definitions": report,
                    "project": findings.iter().map(told).collect::<Vec<_>>(),
                }),
                false => json!(report),
            };
            println!("{document}");
        } else {
            reports.iter().for_each(Report::print);
        }
        let mut failed = reports.iter().any(|report| report.result() == "FAIL");
        if of_project {
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

    fn of_files(&self) -> Result<Vec<Report>, Error> {
        if self.project.is_named() {
            let message = "--project checks a project, and FILE a file: leave one of them out";
            return Err(Error::Usage(message.to_owned()));
        }
        let values = definition::values(&self.sets)?;
        let mut used = BTreeSet::new();
        let mut reports = Vec::new();
        for file in &self.files {
            let read = definition::read(file, &values, Unset::Stays)?;
            reports.push(Report::of(
                file,
                &read,
                schema_beside(file),
                ExecutionType::Standard,
            )?);
            used.extend(read.used.iter().cloned());
        }
        definition::check_used(&values, &used)?;
        Ok(reports)
    }
}

/// The definitions of a project, and what would fail on AWS only.
fn check_project(machines: &Machines) -> Result<(Vec<Report>, Vec<Finding>), Error> {
    let project = machines.project();
    let mut reports = Vec::new();
    for machine in machines.all() {
        let kind = match machine.kind {
            StateMachineKind::Standard => ExecutionType::Standard,
            StateMachineKind::Express => ExecutionType::Express,
        };
        reports.push(match machines::file(machine) {
            Some(file) => {
                let read = definition::read(&file, &Values::default(), Unset::Stays)?;
                Report::of(&file, &read, schema_beside(&file), kind)?
            }
            None => {
                let name = format!("{}.schema.json", machines::called(machine));
                let file = machines::relative(project.file());
                let read = definition::Read::made(&machine.definition);
                Report::of(&file, &read, Some(project.root().join(name)), kind)?
            }
        });
    }
    // What is compared is written in its resources.
    if !project.root().join("serverless.yml").is_file() {
        eprintln!("note: roles and job definitions are compared in a serverless.yml only");
        return Ok((reports, Vec::new()));
    }
    Ok((reports, check(project.root())?))
}

impl Report {
    /// The findings of a definition; with a schema of its input, also whether the largest input fits into a history.
    fn of(
        file: &Path,
        read: &definition::Read,
        schema: Option<PathBuf>,
        kind: ExecutionType,
    ) -> Result<Report, Error> {
        let mut report = Report {
            file: file.to_path_buf(),
            diagnostics: read.placed(asl::validate_file(&read.text, kind)),
        };
        if let Some(schema) = schema.filter(|schema| schema.is_file())
            && report.result() == "OK"
        {
            let schema = asl::Value::from(read_json(&schema)?);
            let warnings = asl::history_warnings(&read.text, &schema);
            report.diagnostics.extend(read.placed(warnings));
        }
        Ok(report)
    }

    fn result(&self) -> &'static str {
        let is_error = |found: &Diagnostic| found.severity == Severity::Error;
        match self.diagnostics.iter().any(is_error) {
            true => "FAIL",
            false => "OK",
        }
    }

    fn json(&self) -> Value {
        json!({"file": self.file, "result": self.result(), "diagnostics": self.diagnostics})
    }

    fn print(&self) {
        println!("{}: {}", self.file.display(), self.result());
        for diagnostic in &self.diagnostics {
            println!("  {}", line(&self.file, diagnostic));
        }
    }
}

fn schema_beside(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let mut endings = [".json", ".yaml", ".yml"].into_iter();
    let stem = endings.find_map(|ending| name.strip_suffix(ending));
    let stem = stem.unwrap_or(name);
    let stem = stem.strip_suffix(".asl").unwrap_or(stem);
    Some(file.with_file_name(format!("{stem}.schema.json")))
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
