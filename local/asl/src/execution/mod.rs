//! The interpreter: one execution of one state machine.
//!
//! An execution is a set of threads ([`frame::Frame`]): one runs the state machine, each Parallel branch and each
//! running Map iteration is another. A thread runs through its states until it has to wait; [`Execution::apply`]
//! lets those go on for which an event has come. There is one file per state type.

mod choice;
mod context;
mod data;
mod end;
mod ending;
mod failure;
mod frame;
mod map;
mod map_run;
mod parallel;
mod pass;
mod retry;
mod task;
pub(crate) mod test_state;
mod wait;

use std::cell::OnceCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::command::{Command, TimerId};
use crate::definition::{Kind, Program, State, StateId, StateMachine};
use crate::event::Event;
use crate::history::{EventKind, HistoryEvent};
use crate::query::Random;
use crate::quota::Limits;
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

use failure::Failure;
use frame::{Activity, Frame, FrameKey, Frames};

type Ids<T> = HashMap<u64, T, foldhash::fast::RandomState>;

/// One execution of a state machine. Holds no clock: time arrives with every call.
#[derive(Debug)]
pub struct Execution {
    machine: StateMachine,
    about: Start,
    limits: Limits,
    started: Timestamp,
    now: Timestamp,
    status: Status,
    history: Vec<HistoryEvent>,
    /// There was no place left in the history for an event.
    full: bool,
    frames: Frames,
    root: FrameKey,
    /// Threads that can go on.
    ready: VecDeque<FrameKey>,
    commands: Vec<Command>,
    tasks: Ids<FrameKey>,
    timers: Ids<TimerUse>,
    children: Ids<FrameKey>,
    last_id: u64,
    random: Random,
    /// `$$.Execution` and `$$.StateMachine`, built when first read.
    identity: OnceCell<(Value, Value)>,
    /// A context object in place of the one that the execution would build.
    context_given: Option<Value>,
}

/// What happens when a timer fires.
#[derive(Clone, Copy, Debug)]
enum TimerUse {
    /// The state machine's TimeoutSeconds.
    Execution,
    Wait(FrameKey),
    Retry(FrameKey),
    /// With the moment at which it fires.
    TaskTimeout(FrameKey, Timestamp),
    TaskHeartbeat(FrameKey),
}

/// How the run of a state went.
enum Step {
    /// It waits for an event.
    Blocked,
    /// It is over.
    Done(Outcome),
}

/// How a state is left.
struct Outcome {
    output: Value,
    assigned: Option<Value>,
    next: Option<StateId>,
    /// It is left by a Catch. Should even that fail, nothing catches it again.
    caught: bool,
}

impl Execution {
    /// Starts an execution; the commands are to be carried out at once.
    pub fn start(
        machine: &StateMachine,
        start: Start,
        now: Timestamp,
    ) -> (Execution, Vec<Command>) {
        let mut execution = Execution::prepared(machine, start, now);
        let started = EventKind::ExecutionStarted {
            input: execution.about.input.clone(),
            role_arn: Arc::clone(&execution.about.role_arn),
        };
        execution.record(0, started);
        if let Some(seconds) = machine.timeout_seconds {
            execution.start_timer(TimerUse::Execution, now.plus_seconds(seconds as f64));
        }
        execution.run();
        let commands = std::mem::take(&mut execution.commands);
        (execution, commands)
    }

    /// An execution before its first event.
    fn prepared(machine: &StateMachine, start: Start, now: Timestamp) -> Execution {
        let mut frames = Frames::default();
        let root = frames.insert(Frame {
            parent: None,
            index: 0,
            state: machine.start,
            input: start.input.clone(),
            variables: Arc::default(),
            last: 0,
            entered_event: 0,
            entered: now,
            retry_count: 0,
            retries: Vec::new(),
            item: None,
            activity: Activity::Entering,
        });
        Execution {
            machine: machine.clone(),
            limits: start.limits.unwrap_or_else(|| Limits::aws(start.kind)),
            random: Random::seeded(start.seed),
            about: start,
            started: now,
            now,
            status: Status::Running,
            history: Vec::new(),
            full: false,
            frames,
            root,
            ready: VecDeque::from([root]),
            commands: Vec::new(),
            tasks: Ids::default(),
            timers: Ids::default(),
            children: Ids::default(),
            last_id: 0,
            identity: OnceCell::new(),
            context_given: None,
        }
    }

    /// Takes note of an event. Unknown ids, ids of what has already ended, and events after the end are ignored.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        if self.status != Status::Running {
            return Vec::new();
        }
        self.now = now;
        match event {
            Event::TaskStarted { id, worker } => self.task_started(id, worker),
            Event::TaskSubmitted { id, output } => self.task_submitted(id, output),
            Event::TaskSucceeded { id, output } => self.task_succeeded(id, output),
            Event::TaskFailed { id, error, cause } => {
                self.task_failed(id, error.into(), cause.map(Arc::from))
            }
            Event::TaskHeartbeat { id } => self.task_heartbeat(id),
            Event::TimerFired { id } => self.timer_fired(id),
            Event::ItemsRead { id, result } => self.items_read(id, result),
            Event::ResultsWritten { id, result } => self.results_written(id, result),
            Event::ChildFinished { id, status } => self.child_finished(id, status),
            Event::Stop { error, cause } => self.stop(error.map(Arc::from), cause.map(Arc::from)),
        }
        self.run();
        std::mem::take(&mut self.commands)
    }

    /// The history so far. It only ever grows.
    pub fn history(&self) -> &[HistoryEvent] {
        &self.history
    }

    /// Where the execution stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// How the execution was started.
    pub fn about(&self) -> &Start {
        &self.about
    }

    /// Lets every thread go on that can, until all wait or the execution has ended.
    fn run(&mut self) {
        let program = Arc::clone(&self.machine.program);
        while let Some(key) = self.ready.pop_front() {
            self.advance(&program, key);
        }
        if self.full && self.status == Status::Running {
            self.history_full();
        }
    }

    /// Runs one thread until it has to wait or ends.
    fn advance(&mut self, program: &Program, key: FrameKey) {
        loop {
            if self.full {
                return;
            }
            let Some(frame) = self.frames.get_mut(key) else {
                return;
            };
            let Some(state) = program.states.get(frame.state as usize) else {
                return;
            };
            if matches!(frame.activity, Activity::Entering) {
                self.enter(key, state);
            }
            let goes_on = match self.execute(key, state) {
                Ok(Step::Blocked) => false,
                Ok(Step::Done(outcome)) => self.leave(program, key, state, outcome),
                Err(failure) => self.fail_state(program, key, state, failure),
            };
            if !goes_on {
                return;
            }
        }
    }

    fn enter(&mut self, key: FrameKey, state: &State) {
        let Some(frame) = self.frames.get(key) else {
            return;
        };
        let entered = EventKind::StateEntered {
            state: state.kind.state_type(),
            name: Arc::clone(&state.name),
            input: frame.input.clone(),
        };
        let id = self.record(frame.last, entered);
        let now = self.now;
        if let Some(frame) = self.frames.get_mut(key) {
            frame.last = id;
            frame.entered_event = id;
            frame.entered = now;
            frame.retry_count = 0;
            frame.retries.clear();
            frame.activity = Activity::Repeating;
        }
    }

    fn execute(&mut self, key: FrameKey, state: &State) -> Result<Step, Failure> {
        match &state.kind {
            Kind::Pass { result } => self.pass(key, state, result.as_ref()),
            Kind::Task(task) => self.task(key, state, task),
            Kind::Choice { rules, default } => self.choice(key, state, rules, *default),
            Kind::Wait(wait) => self.wait(key, state, wait),
            Kind::Succeed => self.succeed(key, state),
            Kind::Fail { error, cause } => self.fail(key, state, error.as_ref(), cause.as_ref()),
            Kind::Parallel { branches } => self.parallel(key, state, branches),
            Kind::Map(map) => match &map.distributed {
                None => self.map(key, state, map),
                Some(distributed) => self.map_run(key, state, map, distributed),
            },
        }
    }

    /// Leaves a state: true when the thread has a next one.
    fn leave(&mut self, program: &Program, key: FrameKey, state: &State, outcome: Outcome) -> bool {
        let Some(frame) = self.frames.get_mut(key) else {
            return false;
        };
        if !outcome.output.same(&frame.input)
            && !data::fits(&outcome.output, self.limits.payload_bytes)
        {
            let failure = Failure::too_large(&state.name);
            if outcome.caught {
                self.thread_failed(program, key, failure);
                return false;
            }
            return self.fail_state(program, key, state, failure);
        }
        let assigned = match outcome.assigned {
            Some(Value::Object(assigned)) if !assigned.is_empty() => {
                let variables = Arc::make_mut(&mut frame.variables);
                for (name, value) in assigned.iter() {
                    variables.insert(Arc::clone(name), value.clone());
                }
                Some(assigned)
            }
            _ => None,
        };
        let last = frame.last;
        let exited = EventKind::StateExited {
            state: state.kind.state_type(),
            name: Arc::clone(&state.name),
            output: outcome.output.clone(),
            assigned,
        };
        let id = self.record(last, exited);
        let Some(frame) = self.frames.get_mut(key) else {
            return false;
        };
        frame.last = id;
        match outcome.next {
            Some(next) => {
                frame.state = next;
                frame.input = outcome.output;
                frame.activity = Activity::Entering;
                true
            }
            None => {
                self.thread_done(program, key, outcome.output);
                false
            }
        }
    }

    /// A thread has reached its end with an output.
    fn thread_done(&mut self, program: &Program, key: FrameKey, output: Value) {
        let Some(frame) = self.frames.remove(key) else {
            return;
        };
        match frame.parent {
            None => {
                self.record(
                    frame.last,
                    EventKind::ExecutionSucceeded {
                        output: output.clone(),
                    },
                );
                self.end(Status::Succeeded { output });
            }
            Some(parent) => match self.frames.get(parent).map(|parent| &parent.activity) {
                Some(Activity::Parallel(_)) => {
                    self.branch_done(program, parent, key, &frame, output)
                }
                Some(Activity::Map(_)) => self.iteration_done(program, parent, key, &frame, output),
                _ => {}
            },
        }
    }

    /// A composite state or a task has its result: applies the output fields and leaves the state.
    fn complete(&mut self, program: &Program, key: FrameKey, result: Value) {
        self.complete_after(None, program, key, result);
    }

    /// The same where the history has told of the success; a failure of the output fields refers to that event.
    fn complete_after(
        &mut self,
        succeeded: Option<u64>,
        program: &Program,
        key: FrameKey,
        result: Value,
    ) {
        let Some(state) = self.state_of(program, key) else {
            return;
        };
        let goes_on = match self.finish(key, state, result) {
            Ok(outcome) => self.leave(program, key, state, outcome),
            Err(failure) => {
                if let (Some(last), Some(frame)) = (succeeded, self.frames.get_mut(key)) {
                    frame.last = last;
                }
                self.fail_state(program, key, state, failure)
            }
        };
        if goes_on {
            self.ready.push_back(key);
        }
    }

    /// Fails the state that a thread stands in.
    fn fail_thread(&mut self, program: &Program, key: FrameKey, failure: Failure) {
        if let Some(state) = self.state_of(program, key)
            && self.fail_state(program, key, state, failure)
        {
            self.ready.push_back(key);
        }
    }

    fn state_of<'p>(&self, program: &'p Program, key: FrameKey) -> Option<&'p State> {
        program.states.get(self.frames.get(key)?.state as usize)
    }

    /// Appends an event to the history and tells its id. The last place is kept for the event that ends the execution.
    fn record(&mut self, previous_event_id: u64, kind: EventKind) -> u64 {
        let id = self.history.len() as u64 + 1;
        if id >= self.limits.history_events && !kind.ends_execution() {
            self.full = true;
            return id;
        }
        self.history.push(HistoryEvent {
            id,
            previous_event_id,
            timestamp: self.now,
            kind,
        });
        id
    }

    /// Appends an event of a thread, to which its next one will refer.
    fn record_for(&mut self, key: FrameKey, kind: EventKind) -> u64 {
        let last = self.frames.get(key).map_or(0, |frame| frame.last);
        let id = self.record(last, kind);
        if let Some(frame) = self.frames.get_mut(key) {
            frame.last = id;
        }
        id
    }

    fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    fn start_timer(&mut self, purpose: TimerUse, at: Timestamp) -> TimerId {
        let id = TimerId(self.next_id());
        self.timers.insert(id.0, purpose);
        self.commands.push(Command::StartTimer { id, at });
        id
    }

    fn cancel_timer(&mut self, id: TimerId) {
        if self.timers.remove(&id.0).is_some() {
            self.commands.push(Command::CancelTimer { id });
        }
    }

    fn timer_fired(&mut self, id: TimerId) {
        match self.timers.remove(&id.0) {
            None => {}
            Some(TimerUse::Execution) => self.timed_out(),
            Some(TimerUse::Wait(key)) => self.waited(key),
            Some(TimerUse::Retry(key)) => self.ready.push_back(key),
            Some(TimerUse::TaskTimeout(key, _)) => self.tasks_timed_out(key),
            Some(TimerUse::TaskHeartbeat(key)) => self.task_was_silent(key),
        }
    }
}
