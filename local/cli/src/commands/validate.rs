//! `hybrid validate`: every error of a definition, before it runs.

use std::{collections::BTreeSet, path::PathBuf, process::ExitCode};

use asl::{Diagnostic, Severity};
use clap::Args;
use serde_json::json;

use crate::{
    definition,
    error::{Error, USAGE},
    placeholders::{Settings, Unset},
};

/// Arguments of `hybrid validate`.
#[derive(Args)]
pub struct Validate {
    /// Amazon States Language files, JSON or YAML, or `-` for standard input.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The value of a placeholder `${NAME}`; one without a value stands for what fits.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Print one JSON document: per file its result and diagnostics, as
    /// ValidateStateMachineDefinition gives them.
    #[arg(long)]
    json: bool,
}

impl Validate {
    /// Exit code 0 if every file is valid (warnings allowed), else 2.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let settings = Settings::parse(&self.sets)?;
        let mut used = BTreeSet::new();
        let mut reports = Vec::new();
        for file in &self.files {
            let filled = definition::read(file, &settings, Unset::Stays)?;
            reports.push((file, asl::validate(&filled.text)));
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
            ExitCode::from(USAGE)
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
    let mut line = format!(
        "{severity} {} at {}: {}",
        diagnostic.code, diagnostic.location, diagnostic.message
    );
    if let Some(suggestion) = &diagnostic.suggestion {
        line.push_str(&format!(" ({suggestion})"));
    }
    line
}
