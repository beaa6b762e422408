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
//!   {"at": "worker:trainer", "do": "interrupt", "after_ms": 500, "notice_ms": 2000},
//!   {"at": "queue:SpotJobQueue", "do": "block", "reason": "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY"}
//! ]}
//! ```
//!
//! An action that is lost is answered with success and not done: a task, job or execution is named that nobody runs, an
//! event is taken and forgotten. Only the answer of a synchronous invocation cannot be made up: its client hears
//! nothing, and says so.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value;

use crate::action::{Action, S3Action, ServiceId, UnknownAction};
use crate::error::ServiceError;
use crate::rates::Rates;

/// What is written after `"do"`.
#[derive(Debug, Deserialize)]
// Braces on every variant: serde lets unknown members of a unit variant pass.
#[serde(tag = "do", rename_all = "camelCase", deny_unknown_fields)]
enum Effect {
    Throttle {},
    Error {
        code: String,
        #[serde(default = "internal_error")]
        status: u16,
    },
    Lose {},
    Crash {
        #[serde(default)]
        after_ms: u64,
    },
    TimeOut {
        #[serde(default)]
        after_ms: u64,
    },
    Duplicate {},
    Kill {
        #[serde(default)]
        after_ms: u64,
    },
    Interrupt {
        #[serde(default)]
        after_ms: u64,
        #[serde(default = "spot_notice")]
        notice_ms: u64,
    },
    Block {
        #[serde(default = "no_capacity")]
        reason: String,
    },
}

/// What goes wrong with an action.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ActionEffect {
    /// It is refused with the service's own throttling error.
    Throttle,
    /// It is refused with this error.
    Error { code: String, status: u16 },
    /// It is answered with success and not done.
    Lose,
}

/// What goes wrong with a function's invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FunctionEffect {
    /// Its process is killed so long after the invocation was handed over.
    Crash { after_ms: u64 },
    /// It is cut off, so long after it was handed over, as if its time limit had passed.
    TimeOut { after_ms: u64 },
    /// It runs twice at the same time; the caller hears of the first only.
    Duplicate,
}

/// What goes wrong with a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkerEffect {
    /// It is started twice; the service hears of the first only.
    Duplicate,
    /// It is killed with SIGKILL so long after its start.
    Kill { after_ms: u64 },
    /// Its Spot capacity is taken back so long after its start: SIGTERM, then SIGKILL after the notice (AWS gives
    /// 120,000 ms).
    Interrupt { after_ms: u64, notice_ms: u64 },
}

fn no_capacity() -> String {
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY".to_owned()
}

fn internal_error() -> u16 {
    500
}

fn spot_notice() -> u64 {
    120_000
}

fn once() -> u32 {
    1
}

/// A fault as it is written.
#[derive(Debug, Deserialize)]
struct Given {
    /// `service:Action` (`s3:PutObject`), `function:<key or name>`, `worker:<binary>`, `queue:<name or logical id>`.
    at: String,
    #[serde(flatten)]
    effect: Effect,
    #[serde(default)]
    skip: u32,
    #[serde(default = "once")]
    times: u32,
}

/// What a fault strikes, and how.
#[derive(Debug)]
enum Strike {
    Action(Action, ActionEffect),
    /// A function by its key or name.
    Function(String, FunctionEffect),
    /// A worker by its binary.
    Worker(String, WorkerEffect),
    /// A job queue by its name or logical id: for this reason a job of it cannot start.
    Queue(String, String),
}

/// One fault: a place, an effect, and which occurrences it strikes.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Given")]
struct Fault {
    /// The place as it was given.
    at: String,
    strike: Strike,
    /// Occurrences to let pass first.
    skip: u32,
    /// Occurrences to strike.
    times: u32,
    /// Whether it has struck.
    struck: bool,
}

/// Why a fault cannot strike.
#[derive(Debug, thiserror::Error)]
enum Meaningless {
    #[error(transparent)]
    Action(#[from] UnknownAction),
    #[error("{at} knows no such fault: an action can throttle, error or lose")]
    OfAction { at: String },
    #[error("{at} knows no such fault: a function can crash, timeOut or duplicate")]
    OfFunction { at: String },
    #[error("{at} knows no such fault: a worker can duplicate, kill or interrupt")]
    OfWorker { at: String },
    #[error("{at} knows no such fault: a job queue can block")]
    OfQueue { at: String },
}

impl TryFrom<Given> for Fault {
    type Error = Meaningless;

    fn try_from(given: Given) -> Result<Fault, Meaningless> {
        let Given {
            at,
            effect,
            skip,
            times,
        } = given;
        let strike = if let Some(name) = at.strip_prefix("function:") {
            match FunctionEffect::of(effect) {
                Some(effect) => Strike::Function(name.to_owned(), effect),
                None => return Err(Meaningless::OfFunction { at }),
            }
        } else if let Some(binary) = at.strip_prefix("worker:") {
            match WorkerEffect::of(effect) {
                Some(effect) => Strike::Worker(binary.to_owned(), effect),
                None => return Err(Meaningless::OfWorker { at }),
            }
        } else if let Some(queue) = at.strip_prefix("queue:") {
            match effect {
                Effect::Block { reason } => Strike::Queue(queue.to_owned(), reason),
                _ => return Err(Meaningless::OfQueue { at }),
            }
        } else {
            match (at.parse()?, ActionEffect::of(effect)) {
                (action, Some(effect)) => Strike::Action(action, effect),
                (_, None) => return Err(Meaningless::OfAction { at }),
            }
        };
        Ok(Fault {
            at,
            strike,
            skip,
            times,
            struck: false,
        })
    }
}

impl ActionEffect {
    fn of(effect: Effect) -> Option<Self> {
        match effect {
            Effect::Throttle {} => Some(ActionEffect::Throttle),
            Effect::Error { code, status } => Some(ActionEffect::Error { code, status }),
            Effect::Lose {} => Some(ActionEffect::Lose),
            Effect::Crash { .. }
            | Effect::TimeOut { .. }
            | Effect::Duplicate {}
            | Effect::Kill { .. }
            | Effect::Interrupt { .. }
            | Effect::Block { .. } => None,
        }
    }
}

impl FunctionEffect {
    fn of(effect: Effect) -> Option<Self> {
        match effect {
            Effect::Crash { after_ms } => Some(FunctionEffect::Crash { after_ms }),
            Effect::TimeOut { after_ms } => Some(FunctionEffect::TimeOut { after_ms }),
            Effect::Duplicate {} => Some(FunctionEffect::Duplicate),
            Effect::Throttle {}
            | Effect::Error { .. }
            | Effect::Lose {}
            | Effect::Kill { .. }
            | Effect::Interrupt { .. }
            | Effect::Block { .. } => None,
        }
    }
}

impl WorkerEffect {
    fn of(effect: Effect) -> Option<Self> {
        match effect {
            Effect::Duplicate {} => Some(WorkerEffect::Duplicate),
            Effect::Kill { after_ms } => Some(WorkerEffect::Kill { after_ms }),
            Effect::Interrupt {
                after_ms,
                notice_ms,
            } => Some(WorkerEffect::Interrupt {
                after_ms,
                notice_ms,
            }),
            Effect::Throttle {}
            | Effect::Error { .. }
            | Effect::Lose {}
            | Effect::Crash { .. }
            | Effect::TimeOut { .. }
            | Effect::Block { .. } => None,
        }
    }
}

/// What becomes of an action that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "an action that is lost must not be carried out"]
pub enum Verdict {
    /// It is carried out.
    Proceed,
    /// It is answered with success and not carried out.
    Lose,
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
    #[error("the faults are not valid: {source}")]
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

    /// Tells that an action is asked for by this request. There is no other way to the verdict that an action needs.
    ///
    /// # Errors
    /// The request has a member that is not done here, or a fault or a rate limit refuses it.
    pub fn admit(
        &self,
        action: impl Into<Action>,
        request: &Value,
    ) -> Result<Verdict, ServiceError> {
        let action = action.into();
        action.check_members(request)?;
        self.strike(action)
    }

    /// The same for S3, whose requests are headers and queries that it checks itself.
    pub(crate) fn admit_s3(&self, action: S3Action) -> Result<Verdict, ServiceError> {
        self.strike(action.into())
    }

    fn strike(&self, action: Action) -> Result<Verdict, ServiceError> {
        let effect = self.take(|strike| match strike {
            Strike::Action(at, effect) => (*at == action).then(|| effect.clone()),
            Strike::Function(..) | Strike::Worker(..) | Strike::Queue(..) => None,
        });
        let over_rate =
            || (!self.rates.admit(action, Instant::now())).then_some(ActionEffect::Throttle);
        match effect.or_else(over_rate) {
            None => Ok(Verdict::Proceed),
            Some(ActionEffect::Lose) => Ok(Verdict::Lose),
            Some(ActionEffect::Throttle) => Err(throttled(action.service())),
            Some(ActionEffect::Error { code, status }) => {
                let message = format!("fault given for {action}");
                Err(ServiceError::with_status(status, code, message))
            }
        }
    }

    /// Tells that a function gets an invocation.
    pub(crate) fn function(&self, key: &str, name: &str) -> Option<FunctionEffect> {
        self.take(|strike| match strike {
            Strike::Function(at, effect) => (at == key || at == name).then_some(*effect),
            Strike::Action(..) | Strike::Worker(..) | Strike::Queue(..) => None,
        })
    }

    /// Tells that a worker starts.
    pub(crate) fn worker(&self, binary: &str) -> Option<WorkerEffect> {
        self.take(|strike| match strike {
            Strike::Worker(at, effect) => (at == binary).then_some(*effect),
            Strike::Action(..) | Strike::Function(..) | Strike::Queue(..) => None,
        })
    }

    /// Tells that a job is at the head of its queue; the reason for which it cannot start.
    pub(crate) fn queue(&self, name: &str, logical_id: &str) -> Option<String> {
        self.take(|strike| match strike {
            Strike::Queue(at, reason) => (at == name || at == logical_id).then(|| reason.clone()),
            Strike::Action(..) | Strike::Function(..) | Strike::Worker(..) => None,
        })
    }

    /// Places of the faults that have not struck even once: a run without them proves nothing.
    pub fn unstruck(&self) -> Vec<String> {
        let plan = self.plan.lock();
        let unstruck = plan.faults.iter().filter(|fault| !fault.struck);
        unstruck.map(|fault| fault.at.clone()).collect()
    }

    /// The effect of the first fault that `effect` finds at this place and that strikes now.
    fn take<E: std::fmt::Debug>(&self, effect: impl Fn(&Strike) -> Option<E>) -> Option<E> {
        let mut plan = self.plan.lock();
        for fault in &mut plan.faults {
            let Some(effect) = effect(&fault.strike) else {
                continue;
            };
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if fault.times > 0 {
                fault.times -= 1;
                fault.struck = true;
                tracing::info!(at = fault.at, ?effect, "fault");
                return Some(effect);
            }
        }
        None
    }
}

/// How a service words that it is asked too often.
fn throttled(service: ServiceId) -> ServiceError {
    match service {
        ServiceId::Lambda => crate::lambda::limits::throttled(),
        ServiceId::S3 => {
            ServiceError::with_status(503, "SlowDown", "Please reduce your request rate.")
        }
        ServiceId::Batch => {
            ServiceError::with_status(429, "TooManyRequestsException", "Too Many Requests")
        }
        ServiceId::StepFunctions
        | ServiceId::Ecs
        | ServiceId::EventBridge
        | ServiceId::Scheduler
        | ServiceId::Logs
        | ServiceId::Sts => ServiceError::new("ThrottlingException", "Rate exceeded"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::EcsAction;
    use serde_json::json;

    #[test]
    fn a_fault_strikes_its_place_as_often_as_it_says() {
        let faults = Faults::parse(
            r#"{"faults": [
                {"at": "ecs:RunTask", "do": "throttle", "skip": 1, "times": 2},
                {"at": "ecs:StopTask", "do": "lose"},
                {"at": "function:f", "do": "crash"},
                {"at": "worker:trainer", "do": "interrupt", "after_ms": 5}
            ]}"#,
        )
        .unwrap();
        let hits: Vec<_> = (0..4)
            .map(|_| faults.admit(EcsAction::RunTask, &json!({})).is_err())
            .collect();
        assert_eq!(hits, [false, true, true, false]);
        let stop = || faults.admit(EcsAction::StopTask, &json!({}));
        assert_eq!(stop(), Ok(Verdict::Lose));
        assert_eq!(stop(), Ok(Verdict::Proceed));
        assert_eq!(faults.unstruck(), ["function:f", "worker:trainer"]);
        let crash = FunctionEffect::Crash { after_ms: 0 };
        assert_eq!(faults.function("f", "hybrid-f"), Some(crash));
        let interrupt = WorkerEffect::Interrupt {
            after_ms: 5,
            notice_ms: 120_000,
        };
        assert_eq!(faults.worker("trainer"), Some(interrupt));
        assert_eq!(faults.unstruck(), [""; 0]);
    }

    #[test]
    fn what_cannot_strike_is_refused_and_the_message_says_where() {
        for (fault, what) in [
            (r#"{"at": "ecs:RunTask", "do": "explode"}"#, "explode"),
            (
                r#"{"at": "ecs:RunTasks", "do": "lose"}"#,
                "did you mean ecs:RunTask?",
            ),
            (r#"{"at": "ecs:RunTask", "do": "lose", "tims": 2}"#, "tims"),
            (
                r#"{"at": "ecs:RunTask", "do": "kill"}"#,
                "throttle, error or lose",
            ),
            (
                r#"{"at": "function:f", "do": "kill"}"#,
                "crash, timeOut or duplicate",
            ),
            (
                r#"{"at": "worker:w", "do": "lose"}"#,
                "duplicate, kill or interrupt",
            ),
            (
                r#"{"at": "queue:q", "do": "kill"}"#,
                "a job queue can block",
            ),
        ] {
            let error = Faults::parse(&format!("{{\"faults\": [\n {fault}]}}")).unwrap_err();
            let error = error.to_string();
            assert!(error.contains("line 2") && error.contains(what), "{error}");
        }
    }
}
