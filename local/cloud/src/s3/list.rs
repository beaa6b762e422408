//! Listings: objects, versions, uploads and buckets, a page at a time.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::S3Result;
use s3s::dto::{
    Bucket, ChecksumAlgorithm, ChecksumType, CommonPrefix, DeleteMarkerEntry, EncodingType,
    ListBucketsInput, ListBucketsOutput, ListObjectVersionsInput, ListObjectVersionsOutput,
    ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object as ListedObject, ObjectStorageClass, ObjectVersion, ObjectVersionStorageClass, Owner,
};

use super::Backend;
use super::fault::Fault;
use super::store::{Object, Page, VersionQuery, is_version};

/// Keys of one page.
pub(super) const PAGE_LIMIT: i32 = 1_000;
/// Buckets of one page.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html>
const BUCKET_LIMIT: i32 = 10_000;
/// What a key keeps under `encoding-type=url`; a space becomes a plus sign.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'*')
    .remove(b'/')
    .remove(b' ');

/// How keys are written in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Url,
}

impl Encoding {
    pub(super) fn of(encoding: Option<&EncodingType>) -> Result<Encoding, Fault> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Encoding::Plain),
            Some(EncodingType::URL) => Ok(Encoding::Url),
            Some(wrong) => {
                let message = "Invalid Encoding Method specified in Request";
                Err(Fault::argument("encoding-type", wrong, message))
            }
        }
    }

    pub(super) fn write(self, key: &str) -> String {
        match self {
            Encoding::Plain => key.to_owned(),
            Encoding::Url => utf8_percent_encode(key, KEPT).to_string().replace(' ', "+"),
        }
    }

    pub(super) fn option(self, key: Option<String>) -> Option<String> {
        key.map(|key| self.write(&key))
    }

    /// As the answer says it.
    pub(super) fn told(self) -> Option<EncodingType> {
        (self == Encoding::Url).then(|| EncodingType::from_static(EncodingType::URL))
    }

    pub(super) fn prefixes(self, prefixes: &[String]) -> Vec<CommonPrefix> {
        let common = |prefix: &String| CommonPrefix {
            prefix: Some(self.write(prefix)),
        };
        prefixes.iter().map(common).collect()
    }
}

/// The size of a page that was asked for, within S3's limit.
pub(super) fn page_limit(name: &str, asked: Option<i32>, limit: i32) -> Result<i32, Fault> {
    match asked {
        Some(negative) if negative < 0 => {
            let message = format!("Argument {name} must be an integer between 0 and 2147483647");
            Err(Fault::argument(name, &negative.to_string(), message))
        }
        asked => Ok(asked.unwrap_or(limit).min(limit)),
    }
}

/// The number behind which a page begins.
pub(super) fn marker(name: &str, asked: Option<i32>) -> Result<i32, Fault> {
    page_limit(name, Some(asked.unwrap_or(0)), i32::MAX)
}

/// A token from which a later request goes on.
fn token(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn key_of(token: &str) -> Result<String, Fault> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok();
    let key = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    key.filter(|_| !token.is_empty()).ok_or_else(|| {
        let message = "The continuation token provided is incorrect";
        Fault::argument("continuation-token", token, message)
    })
}

/// Everybody who may call: the owner of all.
pub(super) fn owner() -> Owner {
    Owner {
        id: Some(OWNER.to_owned()),
        display_name: None,
    }
}

/// Canonical user id of the one account.
pub(super) const OWNER: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn algorithms(object: &Object) -> Option<Vec<ChecksumAlgorithm>> {
    let names = object.attributes.checksums.keys();
    let algorithms: Vec<_> = names
        .map(|name| ChecksumAlgorithm::from(name.clone()))
        .collect();
    Some(algorithms).filter(|algorithms| !algorithms.is_empty())
}

/// Whether a checksum is of the object or of its parts' checksums, if there is one.
pub(super) fn checksum_type(object: &Object) -> Option<ChecksumType> {
    let kind = if object.attributes.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    let any = !object.attributes.checksums.is_empty();
    any.then(|| ChecksumType::from_static(kind))
}

/// What every listing tells of an object.
macro_rules! summary {
    ($kind:ident, $class:ident, $object:expr, $encoding:expr) => {
        $kind {
            key: Some($encoding.write(&$object.key)),
            size: Some($object.size as i64),
            e_tag: Some($object.tag()),
            last_modified: Some($object.modified.into()),
            storage_class: Some($class::from($object.attributes.class().to_owned())),
            checksum_algorithm: algorithms($object),
            checksum_type: checksum_type($object),
            ..Default::default()
        }
    };
}

/// What every listing of keys tells of itself.
macro_rules! listing {
    ($kind:ident, $input:expr, $encoding:expr, $limit:expr, $page:expr) => {
        $kind {
            common_prefixes: Some($encoding.prefixes(&$page.prefixes)),
            is_truncated: Some($page.next.is_some()),
            name: Some($input.bucket),
            prefix: Some($encoding.write(&$input.prefix.unwrap_or_default())),
            delimiter: $encoding.option($input.delimiter.filter(|text| !text.is_empty())),
            max_keys: Some($limit),
            encoding_type: $encoding.told(),
            ..Default::default()
        }
    };
}

fn summaries(page: &Page, encoding: Encoding, owned: bool) -> Vec<ListedObject> {
    let summary = |object: &Arc<Object>| ListedObject {
        owner: owned.then(owner),
        ..summary!(ListedObject, ObjectStorageClass, object, encoding)
    };
    page.objects.iter().map(summary).collect()
}

fn version(object: &Object, latest: bool, encoding: Encoding) -> ObjectVersion {
    ObjectVersion {
        owner: Some(owner()),
        version_id: Some(object.version_id().to_owned()),
        is_latest: Some(latest),
        ..summary!(ObjectVersion, ObjectVersionStorageClass, object, encoding)
    }
}

fn delete_marker(object: &Object, latest: bool, encoding: Encoding) -> DeleteMarkerEntry {
    DeleteMarkerEntry {
        key: Some(encoding.write(&object.key)),
        last_modified: Some(object.modified.into()),
        owner: Some(owner()),
        version_id: Some(object.version_id().to_owned()),
        is_latest: Some(latest),
    }
}

impl Backend {
    fn page(
        &self,
        bucket: &str,
        prefix: Option<&String>,
        delimiter: Option<&String>,
        after: &str,
        limit: i32,
    ) -> S3Result<Page> {
        let limit = usize::try_from(limit).unwrap_or(0);
        let prefix = prefix.map_or("", String::as_str);
        let delimiter = delimiter.map(String::as_str);
        Ok(self.store.list(bucket, prefix, delimiter, after, limit)?)
    }

    pub(super) fn list_second(&self, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let limit = page_limit("maxKeys", input.max_keys, PAGE_LIMIT)?;
        let after = match &input.continuation_token {
            Some(token) => key_of(token)?,
            None => input.start_after.clone().unwrap_or_default(),
        };
        let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
        let page = self.page(&input.bucket, prefix, delimiter, &after, limit)?;
        let contents = summaries(&page, encoding, input.fetch_owner == Some(true));
        // A token takes precedence, and is then told alone.
        let start_after = input.start_after;
        let start_after = start_after.filter(|_| input.continuation_token.is_none());
        let output = ListObjectsV2Output {
            key_count: Some((contents.len() + page.prefixes.len()) as i32),
            contents: Some(contents),
            next_continuation_token: page.next.as_deref().map(token),
            start_after: encoding.option(start_after),
            continuation_token: input.continuation_token,
            ..listing!(ListObjectsV2Output, input, encoding, limit, page)
        };
        Ok(output)
    }

    pub(super) fn list_first(&self, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let limit = page_limit("maxKeys", input.max_keys, PAGE_LIMIT)?;
        let after = input.marker.clone().unwrap_or_default();
        let (prefix, delimiter) = (input.prefix.as_ref(), input.delimiter.as_ref());
        let page = self.page(&input.bucket, prefix, delimiter, &after, limit)?;
        // Without a delimiter the last key is the marker, and S3 leaves it out:
        // <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html>.
        let grouped = delimiter.is_some_and(|delimiter| !delimiter.is_empty());
        let next = page.next.clone().filter(|_| grouped);
        Ok(ListObjectsOutput {
            contents: Some(summaries(&page, encoding, true)),
            next_marker: encoding.option(next),
            marker: Some(encoding.write(&after)),
            ..listing!(ListObjectsOutput, input, encoding, limit, page)
        })
    }

    pub(super) fn list_versions(
        &self,
        input: ListObjectVersionsInput,
    ) -> S3Result<ListObjectVersionsOutput> {
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let limit = page_limit("maxKeys", input.max_keys, PAGE_LIMIT)?;
        let after = input.key_marker.clone().unwrap_or_default();
        let after_version = input.version_id_marker.as_deref();
        let after_version = after_version.filter(|id| !id.is_empty());
        if let Some(marker) = after_version {
            check_version_marker(marker, &after)?;
        }
        let query = VersionQuery {
            prefix: input.prefix.as_deref().unwrap_or_default(),
            delimiter: input.delimiter.as_deref(),
            after: &after,
            after_version,
            limit: usize::try_from(limit).unwrap_or(0),
        };
        let page = self.store.list_versions(&input.bucket, &query)?;
        let (mut versions, mut markers) = (Vec::new(), Vec::new());
        for (object, latest) in &page.versions {
            if object.marker {
                markers.push(delete_marker(object, *latest, encoding));
            } else {
                versions.push(version(object, *latest, encoding));
            }
        }
        let (next_key, next_version) = page.next.clone().unzip();
        Ok(ListObjectVersionsOutput {
            versions: Some(versions),
            delete_markers: Some(markers),
            next_key_marker: encoding.option(next_key),
            next_version_id_marker: next_version.flatten(),
            key_marker: Some(encoding.write(&after)),
            version_id_marker: Some(input.version_id_marker.unwrap_or_default()),
            ..listing!(ListObjectVersionsOutput, input, encoding, limit, page)
        })
    }

    pub(super) fn buckets(&self, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let limit = input.max_buckets.unwrap_or(BUCKET_LIMIT);
        if !(1..=BUCKET_LIMIT).contains(&limit) {
            let message = "Argument max-buckets must be an integer between 1 and 10000";
            return Err(Fault::argument("max-buckets", &limit.to_string(), message).into());
        }
        let after = match &input.continuation_token {
            Some(token) => key_of(token)?,
            None => String::new(),
        };
        let prefix = input.prefix.clone().unwrap_or_default();
        // S3 tells regions only where a parameter was given.
        let told = input.prefix.is_some()
            || input.max_buckets.is_some()
            || input.bucket_region.is_some()
            || input.continuation_token.is_some();
        let home = &self.home.region;
        let mut found = Vec::new();
        for (name, created, facts) in self.store.list_buckets() {
            let region = facts.region.as_ref().unwrap_or(home);
            let wanted = input
                .bucket_region
                .as_ref()
                .is_none_or(|wanted| wanted == region);
            if wanted && name.starts_with(&prefix) && name > after {
                found.push(Bucket {
                    name: Some(name),
                    creation_date: Some(created.into()),
                    bucket_region: told.then(|| region.clone()),
                });
            }
        }
        let limit = usize::try_from(limit).unwrap_or(0);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().and_then(|bucket| bucket.name.as_deref());
        Ok(ListBucketsOutput {
            continuation_token: last.filter(|_| more).map(token),
            buckets: Some(found),
            owner: Some(owner()),
            prefix: input.prefix,
        })
    }
}

/// A version may be gone on from only behind its key.
fn check_version_marker(marker: &str, key: &str) -> Result<(), Fault> {
    let message = if key.is_empty() {
        "A version-id marker cannot be specified without a key marker."
    } else if is_version(marker) {
        return Ok(());
    } else {
        "Invalid version id specified"
    };
    Err(Fault::argument("version-id-marker", marker, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_encoded_as_s3_encodes_them() {
        for (key, encoded) in [
            ("a\u{1}b", "a%01b"),
            ("a b", "a+b"),
            ("a+b", "a%2Bb"),
            ("d/ü~", "d/%C3%BC%7E"),
        ] {
            assert_eq!(Encoding::Url.write(key), encoded);
            assert_eq!(Encoding::Plain.write(key), key);
        }
    }

    #[test]
    fn a_token_that_nobody_gave_is_refused() {
        assert_eq!(key_of(&token("a\u{1}ü")).unwrap(), "a\u{1}ü");
        assert!(key_of("").is_err());
        assert!(key_of("?").is_err());
    }
}
