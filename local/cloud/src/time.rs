//! Wall-clock time as the services print it.

use std::time::{SystemTime, UNIX_EPOCH};

pub use asl::Timestamp;
use serde_json::{Number, Value};

/// Now, microseconds since the Unix epoch.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Seconds since the epoch with milliseconds, as AWS JSON protocols carry timestamps.
pub fn epoch_seconds(at: Timestamp) -> Value {
    Number::from_f64((at.0 / 1_000) as f64 / 1_000.0).map_or(Value::Null, Value::Number)
}

/// Milliseconds since the epoch, as Batch carries timestamps.
pub fn epoch_millis(at: Timestamp) -> Value {
    Value::from(at.0 / 1_000)
}
