//! Artifacts in memory, for tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{ArtifactError, GetObject, ListObjects, Put, PutObject, S3Uri, When};

/// The in-memory twin of `S3Store`.
#[derive(Debug, Default)]
pub struct MemoryStore {
    objects: Mutex<BTreeMap<S3Uri, Vec<u8>>>,
}

impl MemoryStore {
    fn objects(&self) -> MutexGuard<'_, BTreeMap<S3Uri, Vec<u8>>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GetObject for MemoryStore {
    async fn get(&self, uri: &S3Uri) -> Result<Option<Vec<u8>>, ArtifactError> {
        Ok(self.objects().get(uri).cloned())
    }
}

impl PutObject for MemoryStore {
    async fn put(&self, uri: &S3Uri, body: Vec<u8>, when: When) -> Result<Put, ArtifactError> {
        let mut objects = self.objects();
        if when == When::Absent && objects.contains_key(uri) {
            return Ok(Put::Kept);
        }
        objects.insert(uri.clone(), body);
        Ok(Put::Written)
    }
}

impl ListObjects for MemoryStore {
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<S3Uri>, ArtifactError> {
        let inside = |uri: &&S3Uri| uri.bucket == prefix.bucket && uri.key.starts_with(&prefix.key);
        Ok(self.objects().keys().filter(inside).cloned().collect())
    }
}
