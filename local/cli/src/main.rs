//! The `hybrid` command: runs hybrid pipelines on one machine, and checks, simulates and prices
//! them before they run on AWS.

#[macro_use]
mod output;

mod binaries;
mod commands;
mod definition;
mod error;
mod interrupt;
mod needed;
mod pipe;
mod placeholders;
mod progress;
mod project;
mod sent_on;
mod standins;
mod summary;
mod timeline;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser;
use jobs::telemetry;
use tracing_subscriber::{
    filter::LevelFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

use commands::Command;

/// Run pipelines of Lambda functions and Fargate and Batch jobs on one machine, as AWS runs them.
#[derive(Parser)]
#[command(name = "hybrid", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    log(command.level());
    match command.execute().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
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
