//! What the endpoint asks of a service.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::future::BoxFuture;

use crate::action::ServiceId;
use crate::error::ServiceError;

/// A service behind the endpoint.
pub trait Service: Send + Sync {
    /// Whose requests it answers.
    fn id(&self) -> ServiceId;

    /// Answers one request.
    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>>;
}
