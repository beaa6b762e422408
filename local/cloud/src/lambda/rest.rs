//! The REST protocol of Lambda.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::limits::SYNC_PAYLOAD_LIMIT;
use super::{InvocationType, Invoke, InvokeOutput, Lambda};
use crate::action::{LambdaAction, ServiceId};
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::rest;
use crate::service::Service;

/// Path of every function.
pub(crate) const FUNCTIONS: &str = "/2015-03-31/functions";
/// Paths of what came later than the rest.
const TAGS: &str = "/2017-03-31/tags/";
const CONCURRENCY: [&str; 2] = ["/2017-10-31/functions/", "/2019-09-30/functions/"];

impl Service for Lambda {
    fn id(&self) -> ServiceId {
        ServiceId::Lambda
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (parts, body) = request.into_parts();
            let Some((action, named)) = asked(&parts.method, parts.uri.path()) else {
                let asked = format!("{} {}", parts.method, parts.uri.path());
                return Err(ServiceError::unknown_action(self.id().prefix(), &asked));
            };
            if action == LambdaAction::Invoke {
                let payload = rest::read(body).await.ok_or_else(too_large)?;
                let name = named["FunctionName"].as_str().unwrap_or_default();
                let invoke = invoke_request(&parts, payload)?;
                return Ok(invoke_response(self.invoke_with(name, invoke).await?));
            }
            let request = members(&parts, named, rest::read_json_with_code(body).await?);
            let (status, document) = match self.faults().strike(action)? {
                Verdict::Proceed => self.carry_out(action, &request)?,
                Verdict::Lose => (200, json!({})),
            };
            let mut response = rest::json_response(&document);
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
            if status == 204 {
                *response.body_mut() = Body::empty();
            }
            Ok(response)
        }
        .boxed()
    }
}

/// All members of a request: those of its body, its path and its query. A query parameter has its member's name, but
/// for the case of its first letter.
fn members(parts: &Parts, named: Value, mut body: Value) -> Value {
    let query = parts.uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if name.eq_ignore_ascii_case("tagKeys") {
            match &mut body["TagKeys"] {
                Value::Array(keys) => keys.push(json!(value)),
                none => *none = json!([value]),
            }
        } else {
            body[name.as_ref()] = json!(value);
        }
    }
    if let Value::Object(named) = named {
        for (member, value) in named {
            body[member] = value;
        }
    }
    body
}

/// The action that a request asks for, and the members that its path has.
fn asked(method: &Method, path: &str) -> Option<(LambdaAction, Value)> {
    use LambdaAction as Asked;
    if let Some(arn) = path.strip_prefix(TAGS) {
        let action = match *method {
            Method::GET => Asked::ListTags,
            Method::POST => Asked::TagResource,
            Method::DELETE => Asked::UntagResource,
            _ => return None,
        };
        return Some((action, json!({"Resource": rest::decode(arn)})));
    }
    if let Some(rest) = CONCURRENCY.iter().find_map(|root| path.strip_prefix(root)) {
        let name = rest.strip_suffix("/concurrency")?;
        let action = match *method {
            Method::GET => Asked::GetFunctionConcurrency,
            Method::PUT => Asked::PutFunctionConcurrency,
            Method::DELETE => Asked::DeleteFunctionConcurrency,
            _ => return None,
        };
        return Some((action, json!({"FunctionName": rest::decode(name)})));
    }
    let path = path.strip_prefix(FUNCTIONS)?.trim_matches('/');
    let mut parts = path.split('/');
    let (function, of, below) = (parts.next().unwrap_or(""), parts.next(), parts.next());
    let action = match (method, function, of, below) {
        (&Method::GET, "", None, _) => Asked::ListFunctions,
        (&Method::POST, "", None, _) => Asked::CreateFunction,
        (_, "", _, _) => return None,
        (&Method::GET, _, None, _) => Asked::GetFunction,
        (&Method::DELETE, _, None, _) => Asked::DeleteFunction,
        (&Method::PUT, _, Some("code"), None) => Asked::UpdateFunctionCode,
        (&Method::GET, _, Some("configuration"), None) => Asked::GetFunctionConfiguration,
        (&Method::PUT, _, Some("configuration"), None) => Asked::UpdateFunctionConfiguration,
        (&Method::POST, _, Some("invocations"), None) => Asked::Invoke,
        (&Method::POST, _, Some("versions"), None) => Asked::PublishVersion,
        (&Method::GET, _, Some("versions"), None) => Asked::ListVersionsByFunction,
        (&Method::POST, _, Some("aliases"), None) => Asked::CreateAlias,
        (&Method::GET, _, Some("aliases"), None) => Asked::ListAliases,
        (&Method::GET, _, Some("aliases"), Some(_)) => Asked::GetAlias,
        (&Method::PUT, _, Some("aliases"), Some(_)) => Asked::UpdateAlias,
        (&Method::DELETE, _, Some("aliases"), Some(_)) => Asked::DeleteAlias,
        (&Method::POST, _, Some("policy"), None) => Asked::AddPermission,
        (&Method::GET, _, Some("policy"), None) => Asked::GetPolicy,
        (&Method::DELETE, _, Some("policy"), Some(_)) => Asked::RemovePermission,
        _ => return None,
    };
    let mut named = json!({});
    if !function.is_empty() {
        named["FunctionName"] = json!(rest::decode(function));
    }
    match (of, below) {
        (Some("aliases"), Some(name)) => named["Name"] = json!(rest::decode(name)),
        (Some("policy"), Some(id)) => named["StatementId"] = json!(rest::decode(id)),
        _ => {}
    }
    Some((action, named))
}

fn too_large() -> ServiceError {
    let message = format!(
        "Request must be smaller than {SYNC_PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
    );
    ServiceError::with_status(413, "RequestTooLargeException", message)
}

fn invoke_request(parts: &Parts, payload: Bytes) -> Result<Invoke, ServiceError> {
    let refused = |message| ServiceError::new("InvalidParameterValueException", message);
    let header = |name: &str| header(&parts.headers, name);
    let kind = match header("x-amz-invocation-type") {
        None | Some("" | "RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            let message = format!(
                "InvocationType '{other}' is none of RequestResponse, Event, DryRun"
            );
            return Err(refused(message));
        }
    };
    let tail = match header("x-amz-log-type") {
        None | Some("" | "None") => false,
        Some("Tail") => true,
        Some(other) => return Err(refused(format!("LogType '{other}' is none of None, Tail"))),
    };
    let mut query = rest::query(parts.uri.query().unwrap_or_default().as_bytes());
    Ok(Invoke {
        payload,
        kind,
        tail,
        qualifier: query.remove("Qualifier"),
    })
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
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
