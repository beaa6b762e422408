//! The run of one state under test: the interpreter runs it, and the response is what was observed.

use crate::definition::{Kind, State, StateMachine};
use crate::error_name;
use crate::event::TaskError;
use crate::execution::{Alone, Circumstances, StandIn};
use crate::execution_type::ExecutionType;
use crate::resource::{Pattern, Resource};
use crate::simulate::Services;
use crate::start::Start;
use crate::timestamp::Timestamp;
use crate::value::Value;

use super::report::report;
use super::{Mock, TestError, TestRequest, TestResponse, model};

/// What the made-up context object calls the state, whatever its name is.
pub(super) const NAME: &str = "StateName";

pub(super) fn run(
    machine: &StateMachine,
    name: String,
    request: &TestRequest,
    now: Timestamp,
    services: &mut dyn Services,
) -> Result<TestResponse, TestError> {
    let circumstances = Circumstances {
        variables: request.variables.clone(),
        retries: request.configuration.retrier_retry_count,
        context: request.context.clone(),
        name: NAME,
    };
    let start = start(request);
    let Some(mut alone) = Alone::new(machine, &name, start.clone(), circumstances, now) else {
        return Err(TestError::NoSuchState(name));
    };
    check(alone.state(), request)?;
    let mocked = request.mock.as_ref().map(mocked);
    match (&alone.state().kind, mocked) {
        (Kind::Map(_) | Kind::Parallel { .. }, Some(result)) => {
            let configuration = &request.configuration;
            let reader_data = configuration.map_item_reader_data.as_ref();
            alone.run_composite(&StandIn {
                result,
                items: reader_data.and_then(Value::as_array),
                failed_items: match configuration.error_caused_by_state {
                    None => Some(configuration.map_iteration_failure_count),
                    Some(_) => None,
                },
            });
        }
        (_, mocked) => alone.run(|task| match mocked {
            Some(result) => result,
            None => services.run(task).result.unwrap_or_else(|| Err(never())),
        }),
    }
    Ok(report(&mut alone, &start.input, request.inspection_level))
}

fn start(request: &TestRequest) -> Start {
    let place = request.place.as_deref().unwrap_or("us-east-1:123456789012");
    Start {
        arn: format!("arn:aws:states:{place}:express:machine:test:test").into(),
        name: "test".into(),
        state_machine_arn: format!("arn:aws:states:{place}:stateMachine:machine").into(),
        role_arn: request.role_arn.clone().unwrap_or_default(),
        kind: ExecutionType::Express,
        input: request.input.clone().unwrap_or_else(Value::empty_object),
        ..Start::default()
    }
}

/// Whether the state can be tested as the request wants it.
fn check(state: &State, request: &TestRequest) -> Result<(), TestError> {
    if let (Some(what), None) = (needs_mock(&state.kind), &request.mock) {
        return Err(TestError::MockNeeded(what));
    }
    if let (Kind::Task(task), Some(Mock::Checked(result, validation))) =
        (&state.kind, &request.mock)
        && let Some(fault) = model::fault(&task.resource, result, *validation)
    {
        return Err(TestError::MockInvalid(fault));
    }
    Ok(())
}

fn mocked(mock: &Mock) -> Result<Value, TaskError> {
    match mock {
        Mock::Result(result) | Mock::Checked(result, _) => Ok(result.clone()),
        Mock::Error(error) => Err(error.clone()),
    }
}

/// What becomes of a task that never ends.
fn never() -> TaskError {
    TaskError {
        error: error_name::TIMEOUT.to_string(),
        cause: Some(String::new()),
    }
}

/// What the state is, if it can only be tested with a mock
/// (<https://docs.aws.amazon.com/step-functions/latest/apireference/API_TestState.html>).
fn needs_mock(kind: &Kind) -> Option<&'static str> {
    match kind {
        Kind::Map(_) => Some("a Map state"),
        Kind::Parallel { .. } => Some("a Parallel state"),
        Kind::Task(task) => match &task.resource {
            Resource::Activity { .. } => Some("an activity"),
            Resource::Service { pattern, .. } => match pattern {
                Pattern::RequestResponse => None,
                Pattern::Sync | Pattern::SyncV2 => Some("a .sync task"),
                Pattern::WaitForTaskToken => Some("a .waitForTaskToken task"),
            },
            Resource::Lambda { .. } => None,
        },
        Kind::Pass { .. }
        | Kind::Choice { .. }
        | Kind::Wait(_)
        | Kind::Succeed
        | Kind::Fail { .. } => None,
    }
}
