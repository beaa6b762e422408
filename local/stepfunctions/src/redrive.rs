//! Redrive: a Standard execution that did not succeed goes on where it stopped, under its ARN and with its definition
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html>).
//!
//! Its log is replayed and has one more event, so what is true of every log is true of its: the next start finds it again.

use std::sync::Arc;
use std::time::Duration;

use asl::{Child, Event, ExecutionType, REDRIVABLE_EVENTS, Status, Timestamp};
use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::errors::{internal, no_execution, not_redrivable};
use crate::evaluators::Account;
use crate::replay::Redriven;
use crate::run::{Parent, Parts, Run};
use crate::runs::Claim;
use crate::store::{ExecutionRow, Origin, Redrives};
use crate::test_cases::Invocations;

const DAY: Duration = Duration::from_hours(24);

/// How long after its end an execution can be redriven (same page).
const PERIOD: Duration = DAY.saturating_mul(14);

/// How long an execution may be open
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html#service-limits-state-machine-executions>).
const OPEN: Duration = DAY.saturating_mul(365);

/// How many client tokens of an execution are known, and for how long
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_RedriveExecution.html>).
const TOKENS: usize = 10;
const TOKEN_LIFE: Duration = Duration::from_mins(15);

/// Whether an execution can be redriven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Redrivable {
    Yes,
    /// It is a child of a Map Run, and goes on when that is redriven.
    ByMapRun,
    /// For this reason it cannot.
    No(&'static str),
}

impl Redrivable {
    /// `redriveStatus`.
    pub(crate) fn status(self) -> &'static str {
        match self {
            Redrivable::Yes => "REDRIVABLE",
            Redrivable::ByMapRun => "REDRIVABLE_BY_MAP_RUN",
            Redrivable::No(_) => "NOT_REDRIVABLE",
        }
    }

    /// `redriveStatusReason`.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Redrivable::Yes | Redrivable::ByMapRun => None,
            Redrivable::No(reason) => Some(reason),
        }
    }
}

/// What decides whether an execution can be redriven.
pub(crate) struct Attempt<'a> {
    status: Status,
    machine: &'a str,
    is_child: bool,
    started: Timestamp,
    stopped: Option<Timestamp>,
    events: u64,
}

impl<'a> From<&'a ExecutionRow> for Attempt<'a> {
    fn from(row: &'a ExecutionRow) -> Attempt<'a> {
        Attempt {
            status: row.status.clone(),
            machine: &row.start.state_machine_arn,
            is_child: row.parent.is_some(),
            started: row.started,
            stopped: row.stopped,
            events: row.history.unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a Run> for Attempt<'a> {
    fn from(run: &'a Run) -> Attempt<'a> {
        Attempt {
            status: run.status(),
            machine: &run.start.state_machine_arn,
            is_child: run.parent.is_some(),
            started: run.started,
            stopped: run.stopped(),
            events: run.with_history(|events| events.len() as u64),
        }
    }
}

/// The time since a moment.
fn since(moment: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(u64::try_from(now.0.saturating_sub(moment.0)).unwrap_or_default())
}

impl Engine {
    /// Whether an execution can be redriven now.
    pub(crate) fn redrivable(&self, attempt: &Attempt) -> Redrivable {
        let now = self.clock.now();
        let stopped = match (&attempt.status, attempt.stopped) {
            (Status::Succeeded { .. }, _) => {
                return Redrivable::No("Execution is SUCCEEDED and cannot be redriven");
            }
            (Status::Running, _) | (_, None) => {
                return Redrivable::No("Execution is RUNNING and cannot be redriven");
            }
            (_, Some(stopped)) => stopped,
        };
        if self.deleting.read().contains(attempt.machine) {
            Redrivable::No("State machine is in DELETING status")
        } else if attempt.events >= REDRIVABLE_EVENTS {
            Redrivable::No("Execution history event limit exceeded")
        } else if since(attempt.started, now) > OPEN {
            Redrivable::No("Execution has exceeded the max execution time")
        } else if since(stopped, now) > PERIOD {
            Redrivable::No("Execution redrivable period exceeded")
        } else if attempt.is_child {
            Redrivable::ByMapRun
        } else {
            Redrivable::Yes
        }
    }

    /// RedriveExecution; when the execution was redriven, which a known client token asks for again.
    pub(crate) async fn redrive(
        self: &Arc<Self>,
        arn: &str,
        token: Option<String>,
    ) -> Result<Timestamp, ServiceError> {
        // An end reaches the store a moment after it is told.
        self.store.settled().await.map_err(internal)?;
        if let Some(at) = self.check_redrive(&self.row(arn)?, token.as_deref())? {
            return Ok(at);
        }
        self.runs.forget_ended(arn);
        let Ok(claim) = self.runs.claim(&Arc::from(arn)).await else {
            return Err(not_redrivable(
                "Execution is RUNNING and cannot be redriven",
            ));
        };
        // Somebody else may have been faster.
        let row = self.row(arn)?;
        if let Some(at) = self.check_redrive(&row, token.as_deref())? {
            return Ok(at);
        }
        let machine = self.store.machine_of(&row)?;
        let account = Account::new(self.effort_of(&row));
        let run = self
            .revive(claim, row, machine, None, account, token)
            .await?;
        Ok(run.redrives.last.unwrap_or_else(|| self.clock.now()))
    }

    fn row(&self, arn: &str) -> Result<ExecutionRow, ServiceError> {
        let row = self.store.execution(arn).map_err(internal)?;
        row.ok_or_else(|| no_execution(arn))
    }

    /// When a client token has redriven the execution; none if the execution is to be redriven.
    fn check_redrive(
        &self,
        row: &ExecutionRow,
        token: Option<&str>,
    ) -> Result<Option<Timestamp>, ServiceError> {
        let now = self.clock.now();
        let mut known = row.redrives.tokens.iter();
        let known =
            known.find(|(known, at)| Some(&**known) == token && since(*at, now) <= TOKEN_LIFE);
        if let Some((_, at)) = known {
            return Ok(Some(*at));
        }
        match self.redrivable(&Attempt::from(row)) {
            Redrivable::Yes => Ok(None),
            Redrivable::ByMapRun => Err(not_redrivable(
                "Execution is a child of a Map Run: redrive the execution that has the Map Run",
            )),
            Redrivable::No(reason) => Err(not_redrivable(reason)),
        }
    }

    /// Redrives a child of a Map Run, once the run of it that is there has ended; none if it cannot be, and how it ended
    /// stands.
    pub(crate) async fn redrive_child(
        self: &Arc<Self>,
        child: &Child,
        parent: Parent,
        origin: Origin,
        account: Arc<Account>,
    ) -> Result<Option<Arc<Run>>, ServiceError> {
        let arn = &child.start.arn;
        let claim = self.claim_ended(arn).await;
        if child.start.kind == ExecutionType::Express {
            drop(claim);
            let started = self.launch_child(Box::new(child.clone()), parent, origin, account);
            return started.await.map(Some);
        }
        self.store.settled().await.map_err(internal)?;
        let Some(row) = self.store.execution(arn).map_err(internal)? else {
            // It was called off before it began.
            drop(claim);
            let started = self.launch_child(Box::new(child.clone()), parent, origin, account);
            return started.await.map(Some);
        };
        if self.redrivable(&Attempt::from(&row)) != Redrivable::ByMapRun {
            if let Some(run) = parent.run.upgrade() {
                let (id, status) = (parent.child, row.status);
                run.post(Event::ChildFinished { id, status });
            }
            return Ok(None);
        }
        let machine = child.machine.clone();
        let run = self.revive(claim, row, machine, Some(parent), account, None);
        run.await.map(Some)
    }

    /// The right to make another run of an execution, once the one that there is has ended: it is told to.
    async fn claim_ended(&self, arn: &Arc<str>) -> Claim<'_> {
        loop {
            match self.runs.claim(arn).await {
                Ok(claim) => return claim,
                Err(run) => {
                    run.post(Event::Stop {
                        error: None,
                        cause: None,
                    });
                    run.wait().await;
                    self.runs.forget_ended(arn);
                }
            }
        }
    }

    /// Makes a run of an execution that has ended: it is in the store before anything is done for it.
    async fn revive(
        self: &Arc<Self>,
        claim: Claim<'_>,
        row: ExecutionRow,
        machine: asl::StateMachine,
        parent: Option<Parent>,
        account: Arc<Account>,
        token: Option<String>,
    ) -> Result<Arc<Run>, ServiceError> {
        let busy = self.clock.busy();
        let rebuilt = self.apart(move |engine| {
            let events = engine.store.events(row.id).map_err(internal)?;
            let logged = events.len() as i64;
            let invocations = Invocations::default();
            let mut replay = engine.rebuilt(&row, &machine, events, &invocations);
            let known = replay.execution.history().len();
            let redriven = replay.redrive(engine.clock.now());
            Ok((row, replay, invocations, logged, known, redriven))
        });
        let (row, replay, invocations, logged, known, redriven) = rebuilt.await?;
        let Some(Redriven { events, commands }) = redriven else {
            return Err(not_redrivable("Execution cannot go on from its end"));
        };
        let redrives = counted(row.redrives, replay.last, token);
        let recorded = self.store.redrive(row.id, logged, &events, &redrives);
        recorded.await.map_err(internal)?;
        self.histories.forget(row.id);
        let run = Run::new(
            self,
            claim,
            Parts {
                id: row.id,
                start: row.start,
                parent,
                origin: row.origin,
                started: row.started,
                durable: true,
                last: replay.last,
                execution: Some(replay.execution),
                account,
                logged: logged + events.len() as i64,
                redrives,
                invocations,
            },
        );
        run.has_published(known);
        run.settle(self, commands);
        run.release(self, busy);
        Ok(run)
    }
}

/// One redrive more.
fn counted(before: Redrives, at: Timestamp, token: Option<String>) -> Redrives {
    let Redrives {
        count, mut tokens, ..
    } = before;
    tokens.extend(token.map(|token| (token, at)));
    let surplus = tokens.len().saturating_sub(TOKENS);
    tokens.drain(..surplus);
    Redrives {
        count: count + 1,
        last: Some(at),
        tokens,
    }
}
