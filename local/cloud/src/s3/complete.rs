//! The end of an upload in parts: one object of them.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>

use std::fs::File;
use std::io::{self, Read, Write};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    ChecksumType, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag,
};
use s3s::{S3ErrorCode, S3Request, S3Result};

use super::Backend;
use super::attributes::StoredPart;
use super::conditions::of_write;
use super::contents::{
    DEFAULT_ALGORITHM, Sums, differs, finalize, hasher, internal, set_sums, sums_of,
};
use super::fault::{Fault, fault};
use super::multipart::{Completed, Upload, UploadedPart};
use super::store::Staged;
use crate::private;

/// Smallest part, bytes; the last may be smaller.
const SMALLEST_PART: u64 = 5 * 1_024 * 1_024;
/// Bytes joined at once.
const CHUNK: usize = 256 * 1_024;

/// A part that belongs to the object, with its number.
type Chosen<'a> = (i32, &'a UploadedPart);

impl Backend {
    pub(super) fn complete_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
        location: String,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = req.input;
        let (bucket, key, id) = (&input.bucket, &input.key, &input.upload_id);
        let condition = of_write(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        self.check_bucket(bucket)?;
        if let Some(done) = self.uploads.completed(bucket, key, id) {
            return Ok(answer(done, location));
        }
        let upload = self.uploads.get(bucket, key, id)?;
        let wanted = input.multipart_upload.as_ref();
        let wanted = wanted.and_then(|upload| upload.parts.as_deref());
        let chosen = chosen(&upload, wanted.unwrap_or_default())?;
        let size = chosen.iter().map(|(_, part)| part.size).sum();
        check_size(input.mpu_object_size, size)?;
        check_type(input.checksum_type.as_ref(), &upload)?;
        let (staged, sums) = self.join(id, &upload, &chosen)?;
        for (name, sent) in sums_of!(input) {
            if sums.get(&name).is_some_and(|sum| *sum != sent) {
                return Err(differs(&name).into());
            }
        }
        let mut attributes = upload.attributes.clone();
        attributes.checksums = sums;
        attributes.composite = upload.composite;
        let parts = chosen.iter().map(|(number, part)| StoredPart {
            number: *number,
            size: part.size,
            checksums: of_upload(&part.checksums, &upload),
        });
        attributes.parts = parts.collect();
        let object = self
            .store
            .commit(bucket, key, staged, attributes, &condition)?;
        let done = Completed {
            bucket: bucket.clone(),
            key: key.clone(),
            e_tag: object.e_tag.clone(),
            checksums: object.attributes.checksums.clone(),
            composite: upload.composite,
            encryption: upload.attributes.encryption,
            version: self.store.told_version(bucket, &object),
            at: SystemTime::now(),
        };
        self.uploads.finish(id, done.clone()).map_err(internal)?;
        Ok(answer(done, location))
    }

    /// One file from the parts. The ETag is the MD5 of the parts' MD5s, a hyphen and their number.
    fn join(&self, id: &str, upload: &Upload, parts: &[Chosen]) -> S3Result<(Staged, Sums)> {
        let folder = self.uploads.path(id);
        let mut whole = Staged {
            path: self.store.new_path(),
            size: 0,
            e_tag: String::new(),
        };
        let mut file = private::create(&whole.path).map_err(internal)?;
        let name = upload.checksum.as_deref().unwrap_or(DEFAULT_ALGORITHM);
        let mut of_all = hasher(|wanted| wanted == name);
        let mut md5 = Md5::new();
        let mut buffer = vec![0; CHUNK];
        for (number, part) in parts {
            // Another request may have replaced the part meanwhile.
            let mut contents =
                File::open(folder.join(&part.file)).map_err(|error| match error.kind() {
                    io::ErrorKind::NotFound => invalid_part(id, *number, None).into(),
                    _ => internal(error),
                })?;
            loop {
                let read = contents.read(&mut buffer).map_err(internal)?;
                if read == 0 {
                    break;
                }
                if !upload.composite {
                    of_all.update(&buffer[..read]);
                }
                file.write_all(&buffer[..read]).map_err(internal)?;
                whole.size += read as u64;
            }
            let digest = hex::decode(&part.e_tag);
            md5.update(&digest.map_err(|error| internal(io::Error::other(error)))?);
            if upload.composite {
                let sum = part.checksums.get(name).map(|sum| STANDARD.decode(sum));
                of_all.update(&sum.and_then(Result::ok).unwrap_or_default());
            }
        }
        whole.e_tag = format!("{}-{}", hex::encode(md5.finalize()), parts.len());
        let mut sums = finalize(of_all);
        if upload.composite {
            let counted = |sum: &mut String| *sum = format!("{sum}-{}", parts.len());
            sums.values_mut().for_each(counted);
        }
        Ok((whole, sums))
    }
}

/// Those sums of a part that are of the upload's own algorithm.
fn of_upload(sums: &Sums, upload: &Upload) -> Sums {
    let own = sums
        .iter()
        .filter(|(name, _)| upload.checksum.as_ref() == Some(*name));
    own.map(|(name, sum)| (name.clone(), sum.clone())).collect()
}

fn answer(done: Completed, location: String) -> CompleteMultipartUploadOutput {
    let kind = if done.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    let mut output = CompleteMultipartUploadOutput {
        location: Some(location),
        bucket: Some(done.bucket),
        key: Some(done.key),
        e_tag: Some(ETag::Strong(done.e_tag)),
        version_id: done.version,
        checksum_type: Some(ChecksumType::from_static(kind)),
        server_side_encryption: done.encryption.told(),
        ssekms_key_id: done.encryption.key.clone(),
        bucket_key_enabled: done.encryption.bucket_key,
        ..Default::default()
    };
    set_sums!(output, &done.checksums);
    output
}

/// The parts that the object is made of, checked against those that were uploaded.
fn chosen<'a>(upload: &'a Upload, wanted: &[CompletedPart]) -> Result<Vec<Chosen<'a>>, Fault> {
    if wanted.is_empty() {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    if !wanted.is_sorted_by(|a, b| a.part_number < b.part_number) {
        return Err(fault(S3ErrorCode::InvalidPartOrder));
    }
    let mut chosen = Vec::new();
    for (index, part) in wanted.iter().enumerate() {
        let number = part.part_number.unwrap_or_default();
        let tag = part.e_tag.as_ref().map(ETag::value);
        let uploaded = upload.parts.get(&number);
        let uploaded = uploaded.filter(|uploaded| tag.is_none_or(|tag| tag == uploaded.e_tag));
        let uploaded = uploaded.ok_or_else(|| invalid_part("", number, tag))?;
        check_sums(upload, number, part, uploaded)?;
        if uploaded.size < SMALLEST_PART && index + 1 < wanted.len() {
            return Err(fault(S3ErrorCode::EntityTooSmall)
                .with("ProposedSize", uploaded.size)
                .with("MinSizeAllowed", SMALLEST_PART)
                .with("PartNumber", number)
                .with("ETag", &uploaded.e_tag));
        }
        chosen.push((number, uploaded));
    }
    Ok(chosen)
}

/// A checksum of parts' checksums takes one from each part; any that is given must be right.
fn check_sums(
    upload: &Upload,
    number: i32,
    part: &CompletedPart,
    uploaded: &UploadedPart,
) -> Result<(), Fault> {
    let given = sums_of!(part);
    if let Some(name) = upload.checksum.as_ref().filter(|_| upload.composite)
        && !given.contains_key(name)
    {
        let message = format!(
            "The upload was created using a {} checksum. The complete request must include the checksum for each \
             part. It was missing for part {number} in the request.",
            name.to_ascii_lowercase()
        );
        return Err(Fault::new(S3ErrorCode::InvalidRequest, message));
    }
    let wrong = |(name, sum): (&String, &String)| {
        uploaded
            .checksums
            .get(name)
            .is_none_or(|found| found != sum)
    };
    if given.iter().any(wrong) {
        return Err(invalid_part("", number, Some(&uploaded.e_tag)));
    }
    Ok(())
}

fn invalid_part(id: &str, number: i32, tag: Option<&str>) -> Fault {
    let mut fault = fault(S3ErrorCode::InvalidPart).with("PartNumber", number);
    if !id.is_empty() {
        fault = fault.with("UploadId", id);
    }
    match tag {
        Some(tag) => fault.with("ETag", tag),
        None => fault,
    }
}

fn check_size(wanted: Option<i64>, found: u64) -> Result<(), Fault> {
    match wanted {
        Some(wanted) if u64::try_from(wanted) != Ok(found) => {
            let message = format!(
                "The provided 'x-amz-mp-object-size' header value {wanted} does not match what was computed: {found}"
            );
            Err(Fault::new(S3ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

fn check_type(wanted: Option<&ChecksumType>, upload: &Upload) -> Result<(), Fault> {
    let kind = if upload.composite {
        ChecksumType::COMPOSITE
    } else {
        ChecksumType::FULL_OBJECT
    };
    match wanted.map(ChecksumType::as_str) {
        Some(wanted) if wanted != kind => {
            let message = format!(
                "Checksum Type mismatch occurred, expected checksum Type: {kind}, actual checksum Type: {wanted}"
            );
            Err(Fault::new(S3ErrorCode::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}
