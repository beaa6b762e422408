//! Rebuilding an execution from its log: the same events at the same moments give the same
//! commands, and those that no later event answers are what is still to be done.

use asl::{
    ChildId, Command, Event, Execution, Start, StateMachine, Status, TaskId, TimerId, Timestamp,
    Value,
};
use indexmap::IndexMap;

/// What is known of a task that was begun before a restart.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// `TaskStarted` is in the log.
    pub started: bool,
    /// `TaskSubmitted` is in the log, with this output.
    pub submitted: Option<Value>,
    /// A child execution that was told to stop.
    pub stopped: bool,
}

#[derive(PartialEq, Eq, Hash)]
enum Key {
    Task(TaskId),
    Timer(TimerId),
    Child(ChildId),
}

/// An execution as its log leaves it.
pub struct Replay {
    /// The interpreter.
    pub execution: Execution,
    /// Moment of the last event.
    pub last: Timestamp,
    outstanding: IndexMap<Key, (Command, Progress)>,
}

/// What a redrive comes to.
pub struct Redriven {
    /// The events for the log.
    pub events: Vec<(Event, Timestamp)>,
    /// What is to be carried out once they are there.
    pub commands: Vec<Command>,
}

impl Replay {
    /// Replays `events` on a fresh execution. `seen` is shown every command on its way.
    pub fn new(
        machine: &StateMachine,
        start: Start,
        started: Timestamp,
        events: Vec<(Event, Timestamp)>,
        mut seen: impl FnMut(&Command),
    ) -> Replay {
        let (execution, commands) = Execution::start(machine, start, started);
        let mut replay = Replay {
            execution,
            last: started,
            outstanding: IndexMap::new(),
        };
        replay.note_commands(commands, &mut seen);
        for (event, at) in events {
            replay.note_event(&event);
            replay.last = at;
            let commands = replay.execution.apply(event, at);
            replay.note_commands(commands, &mut seen);
        }
        replay
    }

    /// Lets an execution that did not succeed go on; none if it cannot.
    pub fn redrive(&mut self, now: Timestamp) -> Option<Redriven> {
        let at = now.max(self.last);
        let mut events = vec![(Event::Redrive, at)];
        if *self.execution.status() == Status::Running {
            // It counts as aborted because it could not go on after a restart, which its log does not tell.
            let stop = Event::Stop {
                error: None,
                cause: None,
            };
            self.execution.apply(stop.clone(), at);
            events.insert(0, (stop, at));
        }
        let known = self.execution.history().len();
        let commands = self.execution.apply(Event::Redrive, at);
        self.last = at;
        let redriven = Redriven { events, commands };
        (self.execution.history().len() > known).then_some(redriven)
    }

    /// The commands still to be carried out, in their order.
    pub fn outstanding(&mut self) -> Vec<(Command, Progress)> {
        std::mem::take(&mut self.outstanding)
            .into_values()
            .collect()
    }

    fn note_event(&mut self, event: &Event) {
        let answered = match event {
            Event::TaskStarted { id, .. } => {
                if let Some((_, progress)) = self.outstanding.get_mut(&Key::Task(*id)) {
                    progress.started = true;
                }
                None
            }
            Event::TaskSubmitted { id, output } => {
                if let Some((_, progress)) = self.outstanding.get_mut(&Key::Task(*id)) {
                    progress.submitted = Some(output.clone());
                }
                None
            }
            Event::TaskSucceeded { id, .. }
            | Event::TaskFailed { id, .. }
            | Event::ItemsRead { id, .. }
            | Event::ResultsWritten { id, .. } => Some(Key::Task(*id)),
            Event::TimerFired { id } => Some(Key::Timer(*id)),
            Event::ChildFinished { id, .. } => Some(Key::Child(*id)),
            Event::TaskHeartbeat { .. } | Event::Stop { .. } | Event::MapRunUpdated { .. } => None,
            // What was going on ended before; what is asked for again has another id.
            Event::Redrive => {
                self.outstanding.clear();
                None
            }
        };
        if let Some(key) = answered {
            self.outstanding.shift_remove(&key);
        }
    }

    fn note_commands(&mut self, commands: Vec<Command>, seen: &mut impl FnMut(&Command)) {
        for command in commands {
            seen(&command);
            let key = match &command {
                Command::CancelTask { id } => {
                    self.outstanding.shift_remove(&Key::Task(*id));
                    continue;
                }
                Command::CancelTimer { id } => {
                    self.outstanding.shift_remove(&Key::Timer(*id));
                    continue;
                }
                Command::StopChild { id } => {
                    if let Some((_, progress)) = self.outstanding.get_mut(&Key::Child(*id)) {
                        progress.stopped = true;
                    }
                    continue;
                }
                Command::ScheduleTask(task) => Key::Task(task.id),
                Command::ReadItems { id, .. } | Command::WriteResults { id, .. } => Key::Task(*id),
                Command::StartTimer { id, .. } => Key::Timer(*id),
                Command::StartChild { id, .. } => Key::Child(*id),
            };
            self.outstanding.insert(key, (command, Progress::default()));
        }
    }
}
