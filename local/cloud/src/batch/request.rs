//! SubmitJob requests: what they say, and what is wrong with them.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html>

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::job::Dependency;
use crate::error::ServiceError;
use crate::variables;
use placement::quota::BATCH_ARRAY_SIZE;
use stack::{EvaluateOnExit, JobDefinition};

/// Largest request, bytes.
/// <https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html>
const PAYLOAD_LIMIT: usize = 30 * 1_024;
/// Most attempts of a job.
const ATTEMPTS_LIMIT: u32 = 10;
/// Most jobs that one waits for.
const DEPENDENCIES_LIMIT: usize = 20;
/// Shortest time limit of an attempt, seconds.
const SHORTEST_TIMEOUT: u64 = 60;

/// A SubmitJob request, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubmitJob {
    pub(super) job_name: String,
    pub(super) job_queue: String,
    pub(super) job_definition: String,
    #[serde(default)]
    pub(super) depends_on: Vec<Dependency>,
    #[serde(default)]
    array_properties: ArrayProperties,
    #[serde(default)]
    container_overrides: ContainerOverrides,
    retry_strategy: Option<RetryStrategy>,
    timeout: Option<Timeout>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) tags: Value,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ArrayProperties {
    size: Option<u32>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerOverrides {
    command: Option<Vec<String>>,
    #[serde(default)]
    environment: Vec<Variable>,
    vcpus: Option<f64>,
    memory: Option<u64>,
    #[serde(default)]
    resource_requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
struct Requirement {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryStrategy {
    attempts: Option<u32>,
    #[serde(default)]
    evaluate_on_exit: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    on_exit_code: Option<String>,
    on_reason: Option<String>,
    on_status_reason: Option<String>,
    action: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeout {
    attempt_duration_seconds: Option<u64>,
}

const CLIENT_ERROR: &str = "ClientException";

fn client_error(message: impl Into<String>) -> ServiceError {
    ServiceError::new(CLIENT_ERROR, message)
}

impl SubmitJob {
    /// Reads a request and checks what can be checked without a definition.
    pub(super) fn parse(body: &Value) -> Result<Self, ServiceError> {
        let size = body.to_string().len();
        if size > PAYLOAD_LIMIT {
            return Err(client_error(format!(
                "SubmitJob payload must be at most {PAYLOAD_LIMIT} bytes, is {size}"
            )));
        }
        let request: SubmitJob = serde::Deserialize::deserialize(body)
            .map_err(|error: serde_json::Error| client_error(error.to_string()))?;
        let name_is_valid = request.job_name.len() <= 128
            && request
                .job_name
                .starts_with(|c: char| c.is_ascii_alphanumeric())
            && request
                .job_name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        if !name_is_valid {
            let name = &request.job_name;
            return Err(client_error(format!(
                "jobName '{name}' must begin with a letter or digit and have at most 128 letters, digits, hyphens and underscores"
            )));
        }
        if request.depends_on.len() > DEPENDENCIES_LIMIT {
            return Err(client_error(format!(
                "dependsOn must have at most {DEPENDENCIES_LIMIT} members"
            )));
        }
        if request
            .array_size()
            .is_some_and(|size| !(2..=BATCH_ARRAY_SIZE).contains(&size))
        {
            return Err(client_error(format!(
                "arrayProperties.size must be between 2 and {BATCH_ARRAY_SIZE}"
            )));
        }
        Ok(request)
    }

    /// Number of children, if this is an array job.
    pub(super) fn array_size(&self) -> Option<u32> {
        self.array_properties.size
    }

    /// The definition with this request's overrides.
    pub(super) fn resolve(
        &self,
        definition: &JobDefinition,
    ) -> Result<JobDefinition, ServiceError> {
        let mut job = definition.clone();
        let overrides = &self.container_overrides;
        if let Some(command) = &overrides.command {
            job.command.clone_from(command);
        }
        for Variable { name, value } in &overrides.environment {
            variables::check(CLIENT_ERROR, name, value)?;
            job.environment.insert(name.clone(), value.clone());
        }
        job.vcpus = overrides.vcpus.unwrap_or(job.vcpus);
        job.memory_mib = overrides.memory.unwrap_or(job.memory_mib);
        for requirement in &overrides.resource_requirements {
            let invalid = |()| {
                client_error(format!(
                    "resourceRequirements: {} '{}' is not a number",
                    requirement.kind, requirement.value
                ))
            };
            match requirement.kind.as_str() {
                "VCPU" => job.vcpus = requirement.value.parse().map_err(|_| invalid(()))?,
                "MEMORY" => job.memory_mib = requirement.value.parse().map_err(|_| invalid(()))?,
                _ => {}
            }
        }
        job.parameters.extend(self.parameters.clone());
        if let Some(retry) = &self.retry_strategy {
            job.attempts = retry.attempts.unwrap_or(job.attempts);
            if !retry.evaluate_on_exit.is_empty() {
                job.evaluate_on_exit = retry
                    .evaluate_on_exit
                    .iter()
                    .map(Condition::to_stack)
                    .collect();
            }
        }
        if !(1..=ATTEMPTS_LIMIT).contains(&job.attempts) {
            return Err(client_error(format!(
                "retryStrategy.attempts must be between 1 and {ATTEMPTS_LIMIT}"
            )));
        }
        if let Some(seconds) = self
            .timeout
            .and_then(|timeout| timeout.attempt_duration_seconds)
        {
            if seconds < SHORTEST_TIMEOUT {
                return Err(client_error(format!(
                    "timeout.attemptDurationSeconds must be at least {SHORTEST_TIMEOUT}"
                )));
            }
            job.timeout = Some(Duration::from_secs(seconds));
        }
        Ok(job)
    }
}

impl Condition {
    fn to_stack(&self) -> EvaluateOnExit {
        EvaluateOnExit {
            on_exit_code: self.on_exit_code.clone(),
            on_reason: self.on_reason.clone(),
            on_status_reason: self.on_status_reason.clone(),
            action: self.action.clone(),
        }
    }
}

/// The command with `Ref::name` filled from the parameters; an unknown one stays as it is.
pub(super) fn fill(command: &[String], parameters: &BTreeMap<String, String>) -> Vec<String> {
    let filled = |argument: &String| {
        let name = argument.strip_prefix("Ref::");
        name.and_then(|name| parameters.get(name))
            .unwrap_or(argument)
            .clone()
    };
    command.iter().map(filled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn submit(change: Value) -> Result<JobDefinition, ServiceError> {
        let mut body = json!({"jobName": "j", "jobQueue": "q", "jobDefinition": "d"});
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        let definition = JobDefinition {
            vcpus: 1.0,
            memory_mib: 512,
            attempts: 1,
            parameters: [("x".to_owned(), "1".to_owned())].into(),
            ..JobDefinition::default()
        };
        SubmitJob::parse(&body)?.resolve(&definition)
    }

    #[test]
    fn overrides_change_the_definition() {
        let job = submit(json!({
            "containerOverrides": {
                "command": ["run", "Ref::x", "Ref::y"],
                "environment": [{"name": "A", "value": "b"}],
                "resourceRequirements": [{"type": "VCPU", "value": "0.25"}, {"type": "MEMORY", "value": "2048"}],
            },
            "parameters": {"x": "2"},
            "retryStrategy": {"attempts": 3, "evaluateOnExit": [{"onExitCode": "3", "action": "EXIT"}]},
            "timeout": {"attemptDurationSeconds": 90},
        }))
        .unwrap();
        assert_eq!((job.vcpus, job.memory_mib, job.attempts), (0.25, 2_048, 3));
        assert_eq!(fill(&job.command, &job.parameters), ["run", "2", "Ref::y"]);
        assert_eq!(job.environment["A"], "b");
        assert_eq!(job.evaluate_on_exit[0].on_exit_code.as_deref(), Some("3"));
        assert_eq!(job.timeout, Some(Duration::from_secs(90)));
    }

    #[test]
    fn requests_that_aws_refuses_are_refused() {
        for (change, words) in [
            (json!({"jobName": "-x"}), "jobName"),
            (json!({"jobName": "a.b"}), "jobName"),
            (
                json!({"arrayProperties": {"size": 1}}),
                "arrayProperties.size",
            ),
            (
                json!({"arrayProperties": {"size": 10_001}}),
                "arrayProperties.size",
            ),
            (json!({"retryStrategy": {"attempts": 11}}), "attempts"),
            (
                json!({"timeout": {"attemptDurationSeconds": 59}}),
                "attemptDurationSeconds",
            ),
            (
                json!({"parameters": {"x": "y".repeat(PAYLOAD_LIMIT)}}),
                "payload",
            ),
            (
                json!({"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "two"}]}}),
                "not a number",
            ),
            (
                json!({"containerOverrides": {"environment": [{"name": "LD_PRELOAD", "value": "x"}]}}),
                "LD_PRELOAD",
            ),
        ] {
            let error = submit(change).unwrap_err();
            assert_eq!(error.code, "ClientException");
            assert!(error.message.contains(words), "{error}");
        }
    }
}
