//! Faults given to the local cloud as data: what goes wrong, where, how often.
//!
//! ```json
//! {"faults": [
//!   {"at": "ecs:RunTask", "do": "throttle", "times": 2},
//!   {"at": "s3:PutObject", "do": "error", "code": "SlowDown", "status": 503},
//!   {"at": "states:SendTaskSuccess", "do": "lose"},
//!   {"at": "function:gatherer", "do": "crash"},
//!   {"at": "function:tuner", "do": "duplicate"},
//!   {"at": "worker:trainer", "do": "kill", "after_ms": 500},
//!   {"at": "worker:trainer", "do": "interrupt", "after_ms": 500, "notice_ms": 2000}
//! ]}
//! ```

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use serde::Deserialize;

use crate::error::ServiceError;
use crate::rates::Rates;

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase", deny_unknown_fields)]
pub enum Effect {
    /// An action is refused with the service's own throttling error.
    Throttle,
    /// An action is refused with this error.
    Error {
        /// Error code.
        code: String,
        /// HTTP status.
        #[serde(default = "internal_error")]
        status: u16,
    },
    /// An action is answered with success and not done: a lost callback or heartbeat.
    Lose,
    /// A function's process is killed while it works on an invocation.
    Crash {
        /// Milliseconds after the invocation was handed over.
        #[serde(default)]
        after_ms: u64,
    },
    /// A function's invocation is cut off as if its time limit had passed.
    TimeOut {
        /// Milliseconds after the invocation was handed over.
        #[serde(default)]
        after_ms: u64,
    },
    /// A function gets the invocation twice at the same time, or a worker is started twice; the
    /// caller hears of the first only.
    Duplicate,
    /// A worker is killed with SIGKILL.
    Kill {
        /// Milliseconds after its start.
        #[serde(default)]
        after_ms: u64,
    },
    /// A worker's Spot capacity is taken back: SIGTERM, then SIGKILL after the notice.
    Interrupt {
        /// Milliseconds after its start.
        #[serde(default)]
        after_ms: u64,
        /// Milliseconds between SIGTERM and SIGKILL (AWS gives 120,000).
        #[serde(default = "spot_notice")]
        notice_ms: u64,
    },
}

fn internal_error() -> u16 {
    500
}

fn spot_notice() -> u64 {
    120_000
}

/// One fault: a place, an effect, and which occurrences it strikes.
#[derive(Debug, Clone, Deserialize)]
struct Fault {
    /// `service:Action` (`s3:PutObject`), `function:<key or name>`, `worker:<binary>`.
    at: String,
    #[serde(flatten)]
    effect: Effect,
    /// Occurrences to let pass first.
    #[serde(default)]
    skip: u32,
    /// Occurrences to strike.
    #[serde(default = "once")]
    times: u32,
    /// Whether it has struck.
    #[serde(skip)]
    struck: bool,
}

fn once() -> u32 {
    1
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    faults: Vec<Fault>,
}

/// Why a faults file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FaultsError {
    /// The file cannot be read.
    #[error("cannot read the faults file {path}: {source}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not a list of faults.
    #[error("the faults are not valid at line {}, column {}: {source}", source.line(), source.column())]
    Malformed {
        /// What and where.
        source: serde_json::Error,
    },
}

/// The faults still to come, and the rate limits of actions; clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    rates: Arc<Rates>,
}

impl Faults {
    /// Reads a faults file.
    pub fn load(path: &Path) -> Result<Self, FaultsError> {
        let text = std::fs::read_to_string(path).map_err(|source| FaultsError::Unreadable {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text)
    }

    /// Reads faults from JSON text.
    pub fn parse(text: &str) -> Result<Self, FaultsError> {
        let plan =
            serde_json::from_str(text).map_err(|source| FaultsError::Malformed { source })?;
        Ok(Faults {
            plan: Arc::new(Mutex::new(plan)),
            rates: Arc::default(),
        })
    }

    /// The same faults, and throttling above these rates.
    pub(crate) fn with_rates(self, rates: Rates) -> Self {
        Faults {
            rates: Arc::new(rates),
            ..self
        }
    }

    /// Tells that an action of a service is to be carried out: `Err` if a fault or a rate limit
    /// refuses it, `Ok(true)` if it is to be answered with success and not done.
    pub fn strike(&self, service: &str, action: &str) -> Result<bool, ServiceError> {
        let place = format!("{service}:{action}");
        let throttled = || (!self.rates.admit(&place, Instant::now())).then_some(Effect::Throttle);
        match self.take(&place).or_else(throttled) {
            None => Ok(false),
            Some(Effect::Lose) => Ok(true),
            Some(Effect::Throttle) if service == "lambda" => Err(crate::lambda::throttled()),
            Some(Effect::Throttle) if service == "s3" => Err(ServiceError::with_status(
                503,
                "SlowDown",
                "Please reduce your request rate.",
            )),
            Some(Effect::Throttle) if service == "batch" => Err(ServiceError::with_status(
                429,
                "TooManyRequestsException",
                "Too Many Requests",
            )),
            Some(Effect::Throttle) => {
                Err(ServiceError::new("ThrottlingException", "Rate exceeded"))
            }
            Some(Effect::Error { code, status }) => {
                let message = format!("fault given for {service}:{action}");
                Err(ServiceError::with_status(status, code, message))
            }
            Some(effect) => {
                tracing::warn!(
                    service,
                    action,
                    ?effect,
                    "this fault has no meaning for an action"
                );
                Ok(false)
            }
        }
    }

    /// Places of the faults that have not struck even once: a run without them proves nothing.
    pub fn unstruck(&self) -> Vec<String> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let unstruck = plan.faults.iter().filter(|fault| !fault.struck);
        unstruck.map(|fault| fault.at.clone()).collect()
    }

    /// Tells that `place` was reached; the effect, if a fault strikes now.
    pub fn take(&self, place: &str) -> Option<Effect> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        for fault in plan.faults.iter_mut().filter(|f| f.at == place) {
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                fault.struck = true;
                tracing::info!(place, effect = ?fault.effect, "fault");
                return Some(fault.effect.clone());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_fault_strikes_its_place_as_often_as_it_says() {
        let faults = Faults::parse(
            r#"{"faults": [
                {"at": "ecs:RunTask", "do": "throttle", "skip": 1, "times": 2},
                {"at": "worker:trainer", "do": "interrupt", "after_ms": 5}
            ]}"#,
        )
        .unwrap();
        let hits: Vec<_> = (0..4)
            .map(|_| faults.take("ecs:RunTask").is_some())
            .collect();
        assert_eq!(hits, [false, true, true, false]);
        assert_eq!(faults.take("ecs:StopTask"), None);
        assert_eq!(faults.unstruck(), ["worker:trainer"]);
        assert_eq!(
            faults.take("worker:trainer"),
            Some(Effect::Interrupt {
                after_ms: 5,
                notice_ms: 120_000
            })
        );
    }

    #[test]
    fn a_bad_file_says_where() {
        let error =
            Faults::parse("{\"faults\": [\n {\"at\": \"x\", \"do\": \"explode\"}]}").unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(error.to_string().contains("explode"), "{error}");
    }
}
