//! Uploads in parts. They are kept in memory: one that the local cloud did not live to see completed
//! is begun anew by its client.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::*;
use s3s::{S3Request, S3Response, S3Result, s3_error};
use uuid::Uuid;

use super::Backend;
use super::contents::{Expected, stage, sums};
use super::store::{Attributes, Condition, Staged, StoreError};

/// Smallest part, bytes; the last may be smaller.
const SMALLEST_PART: u64 = 5 * 1_024 * 1_024;

/// Uploads under way.
#[derive(Debug, Default)]
pub(super) struct Uploads(Mutex<HashMap<String, Upload>>);

#[derive(Debug)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, (Staged, SystemTime)>,
}

impl Uploads {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0.lock()
    }
}

impl Backend {
    pub(super) fn begin_upload(
        &self,
        input: CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        if !self.store.has_bucket(&input.bucket) {
            return Err(s3_error!(NoSuchBucket));
        }
        let id = Uuid::new_v4().simple().to_string();
        let upload = Upload {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            attributes: Attributes {
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
                metadata: input.metadata.unwrap_or_default().into_iter().collect(),
                ..Attributes::default()
            },
            parts: BTreeMap::new(),
        };
        self.uploads.lock().insert(id.clone(), upload);
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            ..Default::default()
        }))
    }

    pub(super) async fn add_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let input = req.input;
        if !self.uploads.lock().contains_key(&input.upload_id) {
            return Err(s3_error!(NoSuchUpload));
        }
        let expected = Expected {
            md5: input.content_md5.clone(),
            sums: sums!(input),
            algorithm: input.checksum_algorithm.clone(),
            trailers: req.trailing_headers,
        };
        let (staged, checksums) = stage(&self.store, input.body, expected).await?;
        let sum = |name: &str| {
            checksums
                .iter()
                .find(|(sum, _)| sum == name)
                .map(|(_, value)| value.clone())
        };
        let output = UploadPartOutput {
            e_tag: Some(ETag::Strong(staged.e_tag.clone())),
            checksum_crc32: sum("CRC32"),
            checksum_crc32c: sum("CRC32C"),
            checksum_sha1: sum("SHA1"),
            checksum_sha256: sum("SHA256"),
            checksum_crc64nvme: sum("CRC64NVME"),
            ..Default::default()
        };
        let mut uploads = self.uploads.lock();
        let upload = uploads
            .get_mut(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        upload
            .parts
            .insert(input.part_number, (staged, SystemTime::now()));
        Ok(S3Response::new(output))
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let uploads = self.uploads.lock();
        let upload = uploads
            .get(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        let parts = upload.parts.iter().map(|(number, (staged, at))| Part {
            part_number: Some(*number),
            e_tag: Some(ETag::Strong(staged.e_tag.clone())),
            size: Some(staged.size as i64),
            last_modified: Some((*at).into()),
            ..Default::default()
        });
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(upload.bucket.clone()),
            key: Some(upload.key.clone()),
            parts: Some(parts.collect()),
            is_truncated: Some(false),
            upload_id: Some(input.upload_id),
            ..Default::default()
        }))
    }

    pub(super) fn complete_upload(
        &self,
        input: CompleteMultipartUploadInput,
        condition: &Condition,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let mut uploads = self.uploads.lock();
        let upload = uploads
            .get(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        let wanted = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let staged = self.join(upload, &wanted)?;
        let attributes = upload.attributes.clone();
        let object = self
            .store
            .commit(&input.bucket, &input.key, staged, attributes, condition)?;
        uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(object.e_tag.clone())),
            ..Default::default()
        }))
    }

    /// One file from the parts. The ETag is the MD5 of the parts' MD5s, a hyphen and their number.
    fn join(&self, upload: &Upload, wanted: &[CompletedPart]) -> S3Result<Staged> {
        if wanted.is_empty() {
            return Err(s3_error!(MalformedXML, "at least one part is needed"));
        }
        if !wanted.is_sorted_by(|a, b| a.part_number < b.part_number) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let mut whole = Staged {
            path: self.store.new_path(),
            size: 0,
            e_tag: String::new(),
        };
        let mut file = File::create(&whole.path).map_err(StoreError::Io)?;
        let mut md5 = Md5::new();
        for (index, part) in wanted.iter().enumerate() {
            let number = part.part_number.unwrap_or_default();
            let (staged, _) = upload
                .parts
                .get(&number)
                .ok_or_else(|| s3_error!(InvalidPart, "part {number} was not uploaded"))?;
            if part
                .e_tag
                .as_ref()
                .is_some_and(|tag| tag.value() != staged.e_tag)
            {
                return Err(s3_error!(InvalidPart, "part {number} has another ETag"));
            }
            if staged.size < SMALLEST_PART && index + 1 < wanted.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            let mut contents = File::open(&staged.path).map_err(StoreError::Io)?;
            whole.size += io::copy(&mut contents, &mut file).map_err(StoreError::Io)?;
            let digest = hex::decode(&staged.e_tag);
            md5.update(&digest.map_err(|error| s3_error!(error, InternalError))?);
        }
        whole.e_tag = format!("{}-{}", hex::encode(md5.finalize()), wanted.len());
        Ok(whole)
    }

    pub(super) fn abort_upload(&self, id: &str) -> S3Result<()> {
        let removed = self.uploads.lock().remove(id);
        removed.map(drop).ok_or_else(|| s3_error!(NoSuchUpload))
    }
}
