//! The life of one job, from SUBMITTED to SUCCEEDED or FAILED.

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::watch;

use super::job::{Array, Attempt, Job, Status};
use super::retry::{Failure, retries};
use super::slots::Need;
use super::{Batch, JobHandle, request};
use crate::process::Cause;
use crate::time::now;
use crate::usage::Usage;
use crate::work::Busy;
use crate::worker::{Container, LaunchError, WorkerExit};
use placement::Placement;

const ESSENTIAL_EXITED: &str = "Essential container in task exited";

pub(super) struct Run {
    pub(super) batch: Batch,
    pub(super) handle: JobHandle,
    pub(super) stop: watch::Receiver<Option<String>>,
    /// Jobs to wait for.
    pub(super) after: Vec<JobHandle>,
    /// That it works: a virtual clock stands still meanwhile.
    pub(super) busy: Option<Busy>,
}

/// Why a job ends before its container does.
enum Ended {
    /// Terminated or cancelled, with the caller's reason.
    Stopped(String),
    /// A job it depends on failed.
    Dependency(String),
}

impl Run {
    /// Runs the job to its end.
    pub(super) async fn finish(mut self) {
        self.publish();
        if let Err(ended) = self.wait_for_dependencies().await {
            return self.fail_early(ended);
        }
        loop {
            let attempt = match self.attempt().await {
                Ok(attempt) => attempt,
                Err(ended) => return self.fail_early(ended),
            };
            let stopped = self.stop.borrow().clone();
            let job = self.handle.job.borrow().clone();
            let number = u32::try_from(job.attempts.len())
                .unwrap_or(u32::MAX)
                .saturating_add(1);
            let succeeded = attempt.exit_code == Some(0) && stopped.is_none();
            let again = !succeeded
                && stopped.is_none()
                // An attempt that was cut off by its time limit is not repeated.
                && attempt.status_reason != TIMED_OUT
                && retries(number, job.definition.attempts, &job.definition.evaluate_on_exit, attempt.as_failure());
            self.change(|job| {
                job.status = match (succeeded, again) {
                    (true, _) => Status::Succeeded,
                    (false, true) => Status::Runnable,
                    (false, false) => Status::Failed,
                };
                job.status_reason = Some(stopped.unwrap_or_else(|| attempt.status_reason.clone()));
                job.stopped_at = (!again).then_some(attempt.stopped_at);
                job.attempts.push(attempt);
            });
            self.batch.keep(&self.handle, &self.container_name(number));
            if !again {
                return;
            }
        }
    }

    async fn wait_for_dependencies(&mut self) -> Result<(), Ended> {
        if self.after.is_empty() {
            return Ok(());
        }
        self.change(|job| job.status = Status::Pending);
        for dependency in std::mem::take(&mut self.after) {
            let status = tokio::select! {
                status = dependency.ended() => status,
                reason = stopped(&mut self.stop) => return Err(Ended::Stopped(reason)),
            };
            if status == Status::Failed {
                return Err(Ended::Dependency(dependency.id.clone()));
            }
        }
        Ok(())
    }

    /// One attempt: waits for capacity, starts the container, waits for its end.
    async fn attempt(&mut self) -> Result<Attempt, Ended> {
        self.change(|job| job.status = Status::Runnable);
        let job = self.handle.job.borrow().clone();
        let need = Need {
            vcpus: job.definition.vcpus,
            memory_mib: job.definition.memory_mib,
        };
        if let Some(blocked) = self.batch.blocked(&job) {
            return Err(Ended::Stopped(self.stay_blocked(&blocked).await));
        }
        let slots = self.batch.inner.slots.clone();
        let container = self.container(&job);
        // One that an earlier local cloud has started must be taken up before it can be stopped.
        let begun = self.batch.inner.workers.record(&container.name).is_known();
        let permit = tokio::select! {
            biased;
            reason = stopped(&mut self.stop), if !begun => return Err(Ended::Stopped(reason)),
            permit = slots.acquire(need, job.queue.priority) => permit,
        };
        self.change(|job| {
            job.status = Status::Starting;
            job.log_stream = Some(container.log_stream.clone());
        });
        let delay = self.batch.inner.workers.local.limits.job_start_up;
        tokio::select! {
            () = tokio::time::sleep(delay), if !begun => {}
            reason = stopped(&mut self.stop), if !begun => return Err(Ended::Stopped(reason)),
            else => {}
        }
        let started_at = now();
        let mut attempt = Attempt {
            exit_code: None,
            reason: None,
            status_reason: ESSENTIAL_EXITED.to_owned(),
            log_stream: container.log_stream.clone(),
            started_at,
            stopped_at: started_at,
        };
        match self.batch.inner.workers.launch(&container) {
            // This is dropped in a moment.
            Err(LaunchError::Closing) => return std::future::pending().await,
            Err(error @ (LaunchError::NoImage { .. } | LaunchError::Start { .. })) => {
                attempt.status_reason = "Task failed to start".to_owned();
                attempt.reason = Some(error.to_string());
            }
            Ok(worker) => {
                tracing::debug!(job_id = %job.id, pid = ?worker.pid(), "started");
                self.change(|job| {
                    job.status = Status::Running;
                    job.started_at = Some(started_at);
                });
                let running = self.usage(&job, started_at);
                let _running = self.batch.inner.meter.begin(running);
                let exit = tokio::select! {
                    biased;
                    exit = worker.exited() => exit,
                    _ = stopped(&mut self.stop) => {
                        worker.stop(container.grace);
                        worker.exited().await
                    }
                };
                attempt.record(exit, self.batch.spot_words(&job));
                let used = self.usage(&job, started_at);
                self.batch.inner.meter.record(used);
            }
        }
        attempt.stopped_at = now();
        drop(permit);
        Ok(attempt)
    }

    fn container(&self, job: &Job) -> Container {
        let definition = &job.definition;
        let attempt = job.attempts.len() + 1;
        let mut env = definition.environment.clone();
        let mut set = |name: &str, value: String| {
            env.insert(name.to_owned(), value);
        };
        // https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
        set("AWS_BATCH_JOB_ID", job.id.clone());
        set("AWS_BATCH_JOB_ATTEMPT", attempt.to_string());
        set("AWS_BATCH_JQ_NAME", job.queue.name.clone());
        if let Some(environment) = job.queue.compute_environments.first() {
            set("AWS_BATCH_CE_NAME", environment.clone());
        }
        if let Array::Child(index, size) = job.array {
            set("AWS_BATCH_JOB_ARRAY_INDEX", index.to_string());
            set("AWS_BATCH_JOB_ARRAY_SIZE", size.to_string());
        }
        let task = uuid::Uuid::new_v4().simple();
        Container {
            image: definition.image.clone(),
            args: request::fill(&definition.command, &definition.parameters),
            env,
            memory_mib: Some(definition.memory_mib),
            timeout: definition.timeout,
            grace: self.batch.inner.workers.local.limits.stop_timeout,
            log_group: "/aws/batch/job".to_owned(),
            log_stream: format!("{}/default/{task}", definition.name),
            name: self.container_name(u32::try_from(attempt).unwrap_or(u32::MAX)),
        }
    }

    /// Unique name of the container of an attempt, 1 first.
    fn container_name(&self, attempt: u32) -> String {
        format!("{}-{attempt}", self.handle.id)
    }

    fn fail_early(&self, ended: Ended) {
        let reason = match ended {
            Ended::Stopped(reason) => reason,
            Ended::Dependency(id) => format!("Dependent Job failed: {id}"),
        };
        self.change(|job| {
            job.status = Status::Failed;
            job.status_reason = Some(reason);
            job.stopped_at = Some(now());
        });
        self.batch.keep(&self.handle, &self.container_name(1));
    }

    fn change(&self, change: impl FnOnce(&mut Job)) {
        let before = self.handle.job.borrow().status;
        self.handle.job.send_modify(change);
        if self.handle.job.borrow().status != before {
            self.publish();
        }
    }

    fn publish(&self) {
        let job = self.handle.job.borrow().clone();
        if matches!(job.status, Status::Succeeded | Status::Failed) {
            tracing::info!(
                "job {} ({}) {}{}",
                job.name,
                job.id,
                job.status.name(),
                job.status_reason
                    .map_or_else(String::new, |reason| format!(": {reason}")),
            );
        }
        let events = &self.batch.inner.events;
        events.publish(
            "aws.batch",
            "Batch Job State Change",
            &[&self.handle.arn],
            self.handle.describe(),
        );
    }

    /// What an attempt has used up to now.
    fn usage(&self, job: &Job, started: crate::time::Timestamp) -> Usage {
        let compute = self.batch.environment_kind(job);
        Usage {
            placement: compute
                .as_deref()
                .map_or(Placement::Batch, Placement::of_job),
            name: job.definition.name.clone(),
            vcpus: job.definition.vcpus,
            memory_mib: job.definition.memory_mib,
            started,
            stopped: now(),
            id: job.id.clone(),
            job_uri: job.definition.environment.get("JOB_URI").cloned(),
        }
    }
}

/// Runs an array's parent: it is PENDING from when the first child can run, and ends when all its children have.
/// <https://docs.aws.amazon.com/batch/latest/userguide/array_jobs.html>
pub(super) async fn finish_parent(run: Run, children: Vec<JobHandle>) {
    run.publish();
    let mut can_run: FuturesUnordered<_> = children
        .iter()
        .map(|child| child.reached(Status::Runnable))
        .collect();
    can_run.next().await;
    drop(can_run);
    run.change(|job| job.status = Status::Pending);
    let mut failed = 0;
    for child in &children {
        if child.ended().await == Status::Failed {
            failed += 1;
        }
    }
    let stopped = run.stop.borrow().clone();
    run.change(|job| {
        job.status = if failed == 0 {
            Status::Succeeded
        } else {
            Status::Failed
        };
        job.status_reason =
            (failed > 0).then(|| stopped.unwrap_or_else(|| "Array Child Job failed".to_owned()));
        job.started_at = children
            .iter()
            .filter_map(|c| c.job.borrow().started_at)
            .min();
        job.stopped_at = Some(now());
    });
    run.batch.keep(&run.handle, &run.container_name(1));
}

const TIMED_OUT: &str = "Job attempt duration exceeded timeout";

impl Attempt {
    fn record(&mut self, end: WorkerExit, spot_words: &str) {
        self.exit_code = Some(end.exit.code);
        self.reason = end.reason().map(str::to_owned);
        if end.interrupted {
            self.status_reason = spot_words.to_owned();
        } else if end.exit.cause == Cause::TimedOut {
            self.status_reason = TIMED_OUT.to_owned();
        }
    }

    fn as_failure(&self) -> Failure<'_> {
        Failure {
            exit_code: self.exit_code,
            reason: self.reason.as_deref().unwrap_or_default(),
            status_reason: &self.status_reason,
        }
    }
}

/// Waits until the job is to stop; the reason.
pub(super) async fn stopped(stop: &mut watch::Receiver<Option<String>>) -> String {
    let reason = stop
        .wait_for(Option::is_some)
        .await
        .map(|reason| reason.clone());
    match reason {
        Ok(reason) => reason.unwrap_or_default(),
        // Nobody can stop it any more.
        Err(_) => std::future::pending().await,
    }
}
