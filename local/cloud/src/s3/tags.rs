//! Tags of objects and buckets.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-tagging.html>

use http::StatusCode;
use s3s::S3ErrorCode;
use s3s::dto::Tag;
use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// Tags of an object, most.
const OF_OBJECT: usize = 10;
/// Tags of a bucket, most.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/CostAllocTagging.html>
const OF_BUCKET: usize = 50;
/// Longest key and longest value, characters.
const KEY_LIMIT: usize = 128;
const VALUE_LIMIT: usize = 256;

/// What a document is told that has a tag of AWS's own.
const SYSTEM: &str = "System tags cannot be added/updated by requester";

/// Keys and values, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tags(Vec<(String, String)>);

impl Tags {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As an answer gives them.
    pub(super) fn set(&self) -> Vec<Tag> {
        let tag = |(key, value): &(String, String)| Tag {
            key: Some(key.clone()),
            value: Some(value.clone()),
        };
        self.0.iter().map(tag).collect()
    }
}

/// Tags of the header `x-amz-tagging`: a query string.
pub(super) fn of_header(tagging: &str) -> Result<Tags, Fault> {
    let pairs: Vec<(String, String)> = form_urlencoded::parse(tagging.as_bytes())
        .into_owned()
        .collect();
    if has_twins(&pairs) {
        let message = "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
                       without tag name duplicates.";
        return Err(Fault::argument("x-amz-tagging", tagging, message));
    }
    let system = "Your TagKey cannot be prefixed with aws:";
    checked(
        pairs,
        OF_OBJECT,
        "Object tags cannot be greater than 10",
        system,
    )
}

/// Tags of an object in a document.
pub(super) fn of_object(tags: Vec<Tag>) -> Result<Tags, Fault> {
    let message = "Object tags cannot be greater than 10";
    checked(pairs(tags)?, OF_OBJECT, message, SYSTEM)
}

/// Tags of a bucket in a document.
pub(super) fn of_bucket(tags: Vec<Tag>) -> Result<Tags, Fault> {
    let message = "Bucket tag count cannot be greater than 50";
    checked(pairs(tags)?, OF_BUCKET, message, SYSTEM)
}

fn pairs(tags: Vec<Tag>) -> Result<Vec<(String, String)>, Fault> {
    let pair = |tag: Tag| match (tag.key, tag.value) {
        (Some(key), value) => Ok((key, value.unwrap_or_default())),
        (None, _) => Err(super::fault::fault(S3ErrorCode::MalformedXML)),
    };
    let pairs: Result<Vec<_>, Fault> = tags.into_iter().map(pair).collect();
    let pairs = pairs?;
    if has_twins(&pairs) {
        let message = "Cannot provide multiple Tags with the same key";
        return Err(Fault::new(S3ErrorCode::InvalidTag, message));
    }
    Ok(pairs)
}

fn has_twins(pairs: &[(String, String)]) -> bool {
    let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.windows(2).any(|pair| pair[0] == pair[1])
}

fn checked(
    pairs: Vec<(String, String)>,
    limit: usize,
    too_many: &'static str,
    system: &'static str,
) -> Result<Tags, Fault> {
    if pairs.len() > limit {
        return Err(Fault::custom(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            too_many,
        ));
    }
    let invalid = |message: &str| Fault::new(S3ErrorCode::InvalidTag, message);
    for (key, value) in &pairs {
        if key.is_empty() || key.chars().count() > KEY_LIMIT || !is_plain(key) {
            let fault = invalid("The TagKey you have provided is invalid");
            return Err(fault.with("TagKey", key));
        }
        if value.chars().count() > VALUE_LIMIT || !is_plain(value) {
            let fault = invalid("The TagValue you have provided is invalid");
            return Err(fault.with("TagKey", key).with("TagValue", value));
        }
        if key.starts_with("aws:") {
            let fault = invalid(system);
            return Err(fault.with("TagKey", key));
        }
    }
    Ok(Tags(pairs))
}

/// Letters, digits, spaces and `+ - = . _ : / @` of any script.
fn is_plain(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_alphanumeric() || c.is_whitespace() || "+-=._:/@".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_a_header_are_kept_or_refused() {
        let tags = of_header("a=1&b%20c=%C3%BC&d=").unwrap();
        let expected = [("a", "1"), ("b c", "ü"), ("d", "")];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(tags, Tags(expected.to_vec()));
        let many: String = (0..11).map(|n| format!("k{n}=v&")).collect();
        for (header, message) in [
            ("a=1&a=2", "without tag name duplicates"),
            ("=1", "The TagKey you have provided is invalid"),
            ("a=%3F", "The TagValue you have provided is invalid"),
            ("aws:x=1", "cannot be prefixed with aws:"),
            (many.trim_end_matches('&'), "greater than 10"),
        ] {
            let error = of_header(header).unwrap_err().to_string();
            assert!(error.contains(message), "{header}: {error}");
        }
    }
}
