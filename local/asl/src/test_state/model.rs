//! What the APIs behind optimized integrations answer, for the check of mocked results
//! (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_MockInput.html>).
//!
//! Only the integrations that the local services know have a model here; fields that a model does not have may be
//! there, as on AWS.

use crate::resource::{Pattern, Resource};
use crate::value::Value;

/// How strictly a mocked result is held against what the service would answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Required fields must be there, and those that are there must have their types.
    #[default]
    Strict,
    /// Fields that are there must have their types.
    Present,
}

/// The type of a field.
#[derive(Clone, Copy)]
enum Type {
    Text,
    Number,
    Object,
    Array,
    Time,
}

use Type::{Array, Number, Object, Text, Time};

impl Type {
    fn holds(self, value: &Value) -> bool {
        match self {
            Text => matches!(value, Value::String(_)),
            Number => matches!(value, Value::Number(_)),
            Object => matches!(value, Value::Object(_)),
            Array => matches!(value, Value::Array(_)),
            Time => matches!(value, Value::String(_) | Value::Number(_)),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Text => "a string",
            Number => "a number",
            Object => "an object",
            Array => "an array",
            Time => "a timestamp",
        }
    }
}

/// A field's name and type, and whether every answer has it.
type Field = (&'static str, Type, bool);

const ITEM: &[Field] = &[
    ("Attributes", Object, false),
    ("ConsumedCapacity", Object, false),
    ("Item", Object, false),
    ("ItemCollectionMetrics", Object, false),
];

/// Service, action and the fields of the answer, after the services' API references.
const ANSWERS: &[(&str, &str, &[Field])] = &[
    (
        "batch",
        "submitJob",
        &[
            ("JobName", Text, true),
            ("JobId", Text, true),
            ("JobArn", Text, false),
        ],
    ),
    ("dynamodb", "deleteItem", ITEM),
    ("dynamodb", "getItem", ITEM),
    ("dynamodb", "putItem", ITEM),
    ("dynamodb", "updateItem", ITEM),
    (
        "ecs",
        "runTask",
        &[("Tasks", Array, false), ("Failures", Array, false)],
    ),
    (
        "events",
        "putEvents",
        &[
            ("FailedEntryCount", Number, false),
            ("Entries", Array, false),
        ],
    ),
    (
        "http",
        "invoke",
        &[
            ("Headers", Object, false),
            ("StatusCode", Number, false),
            ("StatusText", Text, false),
        ],
    ),
    (
        "lambda",
        "invoke",
        &[
            ("StatusCode", Number, false),
            ("ExecutedVersion", Text, false),
            ("FunctionError", Text, false),
            ("LogResult", Text, false),
        ],
    ),
    (
        "sns",
        "publish",
        &[("MessageId", Text, false), ("SequenceNumber", Text, false)],
    ),
    (
        "sqs",
        "sendMessage",
        &[
            ("MessageId", Text, false),
            ("MD5OfMessageBody", Text, false),
            ("MD5OfMessageAttributes", Text, false),
            ("SequenceNumber", Text, false),
        ],
    ),
    (
        "states",
        "startExecution",
        &[("ExecutionArn", Text, true), ("StartDate", Time, true)],
    ),
];

/// The same for jobs that a task waits for: what describes the job at its end.
const JOBS: &[(&str, &str, &[Field])] = &[
    (
        "batch",
        "submitJob",
        &[
            ("JobName", Text, false),
            ("JobId", Text, false),
            ("JobArn", Text, false),
            ("Status", Text, false),
            ("Attempts", Array, false),
            ("Container", Object, false),
        ],
    ),
    (
        "ecs",
        "runTask",
        &[
            ("TaskArn", Text, false),
            ("LastStatus", Text, false),
            ("StopCode", Text, false),
            ("Containers", Array, false),
        ],
    ),
    (
        "states",
        "startExecution",
        &[
            ("ExecutionArn", Text, false),
            ("StateMachineArn", Text, false),
            ("Name", Text, false),
            ("Status", Text, false),
            ("StartDate", Time, false),
            ("StopDate", Time, false),
        ],
    ),
];

/// What is wrong with a mocked result, if the service could not have answered it. Whoever holds a token, a function, or an
/// activity's worker may answer anything.
pub fn fault(resource: &Resource, result: &Value, validation: FieldValidation) -> Option<String> {
    let Resource::Service {
        service,
        action,
        pattern,
    } = resource
    else {
        return None;
    };
    let table = match pattern {
        Pattern::RequestResponse => ANSWERS,
        Pattern::Sync | Pattern::SyncV2 => JOBS,
        Pattern::WaitForTaskToken => return None,
    };
    // What any API answers is an object; of one without members nothing may be left.
    if result.as_object().is_none() && *result != Value::Null {
        return Some("The mocked result must be an object".to_string());
    }
    let sdk = service.strip_prefix("aws-sdk:");
    let called = match sdk.unwrap_or(service) {
        "sfn" => "states",
        "eventbridge" => "events",
        other => other,
    };
    let (.., fields) = table
        .iter()
        .find(|row| row.0 == called && row.1 == &**action)?;
    let missing = fields
        .iter()
        .find(|(name, _, required)| *required && result.get(name).is_none());
    if let (Some((name, ..)), FieldValidation::Strict) = (missing, validation) {
        return Some(format!("Required field '{name}' is missing"));
    }
    fields.iter().find_map(|(name, kind, _)| {
        let value = result.get(name)?;
        (!kind.holds(value)).then(|| format!("Field '{name}' must be {}", kind.name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mocked_results_are_held_against_the_services_answers() {
        let started = "arn:aws:states:::states:startExecution";
        let put = "arn:aws:states:::events:putEvents";
        for (resource, result, strict, present) in [
            (
                started,
                "{}",
                Some("Required field 'ExecutionArn' is missing"),
                None,
            ),
            (
                started,
                r#"{"ExecutionArn":"arn","StartDate":true}"#,
                Some("Field 'StartDate' must be a timestamp"),
                Some("Field 'StartDate' must be a timestamp"),
            ),
            (
                started,
                r#"{"ExecutionArn":"arn","StartDate":"2026-11-24T08:15:00Z","More":1}"#,
                None,
                None,
            ),
            (put, "{}", None, None),
            (
                put,
                r#"{"Entries":{}}"#,
                Some("Field 'Entries' must be an array"),
                Some("Field 'Entries' must be an array"),
            ),
            ("arn:aws:states:::batch:submitJob.sync", "{}", None, None),
            (
                "arn:aws:states:::states:startExecution.sync:2",
                r#"{"Status":3}"#,
                Some("Field 'Status' must be a string"),
                Some("Field 'Status' must be a string"),
            ),
            (
                "arn:aws:states:::aws-sdk:sqs:sendMessage",
                r#"{"MessageId":5}"#,
                Some("Field 'MessageId' must be a string"),
                Some("Field 'MessageId' must be a string"),
            ),
            (
                "arn:aws:states:::glue:startJobRun.sync",
                "[1]",
                Some("The mocked result must be an object"),
                Some("The mocked result must be an object"),
            ),
            (
                "arn:aws:states:::http:invoke",
                r#"{"StatusCode":"x"}"#,
                Some("Field 'StatusCode' must be a number"),
                Some("Field 'StatusCode' must be a number"),
            ),
            (
                "arn:aws:states:::lambda:invoke.waitForTaskToken",
                "1",
                None,
                None,
            ),
            ("arn:aws:states:::aws-sdk:s3:listBuckets", "{}", None, None),
        ] {
            let resource = Resource::parse(resource).unwrap();
            let result = Value::parse(result).unwrap();
            let found = |validation| fault(&resource, &result, validation);
            assert_eq!(
                found(FieldValidation::Strict).as_deref(),
                strict,
                "{result}"
            );
            assert_eq!(
                found(FieldValidation::Present).as_deref(),
                present,
                "{result}"
            );
        }
    }
}
