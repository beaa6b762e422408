//! RunTask requests: what they say, and what is wrong with them.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html>

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;
use super::definition::{Definition, check_fargate, check_memory};
use super::{client_error, invalid};
use crate::error::ServiceError;
use crate::tags::Tags;
use crate::variables;
use stack::{ContainerDefinition, TaskDefinition, task_units};

/// Largest overrides, characters of JSON.
const OVERRIDES_LIMIT: usize = 8_192;
/// Most tasks that one request starts.
const COUNT_LIMIT: u32 = 10;
/// Longest `startedBy`, characters.
const STARTED_BY_LIMIT: usize = 128;
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RunTask.html#ECS-RunTask-request-launchType>
pub(super) const LAUNCH_TYPES: [&str; 4] = ["EC2", "FARGATE", "EXTERNAL", "MANAGED_INSTANCES"];
/// Most capacity providers of a strategy, and their largest weight and base.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html>
const PROVIDERS_LIMIT: usize = 20;
const WEIGHT_LIMIT: u32 = 1_000;
const BASE_LIMIT: u32 = 100_000;

/// A RunTask request, as far as it matters here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunTask {
    pub(super) task_definition: String,
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
    pub(super) tags: Value,
    propagate_tags: Option<String>,
    pub(super) client_token: Option<String>,
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Serialize, Deserialize)]
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
        let kind = request.launch_type.as_deref();
        if kind.is_some_and(|kind| !LAUNCH_TYPES.contains(&kind)) {
            return Err(invalid(format!(
                "launch type should be one of [{}]",
                LAUNCH_TYPES.join(",")
            )));
        }
        if request.launch_type.is_some() && !request.capacity_provider_strategy.is_empty() {
            return Err(invalid(
                "specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
            ));
        }
        let starter = request.started_by.as_deref().unwrap_or_default();
        if starter.chars().count() > STARTED_BY_LIMIT {
            return Err(invalid(format!(
                "startedBy must have at most {STARTED_BY_LIMIT} characters."
            )));
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

    /// The request with its cluster's default strategy, if it says neither a strategy nor a launch type.
    pub(super) fn on(mut self, cluster: &Cluster) -> Result<Self, ServiceError> {
        if self.launch_type.is_none() && self.capacity_provider_strategy.is_empty() {
            self.capacity_provider_strategy
                .clone_from(&cluster.strategy);
        }
        check_strategy(&self.capacity_provider_strategy, &cluster.providers)?;
        Ok(self)
    }

    /// The capacity providers of the tasks in turn, if there is a strategy: the base first, then by weight.
    pub(super) fn providers(&self) -> Vec<Option<String>> {
        let strategy = &self.capacity_provider_strategy;
        let mut given: Vec<u32> = vec![0; strategy.len()];
        let mut providers = Vec::new();
        for _ in 0..self.count {
            let of_base = (0..strategy.len()).find(|&index| given[index] < strategy[index].base);
            let mut weighted = (0..strategy.len()).filter(|&index| strategy[index].weight > 0);
            let lightest = |first: usize, next: usize| {
                // given / weight, without division: the part of its share that each has.
                let [first_load, next_load] = [(first, next), (next, first)].map(|(a, b)| {
                    let above_base = given[a].saturating_sub(strategy[a].base);
                    u64::from(above_base + 1) * u64::from(strategy[b].weight)
                });
                if next_load < first_load { next } else { first }
            };
            let chosen = of_base.or_else(|| {
                // A provider that is alone needs no weight.
                let first = weighted.next().or((!strategy.is_empty()).then_some(0))?;
                Some(weighted.fold(first, lightest))
            });
            providers.push(chosen.map(|index| strategy[index].capacity_provider.clone()));
            if let Some(index) = chosen {
                given[index] += 1;
            }
        }
        providers
    }

    /// `FARGATE`, `EC2` or `EXTERNAL`.
    pub(super) fn launch_type(&self) -> String {
        let mut strategy = self.capacity_provider_strategy.iter();
        match (&self.launch_type, strategy.next()) {
            (Some(kind), _) => kind.clone(),
            (None, Some(first)) if first.capacity_provider.starts_with("FARGATE") => {
                "FARGATE".to_owned()
            }
            (None, _) => "EC2".to_owned(),
        }
    }

    /// The tags of the tasks: the request's, and those of the definition if they are to be passed on.
    pub(super) fn tags(&self, definition: &Definition) -> Result<Tags, ServiceError> {
        let bad = |error: crate::tags::TagError| invalid(error.to_string());
        let own = Tags::from_list(&self.tags).map_err(bad)?;
        match self.propagate_tags.as_deref() {
            None | Some("NONE") => Ok(own),
            Some("TASK_DEFINITION") => definition.tags.clone().with(&own).map_err(bad),
            Some(other) => Err(invalid(format!(
                "propagateTags: a task's tags come from TASK_DEFINITION or from NONE, not from {other}"
            ))),
        }
    }

    /// Applies the overrides to the definition and checks that both fit together.
    pub(super) fn resolve(&self, definition: &Definition) -> Result<TaskDefinition, ServiceError> {
        let launch_type = self.launch_type();
        let supported = &definition.runs.requires_compatibilities;
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
        if definition.network_mode() != "awsvpc" && !self.network_configuration.is_null() {
            return Err(invalid(
                "Network Configuration is not valid for the given networkMode of this task definition.",
            ));
        }
        let mut resolved = definition.runs.clone();
        let Overrides { cpu, memory, .. } = &self.overrides;
        resolved.cpu = units(cpu, "cpu", "vCPU")?.or(resolved.cpu);
        resolved.memory_mib = units(memory, "memory", "GB")?.or(resolved.memory_mib);
        if let ("FARGATE", Some(cpu), Some(memory)) =
            (launch_type.as_str(), resolved.cpu, resolved.memory_mib)
        {
            check_fargate(cpu, memory)?;
        }
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
        for container in &resolved.containers {
            check_memory(&resolved, container)?;
        }
        Ok(resolved)
    }
}

fn units(text: &Option<String>, member: &str, unit: &str) -> Result<Option<u64>, ServiceError> {
    let Some(text) = text else { return Ok(None) };
    let size = task_units(text, unit);
    let wrong = || client_error(format!("Invalid '{member}' setting for task: {text}."));
    size.map(Some).ok_or_else(wrong)
}

/// Checks a strategy of a cluster that has these providers.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_CapacityProviderStrategyItem.html>
pub(super) fn check_strategy(
    strategy: &[CapacityProvider],
    providers: &[String],
) -> Result<(), ServiceError> {
    if strategy.is_empty() {
        return Ok(());
    }
    let too_large = |one: &CapacityProvider| one.weight > WEIGHT_LIMIT || one.base > BASE_LIMIT;
    if strategy.len() > PROVIDERS_LIMIT || strategy.iter().any(too_large) {
        return Err(invalid(format!(
            "A capacity provider strategy has at most {PROVIDERS_LIMIT} providers, weights up to {WEIGHT_LIMIT} and a base up to {BASE_LIMIT}."
        )));
    }
    if (strategy.iter()).any(|one| !providers.contains(&one.capacity_provider)) {
        return Err(invalid(
            "The specified capacity provider strategy cannot contain a capacity provider that is not associated with the cluster. Associate the capacity provider with the cluster and try again.",
        ));
    }
    let names: Vec<_> = strategy.iter().map(|one| &one.capacity_provider).collect();
    if (1..names.len()).any(|index| names[..index].contains(&names[index])) {
        return Err(invalid(
            "A capacity provider can be in a strategy only once.",
        ));
    }
    if strategy.iter().filter(|one| one.base > 0).count() > 1 {
        return Err(invalid(
            "Only one capacity provider in a strategy can have a base.",
        ));
    }
    if strategy.len() > 1 && strategy.iter().all(|one| one.weight == 0) {
        return Err(invalid(
            "At least one capacity provider of a strategy must have a weight greater than zero.",
        ));
    }
    Ok(())
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

    fn definition() -> Definition {
        Definition::of_stack(&TaskDefinition {
            requires_compatibilities: vec!["FARGATE".into()],
            memory_mib: Some(512),
            containers: vec![ContainerDefinition {
                name: "main".into(),
                command: vec!["old".into()],
                environment: [("A".into(), "1".into()), ("B".into(), "1".into())].into(),
                ..ContainerDefinition::default()
            }],
            ..TaskDefinition::default()
        })
    }

    fn providers(strategy: Value, count: u32) -> Vec<String> {
        let body =
            json!({"taskDefinition": "t", "count": count, "capacityProviderStrategy": strategy});
        let providers = RunTask::parse(&body).unwrap().providers();
        providers.into_iter().flatten().collect()
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
            (json!({"startedBy": "x".repeat(129)}), "startedBy"),
            (
                json!({"launchType": "Fargate"}),
                "launch type should be one of [EC2,FARGATE,",
            ),
            (
                json!({"overrides": {"cpu": "300", "memory": "100"}}),
                "No Fargate configuration exists for given values: 300 CPU, 100 memory.",
            ),
            (
                json!({"overrides": {"cpu": "lots"}}),
                "Invalid 'cpu' setting",
            ),
            (
                json!({"overrides": {"containerOverrides": [{"name": "main", "memory": 1_024}]}}),
                "greater than for the task",
            ),
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
            assert!(error.message.contains(words), "{change}: {error}");
        }
    }

    #[test]
    fn the_strategy_shares_out_the_tasks() {
        let two = json!([
            {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
            {"capacityProvider": "FARGATE_SPOT", "weight": 3},
        ]);
        let shared = providers(two, 9);
        assert_eq!(shared[0], "FARGATE");
        assert_eq!(shared.iter().filter(|name| *name == "FARGATE").count(), 3);
        let one = json!([{"capacityProvider": "FARGATE_SPOT"}]);
        assert_eq!(providers(one, 2), ["FARGATE_SPOT"; 2]);
        assert!(providers(json!([]), 2).is_empty());
    }

    #[test]
    fn strategies_that_aws_refuses_are_refused() {
        let known = ["FARGATE".to_owned(), "FARGATE_SPOT".to_owned()];
        let item = |name: &str, weight, base| CapacityProvider {
            capacity_provider: name.to_owned(),
            weight,
            base,
        };
        for (strategy, words) in [
            (vec![item("mine", 1, 0)], "not associated"),
            (vec![item("FARGATE", 1, 0); 2], "only once"),
            (
                vec![item("FARGATE", 1, 1), item("FARGATE_SPOT", 1, 1)],
                "Only one",
            ),
            (
                vec![item("FARGATE", 0, 0), item("FARGATE_SPOT", 0, 0)],
                "greater than zero",
            ),
            (vec![item("FARGATE", 1_001, 0)], "weights up to 1000"),
        ] {
            let error = check_strategy(&strategy, &known).unwrap_err();
            assert!(error.message.contains(words), "{error}");
        }
    }
}
