//! ECS task definitions and Batch job definitions.

use std::time::Duration;

use super::intrinsics::Template;
use super::node::Node;
use super::retry::check_retry;
use super::{ContainerDefinition, EvaluateOnExit, JobDefinition, StackError, TaskDefinition};

/// `AWS::ECS::TaskDefinition`.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>
pub fn task_definition(
    template: &Template,
    id: &str,
    node: &Node<'_>,
) -> Result<TaskDefinition, StackError> {
    let family = template.physical_name(id)?;
    let containers = node.require("ContainerDefinitions")?.items()?;
    Ok(TaskDefinition {
        logical_id: id.to_owned(),
        revision: 1,
        arn: template.arn("ecs", &format!("task-definition/{family}:1")),
        family,
        cpu: units(node, "Cpu", "vCPU")?,
        memory_mib: units(node, "Memory", "GB")?,
        requires_compatibilities: node.strings("RequiresCompatibilities")?,
        containers: containers.iter().map(container).collect::<Result<_, _>>()?,
    })
}

fn container(node: &Node<'_>) -> Result<ContainerDefinition, StackError> {
    Ok(ContainerDefinition {
        name: node.require("Name")?.string()?,
        image: node.require("Image")?.string()?,
        command: node.strings("Command")?,
        entry_point: node.strings("EntryPoint")?,
        environment: node.name_value_pairs("Environment")?,
        essential: node
            .get("Essential")?
            .map_or(Ok(true), |essential| essential.boolean())?,
        cpu: node.opt_integer("Cpu")?,
        memory_mib: node.opt_integer("Memory")?,
        stop_timeout: node.opt_integer("StopTimeout")?.map(Duration::from_secs),
    })
}

fn units(node: &Node<'_>, key: &str, unit: &str) -> Result<Option<u64>, StackError> {
    let Some(value) = node.get(key)? else {
        return Ok(None);
    };
    let text = value.string()?;
    let wrong = || {
        value.error(format!(
            "expected a number or a number of {unit}, found {text}"
        ))
    };
    task_units(&text, unit).map(Some).ok_or_else(wrong)
}

/// Task size: a plain number (CPU units, MiB) or one with a unit, as `1 vCPU` or `2 GB`.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html#task_size>
pub fn task_units(text: &str, unit: &str) -> Option<u64> {
    const UNITS: f64 = 1_024.0;
    let text = text.to_lowercase();
    let (number, factor) = match text.strip_suffix(&unit.to_lowercase()) {
        Some(number) => (number.trim(), UNITS),
        None => (text.trim(), 1.0),
    };
    let number = number.parse::<f64>().ok().filter(|number| *number > 0.0)?;
    Some((number * factor).round() as u64)
}

/// `AWS::Batch::JobDefinition` of type `container`.
/// <https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html>
pub fn job_definition(
    template: &Template,
    id: &str,
    node: &Node<'_>,
) -> Result<JobDefinition, StackError> {
    let name = template.physical_name(id)?;
    let container = node.require("ContainerProperties")?;
    let mut size = (
        container.opt_integer("Vcpus")?.unwrap_or(1) as f64,
        container.opt_integer("Memory")?,
    );
    for requirement in container.list("ResourceRequirements")? {
        let value = requirement.require("Value")?;
        match requirement.require("Type")?.string()?.as_str() {
            "VCPU" => size.0 = value.number()?,
            "MEMORY" => size.1 = Some(value.integer()?),
            _ => {}
        }
    }
    let memory_mib = size
        .1
        .ok_or_else(|| container.error("a MEMORY entry in `ResourceRequirements` is missing"))?;
    let (attempts, evaluate_on_exit) = match node.get("RetryStrategy")? {
        Some(retry) => retry_strategy(&retry)?,
        None => (1, Vec::new()),
    };
    let timeout = node
        .get("Timeout")?
        .map(|timeout| timeout.opt_integer("AttemptDurationSeconds"))
        .transpose()?;
    Ok(JobDefinition {
        logical_id: id.to_owned(),
        revision: 1,
        arn: template.arn("batch", &format!("job-definition/{name}:1")),
        name,
        image: container.require("Image")?.string()?,
        command: container.strings("Command")?,
        environment: container.name_value_pairs("Environment")?,
        vcpus: size.0,
        memory_mib,
        attempts,
        evaluate_on_exit,
        timeout: timeout.flatten().map(Duration::from_secs),
        parameters: node.string_map("Parameters")?,
        platform_capabilities: node.strings("PlatformCapabilities")?,
    })
}

fn retry_strategy(node: &Node<'_>) -> Result<(u32, Vec<EvaluateOnExit>), StackError> {
    let attempts = node.opt_integer("Attempts")?;
    let attempts = attempts.map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX));
    let mut conditions = Vec::new();
    for condition in node.list("EvaluateOnExit")? {
        conditions.push(EvaluateOnExit {
            on_exit_code: condition.opt_string("OnExitCode")?,
            on_reason: condition.opt_string("OnReason")?,
            on_status_reason: condition.opt_string("OnStatusReason")?,
            action: condition.require("Action")?.string()?,
        });
    }
    check_retry(attempts, &conditions).map_err(|error| node.error(error.to_string()))?;
    Ok((attempts.unwrap_or(1), conditions))
}
