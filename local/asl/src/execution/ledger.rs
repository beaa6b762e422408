//! What an execution knows, and its bookkeeping: history, ids, timers.

use std::cell::OnceCell;
use std::collections::VecDeque;

use crate::command::{Command, TimerId};
use crate::definition::{Program, State, StateId, StateMachine};
use crate::history::{EventKind, HistoryEvent};
use crate::query::Random;
use crate::quota::Limits;
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

use super::activity::{FrameKey, Ids};
use super::broken::Broken;
use super::frame::{Frame, Frames};
use super::map_run::report::MapRunReport;
use super::observe::{Observation, Observer};

/// One execution of a state machine. Holds no clock: time arrives with every call.
#[derive(Debug)]
pub struct Execution {
    pub(super) machine: StateMachine,
    pub(super) about: Start,
    pub(super) limits: Limits,
    pub(super) started: Timestamp,
    pub(super) now: Timestamp,
    pub(super) status: Status,
    pub(super) history: Vec<HistoryEvent>,
    /// There was no place left in the history for an event.
    pub(super) full: bool,
    pub(super) frames: Frames,
    pub(super) root: FrameKey,
    /// Threads that can go on. Some of them may have been ended by others meanwhile.
    pub(super) ready: VecDeque<FrameKey>,
    pub(super) commands: Vec<Command>,
    pub(super) tasks: Ids<FrameKey>,
    pub(super) timers: Ids<TimerUse>,
    pub(super) children: Ids<FrameKey>,
    /// All Map Runs so far, in the order of their start.
    pub(super) map_runs: Vec<MapRunReport>,
    /// How often it has been redriven.
    pub(super) redrives: u64,
    /// Its first thread, after an end from which a redrive goes on.
    pub(super) left: Option<Box<Frame>>,
    pub(super) last_id: u64,
    pub(super) random: Random,
    /// `$$.Execution` and `$$.StateMachine`, built when first read.
    pub(super) identity: OnceCell<(Value, Value)>,
    /// A context object in place of the one that the execution would build.
    pub(super) context_given: Option<Value>,
    pub(super) observer: Observer,
}

/// What happens when a timer fires.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimerUse {
    /// The state machine's TimeoutSeconds.
    Execution,
    Wait(FrameKey),
    Retry(FrameKey),
    /// With the moment at which it fires.
    TaskTimeout(FrameKey, Timestamp),
    TaskHeartbeat(FrameKey),
}

/// How the run of a state went.
pub(super) enum Step {
    /// It waits for an event.
    Blocked,
    /// It is over.
    Done(Outcome),
}

/// How a state is left.
pub(super) struct Outcome {
    pub(super) output: Value,
    pub(super) assigned: Option<Value>,
    pub(super) next: Option<StateId>,
    /// It is left by a Catch. Should even that fail, nothing catches it again.
    pub(super) caught: bool,
}

/// The state of a thread.
#[inline]
pub(super) fn state_at(program: &Program, state: StateId) -> Result<&State, Broken> {
    let state = program.states.get(state as usize);
    state.ok_or(Broken("a thread stands in a state of its program"))
}

impl Execution {
    /// An execution before its first event.
    pub(super) fn prepared(machine: &StateMachine, start: Start, now: Timestamp) -> Execution {
        let root = Frame::first(machine.start, start.input.clone(), now);
        Execution::of_thread(machine, root, start, now)
    }

    /// An execution whose only thread is the given one.
    #[inline]
    pub(super) fn of_thread(
        machine: &StateMachine,
        root: Frame,
        start: Start,
        now: Timestamp,
    ) -> Execution {
        let mut frames = Frames::default();
        let root = frames.insert(root);
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
            map_runs: Vec::new(),
            redrives: 0,
            left: None,
            last_id: 0,
            identity: OnceCell::new(),
            context_given: None,
            observer: Observer::default(),
        }
    }

    /// The history so far. It only ever grows.
    pub fn history(&self) -> &[HistoryEvent] {
        &self.history
    }

    /// Its Map Runs so far, in the order of their start.
    pub fn map_runs(&self) -> &[MapRunReport] {
        &self.map_runs
    }

    /// Where the execution stands.
    pub fn status(&self) -> &Status {
        &self.status
    }

    /// What has happened inside since this was last asked, if [`Execution::start_observed`] started the execution.
    pub fn observations(&mut self) -> Vec<Observation> {
        self.observer.take()
    }

    /// How the execution was started.
    pub fn about(&self) -> &Start {
        &self.about
    }

    #[inline]
    pub(super) fn state_of<'p>(
        &self,
        program: &'p Program,
        key: FrameKey,
    ) -> Result<&'p State, Broken> {
        state_at(program, self.frames.get(key)?.state)
    }

    /// Appends an event to the history and tells its id. The last place is kept for the event that ends the execution.
    pub(super) fn record(&mut self, previous_event_id: u64, kind: EventKind) -> u64 {
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
    #[inline]
    pub(super) fn record_for(&mut self, key: FrameKey, kind: EventKind) -> Result<u64, Broken> {
        let last = self.frames.get(key)?.last;
        let id = self.record(last, kind);
        self.frames.get_mut(key)?.last = id;
        Ok(id)
    }

    pub(super) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    pub(super) fn start_timer(&mut self, purpose: TimerUse, at: Timestamp) -> TimerId {
        let id = TimerId(self.next_id());
        self.timers.insert(id.0, purpose);
        self.commands.push(Command::StartTimer { id, at });
        id
    }

    pub(super) fn cancel_timer(&mut self, id: TimerId) {
        if self.timers.remove(&id.0).is_some() {
            self.commands.push(Command::CancelTimer { id });
        }
    }
}
