//! What a version of a function is configured with.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stack::{Code, Env, Function};
use uuid::Uuid;

use super::LATEST;
use crate::time::{Timestamp, now};

/// The configuration of one version of a function, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Settings {
    pub name: String,
    /// Key in the project file; of functions that requests made, the name.
    pub key: String,
    /// Without a qualifier.
    pub arn: String,
    /// `$LATEST` or a number.
    pub version: String,
    /// The executable: a file name in the folder of binaries, or a path.
    pub binary: String,
    /// Where the code lies that a request has brought.
    pub task_root: Option<String>,
    /// Where the code lies that the stack names.
    #[serde(default)]
    pub code: Code,
    #[serde(default)]
    pub layers: Vec<PathBuf>,
    pub runtime: String,
    pub handler: String,
    pub role: String,
    pub description: String,
    pub memory_mib: u64,
    pub timeout_seconds: u64,
    pub environment: Env,
    pub architectures: Vec<String>,
    pub code_size: u64,
    /// Base64.
    pub code_sha256: String,
    pub modified: Timestamp,
    /// Changes with every change.
    pub revision: String,
    /// The revision of `$LATEST` that it was published from.
    pub published_from: Option<String>,
    pub maximum_retry_attempts: Option<u32>,
    pub maximum_event_age_seconds: Option<u64>,
    pub on_failure: Option<String>,
}

impl Settings {
    /// A function of the stack.
    pub(super) fn declared(function: &Function) -> Self {
        let runtime = function.runtime.as_deref();
        Settings {
            name: function.name.clone(),
            key: function.key.clone(),
            arn: function.arn.clone(),
            version: LATEST.to_owned(),
            binary: function.binary.clone(),
            task_root: None,
            code: function.code.clone(),
            layers: function.layers.clone(),
            runtime: runtime.unwrap_or("provided.al2023").to_owned(),
            handler: function.handler.clone(),
            role: String::new(),
            description: String::new(),
            memory_mib: function.memory_mib,
            timeout_seconds: function.timeout.as_secs(),
            environment: function.environment.clone(),
            architectures: vec![architecture().to_owned()],
            code_size: 0,
            code_sha256: String::new(),
            modified: now(),
            revision: Uuid::new_v4().to_string(),
            published_from: None,
            maximum_retry_attempts: function.maximum_retry_attempts,
            maximum_event_age_seconds: function.maximum_event_age.map(|age| age.as_secs()),
            on_failure: function.on_failure.clone(),
        }
    }

    /// The function that is run.
    pub(super) fn function(&self) -> Function {
        Function {
            key: self.key.clone(),
            name: self.name.clone(),
            logical_id: String::new(),
            arn: self.arn.clone(),
            binary: self.binary.clone(),
            handler: self.handler.clone(),
            runtime: Some(self.runtime.clone()),
            code: match &self.task_root {
                Some(folder) => Code::Folder(folder.into()),
                None => self.code.clone(),
            },
            layers: self.layers.clone(),
            memory_mib: self.memory_mib,
            timeout: Duration::from_secs(self.timeout_seconds),
            environment: self.environment.clone(),
            reserved_concurrency: None,
            maximum_retry_attempts: self.maximum_retry_attempts,
            maximum_event_age: self.maximum_event_age_seconds.map(Duration::from_secs),
            on_failure: self.on_failure.clone(),
        }
    }

    /// Notes that it has changed.
    pub(super) fn touch(&mut self) {
        self.modified = now();
        self.revision = Uuid::new_v4().to_string();
    }

    /// `FunctionConfiguration` of the API; its ARN ends in the qualifier that was asked for.
    pub(super) fn describe(&self, qualifier: Option<&str>) -> Value {
        let is_image = self.handler.is_empty() && self.task_root.is_none();
        let arn = match qualifier {
            Some(qualifier) => format!("{}:{qualifier}", self.arn),
            None => self.arn.clone(),
        };
        // `2026-11-24T08:15:33.120+0000`.
        let modified = self.modified.to_string().replace('Z', "+0000");
        let mut configuration = json!({
            "FunctionName": self.name,
            "FunctionArn": arn,
            "Handler": self.handler,
            "Role": self.role,
            "Description": self.description,
            "Timeout": self.timeout_seconds,
            "MemorySize": self.memory_mib,
            "Version": self.version,
            "Environment": {"Variables": self.environment},
            "Architectures": self.architectures,
            "CodeSize": self.code_size,
            "CodeSha256": self.code_sha256,
            "LastModified": modified,
            "RevisionId": self.revision,
            "PackageType": if is_image { "Image" } else { "Zip" },
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "LoggingConfig": {"LogFormat": "Text", "LogGroup": format!("/aws/lambda/{}", self.name)},
        });
        if !is_image {
            configuration["Runtime"] = json!(self.runtime);
        }
        configuration
    }
}

/// This machine's, as Lambda names it.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    }
}
