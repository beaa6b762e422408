//! The end of a job, whichever service tells of it.

use aws_lambda_events::event::eventbridge::EventBridgeEvent;
use input::{self, InvalidInput};
use jobs::artifacts::S3Uri;
use jobs::task::TaskToken;
use placement::Resources;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// What is known of a job that ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// S3 URI of `job.json`.
    pub job_uri: S3Uri,
    /// Whom to answer.
    pub token: TaskToken,
    /// `stopCode` of an ECS task.
    pub stop_code: Option<String>,
    /// Exit code of the container.
    pub exit_code: Option<i64>,
    /// What the service says, from the container outwards.
    pub reasons: Vec<String>,
    /// Where the log is.
    pub log: Option<String>,
    /// What the container had, where the service tells.
    pub given: Option<Resources>,
    /// When each step towards its end was, where the service tells.
    pub times: Times,
}

/// In ms since the Unix epoch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Times {
    /// It was asked for.
    pub created: Option<u64>,
    /// The image began to be pulled.
    pub pull_started: Option<u64>,
    /// The image was there.
    pub pull_stopped: Option<u64>,
    /// It ran.
    pub started: Option<u64>,
    /// It had ended.
    pub stopped: Option<u64>,
}

/// `detail` of an ECS Task State Change
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs_task_events.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EcsTask {
    last_status: String,
    stop_code: Option<String>,
    stopped_reason: Option<String>,
    #[serde(default)]
    containers: Vec<Container>,
    #[serde(default)]
    overrides: Overrides,
    cpu: Option<String>,
    memory: Option<String>,
    created_at: Option<String>,
    pull_started_at: Option<String>,
    pull_stopped_at: Option<String>,
    started_at: Option<String>,
    stopped_at: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    exit_code: Option<i64>,
    reason: Option<String>,
    #[serde(default)]
    environment: Vec<Variable>,
    log_stream_name: Option<String>,
    #[serde(default)]
    resource_requirements: Vec<Requirement>,
}

/// What a Batch job has of one thing.
#[derive(Debug, Deserialize)]
struct Requirement {
    #[serde(rename = "type")]
    kind: String,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Overrides {
    #[serde(default)]
    container_overrides: Vec<Container>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
}

/// Beginnings of the reasons for which a job at the head of its queue waits until somebody changes the stack. Batch
/// gives up on some of them after ten minutes, on others never; for capacity, and for a reason that it does not know,
/// waiting may help. (<https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html>)
const HOPELESS: [&str; 2] = ["MISCONFIGURATION:", "ACTION_REQUIRED"];

/// `detail` of a Batch Job State Change
/// (<https://docs.aws.amazon.com/batch/latest/userguide/batch_job_events.html>), and of a Batch Job Queue Blocked, which
/// is about the job at the head
/// (<https://docs.aws.amazon.com/batch/latest/userguide/batch-job-queue-blocked-events.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchJob {
    status: String,
    status_reason: Option<String>,
    #[serde(default)]
    container: Container,
    created_at: Option<u64>,
    started_at: Option<u64>,
    stopped_at: Option<u64>,
}

/// What Lambda sends to the failure destination of an asynchronous invocation
/// (<https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html>).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct FailedInvocation {
    request_context: RequestContext,
    request_payload: Value,
    #[serde(default)]
    response_payload: Value,
    timestamp: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RequestContext {
    condition: String,
    function_arn: String,
}

impl Ended {
    /// Reads an event; `None` when it is of no job that has ended and waits for an answer.
    ///
    /// # Errors
    /// The JSON path at which the event is not what its service sends.
    pub fn read(event: Value) -> Result<Option<Self>, InvalidInput> {
        if event.get("requestContext").is_some() {
            return Ok(Self::of_invocation(input::parse(event)?));
        }
        let event: EventBridgeEvent<Value> = input::parse(event)?;
        match event.detail_type.as_str() {
            "ECS Task State Change" => Ok(Self::of_task(detail(event.detail)?)),
            "Batch Job State Change" => Ok(Self::of_job(detail(event.detail)?)),
            "Batch Job Queue Blocked" => Ok(Self::of_blocked(detail(event.detail)?)),
            other => Err(InvalidInput::new(
                "$.detail-type",
                format!("`{other}` is not an event of this function"),
            )),
        }
    }

    fn of_task(task: EcsTask) -> Option<Self> {
        if task.last_status != "STOPPED" {
            return None;
        }
        let variables = task
            .overrides
            .container_overrides
            .iter()
            .flat_map(|container| &container.environment);
        let (job_uri, token) = assignment(variables)?;
        let reasons = task
            .containers
            .iter()
            .filter_map(|container| container.reason.clone());
        Some(Self {
            job_uri,
            token,
            stop_code: task.stop_code,
            exit_code: task
                .containers
                .iter()
                .find_map(|container| container.exit_code),
            reasons: reasons.chain(task.stopped_reason).collect(),
            log: None,
            given: size(task.cpu.as_deref(), task.memory.as_deref(), CPU_UNITS),
            times: Times {
                created: instant(task.created_at),
                pull_started: instant(task.pull_started_at),
                pull_stopped: instant(task.pull_stopped_at),
                started: instant(task.started_at),
                stopped: instant(task.stopped_at),
            },
        })
    }

    fn of_job(job: BatchJob) -> Option<Self> {
        if !matches!(job.status.as_str(), "SUCCEEDED" | "FAILED") {
            return None;
        }
        Self::of_container(job)
    }

    fn of_blocked(job: BatchJob) -> Option<Self> {
        let reason = job.status_reason.as_deref().unwrap_or_default();
        if !HOPELESS.iter().any(|start| reason.starts_with(start)) {
            return None;
        }
        Self::of_container(job)
    }

    fn of_container(job: BatchJob) -> Option<Self> {
        let (job_uri, token) = assignment(&job.container.environment)?;
        let of = |kind: &str| {
            let mut requirements = job.container.resource_requirements.iter();
            let found = requirements.find(|one| one.kind == kind)?;
            Some(found.value.as_str())
        };
        let given = size(of("VCPU"), of("MEMORY"), 1.0);
        Some(Self {
            given,
            times: Times {
                created: job.created_at,
                started: job.started_at,
                stopped: job.stopped_at,
                ..Times::default()
            },
            job_uri,
            token,
            stop_code: None,
            exit_code: job.container.exit_code,
            reasons: job
                .container
                .reason
                .into_iter()
                .chain(job.status_reason)
                .collect(),
            log: job.container.log_stream_name,
        })
    }

    fn of_invocation(failed: FailedInvocation) -> Option<Self> {
        let text =
            |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let response = &failed.response_payload;
        Some(Self {
            job_uri: text(&failed.request_payload, "jobUri")?.parse().ok()?,
            token: TaskToken::new(text(&failed.request_payload, "taskToken")?),
            stop_code: None,
            exit_code: None,
            reasons: ["errorType", "errorMessage"]
                .into_iter()
                .filter_map(|name| text(response, name))
                .chain([failed.request_context.condition])
                .collect(),
            log: Some(failed.request_context.function_arn),
            given: None,
            times: Times {
                stopped: instant(failed.timestamp),
                ..Times::default()
            },
        })
    }

    /// Id of the job, from its URI `jobs/<id>/job.json`.
    pub fn job_id(&self) -> &str {
        self.job_uri.folder().unwrap_or_default()
    }

    /// How it ended, in a sentence.
    pub fn story(&self) -> String {
        let code = self.exit_code.map(|code| format!("exit code {code}"));
        let parts: Vec<_> = code
            .into_iter()
            .chain(self.stop_code.clone())
            .chain(self.reasons.clone())
            .collect();
        if parts.is_empty() {
            "ended without a reason".to_owned()
        } else {
            parts.join("; ")
        }
    }
}

/// CPU units of a vCPU, as ECS counts.
const CPU_UNITS: f64 = 1_024.0;

fn size(cpu: Option<&str>, memory: Option<&str>, units: f64) -> Option<Resources> {
    let cpu: f64 = cpu?.parse().ok()?;
    Some(Resources {
        vcpu: cpu / units,
        memory_mib: memory?.parse().ok()?,
    })
}

/// A time as EventBridge writes it; one that cannot be read is not known.
fn instant(text: Option<String>) -> Option<u64> {
    let time = OffsetDateTime::parse(&text?, &Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

fn detail<T: DeserializeOwned>(value: Value) -> Result<T, InvalidInput> {
    input::parse(value).map_err(|error| error.under("$.detail"))
}

/// The two variables that the dispatcher gave the container. Tasks of others have none, and jobs that a state
/// machine runs by `.sync` have no token.
fn assignment<'a>(variables: impl IntoIterator<Item = &'a Variable>) -> Option<(S3Uri, TaskToken)> {
    let (mut uri, mut token) = (None, None);
    for variable in variables {
        match variable.name.as_str() {
            "JOB_URI" => uri = variable.value.parse().ok(),
            "TASK_TOKEN" => token = Some(TaskToken::new(&variable.value)),
            _ => {}
        }
    }
    Some((uri?, token?))
}
