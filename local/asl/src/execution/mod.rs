//! The interpreter: one execution of one state machine.
//!
//! An execution is a set of threads ([`frame::Frame`]): one runs the state machine, each Parallel branch and each
//! running Map iteration is another. A thread runs through its states until it has to wait; [`Execution::apply`]
//! lets those go on for which an event has come.
//!
//! In the order of reading: `frame` (threads), `ledger` (what an execution knows), `failure`, `context` and `data` (how
//! data flows), one file for each state type, `retry` and `recovery` (what follows a failure), `ending` and `redrive`;
//! `alone` runs one state by itself. All are parts of one `impl Execution`, so they call each other freely.

mod activity;
mod alone;
mod broken;
mod choice;
mod context;
mod data;
mod end;
mod ending;
mod failure;
mod frame;
mod item;
mod ledger;
mod map;
mod map_run;
mod observe;
mod parallel;
mod pass;
mod recovery;
mod redrive;
mod retry;
mod task;
mod wait;

use std::sync::Arc;

pub(crate) use alone::{Alone, Circumstances, StandIn};
pub use ledger::Execution;
pub use map_run::report::{MapRunCounts, MapRunReport, MapRunStatus};
pub use observe::{Observation, Seen};

use crate::command::{Command, TimerId};
use crate::definition::{Kind, Program, State, StateMachine};
use crate::event::Event;
use crate::history::EventKind;
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

use activity::{Activity, FrameKey};
use broken::Broken;
use failure::Failure;
use ledger::{Outcome, Step, TimerUse};
use observe::Observer;

impl Execution {
    /// Starts an execution; the commands are to be carried out at once.
    pub fn start(
        machine: &StateMachine,
        start: Start,
        now: Timestamp,
    ) -> (Execution, Vec<Command>) {
        let mut execution = Execution::prepared(machine, start, now);
        let commands = execution.begin();
        (execution, commands)
    }

    /// The same, and keeps note of what happens inside; see [`Execution::observations`].
    pub fn start_observed(
        machine: &StateMachine,
        start: Start,
        now: Timestamp,
    ) -> (Execution, Vec<Command>) {
        let mut execution = Execution::prepared(machine, start, now);
        execution.observer = Observer::watching();
        let commands = execution.begin();
        (execution, commands)
    }

    fn begin(&mut self) -> Vec<Command> {
        let started = EventKind::ExecutionStarted {
            input: self.about.input.clone(),
            text: self.about.input_text.clone(),
            role_arn: Arc::clone(&self.about.role_arn),
        };
        self.record(0, started);
        self.start_execution_timer();
        self.go_on(Ok(()))
    }

    fn start_execution_timer(&mut self) {
        if let Some(seconds) = self.machine.timeout_seconds {
            self.start_timer(TimerUse::Execution, self.now.plus_seconds(seconds as f64));
        }
    }

    /// Takes note of an event. Unknown ids, ids of what has already ended, and events after the end are ignored, but for
    /// a redrive.
    pub fn apply(&mut self, event: Event, now: Timestamp) -> Vec<Command> {
        if (self.status == Status::Running) == (event == Event::Redrive) {
            return Vec::new();
        }
        self.now = now;
        let taken = match event {
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
            Event::Stop { error, cause } => {
                self.stop(error.map(Arc::from), cause.map(Arc::from));
                Ok(())
            }
            Event::Redrive => self.redrive(),
            Event::MapRunUpdated { map_run, update } => self.update_run(&map_run, update),
        };
        self.go_on(taken)
    }

    /// Runs on after an event; the commands are what has come of it.
    fn go_on(&mut self, taken: Result<(), Broken>) -> Vec<Command> {
        if let Err(broken) = taken.and_then(|()| self.run()) {
            self.fail_broken(broken);
        }
        std::mem::take(&mut self.commands)
    }

    /// Lets every thread go on that can, until all wait or the execution has ended.
    fn run(&mut self) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        while let Some(key) = self.ready.pop_front() {
            // Another thread may have ended this one since it became ready.
            while !self.full && self.frames.find(key).is_some() {
                if !self.step(&program, key)? {
                    break;
                }
            }
        }
        if self.full && self.status == Status::Running {
            self.history_full();
        }
        Ok(())
    }

    /// Runs the state that a thread stands in: true when the thread goes on with another one at once.
    fn step(&mut self, program: &Program, key: FrameKey) -> Result<bool, Broken> {
        let state = self.state_of(program, key)?;
        if matches!(self.frames.get(key)?.activity, Activity::Entering) {
            self.enter(key, state)?;
        }
        let went = self.execute(key, state);
        self.conclude(program, key, state, went)
    }

    fn enter(&mut self, key: FrameKey, state: &State) -> Result<(), Broken> {
        let frame = self.frames.get(key)?;
        let entered = EventKind::StateEntered {
            state: state.kind.state_type(),
            name: Arc::clone(&state.name),
            input: frame.input.clone(),
        };
        let id = self.record(frame.last, entered);
        let now = self.now;
        let frame = self.frames.get_mut(key)?;
        frame.last = id;
        frame.entered_event = id;
        frame.entered = now;
        frame.retry_count = 0;
        frame.retries.clear();
        frame.activity = Activity::Repeating;
        let frame = self.frames.get(key)?;
        self.observer.see(state, frame, || Seen::Entered {
            input: frame.input.clone(),
            variables: Arc::clone(&frame.variables),
            context: self.context(frame, state, None, None),
        });
        Ok(())
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

    /// Draws the conclusion of how a state went: true when the thread goes on with another one at once.
    fn conclude(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        went: Result<Step, Failure>,
    ) -> Result<bool, Broken> {
        match went {
            Ok(Step::Blocked) => Ok(false),
            Ok(Step::Done(outcome)) => self.leave(program, key, state, outcome),
            Err(failure) => self.fail_state(program, key, state, failure),
        }
    }

    /// The same after an event: a thread that goes on becomes ready.
    fn resume(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        went: Result<Step, Failure>,
    ) -> Result<(), Broken> {
        if self.conclude(program, key, state, went)? {
            self.ready.push_back(key);
        }
        Ok(())
    }

    /// Leaves a state: true when the thread has a next one.
    fn leave(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        outcome: Outcome,
    ) -> Result<bool, Broken> {
        let frame = self.frames.get_mut(key)?;
        if !outcome.output.same(&frame.input)
            && !data::fits(&outcome.output, self.limits.payload_bytes)
        {
            let failure = Failure::too_large(&state.name);
            if outcome.caught {
                self.thread_failed(program, key, failure)?;
                return Ok(false);
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
        self.observer.see(state, frame, || Seen::Left {
            output: outcome.output.clone(),
            next: outcome
                .next
                .and_then(|next| program.states.get(next as usize))
                .map(|next| Arc::clone(&next.name)),
            variables: Arc::clone(&frame.variables),
        });
        let last = frame.last;
        let exited = EventKind::StateExited {
            state: state.kind.state_type(),
            name: Arc::clone(&state.name),
            output: outcome.output.clone(),
            assigned,
        };
        let id = self.record(last, exited);
        let frame = self.frames.get_mut(key)?;
        frame.last = id;
        let Some(next) = outcome.next else {
            self.thread_done(program, key, outcome.output)?;
            return Ok(false);
        };
        frame.state = next;
        frame.input = outcome.output;
        frame.left = None;
        frame.activity = Activity::Entering;
        Ok(true)
    }

    /// A thread has reached its end with an output.
    fn thread_done(
        &mut self,
        program: &Program,
        key: FrameKey,
        output: Value,
    ) -> Result<(), Broken> {
        let frame = self.frames.remove(key)?;
        let Some(parent) = frame.parent else {
            let succeeded = EventKind::ExecutionSucceeded {
                output: output.clone(),
            };
            self.record(frame.last, succeeded);
            self.end(Status::Succeeded { output });
            return Ok(());
        };
        match self.frames.get(parent)?.activity {
            Activity::Parallel(_) => self.branch_done(program, parent, key, &frame, output),
            Activity::Map(_) => self.iteration_done(program, parent, key, &frame, output),
            _ => Err(Broken::NO_PARENT),
        }
    }

    /// A composite state or a task has its result: applies the output fields and leaves the state.
    fn complete(&mut self, program: &Program, key: FrameKey, result: Value) -> Result<(), Broken> {
        let state = self.state_of(program, key)?;
        let went = self.finish(key, state, result).map(Step::Done);
        self.resume(program, key, state, went)
    }

    /// The same where the history has told of the success; a failure of the output fields refers to that event.
    fn complete_after(
        &mut self,
        succeeded: u64,
        program: &Program,
        key: FrameKey,
        result: Value,
    ) -> Result<(), Broken> {
        let state = self.state_of(program, key)?;
        self.see(key, state, || Seen::Result(result.clone()))?;
        let went = self.finish(key, state, result).map(Step::Done);
        if went.is_err() {
            self.frames.get_mut(key)?.last = succeeded;
        }
        self.resume(program, key, state, went)
    }

    /// Fails the state that a thread stands in.
    fn fail_thread(
        &mut self,
        program: &Program,
        key: FrameKey,
        failure: Failure,
    ) -> Result<(), Broken> {
        let state = self.state_of(program, key)?;
        self.resume(program, key, state, Err(failure))
    }

    fn timer_fired(&mut self, id: TimerId) -> Result<(), Broken> {
        match self.timers.remove(&id.0) {
            None => Ok(()),
            Some(TimerUse::Execution) => {
                self.timed_out();
                Ok(())
            }
            Some(TimerUse::Wait(key)) => self.waited(key),
            Some(TimerUse::Retry(key)) => {
                self.ready.push_back(key);
                Ok(())
            }
            Some(TimerUse::TaskTimeout(key, _)) => self.tasks_timed_out(key),
            Some(TimerUse::TaskHeartbeat(key)) => self.task_was_silent(key),
        }
    }
}
