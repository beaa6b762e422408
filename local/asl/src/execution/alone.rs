//! One state run by itself: the states after it do not run, its task is answered at once, and what happens inside is
//! observed. All else is the interpreter's own.

use std::sync::Arc;

use crate::command::{Command, Task};
use crate::definition::{Kind, MapFields, Program, State, StateMachine};
use crate::event::TaskError;
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::failure::{Failure, Origin};
use super::frame::Frame;
use super::item::MapItem;
use super::ledger::{Execution, Step};
use super::observe::{Observation, Observer, Seen};

/// The token of a task that waits for one, in the context object that is made up.
const TOKEN: &str = "token";

/// A state and the execution around it.
pub(crate) struct Alone {
    execution: Execution,
    program: Arc<Program>,
    key: FrameKey,
    at: usize,
}

/// Under which circumstances the state runs.
pub(crate) struct Circumstances {
    pub(crate) variables: Map,
    /// How often each entry of Retry has been used.
    pub(crate) retries: u32,
    /// The context object. One is made up when absent.
    pub(crate) context: Option<Value>,
    /// What a made-up context object calls the state.
    pub(crate) name: &'static str,
}

/// What the branches or iterations of the state are said to come to; they do not run.
pub(crate) struct StandIn<'a> {
    pub(crate) result: Result<Value, TaskError>,
    /// The items of a Map, in place of its own.
    pub(crate) items: Option<&'a Arc<Vec<Value>>>,
    /// How many items are said to have failed, where that is held against what the Map tolerates.
    pub(crate) failed_items: Option<u64>,
}

impl Alone {
    /// The state of the name, about to run; none when the machine has no such state.
    pub(crate) fn new(
        machine: &StateMachine,
        name: &str,
        start: Start,
        circumstances: Circumstances,
        now: Timestamp,
    ) -> Option<Alone> {
        let program = Arc::clone(&machine.program);
        let at = program
            .states
            .iter()
            .position(|state| &*state.name == name)?;
        let state = &program.states[at];
        let frame = Frame {
            entered_event: 1,
            variables: Arc::new(circumstances.variables),
            retry_count: circumstances.retries,
            retries: vec![circumstances.retries; state.retry.len()],
            activity: Activity::Repeating,
            ..Frame::first(at as u32, start.input.clone(), now)
        };
        let mut execution = Execution::of_thread(machine, frame, start, now);
        execution.observer = Observer::watching();
        let made_up = || execution.made_up_context(state, circumstances.name);
        execution.context_given = circumstances.context.or_else(made_up);
        Some(Alone {
            key: execution.root,
            execution,
            program,
            at,
        })
    }

    pub(crate) fn state(&self) -> &State {
        &self.program.states[self.at]
    }

    /// Runs the state; its task goes to `answer`, and a Wait is not waited for.
    pub(crate) fn run(&mut self, answer: impl FnOnce(&Task) -> Result<Value, TaskError>) {
        let ran = self.try_run(answer);
        self.mend(ran);
    }

    /// Evaluates what a Map or Parallel state evaluates before it starts its iterations or branches, and takes the
    /// stand-in for what they come to.
    pub(crate) fn run_composite(&mut self, stand_in: &StandIn) {
        let program = Arc::clone(&self.program);
        let state = &program.states[self.at];
        let went = self.composite(state, stand_in);
        let concluded = self.execution.conclude(&program, self.key, state, went);
        self.mend(concluded.map(|_| ()));
    }

    /// Where the execution stands after the state.
    pub(crate) fn status(&self) -> &Status {
        &self.execution.status
    }

    /// What happened inside.
    pub(crate) fn observations(&mut self) -> Vec<Observation> {
        self.execution.observations()
    }

    fn mend(&mut self, ran: Result<(), Broken>) {
        if let Err(broken) = ran {
            self.execution.fail_broken(broken);
        }
    }

    fn try_run(
        &mut self,
        answer: impl FnOnce(&Task) -> Result<Value, TaskError>,
    ) -> Result<(), Broken> {
        let program = Arc::clone(&self.program);
        self.execution.step(&program, self.key)?;
        let waits = matches!(self.state().kind, Kind::Wait(_));
        for command in std::mem::take(&mut self.execution.commands) {
            match command {
                Command::ScheduleTask(task) => {
                    return match answer(&task) {
                        Ok(output) => self.execution.task_succeeded(task.id, output),
                        Err(TaskError { error, cause }) => {
                            let cause = cause.map(Arc::from);
                            self.execution.task_failed(task.id, error.into(), cause)
                        }
                    };
                }
                Command::StartTimer { id, .. } if waits => self.execution.timer_fired(id)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn composite(&mut self, state: &State, stand_in: &StandIn) -> Result<Step, Failure> {
        match &state.kind {
            Kind::Map(map) => self.map(state, map, stand_in)?,
            _ => _ = self.execution.effective_input(self.key, state)?,
        }
        let result = match &stand_in.result {
            Ok(result) => result.clone(),
            Err(error) => return Err(Failure::of_driver(error.clone(), Origin::Task)),
        };
        self.execution
            .finish(self.key, state, result)
            .map(Step::Done)
    }

    fn map(&mut self, state: &State, map: &MapFields, stand_in: &StandIn) -> Result<(), Failure> {
        let (key, execution) = (self.key, &self.execution);
        let input = execution.filtered_input(key, state)?;
        execution.max_concurrency(key, state, map, &input)?;
        let (items, keyed) = match stand_in.items {
            Some(items) => {
                execution.see(key, state, || Seen::Items(Arc::clone(items)))?;
                (Arc::clone(items), false)
            }
            None => execution.map_items(key, state, map, &input)?,
        };
        let item = |(index, value): (usize, &Value)| MapItem::distributed(keyed, index, value);
        let given: Vec<MapItem> = items.iter().enumerate().map(item).collect();
        let distributed = map.distributed.as_ref();
        match distributed.and_then(|distributed| distributed.batcher.as_ref()) {
            Some(batcher) => {
                execution.batches(key, state, map, batcher, &input, &given)?;
            }
            None => {
                for item in &given {
                    execution.item_input(key, state, map, &input, item)?;
                }
            }
        }
        let Some(distributed) = distributed else {
            return Ok(());
        };
        let tolerance = execution.tolerance(key, state, &input, distributed)?;
        // A Map that says nothing of tolerance is not failed by a count of failures alone.
        let told = tolerance.count.is_some() || tolerance.share.is_some();
        match stand_in.failed_items {
            Some(failed) if told && tolerance.exceeded(failed, items.len()) => {
                Err(Failure::too_many_failed())
            }
            _ => Ok(()),
        }
    }
}

impl Execution {
    /// The context object of a state that no execution has entered.
    fn made_up_context(&self, state: &State, name: &str) -> Option<Value> {
        let token = Arc::from(TOKEN);
        let token = match &state.kind {
            Kind::Task(task) if task.waits_for_token() => Some(&token),
            _ => None,
        };
        let frame = self.frames.find(self.root)?;
        let mut context = self.context(frame, state, None, token);
        if let Value::Object(context) = &mut context
            && let Some(Value::Object(about)) = Arc::make_mut(context).get_mut("State")
        {
            Arc::make_mut(about).insert("Name".into(), name.into());
        }
        Some(context)
    }
}
