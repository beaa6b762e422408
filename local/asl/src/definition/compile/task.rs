//! Compiling Task and Wait states, Retry and Catch.

use std::sync::Arc;

use crate::definition::fields::{ResultPath, StringField};
use crate::definition::program::WaitFields;
use crate::definition::task::{CatchRule, RetryRule, TaskFields};
use crate::query::Language;
use crate::resource::Resource;
use crate::timestamp::Timestamp;
use crate::value::Value;

use super::fields::{Fields, Names, Result, problem, target};

pub(super) fn wait(fields: &Fields, language: Language) -> Result<WaitFields> {
    if let Some(seconds) = fields.dynamic("Seconds", "SecondsPath", language)? {
        return Ok(WaitFields::Seconds(seconds));
    }
    match fields.string("Timestamp", "TimestampPath", language)? {
        Some(StringField::Literal(text)) if Timestamp::parse(&text).is_none() => Err(problem(
            "SCHEMA_VALIDATION_FAILED",
            &fields.at("Timestamp"),
            "String does not match RFC3339 timestamp",
        )),
        Some(timestamp) => Ok(WaitFields::Timestamp(timestamp)),
        None => Err(problem(
            "SCHEMA_VALIDATION_FAILED",
            &fields.location,
            "A Wait state needs one of Seconds, SecondsPath, Timestamp, TimestampPath",
        )),
    }
}

pub(super) fn task(fields: &Fields, language: Language) -> Result<TaskFields> {
    let text = fields.required_text("Resource")?;
    let resource = Resource::parse(text).ok_or_else(|| {
        problem(
            "INVALID_RESOURCE",
            &fields.at("Resource"),
            "The resource is not an ARN that Step Functions can call",
        )
    })?;
    let (resource_type, resource_name) = match &resource {
        Resource::Lambda { arn } => ("lambda".into(), Arc::clone(arn)),
        Resource::Activity { arn } => ("activity".into(), Arc::clone(arn)),
        Resource::Service {
            service,
            action,
            pattern,
        } => (
            Arc::clone(service),
            format!("{action}{}", pattern.suffix()).into(),
        ),
    };
    Ok(TaskFields {
        resource,
        resource_type,
        resource_name,
        timeout: fields.dynamic("TimeoutSeconds", "TimeoutSecondsPath", language)?,
        heartbeat: fields.dynamic("HeartbeatSeconds", "HeartbeatSecondsPath", language)?,
        credentials: fields.template("Credentials", language)?,
    })
}

fn errors(fields: &Fields) -> Result<Vec<Arc<str>>> {
    let list = fields
        .get("ErrorEquals")
        .ok_or_else(|| fields.missing("ErrorEquals"))?;
    let list = list
        .as_array()
        .ok_or_else(|| fields.wrong("ErrorEquals", "an array"))?;
    list.iter()
        .map(|name| match name {
            Value::String(name) => Ok(Arc::clone(name)),
            _ => Err(fields.wrong("ErrorEquals", "an array of strings")),
        })
        .collect()
}

pub(super) fn retry(fields: &Fields) -> Result<RetryRule> {
    let number = |key: &str| match fields.get(key) {
        None => Ok(None),
        Some(value) => value
            .as_f64()
            .map(Some)
            .ok_or_else(|| fields.wrong(key, "a number")),
    };
    Ok(RetryRule {
        errors: errors(fields)?,
        interval_seconds: number("IntervalSeconds")?.unwrap_or(1.0),
        max_attempts: number("MaxAttempts")?.unwrap_or(3.0).max(0.0) as u64,
        backoff_rate: number("BackoffRate")?.unwrap_or(2.0),
        max_delay_seconds: number("MaxDelaySeconds")?,
        jitter: fields.text("JitterStrategy")? == Some("FULL"),
    })
}

pub(super) fn catch(fields: &Fields, names: &Names, language: Language) -> Result<CatchRule> {
    Ok(CatchRule {
        errors: errors(fields)?,
        result_path: match language {
            Language::JsonPath => fields.result_path()?,
            Language::Jsonata => ResultPath::Replace,
        },
        output: match language {
            Language::JsonPath => None,
            Language::Jsonata => fields.template("Output", language)?,
        },
        assign: fields.template("Assign", language)?,
        next: target(names, fields.required_text("Next")?, &fields.at("Next"))?,
    })
}
