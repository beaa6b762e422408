//! `hybrid exec`: any definition by itself, without a project; commands stand in for its functions.

use std::{collections::HashMap, path::PathBuf, process::ExitCode, sync::Arc};

use asl::{ExecutionType, Start, StateMachine, Status, Value};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::{
    driver::{self, Clock, Functions},
    error::{Error, FAILED},
    project::read_text,
};

/// Arguments of `hybrid exec`.
#[derive(Args)]
pub struct Exec {
    /// An Amazon States Language file, or `-` for standard input.
    definition: PathBuf,
    /// Input, a JSON file or `-` for standard input [default: {}].
    #[arg(long)]
    input: Option<PathBuf>,
    /// The command that stands in for a function: it gets the payload on standard input and answers
    /// with JSON on standard output; another exit code than 0 is a function error.
    #[arg(long = "lambda", value_name = "NAME=COMMAND")]
    lambdas: Vec<String>,
    /// Whether Wait, Retry delays and timeouts take their time.
    #[arg(long, value_enum, default_value_t = ClockArgument::Real)]
    clock: ClockArgument,
    /// Run as an Express instead of a Standard workflow.
    #[arg(long)]
    express: bool,
    /// Print one JSON document with status, output, error, cause and events.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mocked: super::mocked::Mocked,
}

/// The clock as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum ClockArgument {
    /// As on AWS.
    Real,
    /// Skip to the next timer as soon as nothing real is running.
    Virtual,
}

impl From<ClockArgument> for Clock {
    fn from(clock: ClockArgument) -> Self {
        match clock {
            ClockArgument::Real => Clock::Real,
            ClockArgument::Virtual => Clock::Virtual,
        }
    }
}

impl From<ClockArgument> for stepfunctions::ClockMode {
    fn from(clock: ClockArgument) -> Self {
        match clock {
            ClockArgument::Real => stepfunctions::ClockMode::Real,
            ClockArgument::Virtual => stepfunctions::ClockMode::Virtual,
        }
    }
}

impl Exec {
    /// Exit code 0 if the execution SUCCEEDED, 2 for a wrong definition or input, else 1.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let machine = StateMachine::parse(&read_text(&self.definition)?).map_err(|invalid| {
            let lines = invalid
                .diagnostics
                .iter()
                .map(|found| super::validate::line(&self.definition, found));
            Error::Definition {
                path: self.definition.clone(),
                problems: lines.collect::<Vec<_>>().join("\n"),
            }
        })?;
        let input = match &self.input {
            Some(file) => Value::from(crate::project::read_json(file)?),
            None => Value::object::<&str>([]),
        };
        if let Some(code) =
            self.mocked
                .execute(&self.definition, input.clone(), self.express, self.json)?
        {
            return Ok(code);
        }
        let functions = Arc::new(functions(&self.lambdas)?);
        let start = start(&self, input);
        let execution = driver::run(machine, start, self.clock.into(), functions).await;
        let status = execution.status();
        if self.json {
            let events: Vec<Value> = execution
                .history()
                .iter()
                .map(asl::HistoryEvent::to_json)
                .collect();
            let (output, error, cause) = parts(status);
            println!(
                "{}",
                json!({"status": status.name(), "output": output, "error": error, "cause": cause, "events": events})
            );
        } else {
            print(status);
        }
        Ok(match status {
            Status::Succeeded { .. } => ExitCode::SUCCESS,
            _ => ExitCode::from(FAILED),
        })
    }
}

fn start(arguments: &Exec, input: Value) -> Start {
    let name = format!("exec-{}", cloud::time::now().0);
    let (kind, service) = if arguments.express {
        (ExecutionType::Express, "express")
    } else {
        (ExecutionType::Standard, "execution")
    };
    let place = "arn:aws:states:us-east-1:123456789012";
    Start {
        arn: format!("{place}:{service}:exec:{name}").into(),
        name: name.into(),
        role_arn: "arn:aws:iam::123456789012:role/exec".into(),
        state_machine_arn: format!("{place}:stateMachine:exec").into(),
        state_machine_name: "exec".into(),
        kind,
        input,
        seed: cloud::time::now().0.unsigned_abs(),
        ..Start::default()
    }
}

fn functions(arguments: &[String]) -> Result<Functions, Error> {
    let pairs = arguments.iter().map(|argument| {
        argument
            .split_once('=')
            .map(|(name, command)| (name.to_owned(), command.to_owned()))
            .ok_or_else(|| Error::Usage(format!("--lambda {argument}: expected NAME=COMMAND")))
    });
    pairs
        .collect::<Result<HashMap<_, _>, _>>()
        .map(Functions::new)
}

fn parts(status: &Status) -> (Option<&Value>, Option<&str>, Option<&str>) {
    match status {
        Status::Running => (None, None, None),
        Status::Succeeded { output } => (Some(output), None, None),
        Status::Failed { error, cause }
        | Status::TimedOut { error, cause }
        | Status::Aborted { error, cause } => (None, error.as_deref(), cause.as_deref()),
    }
}

/// The output alone on standard output, so that it can be piped; what went wrong on standard error.
fn print(status: &Status) {
    let (output, error, cause) = parts(status);
    if let Some(output) = output {
        println!("{output}");
    } else {
        eprintln!("{}", status.name());
        for (what, text) in [("error", error), ("cause", cause)] {
            if let Some(text) = text {
                eprintln!("{what}: {text}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_a_name_and_a_command() {
        assert!(functions(&["echo=cat".to_owned()]).is_ok());
        let error = functions(&["echo".to_owned()]).err().unwrap();
        assert_eq!(error.to_string(), "--lambda echo: expected NAME=COMMAND");
    }
}
