//! What would fail on AWS only: the local cloud knows no roles, starts a worker without asking for its image, and leaves
//! most of the stack alone.

pub mod calls;
mod references;
mod roles;
mod running;
mod template;

use std::{fmt, path::Path};

use stack::{Options, Stack};

pub use roles::sources;

use crate::Error;
use template::Template;

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It fails on AWS.
    Error,
    /// It is more than is needed, or cannot be checked.
    Warning,
}

/// Something that the local cloud does not mind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file to change, relative to the project.
    pub file: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Severity {
    /// `error` or `warning`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl Finding {
    /// Whether it fails on AWS.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    fn error(file: &str, message: String) -> Self {
        Self {
            severity: Severity::Error,
            file: file.to_owned(),
            message,
        }
    }

    fn warning(file: &str, message: String) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(file, message)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = self.severity.word();
        write!(formatter, "{}: {severity}: {}", self.file, self.message)
    }
}

/// Everything that is found in the project in `root`, which has a serverless.yml.
///
/// # Errors
/// [`Error::Stack`] if the stack cannot be read at all.
pub fn check(root: &Path) -> Result<Vec<Finding>, Error> {
    let file = root.join("serverless.yml");
    let stack = Stack::load(&file, &Options::default())?;
    let template = Template::read(root)?;
    let mut findings = references::check(&template);
    findings.extend(running::check(root, &stack));
    findings.extend(roles::check(root, &template)?);
    Ok(findings)
}
