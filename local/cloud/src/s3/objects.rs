//! Objects: written, read, removed, tagged.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::{HeaderMap, StatusCode};
use s3s::dto::{
    Checksum, ChecksumMode, DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput,
    DeleteObjectsOutput, DeletedObject, ETag, Error, GetObjectAttributesInput,
    GetObjectAttributesOutput, GetObjectAttributesParts, GetObjectInput, GetObjectOutput,
    GetObjectTaggingInput, GetObjectTaggingOutput, HeadObjectInput, HeadObjectOutput, ObjectPart,
    PutObjectInput, PutObjectOutput, ServerSideEncryption, StorageClass, Timestamp,
    TimestampFormat,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use super::Backend;
use super::attributes::{Attributes, Encryption};
use super::chunked::Trailers;
use super::conditions::{Conditions, conditions, failed, httpdate, of_write};
use super::contents::{Expected, Sums, contents, set_sums, stage};
use super::fault::{Fault, fault};
use super::list::{checksum_type, marker, page_limit};
use super::store::{Condition, Deleted, Object, StoreError, is_version};
use super::tags::Tags;

/// Longest key, bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const KEY_LIMIT: usize = 1_024;
/// Keys of one batch of deletions.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html>
const DELETE_LIMIT: usize = 1_000;
/// Parts of one page of an object's attributes.
const PARTS_LIMIT: i32 = 1_000;
/// Type of an object whose writer named none.
const DEFAULT_TYPE: &str = "binary/octet-stream";

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> S3Error {
        match error {
            StoreError::NoSuchBucket => fault(S3ErrorCode::NoSuchBucket),
            StoreError::NoSuchKey => fault(S3ErrorCode::NoSuchKey),
            // <https://docs.aws.amazon.com/AmazonS3/latest/userguide/DeleteMarker.html>
            StoreError::Deleted(marker) => fault(S3ErrorCode::NoSuchKey)
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", &marker),
            StoreError::NoSuchVersion(id) => {
                fault(S3ErrorCode::NoSuchVersion).with("VersionId", id)
            }
            StoreError::IsMarker(id, modified) => fault(S3ErrorCode::MethodNotAllowed)
                .with("ResourceType", "DeleteMarker")
                .header("x-amz-delete-marker", "true")
                .header("x-amz-version-id", &id)
                .header("allow", "DELETE")
                .header("last-modified", &httpdate(modified)),
            StoreError::BucketNotEmpty => fault(S3ErrorCode::BucketNotEmpty),
            StoreError::PreconditionFailed(header) => failed(header),
            StoreError::Io(error) => {
                tracing::error!(%error, "an object's file");
                Fault::new(S3ErrorCode::InternalError, error.to_string())
            }
        }
        .into()
    }
}

/// The version that a request names; refuses one that no bucket here can have given.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RetrievingObjectVersions.html>
pub(super) fn version(named: Option<&String>) -> Result<Option<&str>, Fault> {
    match named.map(String::as_str) {
        Some("") => {
            let message = "Version id cannot be the empty string";
            Err(Fault::argument("versionId", "", message))
        }
        Some(id) if !is_version(id) => {
            let message = "Invalid version id specified";
            Err(Fault::argument("versionId", id, message))
        }
        named => Ok(named),
    }
}

pub(super) fn check_key(key: &str) -> Result<(), Fault> {
    if key.len() <= KEY_LIMIT {
        return Ok(());
    }
    Err(fault(S3ErrorCode::KeyTooLongError)
        .with("Size", key.len())
        .with("MaxSizeAllowed", KEY_LIMIT))
}

impl Object {
    pub(super) fn tag(&self) -> ETag {
        ETag::Strong(self.e_tag.clone())
    }
}

impl Encryption {
    pub(super) fn told(&self) -> Option<ServerSideEncryption> {
        Some(ServerSideEncryption::from(self.name().to_owned()))
    }
}

/// What of an object is read.
struct Slice {
    range: Range<u64>,
    /// `Content-Range`, unless it is the whole object.
    told: Option<String>,
    /// The part that was asked for; its checksums are those of the answer.
    sums: Option<Sums>,
}

/// The part of an object that a range or a part's number names.
fn slice(
    object: &Object,
    range: Option<&s3s::dto::Range>,
    part: Option<i32>,
) -> Result<Slice, Fault> {
    let told = |range: &Range<u64>| {
        let last = range.end.saturating_sub(1);
        // An empty object has no last byte to tell.
        (object.size > 0).then(|| format!("bytes {}-{last}/{}", range.start, object.size))
    };
    match (range, part) {
        (Some(_), Some(_)) => Err(Fault::new(
            S3ErrorCode::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter",
        )),
        (Some(range), None) => {
            let checked = range.check(object.size).ok();
            let checked = checked.filter(|range| !range.is_empty());
            let range = checked.ok_or_else(|| {
                fault(S3ErrorCode::InvalidRange)
                    .with("RangeRequested", range.to_header_string())
                    .with("ActualObjectSize", object.size)
                    .header("content-range", &format!("bytes */{}", object.size))
            })?;
            Ok(Slice {
                told: told(&range),
                range,
                sums: Some(Sums::new()),
            })
        }
        (None, Some(number)) => {
            let (range, sums) = part_of(object, number)?;
            Ok(Slice {
                told: told(&range),
                range,
                sums,
            })
        }
        (None, None) => Ok(Slice {
            range: 0..object.size,
            told: None,
            sums: None,
        }),
    }
}

/// Where a part lies, and its checksums if it has its own. An object that was not uploaded in parts
/// is its own first part.
fn part_of(object: &Object, number: i32) -> Result<(Range<u64>, Option<Sums>), Fault> {
    let parts = &object.attributes.parts;
    if number < 1 {
        let message = "Part number must be an integer between 1 and 10000, inclusive";
        return Err(Fault::argument("partNumber", &number.to_string(), message));
    }
    if parts.is_empty() && number == 1 {
        return Ok((0..object.size, None));
    }
    // Parts are counted as they lie, whatever numbers they were uploaded with.
    let index = usize::try_from(number - 1).unwrap_or(usize::MAX);
    let Some(part) = parts.get(index) else {
        let message = "The requested partnumber is not satisfiable";
        let code = "InvalidPartNumber";
        return Err(
            Fault::custom(StatusCode::RANGE_NOT_SATISFIABLE, code, message)
                .with("PartNumberRequested", number)
                .with("ActualPartCount", parts.len().max(1)),
        );
    };
    let start: u64 = parts[..index].iter().map(|part| part.size).sum();
    Ok((start..start + part.size, Some(part.checksums.clone())))
}

/// What an answer tells of an object, for the two reads that tell the same.
macro_rules! describe {
    ($output:ident, $object:expr, $slice:expr, $mode:expr, $part:expr) => {{
        let (object, slice): (&Object, &Slice) = ($object, $slice);
        let attributes = &object.attributes;
        let kind = attributes.content_type.clone();
        let mut output = $output {
            accept_ranges: Some("bytes".to_owned()),
            content_range: slice.told.clone(),
            content_length: Some((slice.range.end - slice.range.start) as i64),
            e_tag: Some(object.tag()),
            last_modified: Some(object.modified.into()),
            content_type: Some(kind.unwrap_or_else(|| DEFAULT_TYPE.to_owned())),
            content_encoding: attributes.content_encoding.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_language: attributes.content_language.clone(),
            cache_control: attributes.cache_control.clone(),
            expires: attributes.expires.as_deref().and_then(date),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            website_redirect_location: attributes.redirect.clone(),
            storage_class: attributes.storage_class.clone().map(StorageClass::from),
            server_side_encryption: attributes.encryption.told(),
            ssekms_key_id: attributes.encryption.key.clone(),
            bucket_key_enabled: attributes.encryption.bucket_key,
            parts_count: $part.and_then(|_| count(&attributes.parts)),
            ..Default::default()
        };
        if $mode.is_some_and(|mode: &ChecksumMode| mode.as_str() == ChecksumMode::ENABLED) {
            let sums = slice.sums.as_ref().unwrap_or(&attributes.checksums);
            set_sums!(output, sums);
            output.checksum_type = checksum_type(object).filter(|_| !sums.is_empty());
        }
        output
    }};
}

fn date(text: &str) -> Option<Timestamp> {
    Timestamp::parse(TimestampFormat::HttpDate, text).ok()
}

fn count<T>(list: &[T]) -> Option<i32> {
    let count = i32::try_from(list.len()).ok();
    count.filter(|count| *count > 0)
}

impl Backend {
    pub(super) async fn put(&self, req: S3Request<PutObjectInput>) -> S3Result<PutObjectOutput> {
        let input = req.input;
        check_key(&input.key)?;
        let condition = of_write(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        self.check_bucket(&input.bucket)?;
        let mut attributes = Attributes::of(&req.headers, input.metadata)?;
        self.encrypt(&input.bucket, &mut attributes.encryption)?;
        let expected = Expected::of(&req.headers, req.extensions.get::<Trailers>())?;
        let (staged, sums) = stage(&self.store, input.body, &expected, None).await?;
        attributes.checksums = sums;
        let object =
            self.store
                .commit(&input.bucket, &input.key, staged, attributes, &condition)?;
        let encryption = &object.attributes.encryption;
        let mut output = PutObjectOutput {
            e_tag: Some(object.tag()),
            version_id: self.store.told_version(&input.bucket, &object),
            checksum_type: checksum_type(&object),
            server_side_encryption: encryption.told(),
            ssekms_key_id: encryption.key.clone(),
            ssekms_encryption_context: encryption.context.clone(),
            bucket_key_enabled: encryption.bucket_key,
            ..Default::default()
        };
        set_sums!(output, &object.attributes.checksums);
        Ok(output)
    }

    fn readable(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        conditions: &Conditions,
    ) -> S3Result<(Arc<Object>, File)> {
        let (object, file) = self.store.read(bucket, key, version)?;
        conditions.check_read(&object, SystemTime::now())?;
        Ok((object, file))
    }

    pub(super) fn read(&self, input: &GetObjectInput) -> S3Result<GetObjectOutput> {
        let version = version(input.version_id.as_ref())?;
        let conditions = conditions!(input);
        let (object, file) = self.readable(&input.bucket, &input.key, version, &conditions)?;
        object.attributes.check_readable()?;
        let slice = slice(&object, input.range.as_ref(), input.part_number)?;
        let mode = input.checksum_mode.as_ref();
        let mut output = describe!(GetObjectOutput, &object, &slice, mode, input.part_number);
        output.version_id = self.store.told_version(&input.bucket, &object);
        output.tag_count = count(&object.attributes.tags.set());
        output.body = Some(contents(file, &slice.range)?);
        Ok(output)
    }

    /// What a read would tell, and the headers that `s3s` does not know here.
    pub(super) fn head(&self, input: &HeadObjectInput) -> S3Result<(HeadObjectOutput, HeaderMap)> {
        let version = version(input.version_id.as_ref())?;
        let conditions = conditions!(input);
        let (object, _) = self.readable(&input.bucket, &input.key, version, &conditions)?;
        let slice = slice(&object, input.range.as_ref(), input.part_number)?;
        let mode = input.checksum_mode.as_ref();
        let mut output = describe!(HeadObjectOutput, &object, &slice, mode, input.part_number);
        output.version_id = self.store.told_version(&input.bucket, &object);
        let other = |wanted: &Option<String>, own: &mut Option<String>| {
            if wanted.is_some() {
                own.clone_from(wanted);
            }
        };
        other(&input.response_content_type, &mut output.content_type);
        other(
            &input.response_content_encoding,
            &mut output.content_encoding,
        );
        other(
            &input.response_content_language,
            &mut output.content_language,
        );
        other(
            &input.response_content_disposition,
            &mut output.content_disposition,
        );
        other(&input.response_cache_control, &mut output.cache_control);
        if let Some(expires) = &input.response_expires {
            output.expires = Some(expires.clone());
        }
        let mut headers = HeaderMap::new();
        if let Some(tags) = count(&object.attributes.tags.set()) {
            headers.insert("x-amz-tagging-count", tags.into());
        }
        Ok((output, headers))
    }

    pub(super) fn tags(&self, input: &GetObjectTaggingInput) -> S3Result<GetObjectTaggingOutput> {
        let version = version(input.version_id.as_ref())?;
        let object = self.store.get(&input.bucket, &input.key, version)?;
        Ok(GetObjectTaggingOutput {
            tag_set: object.attributes.tags.set(),
            version_id: self.store.told_version(&input.bucket, &object),
        })
    }

    /// Gives a version of an object other tags; which, as an answer tells it.
    pub(super) fn retag(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Tags,
    ) -> S3Result<Option<String>> {
        let object = self.store.tag(bucket, key, version, tags)?;
        Ok(self.store.told_version(bucket, &object))
    }

    pub(super) fn attributes(
        &self,
        input: &GetObjectAttributesInput,
    ) -> S3Result<GetObjectAttributesOutput> {
        let version = version(input.version_id.as_ref())?;
        let object = self.store.get(&input.bucket, &input.key, version)?;
        let mut output = GetObjectAttributesOutput {
            last_modified: Some(object.modified.into()),
            version_id: self.store.told_version(&input.bucket, &object),
            ..Default::default()
        };
        // A list in one header stands between commas.
        let asked = input.object_attributes.iter();
        for name in asked
            .flat_map(|names| names.as_str().split(','))
            .map(str::trim)
        {
            match name {
                "ETag" => output.e_tag = Some(object.tag()),
                "Checksum" => output.checksum = checksum(&object),
                "ObjectSize" => output.object_size = Some(object.size as i64),
                "StorageClass" => {
                    let class = object.attributes.class().to_owned();
                    output.storage_class = Some(StorageClass::from(class));
                }
                "ObjectParts" => output.object_parts = parts(&object, input)?,
                wrong => {
                    let message = "Invalid attribute name specified.";
                    return Err(Fault::argument("x-amz-object-attributes", wrong, message).into());
                }
            }
        }
        Ok(output)
    }

    pub(super) fn remove(&self, input: &DeleteObjectInput) -> S3Result<DeleteObjectOutput> {
        let condition = of_write(input.if_match.as_ref(), None)?;
        let named = input.version_id.as_ref();
        let deleted = self.delete(&input.bucket, &input.key, named, &condition)?;
        Ok(DeleteObjectOutput {
            delete_marker: deleted.marker.then_some(true),
            version_id: deleted.version,
            ..Default::default()
        })
    }

    /// Deletes a key, or a version of it if one is named.
    fn delete(
        &self,
        bucket: &str,
        key: &str,
        named: Option<&String>,
        condition: &Condition,
    ) -> S3Result<Deleted> {
        Ok(match version(named)? {
            Some(id) => self.store.delete_version(bucket, key, id, condition)?,
            None => self.store.delete(bucket, key, condition)?,
        })
    }

    pub(super) fn remove_all(&self, input: DeleteObjectsInput) -> S3Result<DeleteObjectsOutput> {
        self.check_bucket(&input.bucket)?;
        let objects = input.delete.objects;
        if objects.is_empty() || objects.len() > DELETE_LIMIT {
            return Err(fault(S3ErrorCode::MalformedXML).into());
        }
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in objects {
            let condition = match &object.e_tag {
                Some(tag) if tag.value() == "*" => Condition::Present,
                Some(tag) => Condition::Matches(tag.value().to_owned()),
                None => Condition::Always,
            };
            let named = object.version_id.as_ref();
            match self.delete(&input.bucket, &object.key, named, &condition) {
                Ok(done) => deleted.push(DeletedObject {
                    key: Some(object.key),
                    version_id: object.version_id,
                    delete_marker: done.marker.then_some(true),
                    delete_marker_version_id: done.version.filter(|_| done.marker),
                }),
                Err(error) => errors.push(Error {
                    key: Some(object.key),
                    version_id: object.version_id,
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(str::to_owned),
                }),
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: (input.delete.quiet != Some(true)).then_some(deleted),
            errors: Some(errors),
            ..Default::default()
        })
    }
}

fn checksum(object: &Object) -> Option<Checksum> {
    let mut checksum = Checksum {
        checksum_type: checksum_type(object),
        ..Default::default()
    };
    // That of parts is given without their number.
    let plain = |sum: &String| sum.split('-').next().unwrap_or_default().to_owned();
    let sums = object.attributes.checksums.iter();
    let sums: Sums = sums.map(|(name, sum)| (name.clone(), plain(sum))).collect();
    set_sums!(checksum, &sums);
    (!sums.is_empty()).then_some(checksum)
}

/// The parts of an object, a page of them; those without checksums are only counted.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html>
fn parts(
    object: &Object,
    input: &GetObjectAttributesInput,
) -> Result<Option<GetObjectAttributesParts>, Fault> {
    let all = &object.attributes.parts;
    let Some(total) = count(all) else {
        return Ok(None);
    };
    if !object.attributes.composite {
        return Ok(Some(GetObjectAttributesParts {
            total_parts_count: Some(total),
            ..Default::default()
        }));
    }
    let limit = page_limit("max-parts", input.max_parts, PARTS_LIMIT)?;
    let marker = marker("part-number-marker", input.part_number_marker)?;
    let mut page: Vec<ObjectPart> = all
        .iter()
        .filter(|part| part.number > marker)
        .map(|part| {
            let mut told = ObjectPart {
                part_number: Some(part.number),
                size: Some(part.size as i64),
                ..Default::default()
            };
            set_sums!(told, &part.checksums);
            told
        })
        .collect();
    let limit_of_page = usize::try_from(limit).unwrap_or(0);
    let more = page.len() > limit_of_page;
    page.truncate(limit_of_page);
    let last = page.last().and_then(|part| part.part_number);
    Ok(Some(GetObjectAttributesParts {
        is_truncated: Some(more),
        max_parts: Some(limit),
        next_part_number_marker: Some(last.unwrap_or(marker)),
        part_number_marker: Some(marker),
        parts: Some(page),
        total_parts_count: Some(total),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::attributes::StoredPart;
    use std::path::PathBuf;

    fn object(sizes: &[u64]) -> Object {
        let parts = sizes.iter().zip(1..).map(|(size, number)| StoredPart {
            number,
            size: *size,
            checksums: Sums::new(),
        });
        Object {
            key: "k".to_owned(),
            path: PathBuf::new(),
            size: sizes.iter().sum(),
            e_tag: String::new(),
            modified: SystemTime::UNIX_EPOCH,
            attributes: Attributes {
                parts: parts.collect(),
                ..Attributes::default()
            },
            version: None,
            marker: false,
            turn: 0,
        }
    }

    #[test]
    fn ranges_and_parts_name_what_is_read() {
        let told = |object: &Object, range: Option<&str>, part: Option<i32>| {
            let range = range.map(|range| s3s::dto::Range::parse(range).unwrap());
            match slice(object, range.as_ref(), part) {
                Ok(slice) => slice.told.unwrap_or_default(),
                Err(fault) => fault.to_string(),
            }
        };
        let whole = object(&[10]);
        let parts = object(&[5, 1]);
        let empty = object(&[]);
        assert_eq!(told(&whole, Some("bytes=-3"), None), "bytes 7-9/10");
        assert_eq!(told(&whole, Some("bytes=-30"), None), "bytes 0-9/10");
        assert_eq!(told(&whole, Some("bytes=8-20"), None), "bytes 8-9/10");
        assert_eq!(told(&parts, None, Some(2)), "bytes 5-5/6");
        assert_eq!(told(&empty, None, Some(1)), "");
        for (object, range, part, code) in [
            (&whole, Some("bytes=10-"), None, "InvalidRange"),
            (&whole, Some("bytes=-0"), None, "InvalidRange"),
            (&empty, Some("bytes=-1"), None, "InvalidRange"),
            (&parts, None, Some(3), "InvalidPartNumber"),
            (&parts, None, Some(0), "InvalidArgument"),
            (&parts, Some("bytes=0-1"), Some(1), "InvalidRequest"),
        ] {
            let found = told(object, range, part);
            assert!(found.starts_with(code), "{found}");
        }
    }
}
