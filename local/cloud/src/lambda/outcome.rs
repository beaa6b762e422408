//! What came of an invocation, in the documents that Lambda makes when a function cannot speak for
//! itself.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use crate::process::{Cause, Exit};

/// Result of one invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Response, or error document.
    pub payload: Bytes,
    /// Whether it is an error document.
    pub failed: bool,
    /// End of the log, where it was asked for.
    pub log_tail: Option<Vec<u8>>,
}

impl Outcome {
    /// The function's response.
    pub(super) fn success(payload: Bytes) -> Self {
        Outcome {
            payload,
            failed: false,
            log_tail: None,
        }
    }

    /// The error document that the function itself sent.
    pub(super) fn error(payload: Bytes) -> Self {
        Outcome {
            payload,
            failed: true,
            log_tail: None,
        }
    }

    /// An error document that Lambda makes.
    pub(super) fn failure(error_type: &str, message: &str) -> Self {
        let document = json!({"errorType": error_type, "errorMessage": message});
        Self::error(Bytes::from(document.to_string()))
    }

    /// The time limit passed: `Sandbox.Timedout`, seconds with two decimals.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html>
    pub(super) fn timed_out(request_id: &str, limit: Duration) -> Self {
        let seconds = limit.as_secs_f64();
        let message =
            format!("RequestId: {request_id} Error: Task timed out after {seconds:.2} seconds");
        Self::failure("Sandbox.Timedout", &message)
    }

    /// The process ended without an answer. A process over its memory limit is killed, and Lambda
    /// reports exactly that signal; the log's REPORT line tells how much memory was used.
    pub(super) fn exited(request_id: &str, exit: Exit) -> Self {
        let how = match exit {
            Exit {
                cause: Cause::OutOfMemory,
                ..
            }
            | Exit {
                signal: Some(9), ..
            } => "Runtime exited with error: signal: killed".to_owned(),
            Exit {
                signal: Some(signal),
                ..
            } => {
                format!("Runtime exited with error: signal: {}", signal_name(signal))
            }
            Exit { code: 0, .. } => "Runtime exited without providing a reason".to_owned(),
            Exit { code, .. } => format!("Runtime exited with error: exit status {code}"),
        };
        Self::failure(
            "Runtime.ExitError",
            &format!("RequestId: {request_id} Error: {how}"),
        )
    }

    /// The response was larger than the limit.
    pub(super) fn too_large(limit: usize) -> Self {
        let message =
            format!("Response payload size exceeded maximum allowed payload size ({limit} bytes).");
        Self::failure("Function.ResponseSizeTooLarge", &message)
    }
}

/// Signal names as Lambda's messages spell them.
fn signal_name(signal: i32) -> String {
    match signal {
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        11 => "segmentation fault".to_owned(),
        15 => "terminated".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_documents_are_those_of_lambda() {
        let exit = |code, signal, cause| Exit {
            code,
            signal,
            cause,
        };
        for (exit, message) in [
            (
                exit(1, None, Cause::Itself),
                "Runtime exited with error: exit status 1",
            ),
            (
                exit(0, None, Cause::Itself),
                "Runtime exited without providing a reason",
            ),
            (
                exit(137, Some(9), Cause::OutOfMemory),
                "Runtime exited with error: signal: killed",
            ),
            (
                exit(137, Some(9), Cause::Itself),
                "Runtime exited with error: signal: killed",
            ),
            (
                exit(139, Some(11), Cause::Itself),
                "Runtime exited with error: signal: segmentation fault",
            ),
        ] {
            let outcome = Outcome::exited("r", exit);
            let document = format!(
                r#"{{"errorType":"Runtime.ExitError","errorMessage":"RequestId: r Error: {message}"}}"#
            );
            assert_eq!(outcome.payload, document);
            assert!(outcome.failed);
        }
        assert_eq!(
            Outcome::timed_out("r", Duration::from_secs(3)).payload,
            r#"{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: r Error: Task timed out after 3.00 seconds"}"#
        );
    }
}
