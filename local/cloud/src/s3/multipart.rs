//! Uploads in parts. Each is a folder until it is completed or aborted, as on S3 itself: an upload
//! survives the local cloud.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, ListPartsInput, ListPartsOutput,
    Part, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::private;

use super::Backend;
use super::contents::{Expected, stage, sums};
use super::store::{Attributes, Condition, Staged, StoreError};

/// Smallest part, bytes; the last may be smaller.
const SMALLEST_PART: u64 = 5 * 1_024 * 1_024;
/// What is known of an upload, in its folder.
const UPLOAD: &str = "upload.json";

/// Uploads under way, by id, each with a folder of that name.
#[derive(Debug)]
pub(super) struct Uploads {
    folder: PathBuf,
    uploads: Mutex<HashMap<String, Upload>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Upload {
    bucket: String,
    key: String,
    attributes: Attributes,
    parts: BTreeMap<i32, UploadedPart>,
}

/// A part, with the name of the file that has its contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct UploadedPart {
    file: String,
    size: u64,
    e_tag: String,
    modified: SystemTime,
}

impl Uploads {
    /// The uploads of a folder. One whose record cannot be read is left alone, and said.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        private::create_dir_all(&folder)?;
        let mut uploads = HashMap::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let read = fs::read(entry.path().join(UPLOAD));
            let read = read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
            match (read, entry.file_name().into_string()) {
                (Ok(upload), Ok(id)) => {
                    uploads.insert(id, upload);
                }
                (Err(error), _) => {
                    tracing::warn!(path = %entry.path().display(), %error, "upload not read");
                }
                (Ok(_), Err(_)) => {}
            }
        }
        Ok(Uploads {
            folder,
            uploads: Mutex::new(uploads),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.uploads.lock()
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// Writes the record of an upload, whole or not at all.
    fn save(&self, id: &str, upload: &Upload) -> io::Result<()> {
        let folder = self.path(id);
        private::create_dir_all(&folder)?;
        let new = folder.join(format!("{UPLOAD}.new"));
        private::write(&new, &serde_json::to_vec(upload)?)?;
        fs::rename(new, folder.join(UPLOAD))
    }

    /// Forgets an upload with its parts; whether there was one.
    fn remove(&self, id: &str) -> bool {
        let known = self.lock().remove(id).is_some();
        if known {
            // What is left of a folder without its record is no upload.
            let _ = fs::remove_dir_all(self.path(id));
        }
        known
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
        self.uploads.save(&id, &upload).map_err(StoreError::Io)?;
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
        self.keep_part(&input.upload_id, input.part_number, &staged)?;
        Ok(S3Response::new(output))
    }

    /// Makes staged contents a part, instead of the one of that number that may be there.
    fn keep_part(&self, id: &str, number: i32, staged: &Staged) -> S3Result<()> {
        let mut uploads = self.uploads.lock();
        let upload = uploads.get_mut(id).ok_or_else(|| s3_error!(NoSuchUpload))?;
        let part = UploadedPart {
            // Of its own: the earlier file stays whole until the record names this one.
            file: format!("{number}-{}", Uuid::new_v4().simple()),
            size: staged.size,
            e_tag: staged.e_tag.clone(),
            modified: SystemTime::now(),
        };
        let folder = self.uploads.path(id);
        fs::rename(&staged.path, folder.join(&part.file)).map_err(StoreError::Io)?;
        let mut changed = upload.clone();
        let earlier = changed.parts.insert(number, part);
        self.uploads.save(id, &changed).map_err(StoreError::Io)?;
        *upload = changed;
        if let Some(earlier) = earlier {
            // Nothing names it any more.
            let _ = fs::remove_file(folder.join(earlier.file));
        }
        Ok(())
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        let uploads = self.uploads.lock();
        let upload = uploads
            .get(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        let parts = upload.parts.iter().map(|(number, part)| Part {
            part_number: Some(*number),
            e_tag: Some(ETag::Strong(part.e_tag.clone())),
            size: Some(part.size as i64),
            last_modified: Some(part.modified.into()),
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
        let uploads = self.uploads.lock();
        let upload = uploads
            .get(&input.upload_id)
            .ok_or_else(|| s3_error!(NoSuchUpload))?;
        let wanted = input
            .multipart_upload
            .and_then(|upload| upload.parts)
            .unwrap_or_default();
        let folder = self.uploads.path(&input.upload_id);
        let staged = self.join(&folder, upload, &wanted)?;
        let attributes = upload.attributes.clone();
        let object = self
            .store
            .commit(&input.bucket, &input.key, staged, attributes, condition)?;
        drop(uploads);
        self.uploads.remove(&input.upload_id);
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(object.e_tag.clone())),
            ..Default::default()
        }))
    }

    /// One file from the parts. The ETag is the MD5 of the parts' MD5s, a hyphen and their number.
    fn join(&self, folder: &Path, upload: &Upload, wanted: &[CompletedPart]) -> S3Result<Staged> {
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
        let mut file = private::create(&whole.path).map_err(StoreError::Io)?;
        let mut md5 = Md5::new();
        for (index, part) in wanted.iter().enumerate() {
            let number = part.part_number.unwrap_or_default();
            let uploaded = upload
                .parts
                .get(&number)
                .ok_or_else(|| s3_error!(InvalidPart, "part {number} was not uploaded"))?;
            if part
                .e_tag
                .as_ref()
                .is_some_and(|tag| tag.value() != uploaded.e_tag)
            {
                return Err(s3_error!(InvalidPart, "part {number} has another ETag"));
            }
            if uploaded.size < SMALLEST_PART && index + 1 < wanted.len() {
                return Err(s3_error!(EntityTooSmall));
            }
            let contents = File::open(folder.join(&uploaded.file));
            let mut contents = contents.map_err(StoreError::Io)?;
            whole.size += io::copy(&mut contents, &mut file).map_err(StoreError::Io)?;
            let digest = hex::decode(&uploaded.e_tag);
            md5.update(&digest.map_err(|error| s3_error!(error, InternalError))?);
        }
        whole.e_tag = format!("{}-{}", hex::encode(md5.finalize()), wanted.len());
        Ok(whole)
    }

    pub(super) fn abort_upload(&self, id: &str) -> S3Result<()> {
        let known = self.uploads.remove(id);
        known.then_some(()).ok_or_else(|| s3_error!(NoSuchUpload))
    }
}
