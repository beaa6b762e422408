//! Rules for lifecycle configurations.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/intro-lifecycle-rules.html>

use std::collections::HashSet;

use s3s::S3ErrorCode;
use s3s::dto::{
    BucketLifecycleConfiguration, ExpirationStatus, LifecycleExpiration, LifecycleRule,
    LifecycleRuleFilter,
};
use uuid::Uuid;

use super::fault::{Fault, fault};

/// Rules of a bucket, most.
const RULE_LIMIT: usize = 1_000;
/// Longest id of a rule, characters.
const ID_LIMIT: usize = 255;

fn invalid(message: impl Into<String>) -> Fault {
    Fault::new(S3ErrorCode::InvalidRequest, message)
}

fn argument(message: impl Into<String>) -> Fault {
    Fault::new(S3ErrorCode::InvalidArgument, message)
}

/// The configuration as S3 would keep it: each rule has an id.
pub(super) fn checked(
    wanted: &BucketLifecycleConfiguration,
) -> Result<BucketLifecycleConfiguration, Fault> {
    let mut checked = wanted.clone();
    if checked.rules.is_empty() || checked.rules.len() > RULE_LIMIT {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    let mut ids = HashSet::new();
    for rule in &mut checked.rules {
        check(rule)?;
        let id = rule.id.get_or_insert_default();
        if id.is_empty() {
            *id = Uuid::new_v4().to_string();
        }
        if id.chars().count() > ID_LIMIT {
            return Err(argument("ID length should not exceed allowed limit of 255"));
        }
        if !ids.insert(id.clone()) {
            return Err(argument(format!(
                "Rule ID must be unique. Found same ID for more than one rule: {id}"
            )));
        }
    }
    Ok(checked)
}

fn check(rule: &LifecycleRule) -> Result<(), Fault> {
    let status = rule.status.as_str();
    // One of the two says what the rule is about.
    let one_scope = rule.prefix.is_some() != rule.filter.is_some();
    if !one_scope || ![ExpirationStatus::ENABLED, ExpirationStatus::DISABLED].contains(&status) {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    if let Some(filter) = &rule.filter {
        check_filter(filter)?;
    }
    let none = rule.expiration.is_none()
        && rule.noncurrent_version_expiration.is_none()
        && rule.abort_incomplete_multipart_upload.is_none()
        && rule.transitions.as_ref().is_none_or(Vec::is_empty)
        && rule
            .noncurrent_version_transitions
            .as_ref()
            .is_none_or(Vec::is_empty);
    if none {
        return Err(invalid(
            "At least one action needs to be specified in a rule",
        ));
    }
    if let Some(expiration) = &rule.expiration {
        check_expiration(expiration, is_tagged(rule))?;
    }
    if is_tagged(rule) && rule.abort_incomplete_multipart_upload.is_some() {
        return Err(invalid(
            "AbortIncompleteMultipartUpload cannot be specified with Tags.",
        ));
    }
    let positive = [
        ("NoncurrentVersionExpiration", "NoncurrentDays", {
            let expiration = rule.noncurrent_version_expiration.as_ref();
            expiration.map(|expiration| expiration.noncurrent_days.unwrap_or_default())
        }),
        ("AbortIncompleteMultipartUpload", "DaysAfterInitiation", {
            let abort = rule.abort_incomplete_multipart_upload.as_ref();
            abort.map(|abort| abort.days_after_initiation.unwrap_or_default())
        }),
    ];
    for (action, days, given) in positive {
        if given.is_some_and(|given| given < 1) {
            return Err(argument(format!(
                "'{days}' for {action} action must be a positive integer"
            )));
        }
    }
    for transition in rule.noncurrent_version_transitions.iter().flatten() {
        if transition.noncurrent_days.is_none() || transition.storage_class.is_none() {
            return Err(fault(S3ErrorCode::MalformedXML));
        }
    }
    for transition in rule.transitions.iter().flatten() {
        if transition.days.is_some() == transition.date.is_some()
            || transition.storage_class.is_none()
        {
            return Err(fault(S3ErrorCode::MalformedXML));
        }
        if transition.days.is_some_and(|days| days < 0) {
            return Err(argument("'Days' in Transition action must be nonnegative"));
        }
    }
    Ok(())
}

/// A filter says one thing, or several in `And`.
fn check_filter(filter: &LifecycleRuleFilter) -> Result<(), Fault> {
    let said = [
        filter.prefix.is_some(),
        filter.tag.is_some(),
        filter.and.is_some(),
        filter.object_size_greater_than.is_some(),
        filter.object_size_less_than.is_some(),
    ];
    if said.into_iter().filter(|said| *said).count() > 1 {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    let Some(and) = &filter.and else {
        return Ok(());
    };
    let tags = and.tags.as_ref().map_or(0, Vec::len);
    let said = usize::from(and.prefix.is_some())
        + usize::from(and.object_size_greater_than.is_some())
        + usize::from(and.object_size_less_than.is_some())
        + tags;
    if said < 2 {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    Ok(())
}

fn is_tagged(rule: &LifecycleRule) -> bool {
    let filter = rule.filter.as_ref();
    filter.is_some_and(|filter| {
        let and = filter.and.as_ref().and_then(|and| and.tags.as_ref());
        filter.tag.is_some() || and.is_some_and(|tags| !tags.is_empty())
    })
}

fn check_expiration(expiration: &LifecycleExpiration, tagged: bool) -> Result<(), Fault> {
    let said = [
        expiration.days.is_some(),
        expiration.date.is_some(),
        expiration.expired_object_delete_marker.is_some(),
    ];
    if said.into_iter().filter(|said| *said).count() != 1 {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    if expiration.days.is_some_and(|days| days < 1) {
        return Err(argument(
            "'Days' for Expiration action must be a positive integer",
        ));
    }
    if tagged && expiration.expired_object_delete_marker.is_some() {
        return Err(invalid(
            "ExpiredObjectDeleteMarker cannot be specified with Tags.",
        ));
    }
    if let Some(date) = &expiration.date {
        let date = time::OffsetDateTime::from(date.clone());
        if date.time() != time::Time::MIDNIGHT {
            return Err(argument("'Date' must be at midnight GMT"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::xml::{Deserialize, Deserializer};

    fn found(rules: &str) -> String {
        let text = format!("<LifecycleConfiguration>{rules}</LifecycleConfiguration>");
        let read =
            BucketLifecycleConfiguration::deserialize(&mut Deserializer::new(text.as_bytes()));
        // Without a rule it is none, as the front of S3 says too.
        let Ok(read) = read else {
            return "MalformedXML".to_owned();
        };
        match checked(&read) {
            Ok(checked) => format!("{} rules", checked.rules.len()),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn rules_are_those_of_s3() {
        let rule = |inner: &str| format!("<Rule><Status>Enabled</Status>{inner}</Rule>");
        let all = "<Filter><Prefix></Prefix></Filter>";
        let tag = "<Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>";
        let days = |days: i32| format!("<Expiration><Days>{days}</Days></Expiration>");
        for (rules, expected) in [
            (rule(&format!("{all}{}", days(1))), "1 rules"),
            (rule(&format!("<Prefix>a</Prefix>{}", days(1))), "1 rules"),
            (rule(&format!("{tag}{}", days(1))), "1 rules"),
            (String::new(), "MalformedXML"),
            (rule(&days(1)), "MalformedXML"),
            (rule(all), "InvalidRequest"),
            (rule(&format!("{all}{}", days(0))), "InvalidArgument"),
            (
                rule(&format!(
                    "{all}<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
                )),
                "MalformedXML",
            ),
            (
                rule(&format!(
                    "{tag}<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
                )),
                "InvalidRequest",
            ),
            (
                rule(&format!("<ID>a</ID>{all}{}", days(1))).repeat(2),
                "InvalidArgument",
            ),
            (
                rule(&format!(
                    "<Filter><And><Prefix>a</Prefix></And></Filter>{}",
                    days(1)
                )),
                "MalformedXML",
            ),
        ] {
            let found = found(&rules);
            assert!(found.starts_with(expected), "{rules}: {found}");
        }
    }
}
