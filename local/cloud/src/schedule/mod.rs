//! Schedule expressions, and the wait for the moment at which one is due. Shared by the rules of EventBridge and its
//! Scheduler.

mod cron;
mod expression;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use cron::CronError;
pub use expression::{Expression, ExpressionError};

/// Longest sleep: the wall clock may be set while we sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Waits for a moment of the wall clock.
pub(crate) async fn sleep_until(due: DateTime<Utc>) {
    while let Ok(left) = (due - Utc::now()).to_std() {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}
