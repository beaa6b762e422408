//! The operations of S3 over the store.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>

use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Bucket, CommonPrefix,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CopyObjectInput, CopyObjectOutput,
    CopyObjectResult, CopySource, CreateBucketInput, CreateBucketOutput,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, DeleteBucketInput, DeleteBucketOutput,
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject,
    ETag, ETagCondition, Error, GetBucketLocationInput, GetBucketLocationOutput, GetObjectInput,
    GetObjectOutput, HeadBucketInput, HeadBucketOutput, HeadObjectInput, HeadObjectOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ListPartsInput, ListPartsOutput, MetadataDirective, ObjectStorageClass,
    PutObjectInput, PutObjectOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Error, S3Request, S3Response, S3Result, s3_error};

use super::Backend;
use super::contents::{Expected, contents, internal, stage, sums};
use super::store::{Attributes, Condition, Object, StoreError};

/// Keys of one page of a listing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>
const PAGE_LIMIT: i32 = 1_000;
/// Longest key, bytes.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const KEY_LIMIT: usize = 1_024;

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> S3Error {
        let message = error.to_string();
        match error {
            StoreError::NoSuchBucket => s3_error!(NoSuchBucket, "{message}"),
            StoreError::NoSuchKey => s3_error!(NoSuchKey, "{message}"),
            StoreError::BucketNotEmpty => s3_error!(BucketNotEmpty, "{message}"),
            StoreError::PreconditionFailed => s3_error!(PreconditionFailed, "{message}"),
            StoreError::Io(error) => s3_error!(error, InternalError, "{message}"),
        }
    }
}

fn condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<Condition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Condition::Matches(tag.value().to_owned())),
        (_, Some(_)) => Err(s3_error!(
            NotImplemented,
            "If-None-Match takes * only, and not together with If-Match"
        )),
    }
}

fn tag(object: &Object) -> ETag {
    ETag::Strong(object.e_tag.clone())
}

fn summary(object: &Arc<Object>) -> s3s::dto::Object {
    s3s::dto::Object {
        key: Some(object.key.clone()),
        size: Some(object.size as i64),
        e_tag: Some(tag(object)),
        last_modified: Some(object.modified.into()),
        storage_class: Some(ObjectStorageClass::from_static(
            ObjectStorageClass::STANDARD,
        )),
        ..Default::default()
    }
}

/// Refuses a read whose conditions do not hold.
fn check_read(
    object: &Object,
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<()> {
    let is = |condition: &ETagCondition| {
        condition
            .as_etag()
            .is_none_or(|tag| tag.value() == object.e_tag)
    };
    if if_match.is_some_and(|condition| !is(condition)) {
        return Err(s3_error!(PreconditionFailed));
    }
    if if_none_match.is_some_and(is) {
        return Err(s3_error!(NotModified));
    }
    Ok(())
}

#[async_trait::async_trait]
impl s3s::S3 for Backend {
    async fn list_buckets(
        &self,
        _: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let buckets = self
            .store
            .list_buckets()
            .into_iter()
            .map(|(name, created)| Bucket {
                name: Some(name),
                creation_date: Some(created.into()),
                ..Default::default()
            });
        Ok(S3Response::new(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..Default::default()
        }))
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        if !self
            .store
            .create_bucket(&req.input.bucket)
            .map_err(internal)?
        {
            return Err(s3_error!(BucketAlreadyOwnedByYou));
        }
        Ok(S3Response::new(CreateBucketOutput {
            location: Some(format!("/{}", req.input.bucket)),
        }))
    }

    async fn delete_bucket(
        &self,
        req: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.store.delete_bucket(&req.input.bucket)?;
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn head_bucket(
        &self,
        req: S3Request<HeadBucketInput>,
    ) -> S3Result<S3Response<HeadBucketOutput>> {
        if !self.store.has_bucket(&req.input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        if !self.store.has_bucket(&req.input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        Ok(S3Response::new(GetBucketLocationOutput::default()))
    }

    async fn put_object(
        &self,
        req: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let input = req.input;
        if input.key.len() > KEY_LIMIT {
            return Err(s3_error!(KeyTooLongError));
        }
        let condition = condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        if !self.store.has_bucket(&input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        let expected = Expected {
            md5: input.content_md5.clone(),
            sums: sums!(input),
            algorithm: input.checksum_algorithm.clone(),
            trailers: req.trailing_headers,
        };
        let (staged, checksums) = stage(&self.store, input.body, expected).await?;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            metadata: input.metadata.unwrap_or_default().into_iter().collect(),
            checksums: checksums.into_iter().collect(),
        };
        let object =
            self.store
                .commit(&input.bucket, &input.key, staged, attributes, &condition)?;
        let sum = |name: &str| object.attributes.checksums.get(name).cloned();
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(tag(&object)),
            checksum_crc32: sum("CRC32"),
            checksum_crc32c: sum("CRC32C"),
            checksum_sha1: sum("SHA1"),
            checksum_sha256: sum("SHA256"),
            checksum_crc64nvme: sum("CRC64NVME"),
            ..Default::default()
        }))
    }

    async fn get_object(
        &self,
        req: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let input = req.input;
        let (object, file) = self.store.read(&input.bucket, &input.key)?;
        check_read(
            &object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
        )?;
        let range = match &input.range {
            Some(range) => range
                .check(object.size)
                .map_err(|_| s3_error!(InvalidRange))?,
            None => 0..object.size,
        };
        let attributes = &object.attributes;
        // A checksum is of the whole object.
        let whole = input.range.is_none() && input.checksum_mode.is_some();
        let sum = |name: &str| attributes.checksums.get(name).filter(|_| whole).cloned();
        let output = GetObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_range: input
                .range
                .map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, object.size)),
            content_length: Some((range.end - range.start) as i64),
            body: Some(contents(file, &range)?),
            e_tag: Some(tag(&object)),
            last_modified: Some(object.modified.into()),
            content_type: Some(
                attributes
                    .content_type
                    .clone()
                    .unwrap_or_else(|| DEFAULT_TYPE.to_owned()),
            ),
            content_encoding: attributes.content_encoding.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_language: attributes.content_language.clone(),
            cache_control: attributes.cache_control.clone(),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            checksum_crc32: sum("CRC32"),
            checksum_crc32c: sum("CRC32C"),
            checksum_sha1: sum("SHA1"),
            checksum_sha256: sum("SHA256"),
            checksum_crc64nvme: sum("CRC64NVME"),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn head_object(
        &self,
        req: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let object = self.store.get(&req.input.bucket, &req.input.key)?;
        check_read(
            &object,
            req.input.if_match.as_ref(),
            req.input.if_none_match.as_ref(),
        )?;
        let attributes = &object.attributes;
        let output = HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: Some(object.size as i64),
            e_tag: Some(tag(&object)),
            last_modified: Some(object.modified.into()),
            content_type: Some(
                attributes
                    .content_type
                    .clone()
                    .unwrap_or_else(|| DEFAULT_TYPE.to_owned()),
            ),
            content_encoding: attributes.content_encoding.clone(),
            content_disposition: attributes.content_disposition.clone(),
            content_language: attributes.content_language.clone(),
            cache_control: attributes.cache_control.clone(),
            metadata: Some(attributes.metadata.clone().into_iter().collect()),
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn copy_object(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let input = req.input;
        let CopySource::Bucket { bucket, key, .. } = &input.copy_source else {
            return Err(s3_error!(NotImplemented, "the source must be bucket/key"));
        };
        let (source, file) = self.store.read(bucket, key)?;
        let body = contents(file, &(0..source.size))?;
        let (staged, _) = stage(&self.store, Some(body), Expected::default()).await?;
        let replaces = input
            .metadata_directive
            .as_ref()
            .is_some_and(|d| d.as_str() == MetadataDirective::REPLACE);
        let attributes = if replaces {
            Attributes {
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
                metadata: input.metadata.unwrap_or_default().into_iter().collect(),
                ..source.attributes.clone()
            }
        } else {
            source.attributes.clone()
        };
        let object = self.store.commit(
            &input.bucket,
            &input.key,
            staged,
            attributes,
            &Condition::Always,
        )?;
        Ok(S3Response::new(CopyObjectOutput {
            copy_object_result: Some(CopyObjectResult {
                e_tag: Some(tag(&object)),
                last_modified: Some(object.modified.into()),
                ..Default::default()
            }),
            ..Default::default()
        }))
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.store.delete(&req.input.bucket, &req.input.key)?;
        Ok(S3Response::with_status(
            DeleteObjectOutput::default(),
            http::StatusCode::NO_CONTENT,
        ))
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in req.input.delete.objects {
            match self.store.delete(&req.input.bucket, &object.key) {
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(object.key),
                    ..Default::default()
                }),
                Err(StoreError::NoSuchBucket) => return Err(s3_error!(NoSuchBucket)),
                Err(error) => errors.push(Error {
                    key: Some(object.key),
                    code: Some("InternalError".to_owned()),
                    message: Some(error.to_string()),
                    ..Default::default()
                }),
            }
        }
        Ok(S3Response::new(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..Default::default()
        }))
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let input = req.input;
        let limit = input.max_keys.unwrap_or(PAGE_LIMIT).clamp(0, PAGE_LIMIT);
        let after = input
            .continuation_token
            .as_ref()
            .or(input.start_after.as_ref());
        let page = self.store.list(
            &input.bucket,
            input.prefix.as_deref().unwrap_or_default(),
            input.delimiter.as_deref(),
            after.map_or("", String::as_str),
            usize::try_from(limit).unwrap_or(0),
        )?;
        let prefixes = page.prefixes.into_iter().map(|prefix| CommonPrefix {
            prefix: Some(prefix),
        });
        let (contents, common_prefixes): (Vec<_>, Vec<_>) = (
            page.objects.iter().map(summary).collect(),
            prefixes.collect(),
        );
        let output = ListObjectsV2Output {
            key_count: Some((contents.len() + common_prefixes.len()) as i32),
            contents: Some(contents),
            common_prefixes: Some(common_prefixes),
            is_truncated: Some(page.next.is_some()),
            next_continuation_token: page.next,
            continuation_token: input.continuation_token,
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            max_keys: Some(limit),
            start_after: input.start_after,
            ..Default::default()
        };
        Ok(S3Response::new(output))
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        let marker = req.input.marker.clone();
        let second = self.list_objects_v2(req.map_input(Into::into)).await?;
        Ok(second.map_output(|page| ListObjectsOutput {
            contents: page.contents,
            common_prefixes: page.common_prefixes,
            delimiter: page.delimiter,
            is_truncated: page.is_truncated,
            marker,
            max_keys: page.max_keys,
            name: page.name,
            next_marker: page.next_continuation_token,
            prefix: page.prefix,
            ..Default::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin_upload(req.input)
    }

    async fn upload_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        self.add_part(req).await
    }

    async fn list_parts(
        &self,
        req: S3Request<ListPartsInput>,
    ) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(req.input)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let condition = condition(
            req.input.if_match.as_ref(),
            req.input.if_none_match.as_ref(),
        )?;
        self.complete_upload(req.input, &condition)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.abort_upload(&req.input.upload_id)?;
        Ok(S3Response::with_status(
            AbortMultipartUploadOutput::default(),
            http::StatusCode::NO_CONTENT,
        ))
    }
}

/// Type of an object whose writer named none.
const DEFAULT_TYPE: &str = "binary/octet-stream";
