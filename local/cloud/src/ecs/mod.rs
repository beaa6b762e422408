//! ECS: RunTask and its kin over worker processes.

mod describe;
mod request;
mod run;
mod task;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

use crate::error::ServiceError;
use crate::events::Events;
use crate::records::Records;
use crate::router::JsonService;
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
}

impl TaskHandle {
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
        let ecs = Ecs {
            inner: Arc::new(Inner {
                records,
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
        self.inner.workers.faults.strike("ecs", "RunTask")?;
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
        let mut tasks = earlier;
        // Fewer than asked for where an earlier local cloud was killed while it started them.
        while tasks.len() < request.count as usize {
            let task = self.start(&request, &cluster, definition.clone())?;
            all.push(task.clone());
            tasks.push(task);
        }
        let described: Vec<Value> = tasks.iter().map(TaskHandle::describe).collect();
        Ok(RunTaskOutput {
            response: json!({"tasks": described, "failures": []}),
            tasks,
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

    fn start(
        &self,
        request: &RunTask,
        cluster: &Cluster,
        definition: TaskDefinition,
    ) -> Result<TaskHandle, ServiceError> {
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
        let task = Task {
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
        };
        // Before its process exists: a crash in between must not start the task twice.
        self.inner.records.create(task.id(), &task)?;
        Ok(self.run(task))
    }

    /// Runs a task unless it has stopped.
    fn run(&self, task: Task) -> TaskHandle {
        let (stop, stops) = mpsc::unbounded_channel();
        let task = watch::Sender::new(task);
        let (arn, client_token) = (
            task.borrow().arn.clone(),
            task.borrow().client_token.clone(),
        );
        let handle = TaskHandle {
            arn,
            client_token,
            task: task.clone(),
            stop,
            records: self.inner.records.clone(),
        };
        let (status, desired) = (task.borrow().status, task.borrow().desired);
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
        self.inner
            .tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn task(&self, id_or_arn: &str) -> Option<TaskHandle> {
        let tasks = self.tasks();
        tasks
            .iter()
            .find(|task| task.arn == id_or_arn || task.id() == id_or_arn)
            .cloned()
    }

    /// The metadata document of a running task's container.
    pub(crate) fn metadata(&self, id: &str) -> Option<Value> {
        self.task(id)
            .map(|handle| run::metadata(&handle.task.borrow()))
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

impl JsonService for Ecs {
    fn call<'a>(
        &'a self,
        action: &'a str,
        body: Value,
    ) -> BoxFuture<'a, Result<Value, ServiceError>> {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let result = match action {
            "RunTask" => self.run_task(&body).map(|output| output.response),
            "StopTask" => self
                .cluster(body["cluster"].as_str().unwrap_or("default"))
                .and_then(|_| {
                    self.stop_task(
                        text("task"),
                        body["reason"].as_str().unwrap_or("Task stopped by user"),
                    )
                })
                .map(|task| json!({"task": task})),
            "DescribeTasks" => self.describe_tasks(&body),
            "ListTasks" => self.list_tasks(&body),
            "DescribeTaskDefinition" => self.describe_task_definition(&body),
            "ListTaskDefinitions" => {
                let arns = self.inner.definitions.iter().map(|d| d.arn.clone());
                Ok(json!({"taskDefinitionArns": arns.collect::<Vec<_>>()}))
            }
            "DescribeClusters" => Ok(self.describe_clusters(&body)),
            "ListClusters" => {
                let arns = self.inner.clusters.iter().map(|c| c.arn.clone());
                Ok(json!({"clusterArns": arns.collect::<Vec<_>>()}))
            }
            other => Err(ServiceError::unknown_action("ECS", other)),
        };
        Box::pin(std::future::ready(result))
    }
}
