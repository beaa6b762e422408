//! `hybrid graph`: the drawing of a state machine.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use graph::{Graph as Drawing, Marks};

use crate::{error::Error, place::ProjectArguments, suites::Suites};

/// Arguments of `hybrid graph`.
#[derive(Args)]
pub struct Graph {
    /// A definition, JSON or YAML, `-` for standard input, or a pipeline of this project.
    #[arg(value_name = "FILE|PIPELINE")]
    definition: PathBuf,
    /// A Mermaid flowchart for a page that draws by itself, in place of SVG.
    #[arg(long)]
    mermaid: bool,
    /// Write to a file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
}

impl Graph {
    /// Prints the drawing; exit code 3 if the definition has no states and transitions to draw.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let text = Suites::of(&self.project).text(&self.definition)?;
        let drawing = Drawing::parse(&text).map_err(|error| Error::Definition {
            path: self.definition.clone(),
            problems: error.to_string(),
        })?;
        let text = match self.mermaid {
            true => drawing.mermaid(),
            false => format!("{}\n", drawing.svg(&Marks::default())),
        };
        match &self.output {
            Some(path) => std::fs::write(path, text).map_err(Error::file(path))?,
            None => print!("{text}"),
        }
        Ok(ExitCode::SUCCESS)
    }
}
