//! The `hybrid` command: runs hybrid pipelines on one machine, and checks, simulates and prices
//! them before they run on AWS.

#[macro_use]
mod output;

mod binaries;
mod commands;
mod driver;
mod error;
mod interrupt;
mod needed;
mod progress;
mod project;
mod summary;
mod timeline;

use std::process::ExitCode;

use clap::Parser;

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
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .with_writer(std::io::stderr)
        .init();
    match Cli::parse().command.execute().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}
