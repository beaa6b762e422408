//! Artifacts in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{
    ArtifactError, DeleteObjects, GetObject, ListObjects, Listed, PutObject, S3Uri, Tagged, When,
};

/// The in-memory twin of `S3Store`. It yields inside every verb, so that concurrent callers really interleave, and
/// its time is tokio's, which a test can pause.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<Objects>,
}

#[derive(Debug, Default)]
struct Objects {
    by_uri: BTreeMap<S3Uri, Object>,
    /// How many were ever written: the tag of the next.
    writes: u64,
}

#[derive(Debug)]
struct Object {
    body: Vec<u8>,
    tag: String,
    written: Instant,
}

impl MemoryStore {
    async fn objects(&self) -> MutexGuard<'_, Objects> {
        tokio::task::yield_now().await;
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deletes the object, if there is one.
    pub async fn remove(&self, uri: &S3Uri) {
        self.objects().await.by_uri.remove(uri);
    }
}

impl GetObject for MemoryStore {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        let objects = self.objects().await;
        Ok(objects.by_uri.get(uri).map(|object| Tagged {
            body: object.body.clone(),
            tag: object.tag.clone(),
        }))
    }
}

impl PutObject for MemoryStore {
    async fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        let mut objects = self.objects().await;
        let known = objects.by_uri.get(uri).map(|object| object.tag.as_str());
        let holds = match when {
            When::Absent => known.is_none(),
            When::Matches(tag) => known == Some(tag),
            When::Always => true,
        };
        if !holds {
            return Ok(None);
        }
        objects.writes += 1;
        let tag = objects.writes.to_string();
        let object = Object {
            body,
            tag: tag.clone(),
            written: Instant::now(),
        };
        objects.by_uri.insert(uri.clone(), object);
        Ok(Some(tag))
    }
}

impl ListObjects for MemoryStore {
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<Listed>, ArtifactError> {
        let objects = self.objects().await;
        let inside = objects
            .by_uri
            .iter()
            .filter(|(uri, _)| uri.bucket == prefix.bucket && uri.key.starts_with(&prefix.key));
        let listed = inside.map(|(uri, object)| Listed {
            uri: uri.clone(),
            tag: object.tag.clone(),
            age: object.written.elapsed(),
        });
        Ok(listed.collect())
    }
}

impl DeleteObjects for MemoryStore {
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<(), ArtifactError> {
        for key in keys {
            self.remove(&S3Uri::new(bucket, key)).await;
        }
        Ok(())
    }
}
