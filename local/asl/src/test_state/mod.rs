//! TestState: one state with an input, its task mocked or called
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html>).

mod model;
mod report;
mod run;

use std::sync::Arc;

use crate::definition::StateMachine;
use crate::diagnostic::Invalid;
use crate::event::TaskError;
use crate::simulate::Services;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

pub use model::{FieldValidation, fault as mock_fault};
use run::NAME;

/// How much TestState tells of the way from input to output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InspectionLevel {
    /// The outcome alone.
    #[default]
    Info,
    /// With `inspectionData`.
    Debug,
    /// As `Debug`; HTTP tasks would add their request and response.
    Trace,
}

/// What the state's task, branches or iterations are said to give.
#[derive(Clone, Debug, PartialEq)]
pub enum Mock {
    /// They succeed with this result, whatever it is.
    Result(Value),
    /// They succeed with this result, which must be one that the service could give.
    Checked(Value, FieldValidation),
    /// They fail.
    Error(TaskError),
}

/// Under which circumstances the state is tested.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateConfiguration {
    /// How often the Retry entry that matches has been used.
    pub retrier_retry_count: u32,
    /// How many iterations of a Map have failed.
    pub map_iteration_failure_count: u64,
    /// What a Map's ItemReader gives.
    pub map_item_reader_data: Option<Value>,
    /// The state within a Map or Parallel that the mocked error comes from.
    pub error_caused_by_state: Option<String>,
}

/// The request of TestState.
#[derive(Clone, Debug, Default)]
pub struct TestRequest {
    /// One state, or a whole state machine together with `state_name`.
    pub definition: String,
    /// Which state of the state machine, at whatever depth.
    pub state_name: Option<String>,
    /// The state's input; an empty object when absent.
    pub input: Option<Value>,
    /// The role; `null` in the context object when absent.
    pub role_arn: Option<Arc<str>>,
    /// The region and account that the made-up context object names, `us-east-1:123456789012` when absent.
    pub place: Option<Arc<str>>,
    /// How much to tell.
    pub inspection_level: InspectionLevel,
    /// The workflow variables.
    pub variables: Map,
    /// The context object, in place of the one that TestState makes up.
    pub context: Option<Value>,
    /// The mocked result or error. Map and Parallel states, activities, `.sync` and `.waitForTaskToken` need one.
    pub mock: Option<Mock>,
    /// Under which circumstances.
    pub configuration: StateConfiguration,
}

/// What came of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestStatus {
    /// The state has an output.
    Succeeded,
    /// The state failed.
    Failed,
    /// The state failed, and its Retry would try again.
    Retriable,
    /// The state failed, and its Catch goes on.
    CaughtError,
}

/// The response of TestState.
#[derive(Clone, Debug, PartialEq)]
pub struct TestResponse {
    /// What came of the test.
    pub status: TestStatus,
    /// The state's output.
    pub output: Option<Value>,
    /// The error name.
    pub error: Option<Arc<str>>,
    /// The error's cause.
    pub cause: Option<Arc<str>>,
    /// The state that comes next.
    pub next_state: Option<Arc<str>>,
    /// The way from input to output, unless the level is `Info`.
    pub inspection_data: Option<Map>,
}

/// Why there is nothing to test.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The definition is invalid.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The definition has no state of that name.
    #[error("the definition has no state '{0}'; name one that it has in stateName")]
    NoSuchState(String),
    /// Maps, Parallels and tasks that somebody else ends run only mocked.
    #[error("{0} is tested with a mocked result or error; give one in mock")]
    MockNeeded(&'static str),
    /// The mocked result is not one that the service could give.
    #[error("Mock result schema validation error: {0}")]
    MockInvalid(String),
}

impl TestStatus {
    /// The status as the API names it.
    pub fn name(self) -> &'static str {
        match self {
            TestStatus::Succeeded => "SUCCEEDED",
            TestStatus::Failed => "FAILED",
            TestStatus::Retriable => "RETRIABLE",
            TestStatus::CaughtError => "CAUGHT_ERROR",
        }
    }
}

impl TestResponse {
    /// The response body of the API, in which payloads are JSON texts.
    pub fn to_json(&self) -> Value {
        let mut body = Map::default();
        let mut put = |key: &str, value: Option<Value>| {
            if let Some(value) = value {
                body.insert(key.into(), value);
            }
        };
        put(
            "output",
            self.output.as_ref().map(|output| output.to_string().into()),
        );
        put("error", self.error.clone().map(Value::String));
        put("cause", self.cause.clone().map(Value::String));
        put(
            "inspectionData",
            self.inspection_data.clone().map(Value::from),
        );
        put("nextState", self.next_state.clone().map(Value::String));
        put("status", Some(self.status.name().into()));
        Value::from(body)
    }
}

/// Tests one state. Without a mock a task goes to the services.
pub fn test_state(
    request: &TestRequest,
    now: Timestamp,
    services: &mut dyn Services,
) -> Result<TestResponse, TestError> {
    let (machine, name) = machine(request)?;
    run::run(&machine, name, request, now, services)
}

/// The state machine around the state, and the state's name.
fn machine(request: &TestRequest) -> Result<(StateMachine, String), TestError> {
    let definition = Value::parse(&request.definition);
    if let Ok(definition) = &definition
        && definition.get("States").is_none()
        && definition.get("Type").is_some()
    {
        return Ok((StateMachine::of_state(NAME, definition)?, NAME.to_string()));
    }
    let machine = StateMachine::parse(&request.definition)?;
    let start = machine
        .program
        .states
        .get(machine.start as usize)
        .map(|state| state.name.to_string());
    let name = request.state_name.clone().or(start).unwrap_or_default();
    Ok((machine, name))
}
