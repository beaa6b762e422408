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
mod suites;
mod summary;
mod timeline;

use std::process::ExitCode;

use clap::Parser;
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
    log();
    match Cli::parse().command.execute().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error}");
            error.exit_code()
        }
    }
}

/// Logs to standard error what `RUST_LOG` asks for, else warnings.
fn log() {
    let filter = std::env::var("RUST_LOG").ok();
    tracing_subscriber::registry()
        .with(telemetry::filter(filter.as_deref(), LevelFilter::WARN))
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .init();
}
