//! Step Functions on one machine: the interpreter of [`asl`] driven by real time and real services.

mod activities;
pub mod api;
mod clock;
mod commands;
mod evaluators;
mod facade;
mod histories;
mod integrations;
mod launch;
mod map_run;
mod outside;
mod recovery;
mod registry;
mod replay;
mod retention;
mod run;
mod runs;
mod store;
mod subscribers;
mod tokens;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use asl::{Event, ExecutionType, Status, Timestamp};
use parking_lot::RwLock;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::sync::SetOnce;
use tokio::task::JoinHandle;

use cloud::compute::Compute;
use cloud::config::Local;
use cloud::error::ServiceError;
use stack::Stack;

pub use clock::ClockMode;
pub use facade::{Cloud, CloudError, Config, ExecutionDescription};
pub use integrations::{CallSite, call_sites, unanswered};
pub use outside::{Outside, OutsideCall, Purpose};
pub use retention::{Removed, remove_ended};
pub use store::{Durability, StoreError};
pub use subscribers::ExecutionEvent;

use activities::Activities;
use clock::Clock;
use evaluators::{Effort, Evaluators};
use histories::Histories;
use registry::compile;
use run::Posted;
use runs::Runs;
use store::{ExecutionRow, MachineRow, Store};
use subscribers::Subscribers;
use tokens::Tokens;

/// The history's file in the data folder.
const DATABASE: &str = "stepfunctions.db";

/// A state machine: what is kept of it, and its compiled definition.
pub struct Machine {
    row: MachineRow,
    hash: String,
    compiled: asl::StateMachine,
    effort: Arc<Effort>,
    /// Whether the store has the definition.
    stored: AtomicBool,
}

impl Machine {
    fn kind(&self) -> ExecutionType {
        api::execution_type(&self.row.kind)
    }
}

/// Everything the parts of this service share.
pub struct Inner {
    local: Local,
    compute: Compute,
    store: Store,
    clock: Arc<Clock>,
    evaluators: Evaluators,
    machines: RwLock<BTreeMap<String, Arc<Machine>>>,
    activities: Activities,
    tokens: Tokens,
    runs: Runs,
    histories: Histories,
    subscribers: Subscribers,
    outside: Option<Arc<dyn Outside>>,
    next_id: AtomicI64,
    recovered: SetOnce<()>,
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
    /// Why it stands still, if its events cannot be recorded at present.
    pub stands_still: Option<String>,
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
        durability: Durability,
        outside: Option<Arc<dyn Outside>>,
    ) -> Result<Sfn, SfnError> {
        let store = Store::open(&local.data_dir.join(DATABASE), durability)?;
        let next_id = AtomicI64::new(store.last_id()? + 1);
        let clock = Clock::new(mode, compute.processes.work.clone());
        let inner = Arc::new(Inner {
            local,
            compute,
            store,
            clock: clock.clone(),
            evaluators: Evaluators::default(),
            machines: RwLock::default(),
            activities: Activities::default(),
            tokens: Tokens::default(),
            runs: Runs::default(),
            histories: Histories::default(),
            subscribers: Subscribers::default(),
            outside,
            next_id,
            recovered: SetOnce::new(),
            closed: AtomicBool::new(false),
            runtime: Handle::current(),
        });
        inner.register(stack).await?;
        let ticking = Arc::new(tokio::spawn(clock.run()));
        Ok(Sfn { inner, ticking })
    }

    /// Goes on with every execution that was running when the last process ended. Requests wait until
    /// this is done, once.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn recover(&self) -> Result<(), SfnError> {
        self.inner.recover().await?;
        // Only the first time is there anybody to tell.
        let _ = self.inner.recovered.set(());
        Ok(())
    }

    /// Removes executions in the background once they have been over for `keep`.
    pub fn keep_for(&self, keep: Duration) {
        self.inner.keep_for(keep);
    }

    /// Removes the executions that ended before a moment; how many.
    ///
    /// # Errors
    /// The history cannot be written.
    pub async fn remove_ended(&self, before: Timestamp) -> Result<usize, ServiceError> {
        let remove = move |sfn: &Arc<Inner>| sfn.forget_ended(before);
        self.inner.apart(remove).await
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
        self.inner.recovered().await;
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
        self.inner.recovered().await;
        let (error, cause) = (error.map(str::to_owned), cause.map(str::to_owned));
        self.inner.stop_execution(arn, error, cause).await.map(drop)
    }

    /// Waits for the end of an execution.
    pub async fn wait(&self, arn: &str) -> Result<Description, ServiceError> {
        self.inner.recovered().await;
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
    pub async fn history(&self, arn: &str) -> Result<Vec<serde_json::Value>, ServiceError> {
        let render = |events: &[asl::HistoryEvent]| {
            let events = events.iter().map(|event| event.to_json().into());
            events.collect()
        };
        self.inner.history(arn, render).await
    }

    /// Resolves when nothing can happen any more by itself: on the virtual clock, with no timer set and nothing
    /// going on. On the real clock somebody may always call, so it never does.
    pub async fn stalled(&self) {
        self.inner.clock.stalled().await;
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

impl Inner {
    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Waits until what was running before has been taken up: who asks before that would be told of
    /// executions and tokens that are not known yet.
    async fn recovered(&self) {
        self.recovered.wait().await;
    }

    /// Stops an execution; when it ended, which may have been before.
    async fn stop_execution(
        &self,
        arn: &str,
        error: Option<String>,
        cause: Option<String>,
    ) -> Result<Timestamp, ServiceError> {
        if let Some(run) = self.runs.get(arn)
            && let Posted::Refused(reason) = run.post_durably(Event::Stop { error, cause }).await
        {
            return Err(internal(reason));
        }
        let description = self.describe(arn)?;
        Ok(description.stopped.unwrap_or_else(|| self.clock.now()))
    }

    /// Does what may take long on a thread where that holds up nobody.
    async fn apart<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Arc<Inner>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let sfn = self.clone();
        let done = self.runtime.spawn_blocking(move || work(&sfn));
        done.await.map_err(internal)?
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
                stands_still: run.stands_still().map(|reason| reason.to_string()),
            });
        }
        let row = self
            .store
            .execution(arn)
            .map_err(internal)?
            .ok_or_else(|| not_found(arn))?;
        Ok(Description::from(row))
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
            stands_still: None,
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
    hex::encode(Sha256::digest(text.as_bytes()))
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
