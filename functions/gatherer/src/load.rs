//! The load section: merges what the generators of a load test measured, without loss, checks the thresholds and
//! renders the report.

use std::ops::Add;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use shared::artifacts::{self, ArtifactError, GetObject, PutObject, S3Uri, When, run_uri};
use shared::histogram::{HistogramError, Latencies};
use shared::input::{self, InvalidInput};
use shared::load::{Check, ClockReadings, Generated, LoadResult, Measured, Threshold};
use shared::pricing::Prices;
use shared::task::Named as _;
use tracing::info;

use crate::{Deps, Error, Uris, load_page};

/// A generator kept the schedule when 99 % of its requests started within this many microseconds.
const ON_TIME_MICROS: u64 = 1_000;

/// What a state machine asks for when all generators have answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// What every generator answered: a [`Generated`], or with an `error` a [`FailedGenerator`].
    pub generators: Vec<Value>,
    /// Conditions for the test to pass.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
}

/// What came of one generator.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    /// It made its share.
    Generated(Generated),
    /// It failed.
    Failed(FailedGenerator),
}

impl Answer {
    fn parse(answer: Value) -> Result<Self, InvalidInput> {
        if answer.get("error").is_some() {
            input::parse(answer).map(Self::Failed)
        } else {
            input::parse(answer).map(Self::Generated)
        }
    }
}

/// A generator without a result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedGenerator {
    /// Which of the generators.
    pub index: u32,
    /// Name of the error.
    pub error: String,
    /// Its description.
    #[serde(default)]
    pub cause: String,
}

/// Where the report is and what it says in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Where the report is.
    pub report: Uris,
    /// All thresholds held and all generators answered.
    pub passed: bool,
    /// Why the test did not pass; empty when it did.
    pub reasons: Vec<String>,
    /// Every threshold with what was measured.
    pub checks: Vec<Check>,
    /// Requests that ended.
    pub requests: u64,
    /// Requests that ended per second.
    pub requests_per_second: f64,
    /// Failed requests as a share of all, 0 to 1.
    pub error_rate: f64,
    /// Median latency in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// What the generators cost, in USD.
    pub cost_usd: f64,
}

/// The whole report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadReport {
    /// Name of the execution.
    pub execution: String,
    /// The URL under load.
    pub url: String,
    /// Length of the measured part in seconds.
    pub seconds: f64,
    /// Requests that the schedule held, over all generators.
    pub offered: u64,
    /// Everything that all generators measured together.
    pub measured: Measured,
    /// The generators, by index.
    pub generators: Vec<GeneratorLine>,
    /// Generators that did not answer.
    pub failed: Vec<FailedGenerator>,
    /// Thresholds and whether they held.
    pub checks: Vec<Check>,
    /// What the invocations of the generators cost, in USD.
    pub cost_usd: f64,
}

/// One generator in the report.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GeneratorLine {
    /// Which of the generators.
    pub index: u32,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests that ended per second.
    pub requests_per_second: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// 99th percentile of the generator's own lateness in milliseconds.
    pub scheduling_p99_ms: f64,
    /// Whether it kept the schedule, so that its latencies are the server's.
    pub on_time: bool,
    /// How much later than agreed it began, in milliseconds, by its own clock.
    pub late_ms: f64,
    /// It stopped before its share was done.
    pub truncated: bool,
    /// How far its clock is ahead of the state machine's, and how sure that is, both in milliseconds.
    pub clock: Option<Skew>,
}

/// The distance of two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Skew {
    /// Milliseconds ahead; negative when behind.
    pub offset_ms: f64,
    /// The true offset is at most this many milliseconds away.
    pub uncertainty_ms: f64,
}

impl From<ClockReadings> for Skew {
    fn from(clock: ClockReadings) -> Self {
        Self {
            offset_ms: clock.offset_ms(),
            uncertainty_ms: clock.uncertainty_ms(),
        }
    }
}

impl LoadReport {
    /// Merges the results of all generators.
    ///
    /// # Errors
    /// [`HistogramError`] when a result holds a histogram that is not one of ours.
    pub fn new(
        execution: String,
        results: &[(Generated, LoadResult)],
        failed: Vec<FailedGenerator>,
        thresholds: &[Threshold],
        prices: &Prices,
    ) -> Result<Self, HistogramError> {
        let mut measured = Measured::default();
        for (_, result) in results {
            measured.merge(&on_common_clock(result))?;
        }
        let seconds = results
            .iter()
            .map(|(_, result)| result.seconds)
            .fold(0.0, f64::max);
        let mut generators: Vec<_> = results
            .iter()
            .map(|(answer, result)| line(answer, result))
            .collect();
        generators.sort_by_key(|generator| generator.index);
        Ok(Self {
            execution,
            url: results
                .first()
                .map(|(_, result)| result.url.clone())
                .unwrap_or_default(),
            seconds,
            offered: results.iter().map(|(_, result)| result.offered).sum(),
            checks: thresholds
                .iter()
                .map(|threshold| threshold.check(&measured, seconds))
                .collect(),
            // An empty sum of floats is -0.
            cost_usd: results
                .iter()
                .map(|(answer, _)| cost(answer, prices))
                .fold(0.0, Add::add),
            measured,
            generators,
            failed,
        })
    }

    /// Requests that ended per second.
    pub fn throughput(&self) -> f64 {
        self.measured.throughput(self.seconds)
    }

    /// Why the test did not pass; empty when it did.
    pub fn reasons(&self) -> Vec<String> {
        let missed = self.checks.iter().filter(|check| !check.passed);
        let missed = missed.map(|check| format!("{} is {}", check.threshold, check.measured));
        let failed = self.failed.iter();
        let failed =
            failed.map(|failed| format!("generator {} failed with {}", failed.index, failed.error));
        let mut reasons: Vec<String> = missed.chain(failed).collect();
        let truncated = self
            .generators
            .iter()
            .filter(|generator| generator.truncated)
            .count();
        if truncated > 0 {
            reasons.push(format!("{truncated} generators stopped early"));
        }
        if self.measured.requests == 0 {
            reasons.push("no request ended".to_owned());
        } else if self.measured.all_failed() && self.checks.is_empty() {
            reasons.push("every request failed".to_owned());
        }
        reasons
    }
}

/// What a generator measured, in seconds of the agreed start: one that began late has its seconds later.
fn on_common_clock(result: &LoadResult) -> Measured {
    let late = (result.late_ms / 1e3) as u32;
    let mut measured = result.measured.clone();
    measured
        .seconds
        .iter_mut()
        .for_each(|second| second.second += late);
    measured
}

fn line(answer: &Generated, result: &LoadResult) -> GeneratorLine {
    let scheduling = result.measured.scheduling.percentile(99.0);
    GeneratorLine {
        index: result.index,
        requests: result.measured.requests,
        failed: result.measured.failed(),
        requests_per_second: result.throughput(),
        p99_ms: millis(result.measured.latencies.percentile(99.0)),
        scheduling_p99_ms: millis(scheduling),
        on_time: scheduling <= ON_TIME_MICROS,
        late_ms: result.late_ms,
        truncated: result.truncated,
        clock: answer.clock().map(Skew::from),
    }
}

/// USD of one invocation: memory by the billed time, and the request.
fn cost(answer: &Generated, prices: &Prices) -> f64 {
    let gigabytes = f64::from(answer.memory_mib) / 1_024.0;
    answer.billed_seconds() * gigabytes * prices.lambda.gb_second + prices.lambda.request
}

pub(crate) fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

/// Reads what the generators wrote, merges it and writes the report beside it. A generator whose result is not there
/// or is none has failed.
///
/// # Errors
/// `Input.Invalid` when an answer is none of a load generator, `Job.Storage` when S3 fails.
pub async fn handle<Store>(deps: &Deps<Store>, request: Request) -> Result<Response, Error>
where
    Store: GetObject + PutObject,
{
    let (mut results, mut failed) = (Vec::new(), Vec::new());
    for (at, answer) in request.generators.into_iter().enumerate() {
        let answer = Answer::parse(answer)
            .map_err(|error| error.under(&format!("$.load.generators[{at}]")))?;
        match answer {
            Answer::Generated(generated) => {
                match read_result(&deps.store, &generated.result_uri).await {
                    Ok(result) => results.push((generated, result)),
                    Err(error @ ArtifactError::Unavailable { .. }) => return Err(error.into()),
                    Err(error) => failed.push(FailedGenerator {
                        index: generated.index,
                        error: error.name().to_owned(),
                        cause: error.to_string(),
                    }),
                }
            }
            Answer::Failed(generator) => failed.push(generator),
        }
    }
    let report = LoadReport::new(
        request.execution,
        &results,
        failed,
        &request.thresholds,
        &Prices::default(),
    )
    .map_err(|error| InvalidInput::new("$.load.generators", error.to_string()))?;
    let uris = publish(deps, &report).await?;
    let reasons = report.reasons();
    let passed = reasons.is_empty();
    info!(
        execution = report.execution,
        requests = report.measured.requests,
        passed,
        "gathered a load test"
    );
    let latencies = &report.measured.latencies;
    Ok(Response {
        report: uris,
        passed,
        reasons,
        requests: report.measured.requests,
        requests_per_second: report.throughput(),
        error_rate: report.measured.error_rate(),
        p50_ms: millis(latencies.percentile(50.0)),
        p99_ms: millis(latencies.percentile(99.0)),
        cost_usd: report.cost_usd,
        checks: report.checks,
    })
}

/// The result of one generator, all of whose histograms can be read.
async fn read_result(store: &impl GetObject, uri: &S3Uri) -> Result<LoadResult, ArtifactError> {
    let result: LoadResult = artifacts::get_json(store, uri).await?;
    for (at, second) in result.measured.seconds.iter().enumerate() {
        Latencies::from_base64(&second.latencies).map_err(|error| ArtifactError::Malformed {
            uri: uri.clone(),
            reason: InvalidInput::new(
                format!("$.measured.seconds[{at}].latencies"),
                error.to_string(),
            ),
        })?;
    }
    Ok(result)
}

async fn publish<Store: PutObject>(
    deps: &Deps<Store>,
    report: &LoadReport,
) -> Result<Uris, ArtifactError> {
    let uri = |name| run_uri(&deps.bucket, &report.execution, name);
    let uris = Uris {
        json: uri("load/report.json"),
        html: uri("load/report.html"),
    };
    artifacts::put_json(&deps.store, &uris.json, report, When::Always).await?;
    let page = load_page::render(report).into_string();
    deps.store
        .put(&uris.html, page.into_bytes(), When::Always)
        .await?;
    Ok(uris)
}
