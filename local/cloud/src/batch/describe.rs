//! What Batch tells of jobs, queues, definitions and compute environments.

use serde_json::{Value, json};

use super::{Batch, JobHandle, client_error};
use crate::error::ServiceError;
use crate::events::glob;
use stack::JobDefinition;

impl Batch {
    pub(super) fn describe_jobs(&self, body: &Value) -> Value {
        let ids = body["jobs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let jobs: Vec<Value> = ids
            .filter_map(|id| self.job(id))
            .map(|job| job.describe())
            .collect();
        json!({"jobs": jobs})
    }

    /// ListJobs by queue or array, by status (RUNNING if none is given) or by filters.
    pub(super) fn list_jobs(&self, body: &Value) -> Result<Value, ServiceError> {
        let all = match (body["arrayJobId"].as_str(), body["jobQueue"].as_str()) {
            (Some(id), _) => self
                .job(id)
                .map_or_else(Vec::new, |parent| parent.children.to_vec()),
            (None, Some(queue)) => {
                let arn = &self.queue(queue)?.arn;
                let jobs = self.jobs();
                jobs.iter()
                    .filter(|handle| handle.job.borrow().queue.arn == *arn)
                    .cloned()
                    .collect()
            }
            (None, None) => {
                return Err(client_error(
                    "one of jobQueue, arrayJobId or multiNodeJobId is required",
                ));
            }
        };
        let filters = body["filters"]
            .as_array()
            .filter(|filters| !filters.is_empty());
        let status = body["jobStatus"].as_str().unwrap_or("RUNNING");
        let wanted = |handle: &&JobHandle| match filters {
            Some(filters) => filters.iter().all(|filter| handle.passes(filter)),
            None => handle.status().name() == status,
        };
        let mut summaries: Vec<Value> = all.iter().filter(wanted).map(JobHandle::summary).collect();
        // With a filter, the newest job comes first.
        if filters.is_some() {
            summaries.reverse();
        }
        Ok(json!({"jobSummaryList": summaries}))
    }

    pub(super) fn describe_queues(&self, body: &Value) -> Value {
        let queues = self
            .inner
            .queues
            .iter()
            .filter(|queue| named(&body["jobQueues"], &queue.name, &queue.arn));
        let queues = queues.map(|queue| {
            let order = queue.compute_environments.iter().enumerate();
            let order: Vec<_> = order
                .map(|(order, name)| {
                    let environments = &self.inner.environments;
                    let arn = environments
                        .iter()
                        .find(|e| e.name == *name)
                        .map_or(name, |e| &e.arn);
                    json!({"order": order + 1, "computeEnvironment": arn})
                })
                .collect();
            json!({
                "jobQueueName": queue.name,
                "jobQueueArn": queue.arn,
                "state": queue.state,
                "status": "VALID",
                "priority": queue.priority,
                "computeEnvironmentOrder": order,
            })
        });
        json!({"jobQueues": queues.collect::<Vec<_>>()})
    }

    pub(super) fn describe_definitions(&self, body: &Value) -> Value {
        let wanted = |definition: &&JobDefinition| {
            let by_name = body["jobDefinitionName"]
                .as_str()
                .is_none_or(|name| definition.name == name);
            by_name && named(&body["jobDefinitions"], &definition.name, &definition.arn)
        };
        let definitions = self
            .inner
            .definitions
            .iter()
            .filter(wanted)
            .map(definition_json);
        json!({"jobDefinitions": definitions.collect::<Vec<_>>()})
    }

    pub(super) fn describe_environments(&self, body: &Value) -> Value {
        let environments = self.inner.environments.iter();
        let environments =
            environments.filter(|e| named(&body["computeEnvironments"], &e.name, &e.arn));
        let environments = environments.map(|e| {
            json!({
                "computeEnvironmentName": e.name,
                "computeEnvironmentArn": e.arn,
                "type": "MANAGED",
                "state": "ENABLED",
                "status": "VALID",
                "computeResources": {"type": e.kind, "maxvCpus": e.max_vcpus, "subnets": []},
            })
        });
        json!({"computeEnvironments": environments.collect::<Vec<_>>()})
    }
}

impl JobHandle {
    /// Whether the job passes a filter of ListJobs: by name, definition, or time of creation.
    fn passes(&self, filter: &Value) -> bool {
        let job = self.job.borrow();
        let values = filter["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        let mut values = values.map(str::to_owned);
        let created = job.created_at.0 / 1_000;
        match filter["name"].as_str().unwrap_or_default() {
            "JOB_NAME" => values.any(|name| glob(&name.to_lowercase(), &job.name.to_lowercase())),
            "JOB_DEFINITION" => values.any(|wanted| {
                let short = wanted.rsplit('/').next().unwrap_or(&wanted);
                let definition = &job.definition;
                let full = format!("{}:{}", definition.name, definition.revision);
                glob(short, &definition.name) || short == full
            }),
            "BEFORE_CREATED_AT" => values.any(|at| at.parse::<i64>().is_ok_and(|at| created < at)),
            "AFTER_CREATED_AT" => values.any(|at| at.parse::<i64>().is_ok_and(|at| created > at)),
            _ => false,
        }
    }
}

/// Whether a list of names and ARNs is absent, empty, or names this one.
fn named(list: &Value, name: &str, arn: &str) -> bool {
    let list = list.as_array().map_or(&[][..], Vec::as_slice);
    let is =
        |wanted: &str| wanted == name || wanted == arn || wanted.split(':').next() == Some(name);
    list.is_empty() || list.iter().filter_map(Value::as_str).any(is)
}

fn definition_json(definition: &JobDefinition) -> Value {
    let environment = definition.environment.iter();
    let environment: Vec<Value> = environment
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    let mut json = json!({
        "jobDefinitionName": definition.name,
        "jobDefinitionArn": definition.arn,
        "revision": definition.revision,
        "status": "ACTIVE",
        "type": "container",
        "parameters": definition.parameters,
        "retryStrategy": {"attempts": definition.attempts},
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
        json["timeout"] = json!({"attemptDurationSeconds": timeout.as_secs()});
    }
    json
}
