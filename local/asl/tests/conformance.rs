//! Runs every case of a folder against the engine under the virtual clock and compares the outcomes and histories
//! with what was recorded on AWS.
//!
//! `ASL_CONFORMANCE_DIR` names the folder; without it, `../shared/conformance/cases` beside the workspace is taken,
//! and where that is absent, as in a plain clone, the product's own cases in `tests/cases`.

#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/compare.rs"]
mod compare;
#[path = "conformance/history.rs"]
mod history;
#[path = "conformance/services.rs"]
mod services;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use case::{Case, Finding};

fn main() -> ExitCode {
    let folder = folder();
    let mut cases = match load(&folder) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    };
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    // `cargo test -- NAME` runs the cases whose name holds NAME.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    cases.retain(|case| wanted.is_empty() || wanted.iter().any(|part| case.name.contains(part)));
    if cases.is_empty() {
        eprintln!("{}: no cases", folder.display());
        return ExitCode::FAILURE;
    }
    println!("{} cases of {}", cases.len(), folder.display());
    let mut tally = Tally::default();
    for case in &cases {
        tally.add(case, &case.run());
    }
    tally.report()
}

fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Some(folder) = std::env::var_os("ASL_CONFORMANCE_DIR") {
        // Tests run in the package's folder; a relative name is meant from the workspace's.
        return own.join("../..").join(folder);
    }
    let shared = own.join("../../../shared/conformance/cases");
    if shared.is_dir() {
        return shared;
    }
    println!("../shared/conformance/cases is not there: the product's own cases run");
    own.join("tests/cases")
}

fn load(folder: &Path) -> Result<Vec<Case>, String> {
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = std::fs::read_to_string(&path)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            cases.push(Case::parse(&text).map_err(|error| format!("{}: {error}", path.display()))?);
        }
    }
    Ok(cases)
}

#[derive(Default)]
struct Tally {
    outcomes: (usize, usize),
    histories: (usize, usize),
    cases: (usize, usize),
}

impl Tally {
    fn add(&mut self, case: &Case, finding: &Finding) {
        count(&mut self.outcomes, finding.outcome.is_ok());
        if let Some(history) = &finding.history {
            count(&mut self.histories, history.is_ok());
        }
        let failures: Vec<(&str, &String)> = [
            ("outcome", Some(&finding.outcome)),
            ("history", finding.history.as_ref()),
        ]
        .into_iter()
        .filter_map(|(level, result)| result?.as_ref().err().map(|why| (level, why)))
        .collect();
        count(&mut self.cases, failures.is_empty());
        for (level, why) in failures {
            println!(
                "FAILED {level} {}\n    {}",
                case.name,
                why.replace('\n', "\n    ")
            );
        }
    }

    /// An outcome must not differ at all; of the histories at most two in a hundred.
    fn report(&self) -> ExitCode {
        println!(
            "outcome: {} passed, {} failed",
            self.outcomes.0, self.outcomes.1
        );
        println!(
            "history: {} passed, {} failed",
            self.histories.0, self.histories.1
        );
        println!("{} passed, {} failed", self.cases.0, self.cases.1);
        let histories = self.histories.0 + self.histories.1;
        if self.outcomes.1 > 0 || self.histories.1 * 50 > histories {
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

fn count(counter: &mut (usize, usize), passed: bool) {
    if passed {
        counter.0 += 1;
    } else {
        counter.1 += 1;
    }
}
