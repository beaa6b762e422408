//! What a definition starts, and what there is to start.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::Value;
use stack::{Stack, StateMachine, binary_of_image};

use super::Finding;

/// A finding for every function, task, job, queue or worker that a definition names and the stack lacks, for every
/// placeholder without a value, and for every worker that nothing can start.
pub fn check(root: &Path, stack: &Stack) -> Vec<Finding> {
    let mut findings = Vec::new();
    for machine in &stack.state_machines {
        let file = match &machine.pipeline {
            Some(pipeline) => format!("statemachines/{pipeline}.asl.json"),
            None => "serverless.yml".to_owned(),
        };
        findings.extend(unset(machine, &file));
        if let Ok(definition) = serde_json::from_str(&machine.definition) {
            let mut missing = BTreeSet::new();
            collect(&definition, stack, &mut missing);
            findings.extend(missing.into_iter().map(|it| Finding::error(&file, it)));
        }
    }
    findings.extend(
        workers(root)
            .iter()
            .flat_map(|name| startless(root, stack, name)),
    );
    findings
}

/// `${Name}` that no substitution has filled: on AWS it stays as it is.
fn unset(machine: &StateMachine, file: &str) -> Vec<Finding> {
    let inner = machine.definition.split("${").skip(1);
    let names = inner.filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let legal = |name: &&str| {
        !name.is_empty()
            && name
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '_')
    };
    let names: BTreeSet<&str> = names.filter(legal).collect();
    let finding = |name: &str| {
        let message = format!(
            "${{{name}}} has no value: add {name} to DefinitionSubstitutions of {}",
            machine.logical_id
        );
        Finding::error(file, message)
    };
    names.into_iter().map(finding).collect()
}

/// What the states at and below `node` name and the stack lacks.
fn collect(node: &Value, stack: &Stack, missing: &mut BTreeSet<String>) {
    match node {
        Value::Object(state) => {
            if let Some(resource) = state.get("Resource").and_then(Value::as_str) {
                let arguments = state.get("Arguments").or(state.get("Parameters"));
                missing.extend(lacks(resource, arguments.unwrap_or(&Value::Null), stack));
            }
            state.values().for_each(|it| collect(it, stack, missing));
        }
        Value::Array(items) => items.iter().for_each(|it| collect(it, stack, missing)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn lacks(resource: &str, arguments: &Value, stack: &Stack) -> Vec<String> {
    let mut missing = Vec::new();
    let mut need = |what: &str, name: Option<&str>, is_there: &dyn Fn(&str) -> bool| {
        // What an expression computes is known at run time only; what has no value is told of already.
        let name = name.filter(|name| !name.contains("{%") && !name.contains("${"));
        if let Some(name) = name.filter(|name| !is_there(name)) {
            missing.push(format!("{what} {name} is not in the stack"));
        }
    };
    let text = |key: &str| arguments[key].as_str();
    let is_function = |name: &str| {
        let name = name.split(":function:").last().unwrap_or(name);
        let name = name.split(':').next().unwrap_or(name);
        stack.functions.iter().any(|function| function.name == name)
    };
    if resource.contains(":function:") {
        need("function", Some(resource), &is_function);
    }
    let Some((_, integration)) = resource.split_once(":states:::") else {
        return missing;
    };
    if integration.starts_with("lambda:invoke") {
        need("function", text("FunctionName"), &is_function);
        let worker = arguments["Payload"]["worker"].as_str();
        need("worker", worker, &|name| is_started(stack, name));
    }
    if integration.starts_with("ecs:runTask") {
        need("task definition", text("TaskDefinition"), &|name| {
            let mut tasks = stack.task_definitions.iter();
            tasks.any(|task| task.arn == name || task.family == unversioned(name))
        });
    }
    if integration.starts_with("batch:submitJob") {
        need("job definition", text("JobDefinition"), &|name| {
            let mut jobs = stack.job_definitions.iter();
            jobs.any(|job| job.arn == name || job.name == unversioned(name))
        });
        need("job queue", text("JobQueue"), &|name| {
            let mut queues = stack.job_queues.iter();
            queues.any(|queue| queue.arn == name || queue.name == name)
        });
    }
    missing
}

/// `name` of `name:3`, and of an ARN that ends so.
fn unversioned(name: &str) -> &str {
    let name = name.rsplit('/').next().unwrap_or(name);
    name.split(':').next().unwrap_or(name)
}

fn is_task(stack: &Stack, worker: &str) -> bool {
    let mut containers = stack
        .task_definitions
        .iter()
        .flat_map(|task| &task.containers);
    containers.any(|container| binary_of_image(&container.image) == worker)
}

fn is_job(stack: &Stack, worker: &str) -> bool {
    let mut jobs = stack.job_definitions.iter();
    jobs.any(|job| binary_of_image(&job.image) == worker)
}

fn is_started(stack: &Stack, worker: &str) -> bool {
    let is_function = stack
        .functions
        .iter()
        .any(|function| function.binary == worker);
    is_function || is_task(stack, worker) || is_job(stack, worker)
}

/// The crates in `workers/`.
pub fn workers(root: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(root.join("workers"))
        .into_iter()
        .flatten()
        .flatten();
    let crates = entries.filter(|entry| entry.path().join("Cargo.toml").is_file());
    crates
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

/// What a worker lacks to be started on AWS.
fn startless(root: &Path, stack: &Stack, worker: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !root
        .join("workers")
        .join(worker)
        .join("Dockerfile")
        .is_file()
    {
        let file = format!("workers/{worker}/Dockerfile");
        findings.push(Finding::error(
            &file,
            "there is none, so deploy/images makes no image".to_owned(),
        ));
    }
    for (file, kind, where_to, is_there) in [
        (
            "deploy/fargate.yml",
            "AWS::ECS::TaskDefinition",
            "Fargate",
            is_task(stack, worker),
        ),
        (
            "deploy/batch.yml",
            "AWS::Batch::JobDefinition",
            "Batch",
            is_job(stack, worker),
        ),
    ] {
        if !is_there {
            let message = format!(
                "no {kind} has the image of worker {worker}, so it cannot be started on {where_to}; \
                 `hybrid new worker {worker}` adds what is missing"
            );
            findings.push(Finding::error(file, message));
        }
    }
    findings
}
