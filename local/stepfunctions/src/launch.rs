//! Starting executions.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use asl::{Child, ChildId, Event, ExecutionType, Start, Status, Timestamp};
use cloud::action::StepFunctionsAction as Action;
use cloud::error::ServiceError;
use cloud::faults::Verdict;
use serde_json::Value;

use crate::arns::MachineArn;
use crate::engine::Engine;
use crate::errors::{execution_exists, internal};
use crate::evaluators::Account;
use crate::names::check_name;
use crate::run::{Parent, Parts, Run};
use crate::runs::Claim;
use crate::store::{Definition, ExecutionRow, Origin, Redrives};
use crate::test_cases::{self, Invocations};
use crate::versions::Target;

/// Time until a start that could not be recorded is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The input of an execution.
pub(crate) struct Input {
    value: asl::Value,
    /// As it was sent, where it is not how the value prints.
    text: Option<Arc<str>>,
}

impl Input {
    /// Reads the text of an input.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn parse(text: &str) -> Result<Input, asl::ParseError> {
        let value = asl::Value::parse(text)?;
        let sent = (value.to_string() != text).then(|| text.into());
        Ok(Input { value, text: sent })
    }
}

impl From<asl::Value> for Input {
    fn from(value: asl::Value) -> Input {
        Input { value, text: None }
    }
}

/// What is asked of StartExecution.
pub(crate) struct StartRequest<'a> {
    /// ARN of the state machine, of a version or of an alias, and perhaps `#` and a test case.
    pub machine: &'a str,
    /// Without one a name is made.
    pub name: Option<&'a str>,
    /// The input.
    pub input: Input,
    /// `traceHeader`.
    pub trace: Option<String>,
    /// The call of a Task state.
    pub call: Option<&'a str>,
}

/// What StartExecution answers.
pub(crate) struct Started {
    /// ARN of the execution.
    pub arn: Arc<str>,
    /// When it started.
    pub at: Timestamp,
    /// A fault has lost the start: there is no such execution.
    pub lost: bool,
}

/// How an execution is to be started.
struct Launch {
    machine: asl::StateMachine,
    definition: Option<Definition>,
    start: Start,
    parent: Option<Parent>,
    origin: Origin,
    call: Option<String>,
    account: Arc<Account>,
}

impl Engine {
    /// StartExecution: by the API, or for a call of a Task state, which is given the execution that the same call has
    /// started before a restart, also if it has ended meanwhile.
    pub(crate) async fn start_requested(
        self: &Arc<Self>,
        request: StartRequest<'_>,
        asked: &Value,
    ) -> Result<Started, ServiceError> {
        match self.compute.faults.admit(Action::StartExecution, asked)? {
            Verdict::Proceed => {}
            Verdict::Lose => return Ok(self.lose(&request)),
        }
        request.name.map_or(Ok(()), check_name)?;
        if let Some(call) = request.call
            && let Some(row) = self.store.execution_of_call(call).map_err(internal)?
        {
            return Ok(Started {
                arn: row.start.arn,
                at: row.started,
                lost: false,
            });
        }
        let run = self.start(request).await?;
        Ok(Started {
            arn: run.start.arn.clone(),
            at: run.started,
            lost: false,
        })
    }

    /// The answer to a start that a fault has lost: it names an execution that nobody runs.
    fn lose(&self, request: &StartRequest<'_>) -> Started {
        let (arn, _) = test_cases::split(request.machine);
        let machine = MachineArn::parse(arn).map(|arn| arn.machine);
        let machine = machine.unwrap_or_default().rsplit(':').next();
        let machine = machine.unwrap_or_default();
        let name = request.name.or(request.call).map(str::to_owned);
        let name = name.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let arn = self
            .local
            .arn("states", &format!("execution:{machine}:{name}"));
        Started {
            arn: arn.into(),
            at: self.clock.now(),
            lost: true,
        }
    }

    /// Starts an execution. A name makes it idempotent, as StartExecution is:
    /// <https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html>
    pub(crate) async fn start(
        self: &Arc<Self>,
        request: StartRequest<'_>,
    ) -> Result<Arc<Run>, ServiceError> {
        let (arn, case) = test_cases::split(request.machine);
        let Target {
            machine,
            version,
            alias,
        } = self.target(arn)?;
        self.changeable(&machine.row.arn)?;
        case.map_or(Ok(()), |case| self.check_case(&machine, case))?;
        let case = case.map(str::to_owned);
        let Input { value: input, text } = request.input;
        let unique = uuid::Uuid::new_v4();
        // A name of the call's own, as StartExecution makes one too.
        let given = request.name.or(request.call);
        let name = given.map_or_else(|| unique.to_string(), str::to_owned);
        let machine_name = &machine.row.name;
        let arn: Arc<str> = match machine.row.kind {
            ExecutionType::Standard => self
                .local
                .arn("states", &format!("execution:{machine_name}:{name}")),
            ExecutionType::Express => self
                .local
                .arn("states", &format!("express:{machine_name}:{name}:{unique}")),
        }
        .into();
        let claim = match self.runs.claim(&arn).await {
            Ok(claim) => claim,
            Err(run)
                if run.stopped().is_none()
                    && run.start.input == input
                    && run.origin.case == case =>
            {
                return Ok(run);
            }
            Err(_) => return Err(execution_exists(&arn)),
        };
        // What runs is in memory; what is only in the store has ended.
        if given.is_some() && self.store.execution(&arn).map_err(internal)?.is_some() {
            return Err(execution_exists(&arn));
        }
        let start = Start {
            arn: arn.clone(),
            name: name.into(),
            role_arn: machine.row.role_arn.as_str().into(),
            state_machine_arn: machine.row.arn.as_str().into(),
            state_machine_name: machine_name.as_str().into(),
            kind: machine.row.kind,
            input,
            input_text: text,
            // Half of a random UUID is 64 bits of which 62 are random.
            seed: unique.as_u64_pair().1,
            limits: None,
        };
        let is_stored = machine.stored.load(Ordering::Relaxed);
        let launch = Launch {
            machine: machine.compiled.clone(),
            definition: Some(Definition {
                hash: machine.hash.clone(),
                text: (!is_stored).then(|| machine.row.definition.clone()),
            }),
            start,
            parent: None,
            origin: Origin {
                version,
                alias,
                trace: request.trace,
                case,
            },
            call: request.call.map(str::to_owned),
            account: Account::new(machine.effort.clone()),
        };
        let run = self.launch(claim, launch).await?;
        if run.durable {
            machine.stored.store(true, Ordering::Relaxed);
        }
        Ok(run)
    }

    /// Starts an execution: it is in the store before anything is done for it, or known of it.
    async fn launch(
        self: &Arc<Self>,
        claim: Claim<'_>,
        launch: Launch,
    ) -> Result<Arc<Run>, ServiceError> {
        let Launch {
            machine,
            definition,
            start,
            parent,
            origin,
            call,
            account,
        } = launch;
        let busy = self.clock.busy();
        let now = self.clock.now();
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let durable = start.kind == ExecutionType::Standard;
        if durable {
            let row = ExecutionRow {
                id,
                start: start.clone(),
                definition: definition.as_ref().map(|known| known.hash.clone()),
                parent: parent.as_ref().map(|parent| parent.arn.to_string()),
                map_run: parent.as_ref().map(|parent| parent.map_run.to_string()),
                origin: origin.clone(),
                started: now,
                stopped: None,
                status: Status::Running,
                redrives: Redrives::default(),
                history: None,
            };
            let begun = self.store.begin(row, definition, call).await;
            begun.map_err(internal)?;
        }
        let parts = Parts {
            id,
            start,
            parent,
            origin,
            started: now,
            durable,
            execution: None,
            account,
            logged: 0,
            last: now,
            redrives: Redrives::default(),
            invocations: Invocations::default(),
        };
        let run = Run::new(self, claim, parts);
        run.begin(self, machine, busy).await;
        Ok(run)
    }

    /// Starts a child of a Distributed Map. One that cannot be recorded now is started when it can.
    pub(crate) async fn start_child(
        self: &Arc<Self>,
        run: &Arc<Run>,
        id: ChildId,
        child: Box<Child>,
        stopped: bool,
    ) {
        if stopped {
            run.stop_child(id);
        }
        loop {
            let origin = Origin {
                case: run.origin.case.clone(),
                ..Origin::default()
            };
            let parent = Parent {
                run: Arc::downgrade(run),
                arn: run.start.arn.clone(),
                child: id,
                map_run: child.map_run_arn.clone(),
            };
            let account = run.account();
            let started = match child.redrive {
                0 => self
                    .launch_child(child.clone(), parent, origin, account)
                    .await
                    .map(Some),
                _ => self.redrive_child(&child, parent, origin, account).await,
            };
            match started {
                Ok(Some(started)) => return run.adopt(id, &started),
                // It cannot run again: how it ended stands.
                Ok(None) => return,
                Err(error) if error.status >= 500 => {
                    tracing::error!(execution = %child.start.arn, %error, "not started; tried again");
                    tokio::time::sleep(RETRY).await;
                    if self.is_closed() || run.stopped().is_some() {
                        // The next start finds it in the log of its parent, or nobody wants it any more.
                        return;
                    }
                }
                Err(error) => {
                    let status = Status::Failed {
                        error: Some("States.Runtime".into()),
                        cause: Some(error.message.into()),
                    };
                    return run.post(Event::ChildFinished { id, status });
                }
            }
        }
    }

    pub(crate) async fn launch_child(
        self: &Arc<Self>,
        child: Box<Child>,
        parent: Parent,
        origin: Origin,
        account: Arc<Account>,
    ) -> Result<Arc<Run>, ServiceError> {
        let arn = child.start.arn.clone();
        let Ok(claim) = self.runs.claim(&arn).await else {
            return Err(execution_exists(&arn));
        };
        let launch = Launch {
            machine: child.machine,
            definition: None,
            start: child.start,
            parent: Some(parent),
            origin,
            call: None,
            account,
        };
        self.launch(claim, launch).await
    }
}
