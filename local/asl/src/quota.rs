//! The service's quotas that the language itself meets, each with its source. The deployed side keeps a table of its
//! own: nothing that is deployed depends on this crate.

use serde::{Deserialize, Serialize};

use crate::execution_type::ExecutionType;

/// The most events of a Standard execution's history; the last one is the failure that says so
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-state-machine-executions>).
pub(crate) const HISTORY_EVENTS: u64 = 25_000;

/// Stands for the five minutes by which an Express execution is bound on AWS, so that an endless loop ends.
pub(crate) const EXPRESS_EVENTS: u64 = 1_000_000;

/// The most bytes of a state's or task's input or result
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-task-executions>).
pub const PAYLOAD_BYTES: usize = 256 * 1024;

/// How many iterations of an inline Map run at once at most
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-inline.html>).
pub(crate) const INLINE_CONCURRENCY: usize = 40;

/// An execution whose history has this many events cannot be redriven: there is no room for `ExecutionRedriven` and
/// another event (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html#redrive-eligibility>).
pub const REDRIVABLE_EVENTS: u64 = HISTORY_EVENTS - 1;

/// How often a Map Run can be redriven
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-map-run.html#redrive-eligibility-map-run>).
pub(crate) const MAP_RUN_REDRIVES: u64 = 1_000;

/// How many child executions of a Map Run are open at once at most
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).
pub(crate) const MAP_RUN_CONCURRENCY: usize = 10_000;

/// The longest TimeoutSeconds and HeartbeatSeconds, and the greatest number in fields like them
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/state-task.html>).
pub(crate) const MAX_NUMBER: i64 = 99_999_999;

/// How many functions one intrinsic field may hold, those nested in others included
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>).
pub(crate) const INTRINSIC_CALLS: usize = 10;

/// The most characters that the intrinsic functions for hashing and Base64 take (same page).
pub(crate) const INTRINSIC_CHARACTERS: usize = 10_000;

/// The most items that `States.ArrayRange` makes (same page).
pub(crate) const INTRINSIC_RANGE: usize = 1_000;

/// The quotas that the interpreter itself enforces and a driver may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// The most events of a history; the last one is the failure that says so.
    pub history_events: u64,
    /// The most bytes of a state's or task's output as JSON.
    pub payload_bytes: usize,
}

impl Limits {
    /// AWS's own.
    pub fn aws(kind: ExecutionType) -> Limits {
        Limits {
            history_events: match kind {
                ExecutionType::Standard => HISTORY_EVENTS,
                ExecutionType::Express => EXPRESS_EVENTS,
            },
            payload_bytes: PAYLOAD_BYTES,
        }
    }
}
