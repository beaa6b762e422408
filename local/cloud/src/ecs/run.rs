//! The life of one task, from PROVISIONING to STOPPED.

use std::time::{Duration, Instant};

use futures::future::{join_all, select_all};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::task::{Status, Stop, StopCode, Task, Times};
use super::{Ecs, STOPPED_BY_CONTAINER};
use crate::time::now;
use crate::usage::Usage;
use crate::worker::{Container, LaunchError, Worker, WorkerExit};
use placement::Placement;
use stack::{ContainerDefinition, Env};

/// CPU units of one vCPU.
pub(super) const UNITS_PER_VCPU: f64 = 1_024.0;

pub(super) struct Run {
    pub(super) ecs: Ecs,
    pub(super) task: watch::Sender<Task>,
    /// A word for each time that somebody wants the task to stop; the reason is in the task.
    pub(super) stops: mpsc::UnboundedReceiver<()>,
}

impl Run {
    /// Runs the task to its end: a new one, or one that an earlier local cloud has begun, for
    /// launching takes up the containers that are there.
    pub(super) async fn finish(mut self) {
        let begun = self.task.borrow().started_at.is_some();
        let early = match begun {
            true => self.stopped_before(),
            false => self.start_up().await,
        };
        let stop = match early {
            Some(stop) => stop,
            None => self.run_containers(begun).await,
        };
        self.end(stop);
        self.forget_containers();
    }

    /// Why a task that an earlier local cloud has begun is not to be started again: it was to stop, and
    /// none of its containers is left.
    fn stopped_before(&self) -> Option<Stop> {
        let task = self.task.borrow();
        let is_left = |container: &super::Container| {
            (self.ecs.inner.workers.record(&container.runtime_id)).is_known()
        };
        let stopping = task.desired == Status::Stopped;
        let gone = stopping && !task.containers.iter().any(is_left);
        task.stop.clone().filter(|_| gone)
    }

    /// Why the task is to stop.
    fn stop(&self) -> Stop {
        self.task.borrow().stop.clone().unwrap_or_else(|| Stop {
            code: StopCode::EssentialContainerExited,
            reason: STOPPED_BY_CONTAINER.to_owned(),
        })
    }

    /// Lets the time pass that capacity and image take, unless the task is stopped meanwhile.
    async fn start_up(&mut self) -> Option<Stop> {
        self.publish();
        let turn = self.ecs.inner.pace.turn(Instant::now());
        if let Some(stop) = self.sleep(turn).await {
            return Some(stop);
        }
        self.change(|task| task.status = Status::Pending);
        self.sleep(self.ecs.inner.workers.local.limits.task_start_up)
            .await
    }

    async fn sleep(&mut self, time: Duration) -> Option<Stop> {
        tokio::select! {
            biased;
            Some(()) = self.stops.recv() => Some(self.stop()),
            () = tokio::time::sleep(time) => None,
        }
    }

    async fn run_containers(&mut self, begun: bool) -> Stop {
        let workers = match self.launch() {
            Ok(workers) => workers,
            // This is dropped in a moment.
            Err((_, LaunchError::Closing)) => return std::future::pending().await,
            Err((index, error @ (LaunchError::NoImage { .. } | LaunchError::Start { .. }))) => {
                let reason = error.to_string();
                self.task
                    .send_modify(|task| task.containers[index].reason = Some(reason.clone()));
                let code = StopCode::TaskFailedToStart;
                return Stop { code, reason };
            }
        };
        if !begun {
            self.change(|task| {
                task.status = Status::Running;
                task.started_at = Some(now());
                let containers = task.containers.iter_mut();
                containers.for_each(|container| container.status = Status::Running);
            });
        }
        let _running = self.usage().map(|usage| self.ecs.inner.meter.begin(usage));
        self.watch(workers).await
    }

    fn end(&self, stop: Stop) {
        self.change(|task| {
            task.status = Status::Deprovisioning;
            task.desired = Status::Stopped;
            task.stop.get_or_insert(stop);
            task.stopping_at.get_or_insert(now());
            task.execution_stopped_at = task.started_at.map(|_| now());
            let containers = task.containers.iter_mut();
            containers.for_each(|container| container.status = Status::Stopped);
        });
        if let Some(usage) = self.usage() {
            self.ecs.inner.meter.record(usage);
        }
        self.change(|task| {
            task.status = Status::Stopped;
            task.stopped_at = Some(now());
        });
    }

    /// The containers' ends are in the task's record now.
    fn forget_containers(&self) {
        let task = self.task.borrow();
        let inner = &self.ecs.inner;
        for container in &task.containers {
            inner.workers.record(&container.runtime_id).remove();
        }
    }

    /// Starts every container; the index of the first that does not start, and why.
    fn launch(&self) -> Result<Vec<Worker>, (usize, LaunchError)> {
        let task = self.task.borrow().clone();
        let mut workers: Vec<Worker> = Vec::new();
        for (index, definition) in task.definition.containers.iter().enumerate() {
            match self
                .ecs
                .inner
                .workers
                .launch(&self.container(&task, definition))
            {
                Ok(worker) => {
                    tracing::debug!(task = %task.arn, container = %definition.name, pid = ?worker.pid(), "started");
                    workers.push(worker);
                }
                Err(error) => {
                    workers
                        .iter()
                        .for_each(|worker| worker.stop(self.grace(definition)));
                    return Err((index, error));
                }
            }
        }
        Ok(workers)
    }

    fn container(&self, task: &Task, definition: &ContainerDefinition) -> Container {
        let id = task.id();
        let endpoint = &self.ecs.inner.workers.local.endpoint;
        let mut env = Env::from([
            (
                "AWS_EXECUTION_ENV".to_owned(),
                format!("AWS_ECS_{}", task.launch_type),
            ),
            (
                "ECS_CONTAINER_METADATA_URI_V4".to_owned(),
                format!("{endpoint}/_ecs/v4/{id}"),
            ),
        ]);
        env.extend(definition.environment.clone());
        // The image's entry point is its binary; a definition's own begins with it.
        let entry = definition.entry_point.iter().skip(1);
        Container {
            image: definition.image.clone(),
            args: entry.chain(&definition.command).cloned().collect(),
            env,
            memory_mib: definition.memory_mib.or(task.definition.memory_mib),
            timeout: None,
            grace: self.grace(definition),
            log_group: format!("/ecs/{}", task.definition.family),
            log_stream: format!("{}/{id}", definition.name),
            name: format!("{id}-{}", definition.name),
        }
    }

    fn grace(&self, definition: &ContainerDefinition) -> Duration {
        definition
            .stop_timeout
            .unwrap_or(self.ecs.inner.workers.local.limits.stop_timeout)
    }

    /// Waits until an essential container ends or the task is to stop, then ends the rest.
    async fn watch(&mut self, workers: Vec<Worker>) -> Stop {
        let definition = self.task.borrow().definition.clone();
        let mut running: Vec<usize> = (0..workers.len()).collect();
        let stop = loop {
            let next = select_all(running.iter().map(|&index| {
                let worker = workers[index].clone();
                Box::pin(async move { (index, worker.exited().await) })
            }));
            tokio::select! {
                biased;
                ((index, exit), _, _) = next => {
                    running.retain(|&other| other != index);
                    self.record(index, exit);
                    if exit.interrupted {
                        break Stop { code: StopCode::SpotInterruption, reason: "Your Spot Task was interrupted.".to_owned() };
                    }
                    if definition.containers[index].essential || running.is_empty() {
                        break Stop { code: StopCode::EssentialContainerExited, reason: STOPPED_BY_CONTAINER.to_owned() };
                    }
                }
                Some(()) = self.stops.recv() => break self.stop(),
            }
        };
        if !running.is_empty() {
            self.change(|task| {
                task.status = Status::Stopping;
                task.desired = Status::Stopped;
                task.stopping_at = Some(now());
                task.stop.get_or_insert(stop.clone());
            });
            for &index in &running {
                workers[index].stop(self.grace(&definition.containers[index]));
            }
            let ends = running.iter().map(|&index| workers[index].exited());
            for (&index, exit) in running.iter().zip(join_all(ends).await) {
                self.record(index, exit);
            }
        }
        stop
    }

    fn record(&self, index: usize, exit: WorkerExit) {
        self.task.send_modify(|task| {
            let container = &mut task.containers[index];
            container.status = Status::Stopped;
            container.exit_code = Some(exit.exit.code);
            container.reason = exit.reason().map(str::to_owned);
        });
    }

    /// Changes the task and tells those who listen, the event bus too: before the record, so that an
    /// event is rather told twice than lost when the local cloud is killed in between.
    fn change(&self, change: impl FnOnce(&mut Task)) {
        self.task.send_modify(|task| {
            change(task);
            task.version += 1;
        });
        self.publish();
        self.ecs.save(&self.task.borrow());
    }

    fn publish(&self) {
        let task = self.task.borrow();
        if task.status == Status::Stopped {
            let codes = task.containers.iter().map(|c| match c.exit_code {
                Some(code) => format!("{} {code}", c.name),
                None => format!("{} none", c.name),
            });
            tracing::info!(
                "task {} of {} stopped: {}; exit codes: {}",
                task.id(),
                task.definition.family,
                task.stop.as_ref().map_or("", |stop| stop.reason.as_str()),
                codes.collect::<Vec<_>>().join(", "),
            );
        }
        let detail = task.to_json(Times::Iso);
        let events = &self.ecs.inner.events;
        events.publish("aws.ecs", "ECS Task State Change", &[&task.arn], detail);
    }

    /// What it has used up to now; none before it has begun.
    fn usage(&self) -> Option<Usage> {
        let task = self.task.borrow();
        let started = task.started_at?;
        let provider = task.capacity_provider.as_deref();
        let mut environments = task.definition.containers.iter().map(|c| &c.environment);
        let job_uri = environments.find_map(|env| env.get("JOB_URI").cloned());
        Some(Usage {
            placement: provider
                .and_then(Placement::of_task)
                .unwrap_or(Placement::Fargate),
            name: task.definition.family.clone(),
            vcpus: task.definition.cpu.unwrap_or(0) as f64 / UNITS_PER_VCPU,
            memory_mib: task.definition.memory_mib.unwrap_or(0),
            started,
            stopped: now(),
            id: task.arn.clone(),
            job_uri,
        })
    }
}

/// The document that the task metadata endpoint gives a container.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate.html>
pub(super) fn metadata(task: &Task) -> Value {
    serde_json::json!({
        "Cluster": task.cluster_arn,
        "TaskARN": task.arn,
        "Family": task.definition.family,
        "Revision": task.definition.revision.to_string(),
        "DesiredStatus": task.desired.name(),
        "KnownStatus": task.status.name(),
        "LaunchType": task.launch_type,
        "AvailabilityZone": "local",
        "Limits": {
            "CPU": task.definition.cpu.unwrap_or(0) as f64 / UNITS_PER_VCPU,
            "Memory": task.definition.memory_mib,
        },
    })
}
