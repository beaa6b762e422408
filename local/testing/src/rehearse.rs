//! One run of a state machine with mocked services, on a virtual clock.

use std::collections::BTreeMap;

use asl::simulate::{self, Answer, Services};
use asl::{
    Execution, ExecutionType, ItemReader, Limits, Observation, Pattern, Resource, Seen, Start,
    Status, Task, TaskError, Timestamp, Value,
};

use crate::definition::Definition;
use crate::mocks::{Mocks, Response};

/// When every rehearsal begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// How a state machine is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Standard or Express.
    pub kind: ExecutionType,
    /// Where `$uuid`, `$random` and jitter come from.
    pub seed: u64,
    /// The most events of a history; the service's own quota when absent.
    pub max_events: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            kind: ExecutionType::Standard,
            seed: 0,
            max_events: None,
        }
    }
}

/// An invocation of a mocked service.
#[derive(Clone, Debug)]
pub struct Call {
    /// The state that called.
    pub state: String,
    /// Which invocation of the state's it was, from 0.
    pub invocation: u32,
    /// What came of it; none where there was no response.
    pub response: Option<Response>,
}

/// What came of a run.
#[derive(Debug)]
pub struct Run {
    /// The execution after its end, with its history.
    pub execution: Execution,
    /// The states in the order in which they were entered, those of branches, iterations and children included.
    pub entered: Vec<String>,
    /// How often each state was tried again.
    pub retries: BTreeMap<String, u32>,
    /// The time that passed on the virtual clock.
    pub seconds: f64,
    /// Every invocation of a mocked service.
    pub calls: Vec<Call>,
    /// What happened inside. The number tells the execution and the children of its Distributed Maps apart.
    pub observations: Vec<(u64, Observation)>,
}

impl Run {
    /// Where the execution stands.
    pub fn status(&self) -> &Status {
        self.execution.status()
    }

    /// The output of an execution that succeeded.
    pub fn output(&self) -> Option<&Value> {
        match self.status() {
            Status::Succeeded { output } => Some(output),
            Status::Running
            | Status::Failed { .. }
            | Status::TimedOut { .. }
            | Status::Aborted { .. } => None,
        }
    }

    /// Error and cause of one that did not.
    pub fn failure(&self) -> (Option<&str>, Option<&str>) {
        match self.status() {
            Status::Running | Status::Succeeded { .. } => (None, None),
            Status::Failed { error, cause }
            | Status::TimedOut { error, cause }
            | Status::Aborted { error, cause } => (error.as_deref(), cause.as_deref()),
        }
    }

    /// The invocation for which there was no response, and where the run was left therefore.
    pub fn unanswered(&self) -> Option<&Call> {
        self.calls.last().filter(|call| call.response.is_none())
    }

    /// Whether the run was ended by the quota of events, so that it might never have ended.
    pub fn is_endless(&self) -> bool {
        self.failure().1.is_some_and(|cause| {
            cause.starts_with("The execution reached the maximum number of history events")
        })
    }
}

/// Runs a definition with mocked services on a virtual clock. It is left as it stands where a response is missing.
pub fn rehearse(definition: &Definition, input: &Value, mocks: &Mocks, options: Options) -> Run {
    let mut stage = Stage::new(mocks);
    let quota = Limits::aws(options.kind);
    let service = match options.kind {
        ExecutionType::Standard => "execution",
        ExecutionType::Express => "express",
    };
    let (name, place) = (&definition.name, "arn:aws:states:us-east-1:123456789012");
    let start = Start {
        arn: format!("{place}:{service}:{name}:test").into(),
        name: "test".into(),
        role_arn: format!("arn:aws:iam::123456789012:role/{name}").into(),
        state_machine_arn: format!("{place}:stateMachine:{name}").into(),
        state_machine_name: name.as_str().into(),
        kind: options.kind,
        input: input.clone(),
        input_text: None,
        seed: options.seed,
        limits: Some(Limits {
            history_events: options.max_events.unwrap_or(quota.history_events),
            ..quota
        }),
    };
    let execution = simulate::run(&definition.machine, start, BEGIN, &mut stage);
    let ended = execution
        .history()
        .last()
        .map_or(BEGIN, |event| event.timestamp);
    Run {
        seconds: (ended.0 - BEGIN.0) as f64 / 1e6,
        execution,
        entered: stage.entered,
        retries: stage.retries,
        calls: stage.calls,
        observations: stage.observations,
    }
}

/// The services of a rehearsal, which also takes down what happens.
struct Stage<'a> {
    mocks: &'a Mocks,
    invocations: BTreeMap<String, u32>,
    calls: Vec<Call>,
    unanswered: bool,
    /// The visits of states that have been seen: the run, and the event with which the state was entered.
    visits: std::collections::BTreeSet<(u64, u64)>,
    entered: Vec<String>,
    retries: BTreeMap<String, u32>,
    observations: Vec<(u64, Observation)>,
}

impl<'a> Stage<'a> {
    fn new(mocks: &'a Mocks) -> Stage<'a> {
        Stage {
            mocks,
            invocations: BTreeMap::new(),
            calls: Vec::new(),
            unanswered: false,
            visits: std::collections::BTreeSet::new(),
            entered: Vec::new(),
            retries: BTreeMap::new(),
            observations: Vec::new(),
        }
    }

    /// The response to the state's next invocation.
    fn call(&mut self, state: &str) -> Option<Response> {
        let next = self.invocations.entry(state.to_owned()).or_default();
        let invocation = *next;
        *next += 1;
        let responses = self.mocks.of(state);
        let response = responses
            .and_then(|responses| responses.at(invocation))
            .cloned();
        self.unanswered |= response.is_none();
        self.calls.push(Call {
            state: state.to_owned(),
            invocation,
            response: response.clone(),
        });
        response
    }
}

impl Services for Stage<'_> {
    fn run(&mut self, task: &Task) -> Answer {
        let response = self.call(&task.state);
        let takes_the_request = matches!(
            &task.resource,
            Resource::Service { pattern, .. } if *pattern != Pattern::RequestResponse
        );
        Answer {
            seconds: response
                .as_ref()
                .map_or(0.0, |response| response.after_seconds),
            worker: None,
            submitted: takes_the_request.then(Value::empty_object),
            result: response.map(|response| response.outcome),
        }
    }

    fn read_items(&mut self, reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
        let response = self.call(&reader.state);
        match response.map(|response| response.outcome) {
            Some(Ok(Value::Array(items))) => Ok(items.to_vec()),
            Some(Ok(other)) => Err(TaskError {
                error: "States.ItemReaderFailed".to_owned(),
                cause: Some(format!("The mocked items are not an array: {other}")),
            }),
            Some(Err(error)) => Err(error),
            None => Ok(Vec::new()),
        }
    }

    fn watches(&self) -> bool {
        true
    }

    fn observe(&mut self, run: u64, observation: Observation) {
        if self.visits.insert((run, observation.entered_event_id)) {
            self.entered.push(observation.state.to_string());
        }
        if let Seen::Retrier {
            backoff_seconds: Some(_),
            ..
        } = observation.seen
        {
            *self
                .retries
                .entry(observation.state.to_string())
                .or_default() += 1;
        }
        self.observations.push((run, observation));
    }

    fn has_seen_enough(&self) -> bool {
        self.unanswered
    }
}
