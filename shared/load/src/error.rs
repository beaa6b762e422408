//! What can go wrong before or instead of a test.

use jobs::task::{INPUT_INVALID, Named};

use crate::target::TargetError;
use crate::template::TemplateError;

/// Why a test was not made. What goes wrong with single requests is counted in the result instead.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field of the test makes no sense.
    #[error("{field} {reason}")]
    Invalid {
        /// The field, as in the input.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A placeholder in the path or the body is not understood.
    #[error("{field}: {source}")]
    Template {
        /// The field, as in the input.
        field: &'static str,
        /// What is wrong.
        source: TemplateError,
    },
    /// The test asks for more than this generator may do.
    #[error("the test asks for {asked} {what}; this load generator allows {ceiling}")]
    OverCeiling {
        /// The unit.
        what: &'static str,
        /// What the test asks for.
        asked: f64,
        /// What is allowed.
        ceiling: f64,
    },
    /// The target is not allowed or cannot be found.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A redirect could not be followed.
    #[error("following redirects from {url}: {reason}")]
    Redirect {
        /// The URL that was asked.
        url: String,
        /// What went wrong.
        reason: String,
    },
    /// The rate needs more generators than the account can run.
    #[error(
        "the test needs {needed} generators at {capacity:.0} requests per second each, but only {available} may run at \
         once; lower the rate, give the function more memory or raise the concurrency"
    )]
    Concurrency {
        /// Generators needed.
        needed: u64,
        /// Requests per second of one.
        capacity: f64,
        /// Generators that may run at once.
        available: u32,
    },
    /// The certificates of the system or of the test cannot be read.
    #[error("TLS: {0}")]
    Tls(String),
    /// The machine does not give what a generator needs.
    #[error("the generator cannot start: {0}")]
    Io(#[from] std::io::Error),
    /// The result could not be written.
    #[error(transparent)]
    Artifact(#[from] jobs::artifacts::ArtifactError),
    /// The test does not end before the function's time limit.
    #[error(
        "the test needs {needed:.0} s, but this function ends after {limit:.0} s; shorten the test or raise the timeout"
    )]
    TooLong {
        /// Seconds from the invocation to the last answer.
        needed: f64,
        /// Seconds that the function may run.
        limit: f64,
    },
    /// A histogram was not readable.
    #[error(transparent)]
    Histogram(#[from] crate::histogram::HistogramError),
}

impl Error {
    /// A refusal of one field of the specification.
    pub fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid {
            field,
            reason: reason.into(),
        }
    }
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Artifact(error) => error.name(),
            Self::Target(TargetError::Host { .. } | TargetError::Address { .. })
            | Self::OverCeiling { .. } => "Input.TargetNotAllowed",
            Self::Invalid { .. }
            | Self::Template { .. }
            | Self::Target(TargetError::Url { .. })
            | Self::Tls(_)
            | Self::TooLong { .. } => INPUT_INVALID,
            Self::Concurrency { .. } => "Input.ConcurrencyExceeded",
            Self::Target(TargetError::Resolve { .. }) | Self::Redirect { .. } => {
                "Job.TargetUnreachable"
            }
            Self::Target(TargetError::Entry(_)) | Self::Io(_) | Self::Histogram(_) => {
                "Job.GeneratorFailed"
            }
        }
    }
}
