//! A driver with a virtual clock: Wait, Retry delays, timeouts and heartbeats pass at once, in their order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::command::{
    Child, ChildId, Command, ItemReader, MapRunResults, ResultWriter, Task, TaskId, TimerId,
};
use crate::definition::StateMachine;
use crate::error_name;
use crate::event::{Event, TaskError};
use crate::execution::{Execution, Observation};
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// What stands behind the tasks of a simulated execution.
pub trait Services {
    /// What becomes of a task.
    fn run(&mut self, task: &Task) -> Answer;

    /// The items of a Distributed Map.
    fn read_items(&mut self, _reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
        Err(TaskError {
            error: error_name::ITEM_READER_FAILED.to_string(),
            cause: Some("There is nothing to read from".to_string()),
        })
    }

    /// Stores the results of a Distributed Map.
    fn write_results(
        &mut self,
        writer: &ResultWriter,
        results: &MapRunResults,
    ) -> Result<Value, TaskError> {
        Ok(crate::results::files(results, &writer.arguments, &writer.config).1)
    }

    /// Whether [`Services::observe`] is to be told of what happens inside.
    fn watches(&self) -> bool {
        false
    }

    /// Something happened inside a state. `run` tells executions apart: 0 is the first one, each child of a
    /// Distributed Map has a number of its own.
    fn observe(&mut self, _run: u64, _observation: Observation) {}

    /// Whether the simulation is to be left as it stands.
    fn has_seen_enough(&self) -> bool {
        false
    }
}

/// What becomes of a task: how long it takes, and how it ends.
#[derive(Clone, Debug)]
pub struct Answer {
    /// After so many virtual seconds.
    pub seconds: f64,
    /// The worker that an activity's task went to.
    pub worker: Option<String>,
    /// What a `.sync` or `.waitForTaskToken` call answers at once.
    pub submitted: Option<Value>,
    /// The end; none for a task that never ends by itself.
    pub result: Option<Result<Value, TaskError>>,
}

impl Answer {
    /// Ends well at once.
    pub fn output(output: Value) -> Answer {
        Answer {
            seconds: 0.0,
            worker: None,
            submitted: None,
            result: Some(Ok(output)),
        }
    }

    /// Fails at once.
    pub fn error(error: impl Into<String>, cause: Option<String>) -> Answer {
        Answer {
            seconds: 0.0,
            worker: None,
            submitted: None,
            result: Some(Err(TaskError {
                error: error.into(),
                cause,
            })),
        }
    }

    /// The same after so many virtual seconds.
    #[must_use]
    pub fn after(self, seconds: f64) -> Answer {
        Answer { seconds, ..self }
    }
}

/// Services that fail every task: for machines without tasks.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoServices;

impl Services for NoServices {
    fn run(&mut self, task: &Task) -> Answer {
        Answer::error(
            error_name::TASK_FAILED,
            Some(format!("Nothing stands behind {}", task.resource)),
        )
    }
}

/// Runs an execution to its end. One that waits for something that never comes is returned as it then stands.
pub fn run(
    machine: &StateMachine,
    start: Start,
    now: Timestamp,
    services: &mut dyn Services,
) -> Execution {
    Simulation::run(machine, start, now, services, &mut 0).0
}

struct Simulation<'a> {
    services: &'a mut dyn Services,
    /// Which of the executions this is.
    run: u64,
    /// How many executions have been started before.
    runs: &'a mut u64,
    now: Timestamp,
    /// What happens when, and in the order in which it was asked for.
    agenda: BinaryHeap<Reverse<(Timestamp, u64)>>,
    events: HashMap<u64, Event>,
    asked: u64,
    timers: HashMap<TimerId, u64>,
    tasks: HashMap<TaskId, u64>,
    children: HashMap<ChildId, u64>,
}

impl Simulation<'_> {
    fn run(
        machine: &StateMachine,
        start: Start,
        now: Timestamp,
        services: &mut dyn Services,
        runs: &mut u64,
    ) -> (Execution, Timestamp) {
        let run = *runs;
        *runs += 1;
        let mut simulation = Simulation {
            services,
            run,
            runs,
            now,
            agenda: BinaryHeap::new(),
            events: HashMap::new(),
            asked: 0,
            timers: HashMap::new(),
            tasks: HashMap::new(),
            children: HashMap::new(),
        };
        let (mut execution, commands) = if simulation.services.watches() {
            Execution::start_observed(machine, start, now)
        } else {
            Execution::start(machine, start, now)
        };
        simulation.go_on(&mut execution, commands);
        while let Some(Reverse((at, id))) = simulation.agenda.pop() {
            if simulation.services.has_seen_enough() {
                break;
            }
            let Some(event) = simulation.events.remove(&id) else {
                continue;
            };
            simulation.now = simulation.now.max(at);
            let commands = execution.apply(event, simulation.now);
            simulation.go_on(&mut execution, commands);
        }
        (execution, simulation.now)
    }

    fn go_on(&mut self, execution: &mut Execution, commands: Vec<Command>) {
        for observation in execution.observations() {
            self.services.observe(self.run, observation);
        }
        self.carry_out(commands);
    }

    fn at(&mut self, at: Timestamp, event: Event) -> u64 {
        self.asked += 1;
        self.agenda.push(Reverse((at, self.asked)));
        self.events.insert(self.asked, event);
        self.asked
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::ScheduleTask(task) => self.schedule(&task),
                Command::CancelTask { id } => {
                    if let Some(asked) = self.tasks.remove(&id) {
                        self.events.remove(&asked);
                    }
                }
                Command::StartTimer { id, at } => {
                    let asked = self.at(at, Event::TimerFired { id });
                    self.timers.insert(id, asked);
                }
                Command::CancelTimer { id } => {
                    if let Some(asked) = self.timers.remove(&id) {
                        self.events.remove(&asked);
                    }
                }
                Command::ReadItems { id, reader } => {
                    let result = self.services.read_items(&reader);
                    self.at(self.now, Event::ItemsRead { id, result });
                }
                Command::WriteResults {
                    id,
                    writer,
                    results,
                } => {
                    let result = self.services.write_results(&writer, &results);
                    self.at(self.now, Event::ResultsWritten { id, result });
                }
                Command::StartChild { id, child } => {
                    let (at, status) = self.child(*child);
                    let asked = self.at(at, Event::ChildFinished { id, status });
                    self.children.insert(id, asked);
                }
                Command::StopChild { id } => {
                    if let Some(asked) = self.children.remove(&id) {
                        self.events.remove(&asked);
                    }
                }
            }
        }
    }

    fn schedule(&mut self, task: &Task) {
        let id = task.id;
        let answer = self.services.run(task);
        self.at(
            self.now,
            Event::TaskStarted {
                id,
                worker: answer.worker,
            },
        );
        if let Some(output) = answer.submitted {
            self.at(self.now, Event::TaskSubmitted { id, output });
        }
        let event = match answer.result {
            None => return,
            Some(Ok(output)) => Event::TaskSucceeded { id, output },
            Some(Err(TaskError { error, cause })) => Event::TaskFailed { id, error, cause },
        };
        let asked = self.at(self.now.plus_seconds(answer.seconds), event);
        self.tasks.insert(id, asked);
    }

    /// A child runs through by itself, for nothing in it depends on the others.
    fn child(&mut self, child: Child) -> (Timestamp, Status) {
        let (execution, ended) = Simulation::run(
            &child.machine,
            child.start,
            self.now,
            self.services,
            self.runs,
        );
        (ended, execution.status().clone())
    }
}
