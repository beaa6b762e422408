//! The report of a load test: what all generators measured, merged without loss, and whether the thresholds held.

mod page;
mod plot;

use std::ops::Add;

use placement::pricing::Prices;
use placement::{Placement, Resources};
use serde::{Deserialize, Serialize};

use crate::histogram::HistogramError;
use crate::result::{ClockReadings, Generated, LoadResult, Measured};
use crate::threshold::{Check, Threshold};

pub use page::{STYLE, render};
use page::{duration, thousands};

/// A generator kept the schedule when 99 % of its requests started within this many microseconds.
const ON_TIME_MICROS: u64 = 1_000;

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
                .filter_map(|(answer, _)| cost(answer, prices))
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

    /// What came of the test, in one sentence.
    pub fn answer(&self) -> String {
        let measured = &self.measured;
        let verdict = if self.reasons().is_empty() {
            "Passed"
        } else {
            "Failed"
        };
        let (rate, cost) = (self.throughput().round() as u64, self.cost_usd);
        let (requests, rate) = (thousands(measured.requests), thousands(rate));
        let failed = match measured.failed() {
            0 => "none failed".to_owned(),
            _ => format!("{:.3} % failed", 100.0 * measured.error_rate()),
        };
        let latency = match measured.latencies.count() {
            0 => "none was answered".to_owned(),
            _ => format!(
                "half within {}, 99 % within {}",
                duration(measured.latencies.percentile(50.0)),
                duration(measured.latencies.percentile(99.0))
            ),
        };
        format!(
            "{verdict}: {requests} requests at {rate} a second, {failed}, {latency}, for ${cost:.4}."
        )
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

/// USD of one invocation.
fn cost(answer: &Generated, prices: &Prices) -> Option<f64> {
    let given = Resources::of_function(answer.memory_mib);
    let usd = prices.cost(Placement::Lambda, &given, answer.billed_seconds());
    usd.ok()
}

/// Milliseconds.
pub fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}
