//! Task definitions: those of the stack, and those that are registered.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_RegisterTaskDefinition.html>

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::request::LAUNCH_TYPES;
use super::{Ecs, client_error, invalid, texts};
use crate::error::ServiceError;
use crate::tags::Tags;
use crate::time::{Timestamp, epoch_seconds, now};
use crate::variables;
use placement::is_fargate_size;
use stack::{ContainerDefinition, Env, TaskDefinition, task_units};

/// Longest grace of a container on Fargate, seconds.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>
const LONGEST_STOP_TIMEOUT: u64 = 120;
const NETWORK_MODES: [&str; 4] = ["awsvpc", "bridge", "host", "none"];

/// Where a task definition is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum State {
    Active,
    /// Deregistered: a task can still be started from it.
    Inactive,
    /// Deleted, and no more than a name.
    Deleted,
}

impl State {
    pub(super) fn name(self) -> &'static str {
        match self {
            State::Active => "ACTIVE",
            State::Inactive => "INACTIVE",
            State::Deleted => "DELETE_IN_PROGRESS",
        }
    }
}

/// A revision of a task definition.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Definition {
    /// What its tasks are started from.
    pub(super) runs: TaskDefinition,
    /// What is described: what was registered, and what AWS fills in.
    given: Map<String, Value>,
    pub(super) state: State,
    pub(super) tags: Tags,
    registered_at: Option<Timestamp>,
    deregistered_at: Option<Timestamp>,
    /// Whether it is in the stack's file, which is read at every start.
    #[serde(skip)]
    of_stack: bool,
}

impl Definition {
    /// A definition of the stack.
    pub(super) fn of_stack(definition: &TaskDefinition) -> Definition {
        Definition {
            runs: definition.clone(),
            given: describe(definition),
            state: State::Active,
            tags: Tags::default(),
            registered_at: None,
            deregistered_at: None,
            of_stack: true,
        }
    }

    /// A registered definition, not yet with its revision.
    fn parse(request: &Value) -> Result<Definition, ServiceError> {
        let family = family(request)?;
        let containers = containers(&request["containerDefinitions"])?;
        let requires = texts(&request["requiresCompatibilities"]);
        if let Some(unknown) = requires.iter().find(|kind| !LAUNCH_TYPES.contains(kind)) {
            return Err(invalid(format!(
                "requiresCompatibilities: {unknown} is none of {}",
                LAUNCH_TYPES.join(", ")
            )));
        }
        let fargate = requires.contains(&"FARGATE");
        let network = network_mode(request, fargate)?;
        let runs = TaskDefinition {
            family: family.to_owned(),
            cpu: size(request, "cpu", "vCPU")?,
            memory_mib: size(request, "memory", "GB")?,
            requires_compatibilities: requires.iter().map(|kind| (*kind).to_owned()).collect(),
            containers,
            ..TaskDefinition::default()
        };
        check_sizes(&runs, fargate, &request["containerDefinitions"])?;
        let tags = Tags::from_list(&request["tags"]).map_err(|error| invalid(error.to_string()))?;
        Ok(Definition {
            given: described(request, &runs, network),
            runs,
            state: State::Active,
            tags,
            registered_at: Some(now()),
            deregistered_at: None,
            of_stack: false,
        })
    }

    /// The name of the record: a family has no dots.
    fn record(&self) -> String {
        format!("{}.{}", self.runs.family, self.runs.revision)
    }

    pub(super) fn network_mode(&self) -> &str {
        self.given
            .get("networkMode")
            .and_then(Value::as_str)
            .unwrap_or("awsvpc")
    }

    pub(super) fn describe(&self) -> Value {
        let mut json = self.given.clone();
        let mut set = |name: &str, value: Value| json.insert(name.to_owned(), value);
        set("taskDefinitionArn", json!(self.runs.arn));
        set("revision", json!(self.runs.revision));
        set("status", json!(self.state.name()));
        for (name, at) in [
            ("registeredAt", self.registered_at),
            ("deregisteredAt", self.deregistered_at),
        ] {
            if let Some(at) = at {
                set(name, epoch_seconds(at));
            }
        }
        Value::Object(json)
    }
}

impl Ecs {
    /// A definition by family (the newest that is active), `family:revision` or ARN.
    pub(super) fn definition(&self, name: &str) -> Result<Definition, ServiceError> {
        let wanted = name.rsplit('/').next().unwrap_or(name);
        let definitions = self.inner.definitions.lock();
        let found = match wanted.split_once(':') {
            Some((family, revision)) => {
                let number = revision.parse::<u32>().map_err(|_| {
                    client_error(format!("Invalid revision number. Number: {revision}"))
                })?;
                let mut all = definitions.iter();
                all.find(|one| one.runs.family == family && one.runs.revision == number)
            }
            None => definitions
                .iter()
                .filter(|one| one.runs.family == wanted && one.state == State::Active)
                .max_by_key(|one| one.runs.revision),
        };
        found
            .filter(|one| one.state != State::Deleted)
            .cloned()
            .ok_or_else(|| client_error("Unable to describe task definition."))
    }

    pub(super) fn register(&self, request: &Value) -> Result<Value, ServiceError> {
        let mut new = Definition::parse(request)?;
        let mut definitions = self.inner.definitions.lock();
        let family = definitions
            .iter()
            .filter(|one| one.runs.family == new.runs.family);
        let last = family.map(|one| one.runs.revision).max().unwrap_or(0);
        new.runs.revision = last + 1;
        let name = format!("{}:{}", new.runs.family, new.runs.revision);
        new.runs.arn = self.arn(&format!("task-definition/{name}"));
        self.inner.definition_records.create(&new.record(), &new)?;
        definitions.push(new.clone());
        Ok(json!({"taskDefinition": new.describe(), "tags": new.tags.to_list()}))
    }

    pub(super) fn deregister(&self, request: &Value) -> Result<Value, ServiceError> {
        let name = request["taskDefinition"].as_str().unwrap_or_default();
        if !name.rsplit('/').next().unwrap_or(name).contains(':') {
            return Err(client_error("Revision is missing."));
        }
        let mut definition = self.definition(name)?;
        definition.state = State::Inactive;
        definition.deregistered_at.get_or_insert(now());
        self.put_definition(&definition);
        Ok(json!({"taskDefinition": definition.describe()}))
    }

    /// DeleteTaskDefinitions: of those that were deregistered.
    pub(super) fn delete_definitions(&self, request: &Value) -> Result<Value, ServiceError> {
        let names = texts(&request["taskDefinitions"]);
        if !(1..=10).contains(&names.len()) {
            return Err(invalid("taskDefinitions must have 1 to 10 members"));
        }
        let (mut deleted, mut failures) = (Vec::new(), Vec::new());
        for name in names {
            match self.delete_definition(name) {
                Ok(definition) => deleted.push(definition.describe()),
                Err(reason) => failures.push(json!({"arn": name, "reason": reason})),
            }
        }
        Ok(json!({"taskDefinitions": deleted, "failures": failures}))
    }

    fn delete_definition(&self, name: &str) -> Result<Definition, &'static str> {
        if !name.rsplit('/').next().unwrap_or(name).contains(':') {
            return Err(
                "The specified task definition identifier is invalid. Specify a valid name or ARN and try again.",
            );
        }
        let mut definition = self.definition(name).map_err(|_| {
            "The specified task definition does not exist. Specify a valid account, family, revision and try again."
        })?;
        if definition.state == State::Active {
            return Err(
                "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
            );
        }
        definition.state = State::Deleted;
        self.put_definition(&definition);
        Ok(definition)
    }

    /// Keeps a changed definition, also for the next start unless the stack's file has it.
    pub(super) fn put_definition(&self, changed: &Definition) {
        if !changed.of_stack {
            self.inner
                .definition_records
                .save(&changed.record(), changed);
        }
        let mut definitions = self.inner.definitions.lock();
        for known in definitions.iter_mut() {
            if known.runs.arn == changed.runs.arn {
                known.clone_from(changed);
            }
        }
    }
}

fn family(request: &Value) -> Result<&str, ServiceError> {
    let family = request["family"].as_str().unwrap_or_default();
    if family.is_empty() {
        return Err(client_error("Family should not be null or empty."));
    }
    let fits = family.len() <= 255
        && (family.chars()).all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if fits {
        return Ok(family);
    }
    Err(client_error(format!(
        "Family '{family}' must have at most 255 letters, digits, hyphens and underscores."
    )))
}

fn network_mode(request: &Value, fargate: bool) -> Result<&str, ServiceError> {
    let mode = request["networkMode"].as_str();
    match mode {
        Some(mode) if !NETWORK_MODES.contains(&mode) => Err(invalid(format!(
            "networkMode: {mode} is none of {}",
            NETWORK_MODES.join(", ")
        ))),
        mode if fargate && mode != Some("awsvpc") => {
            Err(client_error("Fargate only supports network mode 'awsvpc'."))
        }
        mode => Ok(mode.unwrap_or("bridge")),
    }
}

fn size(request: &Value, member: &str, unit: &str) -> Result<Option<u64>, ServiceError> {
    let Some(text) = request[member].as_str() else {
        return Ok(None);
    };
    let size = task_units(text, unit);
    match size {
        Some(_) => Ok(size),
        None => Err(client_error(format!(
            "Invalid '{member}' setting for task."
        ))),
    }
}

/// What the sizes of a task and its containers must fit.
fn check_sizes(task: &TaskDefinition, fargate: bool, given: &Value) -> Result<(), ServiceError> {
    if fargate {
        let (Some(cpu), Some(memory)) = (task.cpu, task.memory_mib) else {
            return Err(client_error(
                "Fargate requires that 'cpu' and 'memory' be defined at the task level.",
            ));
        };
        check_fargate(cpu, memory)?;
        let longest = Duration::from_secs(LONGEST_STOP_TIMEOUT);
        if task
            .containers
            .iter()
            .any(|one| one.stop_timeout > Some(longest))
        {
            return Err(client_error(format!(
                "stopTimeout on Fargate is at most {LONGEST_STOP_TIMEOUT} seconds."
            )));
        }
    }
    for (index, container) in task.containers.iter().enumerate() {
        let name = &container.name;
        let reserved = given[index]["memoryReservation"].as_u64();
        if task.memory_mib.is_none() && container.memory_mib.is_none() && reserved.is_none() {
            return Err(client_error(format!(
                "Invalid setting for container '{name}'. At least one of 'memory' or 'memoryReservation' must be specified."
            )));
        }
        check_memory(task, container)?;
    }
    Ok(())
}

/// A container's limit lies below its task's.
pub(super) fn check_memory(
    task: &TaskDefinition,
    container: &ContainerDefinition,
) -> Result<(), ServiceError> {
    if task.memory_mib.is_some() && container.memory_mib > task.memory_mib {
        return Err(client_error(format!(
            "The 'memory' setting for container '{}' is greater than for the task.",
            container.name
        )));
    }
    Ok(())
}

/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html>
pub(super) fn check_fargate(cpu: u64, memory_mib: u64) -> Result<(), ServiceError> {
    if is_fargate_size(cpu as f64 / super::run::UNITS_PER_VCPU, memory_mib) {
        return Ok(());
    }
    Err(client_error(format!(
        "No Fargate configuration exists for given values: {cpu} CPU, {memory_mib} memory."
    )))
}

fn containers(list: &Value) -> Result<Vec<ContainerDefinition>, ServiceError> {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    let containers: Vec<_> = list.iter().map(container).collect::<Result<_, _>>()?;
    if !containers.iter().any(|container| container.essential) {
        return Err(client_error(
            "A task definition must have at least one container, and one that is essential.",
        ));
    }
    for (index, container) in containers.iter().enumerate() {
        if containers[..index]
            .iter()
            .any(|other| other.name == container.name)
        {
            return Err(client_error(format!(
                "Container name '{}' is used twice.",
                container.name
            )));
        }
    }
    Ok(containers)
}

fn container(given: &Value) -> Result<ContainerDefinition, ServiceError> {
    let text = |member: &str| {
        let text = given[member].as_str().filter(|text| !text.is_empty());
        text.map(str::to_owned)
            .ok_or_else(|| client_error(format!("Container.{member} should not be null or empty.")))
    };
    let list = |member: &str| {
        texts(&given[member])
            .into_iter()
            .map(str::to_owned)
            .collect()
    };
    let mut environment = Env::new();
    for variable in given["environment"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = variable["value"].as_str().unwrap_or_default();
        variables::check("ClientException", name, value)?;
        environment.insert(name.to_owned(), value.to_owned());
    }
    Ok(ContainerDefinition {
        name: text("name")?,
        image: text("image")?,
        command: list("command"),
        entry_point: list("entryPoint"),
        environment,
        essential: given["essential"].as_bool().unwrap_or(true),
        cpu: given["cpu"].as_u64(),
        memory_mib: given["memory"].as_u64(),
        stop_timeout: given["stopTimeout"].as_u64().map(Duration::from_secs),
    })
}

/// A registered definition as it is described: the request with what AWS fills in.
fn described(request: &Value, runs: &TaskDefinition, network: &str) -> Map<String, Value> {
    let mut given = request.as_object().cloned().unwrap_or_default();
    given.remove("tags");
    let containers = given.get_mut("containerDefinitions");
    for container in containers
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        fill_container(container, network);
    }
    let mut compatible = vec!["EC2".to_owned()];
    compatible.extend(
        runs.requires_compatibilities
            .iter()
            .filter(|kind| *kind != "EC2")
            .cloned(),
    );
    for (name, size) in [("cpu", runs.cpu), ("memory", runs.memory_mib)] {
        if let Some(size) = size {
            given.insert(name.to_owned(), json!(size.to_string()));
        }
    }
    given.insert("compatibilities".to_owned(), json!(compatible));
    given.insert("networkMode".to_owned(), json!(network));
    for empty in ["volumes", "placementConstraints"] {
        given.insert(empty.to_owned(), json!([]));
    }
    given
}

fn fill_container(container: &mut Value, network: &str) {
    let Some(members) = container.as_object_mut() else {
        return;
    };
    for (name, default) in [
        ("cpu", json!(0)),
        ("essential", json!(true)),
        ("environment", json!([])),
        ("portMappings", json!([])),
        ("mountPoints", json!([])),
        ("volumesFrom", json!([])),
    ] {
        let member = members.entry(name).or_insert(Value::Null);
        if member.is_null() {
            *member = default;
        }
    }
    for port in members["portMappings"].as_array_mut().into_iter().flatten() {
        if port["hostPort"].is_null() {
            // With its own network interface a task has its own ports.
            let own = network == "awsvpc";
            port["hostPort"] = if own {
                port["containerPort"].clone()
            } else {
                json!(0)
            };
        }
        if port["protocol"].is_null() {
            port["protocol"] = json!("tcp");
        }
    }
}

/// A definition of the stack as it is described.
fn describe(definition: &TaskDefinition) -> Map<String, Value> {
    let size = |n: Option<u64>| n.map(|n| n.to_string());
    let containers = definition.containers.iter().map(|container| {
        let environment = variables::pairs(&container.environment);
        let mut json = json!({
            "name": container.name,
            "image": container.image,
            "command": container.command,
            "entryPoint": container.entry_point,
            "environment": environment,
            "essential": container.essential,
            "cpu": container.cpu.unwrap_or(0),
        });
        if let Some(memory) = container.memory_mib {
            json["memory"] = json!(memory);
        }
        fill_container(&mut json, "awsvpc");
        json
    });
    let given = json!({
        "family": definition.family,
        "networkMode": "awsvpc",
        "requiresCompatibilities": definition.requires_compatibilities,
        "compatibilities": definition.requires_compatibilities,
        "containerDefinitions": containers.collect::<Vec<_>>(),
        "volumes": [],
        "placementConstraints": [],
    });
    let mut given = given.as_object().cloned().unwrap_or_default();
    for (name, size) in [
        ("cpu", size(definition.cpu)),
        ("memory", size(definition.memory_mib)),
    ] {
        if let Some(size) = size {
            given.insert(name.to_owned(), json!(size));
        }
    }
    given
}
