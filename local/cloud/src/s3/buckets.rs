//! Buckets, and the settings that S3 gives every bucket: what can be read of them is true here too,
//! what would change them is not offered.

use axum::http::HeaderMap;
use http::StatusCode;
use s3s::dto::{
    BucketLocationConstraint, BucketVersioningStatus, CreateBucketInput, CreateBucketOutput,
    GetBucketAclOutput, GetBucketLocationOutput, GetBucketOwnershipControlsOutput,
    GetBucketRequestPaymentOutput, GetBucketVersioningOutput, GetObjectAclOutput, Grant, Grantee,
    HeadBucketOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule, Payer, Permission,
    Type, VersioningConfiguration,
};
use s3s::{S3ErrorCode, S3Result};

use super::Backend;
use super::contents::internal;
use super::fault::{Fault, fault};
use super::front::Caller;
use super::list::{OWNER, owner};
use super::store::{StoreError, Versioning};

/// The region in which S3 differs from all the others.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>
const FIRST_REGION: &str = "us-east-1";
/// How a new bucket's objects are owned.
const OWNERSHIP: &str = ObjectOwnership::BUCKET_OWNER_ENFORCED;

impl Backend {
    /// Makes a bucket. Its region is the constraint's; the endpoint is that of the region which the
    /// request is signed for.
    pub(super) fn make_bucket(
        &self,
        input: CreateBucketInput,
        headers: &HeaderMap,
        caller: Option<&Caller>,
    ) -> S3Result<CreateBucketOutput> {
        check_acl(headers)?;
        if let Some(ownership) = headers.get("x-amz-object-ownership")
            && ownership != OWNERSHIP
        {
            let named = ownership.to_str().unwrap_or_default();
            let offered = format!("header x-amz-object-ownership: {named}");
            return Err(Fault::not_offered(&offered).into());
        }
        let configuration = input.create_bucket_configuration;
        let constraint = configuration.and_then(|given| given.location_constraint);
        let constraint = constraint.as_ref().map(BucketLocationConstraint::as_str);
        let endpoint = caller.and_then(|caller| caller.region.as_deref());
        let region = region(constraint, endpoint.unwrap_or(FIRST_REGION))?;
        let made = self
            .store
            .create_bucket(&input.bucket, Some(region.clone()))
            .map_err(internal)?;
        let only_first = region == FIRST_REGION && self.region_of(&input.bucket)? == FIRST_REGION;
        if !made && !only_first {
            return Err(fault(S3ErrorCode::BucketAlreadyOwnedByYou).into());
        }
        Ok(CreateBucketOutput {
            location: Some(format!("/{}", input.bucket)),
        })
    }

    pub(super) fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.store.has_bucket(bucket) {
            Ok(())
        } else {
            Err(StoreError::NoSuchBucket.into())
        }
    }

    fn region_of(&self, bucket: &str) -> S3Result<String> {
        let facts = self.store.facts(bucket)?;
        Ok(facts.region.unwrap_or_else(|| self.home.region.clone()))
    }

    pub(super) fn bucket_head(&self, bucket: &str) -> S3Result<HeadBucketOutput> {
        Ok(HeadBucketOutput {
            bucket_region: Some(self.region_of(bucket)?),
            access_point_alias: Some(false),
            ..Default::default()
        })
    }

    /// The first region has no constraint.
    pub(super) fn location(&self, bucket: &str) -> S3Result<GetBucketLocationOutput> {
        let region = self.region_of(bucket)?;
        let constraint = (region != FIRST_REGION).then(|| BucketLocationConstraint::from(region));
        Ok(GetBucketLocationOutput {
            location_constraint: constraint,
        })
    }

    /// A bucket that never had versions says nothing at all.
    pub(super) fn versioning(&self, bucket: &str) -> S3Result<GetBucketVersioningOutput> {
        let status = match self.store.facts(bucket)?.versioning {
            Versioning::Never => None,
            Versioning::Enabled => Some(BucketVersioningStatus::ENABLED),
            Versioning::Suspended => Some(BucketVersioningStatus::SUSPENDED),
        };
        Ok(GetBucketVersioningOutput {
            status: status.map(BucketVersioningStatus::from_static),
            mfa_delete: None,
        })
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketVersioning.html>
    pub(super) fn set_versioning(
        &self,
        bucket: &str,
        wanted: &VersioningConfiguration,
    ) -> S3Result<()> {
        self.check_bucket(bucket)?;
        let status = wanted.status.as_ref().map(BucketVersioningStatus::as_str);
        let versioning = match status {
            Some(BucketVersioningStatus::ENABLED) => Versioning::Enabled,
            Some(BucketVersioningStatus::SUSPENDED) => Versioning::Suspended,
            Some(_) => return Err(fault(S3ErrorCode::MalformedXML).into()),
            None => {
                let message = "The Versioning element must be specified";
                let code = S3ErrorCode::IllegalVersioningConfigurationException;
                return Err(Fault::new(code, message).into());
            }
        };
        Ok(self
            .store
            .change(bucket, |facts| facts.versioning = versioning)?)
    }

    /// Says that a bucket has no such setting.
    pub(super) fn unset<T>(&self, bucket: &str, code: S3ErrorCode) -> S3Result<T> {
        self.check_bucket(bucket)?;
        Err(fault(code).into())
    }

    /// A lock that no bucket has.
    pub(super) fn no_lock<T>(&self, bucket: &str) -> S3Result<T> {
        self.check_bucket(bucket)?;
        let message = "Bucket is missing Object Lock Configuration";
        Err(Fault::new(S3ErrorCode::InvalidRequest, message).into())
    }

    /// The owner may do everything, nobody else anything.
    pub(super) fn bucket_acl(&self, bucket: &str) -> S3Result<GetBucketAclOutput> {
        self.check_bucket(bucket)?;
        Ok(GetBucketAclOutput {
            grants: Some(vec![grant()]),
            owner: Some(owner()),
        })
    }

    pub(super) fn request_payment(&self, bucket: &str) -> S3Result<GetBucketRequestPaymentOutput> {
        self.check_bucket(bucket)?;
        Ok(GetBucketRequestPaymentOutput {
            payer: Some(Payer::from_static(Payer::BUCKET_OWNER)),
        })
    }

    pub(super) fn ownership(&self, bucket: &str) -> S3Result<GetBucketOwnershipControlsOutput> {
        self.check_bucket(bucket)?;
        let rule = OwnershipControlsRule {
            object_ownership: ObjectOwnership::from_static(OWNERSHIP),
        };
        Ok(GetBucketOwnershipControlsOutput {
            ownership_controls: Some(OwnershipControls { rules: vec![rule] }),
        })
    }
}

/// The list of an object, as that of its bucket.
pub(super) fn object_acl() -> GetObjectAclOutput {
    GetObjectAclOutput {
        grants: Some(vec![grant()]),
        owner: Some(owner()),
        ..Default::default()
    }
}

fn grant() -> Grant {
    Grant {
        grantee: Some(Grantee {
            id: Some(OWNER.to_owned()),
            type_: Type::from_static(Type::CANONICAL_USER),
            display_name: None,
            email_address: None,
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}

/// A new bucket is its owner's alone; any other list contradicts that.
fn check_acl(headers: &HeaderMap) -> Result<(), Fault> {
    match headers.get("x-amz-acl") {
        Some(acl) if acl != "private" => Err(Fault::new(
            S3ErrorCode::InvalidBucketAclWithObjectOwnership,
            "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting",
        )),
        _ => Ok(()),
    }
}

/// The region of a new bucket.
fn region(constraint: Option<&str>, endpoint: &str) -> Result<String, Fault> {
    let incompatible = |named: &str| {
        let message = format!(
            "The {named} location constraint is incompatible for the region specific endpoint this request was sent to."
        );
        Fault::new(S3ErrorCode::IllegalLocationConstraintException, message)
    };
    let constraint = constraint.filter(|constraint| !constraint.is_empty());
    match constraint {
        None if endpoint == FIRST_REGION => Ok(FIRST_REGION.to_owned()),
        None => Err(incompatible("unspecified")),
        Some(other) if endpoint != FIRST_REGION && other != endpoint => Err(incompatible(other)),
        Some("EU") if endpoint == FIRST_REGION => Ok("eu-west-1".to_owned()),
        Some(wrong) if wrong == FIRST_REGION || !is_region(wrong) => Err(Fault::custom(
            StatusCode::BAD_REQUEST,
            "InvalidLocationConstraint",
            "The specified location-constraint is not valid",
        )
        .with("LocationConstraint", wrong)),
        Some(region) => Ok(region.to_owned()),
    }
}

/// Whether a name is formed as those of regions: `eu-central-1`, `us-gov-west-1`.
fn is_region(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    let [place @ .., number] = parts.as_slice() else {
        return false;
    };
    let letters = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    (2..=3).contains(&place.len())
        && place.iter().all(letters)
        && place[0].len() == 2
        && number.len() == 1
        && number.bytes().all(|digit| digit.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_region_of_a_bucket_follows_constraint_and_endpoint() {
        let illegal = "IllegalLocationConstraintException";
        for (constraint, endpoint, expected) in [
            (None, "us-east-1", Ok("us-east-1")),
            (None, "eu-west-1", Err(illegal)),
            (Some("eu-west-1"), "us-east-1", Ok("eu-west-1")),
            (Some("us-gov-west-1"), "us-gov-west-1", Ok("us-gov-west-1")),
            (Some("eu-west-1"), "eu-west-2", Err(illegal)),
            (Some("us-east-1"), "us-west-2", Err(illegal)),
            (
                Some("us-east-1"),
                "us-east-1",
                Err("InvalidLocationConstraint"),
            ),
            (
                Some("nowhere"),
                "us-east-1",
                Err("InvalidLocationConstraint"),
            ),
        ] {
            let found = region(constraint, endpoint).map_err(|fault| fault.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(code)) => assert!(found.starts_with(code), "{found}"),
                (found, _) => panic!("{constraint:?} at {endpoint}: {found:?}"),
            }
        }
    }
}
