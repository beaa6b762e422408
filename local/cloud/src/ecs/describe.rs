//! What ECS tells of tasks, task definitions and what is not here: services and container instances.

use serde_json::{Value, json};

use super::{Ecs, invalid, texts};
use crate::error::ServiceError;

/// Most things that one request describes.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>
const MOST_TASKS: usize = 100;
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeServices.html>
const MOST_SERVICES: usize = 10;

impl Ecs {
    /// DescribeTasks: those of one cluster.
    pub(super) fn describe_tasks(&self, request: &Value) -> Result<Value, ServiceError> {
        let cluster = self.cluster(request)?;
        let tags = includes(request, "TAGS")?;
        let wanted = named(request, "tasks", "Tasks", MOST_TASKS)?;
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in wanted {
            let found = self.task(name);
            let here = found.filter(|handle| handle.task.borrow().cluster_arn == cluster.arn);
            match here {
                Some(task) => {
                    let mut task = task.describe();
                    if !tags {
                        task["tags"] = json!([]);
                    }
                    tasks.push(task);
                }
                None => failures.push(self.missing(&format!("task/{}", cluster.name), name)),
            }
        }
        Ok(json!({"tasks": tasks, "failures": failures}))
    }

    pub(super) fn describe_task_definition(&self, request: &Value) -> Result<Value, ServiceError> {
        let definition = self.definition(request["taskDefinition"].as_str().unwrap_or_default())?;
        let tags = if includes(request, "TAGS")? {
            definition.tags.to_list()
        } else {
            json!([])
        };
        Ok(json!({"taskDefinition": definition.describe(), "tags": tags}))
    }

    /// DescribeServices: none of them is here.
    pub(super) fn describe_services(&self, request: &Value) -> Result<Value, ServiceError> {
        self.cluster(request)?;
        let services = named(request, "services", "Services", MOST_SERVICES)?;
        let failures = services.iter().map(|name| self.missing("service", name));
        Ok(json!({"services": [], "failures": failures.collect::<Vec<_>>()}))
    }

    /// A failure of a request that names what is not here: by its ARN, also if it was named otherwise.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/api_failures_messages.html>
    pub(super) fn missing(&self, kind: &str, name: &str) -> Value {
        let arn = match name.starts_with("arn:") {
            true => name.to_owned(),
            false => self.arn(&format!("{kind}/{name}")),
        };
        json!({"arn": arn, "reason": "MISSING"})
    }
}

/// Whether `include`, which can only name this, names it.
fn includes(request: &Value, known: &str) -> Result<bool, ServiceError> {
    let include = texts(&request["include"]);
    match include.iter().find(|name| **name != known) {
        Some(other) => Err(invalid(format!("include: {other} is not {known}"))),
        None => Ok(!include.is_empty()),
    }
}

/// The names that a request must have.
fn named<'a>(
    request: &'a Value,
    member: &str,
    title: &str,
    most: usize,
) -> Result<Vec<&'a str>, ServiceError> {
    let names = texts(&request[member]);
    if names.is_empty() {
        return Err(invalid(format!("{title} cannot be empty.")));
    }
    if names.len() > most {
        return Err(invalid(format!(
            "{title} must have at most {most} members."
        )));
    }
    Ok(names)
}
