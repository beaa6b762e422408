//! A worker that is not started for one job but polls an activity for many: `ACTIVITY_ARN` in its
//! environment makes any worker such a one, for example as an ECS service.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

use super::{Assignment, Context, failure, given_from_env, perform};
use crate::activity::{ActivityTask, PollActivity};
use crate::artifacts::{self, ArtifactError, GetObject, PutObject, When};
use crate::env::{self, Missing};
use crate::job::{Job, Origin, digest};
use crate::task::{CallBack, Failure, INPUT_INVALID, JOB_INTERRUPTED, Named, Signal};
use placement::{Placement, Resources};

/// How many polls in a row may fail before the worker gives up; the container is then started anew.
const POLL_FAILURES: u32 = 5;

/// What a polling worker is told by its environment.
#[derive(Debug, Clone)]
pub struct Polling {
    /// `ACTIVITY_ARN`.
    pub activity_arn: String,
    /// Name of the binary; it stands in the execution's history.
    pub worker: String,
    /// `BUCKET`: jobs and outcomes go there as everywhere.
    pub bucket: String,
    /// `PLACEMENT`, Fargate when absent.
    pub placement: Placement,
    /// `VCPU` and `MEMORY_MIB`: the size of the container.
    pub given: Option<Resources>,
    /// `IDLE_POLLS`: end after so many polls in a row without a task; never, when absent.
    pub idle_polls: Option<u32>,
    /// `MAX_TASKS`: end after so many tasks; never, when absent.
    pub max_tasks: Option<u32>,
}

impl Polling {
    /// Reads the environment; none when `ACTIVITY_ARN` is not set.
    ///
    /// # Errors
    /// A variable that is missing or cannot be meant.
    pub fn from_env() -> Result<Option<Self>, Box<dyn std::error::Error>> {
        let Some(activity_arn) = env::optional("ACTIVITY_ARN") else {
            return Ok(None);
        };
        let binary = std::env::current_exe()?;
        let worker = binary
            .file_stem()
            .ok_or(Missing("the name of the binary"))?;
        Ok(Some(Self {
            activity_arn,
            worker: worker.to_string_lossy().into_owned(),
            bucket: env::required("BUCKET")?,
            placement: env::parsed("PLACEMENT")?.unwrap_or(Placement::Fargate),
            given: given_from_env()?,
            idle_polls: env::parsed("IDLE_POLLS")?,
            max_tasks: env::parsed("MAX_TASKS")?,
        }))
    }

    fn job(&self, task: &ActivityTask) -> Result<Job, serde_json::Error> {
        let input: Value = serde_json::from_str(&task.input)?;
        let activity = self.activity_arn.rsplit(':').next().unwrap_or("activity");
        // The token is new for each attempt; its digest makes the job id, and hides it.
        let id = digest(&[task.token.reveal()], 16);
        let origin = Origin::new(activity, &id);
        Ok(Job {
            id: format!("{activity}-{id}"),
            ..Job::new(origin, &self.worker, self.placement, input)
        })
    }
}

/// Polls and works until there is nothing to do for long enough, or SIGTERM.
///
/// A poll is never cancelled. A task that it still brings after SIGTERM is failed with
/// `Job.Interrupted` at once, so that the waiting state can retry.
pub(super) async fn serve<A, S, C, I, O, E>(
    activity: &A,
    store: &S,
    callback: &C,
    polling: &Polling,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) -> ExitCode
where
    A: PollActivity,
    S: GetObject + PutObject,
    C: CallBack + Clone + Send + Sync + 'static,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let stopping = std::sync::Arc::new(AtomicBool::new(false));
    let listener = tokio::spawn(listen(std::sync::Arc::clone(&stopping)));
    let (mut idle, mut failures, mut done) = (0, 0, 0_u32);
    let code = loop {
        let enough = polling.idle_polls.is_some_and(|most| idle >= most)
            || polling.max_tasks.is_some_and(|most| done >= most);
        if enough || stopping.load(Ordering::SeqCst) {
            info!(done, "stops polling");
            break ExitCode::SUCCESS;
        }
        match activity.poll(&polling.activity_arn, &polling.worker).await {
            Ok(None) => (idle, failures) = (idle + 1, 0),
            Ok(Some(task)) if stopping.load(Ordering::SeqCst) => {
                let notice = failure(JOB_INTERRUPTED, "the container was told to stop", "");
                refuse(callback, &task, notice).await;
            }
            Ok(Some(task)) => {
                (idle, failures, done) = (0, 0, done + 1);
                take(store, callback, polling, &task, work).await;
            }
            Err(error) if failures < POLL_FAILURES => {
                warn!("{error}");
                failures += 1;
                tokio::time::sleep(std::time::Duration::from_secs(1 << failures)).await;
            }
            Err(error) => {
                error!("{error}; gives up");
                break ExitCode::from(1);
            }
        }
    };
    listener.abort();
    code
}

async fn listen(stopping: std::sync::Arc<AtomicBool>) {
    if let Ok(mut terminate) = signal(SignalKind::terminate()) {
        terminate.recv().await;
        stopping.store(true, Ordering::SeqCst);
    }
}

/// Does one task, as if the dispatcher had started the worker for it.
async fn take<S, C, I, O, E>(
    store: &S,
    callback: &C,
    polling: &Polling,
    task: &ActivityTask,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) where
    S: GetObject + PutObject,
    C: CallBack + Clone + Send + Sync + 'static,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let job = match polling.job(task) {
        Ok(job) => job,
        Err(error) => {
            let message = format!("$: the input of the task is not JSON: {error}");
            return refuse(callback, task, failure(INPUT_INVALID, &message, "")).await;
        }
    };
    let uri = artifacts::job_uri(&polling.bucket, &job.id);
    if let Err(error) = store_job(store, &uri, &job).await {
        return refuse(
            callback,
            task,
            failure(error.name(), &error.to_string(), &job.id),
        )
        .await;
    }
    let assignment = Assignment {
        job_uri: uri,
        task_token: Some(task.token.clone()),
        placement: Some(polling.placement),
        child: None,
        given: polling.given,
        deadline: None,
    };
    // How it ended was told to the token.
    let _ending = Box::pin(perform(store, callback, &assignment, work)).await;
}

async fn store_job(
    store: &impl PutObject,
    uri: &artifacts::S3Uri,
    job: &Job,
) -> Result<(), ArtifactError> {
    artifacts::put_json(store, uri, job, When::Always)
        .await
        .map(drop)
}

async fn refuse(callback: &impl CallBack, task: &ActivityTask, failure: Failure) {
    error!(error = failure.error, "{}", failure.cause);
    if let Err(error) = callback
        .call_back(&task.token, Signal::Failure(failure))
        .await
    {
        error!("{error}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::activity::{MemoryActivity, PollError};
    use crate::artifacts::{MemoryStore, find_json};
    use crate::job::{JobOutcome, JobResult};
    use crate::task::{MemoryCallback, TaskToken};
    use input::InvalidInput;

    fn polling() -> Polling {
        Polling {
            activity_arn: "arn:aws:states:us-east-1:123456789012:activity:demo".into(),
            worker: "doubler".into(),
            bucket: "b".into(),
            placement: Placement::Fargate,
            given: None,
            idle_polls: Some(2),
            max_tasks: None,
        }
    }

    fn task(token: &str, input: &str) -> (Duration, Option<ActivityTask>) {
        let task = ActivityTask {
            token: TaskToken::new(token),
            input: input.into(),
        };
        (Duration::from_secs(1), Some(task))
    }

    #[tokio::test(start_paused = true)]
    async fn each_task_is_answered_and_the_worker_ends_when_idle() {
        let script = [
            task("a", "4"),
            task("b", "{"),
            (Duration::from_secs(60), None),
            task("c", "\"x\""),
        ];
        let activity = MemoryActivity::new(script);
        let (store, callback) = (MemoryStore::default(), Arc::new(MemoryCallback::default()));
        let double =
            async |_: Context<'_, MemoryStore>, input: u32| Ok::<_, InvalidInput>(input * 2);
        let begin = tokio::time::Instant::now();
        let code = serve(&activity, &store, &callback, &polling(), &double).await;
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(begin.elapsed(), Duration::from_secs(3 + 60 + 2 * 60));
        let answers: Vec<_> = callback
            .signals()
            .into_iter()
            .filter(|(_, signal)| *signal != Signal::Heartbeat)
            .map(|(token, signal)| match signal {
                Signal::Success(_) => (token.reveal().to_owned(), "success".to_owned()),
                Signal::Failure(failure) => (token.reveal().to_owned(), failure.error),
                Signal::Heartbeat => unreachable!("filtered"),
            })
            .collect();
        let expected = [
            ("a", "success"),
            ("b", "Input.Invalid"),
            ("c", "Input.Invalid"),
        ];
        assert_eq!(
            answers,
            expected.map(|(token, answer)| (token.to_owned(), answer.to_owned()))
        );
        let id = format!("demo-{}", digest(&["a"], 16));
        let outcome = find_json::<JobOutcome>(&store, &artifacts::outcome_uri("b", &id))
            .await
            .unwrap()
            .unwrap();
        assert_eq!(outcome.result, JobResult::Succeeded { output: json!(8) });
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_ends_after_the_wanted_tasks() {
        let activity = MemoryActivity::new([task("a", "1"), task("b", "2"), task("c", "3")]);
        let (store, callback) = (MemoryStore::default(), Arc::new(MemoryCallback::default()));
        let work = async |_: Context<'_, MemoryStore>, input: u32| Ok::<_, InvalidInput>(input);
        let polling = Polling {
            max_tasks: Some(2),
            ..polling()
        };
        let code = serve(&activity, &store, &callback, &polling, &work).await;
        assert_eq!((code, activity.left()), (ExitCode::SUCCESS, 1));
    }

    fn broken() -> (Duration, Result<Option<ActivityTask>, PollError>) {
        let error = PollError {
            activity: "demo".into(),
            capacity: true,
            reason: "no".into(),
        };
        (Duration::ZERO, Err(error))
    }

    #[tokio::test(start_paused = true)]
    async fn failed_polls_do_not_add_up_over_the_life_of_a_worker() {
        let day = std::iter::repeat_n([broken(), (Duration::from_secs(60), Ok(None))], 20);
        let activity = MemoryActivity::with_failures(day.flatten());
        let (store, callback) = (MemoryStore::default(), Arc::new(MemoryCallback::default()));
        let work = async |_: Context<'_, MemoryStore>, input: u32| Ok::<_, InvalidInput>(input);
        let polling = Polling {
            idle_polls: Some(20),
            ..polling()
        };
        let code = serve(&activity, &store, &callback, &polling, &work).await;
        assert_eq!((code, activity.left()), (ExitCode::SUCCESS, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_whose_polls_fail_gives_up_in_the_end() {
        let (store, callback) = (MemoryStore::default(), Arc::new(MemoryCallback::default()));
        let work = async |_: Context<'_, MemoryStore>, input: u32| Ok::<_, InvalidInput>(input);
        let begin = tokio::time::Instant::now();
        let activity = MemoryActivity::with_failures(std::iter::repeat_n(broken(), 9));
        let code = serve(&activity, &store, &callback, &polling(), &work).await;
        assert_eq!(code, ExitCode::from(1));
        assert_eq!(begin.elapsed(), Duration::from_secs(2 + 4 + 8 + 16 + 32));
    }
}
