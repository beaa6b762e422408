//! Artifacts on S3.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata};

use super::{ArtifactError, GetObject, ListObjects, Put, PutObject, S3Uri, When};

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

impl GetObject for S3Store {
    async fn get(&self, uri: &S3Uri) -> Result<Option<Vec<u8>>, ArtifactError> {
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
        let body = object
            .body
            .collect()
            .await
            .map_err(|error| unavailable("get", uri, error))?;
        Ok(Some(body.to_vec()))
    }
}

impl PutObject for S3Store {
    async fn put(&self, uri: &S3Uri, body: Vec<u8>, when: When) -> Result<Put, ArtifactError> {
        loop {
            let request = self.0.put_object().bucket(&uri.bucket).key(&uri.key);
            let request = request
                .set_content_type(content_type(&uri.key).map(str::to_owned))
                .set_if_none_match((when == When::Absent).then(|| "*".to_owned()));
            match request.body(body.clone().into()).send().await {
                Ok(_) => return Ok(Put::Written),
                Err(error) => match error.code() {
                    Some("PreconditionFailed") => return Ok(Put::Kept),
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
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<S3Uri>, ArtifactError> {
        let mut pages = self
            .0
            .list_objects_v2()
            .bucket(&prefix.bucket)
            .prefix(&prefix.key)
            .into_paginator()
            .send();
        let mut uris = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unavailable("list", prefix, error))?;
            let keys = page.contents().iter().filter_map(|object| object.key());
            uris.extend(keys.map(|key| S3Uri::new(&prefix.bucket, key)));
        }
        Ok(uris)
    }
}
