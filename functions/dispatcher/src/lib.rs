//! The `dispatcher` function: stores a job, chooses its placement, starts it there, and returns. The job itself
//! answers the task token.
//!
//! Every step may be repeated: the job id follows from the request, `job.json` is written once, and a start with
//! the same task token is the same start on Fargate and Batch. Lambda may run an event twice, and of two runs the
//! first commits the outcome.

mod launch;
pub mod plan;
mod start;

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, When};
use jobs::job::{Job, JobOutcome, Origin};
use jobs::task::{
    CallBack, CallbackError, INPUT_INVALID, JOB_CAPACITY, JOB_NOT_STARTED, Named, TaskToken,
};
use placement::choice::{Availability, Needs, NoPlacement};
use placement::pricing::Prices;
use placement::{Placement, Resources};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use plan::Choice;

pub use launch::{Launch, MemoryStarter, StartError, StartJob};
pub use start::AwsStarter;

/// What a state machine asks for.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// `$states.context.Task.Token`. Without it the job is only stored, and the caller starts it by `.sync`.
    #[serde(default)]
    pub task_token: Option<TaskToken>,
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// `$states.context.Execution.Id`.
    #[serde(default)]
    pub execution_arn: Option<String>,
    /// `$states.context.State.Name`.
    pub state: String,
    /// `$states.context.Map.Item.Index`, inside a Map.
    #[serde(default)]
    pub index: Option<u64>,
    /// Name of the worker, for example `trainer`.
    pub worker: String,
    /// Where to run. Without it the cheapest placement that meets the deadline is taken.
    #[serde(default)]
    pub placement: Option<Placement>,
    /// What the job needs; required without a placement.
    #[serde(default)]
    pub resources: Option<Resources>,
    /// How long the job probably runs, in seconds; required without a placement.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
    /// How long it may run at most, in seconds; a quarter more than expected when absent.
    #[serde(default)]
    pub longest_seconds: Option<f64>,
    /// When it must be done, in seconds from now; whenever, when absent.
    #[serde(default)]
    pub deadline_seconds: Option<f64>,
    /// Whether it may be interrupted and run again, which Spot demands.
    #[serde(default)]
    pub interruptible: bool,
    /// The worker's own input.
    pub input: Value,
}

/// What was done about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Id of the job.
    pub job_id: String,
    /// S3 URI of `job.json`.
    pub job_uri: String,
    /// Where it runs.
    pub placement: Placement,
    /// Why there, in one line.
    pub reason: String,
    /// ARN or id of what was started; absent when nothing had to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
}

/// Why a job is not running.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be served, now or ever.
    #[error(transparent)]
    Input(#[from] InvalidInput),
    /// No placement can run a job of this size.
    #[error(transparent)]
    TooLarge(NoPlacement),
    /// Every placement that can run the job has refused to start it, at least one of them for now only.
    #[error(transparent)]
    AllFull(NoPlacement),
    /// Every placement that can run the job has refused to start it, and will again.
    #[error(transparent)]
    AllRefused(NoPlacement),
    /// The placement that the request names did not start it.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The job could not be stored or read.
    #[error(transparent)]
    Storage(#[from] ArtifactError),
    /// A committed outcome could not be delivered.
    #[error(transparent)]
    Callback(#[from] CallbackError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Self::Input(error) => error.name(),
            Self::TooLarge(_) => INPUT_INVALID,
            Self::AllFull(_)
            | Self::Start(StartError::Capacity { .. } | StartError::Unanswered { .. }) => {
                JOB_CAPACITY
            }
            Self::AllRefused(_) | Self::Start(StartError::Refused { .. }) => JOB_NOT_STARTED,
            Self::Storage(error) => error.name(),
            Self::Callback(error) => error.name(),
        }
    }
}

/// What the handler works with.
#[derive(Debug)]
pub struct Deps<Store, Callback, Starter> {
    /// Bucket of the jobs.
    pub bucket: String,
    /// The artifacts.
    pub store: Store,
    /// Answers tasks whose outcome is committed already.
    pub callback: Callback,
    /// Starts workers.
    pub starter: Starter,
    /// What each placement costs, and the memory of the workers' functions.
    pub prices: Prices,
}

/// Stores the job of `request` and starts it.
///
/// # Errors
/// `Input.Invalid` for a request that cannot be served, `Job.Capacity` when another time may do,
/// `Job.NotStarted` when AWS refuses the start itself, `Job.Storage` when S3 does.
pub async fn handle<Store, Callback, Starter>(
    deps: &Deps<Store, Callback, Starter>,
    request: Request,
) -> Result<Response, Error>
where
    Store: GetObject + PutObject,
    Callback: CallBack,
    Starter: StartJob,
{
    let needs = plan::check(&request)?;
    let choice = plan::choose(&request, &needs, &deps.prices, &Availability::all());
    let choice = choice.map_err(Error::TooLarge)?;
    let job = store_job(deps, &request, choice.placement).await?;
    let uri = artifacts::job_uri(&deps.bucket, &job.id);
    let response = |choice: Choice, started| Response {
        job_id: job.id.clone(),
        job_uri: uri.to_string(),
        placement: choice.placement,
        reason: choice.reason,
        started,
    };
    let Some(token) = &request.task_token else {
        return Ok(response(choice, None));
    };
    if deliver_outcome(deps, &job.id, token).await? {
        info!(job = job.id, "answered from the committed outcome");
        return Ok(response(choice, None));
    }
    let launch = Launch {
        job: &job,
        uri: &uri,
        token,
        placement: choice.placement,
    };
    let (choice, started) = start(deps, &request, &needs, choice, launch).await?;
    Ok(response(choice, Some(started)))
}

/// Starts the job where `choice` says, or, where it is refused, at the next best placement. Tells where it was
/// started, and its ARN or id.
async fn start<Store, Callback, Starter: StartJob>(
    deps: &Deps<Store, Callback, Starter>,
    request: &Request,
    needs: &Needs,
    mut choice: Choice,
    mut launch: Launch<'_>,
) -> Result<(Choice, String), Error> {
    let (mut refusals, mut full) = (Availability::all(), false);
    loop {
        info!(job = launch.job.id, placement = %choice.placement, "{}", choice.reason);
        launch.placement = choice.placement;
        match deps.starter.start(&launch).await {
            Ok(started) => return Ok((choice, started)),
            Err(error) if request.placement.is_some() => return Err(error.into()),
            // The job may run there: another placement would run it twice.
            Err(error @ StartError::Unanswered { .. }) => return Err(error.into()),
            Err(error) => {
                warn!(job = launch.job.id, "{error}; trying the next placement");
                full |= matches!(error, StartError::Capacity { .. });
                refusals.refuse(choice.placement, error.to_string());
            }
        }
        let next = plan::choose(request, needs, &deps.prices, &refusals);
        choice = next.map_err(if full {
            Error::AllFull
        } else {
            Error::AllRefused
        })?;
    }
}

async fn store_job<Store, Callback, Starter>(
    deps: &Deps<Store, Callback, Starter>,
    request: &Request,
    placement: Placement,
) -> Result<Job, Error>
where
    Store: GetObject + PutObject,
{
    let origin = Origin {
        execution: request.execution.clone(),
        state: request.state.clone(),
        index: request.index,
    };
    let (worker, input) = (&request.worker, request.input.clone());
    let job = Job {
        execution_arn: request.execution_arn.clone(),
        resources: request.resources,
        ..Job::new(origin, worker, placement, input)
    };
    artifacts::put_json(
        &deps.store,
        &artifacts::job_uri(&deps.bucket, &job.id),
        &job,
        When::Absent,
    )
    .await?;
    Ok(job)
}

/// Answers the token when an earlier attempt has finished the job; says whether it did.
async fn deliver_outcome<Store, Callback, Starter>(
    deps: &Deps<Store, Callback, Starter>,
    job_id: &str,
    token: &TaskToken,
) -> Result<bool, Error>
where
    Store: GetObject,
    Callback: CallBack,
{
    let uri = artifacts::outcome_uri(&deps.bucket, job_id);
    let Some(outcome) = artifacts::find_json::<JobOutcome>(&deps.store, &uri).await? else {
        return Ok(false);
    };
    deps.callback
        .call_back(token, outcome.signal(&uri.to_string()))
        .await?;
    Ok(true)
}

#[cfg(test)]
mod tests;
