//! The function: plans a test, or makes one generator's share of it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jobs::artifacts::{PutObject, S3Uri, When, put_json};
use load::result::Generated;
use placement::quota;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use tracing::info;

use crate::capacity::{MeasureCapacity, generators_needed};
use load::{AllowedTargets, Ceilings, Error, LoadTest, Plan, Share, Timing, run};

/// Time before the function's limit at which a test is stopped: enough to encode and write the result.
const MARGIN: Duration = Duration::from_secs(5);
/// How long before the common start all generators are called, unless the caller says otherwise: cold
/// starts and the work of the state machine fit into it several times.
const LEAD_SECONDS: f64 = 5.0;

/// What the function works with.
#[derive(Debug)]
pub struct Deps<S, C> {
    /// Where results are written.
    pub store: S,
    /// How the capacity of one generator is known.
    pub capacity: C,
    /// What may be put under load.
    pub allowed: AllowedTargets,
    /// How much.
    pub ceilings: Ceilings,
    /// Memory of this function in MiB.
    pub memory_mib: u32,
    /// How long this environment took to initialise, until an answer has told it.
    pub init: Mutex<Option<Duration>>,
}

/// What the function is asked to do.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Request {
    /// Check a test and say how many generators it needs.
    Plan(PlanRequest),
    /// Make one generator's share of the load.
    Generate(GenerateRequest),
}

/// A test to be planned.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanRequest {
    /// The test.
    pub test: LoadTest,
    /// Functions that the account can run at once; Lambda's default quota when absent.
    #[serde(default = "default_concurrency")]
    pub concurrency: u32,
    /// Seconds from now until all generators begin.
    #[serde(default = "default_lead")]
    pub start_in_seconds: f64,
}

/// A share of a test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GenerateRequest {
    /// The test, the same for all generators.
    pub test: LoadTest,
    /// Which of the generators this is.
    pub generator: Share,
    /// When all begin, in milliseconds since 1970; at once when absent.
    #[serde(default)]
    pub start_at_ms: Option<f64>,
    /// Where the result is to be written.
    pub result_uri: S3Uri,
    /// When the state machine sent this, by its clock.
    #[serde(default)]
    pub sent_at_ms: Option<f64>,
}

/// What the function answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To [`Request::Plan`].
    Plan(Planned),
    /// To [`Request::Generate`].
    Generated(Generated),
}

/// How a test is to be made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Planned {
    /// One share for each generator.
    pub generators: Vec<Share>,
    /// When all begin, in milliseconds since 1970.
    pub start_at_ms: f64,
    /// Requests per second that one generator makes at most.
    pub capacity: f64,
    /// Length of the test in seconds, warm-up included.
    pub seconds: f64,
}

/// Answers one invocation that began at `now` and must end by `deadline`.
///
/// # Errors
/// [`Error`]: the test makes no sense, is not allowed, or cannot be made here. Failed requests are part of
/// the result.
pub async fn handle<S, C>(
    deps: &Deps<S, C>,
    request: Request,
    now: SystemTime,
    deadline: Instant,
) -> Result<Response, Error>
where
    S: PutObject,
    C: MeasureCapacity,
{
    match request {
        Request::Plan(request) => plan(deps, request, now, deadline).await.map(Response::Plan),
        Request::Generate(request) => generate(deps, request, now, deadline)
            .await
            .map(Response::Generated),
    }
}

async fn plan<S, C: MeasureCapacity>(
    deps: &Deps<S, C>,
    request: PlanRequest,
    now: SystemTime,
    deadline: Instant,
) -> Result<Planned, Error> {
    let PlanRequest {
        test,
        concurrency,
        start_in_seconds,
    } = request;
    if !(0.0..=300.0).contains(&start_in_seconds) {
        return Err(Error::invalid("startInSeconds", "must be from 0 to 300"));
    }
    let limit = deadline
        .saturating_duration_since(Instant::now())
        .as_secs_f64();
    let needed =
        start_in_seconds + test.seconds() + test.timeout_ms as f64 / 1e3 + MARGIN.as_secs_f64();
    if needed > limit {
        return Err(Error::TooLong { needed, limit });
    }
    let began = Instant::now();
    let (allowed, ceilings) = (deps.allowed.clone(), deps.ceilings);
    // Refuses what generators would refuse, before one of them is started.
    let test =
        blocking(move || Plan::new(test, Share::WHOLE, &allowed, ceilings).map(|plan| plan.test))
            .await?;
    let capacity = deps.capacity.measure().await?;
    let needed = generators_needed(&test, capacity);
    // An inline Map runs no more iterations than that at once, and all generators must run at once.
    let available = concurrency.min(quota::INLINE_MAP_CONCURRENCY);
    let count = u32::try_from(needed)
        .ok()
        .filter(|count| *count <= available);
    let count = count.ok_or(Error::Concurrency {
        needed,
        capacity,
        available,
    })?;
    let start = now + began.elapsed() + Duration::from_secs_f64(start_in_seconds);
    info!(generators = count, capacity, "planned");
    Ok(Planned {
        generators: (0..count).map(|index| Share { index, count }).collect(),
        start_at_ms: millis(start),
        capacity,
        seconds: test.seconds(),
    })
}

async fn generate<S: PutObject, C>(
    deps: &Deps<S, C>,
    request: GenerateRequest,
    now: SystemTime,
    deadline: Instant,
) -> Result<Generated, Error> {
    let GenerateRequest {
        test,
        generator,
        start_at_ms,
        result_uri,
        sent_at_ms,
    } = request;
    let start_at = start_at_ms.map(start_at).transpose()?;
    let began = Instant::now();
    let (allowed, ceilings) = (deps.allowed.clone(), deps.ceilings);
    let stop_at = deadline.checked_sub(MARGIN).unwrap_or(deadline);
    let timing = Timing {
        start_at,
        stop_at: Some(stop_at.into_std()),
        ..Timing::default()
    };
    let ahead = start_at.and_then(|at| at.duration_since(now).ok());
    if ahead.is_some_and(|ahead| ahead > stop_at.saturating_duration_since(began)) {
        return Err(Error::invalid(
            "startAtMs",
            "is after the time limit of this function; begin earlier or raise the timeout",
        ));
    }
    let result = blocking(move || {
        let plan = Plan::new(test, generator, &allowed, ceilings)?;
        run(&plan, &timing, &mut |_| ())
    })
    .await?;
    put_json(&deps.store, &result_uri, &result, When::Always).await?;
    info!(
        requests = result.measured.requests,
        failed = result.measured.failed(),
        "generated"
    );
    let init = (deps.init.lock().unwrap_or_else(PoisonError::into_inner)).take();
    Ok(Generated {
        index: result.index,
        result_uri,
        requests: result.measured.requests,
        failed: result.measured.failed(),
        requests_per_second: result.throughput(),
        p99_ms: result.measured.latencies.percentile(99.0) as f64 / 1e3,
        truncated: result.truncated,
        memory_mib: deps.memory_mib,
        init_ms: init.map(|init| init.as_secs_f64() * 1e3),
        sent_at_ms,
        received_at_ms: millis(now),
        returned_at_ms: millis(now + began.elapsed()),
        done_at_ms: None,
    })
}

/// Runs what blocks on a thread of its own.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Io(std::io::Error::other(error)))?
}

fn start_at(millis: f64) -> Result<SystemTime, Error> {
    let since = Duration::try_from_secs_f64(millis / 1e3);
    let at = since.ok().and_then(|since| UNIX_EPOCH.checked_add(since));
    at.ok_or_else(|| Error::invalid("startAtMs", "must be milliseconds since 1970"))
}

fn millis(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
        * 1e3
}

fn default_concurrency() -> u32 {
    quota::LAMBDA_CONCURRENCY
}

fn default_lead() -> f64 {
    LEAD_SECONDS
}
