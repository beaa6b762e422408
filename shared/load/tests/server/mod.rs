//! Small servers on loopback that behave as a test needs it.

#![allow(dead_code)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// A request as a server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<String>,
    pub body: String,
    /// Which request of its connection, from 0.
    pub nth: usize,
}

/// What the server does with a request: the bytes of the answer, and whether it then closes.
pub type Answer = fn(&Seen) -> (Vec<u8>, bool);

/// A running HTTP/1.1 server. It ends with the test process.
pub struct Server {
    pub url: String,
    pub seen: Receiver<Seen>,
    /// Certificate to trust; empty for a plain server.
    pub pem: String,
}

pub fn ok(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn start(answer: Answer) -> Server {
    serve(None, answer)
}

pub fn start_tls(answer: Answer) -> Server {
    serve(Some(certificate(b"http/1.1")), answer)
}

fn serve(tls: Option<(Arc<rustls::ServerConfig>, String)>, answer: Answer) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, seen) = channel();
    let (config, pem) = tls.unzip();
    let scheme = if config.is_some() { "https" } else { "http" };
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (sender, config) = (sender.clone(), config.clone());
            std::thread::spawn(move || {
                let socket = socket.unwrap();
                socket.set_nodelay(true).unwrap();
                match config {
                    None => converse(socket, answer, &sender),
                    Some(config) => {
                        let session = rustls::ServerConnection::new(config).unwrap();
                        converse(rustls::StreamOwned::new(session, socket), answer, &sender);
                    }
                }
            });
        }
    });
    Server {
        url: format!("{scheme}://127.0.0.1:{port}/"),
        seen,
        pem: pem.unwrap_or_default(),
    }
}

fn converse(stream: impl Read + Write, answer: Answer, seen: &Sender<Seen>) {
    let mut stream = BufReader::new(stream);
    for nth in 0.. {
        let Some(request) = read_request(&mut stream, nth) else {
            return;
        };
        let (bytes, close) = answer(&request);
        let _ = seen.send(request);
        if stream
            .get_mut()
            .write_all(&bytes)
            .and_then(|()| stream.get_mut().flush())
            .is_err()
            || close
        {
            return;
        }
    }
}

fn read_request(stream: &mut BufReader<impl Read>, nth: usize) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            text => lines.push(text.to_owned()),
        }
    }
    let length = lines
        .iter()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let headers = lines.split_off(1);
    Some(Seen {
        line: lines.remove(0),
        headers,
        body: String::from_utf8(body).unwrap(),
        nth,
    })
}

/// A certificate for 127.0.0.1: what a server needs, and the PEM that a client must trust.
fn certificate(alpn: &[u8]) -> (Arc<rustls::ServerConfig>, String) {
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![issued.cert.der().clone()], key)
    .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    (Arc::new(config), issued.cert.pem())
}

/// An HTTP/2 server that answers every request with its path and the length of its body.
pub fn start_http2(tls: bool) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_, seen) = channel();
    let (config, pem) = tls.then(|| certificate(b"h2")).unzip();
    let scheme = if tls { "https" } else { "http" };
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let config = config.clone();
                tokio::spawn(async move {
                    match config {
                        None => converse_http2(socket).await,
                        Some(config) => {
                            let acceptor = tokio_rustls::TlsAcceptor::from(config);
                            converse_http2(acceptor.accept(socket).await.unwrap()).await;
                        }
                    }
                });
            }
        });
    });
    Server {
        url: format!("{scheme}://127.0.0.1:{port}/"),
        seen,
        pem: pem.unwrap_or_default(),
    }
}

async fn converse_http2(socket: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
    let mut connection = h2::server::handshake(socket).await.unwrap();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        tokio::spawn(async move {
            let path = request.uri().path().to_owned();
            let mut body = request.into_body();
            let mut length = 0;
            while let Some(Ok(chunk)) = body.data().await {
                length += chunk.len();
                let _ = body.flow_control().release_capacity(chunk.len());
            }
            let status = if path == "/missing" { 404 } else { 200 };
            let response = http::Response::builder().status(status).body(()).unwrap();
            let mut stream = respond.send_response(response, false).unwrap();
            let _ = stream.send_data(format!("{path} {length}").into(), true);
        });
    }
}
