//! The error names that the language itself knows
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html>).

/// Matches every error but those that nothing catches.
pub(crate) const ALL: &str = "States.ALL";

/// Matches every error but timeouts and failed queries; what a task fails with that names no error.
pub(crate) const TASK_FAILED: &str = "States.TaskFailed";

/// A task or the execution took too long.
pub(crate) const TIMEOUT: &str = "States.Timeout";

/// A task sent no heartbeat in time. It is told as [`TIMEOUT`] and matches as both.
pub(crate) const HEARTBEAT_TIMEOUT: &str = "States.HeartbeatTimeout";

/// A JSONPath query, or a quota. Nothing catches it.
pub(crate) const RUNTIME: &str = "States.Runtime";

/// A JSONata expression.
pub(crate) const QUERY_EVALUATION: &str = "States.QueryEvaluationError";

/// A reference path does not apply to the input. Its cause stands alone, without the state's name.
pub(crate) const PATH_CONFLICT: &str = "States.ReferencePathConflict";

/// A result is too large.
pub(crate) const DATA_LIMIT: &str = "States.DataLimitExceeded";

/// More iterations failed than a Map tolerates.
pub(crate) const TOLERANCE_EXCEEDED: &str = "States.ExceedToleratedFailureThreshold";

/// The items of a Distributed Map could not be read.
pub(crate) const ITEM_READER_FAILED: &str = "States.ItemReaderFailed";

/// The interpreter broke a rule of its own: a defect. It is not one of AWS's names, and nothing catches it.
pub(crate) const BROKEN_INVARIANT: &str = "States.BrokenInvariant";
