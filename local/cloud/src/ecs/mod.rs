//! ECS: RunTask and its kin over worker processes.

mod describe;
mod request;
mod run;
mod task;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::action::{EcsAction, ServiceId};
use crate::error::ServiceError;
use crate::events::Events;
use crate::faults::Verdict;
use crate::rates::Pace;
use crate::records::Records;
use crate::rest;
use crate::service::Service;
use crate::time::now;
use crate::usage::Meter;
use crate::worker::Workers;
use stack::{Cluster, TaskDefinition};

use request::RunTask;
use run::Run;
use task::{Container, Task, Times};
pub use task::{Status, Stop, StopCode};

/// How long a stopped task is remembered: an hour at least.
/// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_DescribeTasks.html>
const REMEMBERED_SECONDS: f64 = 3_600.0;
/// Path of the task metadata endpoint; no bucket name can begin with an underscore.
pub(crate) const TASK_METADATA: &str = "/_ecs/v4/";
const STOPPED_BY_CONTAINER: &str = "Essential container in task exited";

/// The ECS service.
#[derive(Clone)]
pub struct Ecs {
    inner: Arc<Inner>,
}

struct Inner {
    workers: Workers,
    events: Events,
    meter: Meter,
    clusters: Vec<Cluster>,
    definitions: Vec<TaskDefinition>,
    tasks: Mutex<Vec<TaskHandle>>,
    records: Records,
    pace: Pace,
}

/// A task that was started.
#[derive(Debug, Clone)]
pub struct TaskHandle {
    /// Task ARN.
    pub arn: String,
    client_token: Option<String>,
    task: watch::Sender<Task>,
    stop: mpsc::UnboundedSender<()>,
    records: Records,
}

/// Answer of RunTask.
#[derive(Debug, Clone)]
pub struct RunTaskOutput {
    /// `{"tasks": [...], "failures": [...]}`.
    pub response: Value,
    /// The same tasks, to wait for.
    pub tasks: Vec<TaskHandle>,
    /// Whether a fault lost the request: these tasks never run.
    pub lost: bool,
}

impl TaskHandle {
    /// A handle, and what it asks the task's run to do.
    fn new(task: Task, records: Records) -> (TaskHandle, mpsc::UnboundedReceiver<()>) {
        let (stop, stops) = mpsc::unbounded_channel();
        let handle = TaskHandle {
            arn: task.arn.clone(),
            client_token: task.client_token.clone(),
            task: watch::Sender::new(task),
            stop,
            records,
        };
        (handle, stops)
    }

    /// The task as DescribeTasks gives it.
    pub fn describe(&self) -> Value {
        self.task.borrow().to_json(Times::Epoch)
    }

    /// Waits until the task has stopped; the task as DescribeTasks gives it.
    pub async fn stopped(&self) -> Value {
        let mut task = self.task.subscribe();
        // This handle holds a sender, so the channel stays open.
        let _ = task.wait_for(|task| task.status == Status::Stopped).await;
        self.describe()
    }

    /// Asks the task to stop: SIGTERM, SIGKILL after the containers' stop timeout. That it is to stop
    /// is recorded at once.
    pub fn stop(&self, reason: &str) {
        let asked = self.task.send_if_modified(|task| {
            let first = task.stop.is_none();
            if first {
                task.desired = Status::Stopped;
                task.stop = Some(Stop {
                    code: StopCode::UserInitiated,
                    reason: reason.to_owned(),
                });
            }
            first
        });
        if asked {
            self.records.save(self.id(), &*self.task.borrow());
        }
        // An error means that it has stopped already.
        let _ = self.stop.send(());
    }

    fn id(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }
}

impl Ecs {
    /// A service for these clusters and task definitions. Tasks that an earlier one has left in
    /// the data folder go on, which takes a tokio runtime.
    pub fn new(
        workers: Workers,
        events: Events,
        meter: Meter,
        clusters: &[Cluster],
        definitions: &[TaskDefinition],
    ) -> Self {
        let records = Records::new(workers.local.data_dir.join("ecs"));
        let pace = Pace::new(workers.local.limits.task_starts);
        let ecs = Ecs {
            inner: Arc::new(Inner {
                records,
                pace,
                workers,
                events,
                meter,
                clusters: clusters.to_vec(),
                definitions: definitions.to_vec(),
                tasks: Mutex::default(),
            }),
        };
        ecs.take_up();
        ecs
    }

    /// Knows the tasks of the records again, and goes on with those that had not stopped.
    fn take_up(&self) {
        let oldest = now().plus_seconds(-REMEMBERED_SECONDS);
        let (mut known, old): (Vec<Task>, Vec<Task>) =
            (self.inner.records.load::<Task>().into_iter())
                .partition(|task| task.stopped_at.is_none_or(|at| at > oldest));
        old.iter()
            .for_each(|task| self.inner.records.remove(task.id()));
        known.sort_by_key(|task| task.created_at);
        for task in known {
            let handle = self.run(task);
            self.tasks().push(handle);
        }
    }

    fn save(&self, task: &Task) {
        self.inner.records.save(task.id(), task);
    }

    /// RunTask; the request is the API's. With a `clientToken` that was used before, the tasks of
    /// then are given again.
    pub fn run_task(&self, request: &Value) -> Result<RunTaskOutput, ServiceError> {
        let verdict = self.inner.workers.faults.strike(EcsAction::RunTask)?;
        self.run_or_lose(request, verdict)
    }

    fn run_or_lose(
        &self,
        request: &Value,
        verdict: Verdict,
    ) -> Result<RunTaskOutput, ServiceError> {
        let request = RunTask::parse(request)?;
        let cluster = self.cluster(&request.cluster)?;
        let definition = request.resolve(self.definition(&request.task_definition)?)?;
        // One lock over look-up and insertion: a token starts its tasks once.
        let mut all = self.tasks();
        let token = request.client_token.as_ref();
        let earlier: Vec<_> = all
            .iter()
            .filter(|task| token.is_some() && task.client_token.as_ref() == token)
            .cloned()
            .collect();
        let tasks = match verdict {
            Verdict::Proceed => {
                let mut tasks = earlier;
                // Fewer than asked for where an earlier local cloud was killed while it started them.
                while tasks.len() < request.count as usize {
                    let task = self.start(self.task_of(&request, &cluster, definition.clone()))?;
                    all.push(task.clone());
                    tasks.push(task);
                }
                tasks
            }
            // Only the caller hears of these tasks: they stay PROVISIONING.
            Verdict::Lose => (0..request.count)
                .map(|_| {
                    let task = self.task_of(&request, &cluster, definition.clone());
                    TaskHandle::new(task, self.inner.records.clone()).0
                })
                .collect(),
        };
        let lost = verdict == Verdict::Lose;
        let described: Vec<Value> = tasks.iter().map(TaskHandle::describe).collect();
        Ok(RunTaskOutput {
            response: json!({"tasks": described, "failures": []}),
            tasks,
            lost,
        })
    }

    /// The task that was started with this client token.
    pub fn find(&self, client_token: &str) -> Option<TaskHandle> {
        let tasks = self.tasks();
        tasks
            .iter()
            .find(|task| task.client_token.as_deref() == Some(client_token))
            .cloned()
    }

    /// StopTask by ARN or id.
    pub fn stop_task(&self, task: &str, reason: &str) -> Result<Value, ServiceError> {
        let handle = self.task(task).ok_or_else(|| {
            ServiceError::new(
                "InvalidParameterException",
                "The referenced task was not found.",
            )
        })?;
        handle.stop(reason);
        Ok(handle.describe())
    }

    /// A task that is not started yet.
    fn task_of(&self, request: &RunTask, cluster: &Cluster, definition: TaskDefinition) -> Task {
        let local = &self.inner.workers.local;
        let id = Uuid::new_v4().simple().to_string();
        let arn = local.arn("ecs", &format!("task/{}/{id}", cluster.name));
        let containers = definition.containers.iter().map(|container| Container {
            arn: local.arn(
                "ecs",
                &format!("container/{}/{id}/{}", cluster.name, Uuid::new_v4()),
            ),
            name: container.name.clone(),
            image: container.image.clone(),
            status: Status::Pending,
            exit_code: None,
            reason: None,
            runtime_id: format!("{id}-{}", container.name),
        });
        let overrides = definition.containers.iter().map(|container| {
            let environment = container.environment.iter();
            let environment: Vec<_> = environment.map(|(name, value)| json!({"name": name, "value": value})).collect();
            json!({"name": container.name, "command": container.command, "environment": environment})
        });
        Task {
            arn,
            client_token: request.client_token.clone(),
            cluster_arn: cluster.arn.clone(),
            status: Status::Provisioning,
            desired: Status::Running,
            launch_type: request.launch_type(),
            capacity_provider: request.capacity_provider(),
            containers: containers.collect(),
            overrides: json!({"containerOverrides": overrides.collect::<Vec<_>>(), "inferenceAcceleratorOverrides": []}),
            started_by: request.started_by.clone(),
            group: request
                .group
                .clone()
                .unwrap_or_else(|| format!("family:{}", definition.family)),
            tags: Value::from(request.tags.clone()),
            definition,
            created_at: now(),
            started_at: None,
            stopping_at: None,
            execution_stopped_at: None,
            stopped_at: None,
            stop: None,
            version: 1,
        }
    }

    fn start(&self, task: Task) -> Result<TaskHandle, ServiceError> {
        // Before its process exists: a crash in between must not start the task twice.
        self.inner.records.create(task.id(), &task)?;
        Ok(self.run(task))
    }

    /// Runs a task unless it has stopped.
    fn run(&self, task: Task) -> TaskHandle {
        let (status, desired) = (task.status, task.desired);
        let (handle, stops) = TaskHandle::new(task, self.inner.records.clone());
        let task = handle.task.clone();
        if status != Status::Stopped {
            let ecs = self.clone();
            let busy = self.inner.workers.processes.work.begin();
            let processes = self.inner.workers.processes.clone();
            tokio::spawn(async move {
                processes
                    .while_open(Run { ecs, task, stops }.finish())
                    .await;
                drop(busy);
            });
        }
        if desired == Status::Stopped {
            // An error means that it has stopped already.
            let _ = handle.stop.send(());
        }
        handle
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<TaskHandle>> {
        self.inner.tasks.lock()
    }

    fn task(&self, id_or_arn: &str) -> Option<TaskHandle> {
        let tasks = self.tasks();
        tasks
            .iter()
            .find(|task| task.arn == id_or_arn || task.id() == id_or_arn)
            .cloned()
    }

    /// What a container asks of `ECS_CONTAINER_METADATA_URI_V4`; `path` begins with the task's id.
    fn metadata(&self, path: &str) -> Result<Value, ServiceError> {
        let id = path.split('/').next().unwrap_or_default();
        let missing =
            || ServiceError::with_status(404, "NotFound", format!("task {id} is not known"));
        let handle = self.task(id).ok_or_else(missing)?;
        Ok(run::metadata(&handle.task.borrow()))
    }

    fn cluster(&self, name_or_arn: &str) -> Result<Cluster, ServiceError> {
        let clusters = &self.inner.clusters;
        let found = clusters
            .iter()
            .find(|c| c.name == name_or_arn || c.arn == name_or_arn);
        match found {
            Some(cluster) => Ok(cluster.clone()),
            None => Err(ServiceError::new(
                "ClusterNotFoundException",
                "Cluster not found.",
            )),
        }
    }

    /// A definition by family, `family:revision` or ARN.
    fn definition(&self, name: &str) -> Result<&TaskDefinition, ServiceError> {
        let wanted = name.rsplit('/').next().unwrap_or(name);
        let (family, revision) = wanted
            .split_once(':')
            .map_or((wanted, None), |(f, r)| (f, Some(r)));
        let matching = |d: &&TaskDefinition| {
            d.family == family && revision.is_none_or(|revision| d.revision.to_string() == revision)
        };
        let newest = self
            .inner
            .definitions
            .iter()
            .filter(matching)
            .max_by_key(|d| d.revision);
        newest.ok_or_else(|| {
            ServiceError::new(
                "ClientException",
                format!("TaskDefinition not found: {wanted}"),
            )
        })
    }
}

impl Ecs {
    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: EcsAction, body: &Value) -> Result<Value, ServiceError> {
        let text = |name: &str| body[name].as_str();
        match (action, self.inner.workers.faults.strike(action)?) {
            (EcsAction::RunTask, verdict) => {
                let output = self.run_or_lose(body, verdict)?;
                Ok(output.response)
            }
            (_, Verdict::Lose) => Ok(json!({})),
            (EcsAction::StopTask, Verdict::Proceed) => {
                self.cluster(text("cluster").unwrap_or("default"))?;
                let reason = text("reason").unwrap_or("Task stopped by user");
                let task = self.stop_task(text("task").unwrap_or_default(), reason)?;
                Ok(json!({"task": task}))
            }
            (EcsAction::DescribeTasks, Verdict::Proceed) => self.describe_tasks(body),
            (EcsAction::ListTasks, Verdict::Proceed) => self.list_tasks(body),
            (EcsAction::DescribeTaskDefinition, Verdict::Proceed) => {
                self.describe_task_definition(body)
            }
            (EcsAction::ListTaskDefinitions, Verdict::Proceed) => {
                let arns = self.inner.definitions.iter().map(|d| d.arn.clone());
                Ok(json!({"taskDefinitionArns": arns.collect::<Vec<_>>()}))
            }
            (EcsAction::DescribeClusters, Verdict::Proceed) => Ok(self.describe_clusters(body)),
            (EcsAction::ListClusters, Verdict::Proceed) => {
                let arns = self.inner.clusters.iter().map(|c| c.arn.clone());
                Ok(json!({"clusterArns": arns.collect::<Vec<_>>()}))
            }
        }
    }
}

impl Service for Ecs {
    fn id(&self) -> ServiceId {
        ServiceId::Ecs
    }

    fn answer(&self, request: Request) -> BoxFuture<'_, Result<Response<Body>, ServiceError>> {
        async move {
            if let Some(path) = request.uri().path().strip_prefix(TASK_METADATA) {
                return Ok(rest::json_response(&self.metadata(path)?));
            }
            let (action, body) = rest::read_aws_json(request).await?;
            Ok(rest::aws_json(
                &self.call(EcsAction::required(&action)?, &body)?,
            ))
        }
        .boxed()
    }
}
