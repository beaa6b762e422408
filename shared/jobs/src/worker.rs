//! The harness of every worker, so that a worker crate is only its own computation.
//!
//! A worker reads its job, heartbeats while it works, commits `outcome.json` once, and only then calls back. The
//! same binary serves as a container (`JOB_URI`, `TASK_TOKEN`), as a container that polls an activity
//! (`ACTIVITY_ARN`), and as a Lambda function (`{jobUri, taskToken}`).

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing::{Instrument, error, info, info_span, warn};

use crate::activity::SfnActivity;
use crate::artifacts::{self, GetObject, Payload, PutObject, S3Store, S3Uri};
use crate::attempt::SUCCEEDED;
use crate::checkpoint::{self, Checkpoint, Stop};
use crate::env;
use crate::job::{Job, JobOutcome, JobResult, Receipt};
use crate::measure::{Metered, now_ms};
use crate::pack::PackInput;
use crate::task::{
    CallBack, Delivery, Failure, JOB_CRASHED, JOB_INTERRUPTED, Named, SfnCallback, Signal,
    TaskToken,
};
use crate::{aws, lambda, telemetry};
use input::{self, InvalidInput};
use placement::{Placement, Resources};

mod activity;
mod assignment;
mod pack;
mod running;
mod vigil;
pub use activity::Polling;
pub use assignment::Assignment;
use assignment::given_from_env;
use pack::work_through;
use running::Running;
pub use vigil::HEARTBEAT;
use vigil::{Vigil, Watched};

/// What the computation gets besides its input.
#[derive(Debug)]
pub struct Context<'a, S> {
    /// The job.
    pub job: &'a Job,
    /// The artifacts.
    pub store: &'a S,
    /// S3 URI of `job.json`; results go beside it, see [`S3Uri::sibling`].
    pub uri: &'a S3Uri,
    /// What an earlier attempt of the job saved, and where this one saves its state.
    pub checkpoint: &'a Checkpoint<'a, S>,
}

/// How the work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Done; the outcome is committed.
    Succeeded(Receipt),
    /// The input cannot be worked on, now or ever.
    Refused(Failure),
    /// It failed in a way that another attempt may cure.
    Failed(Failure),
    /// The answer could not be delivered, whatever it was: the job-watcher must.
    Unheard(Failure),
}

impl Ending {
    /// Exit code of the container: 0, 3 for a refused input, 1 for any other failure.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Succeeded(_) => 0,
            Self::Failed(_) | Self::Unheard(_) => 1,
            Self::Refused(_) => 3,
        }
    }
}

/// Runs a worker: `work` computes the output of one job from its input.
///
/// Errors named `Input.*` refuse the input for good; all others may be retried. A job that is a pack is worked through
/// job by job, see [`crate::pack`]. `work` may block the thread:
/// heartbeats and SIGTERM are served by another one.
pub fn run<I, O, E>(
    work: impl AsyncFn(Context<'_, Metered<S3Store>>, I) -> Result<O, E>,
) -> ExitCode
where
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    telemetry::init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return refuse_to_start(&error),
    };
    runtime.block_on(async {
        let config = aws::config().await;
        let store = Metered::new(S3Store(aws::s3(&config)));
        let callback = SfnCallback(aws::sfn(&config));
        if env::optional("AWS_LAMBDA_RUNTIME_API").is_some() {
            return Box::pin(serve_lambda(&store, &callback, &work)).await;
        }
        match Polling::from_env() {
            Ok(None) => {}
            Ok(Some(polling)) => {
                let activity = SfnActivity(aws::sfn(&config));
                return Box::pin(activity::serve(
                    &activity, &store, &callback, &polling, &work,
                ))
                .await;
            }
            Err(error) => return refuse_to_start(&*error),
        }
        let assignment = match Assignment::from_env() {
            Ok(assignment) => assignment,
            Err(error) => return refuse_to_start(&error),
        };
        ExitCode::from(
            Box::pin(perform(&store, &callback, &assignment, &work))
                .await
                .code(),
        )
    })
}

fn refuse_to_start(error: &dyn std::error::Error) -> ExitCode {
    error!("{error}");
    ExitCode::from(1)
}

async fn serve_lambda<I, O, E>(
    store: &Metered<S3Store>,
    callback: &SfnCallback,
    work: &impl AsyncFn(Context<'_, Metered<S3Store>>, I) -> Result<O, E>,
) -> ExitCode
where
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let memory_mib = match env::required_as("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") {
        Ok(memory_mib) => memory_mib,
        Err(error) => return refuse_to_start(&error),
    };
    let served = lambda::serve_until(async |mut assignment: Assignment, deadline| {
        assignment.deadline = Some(deadline);
        assignment.placement = Some(Placement::Lambda);
        assignment.given = Some(Resources::of_function(memory_mib));
        match Box::pin(perform(store, callback, &assignment, work)).await {
            Ending::Succeeded(receipt) => Ok(Some(receipt)),
            // The token has the failure already; failing the invocation too would make Lambda run it again.
            Ending::Refused(_) | Ending::Failed(_) if assignment.task_token.is_some() => Ok(None),
            Ending::Refused(failure) | Ending::Failed(failure) | Ending::Unheard(failure) => {
                Err(failure)
            }
        }
    });
    match served.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse_to_start(&*error),
    }
}

/// Does one job from reading it to calling back. `work` is not called when the outcome is committed already, nor when
/// nobody waits any more: a job that Batch or Fargate started late would only do what the next attempt does.
pub async fn perform<S, C, I, O, E>(
    store: &S,
    callback: &C,
    assignment: &Assignment,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) -> Ending
where
    S: GetObject + PutObject,
    C: CallBack + Clone + Send + Sync + 'static,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let found = artifacts::get_json::<Job>(store, &assignment.job_uri).await;
    let found = found.map(|job| assignment.resolve(job));
    let (job_uri, job_id, result) = match found {
        Ok((assignment, job)) => {
            let placement = assignment.placement.unwrap_or(job.placement);
            let watched = Watched {
                token: assignment.task_token.as_ref(),
                placement,
                deadline: assignment.deadline,
                job_id: &job.id,
            };
            let stop = Stop::default();
            let _vigil = Vigil::keep(callback, &watched, &stop);
            let span = info_span!("job", id = job.id, execution = job.execution_arn.as_deref());
            let result = conclude(store, callback, &assignment, &job, stop, work)
                .instrument(span)
                .await;
            (assignment.job_uri, job.id, result)
        }
        Err(error) => {
            let unfinished = Unfinished::from(&error);
            (assignment.job_uri.clone(), String::new(), Err(unfinished))
        }
    };
    let ending = match result {
        Ok(outcome) => settle(outcome, &job_uri),
        Err(Unfinished { name, message }) => Ending::Failed(failure(&name, &message, &job_id)),
    };
    answer(callback, assignment, ending, &job_id).await
}

/// A failure that leaves no outcome.
struct Unfinished {
    name: String,
    message: String,
}

impl Unfinished {
    /// Whether no other attempt can cure it: the input is refused.
    fn is_final(&self) -> bool {
        self.name.starts_with("Input.")
    }
}

impl<E: Named> From<&E> for Unfinished {
    fn from(error: &E) -> Self {
        Self {
            name: error.name().to_owned(),
            message: error.to_string(),
        }
    }
}

/// The outcome of the job: the committed one, or the one that `work` makes now.
async fn conclude<S, C, I, O, E>(
    store: &S,
    callback: &C,
    assignment: &Assignment,
    job: &Job,
    stop: Stop,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) -> Result<JobOutcome, Unfinished>
where
    S: GetObject + PutObject,
    C: CallBack,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let uri = assignment.job_uri.sibling("outcome.json");
    let committed = artifacts::find_json(store, &uri).await;
    if let Some(committed) = committed.map_err(|error| Unfinished::from(&error))? {
        info!("the outcome is committed already");
        return Ok(committed);
    }
    if nobody_waits(callback, assignment.task_token.as_ref()).await {
        return Err(Unfinished {
            name: JOB_INTERRUPTED.to_owned(),
            message: "nobody waits for this job any more, so it did not begin".to_owned(),
        });
    }
    let running = Running::begin(store, assignment, job).await;
    let job_uri = &assignment.job_uri;
    let checkpoint = Checkpoint::new(store, job, job_uri, interval(), stop.clone());
    let context = Context {
        job,
        store,
        uri: job_uri,
        checkpoint: &checkpoint,
    };
    let computed = match serde_json::from_value::<PackInput>(job.input.clone()) {
        Ok(input) => work_through(store, assignment, job, input, &stop, work).await,
        Err(_) => compute(context, work).await,
    };
    let result = match computed {
        Ok(output) => JobResult::Succeeded { output },
        Err(unfinished) if unfinished.is_final() => {
            let Failure { error, cause } = failure(&unfinished.name, &unfinished.message, &job.id);
            JobResult::Refused { error, cause }
        }
        Err(unfinished) => {
            let measured = running.measured(store, checkpoint.earlier());
            running.end(store, &unfinished.name, measured).await;
            return Err(unfinished);
        }
    };
    let measured = running.measured(store, checkpoint.earlier());
    let ending = match &result {
        JobResult::Succeeded { .. } => SUCCEEDED,
        JobResult::Refused { error, .. } => error,
    };
    running.end(store, ending, measured).await;
    let outcome = JobOutcome {
        job_id: job.id.clone(),
        worker: job.worker.clone(),
        placement: assignment.placement.unwrap_or(job.placement),
        given: assignment.given,
        started_at_ms: running.started_at_ms,
        finished_at_ms: now_ms(),
        measured: Some(measured),
        result,
    };
    let committed = artifacts::put_once(store, &uri, outcome).await;
    committed.map_err(|error| Unfinished::from(&error))
}

/// Time between two checkpoints: `CHECKPOINT_SECONDS`, [`checkpoint::INTERVAL`] when absent.
fn interval() -> Duration {
    let seconds = env::parsed("CHECKPOINT_SECONDS").unwrap_or_else(|error| {
        warn!("{error}; {} s are taken", checkpoint::INTERVAL.as_secs());
        None
    });
    seconds.map_or(checkpoint::INTERVAL, Duration::from_secs)
}

/// The first heartbeat tells. Where it cannot be delivered somebody may wait, and a `.sync` state has no token.
async fn nobody_waits(callback: &impl CallBack, token: Option<&TaskToken>) -> bool {
    let Some(token) = token else {
        return false;
    };
    match callback.call_back(token, Signal::Heartbeat).await {
        Ok(delivery) => delivery == Delivery::Gone,
        Err(error) => {
            warn!("{error}");
            false
        }
    }
}

/// The output of the work. An input that was too large for a state arrives as a pointer.
async fn compute<S, I, O, E>(
    context: Context<'_, S>,
    work: &impl AsyncFn(Context<'_, S>, I) -> Result<O, E>,
) -> Result<Value, Unfinished>
where
    S: GetObject,
    I: DeserializeOwned,
    O: Serialize,
    E: Named,
{
    let invalid = |error: InvalidInput| Unfinished::from(&error.under("$.input"));
    let payload: Payload = input::parse(context.job.input.clone()).map_err(invalid)?;
    let value = payload.unpack(context.store).await;
    let value = value.map_err(|error| Unfinished::from(&error))?;
    let input = input::parse(value).map_err(invalid)?;
    let output = work(context, input).await;
    let output = output.map_err(|error| Unfinished::from(&error))?;
    serde_json::to_value(output).map_err(|error| Unfinished {
        name: JOB_CRASHED.to_owned(),
        message: format!("the output is not JSON: {error}"),
    })
}

fn settle(outcome: JobOutcome, job_uri: &S3Uri) -> Ending {
    let receipt = outcome.receipt(&job_uri.sibling("outcome.json").to_string());
    match outcome.result {
        JobResult::Succeeded { .. } => Ending::Succeeded(receipt),
        JobResult::Refused { error, cause } => Ending::Refused(Failure { error, cause }),
    }
}

async fn answer<C: CallBack>(
    callback: &C,
    assignment: &Assignment,
    ending: Ending,
    job_id: &str,
) -> Ending {
    match &ending {
        Ending::Succeeded(receipt) => {
            info!(job = job_id, duration_ms = receipt.duration_ms, "succeeded");
        }
        Ending::Refused(failure) | Ending::Failed(failure) | Ending::Unheard(failure) => {
            error!(job = job_id, error = failure.error, "{}", failure.cause);
        }
    }
    let Some(token) = &assignment.task_token else {
        return ending;
    };
    match callback.call_back(token, signal(&ending)).await {
        Ok(Delivery::Delivered) => ending,
        Ok(Delivery::Gone) => {
            warn!(job = job_id, "nobody waits for this job any more");
            ending
        }
        // The exit code, or the failed invocation, tells the job-watcher, which delivers what is committed.
        Err(error) => Ending::Unheard(failure(error.name(), &error.to_string(), job_id)),
    }
}

fn signal(ending: &Ending) -> Signal {
    match ending {
        Ending::Succeeded(receipt) => Signal::Success(serde_json::json!(receipt)),
        Ending::Refused(failure) | Ending::Failed(failure) | Ending::Unheard(failure) => {
            Signal::Failure(failure.clone())
        }
    }
}

fn failure(name: &str, message: &str, job_id: &str) -> Failure {
    let log = env::optional("LOG_GROUP").or_else(|| env::optional("AWS_LAMBDA_LOG_GROUP_NAME"));
    Failure::new(name, message, job_id, log.as_deref())
}

#[cfg(test)]
mod tests;
