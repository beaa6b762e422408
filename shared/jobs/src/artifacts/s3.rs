//! Artifacts on S3.

use std::time::SystemTime;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use super::{
    ArtifactError, DeleteObjects, GetObject, ListObjects, Listed, PutObject, S3Uri, Tagged, When,
};

/// The artifacts on S3.
#[derive(Debug, Clone)]
pub struct S3Store(pub Client);

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

impl S3Store {
    async fn read(&self, uri: &S3Uri, most: usize) -> Result<Option<Tagged>, ArtifactError> {
        let object = match self
            .0
            .get_object()
            .bucket(&uri.bucket)
            .key(&uri.key)
            .send()
            .await
        {
            Ok(object) => object,
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchBucket")) => {
                return Ok(None);
            }
            Err(error) => return Err(unavailable("get", uri, error)),
        };
        let tag = object.e_tag().unwrap_or_default().to_owned();
        let length = object.content_length().unwrap_or_default();
        if usize::try_from(length).is_ok_and(|length| length > most) {
            let uri = uri.clone();
            return Err(ArtifactError::TooLarge { uri, most });
        }
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| unavailable("get", uri, error))?;
        Ok(Some(Tagged {
            body: body.to_vec(),
            tag,
        }))
    }
}

impl GetObject for S3Store {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        self.read(uri, usize::MAX).await
    }

    async fn get_up_to(&self, uri: &S3Uri, most: usize) -> Result<Option<Vec<u8>>, ArtifactError> {
        Ok(self.read(uri, most).await?.map(|object| object.body))
    }
}

impl PutObject for S3Store {
    async fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        // Shares the bytes with every attempt instead of copying them.
        let body = Bytes::from(body);
        loop {
            let request = self.0.put_object().bucket(&uri.bucket).key(&uri.key);
            let request = request.set_content_type(content_type(&uri.key).map(str::to_owned));
            let request = match when {
                When::Absent => request.if_none_match("*"),
                When::Matches(tag) => request.if_match(tag),
                When::Always => request,
            };
            match request.body(body.clone().into()).send().await {
                Ok(put) => return Ok(Some(put.e_tag.unwrap_or_default())),
                Err(error) => match error.code() {
                    Some("PreconditionFailed") => return Ok(None),
                    // The object whose tag it was is gone.
                    Some("NoSuchKey") => return Ok(None),
                    // Of two conditional writes at the same time one has to come again; it then finds the other's.
                    Some("ConditionalRequestConflict") => {}
                    _ => return Err(unavailable("put", uri, error)),
                },
            }
        }
    }
}

fn content_type(key: &str) -> Option<&'static str> {
    match key.rsplit_once('.')?.1 {
        "json" => Some("application/json"),
        "html" => Some("text/html; charset=utf-8"),
        _ => None,
    }
}

impl ListObjects for S3Store {
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<Listed>, ArtifactError> {
        let mut pages = self
            .0
            .list_objects_v2()
            .bucket(&prefix.bucket)
            .prefix(&prefix.key)
            .into_paginator()
            .send();
        let mut listed = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("list", prefix, error))?;
            let now = SystemTime::now();
            for object in page.contents.unwrap_or_default() {
                let written = object
                    .last_modified
                    .and_then(|time| SystemTime::try_from(time).ok());
                // A clock that runs behind S3's makes an object younger than nothing: it is young.
                let age = written.and_then(|written| now.duration_since(written).ok());
                let Some(key) = object.key else { continue };
                listed.push(Listed {
                    uri: S3Uri::new(&prefix.bucket, key),
                    tag: object.e_tag.unwrap_or_default(),
                    age: age.unwrap_or_default(),
                });
            }
        }
        Ok(listed)
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
