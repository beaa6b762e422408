//! Uploads in parts. Each is a folder until it is completed or aborted, as on S3 itself: an upload
//! survives the local cloud.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, MutexGuard};
use s3s::dto::{
    ChecksumAlgorithm, ChecksumType, CommonPrefix, CreateMultipartUploadInput,
    CreateMultipartUploadOutput, ETag, Initiator, ListMultipartUploadsInput,
    ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload, Part,
    StorageClass, UploadPartInput, UploadPartOutput,
};
use s3s::{S3ErrorCode, S3Request, S3Result};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::private;

use super::Backend;
use super::attributes::{Attributes, Encryption};
use super::chunked::Trailers;
use super::contents::{Expected, Sums, algorithm, internal, set_sums, stage};
use super::fault::{Fault, fault};
use super::list::{Encoding, OWNER, PAGE_LIMIT, marker, owner, page_limit};
use super::objects::check_key;
use super::store::{Staged, StoreError};

/// What is known of an upload, in its folder.
const UPLOAD: &str = "upload.json";
/// What came of an upload, in its folder.
const COMPLETED: &str = "completed.json";
/// How long a completed upload is remembered, so that a request which is sent again is answered again.
const REMEMBERED: Duration = Duration::from_secs(24 * 3_600);
/// Parts of an upload are numbered from 1 to this.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html>
const LAST_PART: i32 = 10_000;

/// Uploads under way and completed ones, by id, each with a folder of that name.
#[derive(Debug)]
pub(super) struct Uploads {
    folder: PathBuf,
    uploads: Mutex<HashMap<String, Upload>>,
    completed: Mutex<HashMap<String, Completed>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Upload {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) attributes: Attributes,
    /// Algorithm of the checksum that was asked for.
    #[serde(default)]
    pub(super) checksum: Option<String>,
    /// Whether the checksum is to be one of the parts' checksums.
    #[serde(default)]
    pub(super) composite: bool,
    #[serde(default = "SystemTime::now")]
    initiated: SystemTime,
    pub(super) parts: BTreeMap<i32, UploadedPart>,
}

/// A part, with the name of the file that has its contents.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct UploadedPart {
    pub(super) file: String,
    pub(super) size: u64,
    pub(super) e_tag: String,
    #[serde(default)]
    pub(super) checksums: Sums,
    modified: SystemTime,
}

/// What came of an upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Completed {
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) e_tag: String,
    pub(super) checksums: Sums,
    pub(super) composite: bool,
    pub(super) encryption: Encryption,
    #[serde(default)]
    pub(super) version: Option<String>,
    pub(super) at: SystemTime,
}

impl Uploads {
    /// The uploads of a folder. One whose record cannot be read is left alone, and said.
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        private::create_dir_all(&folder)?;
        let (mut uploads, mut completed) = (HashMap::new(), HashMap::new());
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let Ok(id) = entry.file_name().into_string() else {
                continue;
            };
            if let Ok(record) = read::<Completed>(&entry.path().join(COMPLETED)) {
                if record.at.elapsed().is_ok_and(|age| age > REMEMBERED) {
                    let _ = fs::remove_dir_all(entry.path());
                } else {
                    completed.insert(id, record);
                }
                continue;
            }
            match read(&entry.path().join(UPLOAD)) {
                Ok(upload) => {
                    uploads.insert(id, upload);
                }
                Err(error) => {
                    tracing::warn!(path = %entry.path().display(), %error, "upload not read");
                }
            }
        }
        Ok(Uploads {
            folder,
            uploads: Mutex::new(uploads),
            completed: Mutex::new(completed),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.uploads.lock()
    }

    pub(super) fn path(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }

    /// An upload under way of this object.
    pub(super) fn get(&self, bucket: &str, key: &str, id: &str) -> Result<Upload, Fault> {
        let uploads = self.lock();
        let upload = uploads
            .get(id)
            .filter(|upload| upload.bucket == bucket && upload.key == key);
        upload.cloned().ok_or_else(no_such_upload)
    }

    /// What came of an upload of this object.
    pub(super) fn completed(&self, bucket: &str, key: &str, id: &str) -> Option<Completed> {
        let completed = self.completed.lock();
        let record = completed.get(id)?;
        (record.bucket == bucket && record.key == key).then(|| record.clone())
    }

    /// Writes the record of an upload, whole or not at all.
    fn save(&self, id: &str, upload: &Upload) -> io::Result<()> {
        write(&self.path(id), UPLOAD, upload)
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

    /// Keeps what came of an upload in place of its parts.
    pub(super) fn finish(&self, id: &str, record: Completed) -> io::Result<()> {
        self.remove(id);
        write(&self.path(id), COMPLETED, &record)?;
        self.completed.lock().insert(id.to_owned(), record);
        Ok(())
    }

    /// Forgets the uploads of a bucket that is gone.
    pub(super) fn forget(&self, bucket: &str) {
        let of_bucket =
            |(id, upload): (&String, &Upload)| (upload.bucket == bucket).then(|| id.clone());
        let ids: Vec<String> = self.lock().iter().filter_map(of_bucket).collect();
        for id in ids {
            self.remove(&id);
        }
    }
}

pub(super) fn no_such_upload() -> Fault {
    fault(S3ErrorCode::NoSuchUpload)
}

fn read<T: for<'a> Deserialize<'a>>(path: &std::path::Path) -> io::Result<T> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

fn write(folder: &std::path::Path, name: &str, record: &impl Serialize) -> io::Result<()> {
    private::create_dir_all(folder)?;
    let new = folder.join(format!("{name}.new"));
    private::write(&new, &serde_json::to_vec(record)?)?;
    fs::rename(new, folder.join(name))
}

/// Algorithm and kind of the checksum that a new upload asks for.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html>
fn checksum(input: &CreateMultipartUploadInput) -> Result<(Option<String>, bool), Fault> {
    let invalid = |message: String| Fault::new(S3ErrorCode::InvalidRequest, message);
    let kind = input.checksum_type.as_ref().map(ChecksumType::as_str);
    let Some(name) = &input.checksum_algorithm else {
        return match kind {
            None => Ok((None, false)),
            Some(_) => Err(invalid(
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
                    .to_owned(),
            )),
        };
    };
    let name = algorithm(name.as_str())?;
    let (whole, composite) = match name {
        "CRC64NVME" => (true, false),
        "SHA1" | "SHA256" => (false, true),
        _ => (true, true),
    };
    let kind = kind.unwrap_or(if composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    });
    match kind {
        ChecksumType::COMPOSITE if composite => Ok((Some(name.to_owned()), true)),
        ChecksumType::FULL_OBJECT if whole => Ok((Some(name.to_owned()), false)),
        ChecksumType::COMPOSITE | ChecksumType::FULL_OBJECT => Err(invalid(format!(
            "The {kind} checksum type cannot be used with the {} checksum algorithm.",
            name.to_ascii_lowercase()
        ))),
        _ => Err(invalid(
            "Value for x-amz-checksum-type header is invalid.".to_owned(),
        )),
    }
}

fn told_type(upload: &Upload) -> Option<ChecksumType> {
    let kind = if upload.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    let asked = upload.checksum.is_some();
    asked.then(|| ChecksumType::from_static(kind))
}

fn initiator() -> Initiator {
    Initiator {
        id: Some(OWNER.to_owned()),
        display_name: None,
    }
}

impl Backend {
    pub(super) fn begin_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        check_key(&req.input.key)?;
        self.check_bucket(&req.input.bucket)?;
        let (checksum, composite) = checksum(&req.input)?;
        let input = req.input;
        let id = Uuid::new_v4().simple().to_string();
        let mut attributes = Attributes::of(&req.headers, input.metadata)?;
        self.encrypt(&input.bucket, &mut attributes.encryption)?;
        let upload = Upload {
            bucket: input.bucket.clone(),
            key: input.key.clone(),
            attributes,
            checksum,
            composite,
            initiated: SystemTime::now(),
            parts: BTreeMap::new(),
        };
        self.uploads.save(&id, &upload).map_err(internal)?;
        let encryption = &upload.attributes.encryption;
        let output = CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id.clone()),
            checksum_algorithm: upload.checksum.clone().map(ChecksumAlgorithm::from),
            checksum_type: told_type(&upload),
            server_side_encryption: encryption.told(),
            ssekms_key_id: encryption.key.clone(),
            ssekms_encryption_context: encryption.context.clone(),
            bucket_key_enabled: encryption.bucket_key,
            ..Default::default()
        };
        self.uploads.lock().insert(id, upload);
        Ok(output)
    }

    /// The upload to which a part may come.
    pub(super) fn check_part(
        &self,
        bucket: &str,
        key: &str,
        id: &str,
        number: i32,
    ) -> S3Result<Upload> {
        if !(1..=LAST_PART).contains(&number) {
            let message = "Part number must be an integer between 1 and 10000, inclusive";
            return Err(Fault::argument("partNumber", &number.to_string(), message).into());
        }
        self.check_bucket(bucket)?;
        Ok(self.uploads.get(bucket, key, id)?)
    }

    pub(super) async fn add_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let input = req.input;
        let (id, number) = (&input.upload_id, input.part_number);
        let upload = self.check_part(&input.bucket, &input.key, id, number)?;
        let wanted = upload.checksum;
        let expected = Expected::of(&req.headers, req.extensions.get::<Trailers>())?;
        if let (Some(wanted), Some(sent)) = (&wanted, expected.algorithm())
            && *wanted != sent
        {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
                wanted.to_ascii_lowercase(),
                sent.to_ascii_lowercase()
            );
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message).into());
        }
        let (staged, sums) = stage(&self.store, input.body, &expected, wanted.as_deref()).await?;
        let mut output = UploadPartOutput {
            e_tag: Some(ETag::Strong(staged.e_tag.clone())),
            server_side_encryption: upload.attributes.encryption.told(),
            ssekms_key_id: upload.attributes.encryption.key,
            bucket_key_enabled: upload.attributes.encryption.bucket_key,
            ..Default::default()
        };
        set_sums!(output, &sums);
        self.keep_part(id, number, &staged, sums)?;
        Ok(output)
    }

    /// Makes staged contents a part, instead of the one of that number that may be there.
    pub(super) fn keep_part(
        &self,
        id: &str,
        number: i32,
        staged: &Staged,
        checksums: Sums,
    ) -> S3Result<SystemTime> {
        let mut uploads = self.uploads.lock();
        let upload = uploads.get_mut(id).ok_or_else(no_such_upload)?;
        let modified = SystemTime::now();
        let part = UploadedPart {
            // Of its own: the earlier file stays whole until the record names this one.
            file: format!("{number}-{}", Uuid::new_v4().simple()),
            size: staged.size,
            e_tag: staged.e_tag.clone(),
            checksums,
            modified,
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
        Ok(modified)
    }

    pub(super) fn parts(&self, input: ListPartsInput) -> S3Result<ListPartsOutput> {
        self.check_bucket(&input.bucket)?;
        let upload = self
            .uploads
            .get(&input.bucket, &input.key, &input.upload_id)?;
        let limit = page_limit("max-parts", input.max_parts, PAGE_LIMIT)?;
        let marker = marker("part-number-marker", input.part_number_marker)?;
        let rest = upload.parts.range(marker.saturating_add(1)..);
        let page: Vec<_> = rest.take(usize::try_from(limit).unwrap_or(0)).collect();
        let last = page.last().map_or(marker, |(number, _)| **number);
        let more = limit > 0
            && upload
                .parts
                .range(last.saturating_add(1)..)
                .next()
                .is_some();
        let parts = page.into_iter().map(|(number, part)| {
            let mut told = Part {
                part_number: Some(*number),
                e_tag: Some(ETag::Strong(part.e_tag.clone())),
                size: Some(part.size as i64),
                last_modified: Some(part.modified.into()),
                ..Default::default()
            };
            set_sums!(told, &part.checksums);
            told
        });
        Ok(ListPartsOutput {
            parts: Some(parts.collect()),
            is_truncated: Some(more),
            max_parts: Some(limit),
            part_number_marker: Some(marker),
            next_part_number_marker: Some(last),
            storage_class: Some(StorageClass::from(upload.attributes.class().to_owned())),
            checksum_type: told_type(&upload),
            checksum_algorithm: upload.checksum.map(ChecksumAlgorithm::from),
            owner: Some(owner()),
            initiator: Some(initiator()),
            bucket: Some(upload.bucket),
            key: Some(upload.key),
            upload_id: Some(input.upload_id),
            ..Default::default()
        })
    }

    /// Uploads under way, by key and then by age.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListMultipartUploads.html>
    pub(super) fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<ListMultipartUploadsOutput> {
        self.check_bucket(&input.bucket)?;
        let encoding = Encoding::of(input.encoding_type.as_ref())?;
        let limit = page_limit("max-uploads", input.max_uploads, PAGE_LIMIT)?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let delimiter = input.delimiter.clone().filter(|text| !text.is_empty());
        let page = self.upload_page(&input, &prefix, delimiter.as_deref(), limit);
        let uploads = page
            .uploads
            .into_iter()
            .map(|(id, upload)| MultipartUpload {
                key: Some(encoding.write(&upload.key)),
                upload_id: Some(id),
                initiated: Some(upload.initiated.into()),
                storage_class: Some(StorageClass::from(upload.attributes.class().to_owned())),
                checksum_type: told_type(&upload),
                checksum_algorithm: upload.checksum.map(ChecksumAlgorithm::from),
                owner: Some(owner()),
                initiator: Some(initiator()),
            });
        let (next_key, next_id) = page.next.unzip();
        Ok(ListMultipartUploadsOutput {
            uploads: Some(uploads.collect()),
            common_prefixes: Some(
                page.prefixes
                    .iter()
                    .map(|prefix| CommonPrefix {
                        prefix: Some(encoding.write(prefix)),
                    })
                    .collect(),
            ),
            is_truncated: Some(next_key.is_some()),
            next_key_marker: encoding.option(next_key),
            next_upload_id_marker: next_id,
            key_marker: Some(encoding.write(&input.key_marker.unwrap_or_default())),
            upload_id_marker: Some(input.upload_id_marker.unwrap_or_default()),
            bucket: Some(input.bucket),
            prefix: Some(encoding.write(&prefix)),
            delimiter: encoding.option(delimiter),
            max_uploads: Some(limit),
            encoding_type: encoding.told(),
            ..Default::default()
        })
    }

    fn upload_page(
        &self,
        input: &ListMultipartUploadsInput,
        prefix: &str,
        delimiter: Option<&str>,
        limit: i32,
    ) -> UploadPage {
        let all = self.uploads.lock();
        let mut found: Vec<(&String, &Upload)> = all
            .iter()
            .filter(|(_, upload)| upload.bucket == input.bucket && upload.key.starts_with(prefix))
            .collect();
        found.sort_by_key(|(id, upload)| (&upload.key, upload.initiated, *id));
        let key = input.key_marker.as_deref().unwrap_or_default();
        let id = input.upload_id_marker.as_deref().unwrap_or_default();
        // Behind the marked upload, or behind all of the marked key.
        let marked = found
            .iter()
            .position(|(upload_id, upload)| upload.key == key && **upload_id == id);
        let begins = match marked {
            Some(at) => at + 1,
            None => found.partition_point(|(_, upload)| upload.key.as_str() <= key),
        };
        let limit = usize::try_from(limit).unwrap_or(0);
        let mut page = UploadPage::default();
        let mut last = None;
        for (id, upload) in found.into_iter().skip(begins) {
            let common = delimiter.and_then(|delimiter| {
                let at = upload.key[prefix.len()..].find(delimiter)?;
                Some(&upload.key[..prefix.len() + at + delimiter.len()])
            });
            let given = common
                .is_some_and(|common| page.prefixes.last().is_some_and(|last| last == common));
            if !given && page.uploads.len() + page.prefixes.len() == limit {
                page.next = last;
                return page;
            }
            last = Some((upload.key.clone(), id.clone()));
            match common {
                Some(common) if !given => page.prefixes.push(common.to_owned()),
                Some(_) => {}
                None => page.uploads.push((id.clone(), upload.clone())),
            }
        }
        page
    }

    pub(super) fn abort_upload(&self, bucket: &str, key: &str, id: &str) -> S3Result<()> {
        self.check_bucket(bucket)?;
        self.uploads.get(bucket, key, id)?;
        self.uploads.remove(id);
        Ok(())
    }
}

/// One page of a listing of uploads.
#[derive(Default)]
struct UploadPage {
    uploads: Vec<(String, Upload)>,
    prefixes: Vec<String>,
    /// Key and id of the last upload, if there are more.
    next: Option<(String, String)>,
}
