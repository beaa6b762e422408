//! S3 on the local disk: `s3s` speaks the protocol, the store keeps objects as plain files under
//! `<root>/<bucket>/<key>`.
//!
//! `s3s-fs` was tried first. It names a file after bucket and key in base64, which ends at about 160
//! bytes where S3 allows 1,024; it checks the condition of a write and carries it out in two steps,
//! so two conditional writers can both win; and it reads the whole bucket for every page of a
//! listing.

mod api;
mod contents;
mod multipart;
mod names;
mod store;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, Method, Response, StatusCode};
use bytes::Bytes;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::crypto::{Checksum as _, Md5};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use crate::config::SECRET_KEY;
use crate::error::ServiceError;
use crate::faults::Faults;
use crate::guard;
use crate::private;
pub use crate::rest::encode;
use crate::rest::{decode, query};
use multipart::Uploads;
use store::{Attributes, Condition, Staged, Store, StoreError, hex};

/// Age at which the leavings of a writer that was cut off are removed at the next start.
const LEAVINGS_AGE: Duration = Duration::from_secs(3_600);

/// The S3 service.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
    store: Arc<Store>,
    faults: Faults,
}

/// What `s3s` calls.
struct Backend {
    store: Arc<Store>,
    uploads: Uploads,
}

impl S3 {
    /// Opens the store under `root` and creates the buckets that are not there yet.
    pub fn open(root: &Path, buckets: &[String], faults: Faults) -> io::Result<Self> {
        private::create_dir_all(root)?;
        store::sweep(root, LEAVINGS_AGE);
        let store = Arc::new(Store::open(root)?);
        for bucket in buckets {
            store.create_bucket(bucket)?;
        }
        let mut builder = S3ServiceBuilder::new(Backend {
            store: store.clone(),
            uploads: Uploads::open(root.join(".uploads"))?,
        });
        builder.set_auth(LocalAuth);
        builder.set_access(LocalAuth);
        builder.set_host(LocalHost);
        Ok(S3 {
            service: builder.build(),
            store,
            faults,
        })
    }

    /// Answers one HTTP request.
    pub async fn http(&self, request: Request) -> Response<Body> {
        match self.faults.strike("s3", action(&request)) {
            Err(error) => return error_response(&error),
            Ok(true) => return Response::new(Body::empty()),
            Ok(false) => {}
        }
        match self
            .service
            .call(request.map(s3s::Body::http_body_unsync))
            .await
        {
            Ok(response) => {
                let mut response = response.map(Body::new);
                guard::sandbox(&mut response);
                response
            }
            Err(error) => {
                let error = format!("{error:?}");
                error_response(&ServiceError::with_status(500, "InternalError", error))
            }
        }
    }

    /// Reads an object. Faults strike requests only, not the services of this process: these have no
    /// SDK that tries again.
    pub async fn get(&self, bucket: &str, key: &str) -> Result<Bytes, ServiceError> {
        let name = || format!("s3://{bucket}/{key}");
        let (_, mut file) = self
            .store
            .read(bucket, key)
            .map_err(|error| service_error(&error, &name()))?;
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut file, &mut bytes).map(|_| Bytes::from(bytes))
        });
        let read = read
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        read.map_err(|error| service_error(&StoreError::Io(error), &name()))
    }

    /// Writes an object, as [`S3::get`] reads one.
    pub async fn put(&self, bucket: &str, key: &str, body: Bytes) -> Result<(), ServiceError> {
        let write = || -> Result<(), StoreError> {
            let staged = Staged {
                path: self.store.new_path(),
                size: body.len() as u64,
                e_tag: hex(Md5::checksum(&body).as_ref()),
            };
            private::write(&staged.path, &body)?;
            let (attributes, always) = (Attributes::default(), Condition::Always);
            self.store
                .commit(bucket, key, staged, attributes, &always)
                .map(drop)
        };
        write().map_err(|error| service_error(&error, &format!("s3://{bucket}/{key}")))
    }

    /// Keys that begin with `prefix`, in order.
    pub async fn list(&self, bucket: &str, prefix: &str) -> Result<Vec<String>, ServiceError> {
        let page = self.store.list(bucket, prefix, None, "", usize::MAX);
        let page =
            page.map_err(|error| service_error(&error, &format!("s3://{bucket}/{prefix}")))?;
        Ok(page
            .objects
            .iter()
            .map(|object| object.key.clone())
            .collect())
    }
}

fn service_error(error: &StoreError, name: &str) -> ServiceError {
    let (status, code) = match error {
        StoreError::NoSuchBucket => (404, "NoSuchBucket"),
        StoreError::NoSuchKey => (404, "NoSuchKey"),
        StoreError::BucketNotEmpty => (409, "BucketNotEmpty"),
        StoreError::PreconditionFailed => (412, "PreconditionFailed"),
        StoreError::Io(_) => (500, "InternalError"),
    };
    ServiceError::with_status(status, code, format!("{name}: {error}"))
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
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        // Other writes cannot come so far without a signature.
        if context.s3_op().name() == "PostObject" && context.credentials().is_none() {
            return Err(s3_error!(
                AccessDenied,
                "a form must carry its signed policy"
            ));
        }
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
        let put = || {
            let request = Request::builder().method(Method::PUT).uri("/bucket/k");
            s3.http(
                request
                    .header("host", "127.0.0.1")
                    .body(Body::empty())
                    .unwrap(),
            )
        };
        assert_eq!(put().await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(put().await.status(), StatusCode::OK);
    }
}
