//! Which members of a request are honoured. What S3 knows and the local cloud does not do is refused
//! by its name, never dropped: a header `x-amz-*`, a query parameter or an element of a body that no
//! table here names ends in `NotImplemented`.
//!
//! A query parameter that S3 does not know either is ignored, as by S3 itself:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/LogFormat.html#LogFormatCustom>

use std::collections::HashMap;

use http::HeaderMap;

use crate::action::S3Action;

/// What the local cloud does with a member that S3 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    Honoured,
    /// Does nothing here, and why that is right.
    Harmless(&'static str),
    Refused,
}

/// Headers that belong to the connection and the signature, not to an action.
const TRANSPORT: &[&str] = &[
    "x-amz-api-version",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-id-2",
    "x-amz-request-id",
    "x-amz-security-token",
    "x-amz-target",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// Headers and why nothing has to be done about them.
const HARMLESS: &[(&str, &str)] = &[
    (
        "x-amz-request-payer",
        "the owner pays for every local bucket, and who asks is the owner",
    ),
    (
        "x-amz-optional-object-attributes",
        "asks for the state of restores, of which there are none",
    ),
];

/// Headers of every action on a bucket or an object.
const OF_ALL: &[&str] = &["x-amz-expected-bucket-owner"];

const CHECKSUMS: &[&str] = &[
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-sdk-checksum-algorithm",
];

/// What a writer says of an object.
const ATTRIBUTES: &[&str] = &[
    "x-amz-acl",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write-acp",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-server-side-encryption-context",
    "x-amz-storage-class",
    "x-amz-tagging",
    "x-amz-website-redirect-location",
];

const COPY_SOURCE: &[&str] = &[
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
    "x-amz-source-expected-bucket-owner",
];

/// Query parameters that S3 knows, of any action: sub-resources and arguments, save those that stand
/// only beside a sub-resource which is refused itself.
const KNOWN_QUERY: &[&str] = &[
    "abac",
    "accelerate",
    "acl",
    "analytics",
    "annotation",
    "attributes",
    "bucket-region",
    "continuation-token",
    "cors",
    "delete",
    "delimiter",
    "encoding-type",
    "encryption",
    "fetch-owner",
    "intelligent-tiering",
    "inventory",
    "key-marker",
    "legal-hold",
    "lifecycle",
    "list-type",
    "location",
    "logging",
    "marker",
    "max-buckets",
    "max-directory-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "metadataAnnotationTable",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "part-number-marker",
    "partNumber",
    "policy",
    "policyStatus",
    "prefix",
    "publicAccessBlock",
    "renameObject",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "session",
    "start-after",
    "tagging",
    "torrent",
    "upload-id-marker",
    "uploadId",
    "uploads",
    "version-id-marker",
    "versionId",
    "versioning",
    "versions",
    "website",
];

const RESPONSE: &[&str] = &[
    "partNumber",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "versionId",
];

/// Headers `x-amz-*` that an action honours, beside those of every action.
fn headers(action: S3Action) -> &'static [&'static [&'static str]] {
    match action {
        S3Action::PutObject => &[CHECKSUMS, ATTRIBUTES],
        S3Action::CopyObject => &[
            ATTRIBUTES,
            COPY_SOURCE,
            &[
                "x-amz-checksum-algorithm",
                "x-amz-metadata-directive",
                "x-amz-tagging-directive",
            ],
        ],
        S3Action::CreateMultipartUpload => &[
            ATTRIBUTES,
            &["x-amz-checksum-algorithm", "x-amz-checksum-type"],
        ],
        S3Action::UploadPart => &[CHECKSUMS],
        S3Action::UploadPartCopy => &[COPY_SOURCE, &["x-amz-copy-source-range"]],
        S3Action::CompleteMultipartUpload => {
            &[CHECKSUMS, &["x-amz-checksum-type", "x-amz-mp-object-size"]]
        }
        S3Action::GetObject | S3Action::HeadObject => &[&["x-amz-checksum-mode"]],
        S3Action::GetObjectAttributes => &[&[
            "x-amz-max-parts",
            "x-amz-object-attributes",
            "x-amz-part-number-marker",
        ]],
        S3Action::DeleteObjects
        | S3Action::PutObjectTagging
        | S3Action::PutBucketTagging
        | S3Action::PutBucketVersioning
        | S3Action::PutBucketCors
        | S3Action::PutBucketEncryption
        | S3Action::PutPublicAccessBlock => &[CHECKSUMS],
        S3Action::PutBucketPolicy => &[CHECKSUMS, &["x-amz-confirm-remove-self-bucket-access"]],
        S3Action::PutBucketLifecycleConfiguration => {
            &[CHECKSUMS, &["x-amz-transition-default-minimum-object-size"]]
        }
        S3Action::CreateBucket => &[&["x-amz-acl", "x-amz-object-ownership"]],
        _ => &[],
    }
}

/// Query parameters that an action honours; the sub-resource by which it is found is one.
fn queries(action: S3Action) -> &'static [&'static [&'static str]] {
    match action {
        S3Action::GetObject | S3Action::HeadObject => &[RESPONSE],
        S3Action::DeleteObject => &[&["versionId"]],
        S3Action::GetObjectAttributes => &[&["attributes", "versionId"]],
        S3Action::GetObjectTagging | S3Action::PutObjectTagging | S3Action::DeleteObjectTagging => {
            &[&["tagging", "versionId"]]
        }
        S3Action::GetObjectAcl => &[&["acl", "versionId"]],
        S3Action::GetObjectRetention => &[&["retention", "versionId"]],
        S3Action::GetObjectLegalHold => &[&["legal-hold", "versionId"]],
        S3Action::ListObjects => &[&["delimiter", "encoding-type", "marker", "max-keys", "prefix"]],
        S3Action::ListObjectsV2 => &[&[
            "continuation-token",
            "delimiter",
            "encoding-type",
            "fetch-owner",
            "list-type",
            "max-keys",
            "prefix",
            "start-after",
        ]],
        S3Action::ListObjectVersions => &[&[
            "delimiter",
            "encoding-type",
            "key-marker",
            "max-keys",
            "prefix",
            "version-id-marker",
            "versions",
        ]],
        S3Action::ListBuckets => &[&[
            "bucket-region",
            "continuation-token",
            "max-buckets",
            "prefix",
        ]],
        S3Action::ListMultipartUploads => &[&[
            "delimiter",
            "encoding-type",
            "key-marker",
            "max-uploads",
            "prefix",
            "upload-id-marker",
            "uploads",
        ]],
        S3Action::CreateMultipartUpload => &[&["uploads"]],
        S3Action::UploadPart | S3Action::UploadPartCopy => &[&["partNumber", "uploadId"]],
        S3Action::ListParts => &[&["max-parts", "part-number-marker", "uploadId"]],
        S3Action::CompleteMultipartUpload | S3Action::AbortMultipartUpload => &[&["uploadId"]],
        S3Action::DeleteObjects => &[&["delete"]],
        S3Action::GetBucketLocation => &[&["location"]],
        S3Action::GetBucketTagging | S3Action::PutBucketTagging | S3Action::DeleteBucketTagging => {
            &[&["tagging"]]
        }
        S3Action::GetBucketVersioning | S3Action::PutBucketVersioning => &[&["versioning"]],
        S3Action::GetBucketPolicy | S3Action::PutBucketPolicy | S3Action::DeleteBucketPolicy => {
            &[&["policy"]]
        }
        S3Action::GetBucketPolicyStatus => &[&["policyStatus"]],
        S3Action::GetBucketEncryption
        | S3Action::PutBucketEncryption
        | S3Action::DeleteBucketEncryption => &[&["encryption"]],
        S3Action::GetBucketLifecycleConfiguration
        | S3Action::PutBucketLifecycleConfiguration
        | S3Action::DeleteBucketLifecycle => &[&["lifecycle"]],
        S3Action::GetBucketCors | S3Action::PutBucketCors | S3Action::DeleteBucketCors => {
            &[&["cors"]]
        }
        S3Action::GetBucketNotificationConfiguration => &[&["notification"]],
        S3Action::GetBucketAcl => &[&["acl"]],
        S3Action::GetBucketLogging => &[&["logging"]],
        S3Action::GetBucketWebsite | S3Action::DeleteBucketWebsite => &[&["website"]],
        S3Action::GetBucketReplication | S3Action::DeleteBucketReplication => &[&["replication"]],
        S3Action::GetBucketRequestPayment => &[&["requestPayment"]],
        S3Action::GetBucketAccelerateConfiguration => &[&["accelerate"]],
        S3Action::GetBucketOwnershipControls => &[&["ownershipControls"]],
        S3Action::GetPublicAccessBlock
        | S3Action::PutPublicAccessBlock
        | S3Action::DeletePublicAccessBlock => &[&["publicAccessBlock"]],
        S3Action::GetObjectLockConfiguration => &[&["object-lock"]],
        S3Action::PutObject
        | S3Action::CopyObject
        | S3Action::CreateBucket
        | S3Action::DeleteBucket
        | S3Action::HeadBucket => &[],
    }
}

/// Elements of an action's body that are refused; all the others are read.
fn refused_elements(action: S3Action) -> &'static [&'static str] {
    match action {
        S3Action::CreateBucket => &["Location", "Bucket", "Tags"],
        S3Action::DeleteObjects => &["LastModifiedTime", "Size"],
        S3Action::PutBucketVersioning => &["MfaDelete"],
        S3Action::PutBucketEncryption => &["BlockedEncryptionTypes"],
        S3Action::CompleteMultipartUpload => &[
            "ChecksumSHA512",
            "ChecksumMD5",
            "ChecksumXXHASH64",
            "ChecksumXXHASH3",
            "ChecksumXXHASH128",
        ],
        _ => &[],
    }
}

fn contains(lists: &[&[&str]], name: &str) -> bool {
    lists.iter().any(|list| list.contains(&name))
}

/// What happens with a header; those of HTTP itself are honoured by every action that S3 has them in.
pub(super) fn header(action: S3Action, name: &str) -> Treatment {
    if !name.starts_with("x-amz-") {
        return Treatment::Honoured;
    }
    if let Some((_, why)) = HARMLESS.iter().find(|(harmless, _)| *harmless == name) {
        return Treatment::Harmless(why);
    }
    if name.starts_with("x-amz-meta-")
        || contains(&[TRANSPORT, OF_ALL], name)
        || contains(headers(action), name)
    {
        Treatment::Honoured
    } else {
        Treatment::Refused
    }
}

/// What happens with a query parameter.
pub(super) fn query(action: S3Action, name: &str) -> Treatment {
    if contains(queries(action), name) {
        Treatment::Honoured
    } else if KNOWN_QUERY.contains(&name) {
        Treatment::Refused
    } else {
        Treatment::Harmless("S3 does not know it either, and ignores it")
    }
}

/// The first member of a request that is refused: `query renameObject`.
pub(super) fn refused(
    action: S3Action,
    headers: &HeaderMap,
    parameters: &HashMap<String, String>,
) -> Option<String> {
    let mut queries: Vec<&str> = parameters.keys().map(String::as_str).collect();
    // Of several the same one each time.
    queries.sort_unstable();
    let query = queries
        .into_iter()
        .find(|name| query(action, name) == Treatment::Refused);
    if let Some(name) = query {
        return Some(format!("query parameter {name}"));
    }
    let header = headers
        .keys()
        .find(|name| header(action, name.as_str()) == Treatment::Refused);
    header.map(|name| format!("header {name}"))
}

/// A query parameter that S3 knows and no action here honours; `s3s` does not know all of them, and
/// would take the request for another one.
pub(super) fn never(parameters: &HashMap<String, String>) -> Option<&str> {
    let honoured = |name: &str| {
        S3Action::ALL
            .iter()
            .any(|action| contains(queries(*action), name))
    };
    let mut names = parameters.keys().map(String::as_str);
    names.find(|name| KNOWN_QUERY.contains(name) && !honoured(name))
}

/// The first element of a body that is refused: `element Tags`.
pub(super) fn refused_element(action: S3Action, body: &str) -> Option<String> {
    let named = |name: &&&str| {
        [">", "/>", " "]
            .iter()
            .any(|end| body.contains(&format!("<{name}{end}")))
    };
    let name = refused_elements(action).iter().find(named)?;
    Some(format!("element {name}"))
}

#[cfg(test)]
mod tests;
