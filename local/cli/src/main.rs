//! The `hybrid` command: runs hybrid pipelines on one machine, and checks, simulates and prices
//! them before they run on AWS.

#[macro_use]
mod output;

mod answer;
mod binaries;
mod commands;
mod course;
mod definition;
mod error;
mod examples;
mod interrupt;
mod learnt;
mod ledger;
mod machines;
mod mock_file;
mod names;
mod needed;
mod pipe;
mod place;
mod progress;
mod project;
mod sent_on;
mod standins;
mod style;
mod suites;
mod summary;
mod timeline;
mod watch;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use jobs::telemetry;
use tracing_subscriber::{
    filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use commands::Command;

/// Executions are many small values, made and dropped by turns; the C library's allocator would give their memory back
/// and ask for it again each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run pipelines of Lambda functions and Fargate and Batch jobs on one machine, as AWS runs them.
#[derive(Parser)]
#[command(name = "hybrid", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let matches = command().get_matches();
    let Cli { command } = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    log(command.level());
    match command.execute().await {
        Ok(code) => code,
        Err(error) => {
            anstream::eprintln!("{}: {error}", style::bad("error"));
            error.exit_code()
        }
    }
}

/// The command line with an example of every command.
fn command() -> clap::Command {
    examples::add(Cli::command())
}

/// Logs to standard error what `RUST_LOG` asks for, else what the command tells by itself. What goes into a file has no
/// escape codes.
fn log(level: LevelFilter) {
    let filter = std::env::var("RUST_LOG").ok();
    let lines = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    tracing_subscriber::registry()
        .with(telemetry::filter(filter.as_deref(), level))
        .with(lines)
        .init();
}
