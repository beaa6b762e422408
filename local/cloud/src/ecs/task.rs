//! A task and how the API and the events describe it.
//! <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::time::{Timestamp, epoch_seconds};
use stack::TaskDefinition;

/// Where a task is in its life.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-lifecycle-explanation.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Resources are being found.
    Provisioning,
    /// The container agent is to start it.
    Pending,
    /// Its containers run.
    Running,
    /// Its containers are being stopped.
    Stopping,
    /// Resources are being given back.
    Deprovisioning,
    /// It has ended.
    Stopped,
}

impl Status {
    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Status::Provisioning => "PROVISIONING",
            Status::Pending => "PENDING",
            Status::Running => "RUNNING",
            Status::Stopping => "STOPPING",
            Status::Deprovisioning => "DEPROVISIONING",
            Status::Stopped => "STOPPED",
        }
    }
}

/// What made a task stop; the names are those of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StopCode {
    /// A container that the task cannot do without ended.
    EssentialContainerExited,
    /// StopTask was called.
    UserInitiated,
    /// A container could not be started.
    TaskFailedToStart,
    /// Spot capacity was taken back.
    SpotInterruption,
}

/// Why a task stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// What made it stop.
    pub code: StopCode,
    /// A sentence.
    pub reason: String,
}

/// One container of a task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Container {
    pub(super) arn: String,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) status: Status,
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
    pub(super) runtime_id: String,
}

/// A task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) arn: String,
    pub(super) client_token: Option<String>,
    pub(super) cluster_arn: String,
    pub(super) definition: TaskDefinition,
    pub(super) status: Status,
    pub(super) desired: Status,
    pub(super) launch_type: String,
    pub(super) capacity_provider: Option<String>,
    pub(super) containers: Vec<Container>,
    pub(super) overrides: Value,
    pub(super) started_by: Option<String>,
    pub(super) group: String,
    pub(super) tags: Value,
    pub(super) created_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) stopping_at: Option<Timestamp>,
    pub(super) execution_stopped_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) stop: Option<Stop>,
    pub(super) version: u32,
}

/// How a timestamp is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Times {
    /// Seconds since the epoch: the API.
    Epoch,
    /// ISO 8601: events.
    Iso,
}

impl Times {
    fn write(self, at: Timestamp) -> Value {
        match self {
            Times::Epoch => epoch_seconds(at),
            Times::Iso => Value::from(at.to_string()),
        }
    }
}

impl Task {
    /// Last part of the ARN.
    pub(super) fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    pub(super) fn to_json(&self, times: Times) -> Value {
        let mut task = json!({
            "attachments": [],
            "attributes": [],
            "availabilityZone": "local",
            "clusterArn": self.cluster_arn,
            "connectivity": "CONNECTED",
            "containers": self.containers.iter().map(|c| self.container_json(c)).collect::<Vec<_>>(),
            "desiredStatus": self.desired.name(),
            "enableExecuteCommand": false,
            "group": self.group,
            "lastStatus": self.status.name(),
            "launchType": self.launch_type,
            "overrides": self.overrides,
            "tags": self.tags,
            "taskArn": self.arn,
            "taskDefinitionArn": self.definition.arn,
            "version": self.version,
            "createdAt": times.write(self.created_at),
        });
        if let Value::Object(fields) = &mut task {
            self.add_optional(fields, times);
        }
        task
    }

    /// Fields that are absent rather than null.
    fn add_optional(&self, fields: &mut Map<String, Value>, times: Times) {
        let text = |value: &Option<String>| value.clone().map(Value::from);
        let size = |value: Option<u64>| value.map(|n| Value::from(n.to_string()));
        let time = |value: Option<Timestamp>| value.map(|at| times.write(at));
        let optional = [
            ("capacityProviderName", text(&self.capacity_provider)),
            ("startedBy", text(&self.started_by)),
            ("cpu", size(self.definition.cpu)),
            ("memory", size(self.definition.memory_mib)),
            ("startedAt", time(self.started_at)),
            ("pullStartedAt", time(self.started_at)),
            ("pullStoppedAt", time(self.started_at)),
            ("stoppingAt", time(self.stopping_at)),
            ("executionStoppedAt", time(self.execution_stopped_at)),
            ("stoppedAt", time(self.stopped_at)),
            ("stopCode", self.stop.as_ref().map(|stop| json!(stop.code))),
            (
                "stoppedReason",
                self.stop
                    .as_ref()
                    .map(|stop| Value::from(stop.reason.as_str())),
            ),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        }
    }

    fn container_json(&self, container: &Container) -> Value {
        let mut json = json!({
            "containerArn": container.arn,
            "taskArn": self.arn,
            "name": container.name,
            "image": container.image,
            "lastStatus": container.status.name(),
            "networkInterfaces": [],
            "runtimeId": container.runtime_id,
        });
        if let Some(code) = container.exit_code {
            json["exitCode"] = Value::from(code);
        }
        if let Some(reason) = &container.reason {
            json["reason"] = Value::from(reason.as_str());
        }
        json
    }
}
