//! One endpoint for every local service, routed as AWS routes: the target header, the scope of the
//! request's signature, the path; what is left is S3. The console has a path of its own.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Response};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Redirect};
use tokio::net::TcpListener;
use tower::ServiceExt as _;
use uuid::Uuid;

use crate::action::ServiceId;
use crate::connections;
use crate::error::ServiceError;
use crate::guard::{self, Protocol};
use crate::rest::{self, target};
pub use crate::service::Service;
use crate::{batch, ecs, lambda, scheduler};

/// The services behind the endpoint.
#[derive(Clone, Default)]
pub struct Services {
    by_id: BTreeMap<ServiceId, Arc<dyn Service>>,
}

impl Services {
    /// The same services and one more.
    #[must_use]
    pub fn with(mut self, service: impl Service + 'static) -> Services {
        self.by_id.insert(service.id(), Arc::new(service));
        self
    }
}

/// Path of the console; no bucket name can begin with an underscore, and no service has such a path.
pub const CONSOLE: &str = "/_console";

/// The console's pages, from the moment that somebody gives them.
#[derive(Clone, Default)]
pub struct Pages(Arc<OnceLock<Router>>);

impl Pages {
    /// Serves the pages from now on, below [`CONSOLE`]; those that were given first stay.
    pub fn give(&self, routes: Router) {
        // Who comes second has nobody to tell.
        let _ = self.0.set(routes);
    }

    /// Answers a request of a person, if it is one.
    async fn answer(&self, request: Request) -> Result<Response<Body>, Request> {
        let (parts, body) = request.into_parts();
        let request = |parts| Request::from_parts(parts, body);
        let (visit, below) = (guard::is_visit(&parts), guard::is_for_pages(&parts));
        let Some(routes) = self.0.get().filter(|_| visit || below) else {
            return Err(request(parts));
        };
        if let Err(refusal) = guard::check_page(&parts) {
            return Ok(refusal.response(Protocol::RestJson));
        }
        if visit {
            return Ok(Redirect::to(&format!("{CONSOLE}/")).into_response());
        }
        let Ok(response) = routes.clone().oneshot(request(parts)).await;
        Ok(response)
    }
}

/// Serves until `shutdown` resolves.
pub async fn serve(
    listener: TcpListener,
    services: Services,
    pages: Pages,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let routes = Router::new()
        .fallback(route)
        .with_state(Arc::new((services, pages)))
        .layer(map_response(guard::isolate));
    connections::serve(listener, routes, connections::Limits::endpoint(), shutdown).await;
    Ok(())
}

/// Whose request it is; otherwise the name of the service that is not here.
fn destination<'a>(headers: &'a HeaderMap, path: &str) -> Result<ServiceId, &'a str> {
    if let Some((target, _)) = target(headers) {
        return ServiceId::by(ServiceId::target, Some(target)).ok_or(target);
    }
    let authorization = headers.get("authorization");
    match authorization.and_then(|value| signing_scope(value.to_str().ok()?)) {
        Some(scope) => ServiceId::by(ServiceId::prefix, scope).ok_or(scope),
        None if path.starts_with(lambda::FUNCTIONS) => Ok(ServiceId::Lambda),
        None if scheduler::is_path(path) => Ok(ServiceId::Scheduler),
        None if batch::is_path(path) => Ok(ServiceId::Batch),
        None if path.starts_with(ecs::TASK_METADATA) => Ok(ServiceId::Ecs),
        None => Ok(ServiceId::S3),
    }
}

impl ServiceId {
    /// How the service is spoken to. ECS is asked for a task's metadata by plain GET too.
    fn protocol(self, headers: &HeaderMap) -> Protocol {
        match self {
            ServiceId::StepFunctions | ServiceId::EventBridge | ServiceId::Logs => {
                Protocol::AwsJson
            }
            ServiceId::Ecs if target(headers).is_some() => Protocol::AwsJson,
            ServiceId::Ecs | ServiceId::Batch | ServiceId::Scheduler => Protocol::RestJson,
            ServiceId::Lambda => Protocol::RestBlob,
            ServiceId::Sts => Protocol::Query,
            ServiceId::S3 => Protocol::S3,
        }
    }
}

/// The service in `AWS4-HMAC-SHA256 Credential=<key>/<date>/<region>/<service>/aws4_request, ...`.
fn signing_scope(authorization: &str) -> Option<&str> {
    let credential = authorization.split_once("Credential=")?.1;
    credential.split([',', ' ']).next()?.rsplit('/').nth(1)
}

async fn route(State(endpoint): State<Arc<(Services, Pages)>>, request: Request) -> Response<Body> {
    let (services, pages) = &*endpoint;
    let request = match pages.answer(request).await {
        Ok(response) => return response,
        Err(request) => request,
    };
    let (parts, body) = request.into_parts();
    let destination = destination(&parts.headers, parts.uri.path());
    let protocol = match destination {
        Ok(id) => id.protocol(&parts.headers),
        Err(stranger) => Protocol::of_stranger(stranger, &parts.headers),
    };
    if let Err(refusal) = guard::check(&parts, protocol) {
        return refusal.response(protocol);
    }
    let answer = match destination.map(|id| (id, services.by_id.get(&id))) {
        Ok((_, Some(service))) => service.answer(Request::from_parts(parts, body)).await,
        Ok((id, None)) => Err(ServiceError::unknown_action(id.prefix(), parts.uri.path())),
        Err(stranger) => {
            let action = named_action(&parts, protocol, body).await;
            Err(ServiceError::unknown_action(stranger, &action))
        }
    };
    let mut response = answer.unwrap_or_else(|error| protocol.error(&error));
    let headers = response.headers_mut();
    if !headers.contains_key("x-amzn-requestid")
        && let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string())
    {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

/// What a request to a service that is not here asks for, as far as its protocol names it.
async fn named_action(parts: &Parts, protocol: Protocol, body: Body) -> String {
    if let Some((_, action)) = target(&parts.headers) {
        return action.to_owned();
    }
    let path = parts.uri.path();
    match protocol {
        Protocol::Query | Protocol::Ec2Query => {
            let form = rest::read(body).await.unwrap_or_default();
            let action = rest::query(&form).remove("Action");
            action.unwrap_or_else(|| path.to_owned())
        }
        Protocol::Cbor => path.rsplit('/').next().unwrap_or(path).to_owned(),
        Protocol::AwsJson | Protocol::RestJson | Protocol::RestBlob | Protocol::S3 => {
            path.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
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
                Ok(ServiceId::StepFunctions),
            ),
            (
                target("AmazonEC2ContainerServiceV20141113.RunTask"),
                "/",
                Ok(ServiceId::Ecs),
            ),
            (
                target("AWSEvents.PutEvents"),
                "/",
                Ok(ServiceId::EventBridge),
            ),
            (target("AmazonSQS.SendMessage"), "/", Err("AmazonSQS")),
            (
                scope("lambda"),
                "/2015-03-31/functions/f/invocations",
                Ok(ServiceId::Lambda),
            ),
            (scope("s3"), "/v1/submitjob", Ok(ServiceId::S3)),
            (scope("batch"), "/v1/submitjob", Ok(ServiceId::Batch)),
            (scope("sts"), "/", Ok(ServiceId::Sts)),
            (scope("sqs"), "/", Err("sqs")),
            (vec![], "/v1/describejobs", Ok(ServiceId::Batch)),
            (vec![], "/2015-03-31/functions/", Ok(ServiceId::Lambda)),
            (vec![], "/schedules/x", Ok(ServiceId::Scheduler)),
            (vec![], "/_ecs/v4/id/task", Ok(ServiceId::Ecs)),
            (vec![], "/bucket/key", Ok(ServiceId::S3)),
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
