//! ECS: RunTask and its kin over worker processes.

mod cluster;
mod definition;
mod describe;
mod list;
mod request;
mod run;
mod tags;
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
use crate::variables;
use crate::worker::Workers;
use stack::TaskDefinition;

use cluster::Cluster;
use definition::Definition;
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
    clusters: Mutex<Vec<Cluster>>,
    definitions: Mutex<Vec<Definition>>,
    tasks: Mutex<Vec<TaskHandle>>,
    records: Records,
    cluster_records: Records,
    definition_records: Records,
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
    /// A service for these clusters and task definitions, and for those that were made in an earlier one. Tasks
    /// that it has left in the data folder go on, which takes a tokio runtime.
    pub fn new(
        workers: Workers,
        events: Events,
        meter: Meter,
        clusters: &[stack::Cluster],
        definitions: &[TaskDefinition],
    ) -> Self {
        let folder = workers.local.data_dir.join("ecs");
        let records = Records::new(folder.clone());
        let cluster_records = Records::new(folder.join("clusters"));
        let definition_records = Records::new(folder.join("definitions"));
        let mut all_clusters: Vec<Cluster> = clusters.iter().map(Cluster::of_stack).collect();
        let made = cluster_records.load::<Cluster>().into_iter();
        // What the stack has is as its file says.
        all_clusters.extend(made.filter(|made| !clusters.iter().any(|one| one.arn == made.arn)));
        let mut all_definitions: Vec<Definition> =
            definitions.iter().map(Definition::of_stack).collect();
        let made = definition_records.load::<Definition>().into_iter();
        all_definitions
            .extend(made.filter(|made| !definitions.iter().any(|one| one.arn == made.runs.arn)));
        let pace = Pace::new(workers.local.limits.task_starts);
        let ecs = Ecs {
            inner: Arc::new(Inner {
                records,
                cluster_records,
                definition_records,
                pace,
                workers,
                events,
                meter,
                clusters: Mutex::new(all_clusters),
                definitions: Mutex::new(all_definitions),
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
        let verdict = self
            .inner
            .workers
            .faults
            .admit(EcsAction::RunTask, request)?;
        self.run_or_lose(request, verdict)
    }

    fn run_or_lose(
        &self,
        request: &Value,
        verdict: Verdict,
    ) -> Result<RunTaskOutput, ServiceError> {
        let body = request;
        let request = RunTask::parse(body)?;
        let cluster = self.cluster(body)?;
        let request = request.on(&cluster)?;
        let definition = self.definition(&request.task_definition)?;
        let tags = request.tags(&definition)?;
        let definition = request.resolve(&definition)?;
        let providers = request.providers();
        let new = |number: usize| {
            let provider = providers.get(number).cloned().flatten();
            let task = self.task_of(&request, &cluster, definition.clone());
            Task {
                capacity_provider: provider,
                tags: tags.to_list(),
                ..task
            }
        };
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
                    let task = self.start(new(tasks.len()))?;
                    all.push(task.clone());
                    tasks.push(task);
                }
                tasks
            }
            // Only the caller hears of these tasks: they stay PROVISIONING.
            Verdict::Lose => (0..request.count as usize)
                .map(|number| TaskHandle::new(new(number), self.inner.records.clone()).0)
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

    /// StopTask: of a task of one cluster, by ARN or id.
    fn stop_task(&self, request: &Value) -> Result<Value, ServiceError> {
        let cluster = self.cluster(request)?;
        let found = self.task(request["task"].as_str().unwrap_or_default());
        let handle = found
            .filter(|handle| handle.task.borrow().cluster_arn == cluster.arn)
            .ok_or_else(|| invalid("The referenced task was not found."))?;
        handle.stop(request["reason"].as_str().unwrap_or("Task stopped by user"));
        Ok(json!({"task": handle.describe()}))
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
            let environment = variables::pairs(&container.environment);
            json!({"name": container.name, "command": container.command, "environment": environment})
        });
        Task {
            arn,
            client_token: request.client_token.clone(),
            cluster_arn: cluster.arn.clone(),
            status: Status::Provisioning,
            desired: Status::Running,
            launch_type: request.launch_type(),
            capacity_provider: None,
            containers: containers.collect(),
            overrides: json!({"containerOverrides": overrides.collect::<Vec<_>>(), "inferenceAcceleratorOverrides": []}),
            started_by: request.started_by.clone(),
            group: request
                .group
                .clone()
                .unwrap_or_else(|| format!("family:{}", definition.family)),
            tags: json!([]),
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

    fn arn(&self, resource: &str) -> String {
        self.inner.workers.local.arn("ecs", resource)
    }
}

impl Ecs {
    /// Carries out an action; the request is the API's.
    pub fn call(&self, action: EcsAction, body: &Value) -> Result<Value, ServiceError> {
        use EcsAction as Action;
        let verdict = self.inner.workers.faults.admit(action, body)?;
        if verdict == Verdict::Lose && action != Action::RunTask {
            return Ok(json!({}));
        }
        match action {
            Action::RunTask => Ok(self.run_or_lose(body, verdict)?.response),
            Action::StopTask => self.stop_task(body),
            Action::DescribeTasks => self.describe_tasks(body),
            Action::ListTasks => self.list_tasks(body),
            Action::RegisterTaskDefinition => self.register(body),
            Action::DeregisterTaskDefinition => self.deregister(body),
            Action::DeleteTaskDefinitions => self.delete_definitions(body),
            Action::DescribeTaskDefinition => self.describe_task_definition(body),
            Action::ListTaskDefinitions => self.list_definitions(body),
            Action::ListTaskDefinitionFamilies => self.list_families(body),
            Action::CreateCluster => self.create_cluster(body),
            Action::UpdateCluster | Action::UpdateClusterSettings => self.update_cluster(body),
            Action::PutClusterCapacityProviders => self.put_providers(body),
            Action::DeleteCluster => self.delete_cluster(body),
            Action::DescribeClusters => self.describe_clusters(body),
            Action::ListClusters => self.list_clusters(body),
            Action::DescribeServices => self.describe_services(body),
            // Of these there are none here.
            Action::ListServices => {
                self.cluster(body)?;
                Ok(json!({"serviceArns": []}))
            }
            Action::ListContainerInstances => {
                self.cluster(body)?;
                Ok(json!({"containerInstanceArns": []}))
            }
            Action::TagResource => self.tag(body),
            Action::UntagResource => self.untag(body),
            Action::ListTagsForResource => self.list_tags(body),
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

fn invalid(message: impl Into<String>) -> ServiceError {
    ServiceError::new("InvalidParameterException", message)
}

fn client_error(message: impl Into<String>) -> ServiceError {
    ServiceError::new("ClientException", message)
}

/// The texts of a list; null is none.
fn texts(list: &Value) -> Vec<&str> {
    let items = list.as_array().map_or(&[][..], Vec::as_slice);
    items.iter().filter_map(Value::as_str).collect()
}
