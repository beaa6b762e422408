//! SubmitJob requests: what they say, and what is wrong with them.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html>

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::client_error;
use super::definition::check_size;
use super::job::Dependency;
use super::names::check_name;
use crate::error::ServiceError;
use crate::variables;
use placement::quota::BATCH_ARRAY_SIZE;
use stack::{EvaluateOnExit, JobDefinition, check_retry};

/// Largest request, bytes.
/// <https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html>
const PAYLOAD_LIMIT: usize = 30 * 1_024;
/// Most jobs that one waits for.
const DEPENDENCIES_LIMIT: usize = 20;
/// Shortest time limit of an attempt, seconds.
pub(super) const SHORTEST_TIMEOUT: u64 = 60;

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
    resource_requirements: Value,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

/// A size as `resourceRequirements` say it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Requirements {
    pub(super) vcpus: Option<f64>,
    pub(super) memory_mib: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Requirement {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RetryStrategy {
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
    #[serde(default)]
    action: String,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Timeout {
    attempt_duration_seconds: Option<u64>,
}

pub(super) const CLIENT_ERROR: &str = "ClientException";

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
        check_name(body, "jobName")?;
        if request.depends_on.len() > DEPENDENCIES_LIMIT {
            return Err(client_error(format!(
                "dependsOn must have at most {DEPENDENCIES_LIMIT} members"
            )));
        }
        let size = request.array_size();
        if size.is_some_and(|size| !(2..=BATCH_ARRAY_SIZE).contains(&size)) {
            return Err(client_error(format!(
                "arrayProperties.size must be between 2 and {BATCH_ARRAY_SIZE}"
            )));
        }
        for dependency in &request.depends_on {
            check_dependency(dependency, size.is_some())?;
        }
        Ok(request)
    }

    /// Number of children, if this is an array job.
    pub(super) fn array_size(&self) -> Option<u32> {
        self.array_properties.size
    }

    /// The definition with this request's overrides, for a queue of Fargate or one of EC2.
    pub(super) fn resolve(
        &self,
        definition: &JobDefinition,
        fargate: bool,
    ) -> Result<JobDefinition, ServiceError> {
        let mut job = definition.clone();
        self.container_overrides.apply(&mut job, fargate)?;
        check_size(job.vcpus, job.memory_mib, fargate)?;
        job.parameters.extend(self.parameters.clone());
        if let Some(retry) = &self.retry_strategy {
            let (_, conditions) = retry.checked()?;
            job.attempts = retry.attempts.unwrap_or(job.attempts);
            if !conditions.is_empty() {
                job.evaluate_on_exit = conditions;
            }
        }
        let timeout = self.timeout;
        if let Some(seconds) = timeout.and_then(|timeout| timeout.attempt_duration_seconds) {
            if seconds < SHORTEST_TIMEOUT {
                return Err(timeout_too_short());
            }
            job.timeout = Some(Duration::from_secs(seconds));
        }
        Ok(job)
    }
}

impl ContainerOverrides {
    fn apply(&self, job: &mut JobDefinition, fargate: bool) -> Result<(), ServiceError> {
        if let Some(command) = &self.command {
            job.command.clone_from(command);
        }
        for Variable { name, value } in &self.environment {
            variables::check(CLIENT_ERROR, name, value)?;
            job.environment.insert(name.clone(), value.clone());
        }
        let deprecated = [
            ("vcpus", self.vcpus.is_some()),
            ("memory", self.memory.is_some()),
        ];
        if let Some((member, _)) = deprecated.into_iter().find(|(_, given)| fargate && *given) {
            return Err(client_error(format!(
                "{member} is not applicable for Fargate. Use resource requirements instead."
            )));
        }
        let requirements = requirements(&self.resource_requirements)?;
        job.vcpus = requirements.vcpus.or(self.vcpus).unwrap_or(job.vcpus);
        let memory = requirements.memory_mib.or(self.memory);
        job.memory_mib = memory.unwrap_or(job.memory_mib);
        Ok(())
    }
}

impl RetryStrategy {
    /// Attempts and conditions, as AWS takes them.
    pub(super) fn checked(&self) -> Result<(u32, Vec<EvaluateOnExit>), ServiceError> {
        let conditions: Vec<_> = self
            .evaluate_on_exit
            .iter()
            .map(Condition::to_stack)
            .collect();
        check_retry(self.attempts, &conditions)
            .map_err(|error| client_error(format!("retryStrategy.{error}")))?;
        Ok((self.attempts.unwrap_or(1), conditions))
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

/// Reads `resourceRequirements`; null is none.
pub(super) fn requirements(list: &Value) -> Result<Requirements, ServiceError> {
    let list: Option<Vec<Requirement>> =
        Deserialize::deserialize(list).map_err(|error: serde_json::Error| {
            client_error(format!("resourceRequirements: {error}"))
        })?;
    let mut requirements = Requirements::default();
    for Requirement { kind, value } in list.into_iter().flatten() {
        let invalid = || {
            client_error(format!(
                "resourceRequirements: {kind} '{value}' is not a number"
            ))
        };
        let number = value
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite());
        match kind.as_str() {
            "VCPU" => requirements.vcpus = Some(number.ok_or_else(invalid)?),
            "MEMORY" => {
                requirements.memory_mib = Some(value.parse().map_err(|_| invalid())?);
            }
            "GPU" => {
                return Err(client_error(
                    "resourceRequirements: the local cloud does not do GPU; leave it out",
                ));
            }
            other => {
                return Err(client_error(format!(
                    "resourceRequirements: type {other} must be one of GPU | VCPU | MEMORY"
                )));
            }
        }
    }
    Ok(requirements)
}

/// Reads `parameters`; null is none.
pub(super) fn parameters(map: &Value) -> Result<BTreeMap<String, String>, ServiceError> {
    let parameters: Option<_> = Deserialize::deserialize(map)
        .map_err(|error: serde_json::Error| client_error(format!("parameters: {error}")))?;
    Ok(parameters.unwrap_or_default())
}

pub(super) fn timeout_too_short() -> ServiceError {
    client_error(format!(
        "timeout.attemptDurationSeconds must be at least {SHORTEST_TIMEOUT}"
    ))
}

/// <https://docs.aws.amazon.com/batch/latest/userguide/job_dependencies.html>
fn check_dependency(dependency: &Dependency, array: bool) -> Result<(), ServiceError> {
    let id = dependency.job_id.as_deref().filter(|id| !id.is_empty());
    match (dependency.kind.as_deref(), id) {
        (Some("N_TO_N"), _) if !array => {
            Err(client_error("dependsOn: N_TO_N is for array jobs only"))
        }
        // Each child waits for the one before it.
        (Some("SEQUENTIAL"), None) if array => Ok(()),
        (None | Some("SEQUENTIAL" | "N_TO_N"), Some(_)) => Ok(()),
        (None | Some("SEQUENTIAL" | "N_TO_N"), None) => {
            Err(client_error("dependsOn: jobId is required"))
        }
        (Some(other), _) => Err(client_error(format!(
            "dependsOn: type {other} must be one of N_TO_N | SEQUENTIAL"
        ))),
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

    fn submit_to(fargate: bool, change: Value) -> Result<JobDefinition, ServiceError> {
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
        SubmitJob::parse(&body)?.resolve(&definition, fargate)
    }

    fn submit(change: Value) -> Result<JobDefinition, ServiceError> {
        submit_to(false, change)
    }

    #[test]
    fn overrides_change_the_definition() {
        let job = submit(json!({
            "containerOverrides": {
                "command": ["run", "Ref::x", "Ref::y"],
                "environment": [{"name": "A", "value": "b"}],
                "resourceRequirements": [{"type": "VCPU", "value": "2"}, {"type": "MEMORY", "value": "2048"}],
            },
            "parameters": {"x": "2"},
            "retryStrategy": {"attempts": 3, "evaluateOnExit": [{"onExitCode": "3", "action": "EXIT"}]},
            "timeout": {"attemptDurationSeconds": 90},
        }))
        .unwrap();
        assert_eq!((job.vcpus, job.memory_mib, job.attempts), (2.0, 2_048, 3));
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
                json!({"retryStrategy": {"attempts": 2, "evaluateOnExit": [{"onReason": "a*b", "action": "EXIT"}]}}),
                "only at its end",
            ),
            (
                json!({"retryStrategy": {"evaluateOnExit": [{"onReason": "a", "action": "EXIT"}]}}),
                "attempts is required",
            ),
            (
                json!({"dependsOn": [{"jobId": "x", "type": "N_TO_N"}]}),
                "array jobs only",
            ),
            (json!({"dependsOn": [{}]}), "jobId is required"),
            (
                json!({"dependsOn": [{"jobId": "x", "type": "LATER"}]}),
                "N_TO_N | SEQUENTIAL",
            ),
            (
                json!({"containerOverrides": {"resourceRequirements": [{"type": "GPU", "value": "1"}]}}),
                "does not do GPU",
            ),
            (
                json!({"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "0.3"}]}}),
                "a whole number",
            ),
            (
                json!({"containerOverrides": {"memory": 3}}),
                "at least 4 MiB",
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

    #[test]
    fn fargate_has_a_few_sizes() {
        let sized = |vcpus: &str, memory: &str| {
            let requirements = json!([
                {"type": "VCPU", "value": vcpus},
                {"type": "MEMORY", "value": memory},
            ]);
            submit_to(
                true,
                json!({"containerOverrides": {"resourceRequirements": requirements}}),
            )
        };
        assert_eq!(sized("0.25", "2048").unwrap().vcpus, 0.25);
        for (vcpus, memory, words) in [
            (
                "0.3",
                "100",
                "Fargate resource requirements (0.30 vCPU, 100 MiB) not valid.",
            ),
            (
                "0.25",
                "8192",
                "Fargate resource requirements (0.25 vCPU, 8192 MiB) not valid.",
            ),
        ] {
            assert_eq!(sized(vcpus, memory).unwrap_err().message, words);
        }
        let error = submit_to(true, json!({"containerOverrides": {"vcpus": 1}})).unwrap_err();
        assert!(
            error
                .message
                .starts_with("vcpus is not applicable for Fargate."),
            "{error}"
        );
    }
}
