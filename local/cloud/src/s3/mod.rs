//! S3 on the local disk: `s3s` speaks the protocol, the store keeps objects as plain files under
//! `<root>/<bucket>/<key>`.
//!
//! `s3s-fs` was tried first. It names a file after bucket and key in base64, which ends at about 160
//! bytes where S3 allows 1,024; it checks the condition of a write and carries it out in two steps,
//! so two conditional writers can both win; and it reads the whole bucket for every page of a
//! listing.

mod api;
mod attributes;
mod buckets;
mod chunked;
mod complete;
mod conditions;
mod contents;
mod copy;
mod fault;
mod front;
mod lifecycle;
mod list;
mod members;
mod multipart;
mod names;
mod objects;
mod settings;
mod store;
mod tags;

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::crypto::{Checksum as _, Md5};
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use crate::action::{S3Action, ServiceId};
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::guard;
use crate::private;
pub use crate::rest::encode;
use crate::service::Service;
use attributes::Attributes;
use fault::{Fault, fault};
use front::Asked;
use multipart::Uploads;
use store::{Condition, Staged, Store, StoreError};

/// Age at which the leavings of a writer that was cut off are removed at the next start.
const LEAVINGS_AGE: Duration = Duration::from_secs(3_600);

/// The S3 service.
#[derive(Clone)]
pub struct S3 {
    service: S3Service,
    store: Arc<Store>,
}

/// Whose buckets these are, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    /// Account that owns every bucket.
    pub account: String,
    /// Region of the buckets that no request made.
    pub region: String,
}

/// What `s3s` calls.
struct Backend {
    store: Arc<Store>,
    uploads: Uploads,
    home: Home,
}

impl S3 {
    /// Opens the store under `root` and creates the buckets that are not there yet.
    pub fn open(root: &Path, buckets: &[String], home: Home, faults: Faults) -> io::Result<Self> {
        private::create_dir_all(root)?;
        store::sweep(root, LEAVINGS_AGE);
        let store = Arc::new(Store::open(root)?);
        for bucket in buckets {
            store.create_bucket(bucket, None)?;
        }
        let mut builder = S3ServiceBuilder::new(Backend {
            store: store.clone(),
            uploads: Uploads::open(root.join(".uploads"))?,
            home: home.clone(),
        });
        builder.set_auth(LocalAuth);
        builder.set_access(LocalAccess { faults, home });
        builder.set_host(LocalHost);
        Ok(S3 {
            service: builder.build(),
            store,
        })
    }

    /// Answers one HTTP request.
    pub async fn http(&self, request: Request) -> Response<Body> {
        let asked = Arc::new(Asked::of(&request));
        let struck = Struck::default();
        let mut response = match front::admit(request, SystemTime::now()).await {
            Ok(mut request) => {
                request.extensions_mut().insert(struck.clone());
                request.extensions_mut().insert(asked.clone());
                self.answer_admitted(request, &struck).await
            }
            Err(fault) => fault.response(),
        };
        response = front::finish(response, &asked, struck.action()).await;
        guard::sandbox(&mut response);
        response
    }

    async fn answer_admitted(&self, request: Request, struck: &Struck) -> Response<Body> {
        let request = request.map(s3s::Body::http_body_unsync);
        let answer = self.service.call(request).await;
        match (struck.verdict(), answer) {
            (Some(Ok(Verdict::Lose)), _) => Response::new(Body::empty()),
            (Some(Err(refused)), _) => error_response(refused),
            (Some(Ok(Verdict::Proceed)) | None, Ok(response)) => response.map(Body::new),
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
            .read(bucket, key, None)
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
        StoreError::NoSuchKey | StoreError::Deleted(_) => (404, "NoSuchKey"),
        StoreError::NoSuchVersion(_) => (404, "NoSuchVersion"),
        StoreError::IsMarker(..) => (405, "MethodNotAllowed"),
        StoreError::BucketNotEmpty => (409, "BucketNotEmpty"),
        StoreError::PreconditionFailed(_) => (412, "PreconditionFailed"),
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
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = S3ErrorCode::Custom(error.code.clone().into());
    Fault::new(code, error.message.clone())
        .with_status(status)
        .response()
}

/// Nothing is signed that comes to `s3s`: the front has taken the signatures off.
struct LocalAuth;

#[async_trait::async_trait]
impl S3Auth for LocalAuth {
    async fn get_secret_key(&self, _access_key: &str) -> S3Result<SecretKey> {
        Err(s3_error!(
            InternalError,
            "a signature was left on a request"
        ))
    }
}

/// Lets everybody do what is an [`S3Action`], with members that are honoured, unless a fault strikes.
struct LocalAccess {
    faults: Faults,
    home: Home,
}

/// What a request asks for and how it was struck, for the answer that `s3s` cannot give.
#[derive(Clone, Default)]
struct Struck(Arc<OnceLock<(S3Action, Result<Verdict, ServiceError>)>>);

impl Struck {
    fn action(&self) -> Option<S3Action> {
        self.0.get().map(|(action, _)| *action)
    }

    fn verdict(&self) -> Option<&Result<Verdict, ServiceError>> {
        self.0.get().map(|(_, verdict)| verdict)
    }
}

impl LocalAccess {
    /// The action of a request, if every member of the request is honoured.
    fn action(&self, name: &str, query: &str, headers: &HeaderMap) -> Result<S3Action, Fault> {
        let action =
            S3Action::parse(name).ok_or_else(|| Fault::not_offered(&format!("s3:{name}")))?;
        let parameters = crate::rest::query(query.as_bytes());
        if let Some(member) = members::refused(action, headers, &parameters) {
            return Err(Fault::not_offered(&member));
        }
        let owners = [
            "x-amz-expected-bucket-owner",
            "x-amz-source-expected-bucket-owner",
        ];
        let account = self.home.account.as_str();
        let mut named = owners.iter().filter_map(|name| headers.get(*name));
        if named.any(|id| id != account) {
            return Err(fault(S3ErrorCode::AccessDenied));
        }
        Ok(action)
    }
}

#[async_trait::async_trait]
impl S3Access for LocalAccess {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        let name = context.s3_op().name();
        let query = context.uri().query().unwrap_or_default();
        let action = self.action(name, query, context.headers())?;
        let verdict = self.faults.admit_s3(action);
        let proceed = matches!(verdict, Ok(Verdict::Proceed));
        if let Some(struck) = context.extensions_mut().get::<Struck>() {
            // One request is checked once.
            let _ = struck.0.set((action, verdict));
        }
        // The answer is made of the verdict.
        if proceed {
            Ok(())
        } else {
            Err(S3Error::new(S3ErrorCode::InternalError))
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
mod tests;
