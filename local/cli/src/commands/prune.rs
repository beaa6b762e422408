//! `hybrid prune`: removes ended executions from a data folder of `hybrid serve`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use stepfunctions::remove_ended;

use crate::{error::Error, place::ProjectArguments};

/// Arguments of `hybrid prune`.
#[derive(Args)]
pub struct Prune {
    /// Keep what ended within as many days; 0 keeps only what runs.
    #[arg(long, value_name = "DAYS")]
    keep_days: u16,
    /// The data folder, as given to `hybrid serve`, which must not be working on it [default: out/serve].
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Prune {
    /// Removes them, and tells how much smaller the history has become.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let data = match self.data {
            Some(data) => data,
            None => self.project.find()?.out().join("serve"),
        };
        let before = cloud::time::now().plus_seconds(-86_400.0 * f64::from(self.keep_days));
        let removed = remove_ended(&data, before).await?;
        if self.json {
            println!(
                "{}",
                json!({
                    "executions": removed.executions,
                    "bytesBefore": removed.bytes_before,
                    "bytesNow": removed.bytes_now,
                })
            );
        } else {
            println!(
                "{} ended executions removed; the history had {:.1} MB and has {:.1} MB",
                removed.executions,
                removed.bytes_before as f64 / 1e6,
                removed.bytes_now as f64 / 1e6
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
