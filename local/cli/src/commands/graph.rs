//! `hybrid graph`: the drawing of a state machine.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use graph::{Graph as Drawing, Marks};

use crate::{
    definition,
    error::Error,
    placeholders::{Settings, Unset},
    suites,
};

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
}

impl Graph {
    /// Prints the drawing; exit code 3 if the definition has no states and transitions to draw.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let file = match self.definition {
            file if file.is_file() || file == Path::new("-") => file,
            name => suites::pipeline(&name)?,
        };
        let filled = definition::read(&file, &Settings::default(), Unset::Stays)?;
        let drawing = Drawing::parse(&filled.text).map_err(|error| Error::Definition {
            path: file,
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
