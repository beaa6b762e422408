//! Lambda: the function ARN as Resource, and `lambda:invoke`.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/connect-lambda.html>

use asl::TaskError;
use bytes::Bytes;
use serde_json::{Value, json};

use super::call::{Accepted, Call, service_error};
use crate::engine::Engine;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cloud::lambda::{InvocationType, Invoke, InvokeOutput};

/// Invokes the function that is itself the Resource; the result is its payload.
pub async fn invoke_arn(
    engine: &Engine,
    arn: &str,
    arguments: &asl::Value,
) -> Result<asl::Value, TaskError> {
    let invoke = Invoke {
        payload: Bytes::from(arguments.to_string()),
        kind: InvocationType::RequestResponse,
        tail: false,
        qualifier: None,
    };
    payload(&call(engine, arn, invoke).await?)
}

/// `lambda:invoke`: the result is the answer of the Invoke API, with the payload parsed.
pub async fn invoke(request: &Call) -> Result<Accepted, TaskError> {
    let arguments = &request.arguments;
    let text = |key: &str| arguments[key].as_str();
    let kind = match text("InvocationType") {
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        _ => InvocationType::RequestResponse,
    };
    let name = text("FunctionName").unwrap_or_default();
    let input = arguments
        .get("Payload")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let invoke = Invoke {
        payload: Bytes::from(asl::Value::from(input).to_string()),
        kind,
        tail: text("LogType") == Some("Tail"),
        qualifier: text("Qualifier").map(str::to_owned),
    };
    let output = call(&request.engine, name, invoke).await?;
    let payload = payload(&output)?;
    Ok(Accepted {
        output: response(&output, payload),
        job: None,
    })
}

async fn call(engine: &Engine, function: &str, invoke: Invoke) -> Result<InvokeOutput, TaskError> {
    let output = engine.compute.lambda.invoke_with(function, invoke).await;
    output.map_err(|error| service_error("Lambda", "AWSLambda", &error))
}

/// The payload of a function that succeeded, or its failure: the error is the function's own
/// `errorType`, the cause its payload.
fn payload(output: &InvokeOutput) -> Result<asl::Value, TaskError> {
    let text = String::from_utf8_lossy(&output.payload);
    if output.function_error.is_none() {
        let text = if text.is_empty() { "null" } else { &text };
        return asl::Value::parse(text).map_err(|error| TaskError {
            error: "Lambda.Unknown".into(),
            cause: Some(format!("The function's payload is not JSON: {error}")),
        });
    }
    let document: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
    match document["errorType"].as_str() {
        Some(error) if !error.is_empty() => Err(TaskError {
            error: error.into(),
            cause: Some(text.into_owned()),
        }),
        _ => Err(TaskError {
            error: "Lambda.Unknown".into(),
            cause: Some(format!(
                "The cause could not be determined because Lambda did not return an error type. \
                 Returned payload: {text}"
            )),
        }),
    }
}

fn response(output: &InvokeOutput, payload: asl::Value) -> asl::Value {
    let (id, length) = (&output.request_id, output.payload.len().to_string());
    let metadata = json!({
        "AllHttpHeaders": {
            "X-Amz-Executed-Version": [output.executed_version],
            "x-amzn-Remapped-Content-Length": ["0"],
            "Connection": ["keep-alive"],
            "x-amzn-RequestId": [id],
            "Content-Length": [length],
            "Content-Type": ["application/json"],
        },
        "HttpHeaders": {
            "Connection": "keep-alive",
            "Content-Length": length,
            "Content-Type": "application/json",
            "X-Amz-Executed-Version": output.executed_version,
            "x-amzn-Remapped-Content-Length": "0",
            "x-amzn-RequestId": id,
        },
        "HttpStatusCode": output.status_code,
    });
    let version = asl::Value::from(output.executed_version.as_str());
    let tail = output.log_tail.as_ref();
    let tail = tail.map(|tail| ("LogResult", STANDARD.encode(tail).as_str().into()));
    let status = asl::Value::from(u64::from(output.status_code));
    let members = [("ExecutedVersion", version)]
        .into_iter()
        .chain(tail)
        .chain([
            // It goes in as it is: a detour over another JSON type could change its numbers.
            ("Payload", payload),
            ("SdkHttpMetadata", metadata.into()),
            ("SdkResponseMetadata", json!({ "RequestId": id }).into()),
            ("StatusCode", status),
        ]);
    asl::Value::object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(error: Option<&str>, payload: &'static str) -> InvokeOutput {
        InvokeOutput {
            status_code: 200,
            executed_version: "$LATEST".into(),
            payload: Bytes::from_static(payload.as_bytes()),
            function_error: error.map(str::to_owned),
            log_tail: None,
            request_id: "id".into(),
        }
    }

    #[test]
    fn failures_are_named_by_the_function() {
        let own = payload(&output(
            Some("Unhandled"),
            r#"{"errorType":"Input.Invalid","errorMessage":"no"}"#,
        ));
        let expected = TaskError {
            error: "Input.Invalid".into(),
            cause: Some(r#"{"errorType":"Input.Invalid","errorMessage":"no"}"#.into()),
        };
        assert_eq!(own, Err(expected));
        let unknown = payload(&output(
            Some("Unhandled"),
            r#"{"errorMessage":"Task timed out"}"#,
        ));
        assert_eq!(
            unknown.map_err(|error| error.error),
            Err("Lambda.Unknown".into())
        );
    }

    #[test]
    fn the_answer_has_the_shape_of_the_integration() {
        let output = output(None, r#"{"a":1.0}"#);
        let answer = payload(&output)
            .map(|payload| response(&output, payload).to_string())
            .unwrap_or_default();
        assert!(
            answer.starts_with(
                r#"{"ExecutedVersion":"$LATEST","Payload":{"a":1.0},"SdkHttpMetadata":{"#
            ),
            "{answer}"
        );
        assert!(
            answer.ends_with(r#""SdkResponseMetadata":{"RequestId":"id"},"StatusCode":200}"#),
            "{answer}"
        );
    }
}
