//! The S3 verb that a record of outcomes needs beyond [`jobs::artifacts`].

use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use jobs::artifacts::{
    ArtifactError, GetObject, ListObjects, MemoryStore, PutObject, S3Store, S3Uri,
};

/// Deletes objects.
pub trait DeleteObjects {
    /// Deletes `keys` of the bucket; absent ones are no error.
    fn delete(
        &self,
        bucket: &str,
        keys: &[String],
    ) -> impl Future<Output = Result<(), ArtifactError>> + Send;
}

/// All that the router asks of its store.
pub trait Store: GetObject + PutObject + ListObjects + DeleteObjects {}
impl<T: GetObject + PutObject + ListObjects + DeleteObjects> Store for T {}

fn unavailable(uri: &S3Uri, error: impl std::error::Error) -> ArtifactError {
    ArtifactError::Unavailable {
        operation: "delete",
        uri: uri.clone(),
        reason: DisplayErrorContext(error).to_string(),
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
            let delete = delete.map_err(|error| unavailable(&uri, error))?;
            let answer = self
                .0
                .delete_objects()
                .bucket(bucket)
                .delete(delete)
                .send()
                .await;
            let answer = answer.map_err(|error| unavailable(&uri, error))?;
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

impl DeleteObjects for MemoryStore {
    async fn delete(&self, bucket: &str, keys: &[String]) -> Result<(), ArtifactError> {
        for key in keys {
            self.remove(&S3Uri::new(bucket, key)).await;
        }
        Ok(())
    }
}
