//! One file a command.

mod doctor;
mod exec;
mod explore;
mod graph;
mod history;
mod jobs;
mod load;
mod logs;
mod mocked;
mod new;
mod price;
mod prune;
mod run;
mod serve;
mod shell;
mod test;
mod test_state;
mod validate;

use std::process::ExitCode;

pub use validate::line;

use clap::Subcommand;
use tracing_subscriber::filter::LevelFilter;

use crate::error::Error;

/// What `hybrid` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Print a script that completes this command in a shell.
    Completions(shell::Completions),
    /// Say what is missing to run, package and deploy, and how to get it.
    Doctor(doctor::Doctor),
    /// Run any definition by itself, with commands in place of its functions.
    Exec(exec::Exec),
    /// Tell what each failure of a state machine comes to, and find those that nobody thought of.
    Explore(explore::Explore),
    /// Draw a state machine: SVG, or Mermaid.
    Graph(graph::Graph),
    /// Tell what happened in an execution, event by event.
    History(history::History),
    /// List what the ledger knows of the jobs of each worker: how long, how much, how dear, and which way they took.
    Jobs(jobs::Jobs),
    /// Put a URL under load and measure its latency, in an open or a closed loop.
    Load(Box<load::LoadArguments>),
    /// Print what functions, tasks and jobs of an execution wrote.
    Logs(logs::Logs),
    /// Print the manual page, or write one for each command.
    Man(shell::Man),
    /// Make a project, or add a function, a worker or a pipeline to this one.
    New(new::New),
    /// Say what a job, or each job of a pipeline, costs on every placement, and which it would get.
    Price(price::Price),
    /// Remove ended executions from a data folder of `serve`.
    Prune(prune::Prune),
    /// Run a pipeline of this project on this machine.
    Run(run::Run),
    /// Serve the local cloud on one endpoint, for any SDK or the AWS CLI.
    Serve(serve::Serve),
    /// Run the test cases of state machines: mocked services, a virtual clock, coverage.
    Test(test::Test),
    /// Test one state with an input, as the TestState API does; its task needs a mock.
    TestState(test_state::TestState),
    /// Check state machine definitions as CreateStateMachine does, all errors at once.
    Validate(validate::Validate),
}

impl Command {
    /// What it logs by itself. A server tells what happens in it.
    pub fn level(&self) -> LevelFilter {
        match self {
            Command::Serve(_) => LevelFilter::INFO,
            _ => LevelFilter::WARN,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What keeps the command from being done; a run that ends FAILED is no error but an exit code.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        match self {
            Command::Completions(command) => command.execute(),
            Command::Doctor(command) => command.execute().await,
            Command::Exec(command) => command.execute().await,
            Command::Explore(command) => command.execute(),
            Command::Graph(command) => command.execute(),
            Command::History(command) => command.execute(),
            Command::Jobs(command) => command.execute().await,
            Command::Load(command) => command.execute().await,
            Command::Logs(command) => command.execute().await,
            Command::Man(command) => command.execute(),
            Command::New(command) => command.execute(),
            Command::Price(command) => command.execute(),
            Command::Prune(command) => command.execute().await,
            Command::Run(command) => command.execute().await,
            Command::Serve(command) => command.execute().await,
            Command::Test(command) => command.execute(),
            Command::TestState(command) => command.execute(),
            Command::Validate(command) => command.execute(),
        }
    }
}
