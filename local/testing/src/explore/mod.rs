//! Every failure explored: which errors each task can raise and what comes of each, then bounded, seeded combinations
//! of inputs, answers and errors.

mod catalogue;
mod finding;
mod inputs;
mod table;
mod vocabulary;
mod walk;

use serde_json::Value;

use crate::coverage::Coverage;
use crate::definition::Definition;
use crate::suite::Suite;

pub use finding::{Finding, FindingKind};
pub use table::{Caught, TableRow};

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The definition.
    pub definition: &'a Definition,
    /// Its test cases, whose mocked responses are what its services are known to answer.
    pub suite: Option<&'a Suite>,
    /// A sample input.
    pub sample: Option<&'a Value>,
    /// The JSON Schema of its input.
    pub schema: Option<&'a Value>,
}

/// How far the exploration goes. The same bounds and seed find the same.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// How many random combinations are tried.
    pub runs: usize,
    /// Where chance comes from.
    pub seed: u64,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { runs: 300, seed: 1 }
    }
}

/// What the exploration found.
#[derive(Debug)]
pub struct Exploration {
    /// For each task and each error that it can raise, what comes of it.
    pub table: Vec<TableRow>,
    /// What is wrong, or accepted.
    pub findings: Vec<Finding>,
    /// How many executions were run.
    pub runs: usize,
    /// What they reached.
    pub coverage: Coverage,
}

impl Exploration {
    /// The findings that nobody has accepted.
    pub fn open(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.accepted.is_none())
    }
}

/// Explores a state machine.
pub fn explore(subject: &Subject, bounds: Bounds) -> Exploration {
    let (mut table, mut findings) = table::build(subject.definition);
    let walked = walk::walk(subject, bounds, &mut table);
    for finding in findings
        .iter_mut()
        .filter(|finding| finding.kind == FindingKind::Uncaught)
    {
        finding.case = walked.uncaught.get(&finding.state).cloned();
    }
    findings.extend(walked.findings);
    let accepted = subject.suite.map_or(&[][..], |suite| &suite.accepted);
    for finding in &mut findings {
        let matching = accepted
            .iter()
            .find(|accepted| finding.is_accepted_by(accepted));
        finding.accepted = matching.map(|accepted| accepted.reason.clone());
    }
    findings.sort_by_key(|finding| (finding.accepted.is_some(), finding.kind));
    Exploration {
        table,
        findings,
        runs: walked.runs,
        coverage: walked.coverage,
    }
}
