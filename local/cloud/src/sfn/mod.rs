//! Step Functions on one machine: the interpreter of [`asl`] driven by real time and real services.

mod activities;
pub mod api;
mod clock;
mod integrations;
mod map_run;
mod replay;
mod run;
mod runs;
mod store;
mod subscribers;
mod tokens;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use asl::{Child, ChildId, Command, Event, Execution, ExecutionType, Start, Status, Timestamp};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::compute::Compute;
use crate::config::Local;
use crate::error::ServiceError;
use crate::stack::{self, Stack};

pub use clock::ClockMode;
pub use store::StoreError;
pub use subscribers::ExecutionEvent;

use activities::Activities;
use clock::Clock;
use replay::{Progress, Replay};
use run::{Parent, Parts, Run};
use runs::Runs;
use store::{ActivityRow, ExecutionRow, MachineRow, Store};
use subscribers::Subscribers;
use tokens::Tokens;

/// A state machine: what is kept of it, and its compiled definition.
pub struct Machine {
    row: MachineRow,
    hash: String,
    compiled: asl::StateMachine,
}

impl Machine {
    fn kind(&self) -> ExecutionType {
        if self.row.kind == "EXPRESS" {
            ExecutionType::Express
        } else {
            ExecutionType::Standard
        }
    }
}

/// Everything the parts of this service share.
pub struct Inner {
    local: Local,
    compute: Compute,
    store: Store,
    clock: Arc<Clock>,
    machines: RwLock<HashMap<String, Arc<Machine>>>,
    activities: Activities,
    tokens: Tokens,
    runs: Runs,
    subscribers: Subscribers,
    next_id: AtomicI64,
    closed: AtomicBool,
    runtime: Handle,
}

/// The local Step Functions service. Clones share it.
#[derive(Clone)]
pub struct Sfn {
    inner: Arc<Inner>,
    ticking: Arc<JoinHandle<()>>,
}

/// How an execution is described to the command line.
#[derive(Debug, Clone)]
pub struct Description {
    /// Execution ARN.
    pub arn: String,
    /// Execution name.
    pub name: String,
    /// State machine ARN.
    pub state_machine_arn: String,
    /// Where it stands.
    pub status: Status,
    /// Its input.
    pub input: asl::Value,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Option<Timestamp>,
    /// Map Run of a Distributed Map's child.
    pub map_run: Option<String>,
}

impl Sfn {
    /// Opens the history in the data folder and registers the stack's machines and activities.
    ///
    /// # Errors
    /// The history cannot be opened, or a definition of the stack is invalid.
    pub async fn open(
        compute: Compute,
        local: Local,
        stack: &Stack,
        mode: ClockMode,
    ) -> Result<Sfn, SfnError> {
        let store = Store::open(&Path::new(&local.data_dir).join("stepfunctions.db"))?;
        let next_id = AtomicI64::new(store.last_id()? + 1);
        let clock = Clock::new(mode);
        let inner = Arc::new(Inner {
            local,
            compute,
            store,
            clock: clock.clone(),
            machines: RwLock::default(),
            activities: Activities::default(),
            tokens: Tokens::default(),
            runs: Runs::default(),
            subscribers: Subscribers::default(),
            next_id,
            closed: AtomicBool::new(false),
            runtime: Handle::current(),
        });
        inner.register(stack).await?;
        let ticking = Arc::new(tokio::spawn(clock.run()));
        Ok(Sfn { inner, ticking })
    }

    /// Goes on with every execution that was running when the last process ended.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn recover(&self) -> Result<(), SfnError> {
        self.inner.recover().await
    }

    /// A receiver of every history event as it is recorded, child executions' included.
    pub fn subscribe(&self) -> tokio::sync::mpsc::UnboundedReceiver<ExecutionEvent> {
        self.inner.subscribers.add()
    }

    /// Starts an execution; the ARN. Without a name one is made.
    pub async fn start_execution(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: asl::Value,
    ) -> Result<String, ServiceError> {
        let run = self.inner.start_execution(machine_arn, name, input).await?;
        Ok(run.start.arn.to_string())
    }

    /// Stops an execution; returns once that is in the log.
    pub async fn stop_execution(
        &self,
        arn: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<(), ServiceError> {
        if let Some(run) = self.inner.runs.get(arn) {
            let (error, cause) = (error.map(str::to_owned), cause.map(str::to_owned));
            run.post_durably(Event::Stop { error, cause }).await;
        }
        self.describe(arn).map(drop)
    }

    /// Waits for the end of an execution.
    pub async fn wait(&self, arn: &str) -> Result<Description, ServiceError> {
        if let Some(run) = self.inner.runs.get(arn) {
            run.wait().await;
        }
        self.describe(arn)
    }

    /// Describes an execution.
    pub fn describe(&self, arn: &str) -> Result<Description, ServiceError> {
        self.inner.describe(arn)
    }

    /// All events of an execution, in the shape of GetExecutionHistory.
    pub fn history(&self, arn: &str) -> Result<Vec<serde_json::Value>, ServiceError> {
        let events = self.inner.history(arn)?;
        Ok(events.iter().map(|event| event.to_json().into()).collect())
    }

    /// Task states of a machine whose Resource the local cloud cannot call, as `State: resource`.
    pub fn unsupported(&self, machine_arn: &str) -> Result<Vec<String>, ServiceError> {
        let machine = self.inner.machine(machine_arn)?;
        Ok(integrations::unsupported(&machine.row.definition))
    }

    /// Stops working; what runs is kept in the log and goes on at the next start.
    pub fn shutdown(&self) {
        self.inner.closed.store(true, Ordering::Release);
        self.ticking.abort();
        for run in self.inner.runs.clear() {
            run.abandon();
        }
        self.inner.store.close();
    }
}

/// Why the service could not start.
#[derive(Debug, thiserror::Error)]
pub enum SfnError {
    /// The history cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A definition in the stack is invalid.
    #[error("state machine {name}{}: {invalid}", source_file(.file))]
    Definition {
        /// The machine's name.
        name: String,
        /// The file of its definition.
        file: Option<std::path::PathBuf>,
        /// All findings.
        invalid: asl::Invalid,
    },
}

fn source_file(file: &Option<std::path::PathBuf>) -> String {
    file.as_ref()
        .map(|file| format!(" ({})", file.display()))
        .unwrap_or_default()
}

/// How an execution is to be started.
struct Launch {
    machine: asl::StateMachine,
    definition: Option<String>,
    start: Start,
    parent: Option<Parent>,
}

impl Inner {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    async fn register(&self, stack: &Stack) -> Result<(), SfnError> {
        for row in self.store.machines()? {
            // A machine of an earlier version of the stack may no longer compile; it is created anew below.
            if let Ok(compiled) = asl::StateMachine::parse(&row.definition) {
                self.insert_machine(row, compiled);
            }
        }
        for row in self.store.activities()? {
            self.activities.create(row);
        }
        let now = self.clock.now();
        for machine in &stack.state_machines {
            let compiled = asl::StateMachine::parse(&machine.definition).map_err(|invalid| {
                SfnError::Definition {
                    name: machine.name.clone(),
                    file: machine.source.clone(),
                    invalid,
                }
            })?;
            let kind = match machine.kind {
                stack::StateMachineKind::Standard => "STANDARD",
                stack::StateMachineKind::Express => "EXPRESS",
            };
            let row = MachineRow {
                arn: machine.arn.clone(),
                name: machine.name.clone(),
                kind: kind.to_owned(),
                role_arn: machine.role_arn.clone(),
                definition: machine.definition.clone(),
                revision: "INITIAL".to_owned(),
                created: now,
                updated: now,
            };
            self.store.put_machine(row.clone()).await?;
            self.insert_machine(row, compiled);
        }
        for activity in &stack.activities {
            let row = ActivityRow {
                arn: activity.arn.clone(),
                name: activity.name.clone(),
                created: now,
            };
            self.store.put_activity(row.clone()).await?;
            self.activities.create(row);
        }
        Ok(())
    }

    fn insert_machine(&self, row: MachineRow, compiled: asl::StateMachine) -> Arc<Machine> {
        let machine = Arc::new(Machine {
            hash: definition_hash(&row.definition),
            row,
            compiled,
        });
        let mut machines = self
            .machines
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        machines.insert(machine.row.arn.clone(), machine.clone());
        machine
    }

    fn machine(&self, arn: &str) -> Result<Arc<Machine>, ServiceError> {
        let machines = self.machines.read().unwrap_or_else(PoisonError::into_inner);
        machines.get(arn).cloned().ok_or_else(|| {
            ServiceError::new(
                "StateMachineDoesNotExist",
                format!("State Machine Does Not Exist: '{arn}'"),
            )
        })
    }

    /// Starts an execution of a registered machine. A name makes it idempotent, as StartExecution is:
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    async fn start_execution(
        self: &Arc<Self>,
        machine_arn: &str,
        name: Option<&str>,
        input: asl::Value,
    ) -> Result<Arc<Run>, ServiceError> {
        let machine = self.machine(machine_arn)?;
        let unique = uuid::Uuid::new_v4();
        let name = name.map_or_else(|| unique.to_string(), str::to_owned);
        let machine_name = &machine.row.name;
        let arn = match machine.kind() {
            ExecutionType::Standard => self
                .local
                .arn("states", &format!("execution:{machine_name}:{name}")),
            ExecutionType::Express => self
                .local
                .arn("states", &format!("express:{machine_name}:{name}:{unique}")),
        };
        if let Some(existing) = self.existing(&arn)? {
            let same = matches!(existing.status, Status::Running) && existing.input == input;
            return match self.runs.get(&arn).filter(|_| same) {
                Some(run) => Ok(run),
                None => Err(already_exists(&arn)),
            };
        }
        let start = Start {
            arn: arn.as_str().into(),
            name: name.into(),
            role_arn: machine.row.role_arn.as_str().into(),
            state_machine_arn: machine.row.arn.as_str().into(),
            state_machine_name: machine_name.as_str().into(),
            kind: machine.kind(),
            input,
            // Half of a random UUID is 64 bits of which 62 are random.
            seed: unique.as_u64_pair().1,
            limits: None,
        };
        self.store
            .put_definition(&machine.hash, &machine.row.definition)
            .map_err(internal)?;
        let launch = Launch {
            machine: machine.compiled.clone(),
            definition: Some(machine.hash.clone()),
            start,
            parent: None,
        };
        self.launch(launch).await
    }

    fn existing(&self, arn: &str) -> Result<Option<Description>, ServiceError> {
        match self.describe(arn) {
            Ok(description) => Ok(Some(description)),
            Err(error) if error.code == "ExecutionDoesNotExist" => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Starts an execution: it is in the store before anything is done for it.
    async fn launch(self: &Arc<Self>, launch: Launch) -> Result<Arc<Run>, ServiceError> {
        let Launch {
            machine,
            definition,
            start,
            parent,
        } = launch;
        let busy = self.clock.busy();
        let now = self.clock.now();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let durable = start.kind == ExecutionType::Standard;
        let row = durable.then(|| ExecutionRow {
            id,
            start: start.clone(),
            definition,
            parent: parent.as_ref().map(|parent| parent.arn.to_string()),
            map_run: parent.as_ref().map(|parent| parent.map_run.to_string()),
            started: now,
            stopped: None,
            status: Status::Running,
        });
        let (execution, commands) = Execution::start(&machine, start.clone(), now);
        let parts = Parts {
            id,
            start,
            parent,
            started: now,
            durable,
            execution,
            logged: 0,
            last: now,
        };
        let run = Run::new(self, parts);
        if !self.runs.insert(&run) {
            return Err(already_exists(&run.start.arn));
        }
        if let Some(row) = row {
            self.store.begin(row).await.map_err(internal)?;
        }
        run.settle(self, commands);
        run.release(self, busy);
        Ok(run)
    }

    /// Goes on with what was running. Children of Distributed Maps are found by their parents.
    async fn recover(self: &Arc<Self>) -> Result<(), SfnError> {
        let running = self.store.running()?;
        for row in running.iter().filter(|row| row.parent.is_none()) {
            match self.machine_of(row) {
                Ok(machine) => self.resume(row.clone(), machine, None).await?,
                Err(error) => {
                    tracing::error!(execution = %row.start.arn, %error, "the execution cannot go on; it counts as aborted");
                    let status = Status::Aborted {
                        error: Some("States.Runtime".into()),
                        cause: Some(error.message.into()),
                    };
                    self.store.end(row.id, self.clock.now(), &status)?;
                }
            }
        }
        Ok(())
    }

    async fn resume(
        self: &Arc<Self>,
        row: ExecutionRow,
        machine: asl::StateMachine,
        parent: Option<Parent>,
    ) -> Result<(), SfnError> {
        let busy = self.clock.busy();
        let events = self.store.events(row.id)?;
        let logged = events.len() as i64;
        let mut replay = Replay::new(&machine, row.start.clone(), row.started, events, |_| {});
        let outstanding = replay.outstanding();
        let run = Run::new(
            self,
            Parts {
                id: row.id,
                start: row.start,
                parent,
                started: row.started,
                durable: true,
                execution: replay.execution,
                logged,
                last: replay.last,
            },
        );
        run.skip_published();
        self.runs.insert(&run);
        tracing::info!(execution = %run.start.arn, events = logged, outstanding = outstanding.len(), "goes on");
        if matches!(run.status(), Status::Running) {
            for (command, progress) in outstanding {
                self.take_up(&run, command, progress);
            }
        } else {
            run.settle(self, Vec::new());
        }
        run.release(self, busy);
        Ok(())
    }

    /// The machine of a recorded execution: its own definition, or a part of its parent's.
    fn machine_of(&self, row: &ExecutionRow) -> Result<asl::StateMachine, ServiceError> {
        if let Some(hash) = &row.definition {
            let text = self
                .store
                .definition(hash)
                .map_err(internal)?
                .unwrap_or_default();
            return asl::StateMachine::parse(&text)
                .map_err(|invalid| ServiceError::new("InvalidDefinition", invalid.to_string()));
        }
        let parent = row
            .parent
            .as_deref()
            .map(|arn| self.store.execution(arn))
            .transpose()
            .map_err(internal)?;
        let parent = parent.flatten().ok_or_else(|| not_found(&row.start.arn))?;
        let mut found = None;
        self.replay(&parent, |command| {
            if let Command::StartChild { child, .. } = command
                && child.start.arn == row.start.arn
            {
                found = Some(child.machine.clone());
            }
        })?;
        found.ok_or_else(|| not_found(&row.start.arn))
    }

    fn replay(
        &self,
        row: &ExecutionRow,
        seen: impl FnMut(&Command),
    ) -> Result<Replay, ServiceError> {
        let machine = self.machine_of(row)?;
        let events = self.store.events(row.id).map_err(internal)?;
        Ok(Replay::new(
            &machine,
            row.start.clone(),
            row.started,
            events,
            seen,
        ))
    }

    fn describe(&self, arn: &str) -> Result<Description, ServiceError> {
        if let Some(run) = self.runs.get(arn) {
            return Ok(Description {
                arn: arn.to_owned(),
                name: run.start.name.to_string(),
                state_machine_arn: run.start.state_machine_arn.to_string(),
                status: run.status(),
                input: run.start.input.clone(),
                started: run.started,
                stopped: run.stopped(),
                map_run: run.parent.as_ref().map(|parent| parent.map_run.to_string()),
            });
        }
        let row = self
            .store
            .execution(arn)
            .map_err(internal)?
            .ok_or_else(|| not_found(arn))?;
        Ok(Description::from(row))
    }

    fn history(&self, arn: &str) -> Result<Vec<asl::HistoryEvent>, ServiceError> {
        if let Some(run) = self.runs.get(arn) {
            return Ok(run.history());
        }
        let row = self
            .store
            .execution(arn)
            .map_err(internal)?
            .ok_or_else(|| not_found(arn))?;
        Ok(self.replay(&row, |_| {})?.execution.history().to_vec())
    }

    /// Carries out a command.
    fn perform(self: &Arc<Self>, run: &Arc<Run>, command: Command) {
        match command {
            Command::CancelTask { id } => run.cancel(id),
            Command::CancelTimer { id } => run.cancel_timer(self, id),
            Command::StopChild { id } => run.stop_child(id),
            begin => self.take_up(run, begin, Progress::default()),
        }
    }

    /// Carries out a command that begins something, or goes on with it after a restart.
    fn take_up(self: &Arc<Self>, run: &Arc<Run>, command: Command, progress: Progress) {
        let (sfn, owner) = (self.clone(), run.clone());
        match command {
            Command::ScheduleTask(task) => integrations::schedule(self, run, task, progress),
            Command::StartTimer { id, at } => run.start_timer(self, id, at),
            Command::ReadItems { id, reader } => {
                let busy = self.clock.busy();
                let work = async move {
                    let result = map_run::read_items(&sfn, &reader).await;
                    owner.post(Event::ItemsRead { id, result });
                    drop(busy);
                };
                run.track(id, None, || Some(self.runtime.spawn(work).abort_handle()));
            }
            Command::WriteResults {
                id,
                writer,
                results,
            } => {
                let busy = self.clock.busy();
                let work = async move {
                    let result = map_run::write_results(&sfn, &writer, &results).await;
                    owner.post(Event::ResultsWritten { id, result });
                    drop(busy);
                };
                run.track(id, None, || Some(self.runtime.spawn(work).abort_handle()));
            }
            Command::StartChild { id, child } => {
                let busy = self.clock.busy();
                self.runtime.spawn(async move {
                    sfn.start_child(&owner, id, child, progress).await;
                    drop(busy);
                });
            }
            // These end something; `perform` has carried them out, and replay leaves none over.
            Command::CancelTask { .. }
            | Command::CancelTimer { .. }
            | Command::StopChild { .. } => {}
        }
    }

    async fn start_child(
        self: &Arc<Self>,
        run: &Arc<Run>,
        id: ChildId,
        child: Box<Child>,
        progress: Progress,
    ) {
        let arn = child.start.arn.clone();
        let parent = Parent {
            run: Arc::downgrade(run),
            arn: run.start.arn.clone(),
            child: id,
            map_run: child.map_run_arn.clone(),
        };
        let known = if progress.replayed {
            self.store.execution(&arn)
        } else {
            Ok(None)
        };
        let outcome = match known {
            Ok(Some(row)) if row.stopped.is_some() => {
                run.post(Event::ChildFinished {
                    id,
                    status: row.status,
                });
                return;
            }
            Ok(Some(row)) => self
                .resume(row, child.machine, Some(parent))
                .await
                .map_err(|error| error.to_string()),
            Ok(None) => self.launch_child(child, parent).await,
            Err(error) => Err(error.to_string()),
        };
        match outcome {
            Ok(()) => {
                if let Some(started) = self.runs.get(&arn) {
                    run.adopt(id, &started);
                    if progress.stopped {
                        run.stop_child(id);
                    }
                }
            }
            Err(message) => {
                let cause = Some(message.into());
                let status = Status::Failed {
                    error: Some("States.Runtime".into()),
                    cause,
                };
                run.post(Event::ChildFinished { id, status });
            }
        }
    }

    async fn launch_child(
        self: &Arc<Self>,
        child: Box<Child>,
        parent: Parent,
    ) -> Result<(), String> {
        let launch = Launch {
            machine: child.machine,
            definition: None,
            start: child.start,
            parent: Some(parent),
        };
        self.launch(launch)
            .await
            .map(drop)
            .map_err(|error| error.message)
    }
}

impl From<ExecutionRow> for Description {
    fn from(row: ExecutionRow) -> Description {
        Description {
            arn: row.start.arn.to_string(),
            name: row.start.name.to_string(),
            state_machine_arn: row.start.state_machine_arn.to_string(),
            status: row.status,
            input: row.start.input,
            started: row.started,
            stopped: row.stopped,
            map_run: row.map_run,
        }
    }
}

impl Description {
    /// `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
    pub fn status_name(&self) -> &'static str {
        status_name(&self.status)
    }
}

fn status_name(status: &Status) -> &'static str {
    match status {
        Status::Running => "RUNNING",
        Status::Succeeded { .. } => "SUCCEEDED",
        Status::Failed { .. } => "FAILED",
        Status::TimedOut { .. } => "TIMED_OUT",
        Status::Aborted { .. } => "ABORTED",
    }
}

fn definition_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn internal(error: impl std::fmt::Display) -> ServiceError {
    ServiceError::with_status(500, "InternalServerError", error.to_string())
}

fn not_found(arn: &str) -> ServiceError {
    ServiceError::new(
        "ExecutionDoesNotExist",
        format!("Execution Does Not Exist: '{arn}'"),
    )
}

fn already_exists(arn: &str) -> ServiceError {
    ServiceError::new(
        "ExecutionAlreadyExists",
        format!("Execution Already Exists: '{arn}'"),
    )
}
