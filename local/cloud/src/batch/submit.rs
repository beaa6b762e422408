//! From a request, or from the record of an earlier local cloud, to a job that runs.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::job::{Array, Dependency, Job};
use super::request::{self, SubmitJob};
use super::run::{self, Run};
use super::{Batch, JobHandle, Status, client_error};
use crate::action::BatchAction;
use crate::error::ServiceError;
use crate::faults::Verdict;
use crate::time::now;
use stack::{JobDefinition, JobQueue};

/// How long a job is remembered after its end: seven days.
/// <https://docs.aws.amazon.com/batch/latest/userguide/job_states.html>
const REMEMBERED_SECONDS: f64 = 7.0 * 86_400.0;

/// A job that another waits for.
struct After {
    job: JobHandle,
    /// Child n waits for child n only.
    n_to_n: bool,
}

impl Batch {
    /// SubmitJob; the request is the API's.
    pub fn submit_job(&self, request: &Value) -> Result<JobHandle, ServiceError> {
        self.submit(request, None)
    }

    /// SubmitJob for a call of a Task state: the job that the same call has submitted before, also
    /// before a restart, is given again. Batch itself has no token for that.
    pub fn submit_job_for_call(
        &self,
        request: &Value,
        call: &str,
    ) -> Result<JobHandle, ServiceError> {
        let submitted = (self.jobs().iter())
            .find(|handle| handle.job.borrow().call.as_deref() == Some(call))
            .cloned();
        match submitted {
            Some(handle) => Ok(handle),
            None => self.submit(request, Some(call.to_owned())),
        }
    }

    fn submit(&self, request: &Value, call: Option<String>) -> Result<JobHandle, ServiceError> {
        let verdict = self
            .inner
            .workers
            .faults
            .admit(BatchAction::SubmitJob, request)?;
        self.submit_or_lose(request, call, verdict)
    }

    pub(super) fn submit_or_lose(
        &self,
        request: &Value,
        call: Option<String>,
        verdict: Verdict,
    ) -> Result<JobHandle, ServiceError> {
        let request = SubmitJob::parse(request)?;
        let queue = self.queue(&request.job_queue)?;
        if queue.state == "DISABLED" {
            return Err(client_error(format!(
                "job queue {} is not ENABLED",
                queue.name
            )));
        }
        let fargate = self.is_fargate(&queue);
        let definition = request.resolve(&self.definition(&request.job_definition)?, fargate)?;
        let job = Job {
            call,
            ..self.new_job(&request, queue, definition)
        };
        let after = self.dependencies(&request.depends_on)?;
        check_twins(&after, request.array_size())?;
        let tags = crate::tags::Tags::from_map(&request.tags);
        tags.map_err(|error| client_error(error.to_string()))?;
        if verdict == Verdict::Lose {
            // Only the caller hears of this job: it stays SUBMITTED.
            let (_, handle) = self.prepare(job, Vec::new(), Vec::new());
            return Ok(JobHandle {
                lost: true,
                ..handle
            });
        }
        // Before its process exists: a crash in between must not start the job twice.
        self.inner.records.jobs.create(&job.id, &job)?;
        let handle = self.run(job, after, &mut HashMap::new());
        self.jobs().push(handle.clone());
        Ok(handle)
    }

    /// Knows the jobs of the records again, and goes on with those that had not ended: running
    /// containers are taken up, not started a second time.
    pub(super) fn take_up(&self) {
        let oldest = now().plus_seconds(-REMEMBERED_SECONDS);
        let (known, old): (Vec<Job>, Vec<Job>) =
            (self.inner.records.jobs.load::<Job>().into_iter())
                .partition(|job| job.stopped_at.is_none_or(|at| at > oldest));
        old.iter()
            .for_each(|job| self.inner.records.jobs.remove(&job.id));
        let (children, mut jobs): (Vec<Job>, Vec<Job>) = known
            .into_iter()
            .partition(|job| matches!(job.array, Array::Child(..)));
        let mut children = children
            .into_iter()
            .map(|job| (job.id.clone(), job))
            .collect();
        // In the order of submission: a job comes after those it depends on.
        jobs.sort_by_key(|job| job.created_at);
        for job in jobs {
            // A dependency that is forgotten ended long ago.
            let after = job.depends_on.iter();
            let after = after.filter_map(|one| self.dependencies(std::slice::from_ref(one)).ok());
            let after = after.flatten().collect();
            let asked = job.terminated || job.cancelled;
            let reason = job.status_reason.clone().filter(|_| asked);
            let handle = self.run(job, after, &mut children);
            if let Some(reason) = reason {
                handle.stop(&reason);
            }
            self.jobs().push(handle);
        }
    }

    /// Records a job after an attempt or at its end, and forgets the attempt's container.
    pub(super) fn keep(&self, handle: &JobHandle, container: &str) {
        let inner = &self.inner;
        inner.records.jobs.save(&handle.id, &*handle.job.borrow());
        inner.workers.record(container).remove();
    }

    fn new_job(&self, request: &SubmitJob, queue: JobQueue, definition: JobDefinition) -> Job {
        let id = Uuid::new_v4().to_string();
        Job {
            arn: self.arn(&format!("job/{id}")),
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
            call: None,
            array: request.array_size().map_or(Array::None, Array::Parent),
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
    fn dependencies(&self, wanted: &[Dependency]) -> Result<Vec<After>, ServiceError> {
        let find = |dependency: &Dependency| {
            let id = dependency.job_id.as_deref().unwrap_or_default();
            let job = self
                .job(id)
                .ok_or_else(|| client_error(format!("Job {id} of dependsOn does not exist")))?;
            let n_to_n = dependency.kind.as_deref() == Some("N_TO_N");
            Ok(After { job, n_to_n })
        };
        let named = wanted.iter().filter(|d| d.job_id.is_some());
        named.map(find).collect()
    }

    /// Runs a job, or an array of jobs, unless it has ended. `known` are children of the array as
    /// they were recorded.
    fn run(&self, job: Job, after: Vec<After>, known: &mut HashMap<String, Job>) -> JobHandle {
        match job.array {
            Array::Parent(size) => self.run_array(job, size, &after, known),
            Array::None | Array::Child(..) => {
                self.run_one(job, after.into_iter().map(|after| after.job).collect())
            }
        }
    }

    fn run_one(&self, job: Job, after: Vec<JobHandle>) -> JobHandle {
        let ended = job.status.is_final();
        let (run, handle) = self.prepare(job, after, Vec::new());
        if !ended {
            let processes = self.inner.workers.processes.clone();
            let run = Run {
                busy: Some(processes.work.begin()),
                ..run
            };
            tokio::spawn(async move { processes.while_open(run.finish()).await });
        }
        handle
    }

    fn run_array(
        &self,
        parent: Job,
        size: u32,
        after: &[After],
        known: &mut HashMap<String, Job>,
    ) -> JobHandle {
        let sequential = parent
            .depends_on
            .iter()
            .any(|d| d.kind.as_deref() == Some("SEQUENTIAL") && d.job_id.is_none());
        let mut children: Vec<JobHandle> = Vec::new();
        for index in 0..size {
            let mut child = Job {
                id: format!("{}:{index}", parent.id),
                arn: format!("{}:{index}", parent.arn),
                array: Array::Child(index, size),
                ..parent.clone()
            };
            child = known.remove(&child.id).unwrap_or(child);
            // N_TO_N: child n waits for child n of the other array only.
            let twin = |after: &After| {
                let twin = after.job.children.get(index as usize);
                twin.filter(|_| after.n_to_n).unwrap_or(&after.job).clone()
            };
            let mut waits: Vec<JobHandle> = after.iter().map(twin).collect();
            if sequential {
                waits.extend(children.last().cloned());
            }
            children.push(self.run_one(child, waits));
        }
        let ended = parent.status.is_final();
        let (run, handle) = self.prepare(parent, Vec::new(), children.clone());
        if !ended {
            let processes = self.inner.workers.processes.clone();
            let parent = run::finish_parent(run, children);
            tokio::spawn(async move { processes.while_open(parent).await });
        }
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
            lost: false,
            children: Arc::new(children),
        };
        let run = Run {
            batch: self.clone(),
            handle: handle.clone(),
            stop: stops,
            after,
            busy: None,
        };
        (run, handle)
    }
}

/// Child n can wait for child n only of an array of the same size.
fn check_twins(after: &[After], size: Option<u32>) -> Result<(), ServiceError> {
    let same = |after: &After| Some(after.job.children.len()) == size.map(|size| size as usize);
    match after.iter().find(|after| after.n_to_n && !same(after)) {
        Some(other) => Err(client_error(format!(
            "dependsOn: {} is no array job of the same size, as N_TO_N wants it",
            other.job.id
        ))),
        None => Ok(()),
    }
}
