//! S3 on the local disk: `s3s` speaks the protocol, `s3s-fs` keeps the objects as plain files under
//! `<root>/<bucket>/<key>`.
//!
//! What is added here: conditional writes that hold under concurrency. `s3s-fs` checks the condition
//! and renames the file in two steps, so requests for one key take turns.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use s3s::S3Result;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};

use crate::config::SECRET_KEY;
use crate::error::ServiceError;
use crate::faults::Faults;
use crate::rest::{decode, query};

/// Longest bucket name and key together, bytes: `s3s-fs` keeps an object's attributes in a file
/// named after both in base64, and a file name has at most 255 bytes.
const NAME_LIMIT: usize = 160;

/// The S3 service.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
    root: PathBuf,
    locks: KeyLocks,
    faults: Faults,
}

impl S3 {
    /// Opens the store under `root` and creates the buckets that are not there yet.
    pub fn open(root: &Path, buckets: &[String], faults: Faults) -> io::Result<Self> {
        std::fs::create_dir_all(root)?;
        for bucket in buckets {
            std::fs::create_dir_all(root.join(bucket))?;
        }
        let files =
            FileSystem::new(root).map_err(|error| io::Error::other(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(LocalAuth);
        builder.set_access(LocalAuth);
        builder.set_host(LocalHost);
        Ok(S3 {
            service: builder.build(),
            root: root.to_owned(),
            locks: KeyLocks::default(),
            faults,
        })
    }

    /// Answers one HTTP request.
    pub(crate) async fn http(&self, request: Request) -> Response<Body> {
        let name = object_name(&request);
        if name.len() > NAME_LIMIT {
            let message = format!("bucket name and key may have {NAME_LIMIT} bytes here, together");
            return error_response(&ServiceError::new("KeyTooLongError", message));
        }
        match self.faults.strike("s3", action(&request)) {
            Err(error) => return error_response(&error),
            Ok(true) => return Response::new(Body::empty()),
            Ok(false) => {}
        }
        let _turn = self.locks.turn(&name, request.method()).await;
        match self
            .service
            .call(request.map(s3s::Body::http_body_unsync))
            .await
        {
            Ok(response) => response.map(Body::new),
            Err(error) => {
                let error = format!("{error:?}");
                error_response(&ServiceError::with_status(500, "InternalError", error))
            }
        }
    }

    /// Reads an object.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ServiceError> {
        self.request(Method::GET, bucket, key, Bytes::new()).await
    }

    /// Writes an object.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ServiceError> {
        self.request(Method::PUT, bucket, key, body).await.map(drop)
    }

    /// Keys that begin with `prefix`, in order.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, ServiceError> {
        let root = self.root.join(bucket);
        let prefix = prefix.to_owned();
        let walk = tokio::task::spawn_blocking(move || keys_below(&root, &prefix)).await;
        match walk {
            Ok(Ok(keys)) => Ok(keys),
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                Err(ServiceError::with_status(
                    404,
                    "NoSuchBucket",
                    format!("bucket {bucket} does not exist"),
                ))
            }
            Ok(Err(error)) => Err(ServiceError::with_status(
                500,
                "InternalError",
                error.to_string(),
            )),
            Err(error) => Err(ServiceError::with_status(
                500,
                "InternalError",
                error.to_string(),
            )),
        }
    }

    /// One request without a network in between, for the services of this process.
    async fn request(
        &self,
        method: Method,
        bucket: &str,
        key: &str,
        body: Bytes,
    ) -> Result<Bytes, ServiceError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/{bucket}/{}", encode(key)))
            .header("host", "127.0.0.1")
            .header("content-length", body.len())
            .body(Body::from(body))
            .map_err(|error| ServiceError::new("InvalidURI", error.to_string()))?;
        let response = self.http(request).await;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body
            .map_err(|error| ServiceError::with_status(500, "InternalError", error.to_string()))?
            .to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let text = String::from_utf8_lossy(&body);
        let code = element(&text, "Code").unwrap_or("InternalError");
        let message = format!(
            "s3://{bucket}/{key}: {}",
            element(&text, "Message").unwrap_or(code)
        );
        Err(ServiceError::with_status(status.as_u16(), code, message))
    }
}

/// Files below `root` whose path from there begins with `prefix`, as keys.
fn keys_below(root: &Path, prefix: &str) -> io::Result<Vec<String>> {
    let mut keys = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let Some(key) = path.strip_prefix(root).ok().and_then(Path::to_str) else {
                continue;
            };
            let is_folder = path.is_dir();
            if is_folder && (prefix.starts_with(key) || key.starts_with(prefix)) {
                folders.push(path);
            } else if !is_folder && key.starts_with(prefix) {
                keys.push(key.to_owned());
            }
        }
    }
    keys.sort();
    Ok(keys)
}

/// Percent-encodes a key for a path.
pub(crate) fn encode(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

/// Text of the first XML element of this name, which has no children in an S3 error.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// `bucket/key` of either addressing style.
fn object_name(request: &Request) -> String {
    let host = request
        .headers()
        .get("host")
        .and_then(|host| host.to_str().ok());
    let path = decode(request.uri().path());
    match host.and_then(bucket_of_host) {
        Some(bucket) => format!("{bucket}{path}"),
        None => path.trim_start_matches('/').to_owned(),
    }
}

/// The bucket in `bucket.localhost:4566`.
fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    [".s3.localhost", ".localhost", ".s3.127.0.0.1", ".127.0.0.1"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|bucket| !bucket.is_empty() && *bucket != "s3")
}

/// The IAM action of a request, as far as faults may name it.
fn action(request: &Request) -> &'static str {
    let query = query(request.uri().query());
    let in_bucket = object_name(request).trim_end_matches('/').contains('/');
    match (request.method(), in_bucket) {
        (&Method::GET, true) => "GetObject",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::PUT, true) if query.contains_key("partNumber") => "UploadPart",
        (&Method::PUT, true) => "PutObject",
        (&Method::POST, true) if query.contains_key("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) => "CompleteMultipartUpload",
        (&Method::DELETE, true) => "DeleteObject",
        (&Method::GET, false) => "ListBucket",
        _ => "Bucket",
    }
}

fn error_response(error: &ServiceError) -> Response<Body> {
    let ServiceError {
        code,
        message,
        status,
    } = error;
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(document));
    *response.status_mut() =
        StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/xml"));
    response
}

/// Any access key with the local secret; unsigned requests too, so that a browser shows a report.
struct LocalAuth;

#[async_trait::async_trait]
impl S3Auth for LocalAuth {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Ok(SecretKey::from(SECRET_KEY))
    }
}

#[async_trait::async_trait]
impl S3Access for LocalAuth {
    async fn check(&self, _context: &mut S3AccessContext<'_>) -> S3Result<()> {
        Ok(())
    }
}

struct LocalHost;

impl S3Host for LocalHost {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match bucket_of_host(host) {
            Some(bucket) => VirtualHost::new(host).with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}

/// One lock per object that is in use.
#[derive(Clone, Default)]
struct KeyLocks {
    locks: Arc<Mutex<HashMap<String, Arc<RwLock<()>>>>>,
}

/// A request's turn at its object.
struct Turn {
    guard: Option<Guard>,
    name: String,
    locks: KeyLocks,
}

enum Guard {
    Read(#[allow(dead_code, reason = "held for its effect")] OwnedRwLockReadGuard<()>),
    Write(#[allow(dead_code, reason = "held for its effect")] OwnedRwLockWriteGuard<()>),
}

impl KeyLocks {
    /// Waits for the turn: readers together, a writer alone. A reader too must not see the new
    /// content with the old ETag, or a compare-and-swap built on it would lose an update.
    async fn turn(&self, name: &str, method: &Method) -> Turn {
        let lock = self.map().entry(name.to_owned()).or_default().clone();
        let guard = match *method {
            Method::GET | Method::HEAD => Guard::Read(lock.read_owned().await),
            _ => Guard::Write(lock.write_owned().await),
        };
        Turn {
            guard: Some(guard),
            name: name.to_owned(),
            locks: self.clone(),
        }
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<RwLock<()>>>> {
        self.locks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.guard = None;
        let mut map = self.locks.map();
        // Only the map holds it: nobody else reads, writes or waits.
        if map
            .get(&self.name)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            map.remove(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_addressing_styles_name_the_same_object() {
        for (host, path, name) in [
            ("127.0.0.1:4566", "/b/k/x", "b/k/x"),
            ("localhost:4566", "/b/k%20x", "b/k x"),
            ("b.localhost:4566", "/k/x", "b/k/x"),
            ("b.s3.localhost:4566", "/k", "b/k"),
            ("b.127.0.0.1:4566", "/k", "b/k"),
        ] {
            let request = Request::builder()
                .uri(path)
                .header("host", host)
                .body(Body::empty())
                .unwrap();
            assert_eq!(object_name(&request), name);
        }
    }

    #[tokio::test]
    async fn objects_are_written_read_and_listed_in_process() {
        let dir = tempfile::tempdir().unwrap();
        let s3 = S3::open(dir.path(), &["bucket".to_owned()], Faults::default()).unwrap();
        for key in ["a/2", "a/1 ü", "b"] {
            s3.put("bucket", key, Bytes::from(key)).await.unwrap();
        }
        assert_eq!(s3.get("bucket", "a/1 ü").await.unwrap(), "a/1 ü");
        assert_eq!(s3.list("bucket", "a/").await.unwrap(), ["a/1 ü", "a/2"]);
        assert_eq!(s3.list("bucket", "a/2").await.unwrap(), ["a/2"]);
        assert_eq!(
            s3.get("bucket", "none").await.unwrap_err().code,
            "NoSuchKey"
        );
        assert_eq!(s3.list("none", "").await.unwrap_err().code, "NoSuchBucket");
        assert!(s3.locks.map().is_empty());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_many_conditional_writers_one_wins() {
        let dir = tempfile::tempdir().unwrap();
        let s3 = S3::open(dir.path(), &["bucket".to_owned()], Faults::default()).unwrap();
        let put = |n: usize| {
            let s3 = s3.clone();
            tokio::spawn(async move {
                let request = Request::builder()
                    .method(Method::PUT)
                    .uri("/bucket/once")
                    .header("host", "127.0.0.1")
                    .header("if-none-match", "*")
                    .body(Body::from(n.to_string()))
                    .unwrap();
                s3.http(request).await.status()
            })
        };
        let writers: Vec<_> = (0..64).map(put).collect();
        let mut won = 0;
        for writer in writers {
            match writer.await.unwrap() {
                StatusCode::OK => won += 1,
                status => assert_eq!(status, StatusCode::PRECONDITION_FAILED),
            }
        }
        assert_eq!(won, 1);
    }

    #[tokio::test]
    async fn faults_refuse_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let faults =
            Faults::parse(r#"{"faults": [{"at": "s3:PutObject", "do": "throttle"}]}"#).unwrap();
        let s3 = S3::open(dir.path(), &["bucket".to_owned()], faults).unwrap();
        let refused = s3.put("bucket", "k", Bytes::new()).await.unwrap_err();
        assert_eq!((refused.code.as_str(), refused.status), ("SlowDown", 503));
        s3.put("bucket", "k", Bytes::new()).await.unwrap();
    }
}
