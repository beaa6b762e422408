//! The Runtime API of one execution environment, on a loopback port of its own.
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>

use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Path, State};
use axum::http::{Response, StatusCode, header};
use axum::middleware::from_fn;
use axum::routing::{get, post};
use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;

use super::limits::SYNC_PAYLOAD_LIMIT;
use crate::connections::{self, Limits};
use crate::guard;

/// Largest response, bytes: AWS lets 100 bytes more out than in.
const RESPONSE_LIMIT: usize = SYNC_PAYLOAD_LIMIT + 100;

/// An invocation on its way to the runtime.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) payload: Bytes,
    /// Milliseconds since the epoch.
    pub(super) deadline_ms: u64,
    pub(super) trace_id: String,
    pub(super) reply: oneshot::Sender<Reply>,
}

/// What the runtime answered.
#[derive(Debug)]
pub(super) enum Reply {
    Success(Bytes),
    Error(Bytes),
    TooLarge(usize),
}

/// How far the runtime has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    /// Initialising.
    Starting,
    /// It has asked for its first invocation.
    Ready,
    /// It reported that it cannot initialise: the error document.
    Failed(Bytes),
}

/// Our end of the API; dropping it closes the port.
#[derive(Debug)]
pub(super) struct RuntimeApi {
    pub(super) address: SocketAddr,
    pub(super) phase: watch::Receiver<Phase>,
    work: mpsc::Sender<Work>,
    server: AbortHandle,
}

struct Endpoint {
    function_arn: String,
    phase: watch::Sender<Phase>,
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    current: Mutex<Option<(String, oneshot::Sender<Reply>)>>,
}

impl RuntimeApi {
    pub(super) async fn listen(function_arn: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (work, receiver) = mpsc::channel(1);
        let (phase_sender, phase) = watch::channel(Phase::Starting);
        let endpoint = Arc::new(Endpoint {
            function_arn: function_arn.to_owned(),
            phase: phase_sender,
            work: tokio::sync::Mutex::new(receiver),
            current: Mutex::new(None),
        });
        let routes = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(init_error))
            .with_state(endpoint)
            .layer(from_fn(guard::programs_only));
        let serving = connections::serve(listener, routes, Limits::runtime_api(), pending());
        let server = tokio::spawn(serving).abort_handle();
        Ok(RuntimeApi {
            address,
            phase,
            work,
            server,
        })
    }

    /// Hands an invocation to the runtime as soon as it asks for one.
    pub(super) async fn send(&self, work: Work) {
        // The receiver lives as long as the server does, which is as long as `self`.
        let _ = self.work.send(work).await;
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Endpoint {
    /// Answers the current invocation, if it is the one with this id.
    fn answer(&self, id: &str, reply: Reply) -> bool {
        let mut current = self.current.lock();
        match current.take() {
            Some((expected, sender)) if expected == id => {
                // The invocation may have been cut off in the meantime.
                let _ = sender.send(reply);
                true
            }
            other => {
                *current = other;
                false
            }
        }
    }
}

async fn next(State(endpoint): State<Arc<Endpoint>>) -> Response<Body> {
    endpoint.phase.send_if_modified(|phase| {
        let first = *phase == Phase::Starting;
        if first {
            *phase = Phase::Ready;
        }
        first
    });
    let Some(work) = endpoint.work.lock().await.recv().await else {
        return plain(
            StatusCode::GONE,
            json!({"errorMessage": "the environment is closed"}),
        );
    };
    let response = Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .header("Lambda-Runtime-Aws-Request-Id", &work.request_id)
        .header("Lambda-Runtime-Deadline-Ms", work.deadline_ms)
        .header(
            "Lambda-Runtime-Invoked-Function-Arn",
            &endpoint.function_arn,
        )
        .header("Lambda-Runtime-Trace-Id", &work.trace_id)
        .body(Body::from(work.payload));
    *endpoint.current.lock() = Some((work.request_id, work.reply));
    response.unwrap_or_else(|error| {
        plain(
            StatusCode::INTERNAL_SERVER_ERROR,
            json!({"errorMessage": error.to_string()}),
        )
    })
}

async fn response(
    State(endpoint): State<Arc<Endpoint>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    let (reply, status) = match to_bytes(body, RESPONSE_LIMIT).await {
        Ok(bytes) => (Reply::Success(bytes), StatusCode::ACCEPTED),
        Err(_) => (
            Reply::TooLarge(RESPONSE_LIMIT),
            StatusCode::PAYLOAD_TOO_LARGE,
        ),
    };
    accepted(endpoint.answer(&id, reply), status)
}

async fn error(
    State(endpoint): State<Arc<Endpoint>>,
    Path(id): Path<String>,
    body: Body,
) -> Response<Body> {
    let document = to_bytes(body, RESPONSE_LIMIT).await.unwrap_or_default();
    accepted(
        endpoint.answer(&id, Reply::Error(document)),
        StatusCode::ACCEPTED,
    )
}

async fn init_error(State(endpoint): State<Arc<Endpoint>>, body: Body) -> Response<Body> {
    let document = to_bytes(body, RESPONSE_LIMIT).await.unwrap_or_default();
    endpoint.phase.send_replace(Phase::Failed(document));
    accepted(true, StatusCode::ACCEPTED)
}

fn accepted(known: bool, status: StatusCode) -> Response<Body> {
    if !known {
        let document =
            json!({"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"});
        return plain(StatusCode::BAD_REQUEST, document);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        let document = json!({
            "errorType": "RequestEntityTooLarge",
            "errorMessage": format!("Exceeded maximum allowed payload size ({RESPONSE_LIMIT} bytes).")
        });
        return plain(status, document);
    }
    plain(status, json!({"status": "OK"}))
}

fn plain(status: StatusCode, document: serde_json::Value) -> Response<Body> {
    let mut response = Response::new(Body::from(document.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("application/json"),
    );
    response
}
