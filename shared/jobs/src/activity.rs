//! Polling an activity: how work outside Step Functions asks for a task.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::task::{JOB_CAPACITY, JOB_NOT_STARTED, Named, TaskToken};
use placement::quota::ACTIVITY_LONG_POLL_SECONDS;

/// Time that a poll may take: the long poll, and five seconds for the network.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_GetActivityTask.html>
pub const POLL: Duration = Duration::from_secs(ACTIVITY_LONG_POLL_SECONDS + 5);

/// A task that an activity gave out. Whoever has it must answer it: nobody else gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityTask {
    /// Answers the waiting state.
    pub token: TaskToken,
    /// JSON text.
    pub input: String,
}

/// A poll that Step Functions did not answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("GetActivityTask of {activity} failed: {reason}")]
pub struct PollError {
    /// The activity.
    pub activity: String,
    /// Whether another poll may do: see `aws::is_capacity`.
    pub capacity: bool,
    /// What the service or the connection said.
    pub reason: String,
}

impl Named for PollError {
    fn name(&self) -> &str {
        if self.capacity {
            JOB_CAPACITY
        } else {
            JOB_NOT_STARTED
        }
    }
}

/// Asks an activity for a task.
pub trait PollActivity {
    /// Waits up to the long poll for a task; none when nobody has work. Never to be cancelled: a task
    /// that is already on its way would be lost.
    fn poll(
        &self,
        activity_arn: &str,
        worker_name: &str,
    ) -> impl Future<Output = Result<Option<ActivityTask>, PollError>> + Send;
}

/// The in-memory twin of [`SfnActivity`]: each entry answers one poll after its time, then every poll
/// waits for a minute in vain.
#[derive(Debug, Default)]
pub struct MemoryActivity {
    script: Mutex<VecDeque<(Duration, Answer)>>,
}

type Answer = Result<Option<ActivityTask>, PollError>;

impl MemoryActivity {
    /// An activity that answers polls with `script`.
    pub fn new(script: impl IntoIterator<Item = (Duration, Option<ActivityTask>)>) -> Self {
        Self::with_failures(script.into_iter().map(|(wait, task)| (wait, Ok(task))))
    }

    /// An activity that answers polls with `script`, failures included.
    pub fn with_failures(script: impl IntoIterator<Item = (Duration, Answer)>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
        }
    }

    /// Polls that are not answered yet.
    pub fn left(&self) -> usize {
        self.script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }
}

impl PollActivity for MemoryActivity {
    async fn poll(
        &self,
        _activity_arn: &str,
        _worker_name: &str,
    ) -> Result<Option<ActivityTask>, PollError> {
        let next = self
            .script
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front();
        let (wait, task) =
            next.unwrap_or((Duration::from_secs(ACTIVITY_LONG_POLL_SECONDS), Ok(None)));
        tokio::time::sleep(wait).await;
        task
    }
}

#[cfg(feature = "aws")]
pub use sfn::SfnActivity;

#[cfg(feature = "aws")]
mod sfn {
    use aws_sdk_sfn::Client;
    use aws_sdk_sfn::config::Builder;
    use aws_sdk_sfn::config::retry::RetryConfig;
    use aws_sdk_sfn::config::timeout::TimeoutConfig;
    use aws_sdk_sfn::error::{DisplayErrorContext, ProvideErrorMetadata};

    use super::{ActivityTask, POLL, PollActivity, PollError};
    use crate::aws::is_capacity;
    use crate::task::TaskToken;

    /// [`PollActivity`] by the Step Functions API.
    #[derive(Debug, Clone)]
    pub struct SfnActivity(pub Client);

    impl PollActivity for SfnActivity {
        async fn poll(
            &self,
            activity_arn: &str,
            worker_name: &str,
        ) -> Result<Option<ActivityTask>, PollError> {
            // A client that hangs up earlier would lose a task that is on its way, and one that tries
            // again would overrun its time.
            let patient = TimeoutConfig::builder()
                .read_timeout(POLL)
                .operation_attempt_timeout(POLL)
                .build();
            let config = Builder::new()
                .timeout_config(patient)
                .retry_config(RetryConfig::disabled());
            let call = self
                .0
                .get_activity_task()
                .activity_arn(activity_arn)
                .worker_name(worker_name);
            let answer = call.customize().config_override(config).send().await;
            let answer = answer.map_err(|error| PollError {
                activity: activity_arn.to_owned(),
                capacity: is_capacity(error.code(), error.message()),
                reason: DisplayErrorContext(error).to_string(),
            })?;
            // Without a task the token is null or empty.
            let token = answer.task_token.filter(|token| !token.is_empty());
            Ok(token.map(|token| ActivityTask {
                token: TaskToken::new(token),
                input: answer.input.unwrap_or_else(|| "{}".to_owned()),
            }))
        }
    }
}
