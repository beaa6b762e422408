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
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::crypto::{Checksum as _, Md5};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Result, s3_error};

use crate::action::{S3Action, ServiceId};
use crate::config::SECRET_KEY;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::guard;
use crate::private;
use crate::rest;
pub use crate::rest::encode;
use crate::router::Service;
use multipart::Uploads;
use store::{Attributes, Condition, Staged, Store, StoreError};

/// Age at which the leavings of a writer that was cut off are removed at the next start.
const LEAVINGS_AGE: Duration = Duration::from_secs(3_600);

/// The S3 service.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
    store: Arc<Store>,
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
        builder.set_access(LocalAccess { faults });
        builder.set_host(LocalHost);
        Ok(S3 {
            service: builder.build(),
            store,
        })
    }

    /// Answers one HTTP request.
    pub async fn http(&self, mut request: Request) -> Response<Body> {
        let struck = Struck::default();
        request.extensions_mut().insert(struck.clone());
        let request = request.map(s3s::Body::http_body_unsync);
        let answer = self.service.call(request).await;
        match (struck.0.get(), answer) {
            (Some(Ok(Verdict::Lose)), _) => Response::new(Body::empty()),
            (Some(Err(refused)), _) => error_response(refused),
            (Some(Ok(Verdict::Proceed)) | None, Ok(response)) => {
                let mut response = response.map(Body::new);
                guard::sandbox(&mut response);
                response
            }
            (Some(Ok(Verdict::Proceed)) | None, Err(error)) => {
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
                e_tag: hex::encode(Md5::checksum(&body)),
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

/// The bucket in `bucket.localhost:4566`.
fn bucket_of_host(host: &str) -> Option<&str> {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    [".s3.localhost", ".localhost", ".s3.127.0.0.1", ".127.0.0.1"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .filter(|bucket| !bucket.is_empty() && *bucket != "s3")
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
    let mut response = rest::typed("application/xml", document);
    *response.status_mut() =
        StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
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

/// Lets everybody do what is an [`S3Action`], unless a fault strikes.
struct LocalAccess {
    faults: Faults,
}

/// How a request was struck, for the answer that `s3s` cannot give.
#[derive(Clone, Default)]
struct Struck(Arc<OnceLock<Result<Verdict, ServiceError>>>);

#[async_trait::async_trait]
impl S3Access for LocalAccess {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let name = context.s3_op().name();
        // Other writes cannot come so far without a signature.
        if name == "PostObject" && context.credentials().is_none() {
            return Err(s3_error!(
                AccessDenied,
                "a form must carry its signed policy"
            ));
        }
        let Some(action) = S3Action::parse(name) else {
            return Err(s3_error!(
                NotImplemented,
                "the local cloud does not offer s3:{name}"
            ));
        };
        let verdict = self.faults.admit_s3(action);
        let proceed = matches!(verdict, Ok(Verdict::Proceed));
        if let Some(struck) = context.extensions_mut().get::<Struck>() {
            // One request is checked once.
            let _ = struck.0.set(verdict);
        }
        // The answer is made of the verdict.
        if proceed {
            Ok(())
        } else {
            Err(s3_error!(InternalError))
        }
    }
}

impl Service for S3 {
    fn id(&self) -> ServiceId {
        ServiceId::S3
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        self.http(request).map(Ok).boxed()
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
    use super::*;
    use axum::http::Method;

    #[test]
    fn a_bucket_may_stand_in_the_host() {
        for (host, bucket) in [
            ("127.0.0.1:4566", None),
            ("localhost:4566", None),
            ("s3.localhost:4566", None),
            ("b.localhost:4566", Some("b")),
            ("b.s3.localhost:4566", Some("b")),
            ("b.127.0.0.1:4566", Some("b")),
        ] {
            assert_eq!(bucket_of_host(host), bucket, "{host}");
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
