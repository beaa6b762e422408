//! Checks of single values.

use super::findings::{Findings, JsonType, SCHEMA};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// A whole number within the bounds.
pub(super) fn integer(
    value: &Value,
    location: &str,
    least: i64,
    most: i64,
    findings: &mut Findings,
) {
    if findings.is_open(value) {
        return;
    }
    let whole = value.as_i64().or_else(|| {
        value
            .as_f64()
            .filter(|n| n.fract() == 0.0)
            .map(|n| n as i64)
    });
    match whole {
        None => findings.schema(location, "Expected value of type Integer"),
        Some(number) if number < least => {
            findings.schema(location, format!("Minimum value is {least}"));
        }
        Some(number) if number > most => {
            findings.schema(location, format!("Maximum value is {most}"));
        }
        Some(_) => {}
    }
}

/// A number that is not smaller than the bound.
pub(super) fn at_least(value: &Value, location: &str, least: f64, findings: &mut Findings) {
    if findings.typed(value, location, JsonType::Number)
        && value.as_f64().is_some_and(|number| number < least)
    {
        findings.schema(location, format!("Minimum value is {least:?}"));
    }
}

/// An RFC 3339 timestamp with an upper-case `T` and a zone.
pub(super) fn timestamp(value: &Value, location: &str, findings: &mut Findings) {
    if !findings.typed(value, location, JsonType::String) {
        return;
    }
    if value.as_str().and_then(Timestamp::parse).is_none() && !findings.is_open(value) {
        findings.error(
            SCHEMA,
            location,
            "String does not match RFC3339 timestamp",
            Some("write it like 2026-11-24T08:15:00Z".to_string()),
        );
    }
}
