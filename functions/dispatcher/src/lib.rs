//! The `dispatcher` function: stores a job, chooses its placement, starts it there, and returns. The job itself
//! answers the task token.
//!
//! Every step may be repeated: the job id follows from the request, `job.json` is written once, and a start with
//! the same task token is the same start on Fargate and Batch. Lambda may run an event twice, and of two runs the
//! first commits the outcome.

mod batch;
mod history;
mod launch;
pub mod plan;
mod start;

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, S3Uri, When};
use jobs::attempt::{Attempt, Ended, attempt_id, attempt_uri, note_end};
use jobs::job::{Job, JobOutcome, Origin};
use jobs::ledger::Store;
use jobs::measure::Measured;
use jobs::task::{
    CallBack, CallbackError, INPUT_INVALID, JOB_CAPACITY, JOB_NOT_STARTED, JOB_TOO_LARGE, Named,
    TaskToken,
};
use placement::Placement;
use placement::choice::{Availability, NoPlacement};
use placement::course::{AtLimit, Lessons};
use placement::estimate::{Feature, USUAL};
use placement::pricing::Prices;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::{info, warn};

use plan::{Choice, Plan, Wanted};

pub use batch::{BatchRequest, Packed};
pub use history::Recall;

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
    /// What the job needs; the ledger tells what is left out.
    #[serde(default)]
    pub resources: Option<Wanted>,
    /// The most memory that it may have after it ran out of it, in MiB; as much as there is, when absent.
    #[serde(default, rename = "mostMemoryMiB")]
    pub most_memory_mib: Option<u32>,
    /// How long the job probably runs, in seconds; the ledger tells, when absent.
    #[serde(default)]
    pub expected_seconds: Option<f64>,
    /// How long it may run at most, in seconds. When absent, a quarter more than expected, or what the ledger tells.
    #[serde(default)]
    pub longest_seconds: Option<f64>,
    /// Which jobs of the worker are alike, in the ledger; those of the state, when absent.
    #[serde(default)]
    pub class: Option<String>,
    /// The size of its input in bytes, by which jobs of a class differ.
    #[serde(default)]
    pub size_bytes: Option<f64>,
    /// Something else that tells the size of the job: `{"name": "nTrees", "value": 50}`.
    #[serde(default)]
    pub feature: Option<Feature>,
    /// `$states.context.State.RetryCount`: at 0 there is no attempt before to look for.
    #[serde(default)]
    pub retry_count: Option<u64>,
    /// When it must be done, in seconds from its first attempt; whenever, when absent.
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
    /// It ran out of all the memory that it may have.
    #[error(transparent)]
    AtLimit(#[from] AtLimit),
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
            Self::AtLimit(_) => JOB_TOO_LARGE,
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
    /// The ledgers that were read lately.
    pub recall: Recall,
}

/// What the function answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To a request for a job.
    Job(Response),
    /// To a request that carries a batch of jobs.
    Batch(Box<Packed>),
}

/// Answers an event as of `now_ms`: a request for a job, or, with `jobs`, for a batch of them.
///
/// # Errors
/// As [`handle`] and the division into packs.
pub async fn answer<S, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    event: Value,
    now_ms: u64,
) -> Result<Answer, Error>
where
    S: Store,
    Callback: CallBack,
    Starter: StartJob,
{
    if event.get("jobs").is_some() {
        let packed = batch::handle(deps, input::parse(event)?).await?;
        return Ok(Answer::Batch(Box::new(packed)));
    }
    Ok(Answer::Job(
        handle(deps, input::parse(event)?, now_ms).await?,
    ))
}

/// Stores the job of `request`, decides where and at which size it runs as of `now_ms`, and starts it there.
///
/// # Errors
/// `Input.Invalid` for a request that cannot be served, `Job.TooLarge` for a job that ran out of all the memory that it
/// may have, `Job.Capacity` when another time may do, `Job.NotStarted` when AWS refuses the start itself,
/// `Job.Storage` when S3 does.
pub async fn handle<S, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    request: Request,
    now_ms: u64,
) -> Result<Response, Error>
where
    S: Store,
    Callback: CallBack,
    Starter: StartJob,
{
    plan::check(&request)?;
    let mut job = job(&request);
    let uri = artifacts::job_uri(&deps.bucket, &job.id);
    let (plan, lessons) = learn(deps, &request, &job, &uri, now_ms).await?;
    let choice = plan::choose(
        &request,
        &plan,
        &lessons,
        &deps.prices,
        &Availability::all(),
    );
    let choice = choice.map_err(Error::TooLarge)?;
    (job.placement, job.resources) = (choice.placement, plan.size);
    artifacts::put_json(&deps.store, &uri, &job, When::Absent).await?;
    let response = |placement, reason, started| Response {
        job_id: job.id.clone(),
        job_uri: uri.to_string(),
        placement,
        reason,
        started,
    };
    if let Some(token) = &request.task_token
        && deliver_outcome(deps, &job.id, token).await?
    {
        info!(job = job.id, "answered from the committed outcome");
        return Ok(response(choice.placement, choice.reason, None));
    }
    // Asked again for the same start, it is what was decided first, whatever was learnt meanwhile.
    let attempt = attempt(&request, &job, &plan, choice, now_ms);
    let decided = attempt_uri(&uri, &attempt.id);
    let attempt = artifacts::put_once(&deps.store, &decided, attempt).await?;
    let Some(token) = &request.task_token else {
        return Ok(response(attempt.placement, attempt.reason, None));
    };
    let launch = Launch {
        job: &job,
        uri: &uri,
        token,
        placement: attempt.placement,
        resources: attempt.resources,
    };
    match start(deps, &request, (&plan, &lessons), attempt.clone(), launch).await {
        Ok((attempt, started)) => Ok(response(attempt.placement, attempt.reason, Some(started))),
        Err(error) => {
            note_end(
                &deps.store,
                &uri,
                &attempt,
                &not_started(&attempt, &error, now_ms),
            )
            .await;
            Err(error)
        }
    }
}

/// What the job needs, by its request, its attempts so far and the ledger, and what the attempts have taught.
async fn learn<S: Store, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    request: &Request,
    job: &Job,
    uri: &S3Uri,
    now_ms: u64,
) -> Result<(Plan, Lessons), Error> {
    let (past, first) = match (&request.task_token, request.retry_count) {
        (None, _) | (_, Some(0)) => Default::default(),
        (token, _) => history::past(&deps.store, uri, &attempt_id(token.as_ref())).await?,
    };
    let lessons = Lessons::learn(&past, request.most_memory_mib, USUAL.memory_mib)?;
    let runs = match plan::asks_the_ledger(request) {
        true => {
            let class = class(request, job);
            let (store, bucket) = (&deps.store, &deps.bucket);
            deps.recall.runs(store, bucket, &job.worker, &class).await
        }
        false => Default::default(),
    };
    let elapsed = first.map_or(0, |first| now_ms.saturating_sub(first)) as f64 / 1e3;
    let plan = plan::plan(request, &runs, &lessons, &deps.prices, elapsed);
    Ok((plan, lessons))
}

fn class(request: &Request, job: &Job) -> String {
    request.class.clone().unwrap_or_else(|| job.origin.class())
}

fn attempt(request: &Request, job: &Job, plan: &Plan, choice: Choice, now_ms: u64) -> Attempt {
    Attempt {
        id: attempt_id(request.task_token.as_ref()),
        worker: job.worker.clone(),
        class: class(request, job),
        feature: plan::feature(request),
        dispatched_at_ms: now_ms,
        placement: choice.placement,
        resources: plan.size,
        predicted: choice.predicted,
        reason: choice.reason,
    }
}

/// The end of an attempt that no placement has started.
fn not_started(attempt: &Attempt, error: &Error, now_ms: u64) -> Ended {
    Ended {
        ending: error.name().to_owned(),
        placement: attempt.placement,
        given: attempt.resources,
        feature: attempt.feature.clone(),
        job: None,
        started_at_ms: None,
        finished_at_ms: now_ms,
        measured: Measured::default(),
    }
}

/// Starts the job where `attempt` says, or, where it is refused, at the next best placement. Gives the attempt as it was
/// started, and the ARN or id of what was.
async fn start<S: Store, Callback, Starter: StartJob>(
    deps: &Deps<S, Callback, Starter>,
    request: &Request,
    (plan, lessons): (&Plan, &Lessons),
    mut attempt: Attempt,
    mut launch: Launch<'_>,
) -> Result<(Attempt, String), Error> {
    let (mut refusals, mut full) = (Availability::all(), false);
    loop {
        info!(job = launch.job.id, placement = %attempt.placement, "{}", attempt.reason);
        launch.placement = attempt.placement;
        match deps.starter.start(&launch).await {
            Ok(started) => return Ok((attempt, started)),
            Err(error) if request.placement == Some(attempt.placement) => return Err(error.into()),
            // The job may run there: another placement would run it twice.
            Err(error @ StartError::Unanswered { .. }) => return Err(error.into()),
            Err(error) => {
                warn!(job = launch.job.id, "{error}; trying the next placement");
                full |= matches!(error, StartError::Capacity { .. });
                refusals.refuse(attempt.placement, error.to_string());
            }
        }
        let next = plan::choose(request, plan, lessons, &deps.prices, &refusals);
        let choice = next.map_err(if full {
            Error::AllFull
        } else {
            Error::AllRefused
        })?;
        attempt = Attempt {
            placement: choice.placement,
            predicted: choice.predicted,
            reason: choice.reason,
            ..attempt
        };
        let uri = attempt_uri(launch.uri, &attempt.id);
        artifacts::put_json(&deps.store, &uri, &attempt, When::Always).await?;
    }
}

/// The job that is asked for; where it runs follows.
fn job(request: &Request) -> Job {
    let origin = Origin {
        execution: request.execution.clone(),
        state: request.state.clone(),
        index: request.index,
    };
    let placement = request.placement.unwrap_or(Placement::Fargate);
    Job {
        execution_arn: request.execution_arn.clone(),
        ..Job::new(origin, &request.worker, placement, request.input.clone())
    }
}

/// Answers the token when an earlier attempt has finished the job; says whether it did.
async fn deliver_outcome<S, Callback, Starter>(
    deps: &Deps<S, Callback, Starter>,
    job_id: &str,
    token: &TaskToken,
) -> Result<bool, Error>
where
    S: GetObject,
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
