//! Executions that are started as a test case: their calls are answered by mocks in place of the services.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-test-sm-exec.html>

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use asl::{Command, Event, Pattern, Resource, Task, TaskError, TaskId, TimerId, Value};
use cloud::error::ServiceError;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clock::Wake;
use crate::engine::Engine;
use crate::errors::invalid;
use crate::machine::Machine;
use crate::replay::Progress;
use crate::run::Run;

/// A call of an execution that runs as a test case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invocation<'a> {
    /// The state machine's name.
    pub machine: &'a str,
    /// The test case.
    pub case: &'a str,
    /// The state that calls.
    pub state: &'a str,
    /// Which call of the state's it is in the whole execution, from 0.
    pub number: u32,
}

/// What a mock answers.
#[derive(Debug, Clone, PartialEq)]
pub struct MockedResponse {
    /// The result, or the error.
    pub outcome: Result<Value, TaskError>,
    /// How long it takes.
    pub after: Duration,
}

/// The test cases that executions can be started as.
pub trait TestCases: Debug + Send + Sync {
    /// The names of a state machine's cases.
    fn names(&self, machine: &str) -> Vec<String>;

    /// Whether a state machine has the case, and the case fits its definition.
    ///
    /// # Errors
    /// What is wrong, for who asks for the start.
    fn check(&self, machine: &str, case: &str, definition: &str) -> Result<(), String>;

    /// The response to a call; none where the case has no mock for the state, so that the service is called.
    fn response(&self, invocation: &Invocation) -> Option<MockedResponse>;
}

/// The calls that an execution has made so far.
#[derive(Debug, Default)]
pub struct Invocations(Mutex<Counted>);

#[derive(Debug, Default)]
struct Counted {
    states: HashMap<Arc<str>, u32>,
    /// The numbers of calls that were made before a restart.
    known: HashMap<TaskId, u32>,
}

impl Invocations {
    /// Takes note of a call that the log shows.
    pub fn replay(&self, command: &Command) {
        if let Some((id, state)) = call(command) {
            let number = self.number(None, state);
            self.0.lock().known.insert(id, number);
        }
    }

    /// The number of a call: the next one, unless the log has shown it.
    fn number(&self, id: Option<TaskId>, state: &Arc<str>) -> u32 {
        let mut counted = self.0.lock();
        if let Some(known) = id.and_then(|id| counted.known.get(&id)) {
            return *known;
        }
        let next = counted.states.entry(state.clone()).or_default();
        *next += 1;
        *next - 1
    }
}

/// The call that a command asks for, and the state that makes it.
fn call(command: &Command) -> Option<(TaskId, &Arc<str>)> {
    match command {
        Command::ScheduleTask(task) => Some((task.id, &task.state)),
        Command::ReadItems { id, reader } => Some((*id, &reader.state)),
        Command::CancelTask { .. }
        | Command::StartTimer { .. }
        | Command::CancelTimer { .. }
        | Command::WriteResults { .. }
        | Command::StartChild { .. }
        | Command::StopChild { .. } => None,
    }
}

/// The state machine's ARN and the test case in `ARN#CASE`, as StartExecution of AWS's Step Functions Local takes it.
pub(crate) fn split(arn: &str) -> (&str, Option<&str>) {
    match arn.split_once('#') {
        Some((arn, case)) => (arn, Some(case)),
        None => (arn, None),
    }
}

impl Engine {
    /// Checks that an execution of the machine can be started as a case.
    ///
    /// # Errors
    /// `ValidationException`.
    pub(crate) fn check_case(&self, machine: &Machine, case: &str) -> Result<(), ServiceError> {
        let Some(cases) = &self.test_cases else {
            return Err(invalid(format!(
                "There are no test cases here, so none is called '{case}': start the server with a mock file"
            )));
        };
        let (name, definition) = (&machine.row.name, &machine.row.definition);
        cases.check(name, case, definition).map_err(invalid)
    }

    /// The response to a call, if the execution runs as a test case that mocks it. The children of a Distributed Map
    /// count their calls together with the execution that has the Map.
    fn mocked(&self, run: &Run, id: TaskId, state: &Arc<str>) -> Option<MockedResponse> {
        let (cases, case) = (self.test_cases.as_ref()?, run.origin.case.as_deref()?);
        let number = match run.ancestor() {
            Some(ancestor) => ancestor.invocations.number(None, state),
            None => run.invocations.number(Some(id), state),
        };
        let machine = &*run.start.state_machine_name;
        cases.response(&Invocation {
            // Of a child it is followed by the label of the Map.
            machine: machine.split('/').next().unwrap_or(machine),
            case,
            state,
            number,
        })
    }

    /// Answers what a command asks for by a mock; the command again where there is none.
    pub(crate) fn answer_mocked(
        self: &Arc<Self>,
        run: &Arc<Run>,
        command: Command,
        progress: &Progress,
    ) -> Option<Command> {
        let mocked = call(&command).and_then(|(id, state)| self.mocked(run, id, state));
        let Some(MockedResponse { outcome, after }) = mocked else {
            return Some(command);
        };
        let (id, answer) = match command {
            Command::ScheduleTask(task) => (task.id, answer(run, &task, progress, outcome)),
            Command::ReadItems { id, .. } => {
                let result = outcome.and_then(items);
                (id, Event::ItemsRead { id, result })
            }
            // Nothing else is a call.
            other => return Some(other),
        };
        if after.is_zero() {
            run.post(answer);
        } else {
            self.post_later(run, id, answer, after);
        }
        None
    }

    /// Posts what comes of a task when the clock of the executions says so.
    fn post_later(self: &Arc<Self>, run: &Arc<Run>, id: TaskId, event: Event, after: Duration) {
        let alarm = Arc::new(Alarm::default());
        let wake: Arc<dyn Wake> = alarm.clone();
        let at = self.clock.now().plus_seconds(after.as_secs_f64());
        // Timers of the interpreter count from below.
        let timer = TimerId(u64::MAX - id.0);
        self.clock
            .start(run.id as u64, timer, at, Arc::downgrade(&wake));
        let owner = run.clone();
        let work = async move {
            alarm.0.notified().await;
            owner.post(event);
        };
        run.track(id, None, || Some(self.runtime.spawn(work).abort_handle()));
    }
}

#[derive(Debug, Default)]
struct Alarm(Notify);

impl Wake for Alarm {
    fn fire(self: Arc<Self>, _timer: TimerId) {
        self.0.notify_one();
    }
}

/// What comes of a task, whose beginning is told at once.
fn answer(
    run: &Arc<Run>,
    task: &Task,
    progress: &Progress,
    outcome: Result<Value, TaskError>,
) -> Event {
    let id = task.id;
    if !progress.started {
        run.post(Event::TaskStarted { id, worker: None });
    }
    let takes_the_request = matches!(
        &task.resource,
        Resource::Service { pattern, .. } if *pattern != Pattern::RequestResponse
    );
    if takes_the_request && progress.submitted.is_none() {
        let output = Value::empty_object();
        run.post(Event::TaskSubmitted { id, output });
    }
    match outcome {
        Ok(output) => Event::TaskSucceeded { id, output },
        Err(TaskError { error, cause }) => Event::TaskFailed { id, error, cause },
    }
}

/// The items that a mock gives in place of those that an ItemReader would read.
fn items(result: Value) -> Result<Vec<Value>, TaskError> {
    match result {
        Value::Array(items) => Ok(items.to_vec()),
        other => Err(TaskError {
            error: "States.ItemReaderFailed".to_owned(),
            cause: Some(format!("The mocked items are not an array: {other}")),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_case_stands_after_the_arn() {
        assert_eq!(split("arn:m#Happy path"), ("arn:m", Some("Happy path")));
        assert_eq!(split("arn:m"), ("arn:m", None));
    }

    #[test]
    fn a_call_of_before_a_restart_keeps_its_number() {
        let invocations = Invocations::default();
        let state: Arc<str> = "A".into();
        invocations.0.lock().known.insert(TaskId(7), 0);
        invocations.0.lock().states.insert(state.clone(), 2);
        assert_eq!(invocations.number(Some(TaskId(7)), &state), 0);
        assert_eq!(invocations.number(Some(TaskId(9)), &state), 2);
        assert_eq!(invocations.number(Some(TaskId(10)), &state), 3);
    }
}
