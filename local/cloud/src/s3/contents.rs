//! Contents of objects on their way in and out.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use bytes::Bytes;
use futures::TryStreamExt;
use futures::stream;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::{ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Error, S3Result, TrailingHeaders, s3_error};

use crate::private;

use super::store::{Staged, Store, StoreError};

/// Bytes read or sent at once.
const CHUNK: usize = 256 * 1_024;

pub(super) fn internal(error: io::Error) -> S3Error {
    StoreError::Io(error).into()
}

/// Checksums that a writer sent with the contents, before or after them.
#[derive(Default)]
pub(super) struct Expected {
    pub(super) md5: Option<String>,
    pub(super) sums: [(&'static str, Option<String>); 5],
    pub(super) algorithm: Option<ChecksumAlgorithm>,
    pub(super) trailers: Option<TrailingHeaders>,
}

/// The five checksum fields of an input, an output or a [`Checksum`], in one order.
macro_rules! sums {
    ($from:expr) => {
        [
            ("CRC32", $from.checksum_crc32.clone()),
            ("CRC32C", $from.checksum_crc32c.clone()),
            ("SHA1", $from.checksum_sha1.clone()),
            ("SHA256", $from.checksum_sha256.clone()),
            ("CRC64NVME", $from.checksum_crc64nvme.clone()),
        ]
    };
}
pub(super) use sums;

/// Writes contents down, and checks them against what the writer sent.
pub(super) async fn stage(
    store: &Store,
    body: Option<StreamingBlob>,
    expected: Expected,
) -> S3Result<(Staged, Vec<(String, String)>)> {
    let mut body = body.ok_or_else(|| s3_error!(IncompleteBody))?;
    let mut staged = Staged {
        path: store.new_path(),
        size: 0,
        e_tag: String::new(),
    };
    let mut file = private::create(&staged.path).map_err(internal)?;
    let mut md5 = Md5::new();
    let mut hasher = expected.hasher();
    while let Some(chunk) = body
        .try_next()
        .await
        .map_err(|error| s3_error!(IncompleteBody, "{error}"))?
    {
        md5.update(&chunk);
        hasher.update(&chunk);
        file.write_all(&chunk).map_err(internal)?;
        staged.size += chunk.len() as u64;
    }
    let digest = md5.finalize();
    if let Some(wanted) = &expected.md5 {
        use base64::Engine;
        let sent = base64::engine::general_purpose::STANDARD.decode(wanted);
        if sent.map_err(|_| s3_error!(InvalidDigest))? != digest.as_ref() {
            return Err(s3_error!(
                BadDigest,
                "Content-MD5 is not that of the contents"
            ));
        }
    }
    staged.e_tag = hex::encode(digest);
    let computed = hasher.finalize();
    let computed = sums!(computed);
    expected.check(&computed)?;
    let known = computed
        .into_iter()
        .filter_map(|(name, sum)| Some((name.to_owned(), sum?)));
    Ok((staged, known.collect()))
}

impl Expected {
    fn hasher(&self) -> ChecksumHasher {
        let wanted = |name: &str| {
            self.sums
                .iter()
                .any(|(sum, value)| *sum == name && value.is_some())
                || self
                    .algorithm
                    .as_ref()
                    .is_some_and(|algorithm| algorithm.as_str() == name)
        };
        ChecksumHasher {
            crc32: wanted("CRC32").then(Crc32::new),
            crc32c: wanted("CRC32C").then(Crc32c::new),
            sha1: wanted("SHA1").then(Sha1::new),
            sha256: wanted("SHA256").then(Sha256::new),
            crc64nvme: wanted("CRC64NVME").then(Crc64Nvme::new),
        }
    }

    fn check(self, computed: &[(&'static str, Option<String>)]) -> S3Result<()> {
        let trailers = self
            .trailers
            .and_then(|trailers| trailers.take())
            .unwrap_or_default();
        for ((name, early), (_, computed)) in self.sums.into_iter().zip(computed) {
            let late = trailers.get(format!("x-amz-checksum-{}", name.to_lowercase()));
            let late = late
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned);
            if let (Some(sent), Some(computed)) = (late.or(early), computed)
                && sent != *computed
            {
                return Err(s3_error!(BadDigest, "{name} is {computed}, not {sent}"));
            }
        }
        Ok(())
    }
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
