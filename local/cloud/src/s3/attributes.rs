//! What a writer says of an object beside its contents, and the rules for it.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode};
use s3s::S3ErrorCode;
use serde::{Deserialize, Serialize};

use super::contents::Sums;
use super::fault::{Fault, fault};
use super::tags::{self, Tags};

/// Bytes of all names and values of `x-amz-meta-*`.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>
const METADATA_LIMIT: usize = 2_048;
/// Classes of objects in general purpose buckets.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html>
const STORAGE_CLASSES: &[&str] = &[
    STANDARD,
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];
/// The class of an object whose writer named none.
pub(super) const STANDARD: &str = "STANDARD";
/// Classes whose objects must be restored before they can be read.
const ARCHIVED: &[&str] = &["GLACIER", "DEEP_ARCHIVE"];
/// The encryption that S3 gives every object.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/default-encryption-faq.html>
pub(super) const ENCRYPTION: &str = "AES256";
const ENCRYPTION_HEADER: &str = "x-amz-server-side-encryption";
const ENCRYPTIONS: &[&str] = &[ENCRYPTION, "aws:kms", "aws:kms:dsse"];
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html#canned-acl>
const CANNED_ACLS: &[&str] = &[
    "private",
    "public-read",
    "public-read-write",
    "aws-exec-read",
    "authenticated-read",
    "bucket-owner-read",
    "bucket-owner-full-control",
    "log-delivery-write",
];

/// What a writer said of an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Attributes {
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    pub(super) content_disposition: Option<String>,
    pub(super) content_language: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) expires: Option<String>,
    /// `x-amz-meta-*`.
    pub(super) metadata: BTreeMap<String, String>,
    /// `None` is [`STANDARD`].
    pub(super) storage_class: Option<String>,
    pub(super) redirect: Option<String>,
    pub(super) encryption: Encryption,
    pub(super) tags: Tags,
    pub(super) checksums: Sums,
    /// Whether the checksum is one of the parts' checksums.
    pub(super) composite: bool,
    /// The parts that it was uploaded in.
    pub(super) parts: Vec<StoredPart>,
}

/// How S3 would encrypt an object. Here it is kept and told, and nothing more: a local key would
/// protect nothing from who can read the disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Encryption {
    /// `None` is [`ENCRYPTION`].
    pub(super) algorithm: Option<String>,
    pub(super) key: Option<String>,
    pub(super) context: Option<String>,
    pub(super) bucket_key: Option<bool>,
}

/// A part of an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct StoredPart {
    pub(super) number: i32,
    pub(super) size: u64,
    pub(super) checksums: Sums,
}

impl Attributes {
    /// What the headers of a request say; its `x-amz-meta-*` are `metadata`.
    pub(super) fn of(
        headers: &HeaderMap,
        metadata: Option<impl IntoIterator<Item = (String, String)>>,
    ) -> Result<Attributes, Fault> {
        let text = |name: &str| Some(headers.get(name)?.to_str().ok()?.to_owned());
        check_acl(headers)?;
        let metadata: BTreeMap<String, String> = metadata
            .into_iter()
            .flat_map(IntoIterator::into_iter)
            .collect();
        let size: usize = metadata.iter().map(|(k, v)| k.len() + v.len()).sum();
        if size > METADATA_LIMIT {
            return Err(fault(S3ErrorCode::MetadataTooLarge)
                .with("Size", size)
                .with("MaxSizeAllowed", METADATA_LIMIT));
        }
        Ok(Attributes {
            content_type: text("content-type").filter(|kind| !kind.is_empty()),
            content_encoding: text("content-encoding").and_then(|encoding| unchunked(&encoding)),
            content_disposition: text("content-disposition"),
            content_language: text("content-language"),
            cache_control: text("cache-control"),
            expires: text("expires"),
            metadata,
            storage_class: storage_class(text("x-amz-storage-class"))?,
            redirect: redirect(text("x-amz-website-redirect-location"))?,
            encryption: Encryption::of(headers)?,
            tags: match text("x-amz-tagging") {
                Some(tagging) => tags::of_header(&tagging)?,
                None => Tags::default(),
            },
            ..Attributes::default()
        })
    }

    /// The class by name.
    pub(super) fn class(&self) -> &str {
        self.storage_class.as_deref().unwrap_or(STANDARD)
    }

    pub(super) fn is_archived(&self) -> bool {
        ARCHIVED.contains(&self.class())
    }

    /// Refuses to read what S3 would have to restore first.
    pub(super) fn check_readable(&self) -> Result<(), Fault> {
        if !self.is_archived() {
            return Ok(());
        }
        Err(fault(S3ErrorCode::InvalidObjectState).with("StorageClass", self.class()))
    }
}

impl Encryption {
    fn of(headers: &HeaderMap) -> Result<Encryption, Fault> {
        let text = |name: &str| {
            let value = headers
                .get(format!("{ENCRYPTION_HEADER}{name}"))?
                .to_str()
                .ok()?;
            Some(value.to_owned())
        };
        let algorithm = text("");
        let key = text("-aws-kms-key-id");
        Encryption::checked(algorithm.as_deref().unwrap_or(ENCRYPTION), key.as_deref())?;
        Ok(Encryption {
            algorithm,
            key,
            context: text("-context"),
            bucket_key: text("-bucket-key-enabled").map(|value| value.eq_ignore_ascii_case("true")),
        })
    }

    /// Refuses an algorithm that is none, and a key that it has no use for.
    pub(super) fn checked(algorithm: &str, key: Option<&str>) -> Result<(), Fault> {
        if !ENCRYPTIONS.contains(&algorithm) {
            let message = "The encryption method specified is not supported";
            return Err(Fault::argument(ENCRYPTION_HEADER, algorithm, message));
        }
        if let Some(key) = key.filter(|_| algorithm == ENCRYPTION) {
            let message = "Server Side Encryption with KMS managed key requires HTTP header \
                           x-amz-server-side-encryption : aws:kms";
            let name = "x-amz-server-side-encryption-aws-kms-key-id";
            return Err(Fault::argument(name, key, message));
        }
        Ok(())
    }

    /// The algorithm by name.
    pub(super) fn name(&self) -> &str {
        self.algorithm.as_deref().unwrap_or(ENCRYPTION)
    }
}

/// A content encoding without the framing that only the request had.
fn unchunked(encoding: &str) -> Option<String> {
    let left: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!left.is_empty()).then(|| left.join(","))
}

fn storage_class(name: Option<String>) -> Result<Option<String>, Fault> {
    match name {
        Some(name) if !STORAGE_CLASSES.contains(&name.as_str()) => {
            Err(fault(S3ErrorCode::InvalidStorageClass).with("StorageClassRequested", name))
        }
        name => Ok(name.filter(|name| name != STANDARD)),
    }
}

fn redirect(location: Option<String>) -> Result<Option<String>, Fault> {
    let is_good = |location: &String| {
        ["/", "http://", "https://"]
            .iter()
            .any(|start| location.starts_with(start))
    };
    match location {
        Some(wrong) if !is_good(&wrong) => {
            let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
            let code = "InvalidRedirectLocation";
            Err(Fault::custom(StatusCode::BAD_REQUEST, code, message))
        }
        location => Ok(location),
    }
}

/// A bucket is its owner's alone, as S3 makes them now, so an object takes no list of its own.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/about-object-ownership.html>
fn check_acl(headers: &HeaderMap) -> Result<(), Fault> {
    let canned = headers
        .get("x-amz-acl")
        .map(|acl| acl.to_str().unwrap_or_default());
    if let Some(wrong) = canned.filter(|acl| !CANNED_ACLS.contains(acl)) {
        return Err(Fault::argument("x-amz-acl", wrong, ""));
    }
    let granted = headers
        .keys()
        .find(|name| name.as_str().starts_with("x-amz-grant-"));
    if canned.is_some() && granted.is_some() {
        let message = "Specifying both Canned ACLs and Header Grants is not allowed";
        return Err(Fault::new(S3ErrorCode::InvalidRequest, message));
    }
    let named = canned
        .filter(|acl| *acl != "bucket-owner-full-control")
        .map(|acl| format!("x-amz-acl: {acl}"))
        .or_else(|| granted.map(ToString::to_string));
    match named {
        Some(named) => Err(Fault::new(
            S3ErrorCode::AccessControlListNotSupported,
            "The bucket does not allow ACLs",
        )
        .with("Header", named)),
        None => Ok(()),
    }
}
