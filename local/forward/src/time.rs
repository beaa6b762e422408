//! Moments: ISO 8601 in states, and what each protocol makes of them.

use asl::Timestamp;
use serde_json::{Number, Value};

/// Seconds since the Unix epoch, whole ones without a fraction.
pub fn to_seconds(value: &Value) -> Value {
    let Some(moment) = value.as_str().and_then(Timestamp::parse) else {
        return value.clone();
    };
    match moment.0 % 1_000_000 {
        0 => Value::from(moment.0 / 1_000_000),
        _ => Number::from_f64(moment.0 as f64 / 1e6).map_or(Value::Null, Value::Number),
    }
}

/// ISO 8601 of seconds.
pub fn from_seconds(value: &Value) -> Value {
    match value.as_f64() {
        Some(seconds) => Value::from(Timestamp((seconds * 1e6).round() as i64).to_string()),
        None => value.clone(),
    }
}

/// As headers have it: `Tue, 29 Apr 2014 18:30:38 GMT`.
pub fn to_http(text: &str) -> String {
    let moment = Timestamp::parse(text)
        .and_then(|moment| time::OffsetDateTime::from_unix_timestamp(moment.0 / 1_000_000).ok());
    let form = time::format_description::parse_borrowed::<2>(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT",
    );
    match (moment, form) {
        (Some(moment), Ok(form)) => moment.format(&form).unwrap_or_else(|_| text.to_owned()),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_go_and_come() {
        let iso = Value::from("2014-04-29T18:30:38Z");
        assert_eq!(to_seconds(&iso), 1_398_796_238);
        assert_eq!(
            from_seconds(&Value::from(1_398_796_238)),
            "2014-04-29T18:30:38.000Z"
        );
        assert_eq!(
            to_http("2014-04-29T18:30:38Z"),
            "Tue, 29 Apr 2014 18:30:38 GMT"
        );
        assert_eq!(to_seconds(&Value::from(5)), 5);
    }
}
