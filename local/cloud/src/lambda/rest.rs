//! The REST protocol of Lambda: Invoke, GetFunction, GetFunctionConfiguration, ListFunctions.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::{InvocationType, Invoke, InvokeOutput, LATEST, Lambda, function_name};
use crate::error::ServiceError;
use crate::rest::{decode, json_response};
use stack::Function;

const FUNCTIONS: &str = "/2015-03-31/functions";

impl Lambda {
    /// Answers one request.
    pub(crate) async fn rest(
        &self,
        parts: &Parts,
        body: Bytes,
    ) -> Result<Response<Body>, ServiceError> {
        let unknown = || {
            ServiceError::unknown_action(
                "Lambda",
                &format!("{} {}", parts.method, parts.uri.path()),
            )
        };
        let path = parts
            .uri
            .path()
            .strip_prefix(FUNCTIONS)
            .ok_or_else(unknown)?;
        let segments: Vec<String> = path
            .split('/')
            .filter(|s| !s.is_empty())
            .map(decode)
            .collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (&parts.method, segments.as_slice()) {
            (&Method::GET, []) => Ok(json_response(StatusCode::OK, &self.list())),
            (&Method::GET, [name]) => {
                let configuration = self.configuration(name)?;
                let location = configuration["FunctionArn"].clone();
                let code = json!({"RepositoryType": "Local", "Location": location});
                let answer = json!({"Configuration": configuration, "Code": code, "Tags": {}});
                Ok(json_response(StatusCode::OK, &answer))
            }
            (&Method::GET, [name, "configuration"]) => {
                Ok(json_response(StatusCode::OK, &self.configuration(name)?))
            }
            (&Method::POST, [name, "invocations"]) => {
                let invoke = invoke_request(&parts.headers, body)?;
                Ok(invoke_response(self.invoke_with(name, invoke).await?))
            }
            _ => Err(unknown()),
        }
    }

    fn list(&self) -> Value {
        let functions = self.inner.functions.values();
        let list: Vec<Value> = functions.map(|host| describe(&host.function)).collect();
        json!({"Functions": list})
    }

    fn configuration(&self, name: &str) -> Result<Value, ServiceError> {
        Ok(describe(&self.host(function_name(name))?.function))
    }
}

fn invoke_request(headers: &HeaderMap, payload: Bytes) -> Result<Invoke, ServiceError> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = match header("x-amz-invocation-type") {
        None | Some("" | "RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            return Err(ServiceError::new(
                "InvalidParameterValueException",
                format!("InvocationType '{other}' is none of RequestResponse, Event, DryRun"),
            ));
        }
    };
    Ok(Invoke {
        payload,
        kind,
        tail: header("x-amz-log-type") == Some("Tail"),
    })
}

fn invoke_response(output: InvokeOutput) -> Response<Body> {
    let mut response = Response::new(Body::from(output.payload));
    *response.status_mut() = StatusCode::from_u16(output.status_code).unwrap_or(StatusCode::OK);
    let tail = output.log_tail.map(|tail| STANDARD.encode(tail));
    let headers = [
        ("content-type", Some("application/json".to_owned())),
        ("x-amzn-requestid", Some(output.request_id)),
        ("x-amz-executed-version", Some(output.executed_version)),
        ("x-amz-function-error", output.function_error),
        ("x-amz-log-result", tail),
    ];
    for (name, value) in headers {
        if let Some(value) = value.and_then(|text| text.parse().ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// `FunctionConfiguration` of the API.
fn describe(function: &Function) -> Value {
    json!({
        "FunctionName": function.name,
        "FunctionArn": function.arn,
        "Runtime": "provided.al2023",
        "Handler": function.handler,
        "Timeout": function.timeout.as_secs(),
        "MemorySize": function.memory_mib,
        "Version": LATEST,
        "Environment": {"Variables": function.environment},
        "PackageType": if function.handler.is_empty() { "Image" } else { "Zip" },
        "State": "Active",
        "LastUpdateStatus": "Successful",
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", function.name)},
    })
}
