//! One file a command.

mod doctor;
mod exec;
mod history;
mod load;
mod price;
mod prune;
mod run;
mod serve;
mod test_state;
mod validate;

use std::process::ExitCode;

use clap::Subcommand;
use tracing_subscriber::filter::LevelFilter;

use crate::error::Error;

/// What `hybrid` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Say what is missing to run, package and deploy, and how to get it.
    Doctor(doctor::Doctor),
    /// Run any definition by itself, with commands in place of its functions.
    Exec(exec::Exec),
    /// Tell what happened in an execution, event by event.
    History(history::History),
    /// Put a URL under load and measure its latency, in an open or a closed loop.
    Load(Box<load::LoadArguments>),
    /// Say what a job, or each job of a pipeline, costs on every placement, and which it would get.
    Price(price::Price),
    /// Remove ended executions from a data folder of `serve`.
    Prune(prune::Prune),
    /// Run a pipeline of this project on this machine.
    Run(run::Run),
    /// Serve the local cloud on one endpoint, for any SDK or the AWS CLI.
    Serve(serve::Serve),
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
            Command::Doctor(command) => command.execute(),
            Command::Exec(command) => command.execute().await,
            Command::History(command) => command.execute(),
            Command::Load(command) => command.execute().await,
            Command::Price(command) => command.execute(),
            Command::Prune(command) => command.execute().await,
            Command::Run(command) => command.execute().await,
            Command::Serve(command) => command.execute().await,
            Command::TestState(command) => command.execute(),
            Command::Validate(command) => command.execute(),
        }
    }
}
