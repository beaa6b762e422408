//! One execution at work: its interpreter, its mailbox, and what it has in flight.
//!
//! Events may arrive from anywhere at any time. They gather in the mailbox; whoever finds the
//! mailbox unattended starts a task that drains it: write the events to the log, apply them, carry
//! out the commands. An execution that only waits has no task and no channel, just this struct.

mod in_flight;
mod mailbox;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use asl::{
    ChildId, Command, Event, EventKind, Execution, HistoryEvent, MapRunReport, Start, StateMachine,
    Status, TaskId, TimerId, Timestamp,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use cloud::work::Busy;

use crate::engine::Engine;
use crate::evaluators::Account;
use crate::runs::Claim;
use crate::store::{Origin, Redrives};
use crate::subscribers::ExecutionEvent;
use crate::test_cases::Invocations;

/// How long a start waits for the first states, so that whoever has started an execution finds it begun.
const SOON: Duration = Duration::from_millis(20);

/// An execution.
pub struct Run {
    /// Number within the store.
    pub id: i64,
    /// How it was started.
    pub start: Start,
    /// Parent execution of a Distributed Map's child.
    pub parent: Option<Parent>,
    /// What its start named besides.
    pub origin: Origin,
    /// When it started.
    pub started: Timestamp,
    /// Whether its log is kept: Standard executions' are.
    pub durable: bool,
    /// How it was redriven.
    pub redrives: Redrives,
    /// The calls that it has made, where they are mocked.
    pub invocations: Invocations,
    engine: Weak<Engine>,
    account: Arc<Account>,
    /// Belongs to whoever attends the mailbox, for as long as an evaluation takes; nobody else waits for it. None
    /// before the first and after the last.
    interpreter: Mutex<Option<Execution>>,
    state: Mutex<State>,
    ended: Notify,
}

/// Whom a child execution reports to.
pub struct Parent {
    /// The execution with the Map state.
    pub run: Weak<Run>,
    /// Its ARN.
    pub arn: Arc<str>,
    /// The child's number there.
    pub child: ChildId,
    /// ARN of the Map Run.
    pub map_run: Arc<str>,
}

struct State {
    status: Status,
    /// What the interpreter has recorded so far.
    history: Vec<HistoryEvent>,
    map_runs: Vec<MapRunReport>,
    inbox: Vec<Letter>,
    attended: bool,
    next_seq: i64,
    published: usize,
    last: Timestamp,
    stopped: Option<Timestamp>,
    /// Why events wait that cannot be written to the log.
    stands_still: Option<Arc<str>>,
    tasks: HashMap<TaskId, InFlight>,
    timers: HashMap<TimerId, Timestamp>,
    children: HashMap<ChildId, Weak<Run>>,
    /// Children that are to stop and are not there yet.
    called_off: HashSet<ChildId>,
}

/// An event on its way to the log.
struct Letter {
    event: Event,
    sender: Option<oneshot::Sender<Posted>>,
}

/// Events that go into the log together.
struct Batch {
    /// Number of the first in the log.
    first: i64,
    events: Vec<(Event, Timestamp)>,
    senders: Vec<Option<oneshot::Sender<Posted>>>,
}

/// What became of an event that was posted durably.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Posted {
    /// It is in the log and has had its effect.
    Heard,
    /// It came too late: the execution, or the task it tells of, had ended.
    Late,
    /// It cannot be written to the log now, for this reason; it is as if it had never been posted.
    Refused(Arc<str>),
}

/// Who waits to be told of an event, and what.
type Answer = (oneshot::Sender<Posted>, Posted);

struct InFlight {
    token: Option<Arc<str>>,
    work: Option<AbortHandle>,
}

/// An execution's parts at its start or after its replay.
pub struct Parts {
    /// Number within the store.
    pub id: i64,
    /// How it was started.
    pub start: Start,
    /// Parent of a Distributed Map's child.
    pub parent: Option<Parent>,
    /// What its start named besides.
    pub origin: Origin,
    /// When it started.
    pub started: Timestamp,
    /// Whether its log is kept.
    pub durable: bool,
    /// The interpreter, if it has begun.
    pub execution: Option<Execution>,
    /// What it may take.
    pub account: Arc<Account>,
    /// Number of logged events so far.
    pub logged: i64,
    /// Moment of the last event.
    pub last: Timestamp,
    /// How it was redriven.
    pub redrives: Redrives,
    /// The calls that it has made, where they are mocked.
    pub invocations: Invocations,
}

impl Run {
    /// An execution whose mailbox is attended by the caller, who must end with [`Run::release`]. It
    /// takes the place that was claimed for it among the runs.
    pub fn new(engine: &Arc<Engine>, claim: Claim<'_>, parts: Parts) -> Arc<Run> {
        let execution = parts.execution.as_ref();
        let state = State {
            status: execution.map_or(Status::Running, |execution| execution.status().clone()),
            history: execution.map_or_else(Vec::new, |execution| execution.history().to_vec()),
            map_runs: execution.map_or_else(Vec::new, |execution| execution.map_runs().to_vec()),
            inbox: Vec::new(),
            attended: true,
            next_seq: parts.logged,
            published: 0,
            last: parts.last,
            stopped: None,
            stands_still: None,
            tasks: HashMap::new(),
            timers: HashMap::new(),
            children: HashMap::new(),
            called_off: HashSet::new(),
        };
        let run = Arc::new(Run {
            id: parts.id,
            start: parts.start,
            parent: parts.parent,
            origin: parts.origin,
            started: parts.started,
            durable: parts.durable,
            redrives: parts.redrives,
            invocations: parts.invocations,
            engine: Arc::downgrade(engine),
            account: parts.account,
            interpreter: Mutex::new(parts.execution),
            state: Mutex::new(state),
            ended: Notify::new(),
        });
        claim.fill(&run);
        run
    }

    /// The first execution above a child of a Distributed Map.
    pub fn ancestor(&self) -> Option<Arc<Run>> {
        let parent = self.parent.as_ref()?.run.upgrade()?;
        Some(parent.ancestor().unwrap_or(parent))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Lets the interpreter work where that holds up nobody; none if it panicked.
    async fn evaluate(
        self: &Arc<Run>,
        engine: &Engine,
        work: impl FnOnce(&Run) -> Vec<Command> + Send + 'static,
    ) -> Option<Vec<Command>> {
        let run = self.clone();
        let commands = engine
            .evaluators
            .run(&self.account, move || work(&run))
            .await;
        if commands.is_none() {
            tracing::error!(execution = %self.start.arn, "the interpreter has failed; the execution stands still");
        }
        commands
    }

    fn interpreter(&self) -> MutexGuard<'_, Option<Execution>> {
        self.interpreter.lock()
    }

    /// Starts the interpreter.
    fn start(&self, machine: &StateMachine) -> Vec<Command> {
        let (execution, commands) = Execution::start(machine, self.start.clone(), self.started);
        self.show(&execution);
        *self.interpreter() = Some(execution);
        commands
    }

    fn apply(&self, events: Vec<(Event, Timestamp)>) -> Vec<Command> {
        let mut interpreter = self.interpreter();
        let Some(execution) = interpreter.as_mut() else {
            return Vec::new();
        };
        let mut commands = Vec::new();
        for (event, at) in events {
            commands.extend(execution.apply(event, at));
        }
        self.show(execution);
        commands
    }

    /// Shows to others what the interpreter has come to.
    fn show(&self, execution: &Execution) {
        let mut state = self.lock();
        let known = state.history.len();
        // Both only grow, and the one is copied from the other.
        let news = execution.history().get(known..).unwrap_or_default();
        state.history.extend_from_slice(news);
        state.map_runs = execution.map_runs().to_vec();
        state.status = execution.status().clone();
    }

    /// Begins a new execution. Returns when its first states are done, or soon if they take long.
    pub async fn begin(self: &Arc<Run>, engine: &Arc<Engine>, machine: StateMachine, busy: Busy) {
        let (run, inner) = (self.clone(), engine.clone());
        let first = async move {
            let start = move |run: &Run| run.start(&machine);
            if let Some(commands) = run.evaluate(&inner, start).await {
                run.settle(&inner, commands);
                run.release(&inner, busy);
            }
        };
        if self.account.is_quick() {
            first.await;
        } else {
            // It goes on when nobody waits for it any more.
            let _ = tokio::time::timeout(SOON, engine.runtime.spawn(first)).await;
        }
    }

    fn forget_token(&self, task: Option<InFlight>) {
        if let (Some(token), Some(engine)) =
            (task.and_then(|task| task.token), self.engine.upgrade())
        {
            engine.tokens.remove(&token);
        }
    }

    /// Tells subscribers what happened, ends the execution if it is over, else carries out the commands.
    pub fn settle(self: &Arc<Run>, engine: &Arc<Engine>, commands: Vec<Command>) {
        if engine.is_closed() {
            // An evaluation may have outlasted the service. The next start finds all this in the log.
            return;
        }
        let doomed = self.publish(engine);
        if !matches!(self.status(), Status::Running) {
            self.end(engine);
        } else if doomed {
            // What the state asks for is not begun.
            self.post(Event::Stop {
                error: None,
                cause: None,
            });
        } else {
            commands
                .into_iter()
                .for_each(|command| engine.perform(self, command));
        }
    }

    /// Tells of what is new; whether the execution is to end here.
    fn publish(&self, engine: &Engine) -> bool {
        let mut state = self.lock();
        let news = state.published..state.history.len();
        state.published = news.end;
        let news = &state.history[news];
        self.keep_map_runs(engine, news);
        engine.subscribers.change();
        if !engine.subscribers.is_empty() {
            for event in news {
                engine.subscribers.send(&ExecutionEvent {
                    execution_arn: self.start.arn.to_string(),
                    event: event.to_json().into(),
                });
            }
        }
        engine.is_doomed(self, news)
    }

    /// Keeps which Map Runs are of this execution. Not awaited: the log already implies it, recovery finds it again.
    fn keep_map_runs(&self, engine: &Engine, events: &[HistoryEvent]) {
        for event in events {
            if let EventKind::MapRunStarted { arn } = &event.kind
                && let Err(error) = engine.store.put_map_run(arn, self.id)
            {
                tracing::error!(execution = %self.start.arn, %error, "a Map Run was not recorded; a restart finds it again");
            }
        }
    }

    fn end(self: &Arc<Run>, engine: &Arc<Engine>) {
        let mut state = self.lock();
        let stopped = state.last;
        state.stopped = Some(stopped);
        state.inbox.clear();
        let (tasks, timers) = (
            std::mem::take(&mut state.tasks),
            std::mem::take(&mut state.timers),
        );
        let children = std::mem::take(&mut state.children);
        let status = state.status.clone();
        let history = state.history.len();
        drop(state);
        self.interpreter().take();
        for task in tasks.into_values() {
            if let Some(work) = &task.work {
                work.abort();
            }
            self.forget_token(Some(task));
        }
        for (timer, at) in timers {
            engine.clock.cancel(self.number(), timer, at);
        }
        for child in children.into_values().filter_map(|child| child.upgrade()) {
            child.post(Event::Stop {
                error: None,
                cause: None,
            });
        }
        if self.durable
            && let Err(error) = engine.store.end(self.id, stopped, &status, Some(history))
        {
            tracing::error!(execution = %self.start.arn, %error, "the end was not recorded; a restart finds it again");
        }
        self.tell(stopped, &status);
        if let Some(parent) = &self.parent
            && let Some(run) = parent.run.upgrade()
        {
            run.post(Event::ChildFinished {
                id: parent.child,
                status,
            });
        }
        engine.runs.finished(self);
        engine.subscribers.change();
        engine.has_ended(self);
        self.ended.notify_waiters();
    }

    /// Whether it is one of this state machine's.
    pub fn is_of(&self, machine: &str) -> bool {
        *self.start.state_machine_arn == *machine
    }

    /// Tells how it ended, in a line for people.
    fn tell(&self, stopped: Timestamp, status: &Status) {
        let machine = &self.start.state_machine_name;
        let seconds = (stopped.0 - self.started.0) as f64 / 1e6;
        let why = match status {
            Status::Failed { error, .. } | Status::Aborted { error, .. } => error.as_deref(),
            Status::Running | Status::Succeeded { .. } | Status::TimedOut { .. } => None,
        };
        tracing::info!(
            "execution {} of {machine} {} after {seconds:.1} s{}",
            self.start.name,
            status.name(),
            why.map_or_else(String::new, |error| format!(": {error}")),
        );
    }

    /// Number by which the clock tells executions apart.
    pub fn number(&self) -> u64 {
        self.id.unsigned_abs()
    }

    /// That of its children is the same.
    pub fn account(&self) -> Arc<Account> {
        self.account.clone()
    }

    /// Where the execution stands.
    pub fn status(&self) -> Status {
        self.lock().status.clone()
    }

    /// Why it stands still, if events wait that cannot be written to its log.
    pub fn stands_still(&self) -> Option<Arc<str>> {
        self.lock().stands_still.clone()
    }

    /// When it ended.
    pub fn stopped(&self) -> Option<Timestamp> {
        self.lock().stopped
    }

    /// Looks at the history so far.
    pub fn with_history<T>(&self, look: impl FnOnce(&[asl::HistoryEvent]) -> T) -> T {
        look(&self.lock().history)
    }

    /// Its Map Runs so far.
    pub fn map_runs(&self) -> Vec<MapRunReport> {
        self.lock().map_runs.clone()
    }

    /// Marks the history so far as known to subscribers: after a replay.
    pub fn skip_published(&self, engine: &Engine) {
        let mut state = self.lock();
        self.keep_map_runs(engine, &state.history);
        state.published = state.history.len();
    }

    /// Marks so many events as known to subscribers: those before a redrive.
    pub fn has_published(&self, events: usize) {
        self.lock().published = events;
    }

    /// Waits for the end.
    pub async fn wait(&self) -> Status {
        loop {
            let ended = self.ended.notified();
            tokio::pin!(ended);
            // Registered before the look, so an end in between is not missed.
            ended.as_mut().enable();
            if self.stopped().is_some() {
                return self.status();
            }
            ended.await;
        }
    }

    /// Drops all work without a word: the local cloud shuts down.
    pub fn abandon(&self) {
        let mut state = self.lock();
        state.inbox.clear();
        for task in state.tasks.drain().filter_map(|(_, task)| task.work) {
            task.abort();
        }
    }
}
