//! Why a stack cannot be read, and what a command line may set of it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// Where a value stands: the file, its line as far as that is known, and its path in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    /// The file; empty until it is known.
    pub file: PathBuf,
    /// Line, from 1.
    pub line: Option<usize>,
    /// `resources.Resources.Trainer.Properties.Family`.
    pub at: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.file.as_os_str().is_empty() {
            write!(f, "{}:", self.file.display())?;
            if let Some(line) = self.line {
                write!(f, "{line}:")?;
            }
            f.write_str(" ")?;
        }
        f.write_str(&self.at)
    }
}

/// Why a stack could not be read. Every variant names the file.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A file could not be read.
    #[error("{}: cannot read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not YAML or JSON.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// A value is missing or has the wrong shape.
    #[error("{place}: {message}")]
    Invalid {
        /// Where it stands.
        place: Box<Place>,
        /// What was found and what was expected.
        message: String,
    },
    /// A file or folder describes no stack.
    #[error("{}: {message}", path.display())]
    NoStack {
        /// The file or folder.
        path: PathBuf,
        /// What was looked for.
        message: String,
    },
}

/// What the command line may set.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--stage`.
    pub stage: Option<String>,
    /// `--region`.
    pub region: Option<String>,
    /// `--param key=value`, read by `${param:key}`, and as parameters of a template.
    pub params: BTreeMap<String, String>,
}
