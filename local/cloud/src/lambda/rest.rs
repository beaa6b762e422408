//! The REST protocol of Lambda.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_Operations.html>

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Map, Value, json};

use super::limits::SYNC_PAYLOAD_LIMIT;
use super::{InvocationType, Invoke, InvokeOutput, Lambda, streaming};
use crate::action::{Action, LambdaAction, ServiceId};
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::members::located;
use crate::rest;
use crate::service::Service;

/// Path of every function.
pub(crate) const FUNCTIONS: &str = "/2015-03-31/functions";
/// Paths of what came later than the rest.
const TAGS: &str = "/2017-03-31/tags/";
const CONCURRENCY: [&str; 2] = ["/2017-10-31/functions/", "/2019-09-30/functions/"];
const EVENT_INVOKE: &str = "/2019-09-25/functions/";
const STREAMING: &str = "/2021-11-15/functions/";

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
            let wire = located(action, &parts);
            if matches!(
                action,
                LambdaAction::Invoke | LambdaAction::InvokeWithResponseStream
            ) {
                let wire = Value::Object(wire);
                Action::from(action).check_members(&wire)?;
                let payload = rest::read(body).await.ok_or_else(too_large)?;
                let name = named["FunctionName"].as_str().unwrap_or_default();
                let invoke = invoke_request(&wire, payload)?;
                if action == LambdaAction::InvokeWithResponseStream {
                    streaming::check(&invoke)?;
                    return Ok(streaming::response(self.invoke_with(name, invoke).await?));
                }
                return Ok(invoke_response(self.invoke_with(name, invoke).await?));
            }
            let mut request = rest::read_json_with_code(body).await?;
            if let Some(members) = request.as_object_mut() {
                members.extend(wire);
                members.extend(named);
            }
            let (status, document) = match self.faults().admit(action, &request)? {
                Verdict::Proceed => {
                    self.fetch_code(action, &mut request).await?;
                    self.carry_out(action, &request)?
                }
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

/// The action that a request asks for, and the members that its path has.
fn asked(method: &Method, path: &str) -> Option<(LambdaAction, Map<String, Value>)> {
    use LambdaAction as Asked;
    if let Some(arn) = path.strip_prefix(TAGS) {
        let action = match *method {
            Method::GET => Asked::ListTags,
            Method::POST => Asked::TagResource,
            Method::DELETE => Asked::UntagResource,
            _ => return None,
        };
        return Some((action, one("Resource", arn)));
    }
    if let Some(rest) = CONCURRENCY.iter().find_map(|root| path.strip_prefix(root)) {
        let name = rest.strip_suffix("/concurrency")?;
        let action = match *method {
            Method::GET => Asked::GetFunctionConcurrency,
            Method::PUT => Asked::PutFunctionConcurrency,
            Method::DELETE => Asked::DeleteFunctionConcurrency,
            _ => return None,
        };
        return Some((action, one("FunctionName", name)));
    }
    if let Some(rest) = path.strip_prefix(EVENT_INVOKE) {
        let (name, list) = match rest.strip_suffix("/list") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let name = name.strip_suffix("/event-invoke-config")?;
        let action = match *method {
            Method::GET if list => Asked::ListFunctionEventInvokeConfigs,
            _ if list => return None,
            Method::GET => Asked::GetFunctionEventInvokeConfig,
            Method::PUT => Asked::PutFunctionEventInvokeConfig,
            Method::POST => Asked::UpdateFunctionEventInvokeConfig,
            Method::DELETE => Asked::DeleteFunctionEventInvokeConfig,
            _ => return None,
        };
        return Some((action, one("FunctionName", name)));
    }
    if let Some(rest) = path.strip_prefix(STREAMING) {
        let name = rest.strip_suffix("/response-streaming-invocations")?;
        let action = Asked::InvokeWithResponseStream;
        return (*method == Method::POST).then(|| (action, one("FunctionName", name)));
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
    let mut named = match function {
        "" => Map::new(),
        function => one("FunctionName", function),
    };
    match (of, below) {
        (Some("aliases"), Some(name)) => named.extend(one("Name", name)),
        (Some("policy"), Some(id)) => named.extend(one("StatementId", id)),
        _ => {}
    }
    Some((action, named))
}

/// A member of the path.
fn one(member: &str, encoded: &str) -> Map<String, Value> {
    [(member.to_owned(), json!(rest::decode(encoded)))]
        .into_iter()
        .collect()
}

fn too_large() -> ServiceError {
    let message = format!(
        "Request must be smaller than {SYNC_PAYLOAD_LIMIT} bytes for the InvokeFunction operation"
    );
    ServiceError::with_status(413, "RequestTooLargeException", message)
}

fn invoke_request(wire: &Value, payload: Bytes) -> Result<Invoke, ServiceError> {
    let refused = |message| ServiceError::new("InvalidParameterValueException", message);
    let kind = match wire["InvocationType"].as_str() {
        None | Some("" | "RequestResponse") => InvocationType::RequestResponse,
        Some("Event") => InvocationType::Event,
        Some("DryRun") => InvocationType::DryRun,
        Some(other) => {
            let message =
                format!("InvocationType '{other}' is none of RequestResponse, Event, DryRun");
            return Err(refused(message));
        }
    };
    let tail = match wire["LogType"].as_str() {
        None | Some("" | "None") => false,
        Some("Tail") => true,
        Some(other) => return Err(refused(format!("LogType '{other}' is none of None, Tail"))),
    };
    Ok(Invoke {
        payload,
        kind,
        tail,
        qualifier: wire["Qualifier"].as_str().map(str::to_owned),
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
