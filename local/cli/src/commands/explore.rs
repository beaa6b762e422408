//! `hybrid explore`: what each failure of each task comes to, and what bounded combinations of inputs, answers and
//! errors bring to light.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::{Value, json};
use testing::explore::{Bounds, Exploration, Finding, FindingKind, Subject, TableRow, explore};

use crate::{
    error::{Error, FAILED},
    place::ProjectArguments,
    suites::{self, Loaded, Suites},
    summary::table,
};

/// Arguments of `hybrid explore`.
#[derive(Args)]
pub struct Explore {
    /// Definitions, or pipelines of this project [default: all pipelines].
    definitions: Vec<PathBuf>,
    /// How many random combinations to try.
    #[arg(long, value_name = "N", default_value_t = 300)]
    runs: usize,
    /// Where chance comes from; the same seed finds the same.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave out the table of failures.
    #[arg(long)]
    findings: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArguments,
}

impl Explore {
    /// Exit code 0 if nothing is found but what is accepted, 2 for a file that cannot be used, else 1.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let mut documents = Vec::new();
        let mut clean = true;
        for loaded in Suites::of(&self.project).definitions(&self.definitions)? {
            known_kinds(&loaded)?;
            let subject = Subject {
                definition: &loaded.definition,
                suite: loaded.suite.as_ref(),
                sample: loaded.sample.as_ref(),
                schema: loaded.schema.as_ref(),
            };
            let bounds = Bounds {
                runs: self.runs,
                seed: self.seed,
            };
            let exploration = explore(&subject, bounds);
            clean &= exploration.open().next().is_none();
            if self.json {
                documents.push(document(&loaded, &exploration));
            } else {
                print(&loaded, &exploration, !self.findings);
            }
        }
        if self.json {
            println!("{}", json!(documents));
        }
        Ok(if clean {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }
}

/// That what is accepted are findings that there can be.
fn known_kinds(loaded: &Loaded) -> Result<(), Error> {
    for accepted in loaded.suite.iter().flat_map(|suite| &suite.accepted) {
        let known = FindingKind::ALL.map(FindingKind::name);
        if !known.contains(&accepted.finding.as_str()) {
            let problem = testing::Problem {
                path: format!("{}.finding", accepted.path),
                message: format!(
                    "there is no finding {:?}; there are: {}",
                    accepted.finding,
                    known.join(", ")
                ),
                suggestion: testing::closest(&accepted.finding, known).map(str::to_owned),
            };
            return Err(suites::refused(&loaded.file, &[problem]));
        }
    }
    Ok(())
}

fn print(loaded: &Loaded, exploration: &Exploration, with_table: bool) {
    println!("{}", loaded.definition.name);
    if with_table && !exploration.table.is_empty() {
        let rows = exploration.table.iter().map(|row| {
            vec![
                row.state.clone(),
                row.error.clone(),
                tries(row),
                caught(row),
                ends(row),
            ]
        });
        print!(
            "{}",
            table(
                &["task", "error", "retried", "caught", "the execution"],
                rows.collect()
            )
        );
    }
    for finding in &exploration.findings {
        print_finding(finding);
    }
    let open = exploration.open().count();
    println!(
        "{}: {open} findings, {} accepted, in {} runs that reached {:.1} % of the state machine\n",
        loaded.definition.name,
        exploration.findings.len() - open,
        exploration.runs,
        exploration.coverage.percent()
    );
}

fn tries(row: &TableRow) -> String {
    match row.retries {
        0 => "no".to_owned(),
        retries => format!("{retries} times, up to {} s", row.delay_seconds),
    }
}

fn caught(row: &TableRow) -> String {
    match &row.caught {
        Some(caught) if caught.state == row.state => format!("-> {}", caught.next),
        Some(caught) => format!("by {} -> {}", caught.state, caught.next),
        None => "nowhere".to_owned(),
    }
}

fn ends(row: &TableRow) -> String {
    match (&row.ends, &row.caught) {
        (Some((status, Some(error))), _) => format!("{status} {error}"),
        (Some((status, None)), _) => status.clone(),
        (None, None) => format!("FAILED {}", row.as_error),
        (None, Some(_)) => "was not run".to_owned(),
    }
}

fn print_finding(finding: &Finding) {
    let accepted = finding.accepted.as_ref();
    let how = if accepted.is_some() {
        "accepted"
    } else {
        "FINDING"
    };
    println!(
        "{how} {} at {:?}: {}",
        finding.kind.name(),
        finding.state,
        finding.message
    );
    if let Some(reason) = accepted {
        println!("  because: {reason}");
    } else if let Some(case) = &finding.case {
        println!("  case: {case}");
    }
}

fn document(loaded: &Loaded, exploration: &Exploration) -> Value {
    let row = |row: &TableRow| {
        json!({
            "state": row.state,
            "error": row.error,
            "retries": row.retries,
            "delaySeconds": row.delay_seconds,
            "caught": row.caught.as_ref().map(|caught| json!({"state": caught.state, "rule": caught.rule, "next": caught.next})),
            "endsAs": row.as_error,
            "execution": row.ends.as_ref().map(|(status, error)| json!({"status": status, "error": error})),
        })
    };
    let finding = |finding: &Finding| {
        json!({
            "finding": finding.kind.name(),
            "state": finding.state,
            "field": finding.field,
            "errors": finding.errors,
            "message": finding.message,
            "case": finding.case,
            "accepted": finding.accepted,
        })
    };
    json!({
        "stateMachine": loaded.definition.name,
        "table": exploration.table.iter().map(row).collect::<Vec<_>>(),
        "findings": exploration.findings.iter().map(finding).collect::<Vec<_>>(),
        "runs": exploration.runs,
        "coverage": exploration.coverage.percent(),
    })
}
