//! Compute environments: this machine under the names of the stack, and of those that are created.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateComputeEnvironment.html>

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::names::{check_name, required, state, texts};
use super::{Batch, client_error};
use crate::error::ServiceError;
use crate::pages::{page, with_next};
use crate::tags::Tags;
use stack::ComputeEnvironment;

const PAGE: usize = 100;
const KINDS: [&str; 4] = ["EC2", "SPOT", "FARGATE", "FARGATE_SPOT"];

/// A compute environment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Environment {
    pub(super) runs: ComputeEnvironment,
    /// What is described: what was created and updated.
    given: Map<String, Value>,
    enabled: bool,
    pub(super) tags: Tags,
    /// Whether it is in the stack's file, which is read at every start.
    #[serde(skip)]
    of_stack: bool,
}

impl Environment {
    /// A compute environment of the stack.
    pub(super) fn of_stack(environment: &ComputeEnvironment) -> Environment {
        let given = json!({
            "computeEnvironmentName": environment.name,
            "type": "MANAGED",
            "computeResources": {
                "type": environment.kind,
                "maxvCpus": environment.max_vcpus,
                "subnets": [],
            },
        });
        Environment {
            runs: environment.clone(),
            given: given.as_object().cloned().unwrap_or_default(),
            enabled: true,
            tags: Tags::default(),
            of_stack: true,
        }
    }

    fn parse(request: &Value, arn: impl Fn(&str) -> String) -> Result<Environment, ServiceError> {
        let name = check_name(request, "computeEnvironmentName")?;
        let managed = match request["type"].as_str() {
            Some("MANAGED") => true,
            Some("UNMANAGED") => false,
            other => {
                let other = other.unwrap_or_default();
                return Err(client_error(format!(
                    "type '{other}' must be one of MANAGED | UNMANAGED"
                )));
            }
        };
        let resources = &request["computeResources"];
        if managed {
            check_resources(resources)?;
        }
        let mut given = request.as_object().cloned().unwrap_or_default();
        given.remove("tags");
        Ok(Environment {
            runs: ComputeEnvironment {
                name: name.to_owned(),
                arn: arn(name),
                kind: resources["type"].as_str().unwrap_or("EC2").to_owned(),
                max_vcpus: resources["maxvCpus"].as_f64(),
                ..ComputeEnvironment::default()
            },
            given,
            enabled: state(request)? != Some("DISABLED"),
            tags: Tags::from_map(&request["tags"])
                .map_err(|error| client_error(error.to_string()))?,
            of_stack: false,
        })
    }

    pub(super) fn is(&self, name_or_arn: &str) -> bool {
        self.runs.name == name_or_arn || self.runs.arn == name_or_arn
    }

    /// Whether its jobs run on Fargate.
    pub(super) fn is_fargate(&self) -> bool {
        self.runs.kind.starts_with("FARGATE")
    }

    fn describe(&self) -> Value {
        let mut json = self.given.clone();
        let mut set = |name: &str, value: Value| json.insert(name.to_owned(), value);
        set("computeEnvironmentArn", json!(self.runs.arn));
        set(
            "state",
            json!(if self.enabled { "ENABLED" } else { "DISABLED" }),
        );
        set("status", json!("VALID"));
        set("statusReason", json!("ComputeEnvironment Healthy"));
        set("containerOrchestrationType", json!("ECS"));
        set("tags", self.tags.to_map());
        Value::Object(json)
    }

    /// Takes over what UpdateComputeEnvironment says.
    fn update(&mut self, request: &Value) -> Result<(), ServiceError> {
        if let Some(state) = state(request)? {
            self.enabled = state == "ENABLED";
        }
        if let Some(role) = request["serviceRole"].as_str() {
            self.given.insert("serviceRole".to_owned(), json!(role));
        }
        let changes = request["computeResources"]
            .as_object()
            .into_iter()
            .flatten();
        let resources = self.given.entry("computeResources").or_insert(json!({}));
        for (member, value) in changes {
            resources[member.as_str()] = value.clone();
        }
        self.runs.max_vcpus = resources["maxvCpus"].as_f64();
        Ok(())
    }
}

impl Batch {
    pub(super) fn create_environment(&self, request: &Value) -> Result<Value, ServiceError> {
        let new = Environment::parse(request, |name| {
            self.arn(&format!("compute-environment/{name}"))
        })?;
        let mut environments = self.inner.environments.lock();
        let ComputeEnvironment { name, arn, .. } = new.runs.clone();
        if environments.iter().any(|one| one.is(&name)) {
            return Err(client_error(format!(
                "Object already exists: compute environment {name}"
            )));
        }
        self.inner.records.environments.create(&name, &new)?;
        environments.push(new);
        Ok(json!({"computeEnvironmentName": name, "computeEnvironmentArn": arn}))
    }

    pub(super) fn update_environment(&self, request: &Value) -> Result<Value, ServiceError> {
        let wanted = required(request, "computeEnvironment")?;
        self.change_environment(wanted, |one| {
            one.update(request)?;
            Ok(json!({
                "computeEnvironmentName": one.runs.name,
                "computeEnvironmentArn": one.runs.arn,
            }))
        })
    }

    /// Changes a compute environment, also for the next start unless the stack's file has it.
    pub(super) fn change_environment<T>(
        &self,
        name_or_arn: &str,
        change: impl FnOnce(&mut Environment) -> Result<T, ServiceError>,
    ) -> Result<T, ServiceError> {
        let mut environments = self.inner.environments.lock();
        let found = environments.iter_mut().find(|one| one.is(name_or_arn));
        let found = found.ok_or_else(|| does_not_exist(name_or_arn))?;
        let before = found.clone();
        let answer = change(found)?;
        if !found.of_stack && *found != before {
            self.inner
                .records
                .environments
                .save(&found.runs.name, found);
        }
        Ok(answer)
    }

    /// DeleteComputeEnvironment: of one that is disabled and that no queue has.
    pub(super) fn delete_environment(&self, request: &Value) -> Result<Value, ServiceError> {
        let wanted = required(request, "computeEnvironment")?;
        let mut environments = self.inner.environments.lock();
        let found = environments.iter().find(|one| one.is(wanted));
        let found = found.ok_or_else(|| does_not_exist(wanted))?.clone();
        if found.enabled {
            return Err(client_error("Cannot delete, state must be DISABLED"));
        }
        let queues = self.inner.queues.lock();
        if queues
            .iter()
            .any(|queue| queue.runs.compute_environments.contains(&found.runs.name))
        {
            return Err(client_error(
                "Cannot delete, found existing JobQueue relationship",
            ));
        }
        environments.retain(|one| !one.is(wanted));
        self.inner.records.environments.remove(&found.runs.name);
        Ok(json!({}))
    }

    pub(super) fn describe_environments(&self, request: &Value) -> Result<Value, ServiceError> {
        let named = texts(&request["computeEnvironments"]);
        let environments = self.inner.environments.lock();
        let found = environments
            .iter()
            .filter(|one| named.is_empty() || named.iter().any(|name| one.is(name)));
        let page = page(
            found.collect(),
            |one: &&Environment| &one.runs.arn,
            request,
            PAGE,
        )
        .map_err(|error| client_error(error.to_string()))?;
        let found: Vec<Value> = page.items.iter().map(|one| one.describe()).collect();
        Ok(with_next(json!({"computeEnvironments": found}), page.next))
    }
}

pub(super) fn does_not_exist(environment: &str) -> ServiceError {
    client_error(format!("{environment} does not exist"))
}

/// What a managed environment must say of its resources, and what it cannot on Fargate.
fn check_resources(resources: &Value) -> Result<(), ServiceError> {
    let wrong = |words: &str| {
        Err(client_error(format!(
            "Error executing request, Exception : {words}"
        )))
    };
    if !resources.is_object() {
        return wrong("computeResources must be provided for a MANAGED compute environment");
    }
    let kind = resources["type"].as_str().unwrap_or_default();
    if !KINDS.contains(&kind) {
        return wrong(&format!(
            "computeResources.type '{kind}' must be one of {}",
            KINDS.join(" | ")
        ));
    }
    if resources["maxvCpus"].is_null() {
        return wrong("Resource maxvCpus is required.");
    }
    if texts(&resources["subnets"]).is_empty() {
        return wrong("Subnets are required.");
    }
    if kind.starts_with("FARGATE") {
        for member in [
            "instanceRole",
            "instanceTypes",
            "minvCpus",
            "desiredvCpus",
            "ec2KeyPair",
            "imageId",
            "bidPercentage",
        ] {
            if !resources[member].is_null() {
                return wrong(&format!("{member} is not applicable for Fargate."));
            }
        }
        return Ok(());
    }
    for (member, words) in [
        ("instanceRole", "Instance role is required."),
        ("minvCpus", "Resource minvCpus is required."),
        ("instanceTypes", "Instance types are required."),
    ] {
        if resources[member].is_null() {
            return wrong(words);
        }
    }
    Ok(())
}
