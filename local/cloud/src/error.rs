//! The one error that every local service answers with.

/// Code of an action that there is not.
pub(crate) const UNKNOWN_ACTION: &str = "UnknownOperationException";

/// An AWS service error as it goes over the wire: code, sentence, HTTP status.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ServiceError {
    /// Exception name without namespace: `ClusterNotFoundException`.
    pub code: String,
    /// What was wrong and where.
    pub message: String,
    /// HTTP status.
    pub status: u16,
}

impl ServiceError {
    /// An error of the caller, HTTP 400.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::with_status(400, code, message)
    }

    /// An error with its own HTTP status.
    pub fn with_status(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        ServiceError {
            code: code.into(),
            message: message.into(),
            status,
        }
    }

    /// An action that this local service does not offer.
    pub fn unknown_action(service: &str, action: &str) -> Self {
        Self::new(
            UNKNOWN_ACTION,
            format!("the local cloud does not offer {service}:{action}"),
        )
    }
}
