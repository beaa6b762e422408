//! RunTask requests: what they say, and what is wrong with them.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>

use serde::Deserialize;
use serde_json::Value;

use crate::error::ServiceError;
use crate::variables;
use stack::{ContainerDefinition, TaskDefinition};

/// Largest overrides, characters of JSON.
const OVERRIDES_LIMIT: usize = 8_192;
/// Most tasks that one request starts.
const COUNT_LIMIT: u32 = 10;

/// A RunTask request, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunTask {
    pub(super) task_definition: String,
    #[serde(default = "default_cluster")]
    pub(super) cluster: String,
    #[serde(default = "one")]
    pub(super) count: u32,
    pub(super) launch_type: Option<String>,
    #[serde(default)]
    pub(super) capacity_provider_strategy: Vec<CapacityProvider>,
    #[serde(default)]
    pub(super) network_configuration: Value,
    #[serde(default)]
    pub(super) overrides: Overrides,
    pub(super) started_by: Option<String>,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) tags: Vec<Value>,
    pub(super) client_token: Option<String>,
}

fn default_cluster() -> String {
    "default".to_owned()
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CapacityProvider {
    pub(super) capacity_provider: String,
    #[serde(default)]
    pub(super) weight: u32,
    #[serde(default)]
    pub(super) base: u32,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overrides {
    #[serde(default)]
    container_overrides: Vec<ContainerOverride>,
    cpu: Option<String>,
    memory: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ContainerOverride {
    name: String,
    command: Option<Vec<String>>,
    #[serde(default)]
    environment: Vec<Variable>,
    cpu: Option<u64>,
    memory: Option<u64>,
}

#[derive(Debug, Clone, Deserialize)]
struct Variable {
    name: String,
    value: String,
}

const INVALID: &str = "InvalidParameterException";

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new(INVALID, message)
}

impl RunTask {
    /// Reads a request and checks what can be checked without a task definition.
    pub(super) fn parse(body: &Value) -> Result<Self, ServiceError> {
        let request: RunTask = serde::Deserialize::deserialize(body)
            .map_err(|error: serde_json::Error| invalid(error.to_string()))?;
        if !(1..=COUNT_LIMIT).contains(&request.count) {
            return Err(invalid(format!(
                "count must be between 1 and {COUNT_LIMIT}."
            )));
        }
        if request.launch_type.is_some() && !request.capacity_provider_strategy.is_empty() {
            return Err(invalid(
                "specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            ));
        }
        let overrides = body
            .get("overrides")
            .map_or(0, |value| value.to_string().chars().count());
        if overrides > OVERRIDES_LIMIT {
            return Err(invalid(format!(
                "Overrides length must be at most {OVERRIDES_LIMIT}, is {overrides}"
            )));
        }
        Ok(request)
    }

    /// The capacity provider, if a strategy is given: the one with a base, else the heaviest.
    pub(super) fn capacity_provider(&self) -> Option<String> {
        let strategy = &self.capacity_provider_strategy;
        let chosen = strategy.iter().max_by_key(|p| (p.base, p.weight));
        chosen.map(|provider| provider.capacity_provider.clone())
    }

    /// `FARGATE`, `EC2` or `EXTERNAL`.
    pub(super) fn launch_type(&self) -> String {
        match (&self.launch_type, self.capacity_provider()) {
            (Some(kind), _) => kind.clone(),
            (None, Some(provider)) if provider.starts_with("FARGATE") => "FARGATE".to_owned(),
            (None, _) => "EC2".to_owned(),
        }
    }

    /// Applies the overrides to the definition and checks that both fit together.
    pub(super) fn resolve(
        &self,
        definition: &TaskDefinition,
    ) -> Result<TaskDefinition, ServiceError> {
        let launch_type = self.launch_type();
        let supported = &definition.requires_compatibilities;
        if !supported.is_empty() && !supported.contains(&launch_type) {
            let message = format!("Task definition does not support launch_type {launch_type}.");
            return Err(invalid(message));
        }
        if launch_type == "FARGATE" {
            let subnets = &self.network_configuration["awsvpcConfiguration"]["subnets"];
            if subnets.is_null() {
                return Err(invalid(
                    "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
                ));
            }
            if subnets.as_array().is_none_or(Vec::is_empty) {
                return Err(invalid("subnets can not be empty."));
            }
        }
        let mut resolved = definition.clone();
        let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
        resolved.cpu = number(&self.overrides.cpu).or(resolved.cpu);
        resolved.memory_mib = number(&self.overrides.memory).or(resolved.memory_mib);
        for change in &self.overrides.container_overrides {
            let known = resolved
                .containers
                .iter_mut()
                .find(|c| c.name == change.name);
            let container = known.ok_or_else(|| {
                invalid(format!(
                    "Override for container named {} is not a container in the TaskDefinition.",
                    change.name
                ))
            })?;
            change.apply(container)?;
        }
        Ok(resolved)
    }
}

impl ContainerOverride {
    fn apply(&self, container: &mut ContainerDefinition) -> Result<(), ServiceError> {
        if let Some(command) = &self.command {
            container.command.clone_from(command);
        }
        for Variable { name, value } in &self.environment {
            variables::check(INVALID, name, value)?;
            container.environment.insert(name.clone(), value.clone());
        }
        container.cpu = self.cpu.or(container.cpu);
        container.memory_mib = self.memory.or(container.memory_mib);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn definition() -> TaskDefinition {
        TaskDefinition {
            requires_compatibilities: vec!["FARGATE".into()],
            memory_mib: Some(512),
            containers: vec![ContainerDefinition {
                name: "main".into(),
                command: vec!["old".into()],
                environment: [("A".into(), "1".into()), ("B".into(), "1".into())].into(),
                ..ContainerDefinition::default()
            }],
            ..TaskDefinition::default()
        }
    }

    fn request(change: Value) -> Value {
        let mut body = json!({
            "taskDefinition": "t",
            "launchType": "FARGATE",
            "networkConfiguration": {"awsvpcConfiguration": {"subnets": ["s"]}},
        });
        for (name, value) in change.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    }

    #[test]
    fn overrides_change_the_definition() {
        let body = request(json!({"overrides": {
            "memory": "1024",
            "containerOverrides": [{"name": "main", "command": ["new"], "environment": [{"name": "B", "value": "2"}]}],
        }}));
        let task = RunTask::parse(&body)
            .unwrap()
            .resolve(&definition())
            .unwrap();
        assert_eq!(task.memory_mib, Some(1_024));
        assert_eq!(task.containers[0].command, ["new"]);
        assert_eq!(task.containers[0].environment["A"], "1");
        assert_eq!(task.containers[0].environment["B"], "2");
    }

    #[test]
    fn requests_that_aws_refuses_are_refused() {
        let long = "x".repeat(OVERRIDES_LIMIT);
        for (change, words) in [
            (json!({"count": 11}), "count"),
            (
                json!({"launchType": "EC2"}),
                "does not support launch_type EC2",
            ),
            (
                json!({"networkConfiguration": null}),
                "Network Configuration must be provided",
            ),
            (
                json!({"networkConfiguration": {"awsvpcConfiguration": {"subnets": []}}}),
                "subnets can not be empty",
            ),
            (
                json!({"capacityProviderStrategy": [{"capacityProvider": "FARGATE_SPOT"}]}),
                "both a launch type",
            ),
            (
                json!({"overrides": {"containerOverrides": [{"name": "other"}]}}),
                "named other",
            ),
            (
                json!({"overrides": {"containerOverrides": [{"name": "main", "command": [long]}]}}),
                "at most 8192",
            ),
            (
                json!({"overrides": {"containerOverrides": [
                    {"name": "main", "environment": [{"name": "LD_PRELOAD", "value": "x"}]},
                ]}}),
                "LD_PRELOAD",
            ),
        ] {
            let result =
                RunTask::parse(&request(change.clone())).and_then(|r| r.resolve(&definition()));
            let error = result.unwrap_err();
            assert_eq!(error.code, "InvalidParameterException");
            assert!(error.message.contains(words), "{change}: {error}");
        }
    }

    #[test]
    fn the_strategy_chooses_the_provider() {
        let body = json!({"taskDefinition": "t", "capacityProviderStrategy": [
            {"capacityProvider": "FARGATE", "weight": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 4},
        ]});
        let request = RunTask::parse(&body).unwrap();
        assert_eq!(request.capacity_provider().as_deref(), Some("FARGATE_SPOT"));
        assert_eq!(request.launch_type(), "FARGATE");
    }
}
