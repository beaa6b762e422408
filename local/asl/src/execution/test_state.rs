//! TestState: one state with an input, its task mocked or called
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/test-state-isolation.html>).

use std::sync::Arc;

use crate::command::Task;
use crate::definition::{
    DistributedFields, Kind, Language, MapFields, Program, State, StateMachine,
};
use crate::diagnostic::Invalid;
use crate::event::TaskError;
use crate::simulate::{Answer, Services};
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

use super::failure::{Failure, Origin};
use super::frame::{Activity, FrameKey};
use super::{Execution, ExecutionType, Start, Step, retry};

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
    /// They succeed with this result.
    Result(Value),
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
    /// The mocked result or error. Map and Parallel states need one.
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
    /// Maps and Parallels run only mocked.
    #[error("a {0} state is tested with a mocked result or error; give one in mock")]
    MockNeeded(&'static str),
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
    let mut test = Test::new(machine, &name, request, now).ok_or(TestError::NoSuchState(name))?;
    test.run(request, services)
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

/// What the made-up context object calls the state, whatever its name is.
const NAME: &str = "StateName";

struct Test {
    execution: Execution,
    program: Arc<Program>,
    key: FrameKey,
    shown: Map,
}

impl Test {
    fn new(
        machine: StateMachine,
        name: &str,
        request: &TestRequest,
        now: Timestamp,
    ) -> Option<Test> {
        let at = machine
            .program
            .states
            .iter()
            .position(|state| &*state.name == name)?;
        let program = Arc::clone(&machine.program);
        let place = request.place.as_deref().unwrap_or("us-east-1:123456789012");
        let start = Start {
            arn: format!("arn:aws:states:{place}:express:machine:test:test").into(),
            name: "test".into(),
            state_machine_arn: format!("arn:aws:states:{place}:stateMachine:machine").into(),
            role_arn: request.role_arn.clone().unwrap_or_default(),
            kind: ExecutionType::Express,
            input: request.input.clone().unwrap_or_else(Value::empty_object),
            ..Start::default()
        };
        let mut execution = Execution::prepared(&machine, start, now);
        let key = execution.root;
        let frame = execution.frames.get_mut(key)?;
        frame.state = at as u32;
        frame.entered_event = 1;
        frame.variables = Arc::new(request.variables.clone());
        frame.retry_count = request.configuration.retrier_retry_count;
        frame.activity = Activity::Repeating;
        let state = program.states.get(at)?;
        execution.context_given = Some(match &request.context {
            Some(context) => context.clone(),
            None => execution.context_of_test(key, state),
        });
        let mut shown = Map::default();
        shown.insert("input".into(), execution.about.input.to_string().into());
        Some(Test {
            execution,
            program,
            key,
            shown,
        })
    }

    fn run(
        &mut self,
        request: &TestRequest,
        services: &mut dyn Services,
    ) -> Result<TestResponse, TestError> {
        let program = Arc::clone(&self.program);
        let Some(state) = self.execution.state_of(&program, self.key) else {
            return Err(TestError::NoSuchState(String::new()));
        };
        let needs_mock = matches!(state.kind, Kind::Map(_) | Kind::Parallel { .. });
        if needs_mock && request.mock.is_none() {
            return Err(TestError::MockNeeded(state.kind.state_type().name()));
        }
        let went = match &state.kind {
            Kind::Task(_) => self.task(state, request, services),
            Kind::Map(map) => self.map(state, map, request),
            Kind::Parallel { .. } => self
                .mocked(request)
                .and_then(|result| self.result(state, result, false)),
            Kind::Pass { result } => self.pass(state, result.as_ref()),
            Kind::Choice { .. } | Kind::Wait(_) | Kind::Succeed | Kind::Fail { .. } => {
                self.plain(state)
            }
        };
        Ok(match went {
            Ok(outcome) => self.left(&program, state, outcome),
            Err(failure) => self.failed(&program, state, failure, request),
        }
        .shown(request.inspection_level, std::mem::take(&mut self.shown)))
    }

    fn show(&mut self, key: &str, value: &Value) {
        self.shown.insert(key.into(), value.to_string().into());
    }

    fn show_input_path(&mut self, state: &State) -> Result<Value, Failure> {
        let input = self.execution.filtered_input(self.key, state)?;
        if state.language == Language::JsonPath {
            self.show("afterInputPath", &input);
        }
        Ok(input)
    }

    fn show_arguments(&mut self, state: &State) -> Result<Value, Failure> {
        let arguments = self.execution.effective_input(self.key, state)?;
        match state.language {
            Language::JsonPath => self.show("afterParameters", &arguments),
            Language::Jsonata if state.arguments.is_some() => {
                self.show("afterArguments", &arguments)
            }
            Language::Jsonata => {}
        }
        Ok(arguments)
    }

    /// From a result to the outcome, told step by step.
    fn result(
        &mut self,
        state: &State,
        result: Value,
        tell: bool,
    ) -> Result<super::Outcome, Failure> {
        if tell {
            self.show("result", &result);
        }
        let shown_from = result.clone();
        let outcome = self.execution.finish(self.key, state, result);
        if state.language == Language::JsonPath {
            let selected = match &state.result_selector {
                None => shown_from,
                Some(selector) => self
                    .execution
                    .query(self.key, state, &shown_from, |scope| {
                        selector.render(scope, "ResultSelector")
                    })?,
            };
            self.show("afterResultSelector", &selected);
            let placed = self
                .execution
                .place(self.key, state, &state.result_path, selected)?;
            self.show("afterResultPath", &placed);
        }
        outcome
    }

    fn pass(&mut self, state: &State, result: Option<&Value>) -> Result<super::Outcome, Failure> {
        match result {
            Some(result) => self.result(state, result.clone(), true),
            None => {
                self.show_input_path(state)?;
                let arguments = self.show_arguments(state)?;
                self.result(state, arguments, false)
            }
        }
    }

    fn plain(&mut self, state: &State) -> Result<super::Outcome, Failure> {
        let input = self.show_input_path(state)?;
        match self.execution.execute(self.key, state)? {
            Step::Done(outcome) => Ok(outcome),
            // A Wait is not waited for.
            Step::Blocked => self.execution.finish(self.key, state, input),
        }
    }

    fn task(
        &mut self,
        state: &State,
        request: &TestRequest,
        services: &mut dyn Services,
    ) -> Result<super::Outcome, Failure> {
        self.show_input_path(state)?;
        self.show_arguments(state)?;
        let result = match &request.mock {
            Some(_) => self.mocked(request)?,
            None => self.call(state, services)?,
        };
        self.result(state, result, true)
    }

    fn call(&mut self, state: &State, services: &mut dyn Services) -> Result<Value, Failure> {
        self.execution.execute(self.key, state)?;
        let task: Option<Task> =
            self.execution
                .commands
                .drain(..)
                .find_map(|command| match command {
                    crate::command::Command::ScheduleTask(task) => Some(task),
                    _ => None,
                });
        if let Some(frame) = self.execution.frames.get_mut(self.key) {
            frame.activity = Activity::Repeating;
        }
        match task.map(|task| services.run(&task)) {
            Some(Answer {
                result: Some(Ok(output)),
                ..
            }) => Ok(output),
            Some(Answer {
                result: Some(Err(error)),
                ..
            }) => Err(failure(&error)),
            Some(Answer { result: None, .. }) | None => {
                Err(Failure::new("States.Timeout", "", Origin::Task))
            }
        }
    }

    fn mocked(&self, request: &TestRequest) -> Result<Value, Failure> {
        match &request.mock {
            Some(Mock::Result(result)) => Ok(result.clone()),
            Some(Mock::Error(error)) => Err(failure(error)),
            None => Ok(Value::Null),
        }
    }

    fn map(
        &mut self,
        state: &State,
        map: &MapFields,
        request: &TestRequest,
    ) -> Result<super::Outcome, Failure> {
        let input = self.show_input_path(state)?;
        let configuration = &request.configuration;
        let limit = self
            .execution
            .max_concurrency(self.key, state, map, &input)?;
        self.shown
            .insert("maxConcurrency".into(), Value::from(limit as u64));
        let items = match &configuration.map_item_reader_data {
            Some(Value::Array(items)) => Arc::clone(items),
            _ => self.execution.map_items(self.key, state, map, &input)?,
        };
        if state.language == Language::JsonPath {
            self.show("afterItemsPath", &Value::Array(Arc::clone(&items)));
        }
        if let Some(distributed) = &map.distributed {
            self.tolerance(state, distributed, &input, items.len(), configuration)?;
        }
        let result = self.mocked(request)?;
        self.result(state, result, false)
    }

    fn tolerance(
        &mut self,
        state: &State,
        distributed: &DistributedFields,
        input: &Value,
        items: usize,
        configuration: &StateConfiguration,
    ) -> Result<(), Failure> {
        let count = self.execution.natural(
            self.key,
            state,
            input,
            distributed.tolerated_count.as_ref(),
            "ToleratedFailureCount",
        )?;
        if let Some(count) = count {
            self.shown
                .insert("toleratedFailureCount".into(), count.into());
        }
        let share = self
            .execution
            .percentage(self.key, state, input, distributed)?;
        if let Some(share) = share {
            self.shown
                .insert("toleratedFailurePercentage".into(), Value::number(share));
        }
        let failed = configuration.map_iteration_failure_count;
        let too_many = count.is_some_and(|count| failed > count)
            || share.is_some_and(|share| failed as f64 * 100.0 > share * items as f64);
        if too_many && configuration.error_caused_by_state.is_none() {
            return Err(Failure::too_many_failed());
        }
        Ok(())
    }

    fn left(&mut self, program: &Program, state: &State, outcome: super::Outcome) -> TestResponse {
        if let Some(Value::Object(assigned)) = &outcome.assigned
            && let Some(frame) = self.execution.frames.get_mut(self.key)
        {
            let variables = Arc::make_mut(&mut frame.variables);
            for (name, value) in assigned.iter() {
                variables.insert(Arc::clone(name), value.clone());
            }
        }
        let variables = self
            .execution
            .frames
            .get(self.key)
            .map(|frame| Arc::clone(&frame.variables));
        if let Some(variables) = variables.filter(|variables| !variables.is_empty()) {
            self.show("variables", &Value::Object(variables));
        }
        if !super::data::fits(&outcome.output, self.execution.limits.payload_bytes) {
            let failure = Failure::too_large(&state.name);
            return TestResponse::new(TestStatus::Failed).with_error(&failure);
        }
        TestResponse {
            output: Some(outcome.output),
            next_state: outcome
                .next
                .and_then(|next| program.states.get(next as usize))
                .map(|next| Arc::clone(&next.name)),
            ..TestResponse::new(TestStatus::Succeeded)
        }
    }

    fn failed(
        &mut self,
        program: &Program,
        state: &State,
        failure: Failure,
        request: &TestRequest,
    ) -> TestResponse {
        let failed = TestResponse::new(TestStatus::Failed).with_error(&failure);
        if failure.origin == Origin::Runtime {
            return failed;
        }
        let mut details = Map::default();
        let error = failure.error.as_deref();
        let used = request.configuration.retrier_retry_count;
        let retrier = state
            .retry
            .iter()
            .enumerate()
            .find(|(_, rule)| retry::matches(&rule.errors, error));
        if let Some((index, rule)) = retrier {
            details.insert("retryIndex".into(), Value::from(index as u64));
            if u64::from(used) < rule.max_attempts {
                let seconds = retry::delay(rule, used).round() as i64;
                details.insert("retryBackoffIntervalSeconds".into(), seconds.into());
                self.shown
                    .insert("errorDetails".into(), Value::from(details));
                return TestResponse {
                    status: TestStatus::Retriable,
                    ..failed
                };
            }
        }
        let catcher = state
            .catch
            .iter()
            .enumerate()
            .find(|(_, rule)| retry::matches(&rule.errors, error));
        let caught = catcher.map(|(index, rule)| {
            details.insert("catchIndex".into(), Value::from(index as u64));
            self.execution
                .caught(self.key, state, index, rule, &failure)
        });
        if !details.is_empty() {
            self.shown
                .insert("errorDetails".into(), Value::from(details));
        }
        match caught {
            None => failed,
            Some(Err(second)) => TestResponse::new(TestStatus::Failed).with_error(&second),
            Some(Ok(outcome)) => TestResponse {
                status: TestStatus::CaughtError,
                ..self.left(program, state, outcome).with_error(&failure)
            },
        }
    }
}

impl Execution {
    fn context_of_test(&self, key: FrameKey, state: &State) -> Value {
        let token = Arc::from("token");
        let token = match &state.kind {
            Kind::Task(task) if task.waits_for_token() => Some(&token),
            _ => None,
        };
        let Some(frame) = self.frames.get(key) else {
            return Value::Null;
        };
        let mut context = self.context(frame, state, None, token);
        if let Value::Object(context) = &mut context
            && let Some(Value::Object(about)) = Arc::make_mut(context).get_mut("State")
        {
            Arc::make_mut(about).insert("Name".into(), NAME.into());
        }
        context
    }
}

impl TestResponse {
    fn new(status: TestStatus) -> TestResponse {
        TestResponse {
            status,
            output: None,
            error: None,
            cause: None,
            next_state: None,
            inspection_data: None,
        }
    }

    fn with_error(self, failure: &Failure) -> TestResponse {
        TestResponse {
            error: failure.error.clone(),
            cause: failure.cause.clone(),
            ..self
        }
    }

    fn shown(self, level: InspectionLevel, data: Map) -> TestResponse {
        TestResponse {
            inspection_data: match level {
                InspectionLevel::Info => None,
                InspectionLevel::Debug | InspectionLevel::Trace => Some(data),
            },
            ..self
        }
    }
}

fn failure(error: &TaskError) -> Failure {
    Failure {
        error: Some(error.error.as_str().into()),
        cause: error.cause.as_deref().map(Arc::from),
        origin: Origin::Task,
    }
}
