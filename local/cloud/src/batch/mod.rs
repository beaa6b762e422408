//! Batch: SubmitJob and its kin over worker processes, with the machine as compute environment.

mod blocked;
mod definition;
mod describe;
mod environment;
mod job;
mod names;
mod queue;
mod request;
mod retry;
mod run;
mod slots;
mod submit;
mod tags;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, Response};
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::action::{BatchAction, ServiceId};
use crate::error::ServiceError;
use crate::events::Events;
use crate::faults::Verdict;
use crate::members::located;
use crate::records::Records;
use crate::rest;
use crate::service::Service;
use crate::usage::Meter;
use crate::worker::Workers;
use stack::{ComputeEnvironment, JobDefinition, JobQueue};

use definition::Definition;
use environment::Environment;
use job::Job;
pub use job::Status;
use names::required;
use queue::Queue;
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
    definitions: Mutex<Vec<Definition>>,
    queues: Mutex<Vec<Queue>>,
    environments: Mutex<Vec<Environment>>,
    jobs: Mutex<Vec<JobHandle>>,
    records: Kept,
}

/// Where everything is kept for the next start.
struct Kept {
    jobs: Records,
    definitions: Records,
    queues: Records,
    environments: Records,
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
    lost: bool,
    children: Arc<Vec<JobHandle>>,
}

impl JobHandle {
    /// The answer of SubmitJob.
    pub fn answer(&self) -> Value {
        json!({"jobArn": self.arn, "jobId": self.id, "jobName": self.name})
    }

    /// The job as DescribeJobs gives it.
    pub fn describe(&self) -> Value {
        self.job.borrow().detail(&self.children_statuses())
    }

    /// Whether a fault lost the request for it: it never ends.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// Waits for the end; the job as DescribeJobs gives it.
    pub async fn finished(&self) -> Value {
        self.ended().await;
        self.describe()
    }

    async fn ended(&self) -> Status {
        self.reached(Status::Succeeded).await;
        self.status()
    }

    /// Waits until the job is as far as `status`.
    async fn reached(&self, status: Status) {
        let mut job = self.job.subscribe();
        // This handle holds a sender, so the channel stays open.
        let _ = job.wait_for(|job| job.status >= status).await;
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
    /// A service for these definitions, queues and compute environments, and for those that were made in an earlier
    /// one; the limits say what the machine gives. Jobs that it has left in the data folder go on, which takes a
    /// tokio runtime.
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
        let folder = workers.local.data_dir.join("batch");
        let records = Kept {
            jobs: Records::new(folder.clone()),
            definitions: Records::new(folder.join("definitions")),
            queues: Records::new(folder.join("queues")),
            environments: Records::new(folder.join("environments")),
        };
        // What the stack has is as its file says.
        let mut all_definitions: Vec<Definition> =
            definitions.iter().map(Definition::of_stack).collect();
        let made = records.definitions.load::<Definition>().into_iter();
        all_definitions
            .extend(made.filter(|made| !definitions.iter().any(|one| one.arn == made.runs.arn)));
        let mut all_queues: Vec<Queue> = queues.iter().map(Queue::of_stack).collect();
        let made = records.queues.load::<Queue>().into_iter();
        all_queues.extend(made.filter(|made| !queues.iter().any(|one| one.arn == made.runs.arn)));
        let mut all_environments: Vec<Environment> =
            environments.iter().map(Environment::of_stack).collect();
        let made = records.environments.load::<Environment>().into_iter();
        all_environments
            .extend(made.filter(|made| !environments.iter().any(|one| one.arn == made.runs.arn)));
        let batch = Batch {
            inner: Arc::new(Inner {
                records,
                workers,
                events,
                meter,
                slots,
                definitions: Mutex::new(all_definitions),
                queues: Mutex::new(all_queues),
                environments: Mutex::new(all_environments),
                jobs: Mutex::default(),
            }),
        };
        batch.take_up();
        batch
    }

    /// TerminateJob: ends a job in any state.
    pub fn terminate_job(&self, id: &str, reason: &str) {
        if let Some(handle) = self.job(id) {
            let all = handle.children.iter().chain([&handle]);
            for one in all.filter(|one| !one.status().is_final()) {
                one.job.send_modify(|job| job.terminated = true);
            }
            self.stop(&handle, reason);
        }
    }

    /// CancelJob: ends a job that has not been started; of an array, the children that have not.
    pub fn cancel_job(&self, id: &str, reason: &str) {
        let Some(handle) = self.job(id) else {
            return;
        };
        let waits = |one: &&JobHandle| one.status() <= Status::Runnable;
        for one in handle.children.iter().chain([&handle]).filter(waits) {
            one.job.send_modify(|job| job.cancelled = true);
            if one.children.is_empty() {
                self.stop(one, reason);
            }
        }
    }

    /// Stops a job, once that it is to stop is recorded.
    fn stop(&self, handle: &JobHandle, reason: &str) {
        if !handle.status().is_final() {
            handle.job.send_modify(|job| {
                job.status_reason = Some(reason.to_owned());
            });
            self.inner
                .records
                .jobs
                .save(&handle.id, &*handle.job.borrow());
        }
        handle.stop(reason);
    }

    /// The first job with this tag.
    pub fn find_tag(&self, key: &str, value: &str) -> Option<JobHandle> {
        let jobs = self.jobs();
        jobs.iter()
            .find(|handle| handle.job.borrow().tags[key] == value)
            .cloned()
    }

    fn jobs(&self) -> MutexGuard<'_, Vec<JobHandle>> {
        self.inner.jobs.lock()
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

    fn arn(&self, resource: &str) -> String {
        self.inner.workers.local.arn("batch", resource)
    }

    /// Whether the jobs of a queue run on Fargate.
    fn is_fargate(&self, queue: &JobQueue) -> bool {
        let environments = self.inner.environments.lock();
        let mut of_queue = queue.compute_environments.iter();
        of_queue.any(|name| {
            environments
                .iter()
                .any(|one| one.is(name) && one.is_fargate())
        })
    }

    fn environment_kind(&self, job: &Job) -> Option<String> {
        let name = job.queue.compute_environments.first()?;
        let environments = self.inner.environments.lock();
        let environment = environments.iter().find(|one| one.is(name))?;
        Some(environment.runs.kind.clone())
    }

    /// `statusReason` of a job whose Spot capacity was taken back.
    fn spot_words(&self, job: &Job) -> &'static str {
        match self.environment_kind(job).as_deref() {
            Some("FARGATE_SPOT") => "Your Spot Task was interrupted.",
            _ => "Host EC2 (instance i-0123456789abcdef0) terminated.",
        }
    }

    /// Carries out an action; the request is the API's, with the members that travel in path and query.
    pub fn call(&self, action: BatchAction, body: &Value) -> Result<Value, ServiceError> {
        use BatchAction as Action;
        let verdict = self.inner.workers.faults.admit(action, body)?;
        if verdict == Verdict::Lose && action != Action::SubmitJob {
            return Ok(json!({}));
        }
        match action {
            Action::SubmitJob => Ok(self.submit_or_lose(body, None, verdict)?.answer()),
            Action::DescribeJobs => self.describe_jobs(body),
            Action::ListJobs => self.list_jobs(body),
            // Both answer with success whether there is such a job or not.
            Action::TerminateJob => {
                self.terminate_job(required(body, "jobId")?, required(body, "reason")?);
                Ok(json!({}))
            }
            Action::CancelJob => {
                self.cancel_job(required(body, "jobId")?, required(body, "reason")?);
                Ok(json!({}))
            }
            Action::RegisterJobDefinition => self.register(body),
            Action::DeregisterJobDefinition => self.deregister(body),
            Action::DescribeJobDefinitions => self.describe_definitions(body),
            Action::CreateJobQueue => self.create_queue(body),
            Action::UpdateJobQueue => self.update_queue(body),
            Action::DeleteJobQueue => self.delete_queue(body),
            Action::DescribeJobQueues => self.describe_queues(body),
            Action::CreateComputeEnvironment => self.create_environment(body),
            Action::UpdateComputeEnvironment => self.update_environment(body),
            Action::DeleteComputeEnvironment => self.delete_environment(body),
            Action::DescribeComputeEnvironments => self.describe_environments(body),
            Action::TagResource => self.tag(body),
            Action::UntagResource => self.untag(body),
            Action::ListTagsForResource => self.list_tags(body),
        }
    }
}

impl Service for Batch {
    fn id(&self) -> ServiceId {
        ServiceId::Batch
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            let (parts, body) = request.into_parts();
            let (method, path) = (&parts.method, parts.uri.path());
            let action = action(method, path).ok_or_else(|| {
                ServiceError::unknown_action(self.id().prefix(), &format!("{method} {path}"))
            })?;
            let mut body = rest::read_json(body).await?;
            if let Some(members) = body.as_object_mut() {
                members.extend(located(action, &parts));
                if let Some(arn) = path.strip_prefix(TAGS) {
                    members.insert("resourceArn".to_owned(), json!(rest::decode(arn)));
                }
            }
            Ok(rest::json_response(&self.call(action, &body)?))
        }
        .boxed()
    }
}

/// Path of a resource's tags, before its ARN.
const TAGS: &str = "/v1/tags/";

/// The action that a request of the REST protocol asks for: `POST /v1/submitjob`.
fn action(method: &Method, path: &str) -> Option<BatchAction> {
    if path.starts_with(TAGS) {
        return match *method {
            Method::GET => Some(BatchAction::ListTagsForResource),
            Method::POST => Some(BatchAction::TagResource),
            Method::DELETE => Some(BatchAction::UntagResource),
            _ => None,
        };
    }
    let wanted = path
        .strip_prefix("/v1/")
        .filter(|_| method == Method::POST)?;
    let mut actions = BatchAction::ALL.iter().copied();
    actions.find(|action| action.name().to_ascii_lowercase() == wanted)
}

/// Whether a path is one of Batch's; others may be buckets of S3.
pub(crate) fn is_path(path: &str) -> bool {
    path.starts_with(TAGS) || action(&Method::POST, path).is_some()
}

fn client_error(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ClientException", message)
}
