//! What load generators hand on: the result of one, the merge of several, and the clocks.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::histogram::{HistogramError, Latencies};
use jobs::artifacts::S3Uri;

/// Why a request did not count as good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// No connection was made: refused, unreachable, no descriptor left.
    Connect,
    /// The TLS handshake or a TLS record failed.
    Tls,
    /// No complete response within the time limit, counted from the intended start.
    Timeout,
    /// The server closed the connection or reset the stream before the response was complete.
    Closed,
    /// What came back is not HTTP.
    Protocol,
    /// A response with more than 100 headers.
    TooManyHeaders,
    /// A response with two different Content-Lengths, which has no end (RFC 9112, section 6.3).
    ContentLengths,
    /// A complete response with a status that the test does not expect.
    Status,
    /// A complete response whose body is not as the test expects.
    Body,
    /// Never sent: every connection was busy until the test was over.
    Unsent,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Connect => "no connection",
            Self::Tls => "TLS failed",
            Self::Timeout => "no response in time",
            Self::Closed => "connection closed before the response was complete",
            Self::Protocol => "not an HTTP response",
            Self::TooManyHeaders => "response with more than 100 headers",
            Self::ContentLengths => "response with two different Content-Lengths",
            Self::Status => "unexpected status (counted above too)",
            Self::Body => "unexpected body (counted above too)",
            Self::Unsent => "never sent, all connections were busy",
        })
    }
}

/// One second of a test, counted from its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Second {
    /// Which second, from 0. A request belongs to the second in which it ended.
    pub second: u32,
    /// Requests that ended, well or not.
    pub requests: u64,
    /// Those of them that failed.
    pub errors: u64,
    /// Bytes received, head and body.
    pub bytes_received: u64,
    /// Latencies of this second in the text form of [`Latencies`].
    pub latencies: String,
}

/// What was measured, by one thread, one generator or all of them: merging keeps every figure exact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measured {
    /// Requests that ended, well or not. Warm-up is not counted.
    pub requests: u64,
    /// Time from the intended start to the last byte of the response, in microseconds. A request that
    /// timed out counts with the time it was waited for, so a stalled server cannot improve its figures.
    pub latencies: Latencies,
    /// How late the generator itself was in starting requests, in microseconds (open loop only).
    pub scheduling: Latencies,
    /// Complete responses by status code.
    pub statuses: BTreeMap<u16, u64>,
    /// Failed requests by kind.
    pub errors: BTreeMap<Failure, u64>,
    /// Bytes sent, head and body, before encryption.
    pub bytes_sent: u64,
    /// Bytes received, head and body, after decryption.
    pub bytes_received: u64,
    /// The course of the test; seconds in which nothing ended are left out.
    pub seconds: Vec<Second>,
}

impl Measured {
    /// Failed requests of any kind.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Failed requests as a share (0 to 1) of all; 0 when there were none.
    pub fn error_rate(&self) -> f64 {
        if self.requests == 0 {
            0.0
        } else {
            self.failed() as f64 / self.requests as f64
        }
    }

    /// Whether nothing but failures came of the requests.
    pub fn all_failed(&self) -> bool {
        self.failed() >= self.requests
    }

    /// Requests that ended, well or not, per second of a test of `seconds` length.
    pub fn throughput(&self, seconds: f64) -> f64 {
        if seconds > 0.0 {
            self.requests as f64 / seconds
        } else {
            0.0
        }
    }

    /// Adds what another thread or generator measured.
    ///
    /// # Errors
    /// [`HistogramError`] when a histogram of a second is not one of ours.
    pub fn merge(&mut self, other: &Self) -> Result<(), HistogramError> {
        self.requests += other.requests;
        self.latencies.merge(&other.latencies);
        self.scheduling.merge(&other.scheduling);
        for (status, count) in &other.statuses {
            *self.statuses.entry(*status).or_default() += count;
        }
        for (kind, count) in &other.errors {
            *self.errors.entry(*kind).or_default() += count;
        }
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        for second in &other.seconds {
            match self
                .seconds
                .binary_search_by_key(&second.second, |own| own.second)
            {
                Ok(at) => self.seconds[at].merge(second)?,
                Err(at) => self.seconds.insert(at, second.clone()),
            }
        }
        Ok(())
    }
}

impl Second {
    fn merge(&mut self, other: &Self) -> Result<(), HistogramError> {
        self.requests += other.requests;
        self.errors += other.errors;
        self.bytes_received += other.bytes_received;
        let mut latencies = Latencies::from_base64(&self.latencies)?;
        latencies.merge(&Latencies::from_base64(&other.latencies)?);
        self.latencies = latencies.to_base64();
        Ok(())
    }
}

/// Four readings of two clocks, as NTP takes them (RFC 5905, section 8): they tell how far the clock of
/// a generator is from the clock of Step Functions without any other service.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClockReadings {
    /// The state machine sent the request, in milliseconds since 1970 by its clock (`$millis()` in Arguments).
    pub sent_at_ms: f64,
    /// The generator received it, by the generator's clock.
    pub received_at_ms: f64,
    /// The generator answered, by the generator's clock.
    pub returned_at_ms: f64,
    /// The state machine had the answer, by its clock (`$millis()` in Output).
    pub done_at_ms: f64,
}

impl ClockReadings {
    /// How many milliseconds the generator's clock is ahead (behind when negative).
    pub fn offset_ms(&self) -> f64 {
        f64::midpoint(
            self.received_at_ms - self.sent_at_ms,
            self.returned_at_ms - self.done_at_ms,
        )
    }

    /// The true offset is within this many milliseconds of [`Self::offset_ms`]: half of the time on the way.
    pub fn uncertainty_ms(&self) -> f64 {
        (((self.done_at_ms - self.sent_at_ms) - (self.returned_at_ms - self.received_at_ms)) / 2.0)
            .max(0.0)
    }
}

/// What one generator did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadResult {
    /// The URL under load.
    pub url: String,
    /// Which of the test's generators this is, from 0.
    pub index: u32,
    /// How many generators the test has.
    pub count: u32,
    /// Threads of this generator.
    pub threads: u32,
    /// The instant from which the measured schedule counts, in milliseconds since 1970 by its own clock.
    pub started_at_ms: f64,
    /// How much later than the agreed `startAt` that was, in milliseconds; 0 when none was agreed.
    pub late_ms: f64,
    /// Length of the measured part in seconds: the schedule, or until the last response if that came later.
    pub seconds: f64,
    /// Arrivals that the schedule of this generator holds (open loop; of random ones the expected number), or the
    /// requests made (closed loop).
    pub offered: u64,
    /// Requests that were on their way when the generator stopped early; they are in no other figure.
    #[serde(default)]
    pub unfinished: u64,
    /// True when the generator stopped early, before the function's time limit.
    pub truncated: bool,
    /// What was measured.
    pub measured: Measured,
}

/// The answer of one generator to the state machine: where its [`LoadResult`] is, and what a person wants
/// to see in the console.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Generated {
    /// Which of the test's generators this is, from 0.
    pub index: u32,
    /// The object that holds the [`LoadResult`].
    pub result_uri: S3Uri,
    /// Requests that ended.
    pub requests: u64,
    /// Those of them that failed.
    pub failed: u64,
    /// Requests that ended per second.
    pub requests_per_second: f64,
    /// 99th percentile of the latency in milliseconds.
    pub p99_ms: f64,
    /// True when the generator stopped early.
    pub truncated: bool,
    /// Memory of the function in MiB; 0 outside Lambda.
    pub memory_mib: u32,
    /// How long the function's environment took to initialise, in milliseconds, when this was its first answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init_ms: Option<f64>,
    /// When the state machine sent the request, by its clock, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_ms: Option<f64>,
    /// When the generator received it, by the generator's clock.
    pub received_at_ms: f64,
    /// When the generator answered, by the generator's clock.
    pub returned_at_ms: f64,
    /// When the state machine had the answer, by its clock; the state machine adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done_at_ms: Option<f64>,
}

impl Generated {
    /// The readings of both clocks, if the state machine took its own.
    pub fn clock(&self) -> Option<ClockReadings> {
        Some(ClockReadings {
            sent_at_ms: self.sent_at_ms?,
            received_at_ms: self.received_at_ms,
            returned_at_ms: self.returned_at_ms,
            done_at_ms: self.done_at_ms?,
        })
    }

    /// Seconds that Lambda bills for the invocation, and for the initialisation that came before it.
    pub fn billed_seconds(&self) -> f64 {
        let invocation = (self.returned_at_ms - self.received_at_ms).max(0.0);
        (invocation + self.init_ms.unwrap_or(0.0)).ceil() / 1e3
    }
}

impl LoadResult {
    /// Good and failed requests per second of the measured part.
    pub fn throughput(&self) -> f64 {
        self.measured.throughput(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    #[test]
    fn initialisation_is_billed_with_the_first_invocation() {
        let answer = |more: Value| {
            let mut answer = json!({
                "index": 0, "resultUri": "s3://b/0.json", "requests": 0, "failed": 0, "requestsPerSecond": 0.0,
                "p99Ms": 0.0, "truncated": false, "memoryMib": 1024, "receivedAtMs": 10.0, "returnedAtMs": 110.2
            });
            answer
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            serde_json::from_value::<Generated>(answer)
                .unwrap()
                .billed_seconds()
        };
        assert_eq!(answer(json!({})), 0.101);
        assert_eq!(answer(json!({"initMs": 40.5})), 0.141);
    }

    #[test]
    fn the_clock_offset_is_found_to_within_half_the_way() {
        // The generator is 40 ms ahead; the request takes 30 ms there and 10 ms back.
        let clock = ClockReadings {
            sent_at_ms: 1_000.0,
            received_at_ms: 1_070.0,
            returned_at_ms: 2_070.0,
            done_at_ms: 2_040.0,
        };
        assert_eq!((clock.offset_ms(), clock.uncertainty_ms()), (50.0, 20.0));
    }

    fn second() -> impl Strategy<Value = Second> {
        (0u32..5, prop::collection::vec(1u64..1_000_000, 1..20)).prop_map(|(second, samples)| {
            let mut latencies = Latencies::new();
            samples.iter().for_each(|&micros| latencies.record(micros));
            let requests = samples.len() as u64;
            Second {
                second,
                requests,
                errors: 0,
                bytes_received: requests * 10,
                latencies: latencies.to_base64(),
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn the_order_of_merging_does_not_matter(seconds in prop::collection::vec(second(), 1..12)) {
            let parts: Vec<Measured> = seconds
                .into_iter()
                .map(|second| Measured {
                    requests: second.requests,
                    latencies: Latencies::from_base64(&second.latencies).unwrap(),
                    statuses: BTreeMap::from([(200, second.requests)]),
                    seconds: vec![second],
                    ..Measured::default()
                })
                .collect();
            let mut forward = Measured::default();
            let mut backward = Measured::default();
            parts.iter().for_each(|part| forward.merge(part).unwrap());
            parts.iter().rev().for_each(|part| backward.merge(part).unwrap());
            prop_assert_eq!(&forward, &backward);
            prop_assert_eq!(forward.requests, forward.seconds.iter().map(|second| second.requests).sum::<u64>());
            prop_assert!(forward.seconds.is_sorted_by_key(|second| second.second));
            let json = serde_json::to_string(&forward).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Measured>(&json).unwrap(), &forward);
        }
    }
}
