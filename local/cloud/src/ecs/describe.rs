//! What ECS tells of tasks, task definitions and clusters.

use serde_json::{Value, json};

use super::{Ecs, Status};
use crate::error::ServiceError;
use stack::{Cluster, TaskDefinition};

impl Ecs {
    pub(super) fn describe_tasks(&self, body: &Value) -> Result<Value, ServiceError> {
        self.cluster(body["cluster"].as_str().unwrap_or("default"))?;
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for wanted in body["tasks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            match self.task(wanted) {
                Some(task) => tasks.push(task.describe()),
                None => failures.push(json!({"arn": wanted, "reason": "MISSING"})),
            }
        }
        Ok(json!({"tasks": tasks, "failures": failures}))
    }

    pub(super) fn list_tasks(&self, body: &Value) -> Result<Value, ServiceError> {
        let cluster = self.cluster(body["cluster"].as_str().unwrap_or("default"))?;
        let desired = body["desiredStatus"].as_str().unwrap_or("RUNNING");
        let is = |field: &str, actual: Option<&str>| {
            body[field]
                .as_str()
                .is_none_or(|wanted| actual == Some(wanted))
        };
        let arns: Vec<String> = self
            .tasks()
            .iter()
            .filter(|handle| {
                let task = handle.task.borrow();
                task.cluster_arn == cluster.arn
                    && task.desired.name() == desired
                    && is("family", Some(&task.definition.family))
                    && is("startedBy", task.started_by.as_deref())
                    && is("launchType", Some(&task.launch_type))
            })
            .map(|handle| handle.arn.clone())
            .collect();
        Ok(json!({"taskArns": arns}))
    }

    pub(super) fn describe_task_definition(&self, body: &Value) -> Result<Value, ServiceError> {
        let definition = self.definition(body["taskDefinition"].as_str().unwrap_or_default())?;
        Ok(json!({"taskDefinition": definition_json(definition), "tags": []}))
    }

    pub(super) fn describe_clusters(&self, body: &Value) -> Value {
        let mut failures = Vec::new();
        let found: Vec<Cluster> = match body["clusters"].as_array() {
            None => self.inner.clusters.clone(),
            Some(names) => names
                .iter()
                .filter_map(Value::as_str)
                .filter_map(|name| {
                    let cluster = self.cluster(name);
                    if cluster.is_err() {
                        failures.push(json!({"arn": name, "reason": "MISSING"}));
                    }
                    cluster.ok()
                })
                .collect(),
        };
        let clusters: Vec<Value> = found
            .iter()
            .map(|cluster| self.cluster_json(cluster))
            .collect();
        json!({"clusters": clusters, "failures": failures})
    }

    fn cluster_json(&self, cluster: &Cluster) -> Value {
        let count = |wanted: fn(Status) -> bool| {
            let tasks = self.tasks();
            let here = tasks
                .iter()
                .filter(|task| task.task.borrow().cluster_arn == cluster.arn);
            here.filter(|task| wanted(task.task.borrow().status))
                .count()
        };
        json!({
            "clusterArn": cluster.arn,
            "clusterName": cluster.name,
            "status": "ACTIVE",
            "registeredContainerInstancesCount": 0,
            "runningTasksCount": count(|status| status == Status::Running),
            "pendingTasksCount": count(|status| status < Status::Running),
            "activeServicesCount": 0,
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        })
    }
}

fn definition_json(definition: &TaskDefinition) -> Value {
    let size = |n: Option<u64>| n.map(|n| n.to_string());
    let containers = definition.containers.iter().map(|c| {
        let environment = c.environment.iter();
        let environment: Vec<_> = environment
            .map(|(name, value)| json!({"name": name, "value": value}))
            .collect();
        json!({
            "name": c.name,
            "image": c.image,
            "command": c.command,
            "entryPoint": c.entry_point,
            "environment": environment,
            "essential": c.essential,
            "memory": c.memory_mib,
            "cpu": c.cpu.unwrap_or(0),
        })
    });
    json!({
        "taskDefinitionArn": definition.arn,
        "family": definition.family,
        "revision": definition.revision,
        "status": "ACTIVE",
        "cpu": size(definition.cpu),
        "memory": size(definition.memory_mib),
        "networkMode": "awsvpc",
        "requiresCompatibilities": definition.requires_compatibilities,
        "containerDefinitions": containers.collect::<Vec<_>>(),
    })
}
