//! What a load test must fulfil: thresholds, and whether they hold.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::result::Measured;

/// What a threshold looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// A latency percentile (0 to 100), in microseconds.
    Percentile(f64),
    /// Mean latency in microseconds.
    Mean,
    /// Highest latency in microseconds.
    Max,
    /// Failed requests as a share of all, 0 to 1.
    ErrorRate,
    /// Requests that ended per second.
    Throughput,
}

/// How a threshold compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// A condition that a test must fulfil: `p99 < 250 ms`, `error rate < 0.1 %`, `throughput >= 4900 /s`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Threshold {
    text: String,
    metric: Metric,
    comparison: Comparison,
    /// In the metric's own unit.
    bound: f64,
}

impl Threshold {
    /// The bound of a latency in milliseconds; none of another figure.
    pub fn latency_ms(&self) -> Option<f64> {
        match self.metric {
            Metric::Percentile(_) | Metric::Mean | Metric::Max => Some(self.bound / 1e3),
            Metric::ErrorRate | Metric::Throughput => None,
        }
    }

    /// The bound of the requests per second; none of another figure.
    pub fn per_second(&self) -> Option<f64> {
        (self.metric == Metric::Throughput).then_some(self.bound)
    }
}

/// Why a text is not a threshold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThresholdError {
    /// None of `<`, `<=`, `>`, `>=` in it.
    #[error("threshold \"{0}\": write it as METRIC < VALUE UNIT, for example \"p99 < 250 ms\"")]
    Shape(String),
    /// An unknown metric.
    #[error(
        "threshold \"{text}\": unknown metric \"{metric}\"; use p50, p99.9 (any percentile), mean, max, error rate \
         or throughput"
    )]
    Metric {
        /// The whole threshold.
        text: String,
        /// The part that is not understood.
        metric: String,
    },
    /// A bound that is no number, or has a unit that does not belong to the metric.
    #[error(
        "threshold \"{text}\": \"{bound}\" is not a bound for {metric}; give a number and {unit}"
    )]
    Bound {
        /// The whole threshold.
        text: String,
        /// The part that is not understood.
        bound: String,
        /// The metric it is for.
        metric: &'static str,
        /// The units that the metric takes.
        unit: &'static str,
    },
}

impl Threshold {
    /// The measured value, in the metric's own unit (microseconds, share or requests per second); none when no
    /// request has a latency.
    pub fn measure(&self, measured: &Measured, seconds: f64) -> Option<f64> {
        let latency = |value: f64| (measured.latencies.count() > 0).then_some(value);
        match self.metric {
            Metric::Percentile(percent) => latency(measured.latencies.percentile(percent) as f64),
            Metric::Mean => latency(measured.latencies.mean()),
            Metric::Max => latency(measured.latencies.max() as f64),
            Metric::ErrorRate => Some(measured.error_rate()),
            Metric::Throughput => Some(measured.throughput(seconds)),
        }
    }

    /// Checks a test of `seconds` length. A test without any request passes no threshold, and one without any
    /// response no threshold of a latency: a server that is not there is not fast.
    pub fn check(&self, measured: &Measured, seconds: f64) -> Check {
        let value = self.measure(measured, seconds);
        let text = match (value, self.metric) {
            (None, _) => "no response".to_owned(),
            (Some(value), Metric::Percentile(_) | Metric::Mean | Metric::Max) => {
                format!("{:.3} ms", value / 1000.0)
            }
            (Some(value), Metric::ErrorRate) => format!("{:.3} %", value * 100.0),
            (Some(value), Metric::Throughput) => format!("{value:.1} /s"),
        };
        Check {
            threshold: self.text.clone(),
            measured: text,
            passed: measured.requests > 0 && value.is_some_and(|value| self.holds(value)),
        }
    }

    fn holds(&self, value: f64) -> bool {
        // The histogram answers with the top of a bucket, so compare against the top of the bound's own
        // bucket: `p99 <= 250 ms` must hold when every sample is exactly 250 ms.
        let slack = match self.metric {
            Metric::Percentile(_) | Metric::Max => self.bound / 1000.0,
            Metric::Mean | Metric::ErrorRate | Metric::Throughput => 0.0,
        };
        match self.comparison {
            Comparison::Below => value < self.bound,
            Comparison::AtMost => value <= self.bound + slack,
            Comparison::Above => value > self.bound,
            Comparison::AtLeast => value >= self.bound,
        }
    }
}

/// A threshold and whether it held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The threshold as it was written.
    pub threshold: String,
    /// The measured value with its unit.
    pub measured: String,
    /// Whether it held.
    pub passed: bool,
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> Self {
        threshold.text
    }
}

impl TryFrom<String> for Threshold {
    type Error = ThresholdError;

    fn try_from(text: String) -> Result<Self, ThresholdError> {
        text.parse()
    }
}

impl FromStr for Threshold {
    type Err = ThresholdError;

    fn from_str(text: &str) -> Result<Self, ThresholdError> {
        let at = text
            .find(['<', '>'])
            .ok_or_else(|| ThresholdError::Shape(text.to_owned()))?;
        let (metric, rest) = text.split_at(at);
        let (comparison, bound) = if let Some(bound) = rest.strip_prefix("<=") {
            (Comparison::AtMost, bound)
        } else if let Some(bound) = rest.strip_prefix(">=") {
            (Comparison::AtLeast, bound)
        } else if let Some(bound) = rest.strip_prefix('<') {
            (Comparison::Below, bound)
        } else {
            (Comparison::Above, &rest[1..])
        };
        let metric = parse_metric(metric.trim()).ok_or_else(|| ThresholdError::Metric {
            text: text.to_owned(),
            metric: metric.trim().to_owned(),
        })?;
        let bound = parse_bound(metric, bound.trim()).ok_or_else(|| {
            let (metric, unit) = match metric {
                Metric::Percentile(_) | Metric::Mean | Metric::Max => ("a latency", "us, ms or s"),
                Metric::ErrorRate => ("the error rate", "%"),
                Metric::Throughput => ("the throughput", "/s"),
            };
            ThresholdError::Bound {
                text: text.to_owned(),
                bound: bound.trim().to_owned(),
                metric,
                unit,
            }
        })?;
        Ok(Self {
            text: text.trim().to_owned(),
            metric,
            comparison,
            bound,
        })
    }
}

fn parse_metric(text: &str) -> Option<Metric> {
    match text {
        "mean" => Some(Metric::Mean),
        "max" => Some(Metric::Max),
        "error rate" => Some(Metric::ErrorRate),
        "throughput" => Some(Metric::Throughput),
        _ => {
            let percent: f64 = text.strip_prefix('p')?.parse().ok()?;
            (0.0..=100.0)
                .contains(&percent)
                .then_some(Metric::Percentile(percent))
        }
    }
}

fn parse_bound(metric: Metric, text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let scale = match (metric, text[end..].trim()) {
        (Metric::Percentile(_) | Metric::Mean | Metric::Max, "us" | "µs") => 1.0,
        (Metric::Percentile(_) | Metric::Mean | Metric::Max, "ms") => 1e3,
        (Metric::Percentile(_) | Metric::Mean | Metric::Max, "s") => 1e6,
        (Metric::ErrorRate, "%") => 0.01,
        (Metric::Throughput, "/s" | "") => 1.0,
        _ => return None,
    };
    Some(number * scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Failure;

    fn measured(latencies: &[u64], errors: u64) -> Measured {
        let mut measured = Measured {
            requests: latencies.len() as u64 + errors,
            ..Measured::default()
        };
        latencies
            .iter()
            .for_each(|&micros| measured.latencies.record(micros));
        if errors > 0 {
            measured.errors.insert(Failure::Connect, errors);
        }
        measured
    }

    #[test]
    fn thresholds_are_checked_in_their_own_units() {
        let test = measured(&[10_000; 999], 1);
        for (threshold, passed, value) in [
            ("p99 < 250 ms", true, "10.007 ms"),
            ("p99 < 10 ms", false, "10.007 ms"),
            ("p99.9 <= 10 ms", true, "10.007 ms"),
            ("p50 < 9999us", false, "10.007 ms"),
            ("max < 1 s", true, "10.007 ms"),
            ("mean > 1 ms", true, "10.004 ms"),
            ("error rate < 0.1 %", false, "0.100 %"),
            ("error rate <= 0.1 %", true, "0.100 %"),
            ("throughput >= 100 /s", true, "100.0 /s"),
            ("throughput > 100", false, "100.0 /s"),
        ] {
            let check = threshold.parse::<Threshold>().unwrap().check(&test, 10.0);
            assert_eq!(
                (check.passed, check.measured.as_str()),
                (passed, value),
                "{threshold}"
            );
        }
    }

    #[test]
    fn a_test_without_requests_passes_nothing() {
        assert!(
            !"error rate < 1 %"
                .parse::<Threshold>()
                .unwrap()
                .check(&Measured::default(), 10.0)
                .passed
        );
    }

    #[test]
    fn without_any_response_no_latency_threshold_holds() {
        let dead = measured(&[], 50);
        for threshold in ["p99 < 250 ms", "mean < 1 s", "max <= 1 s"] {
            let check = threshold.parse::<Threshold>().unwrap().check(&dead, 10.0);
            assert_eq!(
                (check.passed, check.measured.as_str()),
                (false, "no response"),
                "{threshold}"
            );
        }
    }

    #[test]
    fn what_is_no_threshold_is_refused_with_the_reason() {
        for (text, part) in [
            ("p99 250 ms", "METRIC < VALUE UNIT"),
            ("p101 < 1 ms", "unknown metric \"p101\""),
            ("latency < 1 ms", "unknown metric \"latency\""),
            ("p99 < fast", "\"fast\" is not a bound for a latency"),
            ("p99 < 5 %", "us, ms or s"),
            ("error rate < 5", "give a number and %"),
        ] {
            let error = text.parse::<Threshold>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
