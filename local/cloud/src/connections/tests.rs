use super::*;
use axum::body::to_bytes;
use axum::http::StatusCode;
use axum::routing::{get, post};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const SHORT: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(600);
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\n\r\n";
const LARGE: usize = 1_024 * 1_024;

fn routes() -> Router {
    let body = async |body: Body| match to_bytes(body, 1_024).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    Router::new()
        .route("/", get(async || "hello").post(body))
        // An answer that takes longer than any client may be silent.
        .route("/late", get(async || tokio::time::sleep(3 * SHORT).await))
        .route("/large", get(async || vec![0; LARGE]))
}

/// A connection in memory, at which the time that nobody uses passes at once, and its end.
fn connect(head: Duration, stall: Duration) -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = tokio::io::duplex(1_024);
    let limits = Limits {
        connections: 1,
        head,
        stall,
    };
    let conversation = async move {
        let leave = watch::Sender::new(());
        converse(server, routes(), limits, leave.subscribe()).await;
    };
    (client, tokio::spawn(conversation))
}

/// A listener for so many connections, and what ends it.
async fn listen(connections: usize, routes: Router) -> (SocketAddr, oneshot::Sender<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let limits = Limits {
        connections,
        head: LONG,
        stall: LONG,
    };
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(async move {
        let stopped = async move {
            let _ = stopped.await;
        };
        serve(listener, routes, limits, stopped).await;
    });
    (address, stop)
}

/// All that comes until the server closes; a reset is an end too.
async fn rest(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Sends on a connection of its own and reads until the server closes.
async fn exchange(head: Duration, stall: Duration, request: &[u8]) -> String {
    let (mut stream, _) = connect(head, stall);
    stream.write_all(request).await.unwrap();
    rest(&mut stream).await
}

/// Reads one answer of which the connection stays open.
async fn one_answer(stream: &mut TcpStream) {
    let mut bytes = [0; 1_024];
    let mut read = 0;
    while !bytes[..read].ends_with(b"hello") {
        let more = stream.read(&mut bytes[read..]).await.unwrap();
        assert!(
            more > 0,
            "closed after {:?}",
            String::from_utf8_lossy(&bytes[..read])
        );
        read += more;
    }
}

#[tokio::test(start_paused = true)]
async fn who_sends_no_whole_request_is_left() {
    for (request, answer) in [
        (&b""[..], ""),
        (b"GET / HT", ""),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", ""),
        // The connection is kept after an answer, but not for ever.
        (GET, "hello"),
    ] {
        assert!(exchange(SHORT, LONG, request).await.ends_with(answer));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_longer_than_a_client_may_be_silent() {
    let answer = exchange(SHORT, SHORT, b"GET /late HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stands_still_is_given_up() {
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf";
    let answer = exchange(LONG, SHORT, head).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_his_answer_is_left() {
    let (mut stream, conversation) = connect(LONG, SHORT);
    let request = b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    conversation.await.unwrap();
    assert!(rest(&mut stream).await.len() < LARGE);
}

#[tokio::test]
async fn idle_connections_make_room_for_others() {
    let (address, _stop) = listen(2, routes()).await;
    let mut silent = TcpStream::connect(address).await.unwrap();
    let mut kept = TcpStream::connect(address).await.unwrap();
    kept.write_all(GET).await.unwrap();
    one_answer(&mut kept).await;
    let mut third = TcpStream::connect(address).await.unwrap();
    third.write_all(GET).await.unwrap();
    one_answer(&mut third).await;
    assert_eq!(rest(&mut silent).await, "");
    assert_eq!(rest(&mut kept).await, "");
}

#[tokio::test]
async fn requests_under_way_are_answered_before_the_end() {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let work = {
        let (begun, go) = (begun.clone(), go.clone());
        async move || {
            begun.notify_one();
            go.notified().await;
        }
    };
    let (address, stop) = listen(8, routes().route("/work", post(work))).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"POST /work HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    begun.notified().await;
    let mut other = TcpStream::connect(address).await.unwrap();
    other.write_all(GET).await.unwrap();
    one_answer(&mut other).await;
    stop.send(()).unwrap();
    assert_eq!(rest(&mut other).await, "");
    go.notify_one();
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_that_moves_earns_its_time() {
    use futures::stream;
    use http_body_util::{BodyExt, StreamBody};
    use hyper::body::Frame;

    // Bytes of every part, and how long the next is waited for.
    for (bytes, parts, whole) in [(10_000, 6, true), (1, 6, false)] {
        let frames = stream::unfold(0, move |part| async move {
            if part == parts {
                return None;
            }
            tokio::time::sleep(SHORT / 3).await;
            let data = bytes::Bytes::from(vec![0; bytes]);
            Some((Ok::<_, Infallible>(Frame::data(data)), part + 1))
        });
        let body = StreamBody::new(Box::pin(frames));
        let collected = Paced::new(body, SHORT).collect().await;
        assert_eq!(collected.is_ok(), whole, "{bytes} bytes a part");
    }
}
