//! What is compared with what, and by which rules.

use input::InvalidInput;
use serde::Deserialize;

/// A canary: a stable variant, a candidate, and the rules between them. The caller sends it with
/// every request, so that the router keeps nothing but outcomes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Canary {
    /// Names the record of outcomes; a new comparison takes a new name. `[A-Za-z0-9_-]{1,64}`.
    pub name: String,
    /// The variant in service, for example a function ARN.
    pub stable: String,
    /// The variant on trial.
    pub candidate: String,
    /// How requests are shared out.
    pub strategy: Strategy,
    /// Outcomes that each variant must have before any verdict.
    #[serde(default = "minimum_samples")]
    pub minimum_samples: u64,
    /// Chance that a candidate which is not worse is ever rolled back, and that one which is worse
    /// by more than the margin is ever promoted.
    #[serde(default = "five_percent")]
    pub false_alarm_rate: f64,
    /// By how much the candidate's success rate may be lower and still be promoted.
    #[serde(default = "five_percent")]
    pub margin: f64,
    /// Rolls back a candidate that is too often too slow.
    #[serde(default)]
    pub latency: Option<LatencyGuard>,
}

/// How requests are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE", deny_unknown_fields)]
pub enum Strategy {
    /// Each request for itself: the candidate gets `share` of them.
    Fixed {
        /// Above 0 and below 1.
        share: f64,
    },
    /// By key: the same key always meets the same variant; a larger share only moves keys towards
    /// the candidate. Outcomes of one key are not independent: see [`crate::statistics`].
    Sticky {
        /// Above 0 and below 1.
        share: f64,
    },
    /// `share` until both variants have the minimum of outcomes, then Thompson sampling on success.
    Adaptive {
        /// Above 0 and below 1.
        share: f64,
    },
}

impl Strategy {
    /// The fixed share of the candidate.
    pub fn share(self) -> f64 {
        match self {
            Strategy::Fixed { share }
            | Strategy::Sticky { share }
            | Strategy::Adaptive { share } => share,
        }
    }
}

/// At most `share` of the candidate's requests may take longer than `limit_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LatencyGuard {
    /// Milliseconds.
    pub limit_ms: f64,
    /// Between 0 and 1.
    #[serde(default = "five_percent")]
    pub share: f64,
}

fn minimum_samples() -> u64 {
    50
}

fn five_percent() -> f64 {
    0.05
}

impl Canary {
    /// Refuses what cannot be meant, by its JSON path.
    pub fn check(&self) -> Result<(), InvalidInput> {
        let refuse =
            |path: &str, message: &str| Err(InvalidInput::new(format!("$.canary.{path}"), message));
        input::name("$.canary.name", &self.name)?;
        if self.stable == self.candidate {
            return refuse(
                "candidate",
                "is the stable variant; there is nothing to compare",
            );
        }
        let share = self.strategy.share();
        if !(share > 0.0 && share < 1.0) {
            return refuse(
                "strategy.share",
                "expected a number above 0 and below 1; with 0 or 1 one variant gets no request, and no verdict ever \
                 falls",
            );
        }
        if !(self.false_alarm_rate > 0.0 && self.false_alarm_rate < 0.5) {
            return refuse("falseAlarmRate", "expected a number above 0 and below 0.5");
        }
        if !(self.margin > 0.0 && self.margin < 1.0) {
            return refuse("margin", "expected a number above 0 and below 1");
        }
        match self.latency {
            Some(guard) if guard.limit_ms.is_nan() || guard.limit_ms <= 0.0 => {
                refuse("latency.limitMs", "expected more than 0 ms")
            }
            Some(guard) if !(guard.share > 0.0 && guard.share < 1.0) => {
                refuse("latency.share", "expected a number above 0 and below 1")
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The name of the variant in `role`.
    pub fn variant(&self, role: Role) -> &str {
        match role {
            Role::Stable => &self.stable,
            Role::Candidate => &self.candidate,
        }
    }
}

/// Which of the two variants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// The one in service.
    Stable,
    /// The one on trial.
    Candidate,
}
