//! Copies within the store: whole objects, and parts of uploads.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CopyObject.html>

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::{HeaderMap, StatusCode};
use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag,
    UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use super::Backend;
use super::attributes::Attributes;
use super::conditions::{Conditions, conditions, of_write};
use super::contents::{Expected, algorithm, contents, set_sums, stage};
use super::fault::{Fault, fault};
use super::list::checksum_type;
use super::objects::{check_key, version};
use super::settings::Setting;
use super::store::{Object, StoreError};

/// Largest object that one request copies, bytes.
const COPY_LIMIT: u64 = 5 * 1_024 * 1_024 * 1_024;

impl Backend {
    fn source(
        &self,
        source: &CopySource,
        conditions: &Conditions,
    ) -> S3Result<(Arc<Object>, File)> {
        let CopySource::Bucket {
            bucket,
            key,
            version_id,
        } = source
        else {
            return Err(Fault::not_offered("x-amz-copy-source of an access point").into());
        };
        let named = version_id.as_deref().map(str::to_owned);
        let read = self.store.read(bucket, key, version(named.as_ref())?);
        let (object, file) = read.map_err(|error| match error {
            // The error is about the source, not about what the request names.
            StoreError::NoSuchBucket => {
                let fault = fault(S3ErrorCode::NoSuchBucket);
                fault.with("BucketName", bucket).into()
            }
            StoreError::NoSuchKey => fault(S3ErrorCode::NoSuchKey).with("Key", key).into(),
            StoreError::IsMarker(..) => {
                let message = "The source of a copy request may not specifically refer to a delete marker by version id.";
                Fault::new(S3ErrorCode::InvalidRequest, message).into()
            }
            other => S3Error::from(other),
        })?;
        conditions.check_source(&object, SystemTime::now())?;
        if object.attributes.is_archived() {
            let message = "The source object of the COPY operation is not in the active tier and is only stored in \
                           Amazon S3 Glacier.";
            let code = "ObjectNotInActiveTierError";
            return Err(Fault::custom(StatusCode::FORBIDDEN, code, message).into());
        }
        Ok((object, file))
    }

    /// The version of a source, as an answer tells it.
    fn version_of(&self, source: &CopySource, object: &Object) -> Option<String> {
        match source {
            CopySource::Bucket { bucket, .. } => self.store.told_version(bucket, object),
            _ => None,
        }
    }

    pub(super) async fn copy(&self, req: S3Request<CopyObjectInput>) -> S3Result<CopyObjectOutput> {
        let (input, headers) = (req.input, req.headers);
        check_key(&input.key)?;
        let condition = of_write(
            if_match(&headers)?.as_ref(),
            if_none_match(&headers)?.as_ref(),
        )?;
        self.check_bucket(&input.bucket)?;
        let (source, file) = self.source(&input.copy_source, &conditions!(source of input))?;
        if source.size > COPY_LIMIT {
            let message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120";
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message).into());
        }
        let given = Attributes::of(&headers, input.metadata)?;
        let mut attributes = merged(&source.attributes, given, &headers)?;
        self.encrypt(&input.bucket, &mut attributes.encryption)?;
        // The encryption that a bucket was given counts as one that the request names.
        let changes = changes(&headers) || self.has_setting(&input.bucket, Setting::Encryption)?;
        if is_same(&input.copy_source, &input.bucket, &input.key) && !changes {
            let message = "This copy request is illegal because it is trying to copy an object to itself without \
                           changing the object's metadata, storage class, website redirect location or encryption \
                           attributes.";
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message).into());
        }
        let wanted = headers
            .get("x-amz-checksum-algorithm")
            .map(|name| algorithm(name.to_str().unwrap_or_default()))
            .transpose()?;
        let kept = || source.attributes.checksums.keys().next().cloned();
        let wanted = wanted.map(str::to_owned).or_else(kept);
        let body = contents(file, &(0..source.size))?;
        let nothing = Expected::of(&HeaderMap::new(), None)?;
        let (staged, sums) = stage(&self.store, Some(body), &nothing, wanted.as_deref()).await?;
        attributes.checksums = sums;
        let object =
            self.store
                .commit(&input.bucket, &input.key, staged, attributes, &condition)?;
        let mut result = CopyObjectResult {
            e_tag: Some(object.tag()),
            last_modified: Some(object.modified.into()),
            checksum_type: checksum_type(&object),
            ..Default::default()
        };
        set_sums!(result, &object.attributes.checksums);
        let encryption = &object.attributes.encryption;
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            copy_source_version_id: self.version_of(&input.copy_source, &source),
            version_id: self.store.told_version(&input.bucket, &object),
            server_side_encryption: encryption.told(),
            ssekms_key_id: encryption.key.clone(),
            ssekms_encryption_context: encryption.context.clone(),
            bucket_key_enabled: encryption.bucket_key,
            ..Default::default()
        })
    }

    pub(super) async fn copy_part(
        &self,
        input: UploadPartCopyInput,
    ) -> S3Result<UploadPartCopyOutput> {
        let (id, number) = (&input.upload_id, input.part_number);
        let upload = self.check_part(&input.bucket, &input.key, id, number)?;
        let wanted = upload.checksum;
        let (source, file) = self.source(&input.copy_source, &conditions!(source of input))?;
        let range = match &input.copy_source_range {
            Some(range) => source_range(range, source.size)?,
            None => 0..source.size,
        };
        let body = contents(file, &range)?;
        let nothing = Expected::of(&HeaderMap::new(), None)?;
        let (staged, sums) = stage(&self.store, Some(body), &nothing, wanted.as_deref()).await?;
        let modified = self.keep_part(id, number, &staged, sums.clone())?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(staged.e_tag.clone())),
            last_modified: Some(modified.into()),
            ..Default::default()
        };
        // S3 tells a sum that the upload asked for.
        if wanted.is_some() {
            set_sums!(result, &sums);
        }
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            copy_source_version_id: self.version_of(&input.copy_source, &source),
            server_side_encryption: upload.attributes.encryption.told(),
            ssekms_key_id: upload.attributes.encryption.key,
            bucket_key_enabled: upload.attributes.encryption.bucket_key,
            ..Default::default()
        })
    }
}

/// `s3s` does not read the conditions of a copy's target, which are younger than its model.
fn if_match(headers: &HeaderMap) -> Result<Option<s3s::dto::ETagCondition>, Fault> {
    tag_of(headers, "if-match")
}

fn if_none_match(headers: &HeaderMap) -> Result<Option<s3s::dto::ETagCondition>, Fault> {
    tag_of(headers, "if-none-match")
}

fn tag_of(headers: &HeaderMap, name: &str) -> Result<Option<s3s::dto::ETagCondition>, Fault> {
    let parse = |value: &http::HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        text.parse()
            .map_err(|_| Fault::argument(name, text, "no entity tag"))
    };
    headers.get(name).map(parse).transpose()
}

/// The attributes of a copy: those of the source, or those that the request gives.
fn merged(
    source: &Attributes,
    given: Attributes,
    headers: &HeaderMap,
) -> Result<Attributes, Fault> {
    let replaces = directive(headers, "x-amz-metadata-directive")?;
    let tags = if directive(headers, "x-amz-tagging-directive")? {
        given.tags.clone()
    } else {
        source.tags.clone()
    };
    let basis = if replaces { &given } else { source };
    // The copy gets these from the request alone.
    Ok(Attributes {
        storage_class: given.storage_class.clone(),
        redirect: given.redirect.clone(),
        encryption: given.encryption.clone(),
        tags,
        composite: false,
        parts: Vec::new(),
        ..basis.clone()
    })
}

/// Whether a directive replaces what the source has.
fn directive(headers: &HeaderMap, name: &'static str) -> Result<bool, Fault> {
    match headers
        .get(name)
        .map(|value| value.to_str().unwrap_or_default())
    {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(wrong) => {
            let kind = if name.contains("tagging") {
                "tagging"
            } else {
                "metadata"
            };
            let message = format!("Unknown {kind} directive.");
            Err(Fault::argument(name, wrong, message))
        }
    }
}

/// Whether a copy is of the latest version onto itself; an older one that is copied becomes the latest.
fn is_same(source: &CopySource, bucket: &str, key: &str) -> bool {
    matches!(
        source,
        CopySource::Bucket { bucket: from, key: of, version_id: None } if **from == *bucket && **of == *key
    )
}

/// Whether a copy of an object onto itself says anything that S3 lets it change.
fn changes(headers: &HeaderMap) -> bool {
    let replaces = headers.get("x-amz-metadata-directive");
    replaces.is_some_and(|directive| directive == "REPLACE")
        || [
            "x-amz-storage-class",
            "x-amz-website-redirect-location",
            "x-amz-server-side-encryption",
            "x-amz-checksum-algorithm",
        ]
        .iter()
        .any(|name| headers.contains_key(*name))
}

/// `bytes=FIRST-LAST` of a source; no other form is a range here, and it may not go beyond the end.
fn source_range(text: &str, size: u64) -> Result<Range<u64>, Fault> {
    let invalid = || {
        let message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are \
                       the zero-based offsets of the first and last bytes to copy";
        Fault::argument("x-amz-copy-source-range", text, message)
    };
    let (first, last) = text
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
        .ok_or_else(invalid)?;
    let first: u64 = first.parse().map_err(|_| invalid())?;
    let last: u64 = last.parse().map_err(|_| invalid())?;
    if first > last {
        return Err(invalid());
    }
    if last >= size {
        let message = format!("Range specified is not valid for source object of size: {size}");
        return Err(Fault::argument("x-amz-copy-source-range", text, message));
    }
    Ok(first..last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_a_source_is_whole_and_within_it() {
        assert_eq!(source_range("bytes=0-9", 10).unwrap(), 0..10);
        for wrong in [
            "0-9",
            "bytes=0",
            "bytes=-5",
            "bytes=3-",
            "bytes=5-2",
            "bytes=0-10",
        ] {
            let error = source_range(wrong, 10).unwrap_err().to_string();
            assert!(error.starts_with("InvalidArgument"), "{wrong}: {error}");
        }
    }
}
