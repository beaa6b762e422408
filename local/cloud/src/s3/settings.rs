//! Settings of a bucket that are kept as documents and told again: lifecycle, CORS, policy, encryption
//! and the block of public access.
//!
//! Encryption is told of new objects, as their own would be. The others change nothing here: nothing
//! expires, no foreign page may call, and callers have no rights to be granted or denied.

use std::borrow::Cow;

use s3s::dto::{
    BucketLifecycleConfiguration, CORSConfiguration, GetBucketEncryptionOutput,
    GetBucketLifecycleConfigurationOutput, GetBucketPolicyStatusOutput, PolicyStatus,
    PublicAccessBlockConfiguration, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput, ServerSideEncryption, ServerSideEncryptionByDefault,
    ServerSideEncryptionConfiguration, ServerSideEncryptionRule,
    TransitionDefaultMinimumObjectSize,
};
use s3s::xml::{Deserialize, Deserializer, Serialize, Serializer};
use s3s::{S3ErrorCode, S3Result};
use serde_json::Value;

use super::Backend;
use super::attributes::{ENCRYPTION, Encryption};
use super::contents::internal;
use super::fault::{Fault, fault};
use super::lifecycle;

/// Bytes of a policy.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-policies.html>
const POLICY_LIMIT: usize = 20_480;

/// Rules for origins, most.
const CORS_LIMIT: usize = 100;
const CORS_METHODS: &[&str] = &["GET", "PUT", "POST", "DELETE", "HEAD"];

/// A setting by the query parameter that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Lifecycle,
    /// The size below which objects are not moved to another class.
    TransitionSize,
    Cors,
    Policy,
    Encryption,
    PublicAccess,
}

impl Setting {
    fn name(self) -> &'static str {
        match self {
            Setting::Lifecycle => "lifecycle",
            Setting::TransitionSize => "transition-size",
            Setting::Cors => "cors",
            Setting::Policy => "policy",
            Setting::Encryption => "encryption",
            Setting::PublicAccess => "publicAccessBlock",
        }
    }
}

impl Backend {
    fn set_text(&self, bucket: &str, setting: Setting, text: String) -> S3Result<()> {
        Ok(self.store.change(bucket, |facts| {
            facts.settings.insert(setting.name().to_owned(), text);
        })?)
    }

    fn text(&self, bucket: &str, setting: Setting) -> S3Result<Option<String>> {
        Ok(self.store.facts(bucket)?.settings.remove(setting.name()))
    }

    pub(super) fn has_setting(&self, bucket: &str, setting: Setting) -> S3Result<bool> {
        Ok(self.text(bucket, setting)?.is_some())
    }

    /// Keeps a setting.
    pub(super) fn set(
        &self,
        bucket: &str,
        setting: Setting,
        document: &impl Serialize,
    ) -> S3Result<()> {
        let mut text = Vec::new();
        let written = document.serialize(&mut Serializer::new(&mut text));
        written.map_err(|error| internal(std::io::Error::other(error)))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        self.set_text(bucket, setting, text)
    }

    /// A setting that was kept.
    pub(super) fn setting<T: for<'a> Deserialize<'a>>(
        &self,
        bucket: &str,
        setting: Setting,
    ) -> S3Result<Option<T>> {
        let Some(text) = self.text(bucket, setting)? else {
            return Ok(None);
        };
        let read = T::deserialize(&mut Deserializer::new(text.as_bytes()));
        let read = read.map_err(|error| internal(std::io::Error::other(error)))?;
        Ok(Some(read))
    }

    /// Removes a setting, which need not be there.
    pub(super) fn remove_setting(&self, bucket: &str, setting: Setting) -> S3Result<()> {
        Ok(self.store.change(bucket, |facts| {
            facts.settings.remove(setting.name());
        })?)
    }

    pub(super) fn set_lifecycle(
        &self,
        input: &PutBucketLifecycleConfigurationInput,
    ) -> S3Result<PutBucketLifecycleConfigurationOutput> {
        let bucket = &input.bucket;
        self.check_bucket(bucket)?;
        let document = input.lifecycle_configuration.as_ref();
        let document = document.ok_or_else(|| fault(S3ErrorCode::MalformedXML))?;
        let document = lifecycle::checked(document)?;
        let size = input.transition_default_minimum_object_size.as_ref();
        let size = size.map_or(
            TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
            TransitionDefaultMinimumObjectSize::as_str,
        );
        if ![
            TransitionDefaultMinimumObjectSize::ALL_STORAGE_CLASSES_128K,
            TransitionDefaultMinimumObjectSize::VARIES_BY_STORAGE_CLASS,
        ]
        .contains(&size)
        {
            let name = "x-amz-transition-default-minimum-object-size";
            return Err(Fault::argument(name, size, "").into());
        }
        self.set(bucket, Setting::Lifecycle, &document)?;
        self.set_text(bucket, Setting::TransitionSize, size.to_owned())?;
        Ok(PutBucketLifecycleConfigurationOutput {
            transition_default_minimum_object_size: Some(size.to_owned().into()),
        })
    }

    pub(super) fn lifecycle(
        &self,
        bucket: &str,
    ) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let kept: Option<BucketLifecycleConfiguration> =
            self.setting(bucket, Setting::Lifecycle)?;
        let kept = kept.ok_or_else(|| fault(S3ErrorCode::NoSuchLifecycleConfiguration))?;
        let size = self.text(bucket, Setting::TransitionSize)?;
        Ok(GetBucketLifecycleConfigurationOutput {
            rules: Some(kept.rules),
            transition_default_minimum_object_size: size.map(Into::into),
        })
    }

    /// Keeps a policy that is one, and that the block of public access lets through.
    pub(super) fn set_policy(&self, bucket: &str, text: String) -> S3Result<()> {
        self.check_bucket(bucket)?;
        let policy = policy(&text)?;
        if is_public(&policy) && self.access_block(bucket)?.block_public_policy == Some(true) {
            let message =
                "public policies are blocked by the BlockPublicPolicy block public access setting.";
            return Err(Fault::new(S3ErrorCode::AccessDenied, message).into());
        }
        self.set_text(bucket, Setting::Policy, text)
    }

    pub(super) fn policy(&self, bucket: &str) -> S3Result<String> {
        let kept = self.text(bucket, Setting::Policy)?;
        Ok(kept.ok_or_else(|| fault(S3ErrorCode::NoSuchBucketPolicy))?)
    }

    pub(super) fn policy_status(&self, bucket: &str) -> S3Result<GetBucketPolicyStatusOutput> {
        let kept = policy(&self.policy(bucket)?)?;
        Ok(GetBucketPolicyStatusOutput {
            policy_status: Some(PolicyStatus {
                is_public: Some(is_public(&kept)),
            }),
        })
    }

    /// All is blocked in a new bucket; nothing is where the setting was removed.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-control-block-public-access.html>
    pub(super) fn access_block(&self, bucket: &str) -> S3Result<PublicAccessBlockConfiguration> {
        let all = PublicAccessBlockConfiguration {
            block_public_acls: Some(true),
            block_public_policy: Some(true),
            ignore_public_acls: Some(true),
            restrict_public_buckets: Some(true),
        };
        match self.text(bucket, Setting::PublicAccess)?.as_deref() {
            None => Ok(all),
            Some("") => {
                let message = "The public access block configuration was not found";
                let code = "NoSuchPublicAccessBlockConfiguration";
                Err(Fault::custom(http::StatusCode::NOT_FOUND, code, message).into())
            }
            Some(_) => Ok(self.setting(bucket, Setting::PublicAccess)?.unwrap_or(all)),
        }
    }

    /// What is not said is not blocked.
    pub(super) fn set_access_block(
        &self,
        bucket: &str,
        wanted: &PublicAccessBlockConfiguration,
    ) -> S3Result<()> {
        let block = PublicAccessBlockConfiguration {
            block_public_acls: Some(wanted.block_public_acls == Some(true)),
            block_public_policy: Some(wanted.block_public_policy == Some(true)),
            ignore_public_acls: Some(wanted.ignore_public_acls == Some(true)),
            restrict_public_buckets: Some(wanted.restrict_public_buckets == Some(true)),
        };
        self.set(bucket, Setting::PublicAccess, &block)
    }

    pub(super) fn remove_access_block(&self, bucket: &str) -> S3Result<()> {
        self.set_text(bucket, Setting::PublicAccess, String::new())
    }

    pub(super) fn set_encryption(
        &self,
        bucket: &str,
        wanted: &ServerSideEncryptionConfiguration,
    ) -> S3Result<()> {
        self.check_bucket(bucket)?;
        let [rule] = wanted.rules.as_slice() else {
            return Err(fault(S3ErrorCode::MalformedXML).into());
        };
        if let Some(default) = &rule.apply_server_side_encryption_by_default {
            let algorithm = default.sse_algorithm.as_str();
            let key = default.kms_master_key_id.as_deref();
            Encryption::checked(algorithm, key)?;
        }
        let rule = ServerSideEncryptionRule {
            bucket_key_enabled: Some(rule.bucket_key_enabled == Some(true)),
            ..rule.clone()
        };
        let kept = ServerSideEncryptionConfiguration { rules: vec![rule] };
        self.set(bucket, Setting::Encryption, &kept)
    }

    /// The encryption of objects whose writer names none.
    pub(super) fn encryption(&self, bucket: &str) -> S3Result<GetBucketEncryptionOutput> {
        let usual = || ServerSideEncryptionConfiguration {
            rules: vec![ServerSideEncryptionRule {
                apply_server_side_encryption_by_default: Some(ServerSideEncryptionByDefault {
                    kms_master_key_id: None,
                    sse_algorithm: ServerSideEncryption::from_static(ENCRYPTION),
                }),
                bucket_key_enabled: Some(false),
            }],
        };
        let kept = self.setting(bucket, Setting::Encryption)?;
        Ok(GetBucketEncryptionOutput {
            server_side_encryption_configuration: Some(kept.unwrap_or_else(usual)),
        })
    }

    /// Gives an object the encryption of its bucket, unless its writer named one.
    pub(super) fn encrypt(&self, bucket: &str, own: &mut Encryption) -> S3Result<()> {
        if own.algorithm.is_some() {
            return Ok(());
        }
        let kept: Option<ServerSideEncryptionConfiguration> =
            self.setting(bucket, Setting::Encryption)?;
        let Some(rule) = kept.and_then(|kept| kept.rules.into_iter().next()) else {
            return Ok(());
        };
        if let Some(default) = rule.apply_server_side_encryption_by_default {
            let algorithm = default.sse_algorithm.as_str();
            own.algorithm = Some(algorithm.to_owned());
            own.key = default.kms_master_key_id;
            if algorithm != ENCRYPTION && own.bucket_key.is_none() {
                own.bucket_key = rule.bucket_key_enabled;
            }
        }
        Ok(())
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketCors.html>
pub(super) fn check_cors(wanted: &CORSConfiguration) -> Result<(), Fault> {
    let rules = &wanted.cors_rules;
    if rules.is_empty() || rules.len() > CORS_LIMIT {
        return Err(fault(S3ErrorCode::MalformedXML));
    }
    for rule in rules {
        if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
            return Err(fault(S3ErrorCode::MalformedXML));
        }
        let methods = &rule.allowed_methods;
        if let Some(wrong) = methods
            .iter()
            .find(|method| !CORS_METHODS.contains(&method.as_str()))
        {
            let message = format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {wrong}"
            );
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message));
        }
        let headers = rule.allowed_headers.iter().flatten();
        let mut patterns = headers.chain(&rule.allowed_origins);
        if let Some(wrong) = patterns.find(|text| text.matches('*').count() > 1) {
            let message = format!(
                "AllowedOrigin or AllowedHeader \"{wrong}\" can not have more than one wildcard."
            );
            return Err(Fault::new(S3ErrorCode::InvalidRequest, message));
        }
    }
    Ok(())
}

/// A policy, if its text is one.
fn policy(text: &str) -> Result<Value, Fault> {
    let malformed = |message: Cow<'static, str>| Fault::new(S3ErrorCode::MalformedPolicy, message);
    if text.len() > POLICY_LIMIT {
        return Err(malformed(
            "Policy exceeds the maximum allowed document size.".into(),
        ));
    }
    let policy: Value = serde_json::from_str(text)
        .ok()
        .filter(Value::is_object)
        .ok_or_else(|| {
            malformed("Policies must be valid JSON and the first byte must be '{'".into())
        })?;
    let statements = statements(&policy);
    if statements.is_empty() {
        return Err(malformed("Missing required field Statement".into()));
    }
    for statement in statements {
        for fields in [
            &["Effect"][..],
            &["Principal", "NotPrincipal"],
            &["Action", "NotAction"],
            &["Resource", "NotResource"],
        ] {
            if fields.iter().all(|field| statement.get(*field).is_none()) {
                return Err(malformed(
                    format!("Missing required field {}", fields[0]).into(),
                ));
            }
        }
        if !["Allow", "Deny"].contains(&statement["Effect"].as_str().unwrap_or_default()) {
            return Err(malformed(
                format!("Invalid effect: {}", statement["Effect"]).into(),
            ));
        }
    }
    Ok(policy)
}

fn statements(policy: &Value) -> Vec<&Value> {
    match &policy["Statement"] {
        Value::Array(statements) => statements.iter().collect(),
        statement @ Value::Object(_) => vec![statement],
        _ => Vec::new(),
    }
}

/// Whether a policy allows anything to everybody. A condition may or may not narrow that down; here it
/// always does.
fn is_public(policy: &Value) -> bool {
    let everybody = |principal: &Value| match principal {
        Value::String(name) => name == "*",
        Value::Object(kinds) => kinds.values().any(|names| match names {
            Value::Array(names) => names.iter().any(|name| name == "*"),
            name => name == "*",
        }),
        _ => false,
    };
    let public = |statement: &&Value| {
        statement["Effect"] == "Allow"
            && everybody(&statement["Principal"])
            && statement.get("Condition").is_none()
    };
    statements(policy).iter().any(public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_told_from_what_is_none() {
        let statement = r#""Effect":"Allow","Action":"s3:*","Resource":"*""#;
        for (text, public) in [
            (
                format!(r#"{{"Statement":[{{{statement},"Principal":"*"}}]}}"#),
                true,
            ),
            (
                format!(r#"{{"Statement":{{{statement},"Principal":{{"AWS":["*"]}}}}}}"#),
                true,
            ),
            (
                format!(
                    r#"{{"Statement":[{{{statement},"Principal":{{"AWS":"123456789012"}}}}]}}"#
                ),
                false,
            ),
        ] {
            assert_eq!(is_public(&policy(&text).unwrap()), public, "{text}");
        }
        for (text, message) in [
            ("", "valid JSON"),
            ("[]", "valid JSON"),
            ("{}", "Missing required field Statement"),
            (
                r#"{"Statement":[{"Effect":"Allow"}]}"#,
                "Missing required field Principal",
            ),
        ] {
            let error = policy(text).unwrap_err().to_string();
            assert!(error.contains(message), "{text}: {error}");
        }
    }
}
