//! The errors that several actions have in common, in the service's own words, and why the service does not start.

use cloud::error::ServiceError;

use crate::store::StoreError;

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum SfnError {
    /// The history cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition in the stack is invalid.
    #[error("state machine {name}{}: {invalid}", source_file(.file))]
    Definition {
        /// The machine's name.
        name: String,
        /// The file of its definition.
        file: Option<std::path::PathBuf>,
        /// All findings.
        invalid: asl::Invalid,
    },
}

fn source_file(file: &Option<std::path::PathBuf>) -> String {
    file.as_ref()
        .map(|file| format!(" ({})", file.display()))
        .unwrap_or_default()
}

pub(crate) fn internal(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::with_status(500, "InternalServerError", error.to_string())
}

/// A member that breaks a rule of the model, or several that do not go together.
pub(crate) fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ValidationException", message)
}

pub(crate) fn no_execution(arn: &str) -> ServiceError {
    ServiceError::new(
        "ExecutionDoesNotExist",
        format!("Execution Does Not Exist: '{arn}'"),
    )
}

pub(crate) fn execution_exists(arn: &str) -> ServiceError {
    ServiceError::new(
        "ExecutionAlreadyExists",
        format!("Execution Already Exists: '{arn}'"),
    )
}

pub(crate) fn no_machine(arn: &str) -> ServiceError {
    ServiceError::new(
        "StateMachineDoesNotExist",
        format!("State Machine Does Not Exist: '{arn}'"),
    )
}

pub(crate) fn no_resource(arn: &str) -> ServiceError {
    ServiceError::new("ResourceNotFound", format!("Resource not found: '{arn}'"))
}

pub(crate) fn not_redrivable(reason: &str) -> ServiceError {
    ServiceError::new("ExecutionNotRedrivable", reason)
}

pub(crate) fn conflict(message: String) -> ServiceError {
    ServiceError::new("ConflictException", message)
}

pub(crate) fn machine_deleting(arn: &str) -> ServiceError {
    ServiceError::new(
        "StateMachineDeleting",
        format!("State Machine Deleting: '{arn}'"),
    )
}

/// What only Standard or only Express machines do.
pub(crate) fn not_of_this_type() -> ServiceError {
    ServiceError::new(
        "StateMachineTypeNotSupported",
        "This operation is not supported by this type of state machine",
    )
}
