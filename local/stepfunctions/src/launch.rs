//! Starting executions.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use asl::{Child, ChildId, Event, Execution, ExecutionType, Start, Status};

use super::replay::Progress;
use super::run::{Parent, Parts, Run};
use super::store::ExecutionRow;
use super::{Inner, already_exists, internal};
use cloud::error::ServiceError;

/// How an execution is to be started.
struct Launch {
    machine: asl::StateMachine,
    definition: Option<String>,
    start: Start,
    parent: Option<Parent>,
}

impl Inner {
    /// Starts an execution of a registered machine. A name makes it idempotent, as StartExecution is:
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    pub(super) async fn start_execution(
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
        if self.is_known(&arn)? {
            return self.same_execution(&arn, &input);
        }
        let again = input.clone();
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
        if !machine.stored.swap(true, Ordering::Relaxed) {
            let (hash, text) = (&machine.hash, &machine.row.definition);
            self.store.put_definition(hash, text).map_err(internal)?;
        }
        let launch = Launch {
            machine: machine.compiled.clone(),
            definition: Some(machine.hash.clone()),
            start,
            parent: None,
        };
        match self.launch(launch).await {
            // Another call with this name was quicker.
            Err(error) if error.code == "ExecutionAlreadyExists" => {
                self.same_execution(&arn, &again)
            }
            outcome => outcome,
        }
    }

    fn is_known(&self, arn: &str) -> Result<bool, ServiceError> {
        match self.describe(arn) {
            Ok(_) => Ok(true),
            Err(error) if error.code == "ExecutionDoesNotExist" => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The execution with that ARN if it runs and has that input: a repeated start gets it again.
    fn same_execution(&self, arn: &str, input: &asl::Value) -> Result<Arc<Run>, ServiceError> {
        let run = self
            .runs
            .get(arn)
            .filter(|run| run.stopped().is_none() && run.start.input == *input);
        run.ok_or_else(|| already_exists(arn))
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

    pub(super) async fn start_child(
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
