//! `hybrid completions` and `hybrid man`: what a shell and `man` want to know of this command.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;
use clap_complete::Shell;

use crate::error::Error;

/// Arguments of `hybrid completions`.
#[derive(Args)]
pub struct Completions {
    /// The shell.
    shell: Shell,
}

impl Completions {
    /// Prints the script.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command(), "hybrid", &mut script);
        print!("{}", String::from_utf8_lossy(&script));
        Ok(ExitCode::SUCCESS)
    }
}

/// Arguments of `hybrid man`.
#[derive(Args)]
pub struct Man {
    /// Folder for one page per command; without it the page of `hybrid` itself is printed.
    folder: Option<PathBuf>,
}

impl Man {
    /// Prints the page, or writes all of them.
    pub fn execute(self) -> Result<ExitCode, Error> {
        match self.folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
                clap_mangen::generate_to(crate::command(), &folder)
                    .map_err(Error::file(&folder))?;
            }
            None => {
                let mut page = Vec::new();
                let rendered = clap_mangen::Man::new(crate::command()).render(&mut page);
                rendered.map_err(Error::file("hybrid.1"))?;
                print!("{}", String::from_utf8_lossy(&page));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
