//! Under which conditions a request is carried out.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-requests.html>

use std::time::{SystemTime, UNIX_EPOCH};

use s3s::S3ErrorCode;
use s3s::dto::{ETagCondition, Timestamp};

use super::fault::{Fault, fault};
use super::store::{Condition, Object};

/// Conditions of a read, or of the source of a copy.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
    pub(super) if_modified_since: Option<Timestamp>,
    pub(super) if_unmodified_since: Option<Timestamp>,
}

/// The conditions of an input; with a prefix, those of its source.
macro_rules! conditions {
    ($input:expr) => {
        super::conditions::Conditions {
            if_match: $input.if_match.clone(),
            if_none_match: $input.if_none_match.clone(),
            if_modified_since: $input.if_modified_since.clone(),
            if_unmodified_since: $input.if_unmodified_since.clone(),
        }
    };
    (source of $input:expr) => {
        super::conditions::Conditions {
            if_match: $input.copy_source_if_match.clone(),
            if_none_match: $input.copy_source_if_none_match.clone(),
            if_modified_since: $input.copy_source_if_modified_since.clone(),
            if_unmodified_since: $input.copy_source_if_unmodified_since.clone(),
        }
    };
}
pub(super) use conditions;

/// Why a condition does not hold: its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmet {
    Match,
    UnmodifiedSince,
    NoneMatch,
    ModifiedSince,
}

impl Conditions {
    /// Refuses a read whose conditions do not hold.
    pub(super) fn check_read(&self, object: &Object, now: SystemTime) -> Result<(), Fault> {
        match self.unmet(object, now) {
            None => Ok(()),
            Some(Unmet::Match) => Err(failed("If-Match")),
            Some(Unmet::UnmodifiedSince) => Err(failed("If-Unmodified-Since")),
            Some(Unmet::NoneMatch | Unmet::ModifiedSince) => {
                let modified = httpdate(object.modified);
                Err(fault(S3ErrorCode::NotModified)
                    .header("etag", &format!("\"{}\"", object.e_tag))
                    .header("last-modified", &modified))
            }
        }
    }

    /// Refuses a copy whose source does not fulfil the conditions.
    pub(super) fn check_source(&self, object: &Object, now: SystemTime) -> Result<(), Fault> {
        let header = match self.unmet(object, now) {
            None => return Ok(()),
            Some(Unmet::Match) => "x-amz-copy-source-If-Match",
            Some(Unmet::UnmodifiedSince) => "x-amz-copy-source-If-Unmodified-Since",
            Some(Unmet::NoneMatch) => "x-amz-copy-source-If-None-Match",
            Some(Unmet::ModifiedSince) => "x-amz-copy-source-If-Modified-Since",
        };
        Err(failed(header))
    }

    /// A tag that is right or wrong decides over the date beside it:
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>. A date that has not come
    /// yet is ignored, as measured on S3: <https://github.com/apache/opendal/pull/5500>.
    fn unmet(&self, object: &Object, now: SystemTime) -> Option<Unmet> {
        // Dates of HTTP have whole seconds.
        let modified = seconds(object.modified);
        let date = |date: &Timestamp| {
            let date = time::OffsetDateTime::from(date.clone());
            date.unix_timestamp()
        };
        match (&self.if_match, &self.if_unmodified_since) {
            (Some(tag), _) if !is(tag, object) => return Some(Unmet::Match),
            (None, Some(since)) if modified > date(since) => return Some(Unmet::UnmodifiedSince),
            _ => {}
        }
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(tag), _) if is(tag, object) => Some(Unmet::NoneMatch),
            (None, Some(since)) if modified <= date(since) && date(since) <= seconds(now) => {
                Some(Unmet::ModifiedSince)
            }
            _ => None,
        }
    }
}

fn is(condition: &ETagCondition, object: &Object) -> bool {
    let tag = condition.as_etag();
    tag.is_none_or(|tag| tag.value() == object.e_tag)
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

pub(super) fn httpdate(time: SystemTime) -> String {
    let time = chrono::DateTime::<chrono::Utc>::from(time);
    time.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// What a request is told whose condition does not hold.
pub(super) fn failed(header: &str) -> Fault {
    fault(S3ErrorCode::PreconditionFailed).with("Condition", header)
}

/// The condition of a write.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
pub(super) fn of_write(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> Result<Condition, Fault> {
    match (if_match, if_none_match) {
        (None, None) => Ok(Condition::Always),
        (None, Some(ETagCondition::Any)) => Ok(Condition::Absent),
        (Some(ETagCondition::Any), None) => Ok(Condition::Present),
        (Some(ETagCondition::ETag(tag)), None) => Ok(Condition::Matches(tag.value().to_owned())),
        // As S3 does: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>.
        (_, Some(_)) => Err(Fault::new(
            S3ErrorCode::NotImplemented,
            "A header you provided implies functionality that is not implemented: If-None-Match of a write takes * \
             only, and not beside If-Match",
        )
        .with("Header", "If-None-Match")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::s3::attributes::Attributes;
    use std::path::PathBuf;
    use std::time::Duration;

    #[test]
    fn tags_and_dates_decide_as_the_table_of_s3_says() {
        let modified = UNIX_EPOCH + Duration::from_millis(1_000_500);
        let now = UNIX_EPOCH + Duration::from_secs(2_000);
        let object = Object {
            key: "k".to_owned(),
            path: PathBuf::new(),
            size: 0,
            e_tag: "a".to_owned(),
            modified,
            attributes: Attributes::default(),
            version: None,
            marker: false,
            turn: 0,
        };
        let at = |seconds| Timestamp::from(UNIX_EPOCH + Duration::from_secs(seconds));
        let tag = |text: &str| Some(text.parse::<ETagCondition>().unwrap());
        let cases = [
            (tag("\"a\""), None, None, Some(at(1)), None),
            (tag("\"b\""), None, None, None, Some(Unmet::Match)),
            (tag("*"), None, None, None, None),
            (None, None, None, Some(at(1_000)), None),
            (
                None,
                None,
                None,
                Some(at(999)),
                Some(Unmet::UnmodifiedSince),
            ),
            (
                None,
                tag("\"a\""),
                Some(at(1)),
                None,
                Some(Unmet::NoneMatch),
            ),
            (None, tag("\"b\""), Some(at(1_500)), None, None),
            (
                None,
                None,
                Some(at(1_000)),
                None,
                Some(Unmet::ModifiedSince),
            ),
            (None, None, Some(at(999)), None, None),
            (None, None, Some(at(2_001)), None, None),
        ];
        for (if_match, if_none_match, if_modified_since, if_unmodified_since, unmet) in cases {
            let conditions = Conditions {
                if_match,
                if_none_match,
                if_modified_since,
                if_unmodified_since,
            };
            assert_eq!(conditions.unmet(&object, now), unmet, "{conditions:?}");
        }
    }
}
