//! `hybrid exec --mocks FILE --case NAME`: a test case of AWS's mock file, on a virtual clock.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use asl::placeholders::Values;
use asl::{ExecutionType, HistoryEvent, Value};
use clap::Args;
use serde_json::json;
use testing::{MockFile, Options, Problem, Run, rehearse};

use crate::{
    error::{Error, FAILED},
    project::read_text,
    suites,
};

/// Arguments that mock every task.
#[derive(Args)]
pub struct Mocked {
    /// Mocked responses, in the format of AWS's MockConfigFile.json; time passes on a virtual clock.
    #[arg(
        long = "mocks",
        value_name = "FILE",
        requires = "case",
        conflicts_with_all = ["lambdas", "mocks", "forwards", "machines"]
    )]
    file: Option<PathBuf>,
    /// The test case of the mock file, `CASE` or `MACHINE#CASE`.
    #[arg(long, value_name = "NAME", requires = "file")]
    case: Option<String>,
}

impl Mocked {
    /// Runs the definition with the case's mocks, if there is one: exit code 0 if it SUCCEEDED, else 1.
    pub fn execute(
        &self,
        definition: &Path,
        settings: &Values,
        input: &serde_json::Value,
        express: bool,
        json: bool,
    ) -> Result<Option<ExitCode>, Error> {
        let (Some(file), Some(case)) = (&self.file, &self.case) else {
            return Ok(None);
        };
        let definition = suites::alone(definition, settings)?;
        let refuse = |problems: &[Problem]| suites::refused(file, problems);
        let mocks = MockFile::parse(&read_text(file)?).map_err(|problems| refuse(&problems.0))?;
        let mocks = mocks
            .find(&definition.name, case)
            .map_err(|problem| refuse(&[problem]))?;
        let mut problems = mocks.problems(&definition.outline, case);
        for state in mocks.missing(&definition.outline) {
            let message =
                format!("the task state {state:?} has no mock, and nothing else answers it here");
            problems.push(Problem::new(case, message));
        }
        if !problems.is_empty() {
            return Err(refuse(&problems));
        }
        let options = Options {
            kind: if express {
                ExecutionType::Express
            } else {
                ExecutionType::Standard
            },
            ..Options::default()
        };
        let run = rehearse(&definition, &input.clone().into(), mocks, options);
        if let Some(call) = run.unanswered() {
            let message = format!(
                "{:?} has no response to invocation {}",
                call.state, call.invocation
            );
            return Err(refuse(&[Problem::new(case, message)]));
        }
        print(&run, json);
        Ok(Some(if run.output().is_some() {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }))
    }
}

fn print(run: &Run, json: bool) {
    let (error, cause) = run.failure();
    if json {
        let events: Vec<Value> = run
            .execution
            .history()
            .iter()
            .map(HistoryEvent::to_json)
            .collect();
        println!(
            "{}",
            json!({"status": run.status().name(), "output": run.output(), "error": error, "cause": cause, "events": events})
        );
        return;
    }
    match run.output() {
        Some(output) => println!("{output}"),
        None => eprintln!("{}", run.status().name()),
    }
    for (what, text) in [("error", error), ("cause", cause)] {
        if let Some(text) = text {
            eprintln!("{what}: {text}");
        }
    }
}
