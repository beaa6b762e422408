//! Batch: SubmitJob and its kin over worker processes, with the machine as compute environment.

mod job;
mod request;
mod retry;
mod run;
mod slots;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use crate::error::ServiceError;
use crate::events::{Events, glob};
use crate::stack::{ComputeEnvironment, JobDefinition, JobQueue};
use crate::time::now;
use crate::usage::Meter;
use crate::worker::Workers;

pub use job::Status;
use job::{Array, Dependency, Job};
use request::SubmitJob;
use run::Run;
use slots::Slots;

/// The Batch service.
#[derive(Clone)]
pub struct Batch {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Workers,
    events: Events,
    meter: Meter,
    slots: Slots,
    definitions: Vec<JobDefinition>,
    queues: Vec<JobQueue>,
    environments: Vec<ComputeEnvironment>,
    jobs: Mutex<Vec<JobHandle>>,
}

/// A job that was submitted.
#[derive(Debug, Clone)]
pub struct JobHandle {
    /// Job ARN.
    pub arn: String,
    /// Job id; a child of an array has `<parent id>:<index>`.
    pub id: String,
    /// Job name.
    pub name: String,
    job: watch::Sender<Job>,
    stop: watch::Sender<Option<String>>,
    children: Arc<Vec<JobHandle>>,
}

impl JobHandle {
    /// The job as DescribeJobs gives it.
    pub fn describe(&self) -> Value {
        self.job.borrow().detail(&self.children_statuses())
    }

    /// Waits for the end; the job as DescribeJobs gives it.
    pub async fn finished(&self) -> Value {
        self.ended().await;
        self.describe()
    }

    async fn ended(&self) -> Status {
        let mut job = self.job.subscribe();
        // This handle holds a sender, so the channel stays open.
        let _ = job.wait_for(|job| job.status.is_final()).await;
        self.status()
    }

    fn status(&self) -> Status {
        self.job.borrow().status
    }

    fn summary(&self) -> Value {
        self.job.borrow().summary(&self.children_statuses())
    }

    fn children_statuses(&self) -> Vec<Status> {
        self.children.iter().map(JobHandle::status).collect()
    }

    /// Stops the job and, of an array, all children that have not ended.
    fn stop(&self, reason: &str) {
        for child in self.children.iter() {
            child.stop(reason);
        }
        self.stop.send_if_modified(|stop| {
            let first = stop.is_none();
            stop.get_or_insert_with(|| reason.to_owned());
            first
        });
    }
}

impl Batch {
    /// A service for these definitions and queues; the limits say what the machine gives.
    pub fn new(
        workers: Workers,
        events: Events,
        meter: Meter,
        definitions: &[JobDefinition],
        queues: &[JobQueue],
        environments: &[ComputeEnvironment],
    ) -> Self {
        let limits = &workers.local.limits;
        let slots = Slots::new(limits.batch_vcpus, limits.batch_memory_mib);
        Batch {
            inner: Arc::new(Inner {
                workers,
                events,
                meter,
                slots,
                definitions: definitions.to_vec(),
                queues: queues.to_vec(),
                environments: environments.to_vec(),
                jobs: Mutex::default(),
            }),
        }
    }

    /// SubmitJob; the request is the API's.
    pub fn submit_job(&self, request: &Value) -> Result<JobHandle, ServiceError> {
        self.inner.workers.faults.strike("batch", "SubmitJob")?;
        let request = SubmitJob::parse(request)?;
        let queue = self.queue(&request.job_queue)?.clone();
        if queue.state == "DISABLED" {
            return Err(client_error(format!(
                "job queue {} is not ENABLED",
                queue.name
            )));
        }
        let definition = request.resolve(self.definition(&request.job_definition)?)?;
        let job = self.new_job(&request, queue, definition);
        let after = self.dependencies(&request.depends_on)?;
        let handle = match request.array_size() {
            None => self.start(job, after),
            Some(size) => self.start_array(&job, size, &after),
        };
        self.jobs().push(handle.clone());
        Ok(handle)
    }

    /// TerminateJob: ends a job in any state.
    pub fn terminate_job(&self, id: &str, reason: &str) {
        if let Some(handle) = self.job(id) {
            handle.job.send_modify(|job| job.terminated = true);
            handle.stop(reason);
        }
    }

    /// CancelJob: ends a job that has not been started.
    pub fn cancel_job(&self, id: &str, reason: &str) {
        if let Some(handle) = self.job(id)
            && handle.status() <= Status::Runnable
        {
            handle.job.send_modify(|job| job.cancelled = true);
            handle.stop(reason);
        }
    }

    /// The first job with this tag.
    pub fn find_tag(&self, key: &str, value: &str) -> Option<JobHandle> {
        let jobs = self.jobs();
        jobs.iter()
            .find(|handle| handle.job.borrow().tags[key] == value)
            .cloned()
    }

    fn new_job(&self, request: &SubmitJob, queue: JobQueue, definition: JobDefinition) -> Job {
        let id = Uuid::new_v4().to_string();
        Job {
            arn: self.inner.workers.local.arn("batch", &format!("job/{id}")),
            id,
            name: request.job_name.clone(),
            queue,
            command: request::fill(&definition.command, &definition.parameters),
            definition,
            depends_on: request.depends_on.clone(),
            tags: if request.tags.is_null() {
                json!({})
            } else {
                request.tags.clone()
            },
            array: Array::None,
            status: Status::Submitted,
            status_reason: None,
            attempts: Vec::new(),
            created_at: now(),
            started_at: None,
            stopped_at: None,
            log_stream: None,
            cancelled: false,
            terminated: false,
        }
    }

    /// The jobs that are named, each with its type of dependency.
    fn dependencies(&self, wanted: &[Dependency]) -> Result<Vec<(JobHandle, bool)>, ServiceError> {
        let find = |dependency: &Dependency| {
            let id = dependency.job_id.as_deref().unwrap_or_default();
            let handle = self
                .job(id)
                .ok_or_else(|| client_error(format!("Job {id} of dependsOn does not exist")))?;
            Ok((handle, dependency.kind.as_deref() == Some("N_TO_N")))
        };
        let named = wanted.iter().filter(|d| d.job_id.is_some());
        named.map(find).collect()
    }

    fn start(&self, job: Job, after: Vec<(JobHandle, bool)>) -> JobHandle {
        let after = after.into_iter().map(|(handle, _)| handle).collect();
        let (run, handle) = self.prepare(job, after, Vec::new());
        tokio::spawn(run.finish());
        handle
    }

    fn start_array(&self, parent: &Job, size: u32, after: &[(JobHandle, bool)]) -> JobHandle {
        let sequential = parent
            .depends_on
            .iter()
            .any(|d| d.kind.as_deref() == Some("SEQUENTIAL"));
        let mut children: Vec<JobHandle> = Vec::new();
        for index in 0..size {
            let mut child = parent.clone();
            child.id = format!("{}:{index}", parent.id);
            child.arn = format!("{}:{index}", parent.arn);
            child.array = Array::Child(index, size);
            // N_TO_N: child n waits for child n of the other array only.
            let mut waits: Vec<_> = after
                .iter()
                .map(|(other, n_to_n)| match other.children.get(index as usize) {
                    Some(twin) if *n_to_n => (twin.clone(), false),
                    _ => (other.clone(), false),
                })
                .collect();
            if let (true, Some(previous)) = (sequential, children.last()) {
                waits.push((previous.clone(), false));
            }
            children.push(self.start(child, waits));
        }
        let mut job = parent.clone();
        job.array = Array::Parent(size);
        let (run, handle) = self.prepare(job, Vec::new(), children.clone());
        tokio::spawn(run::finish_parent(run, children));
        handle
    }

    fn prepare(
        &self,
        job: Job,
        after: Vec<JobHandle>,
        children: Vec<JobHandle>,
    ) -> (Run, JobHandle) {
        let (stop, stops) = watch::channel(None);
        let handle = JobHandle {
            arn: job.arn.clone(),
            id: job.id.clone(),
            name: job.name.clone(),
            job: watch::Sender::new(job),
            stop,
            children: Arc::new(children),
        };
        let run = Run {
            batch: self.clone(),
            handle: handle.clone(),
            stop: stops,
            after,
        };
        (run, handle)
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<JobHandle>> {
        self.inner
            .jobs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A job, or a child of an array, by id or ARN.
    fn job(&self, id_or_arn: &str) -> Option<JobHandle> {
        let id = id_or_arn.rsplit('/').next().unwrap_or(id_or_arn);
        let parent = id.split(':').next().unwrap_or(id);
        let found = self
            .jobs()
            .iter()
            .find(|handle| handle.id == parent)
            .cloned()?;
        if parent == id {
            return Some(found);
        }
        found.children.iter().find(|child| child.id == id).cloned()
    }

    fn queue(&self, name_or_arn: &str) -> Result<&JobQueue, ServiceError> {
        let mut queues = self.inner.queues.iter();
        queues
            .find(|queue| queue.name == name_or_arn || queue.arn == name_or_arn)
            .ok_or_else(|| client_error(format!("Job queue {name_or_arn} not found.")))
    }

    /// A definition by name, `name:revision` or ARN.
    fn definition(&self, name: &str) -> Result<&JobDefinition, ServiceError> {
        let wanted = name.rsplit('/').next().unwrap_or(name);
        let (wanted_name, revision) = wanted
            .split_once(':')
            .map_or((wanted, None), |(n, r)| (n, Some(r)));
        let matching = |d: &&JobDefinition| {
            d.name == wanted_name
                && revision.is_none_or(|revision| d.revision.to_string() == revision)
        };
        let newest = self
            .inner
            .definitions
            .iter()
            .filter(matching)
            .max_by_key(|d| d.revision);
        newest.ok_or_else(|| client_error(format!("Job definition {wanted} not found.")))
    }

    fn environment_kind(&self, job: &Job) -> Option<&str> {
        let name = job.queue.compute_environments.first()?;
        let environment = self.inner.environments.iter().find(|e| e.name == *name)?;
        Some(environment.kind.as_str())
    }

    fn is_spot(&self, job: &Job) -> bool {
        self.environment_kind(job)
            .is_some_and(|kind| kind.contains("SPOT"))
    }

    /// `statusReason` of a job whose Spot capacity was taken back.
    fn spot_words(&self, job: &Job) -> &'static str {
        match self.environment_kind(job) {
            Some("FARGATE_SPOT") => "Your Spot Task was interrupted.",
            _ => "Host EC2 (instance i-0123456789abcdef0) terminated.",
        }
    }

    fn describe_jobs(&self, body: &Value) -> Value {
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
    fn list_jobs(&self, body: &Value) -> Result<Value, ServiceError> {
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

    fn describe_queues(&self, body: &Value) -> Value {
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

    fn describe_definitions(&self, body: &Value) -> Value {
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

    fn describe_environments(&self, body: &Value) -> Value {
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

    /// The action that a path names: `/v1/submitjob`.
    pub(crate) fn action(path: &str) -> Option<&'static str> {
        Some(match path.strip_prefix("/v1/")? {
            "submitjob" => "SubmitJob",
            "describejobs" => "DescribeJobs",
            "listjobs" => "ListJobs",
            "terminatejob" => "TerminateJob",
            "canceljob" => "CancelJob",
            "describejobqueues" => "DescribeJobQueues",
            "describejobdefinitions" => "DescribeJobDefinitions",
            "describecomputeenvironments" => "DescribeComputeEnvironments",
            _ => return None,
        })
    }

    /// Carries out an action.
    pub fn call(&self, action: &str, body: &Value) -> Result<Value, ServiceError> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        match action {
            "SubmitJob" => {
                let job = self.submit_job(body)?;
                Ok(json!({"jobArn": job.arn, "jobId": job.id, "jobName": job.name}))
            }
            "DescribeJobs" => Ok(self.describe_jobs(body)),
            "ListJobs" => self.list_jobs(body),
            "TerminateJob" => {
                self.terminate_job(text("jobId"), text("reason"));
                Ok(json!({}))
            }
            "CancelJob" => {
                self.cancel_job(text("jobId"), text("reason"));
                Ok(json!({}))
            }
            "DescribeJobQueues" => Ok(self.describe_queues(body)),
            "DescribeJobDefinitions" => Ok(self.describe_definitions(body)),
            "DescribeComputeEnvironments" => Ok(self.describe_environments(body)),
            other => Err(ServiceError::unknown_action("Batch", other)),
        }
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

fn client_error(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ClientException", message)
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
