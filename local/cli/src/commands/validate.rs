//! `hybrid validate`: every error of a definition, before it runs.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use asl::{Diagnostic, Severity};
use clap::Args;
use serde_json::json;

use crate::{
    error::{Error, USAGE},
    project::{read_json, read_text},
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
    /// Exit code 0 if every file is valid (warnings allowed), else 2.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let mut reports = Vec::new();
        for file in &self.files {
            reports.push((file, diagnostics(file)?));
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
                    println!("  {}", line(file, diagnostic));
                }
            }
        }
        let failed = reports.iter().any(|(_, found)| result(found) == "FAIL");
        Ok(if failed {
            ExitCode::from(USAGE)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// The findings of a definition; with a schema of its input beside it (`NAME.schema.json`), also whether the largest
/// input fits into a history.
fn diagnostics(file: &Path) -> Result<Vec<Diagnostic>, Error> {
    let definition = read_text(file)?;
    let mut found = asl::validate(&definition);
    if let Some(schema) = schema_beside(file).filter(|schema| schema.is_file())
        && result(&found) == "OK"
    {
        let schema = asl::Value::from(read_json(&schema)?);
        found.extend(asl::history_warnings(&definition, &schema));
    }
    Ok(found)
}

fn schema_beside(file: &Path) -> Option<PathBuf> {
    let name = file.file_name()?.to_str()?;
    let stem = name.strip_suffix(".json").unwrap_or(name);
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
    let location = match diagnostic.location.as_str() {
        "" => String::new(),
        location => format!(" at {location}"),
    };
    let mut line = format!(
        "{}:{place} {severity} {}{location}: {}",
        file.display(),
        diagnostic.code,
        diagnostic.message
    );
    if let Some(suggestion) = &diagnostic.suggestion {
        line.push_str(&format!(" ({suggestion})"));
    }
    line
}
