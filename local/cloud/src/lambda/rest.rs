//! The REST protocol of Lambda: Invoke, GetFunction, GetFunctionConfiguration, ListFunctions.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{
    InvocationType, Invoke, InvokeOutput, LATEST, Lambda, SYNC_PAYLOAD_LIMIT, function_name,
};
use crate::action::{Action, LambdaAction, ServiceId};
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::members::located;
use crate::rest;
use crate::router::Service;
use stack::Function;

/// Path of every function.
pub(crate) const FUNCTIONS: &str = "/2015-03-31/functions";

impl Service for Lambda {
    fn id(&self) -> ServiceId {
        ServiceId::Lambda
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (parts, body) = request.into_parts();
            let (method, path) = (&parts.method, parts.uri.path());
            let (action, name) = asked(method, path).ok_or_else(|| {
                ServiceError::unknown_action(self.id().prefix(), &format!("{method} {path}"))
            })?;
            let members = Value::from(located(action, &parts));
            Action::from(action).check_members(&members)?;
            let document = match action {
                LambdaAction::Invoke => {
                    let payload = rest::read(body).await.ok_or_else(too_large)?;
                    let invoke = invoke_request(&parts.headers, payload)?;
                    return Ok(invoke_response(self.invoke_with(&name, invoke).await?));
                }
                LambdaAction::ListFunctions => self.list(),
                LambdaAction::GetFunctionConfiguration => self.configuration(&name)?,
                LambdaAction::GetFunction => {
                    let configuration = self.configuration(&name)?;
                    let location = configuration["FunctionArn"].clone();
                    let code = json!({"RepositoryType": "Local", "Location": location});
                    json!({"Configuration": configuration, "Code": code, "Tags": {}})
                }
            };
            Ok(rest::json_response(
                &match self.faults().admit(action, &members)? {
                    Verdict::Proceed => document,
                    Verdict::Lose => json!({}),
                },
            ))
        }
        .boxed()
    }
}

/// The action that a request asks for, and the function that its path names.
fn asked(method: &Method, path: &str) -> Option<(LambdaAction, String)> {
    let path = path.strip_prefix(FUNCTIONS)?.trim_matches('/');
    let (name, rest) = path.split_once('/').unwrap_or((path, ""));
    let action = match (method, name, rest) {
        (&Method::GET, "", "") => LambdaAction::ListFunctions,
        (_, "", _) => return None,
        (&Method::GET, _, "") => LambdaAction::GetFunction,
        (&Method::GET, _, "configuration") => LambdaAction::GetFunctionConfiguration,
        (&Method::POST, _, "invocations") => LambdaAction::Invoke,
        _ => return None,
    };
    Some((action, rest::decode(name)))
}

fn too_large() -> ServiceError {
    let message = format!(
        "Request must be smaller than {SYNC_PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
    );
    ServiceError::with_status(413, "RequestTooLargeException", message)
}

impl Lambda {
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
