//! `hybrid prune`: removes ended executions from a data folder of `hybrid serve`, and what is old from the ledger of
//! `hybrid run`.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use serde_json::json;
use stepfunctions::remove_ended;

use crate::{error::Error, ledger, place::ProjectArguments};

/// Arguments of `hybrid prune`.
#[derive(Args)]
pub struct Prune {
    /// Keep what ended within as many days; 0 keeps only what runs.
    #[arg(long, value_name = "DAYS")]
    keep_days: u16,
    /// A data folder, as given to `hybrid serve`, which must not be working on it; then only that is pruned [default:
    /// out/serve, and the ledger of runs, out/ledger.json].
    #[arg(long)]
    data: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Prune {
    /// Removes them, and tells how much smaller history and ledger have become.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let before = cloud::time::now().plus_seconds(-86_400.0 * f64::from(self.keep_days));
        let mut forgotten = None;
        let data = match self.data {
            Some(data) => Some(data),
            None => {
                let out = self.project.find()?.out();
                let file = out.join(ledger::FILE);
                if file.is_file() {
                    let before_ms = u64::try_from(before.0 / 1_000).unwrap_or(0);
                    let forget = |kept: &mut ledger::Ledgers| kept.forget(before_ms);
                    forgotten = Some(ledger::change(&file, forget)?);
                }
                // Who only runs pipelines has no such folder.
                Some(out.join("serve")).filter(|data| forgotten.is_none() || data.is_dir())
            }
        };
        let removed = match data {
            Some(data) => Some(remove_ended(&data, before).await?),
            None => None,
        };
        if self.json {
            let count = |of: fn(&stepfunctions::Removed) -> u64| removed.as_ref().map_or(0, of);
            println!(
                "{}",
                json!({
                    "executions": removed.as_ref().map_or(0, |removed| removed.executions),
                    "bytesBefore": count(|removed| removed.bytes_before),
                    "bytesNow": count(|removed| removed.bytes_now),
                    "ledgerEntries": forgotten.unwrap_or(0),
                })
            );
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(removed) = removed {
            println!(
                "{} ended executions removed; the history had {:.1} MB and has {:.1} MB",
                removed.executions,
                removed.bytes_before as f64 / 1e6,
                removed.bytes_now as f64 / 1e6
            );
        }
        if let Some(forgotten) = forgotten {
            println!("{forgotten} entries removed from the ledger of runs");
        }
        Ok(ExitCode::SUCCESS)
    }
}
