//! The task-token protocol: how a worker tells a waiting state that it succeeded, failed or is still alive.

use std::fmt;
use std::sync::Mutex;

use input::InvalidInput;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The caller gave something that cannot be used; never retried.
pub const INPUT_INVALID: &str = "Input.Invalid";
/// Something the input names (a data set, a model) does not exist; never retried.
pub const INPUT_NOT_FOUND: &str = "Input.NotFound";
/// The worker ended without an answer.
pub const JOB_CRASHED: &str = "Job.Crashed";
/// The container was killed because it used more memory than it has.
pub const JOB_OUT_OF_MEMORY: &str = "Job.OutOfMemory";
/// The job ran out of all the memory that it may have; never retried.
pub const JOB_TOO_LARGE: &str = "Job.TooLarge";
/// AWS took the Spot capacity back.
pub const JOB_SPOT_RECLAIMED: &str = "Job.SpotReclaimed";
/// The job was stopped by somebody or something that was not Spot.
pub const JOB_INTERRUPTED: &str = "Job.Interrupted";
/// The function that did the job was ended at the time limit of functions.
pub const JOB_TIMED_OUT: &str = "Job.TimedOut";
/// The container image could not be pulled.
pub const JOB_IMAGE_PULL: &str = "Job.ImagePull";
/// No capacity or quota for the job at present; a later attempt may find some.
pub const JOB_CAPACITY: &str = "Job.Capacity";
/// AWS refused to start the job: a missing definition, a missing permission.
pub const JOB_NOT_STARTED: &str = "Job.NotStarted";
/// The worker could not read or write its artifacts.
pub const JOB_STORAGE: &str = "Job.Storage";

/// An error that state machines match by name in Retry and Catch.
pub trait Named: std::error::Error {
    /// The name, for example `Input.Invalid`.
    fn name(&self) -> &str;
}

impl Named for InvalidInput {
    fn name(&self) -> &str {
        INPUT_INVALID
    }
}

/// The secret by which a waiting state is answered. It shows in no log: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskToken(String);

impl TaskToken {
    /// Wraps a token.
    pub fn new(token: impl Into<String>) -> Self {
        Self(token.into())
    }

    /// The token itself, for the API call only.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TaskToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskToken(…)")
    }
}

/// A failure as Step Functions carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Name that Retry and Catch match, at most 256 characters.
    pub error: String,
    /// JSON text with the message and the job id, at most 32,768 characters.
    pub cause: String,
}

/// Longest cause that Step Functions takes
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_SendTaskFailure.html>).
pub const CAUSE_LIMIT: usize = 32_768;
/// Longest name of an error. Same page.
const ERROR_LIMIT: usize = 256;

impl Failure {
    /// A failure of the job `job_id`; `log` is where its log is, when that is known.
    pub fn new(error: &str, message: &str, job_id: &str, log: Option<&str>) -> Self {
        let mut cause = json!({ "message": "", "jobId": job_id });
        if let Some(log) = log {
            cause["log"] = json!(log);
        }
        let left = CAUSE_LIMIT.saturating_sub(cause.to_string().len());
        cause["message"] = json!(cut(message, left));
        Self {
            error: error.chars().take(ERROR_LIMIT).collect(),
            cause: cause.to_string(),
        }
    }
}

/// As much of the beginning of `text` as takes `most` bytes in JSON, quotes not counted.
fn cut(text: &str, most: usize) -> &str {
    let mut taken = 0;
    let fits = |&(_, c): &(usize, char)| {
        taken += match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            control if control < ' ' => 6,
            plain => plain.len_utf8(),
        };
        taken > most
    };
    let end = text.char_indices().find(fits);
    end.map_or(text, |(end, _)| &text[..end])
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Failure {}

impl Named for Failure {
    fn name(&self) -> &str {
        &self.error
    }
}

/// What is told to a waiting state.
#[derive(Debug, Clone, PartialEq)]
pub enum Signal {
    /// The task is done; the state's result.
    Success(Value),
    /// The task failed.
    Failure(Failure),
    /// The task is alive.
    Heartbeat,
}

/// Whether anybody still waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// The state heard it.
    Delivered,
    /// The task had been answered, or had timed out, before. Not an error: a duplicate or a late worker.
    Gone,
}

/// A signal that could not be delivered.
#[derive(Debug, thiserror::Error)]
#[error("Step Functions did not take the {signal} of a task: {reason}")]
pub struct CallbackError {
    /// `success`, `failure` or `heartbeat`.
    pub signal: &'static str,
    /// What the service or the connection said.
    pub reason: String,
}

impl Named for CallbackError {
    fn name(&self) -> &str {
        JOB_CRASHED
    }
}

/// Answers a waiting state.
pub trait CallBack {
    /// Delivers one signal. Throttling is waited out before this returns.
    fn call_back(
        &self,
        token: &TaskToken,
        signal: Signal,
    ) -> impl Future<Output = Result<Delivery, CallbackError>> + Send;
}

impl Signal {
    /// The kind of signal in one word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Success(_) => "success",
            Self::Failure(_) => "failure",
            Self::Heartbeat => "heartbeat",
        }
    }
}

/// The in-memory twin of [`SfnCallback`]: it keeps the rule that the first answer to a token closes it.
#[derive(Debug, Default)]
pub struct MemoryCallback {
    signals: Mutex<Vec<(TaskToken, Signal)>>,
}

impl MemoryCallback {
    /// Every signal that was delivered, in order.
    pub fn signals(&self) -> Vec<(TaskToken, Signal)> {
        self.signals
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }
}

impl CallBack for MemoryCallback {
    async fn call_back(
        &self,
        token: &TaskToken,
        signal: Signal,
    ) -> Result<Delivery, CallbackError> {
        let mut signals = self
            .signals
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if signals
            .iter()
            .any(|(known, earlier)| known == token && *earlier != Signal::Heartbeat)
        {
            return Ok(Delivery::Gone);
        }
        signals.push((token.clone(), signal));
        Ok(Delivery::Delivered)
    }
}

impl<C: CallBack + Sync + Send> CallBack for std::sync::Arc<C> {
    async fn call_back(
        &self,
        token: &TaskToken,
        signal: Signal,
    ) -> Result<Delivery, CallbackError> {
        (**self).call_back(token, signal).await
    }
}

#[cfg(feature = "aws")]
pub use sfn::SfnCallback;

#[cfg(feature = "aws")]
mod sfn {
    use aws_sdk_sfn::Client;
    use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata};

    use super::{CallBack, CallbackError, Delivery, Signal, TaskToken};

    /// [`CallBack`] by the Step Functions API. The client retries throttling with jittered back-off;
    /// [`crate::aws::sfn`] makes it patient.
    #[derive(Debug, Clone)]
    pub struct SfnCallback(pub Client);

    impl CallBack for SfnCallback {
        async fn call_back(
            &self,
            token: &TaskToken,
            signal: Signal,
        ) -> Result<Delivery, CallbackError> {
            let (client, token, kind) = (&self.0, token.reveal(), signal.kind());
            match signal {
                Signal::Success(output) => settle(
                    kind,
                    client
                        .send_task_success()
                        .task_token(token)
                        .output(output.to_string())
                        .send()
                        .await
                        .map(drop),
                ),
                Signal::Failure(failure) => settle(
                    kind,
                    client
                        .send_task_failure()
                        .task_token(token)
                        .error(failure.error)
                        .cause(failure.cause)
                        .send()
                        .await
                        .map(drop),
                ),
                Signal::Heartbeat => settle(
                    kind,
                    client
                        .send_task_heartbeat()
                        .task_token(token)
                        .send()
                        .await
                        .map(drop),
                ),
            }
        }
    }

    fn settle<E>(signal: &'static str, answer: Result<(), E>) -> Result<Delivery, CallbackError>
    where
        E: ProvideErrorMetadata + std::error::Error,
    {
        match answer {
            Ok(()) => Ok(Delivery::Delivered),
            Err(error) => match error.code() {
                Some("TaskTimedOut" | "TaskDoesNotExist") => Ok(Delivery::Gone),
                _ => Err(CallbackError {
                    signal,
                    reason: DisplayErrorContext(error).to_string(),
                }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_does_not_show_in_logs() {
        assert!(!format!("{:?}", TaskToken::new("secret")).contains("secret"));
    }

    #[test]
    fn a_cause_stays_within_the_limit() {
        for text in ["a", "ä", "\"", "\n", "\u{1b}"] {
            let failure = Failure::new(&"E".repeat(300), &text.repeat(100_000), "j", Some("log"));
            let length = failure.cause.len();
            assert!(length <= CAUSE_LIMIT, "{text:?}: {length}");
            assert!(length > CAUSE_LIMIT - 6, "{text:?}: {length}");
            assert_eq!(failure.error.len(), 256);
            let cause: Value = serde_json::from_str(&failure.cause).unwrap();
            assert_eq!(cause["jobId"], "j");
        }
    }

    #[tokio::test]
    async fn the_first_answer_closes_a_token() {
        let (callback, token) = (MemoryCallback::default(), TaskToken::new("t"));
        let answers = [
            (Signal::Heartbeat, Delivery::Delivered),
            (Signal::Success(json!(1)), Delivery::Delivered),
            (Signal::Success(json!(2)), Delivery::Gone),
            (Signal::Heartbeat, Delivery::Gone),
        ];
        for (signal, delivery) in answers {
            assert_eq!(callback.call_back(&token, signal).await.unwrap(), delivery);
        }
        assert_eq!(callback.signals().len(), 2);
    }
}
