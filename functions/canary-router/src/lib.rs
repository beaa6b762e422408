//! The `canary-router` function: picks the variant of a request, records what came of it, and gives
//! the verdict on the candidate.
//!
//! * `ROUTE`: which variant serves this request. Once a verdict has fallen, always the same one: a
//!   rolled-back candidate gets no more traffic, a promoted one all of it.
//! * `RECORD`: what came of it.
//! * `VERDICT`: promote, hold or roll back. The first verdict that is not `HOLD` is final. It says so when the counts
//!   of the variants are not as the strategy shares requests out.

use input::InvalidInput;
use jobs::artifacts::{ArtifactError, find_json, put_once};
use jobs::task::Named;
use serde::{Deserialize, Serialize};
use tracing::info;

pub mod canary;
pub mod course;
pub mod ledger;
pub mod ratio;
pub mod routing;
pub mod statistics;
pub mod verdict;

use canary::{Canary, Role};
use course::Course;
use jobs::ledger::{Ledger, Reading, SETTLE, Store};
use ledger::{Count, Outcome, Tally};
use ratio::SampleRatio;
use verdict::{Judgement, Verdict, judge};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct Deps<S> {
    /// Where outcomes are kept.
    pub store: S,
    /// The artifacts bucket.
    pub bucket: String,
}

/// What the router is asked.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(
    tag = "action",
    rename_all = "SCREAMING_SNAKE_CASE",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum Request {
    /// Which variant serves this request?
    Route {
        /// The canary.
        canary: Canary,
        /// Names the request; asked again with the same id, a fixed share answers the same.
        request_id: String,
        /// Who asks, for `STICKY`: a user or a session. Without it the request id.
        #[serde(default)]
        key: Option<String>,
    },
    /// This came of the request.
    Record {
        /// The canary.
        canary: Canary,
        /// The id that was routed; recorded again, it counts once, as what it was recorded first.
        request_id: String,
        /// The variant that was to serve it.
        role: Role,
        /// Whether it served well.
        succeeded: bool,
        /// How long it took, ms.
        latency_ms: f64,
    },
    /// What is to be done with the candidate?
    Verdict {
        /// The canary.
        canary: Canary,
    },
}

/// What the router answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Response {
    /// To `ROUTE`.
    #[serde(rename_all = "camelCase")]
    Routed {
        /// The variant's name, from the canary.
        variant: String,
        /// Its role, to be given back with the outcome.
        role: Role,
        /// Why this one.
        reason: String,
    },
    /// To `RECORD`.
    #[serde(rename_all = "camelCase")]
    Recorded {
        /// The request.
        request_id: String,
    },
    /// To `VERDICT`.
    Judged(Box<Judged>),
}

/// The verdict and the numbers under it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judged {
    /// Verdict, reason and evidence.
    #[serde(flatten)]
    pub judgement: Judgement,
    /// The verdict in one sentence, with how many requests it rests on.
    pub answer: String,
    /// The variant that serves from now on; both when the verdict is `HOLD`.
    pub serving: Vec<String>,
    /// The stable variant.
    pub stable: Summary,
    /// The candidate.
    pub candidate: Summary,
    /// Whether the counts are as the strategy shares requests out, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_ratio: Option<SampleRatio>,
    /// How the evidence came together.
    pub course: Course,
}

/// The outcomes of one variant.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its name.
    pub variant: String,
    /// Requests it was to serve.
    pub requests: u64,
    /// Share that it served well.
    pub success_rate: f64,
    /// Mean latency, ms.
    pub mean_latency_ms: f64,
}

/// Why the router could not answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request cannot be meant.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The record of outcomes could not be read or written.
    #[error(transparent)]
    Store(#[from] ArtifactError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Error::Invalid(error) => error.name(),
            Error::Store(error) => error.name(),
        }
    }
}

/// Settled requests outside the snapshot at which a verdict also compacts the record.
const COMPACT_AT: usize = 2_000;

/// Answers one request.
pub async fn handle<S: Store>(deps: &Deps<S>, request: Request) -> Result<Response, Error> {
    match request {
        Request::Route {
            canary,
            request_id,
            key,
        } => {
            canary.check()?;
            route(deps, &canary, &request_id, key.as_deref()).await
        }
        Request::Record {
            canary,
            request_id,
            role,
            succeeded,
            latency_ms,
        } => {
            canary.check()?;
            if !(latency_ms >= 0.0 && latency_ms.is_finite()) {
                return Err(InvalidInput::new("$.latencyMs", "expected a number from 0").into());
            }
            let slow = canary
                .latency
                .is_some_and(|guard| latency_ms > guard.limit_ms);
            let outcome = Outcome {
                role,
                succeeded,
                slow,
                latency_ms: latency_ms.round() as u64,
            };
            ledger_of(deps, &canary)
                .record(&request_id, &outcome)
                .await?;
            Ok(Response::Recorded { request_id })
        }
        Request::Verdict { canary } => {
            canary.check()?;
            Ok(Response::Judged(Box::new(
                give_verdict(deps, &canary).await?,
            )))
        }
    }
}

fn ledger_of<'a, S: Store>(deps: &'a Deps<S>, canary: &Canary) -> Ledger<'a, S, Outcome> {
    ledger::ledger(&deps.store, &deps.bucket, &canary.name)
}

async fn route<S: Store>(
    deps: &Deps<S>,
    canary: &Canary,
    request_id: &str,
    key: Option<&str>,
) -> Result<Response, Error> {
    let ledger = ledger_of(deps, canary);
    let fallen: Option<Judgement> = find_json(&deps.store, &ledger.uri("verdict.json")).await?;
    let (role, reason) = match fallen.map(|judgement| judgement.verdict) {
        Some(Verdict::RollBack) => (Role::Stable, "the candidate was rolled back"),
        Some(Verdict::Promote) => (Role::Candidate, "the candidate was promoted"),
        Some(Verdict::Hold) | None => {
            let needed = routing::needs_tally(canary.strategy);
            let tally = if needed {
                ledger::read(&ledger).await?.tally
            } else {
                Tally::default()
            };
            routing::route(canary, request_id, key, &tally)
        }
    };
    info!(canary = canary.name, request_id, ?role, reason, "routed");
    Ok(Response::Routed {
        variant: canary.variant(role).to_owned(),
        role,
        reason: reason.to_owned(),
    })
}

async fn give_verdict<S: Store>(deps: &Deps<S>, canary: &Canary) -> Result<Judged, Error> {
    let ledger = ledger_of(deps, canary);
    let mut sums = Vec::new();
    let Reading { tally, settled, .. } =
        ledger::read_in_order(&ledger, |tally| sums.push(*tally)).await?;
    if settled >= COMPACT_AT {
        ledger.compact(SETTLE).await?;
    }
    let uri = ledger.uri("verdict.json");
    let judgement = match find_json(&deps.store, &uri).await? {
        Some(fallen) => fallen,
        None => match judge(canary, &tally) {
            open if open.verdict == Verdict::Hold => open,
            falls => put_once(&deps.store, &uri, falls).await?,
        },
    };
    let sample_ratio = SampleRatio::of(canary, &tally);
    let mut judgement = judgement;
    if let Some(warning) = sample_ratio.as_ref().and_then(SampleRatio::warning) {
        judgement.reason = format!("{}; {warning}", judgement.reason);
    }
    info!(canary = canary.name, verdict = ?judgement.verdict, reason = judgement.reason, "judged");
    let requests = tally.stable.requests + tally.candidate.requests;
    let (candidate, reason) = (&canary.candidate, &judgement.reason);
    let what = match judgement.verdict {
        Verdict::Promote => format!("{candidate} is promoted: {reason}"),
        Verdict::RollBack => format!("{candidate} is rolled back: {reason}"),
        Verdict::Hold => format!("no verdict on {candidate} yet: {reason}"),
    };
    let serving = match judgement.verdict {
        Verdict::Promote => vec![canary.candidate.clone()],
        Verdict::Hold => vec![canary.stable.clone(), canary.candidate.clone()],
        Verdict::RollBack => vec![canary.stable.clone()],
    };
    Ok(Judged {
        answer: format!("{what}, after {requests} requests"),
        judgement,
        serving,
        stable: summary(&canary.stable, tally.stable),
        candidate: summary(&canary.candidate, tally.candidate),
        sample_ratio,
        course: Course::of(canary, &sums),
    })
}

fn summary(variant: &str, count: Count) -> Summary {
    let mean = if count.requests == 0 {
        0.0
    } else {
        count.latency_ms as f64 / count.requests as f64
    };
    Summary {
        variant: variant.to_owned(),
        requests: count.requests,
        success_rate: count.succeeded().rate(),
        mean_latency_ms: mean,
    }
}

#[cfg(test)]
#[path = "handler_tests.rs"]
mod tests;
