//! Batch: SubmitJob and its kin over worker processes, with the machine as compute environment.

mod describe;
mod job;
mod request;
mod retry;
mod run;
mod slots;
mod submit;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::action::{BatchAction, ServiceId};
use crate::error::ServiceError;
use crate::events::Events;
use crate::faults::Verdict;
use crate::records::Records;
use crate::rest;
use crate::service::Service;
use crate::usage::Meter;
use crate::worker::Workers;
use stack::{ComputeEnvironment, JobDefinition, JobQueue};

use job::Job;
pub use job::Status;
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
    records: Records,
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
    /// A service for these definitions and queues; the limits say what the machine gives. Jobs that
    /// an earlier one has left in the data folder go on, which takes a tokio runtime.
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
        let records = Records::new(workers.local.data_dir.join("batch"));
        let batch = Batch {
            inner: Arc::new(Inner {
                records,
                workers,
                events,
                meter,
                slots,
                definitions: definitions.to_vec(),
                queues: queues.to_vec(),
                environments: environments.to_vec(),
                jobs: Mutex::default(),
            }),
        };
        batch.take_up();
        batch
    }

    /// TerminateJob: ends a job in any state.
    pub fn terminate_job(&self, id: &str, reason: &str) {
        if let Some(handle) = self.job(id) {
            handle.job.send_modify(|job| job.terminated = true);
            self.stop(&handle, reason);
        }
    }

    /// CancelJob: ends a job that has not been started.
    pub fn cancel_job(&self, id: &str, reason: &str) {
        if let Some(handle) = self.job(id)
            && handle.status() <= Status::Runnable
        {
            handle.job.send_modify(|job| job.cancelled = true);
            self.stop(&handle, reason);
        }
    }

    /// Stops a job, once that it is to stop is recorded.
    fn stop(&self, handle: &JobHandle, reason: &str) {
        if !handle.status().is_final() {
            handle.job.send_modify(|job| {
                job.status_reason = Some(reason.to_owned());
            });
            self.inner.records.save(&handle.id, &*handle.job.borrow());
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

    /// `statusReason` of a job whose Spot capacity was taken back.
    fn spot_words(&self, job: &Job) -> &'static str {
        match self.environment_kind(job) {
            Some("FARGATE_SPOT") => "Your Spot Task was interrupted.",
            _ => "Host EC2 (instance i-0123456789abcdef0) terminated.",
        }
    }

    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: BatchAction, body: &Value) -> Result<Value, ServiceError> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        match (action, self.inner.workers.faults.strike(action)?) {
            (BatchAction::SubmitJob, verdict) => {
                Ok(self.submit_or_lose(body, None, verdict)?.answer())
            }
            (_, Verdict::Lose) => Ok(json!({})),
            (BatchAction::DescribeJobs, Verdict::Proceed) => Ok(self.describe_jobs(body)),
            (BatchAction::ListJobs, Verdict::Proceed) => self.list_jobs(body),
            (BatchAction::TerminateJob, Verdict::Proceed) => {
                self.terminate_job(text("jobId"), text("reason"));
                Ok(json!({}))
            }
            (BatchAction::CancelJob, Verdict::Proceed) => {
                self.cancel_job(text("jobId"), text("reason"));
                Ok(json!({}))
            }
            (BatchAction::DescribeJobQueues, Verdict::Proceed) => Ok(self.describe_queues(body)),
            (BatchAction::DescribeJobDefinitions, Verdict::Proceed) => {
                Ok(self.describe_definitions(body))
            }
            (BatchAction::DescribeComputeEnvironments, Verdict::Proceed) => {
                Ok(self.describe_environments(body))
            }
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
            let path = parts.uri.path();
            let action = action(path)
                .ok_or_else(|| ServiceError::unknown_action(self.id().prefix(), path))?;
            let body = rest::read_json(body).await?;
            Ok(rest::json_response(&self.call(action, &body)?))
        }
        .boxed()
    }
}

/// The action that a path names: `/v1/submitjob`.
pub(crate) fn action(path: &str) -> Option<BatchAction> {
    let wanted = path.strip_prefix("/v1/")?;
    let mut actions = BatchAction::ALL.iter().copied();
    actions.find(|action| action.name().to_ascii_lowercase() == wanted)
}

fn client_error(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ClientException", message)
}
