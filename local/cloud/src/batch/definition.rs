//! Job definitions: those of the stack, and those that are registered.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_RegisterJobDefinition.html>

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::{check_name, texts};
use super::request::{self, CLIENT_ERROR, RetryStrategy, SHORTEST_TIMEOUT};
use super::{Batch, client_error};
use crate::error::ServiceError;
use crate::pages::{page, with_next};
use crate::tags::Tags;
use crate::variables;
use placement::is_fargate_size;
use stack::{Env, JobDefinition};

const PAGE: usize = 100;
/// Least memory of a job, MiB.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html>
const LEAST_MEMORY_MIB: u64 = 4;

/// A revision of a job definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Definition {
    /// What its jobs are started from.
    pub(super) runs: JobDefinition,
    /// What is described: what was registered, and what AWS fills in.
    given: Map<String, Value>,
    pub(super) active: bool,
    pub(super) tags: Tags,
    /// Whether it is in the stack's file, which is read at every start.
    #[serde(skip)]
    of_stack: bool,
}

impl Definition {
    /// A definition of the stack.
    pub(super) fn of_stack(definition: &JobDefinition) -> Definition {
        Definition {
            runs: definition.clone(),
            given: describe(definition),
            active: true,
            tags: Tags::default(),
            of_stack: true,
        }
    }

    /// A registered definition, not yet with its revision.
    fn parse(request: &Value) -> Result<Definition, ServiceError> {
        let name = check_name(request, "jobDefinitionName")?;
        match request["type"].as_str() {
            Some("container") => {}
            Some("multinode") => {
                return Err(client_error(
                    "type: the local cloud runs jobs of type container, not multinode",
                ));
            }
            other => {
                let other = other.unwrap_or_default();
                return Err(client_error(format!(
                    "type '{other}' must be one of container | multinode"
                )));
            }
        }
        let container = &request["containerProperties"];
        if !container.is_object() {
            return Err(client_error(
                "containerProperties must be provided for a job of type container",
            ));
        }
        let platforms = texts(&request["platformCapabilities"]);
        if let Some(unknown) = platforms
            .iter()
            .find(|one| !["EC2", "FARGATE"].contains(one))
        {
            return Err(client_error(format!(
                "platformCapabilities: {unknown} must be one of EC2 | FARGATE"
            )));
        }
        let fargate = platforms.contains(&"FARGATE");
        let (vcpus, memory_mib) = size(container, fargate)?;
        check_size(vcpus, memory_mib, fargate)?;
        let retry = &request["retryStrategy"];
        let retry: Option<RetryStrategy> = Deserialize::deserialize(retry)
            .map_err(|error: serde_json::Error| client_error(format!("retryStrategy: {error}")))?;
        let (attempts, evaluate_on_exit) = match retry {
            Some(retry) => retry.checked()?,
            None => (1, Vec::new()),
        };
        let runs = JobDefinition {
            name: name.to_owned(),
            image: text(container, "image")?,
            command: texts(&container["command"])
                .into_iter()
                .map(str::to_owned)
                .collect(),
            environment: environment(container)?,
            vcpus,
            memory_mib,
            attempts,
            evaluate_on_exit,
            timeout: timeout(request)?,
            parameters: request::parameters(&request["parameters"])?,
            platform_capabilities: platforms.iter().map(|one| (*one).to_owned()).collect(),
            ..JobDefinition::default()
        };
        Ok(Definition {
            given: described(request, &runs),
            runs,
            active: true,
            tags: Tags::from_map(&request["tags"])
                .map_err(|error| client_error(error.to_string()))?,
            of_stack: false,
        })
    }

    /// The name of the record: a job definition's name has no dots.
    fn record(&self) -> String {
        format!("{}.{}", self.runs.name, self.runs.revision)
    }

    fn describe(&self) -> Value {
        let mut json = self.given.clone();
        let mut set = |name: &str, value: Value| json.insert(name.to_owned(), value);
        set("jobDefinitionArn", json!(self.runs.arn));
        set("revision", json!(self.runs.revision));
        set("status", json!(self.status()));
        set("tags", self.tags.to_map());
        Value::Object(json)
    }

    fn status(&self) -> &'static str {
        if self.active { "ACTIVE" } else { "INACTIVE" }
    }

    /// Whether a name, `name:revision` or ARN means this revision.
    fn is(&self, wanted: &str) -> bool {
        let short = wanted.rsplit('/').next().unwrap_or(wanted);
        match short.split_once(':') {
            Some((name, revision)) => {
                self.runs.name == name && self.runs.revision.to_string() == revision
            }
            None => self.runs.name == short,
        }
    }
}

impl Batch {
    /// The definition to run: the newest active one of a name, or a revision by `name:revision` or ARN.
    pub(super) fn definition(&self, wanted: &str) -> Result<JobDefinition, ServiceError> {
        let definitions = self.inner.definitions.lock();
        let mut found: Vec<&Definition> = definitions.iter().filter(|one| one.is(wanted)).collect();
        if found.is_empty() {
            return Err(client_error(format!("Job definition {wanted} not found.")));
        }
        found.retain(|one| one.active);
        let newest = found.into_iter().max_by_key(|one| one.runs.revision);
        newest
            .map(|one| one.runs.clone())
            .ok_or_else(|| client_error(format!("Job definition {wanted} is not ACTIVE.")))
    }

    pub(super) fn register(&self, request: &Value) -> Result<Value, ServiceError> {
        let mut new = Definition::parse(request)?;
        let mut definitions = self.inner.definitions.lock();
        let of_name = definitions
            .iter()
            .filter(|one| one.runs.name == new.runs.name);
        let last = of_name.map(|one| one.runs.revision).max().unwrap_or(0);
        new.runs.revision = last + 1;
        let name = format!("{}:{}", new.runs.name, new.runs.revision);
        new.runs.arn = self.arn(&format!("job-definition/{name}"));
        self.inner.records.definitions.create(&new.record(), &new)?;
        let answer = json!({
            "jobDefinitionName": new.runs.name,
            "jobDefinitionArn": new.runs.arn,
            "revision": new.runs.revision,
        });
        definitions.push(new);
        Ok(answer)
    }

    /// DeregisterJobDefinition: of a revision, or of the newest of a name.
    pub(super) fn deregister(&self, request: &Value) -> Result<Value, ServiceError> {
        let wanted = request["jobDefinition"].as_str().unwrap_or_default();
        let arn = self.definition(wanted)?.arn;
        self.change_definition(&arn, |one| {
            one.active = false;
            Ok(())
        })?;
        Ok(json!({}))
    }

    /// Changes the definition of an ARN, also for the next start unless the stack's file has it.
    pub(super) fn change_definition(
        &self,
        arn: &str,
        change: impl FnOnce(&mut Definition) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let mut definitions = self.inner.definitions.lock();
        let mut all = definitions.iter_mut();
        let found = all.find(|one| one.runs.arn == arn);
        let found =
            found.ok_or_else(|| client_error(format!("Job definition {arn} not found.")))?;
        let before = found.clone();
        change(found)?;
        if !found.of_stack && *found != before {
            self.inner.records.definitions.save(&found.record(), found);
        }
        Ok(())
    }

    /// DescribeJobDefinitions: by names and ARNs, or by one name and a status.
    pub(super) fn describe_definitions(&self, request: &Value) -> Result<Value, ServiceError> {
        let named = texts(&request["jobDefinitions"]);
        let name = request["jobDefinitionName"].as_str();
        let status = request["status"].as_str();
        let wanted = |one: &&Definition| {
            (named.is_empty() || named.iter().any(|wanted| one.is(wanted)))
                && name.is_none_or(|name| one.is(name))
                && status.is_none_or(|status| one.status() == status)
        };
        let definitions = self.inner.definitions.lock();
        let found = definitions.iter().filter(wanted).collect();
        let page = page(found, |one: &&Definition| &one.runs.arn, request, PAGE)
            .map_err(|error| client_error(error.to_string()))?;
        let found: Vec<Value> = page.items.iter().map(|one| one.describe()).collect();
        Ok(with_next(json!({"jobDefinitions": found}), page.next))
    }
}

/// Checks the size of a job, which on Fargate is one of a few.
pub(super) fn check_size(vcpus: f64, memory_mib: u64, fargate: bool) -> Result<(), ServiceError> {
    if fargate && !is_fargate_size(vcpus, memory_mib) {
        return Err(client_error(format!(
            "Fargate resource requirements ({vcpus:.2} vCPU, {memory_mib} MiB) not valid."
        )));
    }
    if !fargate && (vcpus < 1.0 || vcpus.fract() != 0.0) {
        return Err(client_error(format!(
            "VCPU must be a whole number from 1 on EC2, not {vcpus}."
        )));
    }
    if memory_mib < LEAST_MEMORY_MIB {
        return Err(client_error(format!(
            "MEMORY must be at least {LEAST_MEMORY_MIB} MiB, not {memory_mib}."
        )));
    }
    Ok(())
}

/// vCPUs and MiB, of which each can be said in two ways.
fn size(container: &Value, fargate: bool) -> Result<(f64, u64), ServiceError> {
    for member in ["vcpus", "memory"] {
        if fargate && !container[member].is_null() {
            return Err(client_error(format!(
                "{member} is not applicable for Fargate. Use resource requirements instead."
            )));
        }
    }
    let requirements = request::requirements(&container["resourceRequirements"])?;
    let vcpus = requirements.vcpus.or_else(|| container["vcpus"].as_f64());
    let memory = requirements
        .memory_mib
        .or_else(|| container["memory"].as_u64());
    match (vcpus, memory) {
        (None, _) => Err(client_error("vCPU is not provided.")),
        (_, None) => Err(client_error("Memory is not provided.")),
        (Some(vcpus), Some(memory)) => Ok((vcpus, memory)),
    }
}

fn text(container: &Value, member: &str) -> Result<String, ServiceError> {
    let text = container[member].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned)
        .ok_or_else(|| client_error(format!("Container {member} is required.")))
}

fn environment(container: &Value) -> Result<Env, ServiceError> {
    let mut environment = Env::new();
    for variable in container["environment"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = variable["value"].as_str().unwrap_or_default();
        variables::check(CLIENT_ERROR, name, value)?;
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(environment)
}

fn timeout(request: &Value) -> Result<Option<Duration>, ServiceError> {
    let seconds = request["timeout"]["attemptDurationSeconds"].as_u64();
    match seconds {
        Some(seconds) if seconds < SHORTEST_TIMEOUT => Err(request::timeout_too_short()),
        seconds => Ok(seconds.map(Duration::from_secs)),
    }
}

/// A registered definition as it is described: the request with what AWS fills in.
fn described(request: &Value, runs: &JobDefinition) -> Map<String, Value> {
    let mut given = request.as_object().cloned().unwrap_or_default();
    if let Some(container) = given
        .get_mut("containerProperties")
        .and_then(Value::as_object_mut)
    {
        for empty in [
            "command",
            "environment",
            "volumes",
            "mountPoints",
            "ulimits",
            "secrets",
            "resourceRequirements",
        ] {
            container.entry(empty).or_insert(json!([]));
        }
    }
    if let Some(retry) = given
        .get_mut("retryStrategy")
        .filter(|retry| retry.is_object())
    {
        retry["evaluateOnExit"] = json!(super::job::evaluate_json(runs));
    }
    given.entry("parameters").or_insert(json!({}));
    given.insert("containerOrchestrationType".to_owned(), json!("ECS"));
    given
}

/// A definition of the stack as it is described.
fn describe(definition: &JobDefinition) -> Map<String, Value> {
    let environment = variables::pairs(&definition.environment);
    let mut given = json!({
        "jobDefinitionName": definition.name,
        "type": "container",
        "parameters": definition.parameters,
        "retryStrategy": {
            "attempts": definition.attempts,
            "evaluateOnExit": super::job::evaluate_json(definition),
        },
        "platformCapabilities": definition.platform_capabilities,
        "containerProperties": {
            "image": definition.image,
            "command": definition.command,
            "environment": environment,
            "resourceRequirements": [
                {"type": "VCPU", "value": definition.vcpus.to_string()},
                {"type": "MEMORY", "value": definition.memory_mib.to_string()},
            ],
        },
    });
    if let Some(timeout) = definition.timeout {
        given["timeout"] = json!({"attemptDurationSeconds": timeout.as_secs()});
    }
    given.as_object().cloned().unwrap_or_default()
}
