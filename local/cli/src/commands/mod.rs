//! One file a command.

mod run;
mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use crate::error::Error;

/// What `hybrid` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run a pipeline of this project on this machine.
    Run(run::Run),
    /// Check state machine definitions as CreateStateMachine does, all errors at once.
    Validate(validate::Validate),
}

impl Command {
    /// Does it.
    ///
    /// # Errors
    /// What keeps the command from being done; a run that ends FAILED is no error but an exit code.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        match self {
            Command::Run(command) => command.execute().await,
            Command::Validate(command) => command.execute(),
        }
    }
}
