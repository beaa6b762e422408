//! The S3 verbs that a record of outcomes needs beyond [`shared::artifacts`].

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use shared::artifacts::{ArtifactError, GetObject, Put, PutObject, S3Store, S3Uri, When};

/// A key and how long ago its object was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aged {
    /// The whole key.
    pub key: String,
    /// Since the last write.
    pub age: Duration,
}

/// Lists objects with their age.
pub trait ListAged {
    /// All objects whose key begins with the key of `prefix`.
    fn list_aged(
        &self,
        prefix: &S3Uri,
    ) -> impl Future<Output = Result<Vec<Aged>, ArtifactError>> + Send;
}

/// Deletes objects.
pub trait DeleteObjects {
    /// Deletes `keys` of the bucket; absent ones are no error.
    fn delete(
        &self,
        bucket: &str,
        keys: &[String],
    ) -> impl Future<Output = Result<(), ArtifactError>> + Send;
}

/// Reads an object with its version.
pub trait GetTagged {
    /// The object and its entity tag, or none.
    fn get_tagged(
        &self,
        uri: &S3Uri,
    ) -> impl Future<Output = Result<Option<(Vec<u8>, String)>, ArtifactError>> + Send;
}

/// Writes an object if nobody else has since it was read.
pub trait Replace {
    /// Writes `body` if the object still has the entity tag `expected`, or is still absent when
    /// `expected` is none. `false`: somebody else was faster and nothing was written.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
    fn replace(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        expected: Option<&str>,
    ) -> impl Future<Output = Result<bool, ArtifactError>> + Send;
}

/// All that the router asks of its store.
pub trait Store:
    GetObject + PutObject + ListAged + DeleteObjects + GetTagged + Replace + Sync
{
}
impl<T: GetObject + PutObject + ListAged + DeleteObjects + GetTagged + Replace + Sync> Store for T {}

fn unavailable(
    operation: &'static str,
    uri: &S3Uri,
    error: impl std::error::Error,
) -> ArtifactError {
    ArtifactError::Unavailable {
        operation,
        uri: uri.clone(),
        reason: DisplayErrorContext(error).to_string(),
    }
}

impl ListAged for S3Store {
    async fn list_aged(&self, prefix: &S3Uri) -> Result<Vec<Aged>, ArtifactError> {
        let request = self
            .0
            .list_objects_v2()
            .bucket(&prefix.bucket)
            .prefix(&prefix.key);
        let (mut pages, mut objects) = (request.into_paginator().send(), Vec::new());
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("list", prefix, error))?;
            let now = SystemTime::now();
            objects.extend(
                page.contents
                    .unwrap_or_default()
                    .into_iter()
                    .filter_map(|object| {
                        let written = object
                            .last_modified
                            .and_then(|time| SystemTime::try_from(time).ok());
                        // A clock that runs behind S3's makes an object younger than nothing: it is young.
                        let age = written.and_then(|written| now.duration_since(written).ok());
                        Some(Aged {
                            key: object.key?,
                            age: age.unwrap_or_default(),
                        })
                    }),
            );
        }
        Ok(objects)
    }
}

/// Keys that one DeleteObjects call takes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>).
const DELETE_BATCH: usize = 1_000;

impl DeleteObjects for S3Store {
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<(), ArtifactError> {
        for batch in keys.chunks(DELETE_BATCH) {
            let uri = S3Uri::new(bucket, batch.first().map_or("", String::as_str));
            let identify = |key: &String| ObjectIdentifier::builder().key(key).build();
            let objects: Result<Vec<_>, _> = batch.iter().map(identify).collect();
            let delete = objects.and_then(|objects| {
                Delete::builder()
                    .set_objects(Some(objects))
                    .quiet(true)
                    .build()
            });
            let delete = delete.map_err(|error| unavailable("delete", &uri, error))?;
            let answer = self
                .0
                .delete_objects()
                .bucket(bucket)
                .delete(delete)
                .send()
                .await;
            let answer = answer.map_err(|error| unavailable("delete", &uri, error))?;
            if let Some(error) = answer.errors().first() {
                let reason = format!(
                    "{}: {}",
                    error.key().unwrap_or("?"),
                    error.message().unwrap_or("?")
                );
                return Err(ArtifactError::Unavailable {
                    operation: "delete",
                    uri,
                    reason,
                });
            }
        }
        Ok(())
    }
}

impl GetTagged for S3Store {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<(Vec<u8>, String)>, ArtifactError> {
        let object = match self
            .0
            .get_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .send()
            .await
        {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(unavailable("get", uri, error)),
        };
        let tag = object.e_tag().unwrap_or_default().to_owned();
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| unavailable("get", uri, error))?;
        Ok(Some((body.to_vec(), tag)))
    }
}

impl Replace for S3Store {
    async fn replace(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        expected: Option<&str>,
    ) -> Result<bool, ArtifactError> {
        let request = self
            .0
            .put_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .body(body.into());
        let request = match expected {
            Some(tag) => request.if_match(tag),
            None => request.if_none_match("*"),
        };
        match request.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if matches!(
                    error.code(),
                    Some("PreconditionFailed" | "ConditionalRequestConflict" | "NoSuchKey")
                ) =>
            {
                Ok(false)
            }
            Err(error) => Err(unavailable("put", uri, error)),
        }
    }
}

/// The in-memory twin of [`S3Store`] for all verbs above. It yields inside every verb, so that
/// concurrent callers really interleave, and its time is tokio's, which a test can pause.
#[derive(Debug, Default)]
pub struct MemoryBucket {
    objects: Mutex<BTreeMap<String, Object>>,
}

#[derive(Debug, Clone)]
struct Object {
    body: Vec<u8>,
    tag: u64,
    written: tokio::time::Instant,
}

impl MemoryBucket {
    async fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Object>> {
        tokio::task::yield_now().await;
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(objects: &mut BTreeMap<String, Object>, key: &str, body: Vec<u8>) {
    let tag = objects.get(key).map_or(0, |object| object.tag) + 1;
    objects.insert(
        key.to_owned(),
        Object {
            body,
            tag,
            written: tokio::time::Instant::now(),
        },
    );
}

impl GetObject for MemoryBucket {
    async fn get(&self, uri: &S3Uri) -> Result<Option<Vec<u8>>, ArtifactError> {
        Ok(self
            .objects()
            .await
            .get(&uri.key)
            .map(|object| object.body.clone()))
    }
}

impl PutObject for MemoryBucket {
    async fn put(&self, uri: &S3Uri, body: Vec<u8>, when: When) -> Result<Put, ArtifactError> {
        let mut objects = self.objects().await;
        if when == When::Absent && objects.contains_key(&uri.key) {
            return Ok(Put::Kept);
        }
        write(&mut objects, &uri.key, body);
        Ok(Put::Written)
    }
}

impl ListAged for MemoryBucket {
    async fn list_aged(&self, prefix: &S3Uri) -> Result<Vec<Aged>, ArtifactError> {
        let objects = self.objects().await;
        let inside = objects
            .iter()
            .filter(|(key, _)| key.starts_with(&prefix.key));
        Ok(inside
            .map(|(key, object)| Aged {
                key: key.clone(),
                age: object.written.elapsed(),
            })
            .collect())
    }
}

impl DeleteObjects for MemoryBucket {
    async fn delete(&self, _bucket: &str, keys: &[String]) -> Result<(), ArtifactError> {
        for key in keys {
            self.objects().await.remove(key);
        }
        Ok(())
    }
}

impl GetTagged for MemoryBucket {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<(Vec<u8>, String)>, ArtifactError> {
        Ok(self
            .objects()
            .await
            .get(&uri.key)
            .map(|object| (object.body.clone(), object.tag.to_string())))
    }
}

impl Replace for MemoryBucket {
    async fn replace(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        expected: Option<&str>,
    ) -> Result<bool, ArtifactError> {
        let mut objects = self.objects().await;
        let tag = objects.get(&uri.key).map(|object| object.tag.to_string());
        if tag.as_deref() != expected {
            return Ok(false);
        }
        write(&mut objects, &uri.key, body);
        Ok(true)
    }
}
