//! A job and how the API and the events describe it.
//! <https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html>

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::time::{Timestamp, epoch_millis};
use crate::variables;
use stack::{JobDefinition, JobQueue};

/// Where a job is in its life.
/// <https://docs.aws.amazon.com/batch/latest/userguide/job_states.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Status {
    /// Accepted.
    Submitted,
    /// Waits for other jobs.
    Pending,
    /// Waits for capacity.
    Runnable,
    /// Its container is being started.
    Starting,
    /// Its container runs.
    Running,
    /// Ended with exit code 0.
    Succeeded,
    /// Ended otherwise, all attempts included.
    Failed,
}

impl Status {
    /// Every status, in order.
    pub(super) const ALL: [Status; 7] = [
        Status::Submitted,
        Status::Pending,
        Status::Runnable,
        Status::Starting,
        Status::Running,
        Status::Succeeded,
        Status::Failed,
    ];

    /// The name in the API.
    pub fn name(self) -> &'static str {
        match self {
            Status::Submitted => "SUBMITTED",
            Status::Pending => "PENDING",
            Status::Runnable => "RUNNABLE",
            Status::Starting => "STARTING",
            Status::Running => "RUNNING",
            Status::Succeeded => "SUCCEEDED",
            Status::Failed => "FAILED",
        }
    }

    /// Whether the job has ended.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Succeeded | Status::Failed)
    }
}

/// One attempt of a job that came to an end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    pub(super) exit_code: Option<i32>,
    pub(super) reason: Option<String>,
    pub(super) status_reason: String,
    pub(super) log_stream: String,
    pub(super) started_at: Timestamp,
    pub(super) stopped_at: Timestamp,
}

/// Place of a job in an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Array {
    /// Not an array job.
    None,
    /// The parent of so many children.
    Parent(u32),
    /// A child: its index and the size of the array.
    Child(u32, u32),
}

/// A job this one waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    pub(super) job_id: Option<String>,
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
}

/// A job. Its definition has the overrides applied.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) queue: JobQueue,
    pub(super) definition: JobDefinition,
    pub(super) command: Vec<String>,
    pub(super) depends_on: Vec<Dependency>,
    pub(super) tags: Value,
    /// The call of a Task state that submitted it.
    #[serde(default)]
    pub(super) call: Option<String>,
    pub(super) array: Array,
    pub(super) status: Status,
    pub(super) status_reason: Option<String>,
    pub(super) attempts: Vec<Attempt>,
    pub(super) created_at: Timestamp,
    pub(super) started_at: Option<Timestamp>,
    pub(super) stopped_at: Option<Timestamp>,
    pub(super) log_stream: Option<String>,
    pub(super) cancelled: bool,
    pub(super) terminated: bool,
}

impl Job {
    /// `JobDetail`. An array's parent gets the number of its children per status.
    pub(super) fn detail(&self, children: &[Status]) -> Value {
        let definition = &self.definition;
        let mut detail = json!({
            "jobArn": self.arn,
            "jobId": self.id,
            "jobName": self.name,
            "jobQueue": self.queue.arn,
            "jobDefinition": definition.arn,
            "status": self.status.name(),
            "attempts": self.attempts.iter().map(Attempt::to_json).collect::<Vec<_>>(),
            "createdAt": epoch_millis(self.created_at),
            "retryStrategy": {"attempts": definition.attempts, "evaluateOnExit": evaluate_json(definition)},
            "dependsOn": self.depends_on.iter().map(|d| json!({"jobId": d.job_id, "type": d.kind})).collect::<Vec<_>>(),
            "parameters": definition.parameters,
            "tags": self.tags,
            "platformCapabilities": definition.platform_capabilities,
            "isCancelled": self.cancelled,
            "isTerminated": self.terminated,
            "container": self.container_json(),
        });
        let optional = [
            ("startedAt", self.started_at.map(epoch_millis)),
            ("stoppedAt", self.stopped_at.map(epoch_millis)),
            ("statusReason", self.status_reason.clone().map(Value::from)),
            (
                "timeout",
                definition
                    .timeout
                    .map(|t| json!({"attemptDurationSeconds": t.as_secs()})),
            ),
            ("arrayProperties", self.array_json(children)),
        ];
        for (name, value) in optional {
            if let Some(value) = value {
                detail[name] = value;
            }
        }
        detail
    }

    /// `JobSummary`.
    pub(super) fn summary(&self, children: &[Status]) -> Value {
        let detail = self.detail(children);
        let mut summary = json!({});
        for name in [
            "jobArn",
            "jobId",
            "jobName",
            "jobDefinition",
            "status",
            "statusReason",
            "createdAt",
            "startedAt",
            "stoppedAt",
            "arrayProperties",
        ] {
            if let Some(value) = detail.get(name) {
                summary[name] = value.clone();
            }
        }
        let last = self.attempts.last();
        summary["container"] = json!({
            "exitCode": last.and_then(|a| a.exit_code),
            "reason": last.and_then(|a| a.reason.clone()),
        });
        summary
    }

    fn container_json(&self) -> Value {
        let definition = &self.definition;
        let environment = variables::pairs(&definition.environment);
        let mut container = json!({
            "image": definition.image,
            "command": self.command,
            "environment": environment,
            "resourceRequirements": [
                {"type": "VCPU", "value": definition.vcpus.to_string()},
                {"type": "MEMORY", "value": definition.memory_mib.to_string()},
            ],
            "volumes": [],
            "mountPoints": [],
            "ulimits": [],
            "networkInterfaces": [],
            "secrets": [],
        });
        if let Some(stream) = &self.log_stream {
            container["logStreamName"] = Value::from(stream.as_str());
        }
        if let (Some(last), true) = (self.attempts.last(), self.status.is_final()) {
            if let Some(code) = last.exit_code {
                container["exitCode"] = Value::from(code);
            }
            if let Some(reason) = &last.reason {
                container["reason"] = Value::from(reason.as_str());
            }
        }
        container
    }

    fn array_json(&self, children: &[Status]) -> Option<Value> {
        match self.array {
            Array::None => None,
            Array::Child(index, _) => Some(json!({"index": index})),
            Array::Parent(size) => {
                let mut summary = json!({});
                for status in Status::ALL {
                    summary[status.name()] =
                        Value::from(children.iter().filter(|s| **s == status).count());
                }
                Some(json!({"size": size, "statusSummary": summary}))
            }
        }
    }
}

impl Attempt {
    fn to_json(&self) -> Value {
        let mut container = json!({"logStreamName": self.log_stream, "networkInterfaces": []});
        if let Some(code) = self.exit_code {
            container["exitCode"] = Value::from(code);
        }
        if let Some(reason) = &self.reason {
            container["reason"] = Value::from(reason.as_str());
        }
        json!({
            "container": container,
            "startedAt": epoch_millis(self.started_at),
            "stoppedAt": epoch_millis(self.stopped_at),
            "statusReason": self.status_reason,
        })
    }
}

/// Batch tells actions in lower case, however they were given.
pub(super) fn evaluate_json(definition: &JobDefinition) -> Vec<Value> {
    let conditions = definition.evaluate_on_exit.iter();
    conditions
        .map(|condition| {
            let mut json = json!({"action": condition.action.to_ascii_lowercase()});
            for (name, glob) in [
                ("onExitCode", &condition.on_exit_code),
                ("onReason", &condition.on_reason),
                ("onStatusReason", &condition.on_status_reason),
            ] {
                if let Some(glob) = glob {
                    json[name] = Value::from(glob.as_str());
                }
            }
            json
        })
        .collect()
}
