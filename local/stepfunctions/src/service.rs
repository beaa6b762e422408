//! The service as its callers in this process have it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use asl::{Event, MapRunUpdate, Timestamp};
use cloud::compute::Compute;
use cloud::config::Local;
use cloud::error::ServiceError;
use stack::Stack;
use tokio::task::JoinHandle;

use crate::clock::{Clock, ClockMode};
use crate::description::ExecutionDescription;
use crate::engine::Engine;
use crate::errors::{SfnError, internal};
use crate::folder::DATABASE;
use crate::launch::StartRequest;
use crate::outside::Outside;
use crate::run::Posted;
use crate::store::{Durability, Store};
use crate::subscribers::ExecutionEvent;
use crate::test_cases::TestCases;

/// How the service runs.
#[derive(Debug, Default)]
pub struct Options {
    /// Which clock executions see.
    pub mode: ClockMode,
    /// What the history survives.
    pub durability: Durability,
    /// What answers calls of states in place of the local services.
    pub outside: Option<Arc<dyn Outside>>,
    /// The test cases that executions can be started as.
    pub test_cases: Option<Arc<dyn TestCases>>,
}

/// The local Step Functions service. Clones share it.
#[derive(Clone)]
pub struct Sfn {
    pub(crate) engine: Arc<Engine>,
    ticking: Arc<JoinHandle<()>>,
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
        options: Options,
    ) -> Result<Sfn, SfnError> {
        let Options {
            mode,
            durability,
            outside,
            test_cases,
        } = options;
        let store = Store::open(&local.data_dir.join(DATABASE), durability)?;
        let next_id = store.last_id()? + 1;
        let clock = Clock::new(mode, compute.processes.work.clone());
        let engine = Engine::new(
            compute,
            local,
            store,
            clock.clone(),
            outside,
            test_cases,
            next_id,
        );
        let engine = Arc::new(engine);
        engine.register(stack).await?;
        let ticking = Arc::new(tokio::spawn(clock.run()));
        Ok(Sfn { engine, ticking })
    }

    /// Goes on with every execution that was running when the last process ended. Requests wait until
    /// this is done, once.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn recover(&self) -> Result<(), SfnError> {
        self.engine.recover().await?;
        // Only the first time is there anybody to tell.
        let _ = self.engine.recovered.set(());
        Ok(())
    }

    /// Moves the clock that executions see forward.
    pub fn skip(&self, by: Duration) {
        self.engine.clock.skip(by);
    }

    /// Removes executions in the background once they have been over for `keep`.
    pub fn keep_for(&self, keep: Duration) {
        self.engine.keep_for(keep);
    }

    /// Removes the executions that ended before a moment; how many.
    ///
    /// # Errors
    /// The history cannot be written.
    pub async fn remove_ended(&self, before: Timestamp) -> Result<usize, ServiceError> {
        let remove = move |engine: &Arc<Engine>| engine.forget_ended(before);
        self.engine.apart(remove).await
    }

    /// A receiver of every history event as it is recorded, child executions' included.
    pub fn subscribe(&self) -> tokio::sync::mpsc::UnboundedReceiver<ExecutionEvent> {
        self.engine.subscribers.add()
    }

    /// Starts an execution; the ARN. Without a name one is made.
    pub async fn start_execution(
        &self,
        machine_arn: &str,
        name: Option<&str>,
        input: asl::Value,
    ) -> Result<String, ServiceError> {
        self.engine.recovered().await;
        let request = StartRequest {
            machine: machine_arn,
            name,
            input: input.into(),
            trace: None,
            call: None,
        };
        let run = self.engine.start(request).await?;
        Ok(run.start.arn.to_string())
    }

    /// Stops an execution; returns once that is in the log.
    pub async fn stop_execution(
        &self,
        arn: &str,
        error: Option<&str>,
        cause: Option<&str>,
    ) -> Result<(), ServiceError> {
        self.engine.recovered().await;
        let (error, cause) = (error.map(str::to_owned), cause.map(str::to_owned));
        self.engine
            .stop_execution(arn, error, cause)
            .await
            .map(drop)
    }

    /// Waits for the end of an execution.
    pub async fn wait(&self, arn: &str) -> Result<ExecutionDescription, ServiceError> {
        self.engine.recovered().await;
        if let Some(run) = self.engine.runs.get(arn) {
            run.wait().await;
        }
        self.describe(arn)
    }

    /// Describes an execution.
    pub fn describe(&self, arn: &str) -> Result<ExecutionDescription, ServiceError> {
        self.engine.describe(arn)
    }

    /// All events of an execution, in the shape of GetExecutionHistory.
    pub async fn history(&self, arn: &str) -> Result<Vec<serde_json::Value>, ServiceError> {
        let render = |events: &[asl::HistoryEvent]| {
            let events = events.iter().map(|event| event.to_json().into());
            events.collect()
        };
        self.engine.history(arn, render).await
    }

    /// Resolves when nothing can happen any more by itself: on the virtual clock, with no timer set and nothing
    /// going on. On the real clock somebody may always call, so it never does.
    pub async fn stalled(&self) {
        self.engine.clock.stalled().await;
    }

    /// Stops working; what runs is kept in the log and goes on at the next start.
    pub fn shutdown(&self) {
        self.engine.closed.store(true, Ordering::Release);
        self.ticking.abort();
        for run in self.engine.runs.clear() {
            run.abandon();
        }
        self.engine.store.close();
    }
}

impl Engine {
    /// Changes the limits of a Map Run; returns once that is in the log.
    pub(crate) async fn update_map_run(
        &self,
        execution: &str,
        map_run: String,
        update: MapRunUpdate,
    ) -> Result<(), ServiceError> {
        let Some(run) = self.runs.get(execution) else {
            return Ok(());
        };
        match run
            .post_durably(Event::MapRunUpdated { map_run, update })
            .await
        {
            // One that has ended meanwhile has no use for it.
            Posted::Heard | Posted::Late => Ok(()),
            Posted::Refused(reason) => Err(internal(reason)),
        }
    }

    /// Stops an execution; when it ended, which may have been before.
    pub(crate) async fn stop_execution(
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
}
