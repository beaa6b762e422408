//! Contents of objects on their way in and out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream;
use http::StatusCode;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use sha2::Digest;

use super::chunked::Trailers;
use super::fault::{Fault, fault};
use super::store::{Staged, Store, StoreError};
use crate::private;

/// Bytes read or sent at once.
const CHUNK: usize = 256 * 1_024;

/// Algorithms of checksums, as S3 names them, and the bytes of a sum.
pub(super) const ALGORITHMS: [(&str, usize); 5] = [
    ("CRC32", 4),
    ("CRC32C", 4),
    ("CRC64NVME", 8),
    ("SHA1", 20),
    ("SHA256", 32),
];
/// What S3 computes where the writer wants nothing.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>
pub(super) const DEFAULT_ALGORITHM: &str = "CRC64NVME";

/// Checksums in base64 by algorithm.
pub(super) type Sums = BTreeMap<String, String>;

pub(super) fn internal(error: io::Error) -> S3Error {
    StoreError::Io(error).into()
}

/// Sets the checksum fields of an output or a part of one.
macro_rules! set_sums {
    ($to:expr, $sums:expr) => {{
        let sums: &super::contents::Sums = $sums;
        $to.checksum_crc32 = sums.get("CRC32").cloned();
        $to.checksum_crc32c = sums.get("CRC32C").cloned();
        $to.checksum_crc64nvme = sums.get("CRC64NVME").cloned();
        $to.checksum_sha1 = sums.get("SHA1").cloned();
        $to.checksum_sha256 = sums.get("SHA256").cloned();
    }};
}
pub(super) use set_sums;

/// The checksums that an input or a part of one gives.
macro_rules! sums_of {
    ($from:expr) => {{
        let sums = [
            ("CRC32", &$from.checksum_crc32),
            ("CRC32C", &$from.checksum_crc32c),
            ("CRC64NVME", &$from.checksum_crc64nvme),
            ("SHA1", &$from.checksum_sha1),
            ("SHA256", &$from.checksum_sha256),
        ];
        let given = sums
            .into_iter()
            .filter_map(|(name, sum)| sum.as_ref().map(|sum| (name.to_owned(), sum.clone())));
        given.collect::<super::contents::Sums>()
    }};
}
pub(super) use sums_of;

/// Sums that a writer sent with contents, before or after them.
pub(super) struct Expected {
    md5: Option<Vec<u8>>,
    sha256: Option<String>,
    /// Algorithm and sum; the sum may still come as a trailer.
    sum: Option<(&'static str, Option<String>)>,
    trailers: Option<Trailers>,
}

impl Expected {
    /// What the headers of a request say.
    pub(super) fn of(headers: &HeaderMap, trailers: Option<&Trailers>) -> Result<Expected, Fault> {
        let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
        let md5 = text("content-md5").map(|sent| {
            let digest = STANDARD.decode(sent).ok().filter(|md5| md5.len() == 16);
            digest.ok_or_else(|| fault(S3ErrorCode::InvalidDigest).with("Content-MD5", sent))
        });
        let sha256 = text("x-amz-content-sha256")
            .filter(|sum| sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()));
        Ok(Expected {
            md5: md5.transpose()?,
            sha256: sha256.map(str::to_ascii_lowercase),
            sum: sum_of(headers)?,
            trailers: trailers.cloned(),
        })
    }

    /// The algorithm of the sum that was sent.
    pub(super) fn algorithm(&self) -> Option<&'static str> {
        self.sum.as_ref().map(|(name, _)| *name)
    }

    /// A hasher for what was sent, and for `also`; for S3's own choice if that is nothing.
    fn hasher(&self, also: Option<&str>) -> ChecksumHasher {
        let sent = self.algorithm();
        let default = sent.or(also).is_none().then_some(DEFAULT_ALGORITHM);
        hasher(|name| [sent, also, default].contains(&Some(name)))
    }

    fn check(&self, md5: &[u8], sha256: Option<&[u8]>, sums: &Sums) -> Result<(), Fault> {
        if self.md5.as_ref().is_some_and(|wanted| wanted != md5) {
            let wanted = self.md5.as_ref().map(|md5| STANDARD.encode(md5));
            return Err(fault(S3ErrorCode::BadDigest)
                .with("ExpectedDigest", wanted.unwrap_or_default())
                .with("CalculatedDigest", STANDARD.encode(md5)));
        }
        if let (Some(wanted), Some(found)) = (&self.sha256, sha256.map(hex::encode))
            && *wanted != found
        {
            let message =
                "The provided 'x-amz-content-sha256' header does not match what was computed.";
            let code = "XAmzContentSHA256Mismatch";
            return Err(Fault::custom(StatusCode::BAD_REQUEST, code, message)
                .with("ClientComputedContentSHA256", wanted)
                .with("S3ComputedContentSHA256", found));
        }
        let Some((name, early)) = &self.sum else {
            return Ok(());
        };
        let header = format!("x-amz-checksum-{}", name.to_ascii_lowercase());
        let late = || self.trailers.as_ref()?.get(&header);
        let Some(sent) = early.clone().or_else(late) else {
            let message = format!(
                "x-amz-sdk-checksum-algorithm specified, but no corresponding {header} or x-amz-trailer headers were found."
            );
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message));
        };
        check_form(name, &sent)?;
        match sums.get(*name) {
            Some(sum) if *sum != sent => Err(differs(name)),
            _ => Ok(()),
        }
    }
}

/// A sum that is not that of the contents.
pub(super) fn differs(algorithm: &str) -> Fault {
    let message = format!("The {algorithm} you specified did not match the calculated checksum.");
    Fault::new(S3ErrorCode::BadDigest, message)
}

/// The algorithm of this name, in any case.
pub(super) fn algorithm(name: &str) -> Result<&'static str, Fault> {
    let known = ALGORITHMS
        .iter()
        .find(|(algorithm, _)| algorithm.eq_ignore_ascii_case(name));
    known.map(|(algorithm, _)| *algorithm).ok_or_else(|| {
        Fault::new(
            S3ErrorCode::InvalidRequest,
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, \
             CRC32C, CRC64NVME, SHA1, SHA256]",
        )
    })
}

/// The algorithm of a checksum that headers announce, and the sum if it is there already.
fn sum_of(headers: &HeaderMap) -> Result<Option<(&'static str, Option<String>)>, Fault> {
    const PREFIX: &str = "x-amz-checksum-";
    let mut sent = Vec::new();
    for (name, _) in ALGORITHMS {
        if let Some(value) = headers.get(format!("{PREFIX}{}", name.to_ascii_lowercase())) {
            let value = value.to_str().unwrap_or_default().to_owned();
            sent.push((name, Some(value)));
        }
    }
    let text = |name: &str| headers.get(name)?.to_str().ok();
    for trailer in text("x-amz-trailer").unwrap_or_default().split(',') {
        let trailer = trailer.trim().to_ascii_lowercase();
        if let Some(name) = trailer.strip_prefix(PREFIX) {
            let known = algorithm(name);
            sent.push((
                known.map_err(|_| Fault::not_offered(&format!("trailer {trailer}")))?,
                None,
            ));
        }
    }
    if sent.len() > 1 {
        return Err(Fault::new(
            S3ErrorCode::InvalidRequest,
            "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.",
        ));
    }
    for (name, value) in &sent {
        if let Some(value) = value {
            check_form(name, value)?;
        }
    }
    let announced = text("x-amz-sdk-checksum-algorithm").map(algorithm);
    match (sent.pop(), announced.transpose()?) {
        (None, Some(name)) => Ok(Some((name, None))),
        (Some((sent, _)), Some(announced)) if sent != announced => Err(Fault::new(
            S3ErrorCode::InvalidRequest,
            "Value for x-amz-sdk-checksum-algorithm header is invalid.",
        )),
        (sent, _) => Ok(sent),
    }
}

/// Whether a sum has the form of its algorithm.
fn check_form(name: &str, sum: &str) -> Result<(), Fault> {
    let size = ALGORITHMS.iter().find(|(known, _)| *known == name);
    let decoded = STANDARD.decode(sum).ok();
    if decoded.map(|bytes| bytes.len()) == size.map(|(_, size)| *size) {
        return Ok(());
    }
    let header = name.to_ascii_lowercase();
    Err(Fault::new(
        S3ErrorCode::InvalidRequest,
        format!("Value for x-amz-checksum-{header} header is invalid."),
    ))
}

/// A hasher of the wanted algorithms.
pub(super) fn hasher(wanted: impl Fn(&str) -> bool) -> ChecksumHasher {
    ChecksumHasher {
        crc32: wanted("CRC32").then(Crc32::new),
        crc32c: wanted("CRC32C").then(Crc32c::new),
        sha1: wanted("SHA1").then(Sha1::new),
        sha256: wanted("SHA256").then(Sha256::new),
        crc64nvme: wanted("CRC64NVME").then(Crc64Nvme::new),
    }
}

/// The sums of a hasher.
pub(super) fn finalize(hasher: ChecksumHasher) -> Sums {
    let sums = hasher.finalize();
    sums_of!(sums)
}

/// Writes contents down, and checks them against what the writer sent. `also` is a further algorithm
/// whose sum is wanted.
pub(super) async fn stage(
    store: &Store,
    body: Option<StreamingBlob>,
    expected: &Expected,
    also: Option<&str>,
) -> S3Result<(Staged, Sums)> {
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let mut staged = Staged {
        path: store.new_path(),
        size: 0,
        e_tag: String::new(),
    };
    let mut file = private::create(&staged.path).map_err(internal)?;
    let mut md5 = Md5::new();
    let mut sha256 = expected.sha256.as_ref().map(|_| sha2::Sha256::new());
    let mut hasher = expected.hasher(also);
    let broken = |error| s3_error!(IncompleteBody, "{error}");
    while let Some(chunk) = body.try_next().await.map_err(broken)? {
        md5.update(&chunk);
        hasher.update(&chunk);
        if let Some(sha256) = &mut sha256 {
            sha256.update(&chunk);
        }
        file.write_all(&chunk).map_err(internal)?;
        staged.size += chunk.len() as u64;
    }
    let digest = md5.finalize();
    let sums = finalize(hasher);
    let sha256 = sha256.map(Digest::finalize);
    expected.check(digest.as_ref(), sha256.as_deref(), &sums)?;
    staged.e_tag = hex::encode(digest);
    Ok((staged, sums))
}

/// Compares a document with the sums that were sent with it.
pub(super) fn check_document(
    bytes: &[u8],
    headers: &HeaderMap,
    trailers: Option<&Trailers>,
) -> Result<(), Fault> {
    let expected = Expected::of(headers, trailers)?;
    let mut hasher = expected.hasher(None);
    hasher.update(bytes);
    let sha256 = sha2::Sha256::digest(bytes);
    let md5 = Md5::checksum(bytes);
    expected.check(md5.as_ref(), Some(&sha256), &finalize(hasher))
}

/// Contents of a file from here on, in chunks.
struct Chunks {
    file: File,
    left: u64,
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        let size = usize::try_from(self.left).unwrap_or(CHUNK).min(CHUNK);
        if size == 0 {
            return None;
        }
        let mut bytes = vec![0; size];
        let read = self.file.read_exact(&mut bytes);
        self.left = if read.is_ok() {
            self.left - size as u64
        } else {
            0
        };
        Some(read.map(|()| Bytes::from(bytes)))
    }
}

/// A range of a file as a body.
pub(super) fn contents(mut file: File, range: &Range<u64>) -> S3Result<StreamingBlob> {
    file.seek(SeekFrom::Start(range.start)).map_err(internal)?;
    let left = range.end - range.start;
    Ok(StreamingBlob::wrap(stream::iter(Chunks { file, left })))
}
