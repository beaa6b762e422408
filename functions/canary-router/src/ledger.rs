//! The record of outcomes of a canary, kept by [`jobs::ledger`] under `canary/<name>`.

use input::InvalidInput;
use jobs::artifacts::ArtifactError;
use jobs::ledger::{Ledger, Reading, Record, Store};
use serde::{Deserialize, Serialize};

use crate::canary::Role;
use crate::statistics::Trials;

/// What came of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The variant that served it.
    pub role: Role,
    /// Whether it was served well.
    pub succeeded: bool,
    /// Whether it took longer than the latency guard allows.
    pub slow: bool,
    /// How long it took, ms.
    pub latency_ms: u64,
}

/// Sums over the outcomes of one variant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Count {
    /// Requests served.
    pub requests: u64,
    /// Of these, successes.
    pub successes: u64,
    /// Of these, slower than the latency guard allows.
    pub slow: u64,
    /// Sum of all latencies, ms.
    pub latency_ms: u64,
}

impl Count {
    /// The successes as trials.
    pub fn succeeded(self) -> Trials {
        Trials {
            total: self.requests,
            successes: self.successes,
        }
    }

    /// The requests that were fast enough as trials.
    pub fn fast(self) -> Trials {
        Trials {
            total: self.requests,
            successes: self.requests.saturating_sub(self.slow),
        }
    }
}

/// Sums over all outcomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tally {
    /// Of the stable variant.
    pub stable: Count,
    /// Of the candidate.
    pub candidate: Count,
}

impl Tally {
    /// Counts one outcome.
    pub fn add(&mut self, outcome: Outcome) {
        let count = match outcome.role {
            Role::Stable => &mut self.stable,
            Role::Candidate => &mut self.candidate,
        };
        count.requests += 1;
        count.successes += u64::from(outcome.succeeded);
        count.slow += u64::from(outcome.slow);
        count.latency_ms += outcome.latency_ms;
    }
}

impl Record for Outcome {
    type Sum = Tally;

    /// `candidate-ok-fast-12`.
    fn encode(&self) -> String {
        let role = match self.role {
            Role::Stable => "stable",
            Role::Candidate => "candidate",
        };
        let result = if self.succeeded { "ok" } else { "failed" };
        let speed = if self.slow { "slow" } else { "fast" };
        format!("{role}-{result}-{speed}-{}", self.latency_ms)
    }

    fn decode(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('-').collect();
        let [role, result, speed, latency] = parts.as_slice() else {
            return None;
        };
        Some(Self {
            role: match *role {
                "stable" => Role::Stable,
                "candidate" => Role::Candidate,
                _ => return None,
            },
            succeeded: match *result {
                "ok" => true,
                "failed" => false,
                _ => return None,
            },
            slow: match *speed {
                "slow" => true,
                "fast" => false,
                _ => return None,
            },
            latency_ms: latency.parse().ok()?,
        })
    }

    fn fold(self, tally: &mut Tally) {
        tally.add(self);
    }
}

/// The record of the canary `name` in `bucket`.
pub fn ledger<'a, S>(store: &'a S, bucket: &'a str, name: &str) -> Ledger<'a, S, Outcome> {
    Ledger::new(store, bucket, format!("canary/{name}"))
}

/// Everything recorded so far. A verdict must not rest on a part of it: an object that is no outcome is an error.
///
/// # Errors
/// [`ArtifactError`] when the record cannot be read, or holds what is no outcome.
pub async fn read<S: Store>(
    ledger: &Ledger<'_, S, Outcome>,
) -> Result<Reading<Tally>, ArtifactError> {
    read_in_order(ledger, |_| ()).await
}

/// As [`read`]; `each` is told the sums after each outcome, in the order of their recording.
///
/// # Errors
/// As [`read`].
pub async fn read_in_order<S: Store>(
    ledger: &Ledger<'_, S, Outcome>,
    each: impl FnMut(&Tally) + Send,
) -> Result<Reading<Tally>, ArtifactError> {
    let reading = ledger.read_in_order(each).await?;
    match reading.unreadable.first() {
        None => Ok(reading),
        Some(uri) => Err(ArtifactError::Malformed {
            uri: uri.clone(),
            reason: InvalidInput::new("$", "is not the key of an outcome; delete the object"),
        }),
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
