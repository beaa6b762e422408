//! The `activity-poller` function: turns an activity into an active trigger. It polls the activity
//! within its own time limit and hands each task, token and input, to a processor.
//!
//! * A poll is only begun when it can end, and its task can be handed over, before the time is up;
//!   it is never cancelled, because a task that is already on its way would be lost.
//! * A task that was taken is handed over, or its token is failed by name, so that Retry and Catch of
//!   the waiting state react at once.

use std::time::Duration;

use input::InvalidInput;
use jobs::activity::{ActivityTask, POLL, PollActivity, PollError};
use jobs::job::digest;
use jobs::task::{CallBack, CallbackError, Failure, Named, Signal, TaskToken};
use placement::{Placement, Resources};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::{info, warn};

mod aws;
mod ports;

pub use aws::LambdaInvoker;
pub use ports::{Invocation, Invoke, InvokeError, MemoryInvoker};

/// Time that is kept for handing over a task that the last poll brought.
pub const HAND_OVER: Duration = Duration::from_secs(15);

/// How many polls in a row may fail before the invocation does.
const POLL_FAILURES: u32 = 5;

/// What to poll, for how long, and who does the work.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// The activity.
    pub activity_arn: String,
    /// Name in the execution's history; the function's own when absent.
    #[serde(default = "worker_name")]
    pub worker_name: String,
    /// Who does the work.
    pub processor: Processor,
    /// Stop after this many tasks; when absent, only at the time limit or when idle.
    #[serde(default)]
    pub max_tasks: Option<u32>,
    /// Stop after this many polls in a row that brought nothing; when absent, at the time limit.
    #[serde(default)]
    pub idle_polls: Option<u32>,
}

fn worker_name() -> String {
    "activity-poller".to_owned()
}

/// Who does the work of a task.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Processor {
    /// A function, invoked asynchronously with `{taskToken, input}`; it answers the token.
    Function {
        /// Name or ARN.
        function: String,
    },
    /// A worker on Lambda, Fargate or Batch, started by the dispatcher; it answers the token.
    Job {
        /// Name of the worker, for example `trainer`.
        worker: String,
        /// Where; without it the dispatcher chooses.
        #[serde(default)]
        placement: Option<Placement>,
        /// What the job needs.
        #[serde(default)]
        resources: Option<Resources>,
        /// How long it probably runs, seconds.
        #[serde(default)]
        expected_seconds: Option<f64>,
        /// When it must be done, seconds from being taken.
        #[serde(default)]
        deadline_seconds: Option<f64>,
        /// Whether Spot may interrupt it.
        #[serde(default)]
        interruptible: bool,
    },
}

/// What came of one invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Tasks handed to the processor.
    pub handed_over: u32,
    /// Tasks whose token was failed, because the processor could not be started.
    pub failed: u32,
    /// Polls, with and without a task.
    pub polls: u32,
    /// Why it stopped.
    pub stopped: Stopped,
}

/// Why the poller stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Stopped {
    /// Another poll could not have ended in time.
    Time,
    /// It took as many tasks as it was to.
    MaxTasks,
    /// Nobody had work.
    Idle,
}

/// Why the poller gave up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be meant.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The function's timeout leaves no room for one poll.
    #[error(
        "{left} s are left, but a poll and its hand-over take {needed} s; raise the function's timeout"
    )]
    TooShort {
        /// Seconds left.
        left: u64,
        /// Seconds needed.
        needed: u64,
    },
    /// Step Functions did not answer a poll.
    #[error(transparent)]
    Poll(#[from] PollError),
    /// A task that could not be handed over could not be failed either.
    #[error(transparent)]
    Callback(#[from] CallbackError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Error::Invalid(error) => error.name(),
            Error::TooShort { .. } => jobs::task::INPUT_INVALID,
            Error::Poll(error) => error.name(),
            Error::Callback(error) => error.name(),
        }
    }
}

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct Deps<Activity, Callback, Invoker> {
    /// The activity.
    pub activity: Activity,
    /// Answers tasks that cannot be handed over.
    pub callback: Callback,
    /// Starts processors.
    pub invoker: Invoker,
    /// Name or ARN of the dispatcher function.
    pub dispatcher: String,
}

/// Polls until `deadline` nears, the wanted number of tasks is taken, or there is nothing to do.
pub async fn handle<A: PollActivity, C: CallBack, I: Invoke>(
    deps: &Deps<A, C, I>,
    request: Request,
    deadline: Instant,
) -> Result<Response, Error> {
    check(&request, deadline)?;
    let (mut handed_over, mut failed, mut polls, mut idle) = (0, 0, 0, 0);
    let mut failures = 0;
    let stopped = loop {
        if request
            .max_tasks
            .is_some_and(|most| handed_over + failed >= most)
        {
            break Stopped::MaxTasks;
        }
        if request.idle_polls.is_some_and(|most| idle >= most) {
            break Stopped::Idle;
        }
        if deadline.saturating_duration_since(Instant::now()) < POLL + HAND_OVER {
            break Stopped::Time;
        }
        polls += 1;
        match deps
            .activity
            .poll(&request.activity_arn, &request.worker_name)
            .await
        {
            Ok(None) => (idle, failures) = (idle + 1, 0),
            Err(error) if error.capacity && failures < POLL_FAILURES => {
                failures += 1;
                warn!(failures, "{error}; polls again");
                tokio::time::sleep(Duration::from_secs(1 << failures)).await;
            }
            Err(error) => return Err(error.into()),
            Ok(Some(task)) => {
                (idle, failures) = (0, 0);
                match hand_over(deps, &request, &task).await? {
                    Handed::Over => handed_over += 1,
                    Handed::Back => failed += 1,
                }
            }
        }
    };
    info!(handed_over, failed, polls, ?stopped, "stopped polling");
    Ok(Response {
        handed_over,
        failed,
        polls,
        stopped,
    })
}

fn check(request: &Request, deadline: Instant) -> Result<(), Error> {
    if !request.activity_arn.contains(":activity:") {
        let message = format!(
            "expected the ARN of an activity, found `{}`",
            request.activity_arn
        );
        return Err(InvalidInput::new("$.activityArn", message).into());
    }
    if request.worker_name.is_empty() || request.worker_name.chars().count() > 80 {
        return Err(InvalidInput::new("$.workerName", "expected 1 to 80 characters").into());
    }
    let (left, needed) = (
        deadline.saturating_duration_since(Instant::now()),
        POLL + HAND_OVER,
    );
    if left < needed {
        return Err(Error::TooShort {
            left: left.as_secs(),
            needed: needed.as_secs(),
        });
    }
    Ok(())
}

/// Where a task ended up.
enum Handed {
    Over,
    Back,
}

async fn hand_over<A, C: CallBack, I: Invoke>(
    deps: &Deps<A, C, I>,
    request: &Request,
    task: &ActivityTask,
) -> Result<Handed, Error> {
    let id = task_id(&task.token);
    let call = invocation(&deps.dispatcher, request, task);
    let refusal = match call {
        Ok(call) => match invoke(&deps.invoker, &call).await {
            Ok(()) => {
                info!(task = id, function = call.function, "handed over");
                return Ok(Handed::Over);
            }
            Err(error) => Failure::new(error.name(), &error.to_string(), &id, None),
        },
        Err(invalid) => Failure::new(invalid.name(), &invalid.to_string(), &id, None),
    };
    warn!(
        task = id,
        error = refusal.error,
        "not handed over, failing the task"
    );
    deps.callback
        .call_back(&task.token, Signal::Failure(refusal))
        .await?;
    Ok(Handed::Back)
}

/// Calls the processor. The dispatcher starts nothing twice, so a call of it that may succeed at another moment is
/// repeated, as long as time is kept for failing the token.
async fn invoke(invoker: &impl Invoke, call: &Invocation) -> Result<(), InvokeError> {
    let begin = Instant::now();
    let mut pause = Duration::from_secs(1);
    loop {
        match invoker.invoke(call).await {
            Err(error) if call.wait && passing(&error) && begin.elapsed() < HAND_OVER / 4 => {
                warn!(error = error.name(), "{error}; calling again");
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
            answer => return answer,
        }
    }
}

fn passing(error: &InvokeError) -> bool {
    let name = error.name();
    !name.starts_with("Input.") && name != jobs::task::JOB_NOT_STARTED
}

/// Names a task without giving its token away.
fn task_id(token: &TaskToken) -> String {
    digest(&[token.reveal()], 16)
}

/// The call that starts the processor. The dispatcher is waited for, because it may refuse; a function
/// takes its event and answers for itself.
fn invocation(
    dispatcher: &str,
    request: &Request,
    task: &ActivityTask,
) -> Result<Invocation, InvalidInput> {
    let input: Value = serde_json::from_str(&task.input).map_err(|error| {
        InvalidInput::new("$", format!("the input of the task is not JSON: {error}"))
    })?;
    Ok(match &request.processor {
        Processor::Function { function } => Invocation {
            function: function.clone(),
            payload: json!({ "taskToken": task.token, "input": input }),
            wait: false,
        },
        Processor::Job {
            worker,
            placement,
            resources,
            expected_seconds,
            deadline_seconds,
            interruptible,
        } => {
            let activity = request
                .activity_arn
                .rsplit(':')
                .next()
                .unwrap_or("activity");
            Invocation {
                function: dispatcher.to_owned(),
                payload: json!({
                    "taskToken": task.token,
                    // The token is new for each attempt; its digest makes the job id, and hides it.
                    "execution": activity,
                    "state": task_id(&task.token),
                    "worker": worker,
                    "placement": placement,
                    "resources": resources,
                    "expectedSeconds": expected_seconds,
                    "deadlineSeconds": deadline_seconds,
                    "interruptible": interruptible,
                    "input": input,
                }),
                wait: true,
            }
        }
    })
}

#[cfg(test)]
mod tests;
