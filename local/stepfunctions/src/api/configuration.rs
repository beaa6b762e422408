//! What a state machine is configured to besides its definition.

use cloud::error::ServiceError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::store::Configuration;

/// `loggingConfiguration`. It is kept and shown; the history of an execution is here in the history alone.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_LoggingConfiguration.html>
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logging {
    #[serde(default = "off")]
    level: String,
    #[serde(default)]
    include_execution_data: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    destinations: Vec<Destination>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Destination {
    cloud_watch_logs_log_group: LogGroup,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LogGroup {
    log_group_arn: String,
}

fn off() -> String {
    "OFF".into()
}

impl Logging {
    /// What is kept of it.
    ///
    /// # Errors
    /// `InvalidLoggingConfiguration`: not exactly one log group where there is to be a log.
    pub fn kept(logging: Option<&Logging>) -> Result<Option<Value>, ServiceError> {
        let Some(logging) = logging else {
            return Ok(None);
        };
        let refused = |why: &str| {
            let message = format!("Invalid Logging Configuration: {why}");
            Err(ServiceError::new("InvalidLoggingConfiguration", message))
        };
        if logging.destinations.len() > 1
            || logging.destinations.is_empty() && logging.level != "OFF"
        {
            return refused("Must specify exactly one Log Destination.");
        }
        let is_group = |arn: &str| {
            let parts: Vec<&str> = arn.split(':').collect();
            matches!(parts[..], ["arn", _, "logs", _, _, "log-group", name, "*"] if !name.is_empty())
        };
        let groups = logging.destinations.iter();
        let groups =
            groups.map(|destination| &destination.cloud_watch_logs_log_group.log_group_arn);
        match groups.into_iter().find(|arn| !is_group(arn)) {
            Some(arn) => refused(&format!(
                "'{arn}' is no ARN of a log group; one ends in ':*'."
            )),
            None => Ok(Some(json!(logging))),
        }
    }

    /// As it is described.
    pub fn shown(configuration: &Configuration) -> Value {
        let default = || json!({ "level": "OFF", "includeExecutionData": false });
        configuration.logging.clone().unwrap_or_else(default)
    }
}

/// `tracingConfiguration`. It is kept and shown; nothing is traced here.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_TracingConfiguration.html>
#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Tracing {
    #[serde(default)]
    enabled: bool,
}

impl Tracing {
    /// What is kept of it.
    pub fn kept(tracing: Option<&Tracing>) -> Option<Value> {
        tracing.map(|tracing| json!(tracing))
    }

    /// As it is described.
    pub fn shown(configuration: &Configuration) -> Value {
        let default = || json!({ "enabled": false });
        configuration.tracing.clone().unwrap_or_else(default)
    }
}

/// `encryptionConfiguration`.
/// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_EncryptionConfiguration.html>
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Encryption {
    #[serde(rename = "type")]
    kind: String,
    kms_key_id: Option<String>,
    kms_data_key_reuse_period_seconds: Option<u32>,
}

/// Here nobody has keys: only what is encrypted with none of the customer's own is taken.
pub fn refuse_key(encryption: Option<&Encryption>) -> Result<(), ServiceError> {
    let Some(encryption) = encryption else {
        return Ok(());
    };
    if encryption.kind == "AWS_OWNED_KEY"
        && encryption.kms_key_id.is_none()
        && encryption.kms_data_key_reuse_period_seconds.is_none()
    {
        return Ok(());
    }
    Err(ServiceError::new(
        "InvalidEncryptionConfiguration",
        "Invalid Encryption Configuration: the local cloud has no keys of customers; leave encryptionConfiguration out, \
         or give it the type AWS_OWNED_KEY and nothing else",
    ))
}
