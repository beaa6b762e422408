//! The load section: merges what the generators of a load test measured, without loss, checks the thresholds and
//! renders the report.

use input::InvalidInput;
use jobs::artifacts::{self, ArtifactError, GetObject, PutObject, S3Uri, When, run_uri};
use jobs::task::Named as _;
use load::histogram::Latencies;
use load::report::{self, FailedGenerator, LoadReport, millis};
use load::result::{Generated, LoadResult};
use load::threshold::{Check, Threshold};
use serde::{Deserialize, Serialize};
use tracing::info;

use crate::{Deps, Error, Uris};

/// What a state machine asks for when all generators have answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// `$states.context.Execution.Name`.
    pub execution: String,
    /// What came of every generator.
    pub generators: Vec<Answer>,
    /// Conditions for the test to pass.
    #[serde(default)]
    pub thresholds: Vec<Threshold>,
}

/// What came of one generator.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// It made its share.
    Generated(Generated),
    /// It failed.
    Failed(FailedGenerator),
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

/// Reads what the generators wrote, merges it and writes the report beside it. A generator whose result is not there
/// or is none has failed.
///
/// # Errors
/// `Input.Invalid` when a histogram is none of ours, `Job.Storage` when S3 fails.
pub async fn handle<Store>(deps: &Deps<Store>, request: Request) -> Result<Response, Error>
where
    Store: GetObject + PutObject,
{
    let (mut results, mut failed) = (Vec::new(), Vec::new());
    for answer in request.generators {
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
        &deps.prices,
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
    let page = report::render(report).into_string();
    deps.store
        .put(&uris.html, page.into_bytes(), When::Always)
        .await?;
    Ok(uris)
}
