//! One endpoint for every local service, routed as AWS routes: the target header, the scope of the
//! request's signature, the path; what is left is S3.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::middleware::map_response;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::batch::Batch;
use crate::connections;
use crate::ecs::Ecs;
use crate::error::ServiceError;
use crate::faults::Faults;
use crate::guard::{self, Protocol};
use crate::lambda::{self, Lambda};
use crate::rest::{json_response, query};
use crate::s3::S3;
use crate::scheduler::Scheduler;

/// Largest body of a request that is not S3's, bytes: Lambda's limit and room for the rest.
const BODY_LIMIT: usize = lambda::SYNC_PAYLOAD_LIMIT + 64 * 1_024;

/// Path of the task metadata endpoint; no bucket name can begin with an underscore.
const TASK_METADATA: &str = "/_ecs/v4/";

/// A service of the AWS JSON protocols, where the `X-Amz-Target` header names the action.
pub trait JsonService: Send + Sync {
    /// Carries out an action.
    fn call<'a>(
        &'a self,
        action: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Result<Value, ServiceError>>;
}

/// The services behind the endpoint.
#[derive(Clone)]
pub struct Services {
    /// Lambda (REST).
    pub lambda: Lambda,
    /// ECS, for the metadata of its tasks.
    pub ecs: Ecs,
    /// Batch (REST).
    pub batch: Batch,
    /// EventBridge Scheduler (REST).
    pub scheduler: Scheduler,
    /// S3.
    pub s3: S3,
    /// JSON services by the prefix of their target: `AWSStepFunctions`.
    pub json: BTreeMap<&'static str, Arc<dyn JsonService>>,
    /// Faults.
    pub faults: Faults,
    /// Account that GetCallerIdentity names.
    pub account: String,
}

/// Serves until `shutdown` resolves.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = Router::new()
        .fallback(route)
        .with_state(Arc::new(services))
        .layer(map_response(guard::isolate));
    connections::serve(listener, routes, connections::Limits::endpoint(), shutdown).await;
    Ok(())
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
enum Destination<'a> {
    Json { target: &'a str, action: &'a str },
    Lambda,
    Batch,
    Scheduler,
    Sts,
    TaskMetadata,
    S3,
    Unknown(&'a str),
}

impl Destination<'_> {
    fn protocol(&self) -> Protocol {
        match self {
            Destination::Json { .. } => Protocol::AwsJson,
            Destination::Lambda => Protocol::RestBlob,
            Destination::Batch
            | Destination::Scheduler
            | Destination::TaskMetadata
            | Destination::Unknown(_) => Protocol::RestJson,
            Destination::Sts => Protocol::Query,
            Destination::S3 => Protocol::S3,
        }
    }
}

fn destination<'a>(headers: &'a HeaderMap, path: &str) -> Destination<'a> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some((prefix, action)) = header("x-amz-target").and_then(|t| t.rsplit_once('.')) {
        // Some targets carry a version: AmazonEC2ContainerServiceV20141113.
        let target = prefix.split_once("V20").map_or(prefix, |(name, _)| name);
        return Destination::Json { target, action };
    }
    match header("authorization").and_then(signing_scope) {
        Some("lambda") => Destination::Lambda,
        Some("batch") => Destination::Batch,
        Some("scheduler") => Destination::Scheduler,
        Some("sts") => Destination::Sts,
        Some("s3") => Destination::S3,
        Some(other) => Destination::Unknown(other),
        None if path.starts_with("/2015-03-31/functions") => Destination::Lambda,
        None if path.starts_with("/schedules") => Destination::Scheduler,
        None if Batch::action(path).is_some() => Destination::Batch,
        None if path.starts_with(TASK_METADATA) => Destination::TaskMetadata,
        None => Destination::S3,
    }
}

/// The service in `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`.
fn signing_scope(authorization: &str) -> Option<&str> {
    let credential = authorization.split_once("Credential=")?.1;
    credential.split([',', ' ']).next()?.rsplit('/').nth(1)
}

async fn route(State(services): State<Arc<Services>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let destination = destination(&parts.headers, parts.uri.path());
    if let Err(refusal) = guard::check(&parts, destination.protocol()) {
        return refusal.response(destination.protocol());
    }
    let answer = match destination {
        Destination::S3 => return services.s3.http(Request::from_parts(parts, body)).await,
        Destination::Json { target, action } => services.json(target, action, body).await,
        Destination::Lambda => services.lambda(&parts, body).await,
        Destination::Batch => services.rest_json(Rest::Batch, &parts, body).await,
        Destination::Scheduler => services.rest_json(Rest::Scheduler, &parts, body).await,
        Destination::Sts => services.sts(body).await,
        Destination::TaskMetadata => services.task_metadata(parts.uri.path()),
        Destination::Unknown(service) => {
            Err(ServiceError::unknown_action(service, parts.uri.path()))
        }
    };
    let mut response = answer.unwrap_or_else(|error| error_response(&error));
    let id = HeaderValue::from_str(&Uuid::new_v4().to_string());
    if let Ok(id) = id
        && !response.headers().contains_key("x-amzn-requestid")
    {
        response.headers_mut().insert("x-amzn-requestid", id);
    }
    response
}

#[derive(Debug, Clone, Copy)]
enum Rest {
    Batch,
    Scheduler,
}

impl Services {
    async fn json(
        &self,
        target: &str,
        action: &str,
        body: Body,
    ) -> Result<Response<Body>, ServiceError> {
        let unknown = || ServiceError::unknown_action(target, action);
        let service = self.json.get(target).ok_or_else(unknown)?;
        let body = read_json(body).await?;
        // RunTask asks for faults itself: Step Functions calls it without passing here.
        let lost = action != "RunTask" && self.faults.strike(prefix_of(target), action)?;
        let output = if lost {
            json!({})
        } else {
            service.call(action, body).await?
        };
        let mut response = json_response(StatusCode::OK, &output);
        response.headers_mut().insert(
            "content-type",
            HeaderValue::from_static("application/x-amz-json-1.1"),
        );
        Ok(response)
    }

    async fn lambda(&self, parts: &Parts, body: Body) -> Result<Response<Body>, ServiceError> {
        let body = to_bytes(body, BODY_LIMIT).await.map_err(|_| {
            let limit = lambda::SYNC_PAYLOAD_LIMIT;
            let message = format!(
                "Request must be smaller than {limit} bytes for the InvokeFunction operation"
            );
            ServiceError::with_status(413, "RequestTooLargeException", message)
        })?;
        self.lambda.rest(parts, body).await
    }

    async fn rest_json(
        &self,
        service: Rest,
        parts: &Parts,
        body: Body,
    ) -> Result<Response<Body>, ServiceError> {
        let body = read_json(body).await?;
        let path = parts.uri.path();
        let output = match service {
            Rest::Batch => {
                let action = Batch::action(path)
                    .ok_or_else(|| ServiceError::unknown_action("Batch", path))?;
                self.batch.call(action, &body)?
            }
            Rest::Scheduler => {
                let query = query(parts.uri.query());
                self.scheduler.rest(&parts.method, path, &query, &body)?
            }
        };
        Ok(json_response(StatusCode::OK, &output))
    }

    /// What a container asks of `ECS_CONTAINER_METADATA_URI_V4`.
    fn task_metadata(&self, path: &str) -> Result<Response<Body>, ServiceError> {
        let id = path.strip_prefix(TASK_METADATA).unwrap_or_default();
        let id = id.split('/').next().unwrap_or_default();
        let missing =
            || ServiceError::with_status(404, "NotFound", format!("task {id} is not known"));
        let document = self.ecs.metadata(id).ok_or_else(missing)?;
        Ok(json_response(StatusCode::OK, &document))
    }

    /// GetCallerIdentity, the one action of STS that tools call before they do anything else.
    async fn sts(&self, body: Body) -> Result<Response<Body>, ServiceError> {
        let bytes = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
        let form = query(std::str::from_utf8(&bytes).ok());
        let action = form.get("Action").map_or("", String::as_str);
        if action != "GetCallerIdentity" {
            return Err(ServiceError::unknown_action("STS", action));
        }
        let account = &self.account;
        let document = format!(
            "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/local</Arn>\
             <UserId>AIDALOCAL</UserId><Account>{account}</Account></GetCallerIdentityResult>\
             <ResponseMetadata><RequestId>{}</RequestId></ResponseMetadata>\
             </GetCallerIdentityResponse>",
            Uuid::new_v4()
        );
        let mut response = Response::new(Body::from(document));
        response
            .headers_mut()
            .insert("content-type", HeaderValue::from_static("text/xml"));
        Ok(response)
    }
}

/// The service prefix of IAM actions, by which faults name a service.
fn prefix_of(target: &str) -> &str {
    match target {
        "AWSStepFunctions" => "states",
        "AmazonEC2ContainerService" => "ecs",
        "AWSEvents" => "events",
        other => other,
    }
}

async fn read_json(body: Body) -> Result<Value, ServiceError> {
    let invalid = |error: String| ServiceError::new("SerializationException", error);
    let bytes = to_bytes(body, BODY_LIMIT)
        .await
        .map_err(|error| invalid(error.to_string()))?;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))
}

/// An error in the shape of the JSON and the REST JSON protocols: the SDKs read the code from the
/// header or from `__type`, the sentence from either spelling.
fn error_response(error: &ServiceError) -> Response<Body> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let document = json!({
        "__type": error.code,
        "message": error.message,
        "Message": error.message,
        "Type": if error.status < 500 { "User" } else { "Service" },
    });
    let mut response = json_response(status, &document);
    if let Ok(code) = HeaderValue::from_str(&error.code) {
        response.headers_mut().insert("x-amzn-errortype", code);
    }
    response
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_are_routed_as_aws_routes() {
        let signed = |service: &str| {
            format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
            )
        };
        let scope = |service| vec![("authorization", signed(service))];
        let target = |text: &str| vec![("x-amz-target", text.to_owned())];
        let cases = [
            (
                target("AWSStepFunctions.StartExecution"),
                "/",
                Destination::Json {
                    target: "AWSStepFunctions",
                    action: "StartExecution",
                },
            ),
            (
                target("AmazonEC2ContainerServiceV20141113.RunTask"),
                "/",
                Destination::Json {
                    target: "AmazonEC2ContainerService",
                    action: "RunTask",
                },
            ),
            (
                scope("lambda"),
                "/2015-03-31/functions/f/invocations",
                Destination::Lambda,
            ),
            (scope("s3"), "/v1/submitjob", Destination::S3),
            (scope("batch"), "/v1/submitjob", Destination::Batch),
            (scope("sts"), "/", Destination::Sts),
            (scope("sqs"), "/", Destination::Unknown("sqs")),
            (vec![], "/v1/describejobs", Destination::Batch),
            (vec![], "/2015-03-31/functions/", Destination::Lambda),
            (vec![], "/schedules/x", Destination::Scheduler),
            (vec![], "/bucket/key", Destination::S3),
        ];
        for (headers, path, expected) in cases {
            let headers: HeaderMap = headers
                .into_iter()
                .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
                .collect::<Vec<(axum::http::HeaderName, HeaderValue)>>()
                .into_iter()
                .collect();
            assert_eq!(destination(&headers, path), expected, "{path}");
        }
    }
}
