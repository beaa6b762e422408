//! Limits of invocations.
//! <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>

use crate::error::ServiceError;

/// Largest request and response of a synchronous invocation, bytes (6 MB).
pub const SYNC_PAYLOAD_LIMIT: usize = 6 * 1_024 * 1_024;
/// Largest request of an asynchronous invocation, bytes (1 MB since October 2025).
pub const ASYNC_PAYLOAD_LIMIT: usize = 1_024 * 1_024;
/// Largest request that brings code, bytes: an archive of 50 MB in Base64, and the rest of the request.
pub(crate) const CODE_REQUEST_LIMIT: usize = 70 * 1_024 * 1_024;

/// `TooManyRequestsException` as Invoke answers it when no execution is free.
pub(crate) fn throttled() -> ServiceError {
    ServiceError::with_status(429, "TooManyRequestsException", "Rate Exceeded.")
}
