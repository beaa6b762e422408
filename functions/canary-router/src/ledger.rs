//! The record of outcomes: append-only objects and a compacted snapshot.
//!
//! * An outcome *is* the key of an empty object, `canary/<name>/outcomes/<role>-<what>-<ms>-<id>`.
//!   Recording is one put that conflicts with nobody, and one LIST call reads a thousand outcomes. A
//!   repeated recording writes the same key, or one with the same id when it says something else, such
//!   as another latency: of several outcomes with one id the first counts.
//! * A compaction folds outcomes that have settled into `snapshot.json` by a conditional write, and
//!   only then deletes them. The snapshot names what it folded, so that an outcome whose id is both in
//!   the snapshot and not yet deleted counts once. Of two compactions at once, one write fails and
//!   starts over.
//! * A reader takes the snapshot before and after the list, and starts over if it changed between.
//!
//! An outcome settles after [`SETTLE`]: until then a repeated invocation of the recorder finds its
//! own key. That is the longest a function can run, so no invocation that began with the recording
//! is still under way.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use input::InvalidInput;
use jobs::artifacts::{ArtifactError, Listed, Put, PutObject, S3Uri, Tagged, When, put_json};
use jobs::job::digest;
use placement::quota;
use serde::{Deserialize, Serialize};

use crate::canary::Role;
use crate::statistics::Trials;
use crate::store::Store;

/// Age at which an outcome may be folded into the snapshot.
pub const SETTLE: Duration = Duration::from_secs(quota::LAMBDA_SECONDS as u64);

/// Outcomes folded by one compaction; bounds the size of the snapshot to about 300 KiB.
const FOLD_AT_MOST: usize = 5_000;

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

/// `snapshot.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Snapshot {
    tally: Tally,
    /// Names of outcomes that are in the tally and may not be deleted yet.
    folded: BTreeSet<String>,
}

impl Snapshot {
    /// Parts outcomes of requests that the snapshot has folded from the others.
    fn part(&self, outcomes: Vec<Written>) -> (Vec<Written>, Vec<Written>) {
        let folded: HashSet<&str> = self.folded.iter().map(|name| id_of(name)).collect();
        let folded = |outcome: &Written| folded.contains(id_of(&outcome.name));
        outcomes.into_iter().partition(folded)
    }
}

/// An outcome as it is stored.
#[derive(Debug)]
struct Written {
    name: String,
    age: Duration,
}

/// All outcomes of one request; the first of them counts.
#[derive(Debug)]
struct Recorded<'a> {
    first: &'a str,
    oldest: Duration,
    youngest: Duration,
}

impl Recorded<'_> {
    /// Whether no recorder of the request can come again.
    fn settled(&self, settle: Duration) -> bool {
        self.youngest >= settle
    }
}

/// The outcomes by request: a recording that was tried again may say another latency, or even another variant.
fn by_id(outcomes: &[Written]) -> BTreeMap<&str, Recorded<'_>> {
    let mut requests = BTreeMap::new();
    for Written { name, age } in outcomes {
        let recorded = requests.entry(id_of(name)).or_insert(Recorded {
            first: name,
            oldest: *age,
            youngest: *age,
        });
        if *age > recorded.oldest {
            (recorded.first, recorded.oldest) = (name, *age);
        }
        recorded.youngest = recorded.youngest.min(*age);
    }
    requests
}

/// What a record holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The sums over everything.
    pub tally: Tally,
    /// The sums over what a compaction has folded; of these nobody knows the order any more.
    pub folded: Tally,
    /// All other outcomes in the order in which they were recorded.
    pub outcomes: Vec<Outcome>,
    /// Requests that a compaction would fold into the snapshot.
    pub settled: usize,
}

/// The record of one canary.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a, S> {
    store: &'a S,
    bucket: &'a str,
    name: &'a str,
}

impl<'a, S: Store> Ledger<'a, S> {
    /// The record of the canary `name` in `bucket`.
    pub fn new(store: &'a S, bucket: &'a str, name: &'a str) -> Self {
        Ledger {
            store,
            bucket,
            name,
        }
    }

    /// Records the outcome of the request `id`, once however often it is called.
    pub async fn record(&self, id: &str, outcome: Outcome) -> Result<(), ArtifactError> {
        let uri = self.uri(&format!("outcomes/{}", encode(id, outcome)));
        PutObject::put(self.store, &uri, Vec::new(), When::Always).await?;
        Ok(())
    }

    /// The sums over everything recorded so far.
    pub async fn tally(&self) -> Result<Tally, ArtifactError> {
        Ok(self.read().await?.tally)
    }

    /// The whole record.
    pub async fn read(&self) -> Result<Reading, ArtifactError> {
        loop {
            let (snapshot, before) = self.snapshot().await?;
            let listed = self.list().await?;
            let (_, after) = self.snapshot().await?;
            if before != after {
                continue;
            }
            let (_, fresh) = snapshot.part(listed);
            let mut requests: Vec<Recorded<'_>> = by_id(&fresh).into_values().collect();
            // Of the same moment, in the order of their ids, which are hashes and favour neither variant.
            requests.sort_by_key(|request| std::cmp::Reverse(request.oldest));
            let decoded = requests.iter().map(|request| self.decode(request.first));
            let outcomes = decoded.collect::<Result<Vec<Outcome>, _>>()?;
            let folded = snapshot.tally;
            let mut tally = folded;
            for outcome in &outcomes {
                tally.add(*outcome);
            }
            let settled = requests
                .iter()
                .filter(|request| request.settled(SETTLE))
                .count();
            return Ok(Reading {
                tally,
                folded,
                outcomes,
                settled,
            });
        }
    }

    /// Folds requests whose outcomes are all older than `settle` into the snapshot and deletes them. Gives how many.
    pub async fn compact(&self, settle: Duration) -> Result<usize, ArtifactError> {
        loop {
            let (mut snapshot, tag) = self.snapshot().await?;
            let (leftover, fresh) = snapshot.part(self.list().await?);
            self.delete(leftover).await?;
            let requests = by_id(&fresh).into_values();
            let settled = requests.filter(|request| request.settled(settle));
            snapshot.folded = settled
                .map(|request| request.first.to_owned())
                .take(FOLD_AT_MOST)
                .collect();
            if snapshot.folded.is_empty() {
                return Ok(0);
            }
            for name in &snapshot.folded {
                snapshot.tally.add(self.decode(name)?);
            }
            let uri = self.uri("snapshot.json");
            let when = tag.as_deref().map_or(When::Absent, When::Matches);
            if put_json(self.store, &uri, &snapshot, when).await? == Put::Written {
                let (gone, _) = snapshot.part(fresh);
                self.delete(gone).await?;
                return Ok(snapshot.folded.len());
            }
        }
    }

    async fn snapshot(&self) -> Result<(Snapshot, Option<String>), ArtifactError> {
        let uri = self.uri("snapshot.json");
        match self.store.get_tagged(&uri).await? {
            None => Ok((Snapshot::default(), None)),
            Some(Tagged { body, tag }) => {
                let snapshot =
                    serde_json::from_slice(&body).map_err(|error| malformed(&uri, &error))?;
                Ok((snapshot, Some(tag)))
            }
        }
    }

    async fn list(&self) -> Result<Vec<Written>, ArtifactError> {
        let prefix = self.uri("outcomes/");
        let listed = self.store.list(&prefix).await?;
        let written = |Listed { uri, age, .. }: Listed| {
            let name = uri.key.strip_prefix(&prefix.key)?.to_owned();
            Some(Written { name, age })
        };
        Ok(listed.into_iter().filter_map(written).collect())
    }

    async fn delete(&self, outcomes: Vec<Written>) -> Result<(), ArtifactError> {
        let keys: Vec<String> = outcomes
            .into_iter()
            .map(|Written { name, .. }| self.uri(&format!("outcomes/{name}")).key)
            .collect();
        self.store.delete(self.bucket, &keys).await
    }

    fn decode(&self, name: &str) -> Result<Outcome, ArtifactError> {
        decode(name).ok_or_else(|| ArtifactError::Malformed {
            uri: self.uri(&format!("outcomes/{name}")),
            reason: InvalidInput::new("$", "is not the key of an outcome; delete the object"),
        })
    }

    /// The object `name` of this canary.
    pub fn uri(&self, name: &str) -> S3Uri {
        S3Uri::new(self.bucket, format!("canary/{}/{name}", self.name))
    }
}

fn malformed(uri: &S3Uri, error: &serde_json::Error) -> ArtifactError {
    ArtifactError::Malformed {
        uri: uri.clone(),
        reason: InvalidInput::new("$", error.to_string()),
    }
}

/// `candidate-ok-fast-12-<24 hex digits of the id>`.
fn encode(id: &str, outcome: Outcome) -> String {
    let role = match outcome.role {
        Role::Stable => "stable",
        Role::Candidate => "candidate",
    };
    let result = if outcome.succeeded { "ok" } else { "failed" };
    let speed = if outcome.slow { "slow" } else { "fast" };
    format!(
        "{role}-{result}-{speed}-{}-{}",
        outcome.latency_ms,
        digest(&[id], 24)
    )
}

/// The part of a name that tells the request.
fn id_of(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

fn decode(name: &str) -> Option<Outcome> {
    let parts: Vec<&str> = name.split('-').collect();
    let [role, result, speed, latency, _id] = parts.as_slice() else {
        return None;
    };
    Some(Outcome {
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

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
