//! One execution at work: its interpreter, its mailbox, and what it has in flight.
//!
//! Events may arrive from anywhere at any time. They gather in the mailbox; whoever finds the
//! mailbox unattended starts a task that drains it: write the events to the log, apply them, carry
//! out the commands. An execution that only waits has no task and no channel, just this struct.

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use asl::{
    ChildId, Command, Event, Execution, HistoryEvent, Start, StateMachine, Status, TaskId, TimerId,
    Timestamp,
};
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

use super::clock::Wake;
use super::evaluators::Account;
use super::runs::Claim;
use super::{ExecutionEvent, Inner};
use cloud::work::Busy;

/// Time until a log that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

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
    /// When it started.
    pub started: Timestamp,
    /// Whether its log is kept: Standard executions' are.
    pub durable: bool,
    sfn: Weak<Inner>,
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
}

impl Run {
    /// An execution whose mailbox is attended by the caller, who must end with [`Run::release`]. It
    /// takes the place that was claimed for it among the runs.
    pub fn new(sfn: &Arc<Inner>, claim: Claim<'_>, parts: Parts) -> Arc<Run> {
        let execution = parts.execution.as_ref();
        let state = State {
            status: execution.map_or(Status::Running, |execution| execution.status().clone()),
            history: execution.map_or_else(Vec::new, |execution| execution.history().to_vec()),
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
        };
        let run = Arc::new(Run {
            id: parts.id,
            start: parts.start,
            parent: parts.parent,
            started: parts.started,
            durable: parts.durable,
            sfn: Arc::downgrade(sfn),
            account: parts.account,
            interpreter: Mutex::new(parts.execution),
            state: Mutex::new(state),
            ended: Notify::new(),
        });
        claim.fill(&run);
        run
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Puts an event into the mailbox.
    pub fn post(self: &Arc<Run>, event: Event) {
        self.deliver(event, None);
    }

    /// Puts an event into the mailbox and waits until it is in the log and has had its effect.
    pub async fn post_durably(self: &Arc<Run>, event: Event) -> Posted {
        let (sender, answer) = oneshot::channel();
        self.deliver(event, Some(sender));
        answer.await.unwrap_or(Posted::Late)
    }

    fn deliver(self: &Arc<Run>, event: Event, sender: Option<oneshot::Sender<Posted>>) {
        let Some(sfn) = self.sfn.upgrade().filter(|sfn| !sfn.is_closed()) else {
            return;
        };
        let mut state = self.lock();
        if state.stopped.is_some() {
            return;
        }
        state.inbox.push(Letter { event, sender });
        if !state.attended {
            state.attended = true;
            drop(state);
            let (busy, run) = (sfn.clock.busy(), self.clone());
            sfn.runtime
                .clone()
                .spawn(async move { run.attend(&sfn, busy).await });
        }
    }

    /// Leaves the mailbox to whoever posts next, or to a task if something has come in.
    pub fn release(self: &Arc<Run>, sfn: &Arc<Inner>, busy: Busy) {
        let mut state = self.lock();
        if state.inbox.is_empty() {
            state.attended = false;
            return;
        }
        drop(state);
        let (sfn, run) = (sfn.clone(), self.clone());
        sfn.runtime
            .clone()
            .spawn(async move { run.attend(&sfn, busy).await });
    }

    /// Drains the mailbox until it is empty. What cannot be written now is tried again until it can.
    async fn attend(self: &Arc<Run>, sfn: &Arc<Inner>, _busy: Busy) {
        while let Some(batch) = self.take_inbox(sfn) {
            if self.durable
                && let Err(error) = sfn.store.append(self.id, batch.first, &batch.events).await
            {
                self.stand_still(batch, error.to_string().into());
                tokio::time::sleep(RETRY).await;
                continue;
            }
            let (events, answers) = self.note_all(batch);
            let Some(commands) = self.evaluate(sfn, move |run| run.apply(events)).await else {
                return;
            };
            self.settle(sfn, commands);
            for (sender, posted) in answers {
                // The sender may have gone; the event stands.
                let _ = sender.send(posted);
            }
        }
    }

    fn take_inbox(&self, sfn: &Inner) -> Option<Batch> {
        let mut state = self.lock();
        if state.inbox.is_empty() || state.stopped.is_some() || sfn.is_closed() {
            state.attended = false;
            return None;
        }
        let now = sfn.clock.now().max(state.last);
        state.last = now;
        let letters = std::mem::take(&mut state.inbox).into_iter();
        let (events, senders): (Vec<_>, Vec<_>) = letters
            .map(|letter| ((letter.event, now), letter.sender))
            .unzip();
        let first = state.next_seq;
        state.next_seq += events.len() as i64;
        Some(Batch {
            first,
            events,
            senders,
        })
    }

    /// Takes back what could not be written: who waits for an answer is refused, the rest stays in
    /// the mailbox.
    fn stand_still(&self, batch: Batch, reason: Arc<str>) {
        let mut state = self.lock();
        state.next_seq = batch.first;
        let mut kept = Vec::new();
        for ((event, _), sender) in batch.events.into_iter().zip(batch.senders) {
            match sender {
                // The sender may have gone, which is as good as refused.
                Some(sender) => drop(sender.send(Posted::Refused(reason.clone()))),
                None => kept.push(Letter {
                    event,
                    sender: None,
                }),
            }
        }
        if !kept.is_empty() && state.stands_still.is_none() {
            tracing::error!(execution = %self.start.arn, %reason, "the execution stands still");
            state.stands_still = Some(reason);
        }
        kept.append(&mut state.inbox);
        state.inbox = kept;
    }

    /// Lets go of what the events end; the events, and what is to be told of them.
    fn note_all(&self, batch: Batch) -> (Vec<(Event, Timestamp)>, Vec<Answer>) {
        let mut state = self.lock();
        if state.stands_still.take().is_some() {
            tracing::info!(execution = %self.start.arn, "the execution goes on");
        }
        let mut answers = Vec::new();
        for ((event, _), sender) in batch.events.iter().zip(batch.senders) {
            let heard = self.note(&mut state, event);
            answers.extend(sender.map(|sender| (sender, heard)));
        }
        (batch.events, answers)
    }

    /// Lets the interpreter work where that holds up nobody; none if it panicked.
    async fn evaluate(
        self: &Arc<Run>,
        sfn: &Inner,
        work: impl FnOnce(&Run) -> Vec<Command> + Send + 'static,
    ) -> Option<Vec<Command>> {
        let run = self.clone();
        let commands = sfn.evaluators.run(&self.account, move || work(&run)).await;
        if commands.is_none() {
            tracing::error!(execution = %self.start.arn, "the interpreter has failed; the execution stands still");
        }
        commands
    }

    /// Lets go of what the event ends. Of two answers to one task only the first is heard.
    fn note(&self, state: &mut State, event: &Event) -> Posted {
        let known = match event {
            Event::TaskSucceeded { id, .. }
            | Event::TaskFailed { id, .. }
            | Event::ItemsRead { id, .. }
            | Event::ResultsWritten { id, .. } => {
                let done = state.tasks.remove(id);
                let known = done.is_some();
                self.forget_token(done);
                known
            }
            Event::TaskStarted { id, .. }
            | Event::TaskSubmitted { id, .. }
            | Event::TaskHeartbeat { id } => state.tasks.contains_key(id),
            Event::TimerFired { id } => state.timers.remove(id).is_some(),
            Event::ChildFinished { id, .. } => state.children.remove(id).is_some(),
            Event::Stop { .. } => true,
        };
        if known { Posted::Heard } else { Posted::Late }
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
        state.status = execution.status().clone();
    }

    /// Begins a new execution. Returns when its first states are done, or soon if they take long.
    pub async fn begin(self: &Arc<Run>, sfn: &Arc<Inner>, machine: StateMachine, busy: Busy) {
        let (run, inner) = (self.clone(), sfn.clone());
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
            let _ = tokio::time::timeout(SOON, sfn.runtime.spawn(first)).await;
        }
    }

    fn forget_token(&self, task: Option<InFlight>) {
        if let (Some(token), Some(sfn)) = (task.and_then(|task| task.token), self.sfn.upgrade()) {
            sfn.tokens.remove(&token);
        }
    }

    /// Tells subscribers what happened, ends the execution if it is over, else carries out the commands.
    pub fn settle(self: &Arc<Run>, sfn: &Arc<Inner>, commands: Vec<Command>) {
        if sfn.is_closed() {
            // An evaluation may have outlasted the service. The next start finds all this in the log.
            return;
        }
        self.publish(sfn);
        if matches!(self.status(), Status::Running) {
            commands
                .into_iter()
                .for_each(|command| sfn.perform(self, command));
        } else {
            self.end(sfn);
        }
    }

    fn publish(&self, sfn: &Inner) {
        let mut state = self.lock();
        let news = state.published..state.history.len();
        state.published = news.end;
        if sfn.subscribers.is_empty() {
            return;
        }
        for event in &state.history[news] {
            sfn.subscribers.send(&ExecutionEvent {
                execution_arn: self.start.arn.to_string(),
                event: event.to_json().into(),
            });
        }
    }

    fn end(self: &Arc<Run>, sfn: &Arc<Inner>) {
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
        drop(state);
        self.interpreter().take();
        for task in tasks.into_values() {
            if let Some(work) = &task.work {
                work.abort();
            }
            self.forget_token(Some(task));
        }
        for (timer, at) in timers {
            sfn.clock.cancel(self.number(), timer, at);
        }
        for child in children.into_values().filter_map(|child| child.upgrade()) {
            child.post(Event::Stop {
                error: None,
                cause: None,
            });
        }
        if self.durable
            && let Err(error) = sfn.store.end(self.id, stopped, &status)
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
        sfn.runs.finished(self);
        self.ended.notify_waiters();
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

    /// Notes a task in flight. `work` is called under the lock, so its end cannot be missed.
    pub fn track(
        &self,
        id: TaskId,
        token: Option<Arc<str>>,
        work: impl FnOnce() -> Option<AbortHandle>,
    ) {
        let mut state = self.lock();
        if state.stopped.is_none() {
            let work = work();
            state.tasks.insert(id, InFlight { token, work });
        }
    }

    /// Stops what can be stopped of a task that is no longer wanted.
    pub fn cancel(&self, id: TaskId) {
        let task = self.lock().tasks.remove(&id);
        if let Some(work) = task.as_ref().and_then(|task| task.work.as_ref()) {
            work.abort();
        }
        self.forget_token(task);
    }

    /// Arms a timer.
    pub fn start_timer(self: &Arc<Run>, sfn: &Inner, id: TimerId, at: Timestamp) {
        self.lock().timers.insert(id, at);
        let wake: Arc<dyn Wake> = self.clone();
        sfn.clock
            .start(self.number(), id, at, Arc::downgrade(&wake));
    }

    /// Disarms a timer.
    pub fn cancel_timer(&self, sfn: &Inner, id: TimerId) {
        if let Some(at) = self.lock().timers.remove(&id) {
            sfn.clock.cancel(self.number(), id, at);
        }
    }

    /// Notes a child execution.
    pub fn adopt(&self, id: ChildId, child: &Arc<Run>) {
        self.lock().children.insert(id, Arc::downgrade(child));
    }

    /// Stops a child execution.
    pub fn stop_child(&self, id: ChildId) {
        let child = self.lock().children.get(&id).and_then(Weak::upgrade);
        if let Some(child) = child {
            child.post(Event::Stop {
                error: None,
                cause: None,
            });
        }
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

    /// Marks the history so far as known to subscribers: after a replay.
    pub fn skip_published(&self) {
        let mut state = self.lock();
        state.published = state.history.len();
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

impl Wake for Run {
    fn fire(self: Arc<Self>, timer: TimerId) {
        self.post(Event::TimerFired { id: timer });
    }
}
