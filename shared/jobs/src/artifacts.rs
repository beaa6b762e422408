//! Artifacts on S3: what is too large for a state's input or output, and what must be committed once.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::task::{INPUT_INVALID, INPUT_NOT_FOUND, JOB_STORAGE, Named};
use input::InvalidInput;

mod memory;
#[cfg(feature = "aws")]
mod s3;

pub use memory::MemoryStore;
#[cfg(feature = "aws")]
pub use s3::S3Store;

/// The address of one object, written `s3://bucket/key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct S3Uri {
    /// Name of the bucket.
    pub bucket: String,
    /// Key of the object, without a leading slash.
    pub key: String,
}

impl S3Uri {
    /// The object `key` in `bucket`.
    pub fn new(bucket: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            bucket: bucket.into(),
            key: key.into(),
        }
    }

    /// Name of the folder that the object is in: of a job's object, the id of the job.
    pub fn folder(&self) -> Option<&str> {
        self.key.rsplit('/').nth(1)
    }

    /// The object `name` in the same folder.
    #[must_use]
    pub fn sibling(&self, name: &str) -> Self {
        let folder = self.key.rfind('/').map_or("", |end| &self.key[..=end]);
        Self::new(&self.bucket, format!("{folder}{name}"))
    }
}

impl fmt::Display for S3Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl FromStr for S3Uri {
    type Err = InvalidInput;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'));
        match parts {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => {
                Ok(Self::new(bucket, key))
            }
            _ => Err(InvalidInput::new(
                "$",
                format!("expected s3://BUCKET/KEY, found `{text}`"),
            )),
        }
    }
}

impl TryFrom<String> for S3Uri {
    type Error = InvalidInput;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<S3Uri> for String {
    fn from(uri: S3Uri) -> Self {
        uri.to_string()
    }
}

/// Where the objects of one job are.
pub fn job_uri(bucket: &str, job_id: &str) -> S3Uri {
    S3Uri::new(bucket, format!("jobs/{job_id}/job.json"))
}

/// Where the outcome of one job is committed.
pub fn outcome_uri(bucket: &str, job_id: &str) -> S3Uri {
    S3Uri::new(bucket, format!("jobs/{job_id}/outcome.json"))
}

/// Where an object of a whole execution is: manifests, sections, reports.
pub fn run_uri(bucket: &str, execution: &str, name: &str) -> S3Uri {
    S3Uri::new(bucket, format!("runs/{execution}/{name}"))
}

/// What went wrong with an object.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The object is not there.
    #[error("{0} does not exist; upload it or correct the URI")]
    NotFound(S3Uri),
    /// The object is more than the reader can hold.
    #[error("{uri} is larger than {most} bytes; split it")]
    TooLarge {
        /// The object.
        uri: S3Uri,
        /// What the reader can hold, bytes.
        most: usize,
    },
    /// The object is not the JSON that was expected.
    #[error("{uri} is not what was expected: {reason}")]
    Malformed {
        /// The object.
        uri: S3Uri,
        /// Where in it, and what was expected.
        reason: InvalidInput,
    },
    /// S3 refused, or could not be reached.
    #[error("{operation} of {uri} failed: {reason}")]
    Unavailable {
        /// `get`, `put`, `list` or `delete`.
        operation: &'static str,
        /// The object or prefix.
        uri: S3Uri,
        /// What S3 or the connection said.
        reason: String,
    },
}

impl Named for ArtifactError {
    fn name(&self) -> &str {
        match self {
            Self::NotFound(_) => INPUT_NOT_FOUND,
            Self::TooLarge { .. } | Self::Malformed { .. } => INPUT_INVALID,
            Self::Unavailable { .. } => JOB_STORAGE,
        }
    }
}

/// When a put takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When<'a> {
    /// Only when no object has the key (`If-None-Match: *`): the first writer wins
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
    Absent,
    /// Only when the object still has this tag (`If-Match`): nobody has written it since it was read.
    Matches(&'a str),
    /// Always; replaces what is there.
    Always,
}

/// What a put did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is now this one.
    Written,
    /// The condition did not hold: what was there stays.
    Kept,
}

/// An object and which version of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tagged {
    /// The whole object.
    pub body: Vec<u8>,
    /// Its entity tag, which every write changes.
    pub tag: String,
}

/// An object in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its address.
    pub uri: S3Uri,
    /// Its entity tag.
    pub tag: String,
    /// Since it was last written.
    pub age: Duration,
}

impl Listed {
    /// Which version of which object it is.
    pub fn version(&self) -> (&S3Uri, &str) {
        (&self.uri, &self.tag)
    }
}

/// Reads an object.
pub trait GetObject: Sync {
    /// The object and its version, or `None` when there is none.
    fn get_tagged(
        &self,
        uri: &S3Uri,
    ) -> impl Future<Output = Result<Option<Tagged>, ArtifactError>> + Send;

    /// The whole object, or `None` when there is none.
    fn get(
        &self,
        uri: &S3Uri,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, ArtifactError>> + Send {
        async move { Ok(self.get_tagged(uri).await?.map(|object| object.body)) }
    }

    /// As [`GetObject::get`], but an object of more than `most` bytes is an error; S3 tells before it is read.
    fn get_up_to(
        &self,
        uri: &S3Uri,
        most: usize,
    ) -> impl Future<Output = Result<Option<Vec<u8>>, ArtifactError>> + Send {
        async move {
            match self.get(uri).await? {
                Some(body) if body.len() > most => Err(ArtifactError::TooLarge {
                    uri: uri.clone(),
                    most,
                }),
                found => Ok(found),
            }
        }
    }

    /// How many bytes were read through this store so far, where it counts them.
    fn bytes_read(&self) -> Option<u64> {
        None
    }
}

/// Writes an object.
pub trait PutObject: Sync {
    /// Writes the object under the condition `when`: its new tag, or none when the condition did not hold.
    fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> impl Future<Output = Result<Option<String>, ArtifactError>> + Send;

    /// Writes the object under the condition `when`.
    fn put(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> impl Future<Output = Result<Put, ArtifactError>> + Send {
        async move {
            let written = self.put_tagged(uri, body, when).await?;
            Ok(written.map_or(Put::Kept, |_| Put::Written))
        }
    }
}

/// Lists objects.
pub trait ListObjects {
    /// All objects whose key begins with the key of `prefix`, in the order of their keys.
    fn list(
        &self,
        prefix: &S3Uri,
    ) -> impl Future<Output = Result<Vec<Listed>, ArtifactError>> + Send;
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

/// Reads an object that must be there and must be a `T`.
pub async fn get_json<T: DeserializeOwned>(
    store: &impl GetObject,
    uri: &S3Uri,
) -> Result<T, ArtifactError> {
    find_json(store, uri)
        .await?
        .ok_or_else(|| ArtifactError::NotFound(uri.clone()))
}

/// Reads an object that may be there and then must be a `T`.
pub async fn find_json<T: DeserializeOwned>(
    store: &impl GetObject,
    uri: &S3Uri,
) -> Result<Option<T>, ArtifactError> {
    let malformed = |reason| ArtifactError::Malformed {
        uri: uri.clone(),
        reason,
    };
    let Some(body) = store.get(uri).await? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&body)
        .map_err(|error| malformed(InvalidInput::new("$", error.to_string())))?;
    input::parse(value).map(Some).map_err(malformed)
}

/// Writes `value` as JSON under the condition `when`.
pub async fn put_json<T: Serialize + Sync>(
    store: &impl PutObject,
    uri: &S3Uri,
    value: &T,
    when: When<'_>,
) -> Result<Put, ArtifactError> {
    let body = serde_json::to_vec(value).map_err(|error| ArtifactError::Malformed {
        uri: uri.clone(),
        reason: InvalidInput::new("$", error.to_string()),
    })?;
    store.put(uri, body, when).await
}

/// Commits `value` at `uri`: the first writer wins, and everybody gets the value that won.
pub async fn put_once<T>(
    store: &(impl GetObject + PutObject),
    uri: &S3Uri,
    value: T,
) -> Result<T, ArtifactError>
where
    T: Serialize + DeserializeOwned + Sync,
{
    match put_json(store, uri, &value, When::Absent).await? {
        Put::Written => Ok(value),
        Put::Kept => get_json(store, uri).await,
    }
}

/// A value as it travels through a state machine: itself, or a pointer when it is too large for a state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Payload {
    /// The value is elsewhere.
    Pointer {
        /// Where the JSON is.
        #[serde(rename = "s3Uri")]
        s3_uri: S3Uri,
    },
    /// The value itself.
    Inline(Value),
}

impl Payload {
    /// The value, wherever it is.
    pub async fn unpack(self, store: &impl GetObject) -> Result<Value, ArtifactError> {
        match self {
            Self::Inline(value) => Ok(value),
            Self::Pointer { s3_uri } => get_json(store, &s3_uri).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn uris_read_back_or_are_refused() {
        let uri: S3Uri = "s3://bucket/a/b.json".parse().unwrap();
        assert_eq!(
            (uri.bucket.as_str(), uri.key.as_str()),
            ("bucket", "a/b.json")
        );
        assert_eq!(uri.to_string(), "s3://bucket/a/b.json");
        assert_eq!(uri.sibling("c.json").key, "a/c.json");
        for bad in ["bucket/key", "s3://bucket", "s3://bucket/", "s3:///key", ""] {
            assert!(bad.parse::<S3Uri>().is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn the_first_commit_wins_and_everybody_sees_it() {
        let (store, uri) = (MemoryStore::default(), S3Uri::new("b", "k"));
        assert_eq!(put_once(&store, &uri, json!(1)).await.unwrap(), json!(1));
        assert_eq!(put_once(&store, &uri, json!(2)).await.unwrap(), json!(1));
    }

    #[tokio::test]
    async fn what_was_written_meanwhile_is_not_replaced() {
        let (store, uri) = (MemoryStore::default(), S3Uri::new("b", "k"));
        let put = async |body: &str, when: When<'_>| store.put(&uri, body.into(), when).await;
        let tag = async || store.get_tagged(&uri).await.unwrap().unwrap().tag;
        assert_eq!(put("1", When::Matches("x")).await.unwrap(), Put::Kept);
        assert_eq!(put("1", When::Absent).await.unwrap(), Put::Written);
        let first = tag().await;
        assert_eq!(put("2", When::Matches(&first)).await.unwrap(), Put::Written);
        assert_eq!(put("3", When::Matches(&first)).await.unwrap(), Put::Kept);
        assert_eq!(store.get(&uri).await.unwrap().unwrap(), b"2");
        let listed = store.list(&S3Uri::new("b", "")).await.unwrap();
        assert_eq!(listed[0].version(), (&uri, tag().await.as_str()));
    }

    #[tokio::test]
    async fn a_missing_or_malformed_object_is_named() {
        let (store, uri) = (MemoryStore::default(), S3Uri::new("b", "k"));
        let missing = get_json::<u32>(&store, &uri).await.unwrap_err();
        assert_eq!(missing.name(), "Input.NotFound");
        store.put(&uri, b"{".to_vec(), When::Always).await.unwrap();
        let malformed = get_json::<u32>(&store, &uri).await.unwrap_err();
        assert!(malformed.to_string().contains("s3://b/k"), "{malformed}");
    }

    #[tokio::test]
    async fn an_object_that_is_too_large_for_its_reader_is_refused() {
        let (store, uri) = (MemoryStore::default(), S3Uri::new("b", "k"));
        store.put(&uri, vec![0; 9], When::Always).await.unwrap();
        assert_eq!(store.get_up_to(&uri, 9).await.unwrap(), Some(vec![0; 9]));
        let error = store.get_up_to(&uri, 8).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
    }

    #[tokio::test]
    async fn a_payload_is_itself_or_what_it_points_to() {
        let (store, uri) = (MemoryStore::default(), S3Uri::new("b", "k"));
        put_json(&store, &uri, &json!([3]), When::Always)
            .await
            .unwrap();
        for (payload, value) in [
            (json!([1, 2]), json!([1, 2])),
            (json!({"s3Uri": "s3://b/k"}), json!([3])),
        ] {
            let payload: Payload = serde_json::from_value(payload).unwrap();
            assert_eq!(payload.unpack(&store).await.unwrap(), value);
        }
        let no_pointer = json!({"s3Uri": "s3://b/k", "more": 1});
        let payload: Payload = serde_json::from_value(no_pointer.clone()).unwrap();
        assert_eq!(payload, Payload::Inline(no_pointer));
    }
}
