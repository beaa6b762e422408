//! Connections of clients: HTTP/1.1, as every SDK speaks it without TLS, within limits of time and number.
//!
//! A client that sends nothing, or too little, is left; one that waits for an answer may wait as long
//! as the answer takes. Descriptors are kept for the work: when too many connections are open, the
//! idle ones are closed before another is taken.

mod pace;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use rustix::process::{Resource, getrlimit};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use pace::{Paced, Stream};

/// Most connections of the endpoint, where descriptors allow.
const MOST: u64 = 8_192;
/// Pause before another try when the machine has no descriptor left; nothing tells when it has.
const PAUSE: Duration = Duration::from_millis(50);

/// What a listener allows its clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Connections at a time.
    pub(crate) connections: usize,
    /// Time for a request's head to come, from the connection's opening or the last answer.
    pub(crate) head: Duration,
    /// Time for which a request's body, or the reader of an answer, may stand still.
    pub(crate) stall: Duration,
}

impl Limits {
    /// Of the endpoint: half of the descriptors of this process are left to the work. AWS's load
    /// balancers leave an idle client after the same time.
    /// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/edit-load-balancer-attributes.html>
    pub(crate) fn endpoint() -> Limits {
        let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        Limits {
            connections: (descriptors / 2).clamp(16, MOST) as usize,
            head: Duration::from_secs(60),
            stall: Duration::from_secs(30),
        }
    }

    /// Of a Runtime API: one process and its extensions, which are silent while they work, 15
    /// minutes at most.
    pub(crate) fn runtime_api() -> Limits {
        Limits {
            connections: 16,
            head: Duration::from_secs(20 * 60),
            stall: Duration::from_secs(20 * 60),
        }
    }
}

/// Serves until `shutdown` resolves and the requests under way are answered.
pub(crate) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let slots = Arc::new(Semaphore::new(limits.connections));
    // A word on it asks every connection to end after the request that it is at.
    let leave = watch::Sender::new(());
    let mut shutdown = pin!(shutdown);
    loop {
        let (stream, slot) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots, &leave) => accepted,
        };
        let asked = leave.subscribe();
        let conversation = converse(stream, routes.clone(), limits, asked);
        tokio::spawn(async move {
            conversation.await;
            drop(slot);
        });
    }
    drop(listener);
    leave.send_replace(());
    leave.closed().await;
}

/// The next connection, and its slot.
async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    leave: &watch::Sender<()>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let stream = next(listener, leave).await;
    if slots.available_permits() == 0 {
        tracing::warn!("too many connections: the idle ones are closed");
        leave.send_replace(());
    }
    let slot = slots.clone().acquire_owned().await;
    // Nobody closes the semaphore.
    (stream, slot.expect("the semaphore is open"))
}

async fn next(listener: &TcpListener, leave: &watch::Sender<()>) -> TcpStream {
    let mut told = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small; one that cannot be told so is only slower.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) if is_of_client(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!(%error, "no connection can be taken: the idle ones are closed");
                }
                leave.send_replace(());
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Whether the client went away before it was taken.
fn is_of_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    routes: Router,
    limits: Limits,
    mut asked: watch::Receiver<()>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |request: Request<Incoming>| {
        let request = request.map(|body| Body::new(Paced::new(body, limits.stall)));
        answer(routes.clone(), request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .serve_connection(Stream::new(stream, limits.stall), service);
    let mut connection = pin!(connection);
    let mut leaves = false;
    let ended = loop {
        tokio::select! {
            ended = connection.as_mut() => break ended,
            // A listener that is gone says the same as one that asks.
            _ = asked.changed(), if !leaves => {
                leaves = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    routes: TowerToHyperService<Router>,
    request: Request<Body>,
) -> Result<Response<Body>, Infallible> {
    routes.call(request).await
}

#[cfg(test)]
mod tests;
