//! `hybrid console`: what an earlier run left, in the browser.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use stack::Stack;
use stepfunctions::{Cloud, Config};

use super::{history, price::prices_of};
use crate::{browser, error::Error, place::ProjectArguments, project::Project};

/// Arguments of `hybrid console`.
#[derive(Args)]
pub struct Console {
    /// Name of the execution [default: the latest].
    execution: Option<String>,
    /// Folder of the results, as given to `hybrid run` [default: out].
    #[arg(long)]
    out: Option<PathBuf>,
    /// In place of a run, the data folder of a `hybrid serve` that has ended.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["execution", "out"])]
    data: Option<PathBuf>,
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Open the page in the browser.
    #[arg(long)]
    open: bool,
    #[command(flatten)]
    project: ProjectArguments,
}

impl Console {
    /// Shows it until Ctrl-C or SIGTERM. Nothing goes on that was running, and nothing can be started.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let project = self.project.find()?;
        let stack = self.project.stack(&project)?;
        let (folder, name) = self.folder(&project)?;
        if !folder.is_dir() {
            return Err(Error::Usage(format!(
                "there is no data folder {}; `hybrid run` and `hybrid serve` make one",
                folder.display()
            )));
        }
        let prices = prices_of(Some(&stack))?;
        let mut config = Config::new(stack.clone(), folder, PathBuf::new());
        config.port = self.port;
        config.at_rest = true;
        let cloud = Cloud::start(config).await?;
        let console = console::open(&cloud, &stack, prices);
        let address = match find(&cloud, &stack, name.as_deref()).await {
            Some(arn) => console::execution_address(&console, &arn),
            None => console,
        };
        println!("{address}");
        if self.open {
            browser::open(&address);
        }
        browser::keep(&cloud).await;
        Ok(ExitCode::SUCCESS)
    }

    /// The data folder, and the execution that it is of.
    fn folder(&self, project: &Project) -> Result<(PathBuf, Option<String>), Error> {
        if let Some(data) = &self.data {
            return Ok((data.clone(), None));
        }
        let out = self.out.clone().unwrap_or_else(|| project.out());
        let data = |name: &str| Path::join(&out, name).join("cloud");
        let name = match &self.execution {
            // A run that was killed has no more than its data.
            Some(name) if stepfunctions::check_name(name).is_ok() && data(name).is_dir() => {
                name.clone()
            }
            given => history::chosen(&out, given.as_deref())?,
        };
        Ok((data(&name), Some(name)))
    }
}

/// The execution of that name, of whichever state machine.
async fn find(cloud: &Cloud, stack: &Stack, name: Option<&str>) -> Option<String> {
    for machine in &stack.state_machines {
        let of = machine.arn.replacen(":stateMachine:", ":execution:", 1);
        let arn = format!("{of}:{}", name?);
        if cloud.describe(&arn).await.is_ok() {
            return Some(arn);
        }
    }
    None
}
