//! The run of one state under test.

use std::sync::Arc;

use crate::command::{Command, Task};
use crate::definition::{DistributedFields, Kind, MapFields, Program, State, StateMachine};
use crate::event::TaskError;
use crate::execution::failure::{Failure, Origin};
use crate::execution::frame::{Activity, FrameKey, MapItem};
use crate::execution::map_run::Tolerance;
use crate::execution::{Execution, Outcome, Step, data, retry};
use crate::execution_type::ExecutionType;
use crate::query::Language;
use crate::resource::{Pattern, Resource};
use crate::simulate::{Answer, Services};
use crate::start::Start;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

use super::model;
use super::{Mock, StateConfiguration, TestError, TestRequest, TestResponse, TestStatus};

/// What the made-up context object calls the state, whatever its name is.
pub(super) const NAME: &str = "StateName";

pub(super) struct Test {
    execution: Execution,
    program: Arc<Program>,
    key: FrameKey,
    shown: Map,
}

impl Test {
    pub(super) fn new(
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

    pub(super) fn run(
        &mut self,
        request: &TestRequest,
        services: &mut dyn Services,
    ) -> Result<TestResponse, TestError> {
        let program = Arc::clone(&self.program);
        let Some(state) = self.execution.state_of(&program, self.key) else {
            return Err(TestError::NoSuchState(String::new()));
        };
        if let (Some(what), None) = (needs_mock(&state.kind), &request.mock) {
            return Err(TestError::MockNeeded(what));
        }
        if let (Kind::Task(task), Some(Mock::Checked(result, validation))) =
            (&state.kind, &request.mock)
            && let Some(fault) = model::fault(&task.resource, result, *validation)
        {
            return Err(TestError::MockInvalid(fault));
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
    fn result(&mut self, state: &State, result: Value, tell: bool) -> Result<Outcome, Failure> {
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

    fn pass(&mut self, state: &State, result: Option<&Value>) -> Result<Outcome, Failure> {
        match result {
            Some(result) => self.result(state, result.clone(), true),
            None => {
                self.show_input_path(state)?;
                let arguments = self.show_arguments(state)?;
                self.result(state, arguments, false)
            }
        }
    }

    fn plain(&mut self, state: &State) -> Result<Outcome, Failure> {
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
    ) -> Result<Outcome, Failure> {
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
                    Command::ScheduleTask(task) => Some(task),
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
            Some(Mock::Result(result) | Mock::Checked(result, _)) => Ok(result.clone()),
            Some(Mock::Error(error)) => Err(failure(error)),
            None => Ok(Value::Null),
        }
    }

    fn map(
        &mut self,
        state: &State,
        map: &MapFields,
        request: &TestRequest,
    ) -> Result<Outcome, Failure> {
        let input = self.show_input_path(state)?;
        let configuration = &request.configuration;
        let limit = self
            .execution
            .max_concurrency(self.key, state, map, &input)?;
        self.shown
            .insert("maxConcurrency".into(), Value::from(limit as u64));
        let (items, keyed) = match &configuration.map_item_reader_data {
            Some(Value::Array(items)) => (Arc::clone(items), false),
            _ => self.execution.map_items(self.key, state, map, &input)?,
        };
        if state.language == Language::JsonPath {
            self.show("afterItemsPath", &Value::Array(Arc::clone(&items)));
        }
        let item = |(index, value): (usize, &Value)| MapItem::distributed(keyed, index, value);
        let given: Vec<MapItem> = items.iter().enumerate().map(item).collect();
        self.show_inputs(state, map, &input, &given)?;
        if let Some(distributed) = &map.distributed {
            self.tolerance(state, distributed, &input, items.len(), configuration)?;
        }
        let result = self.mocked(request)?;
        self.result(state, result, false)
    }

    /// What the iterations, or the batches, would get as their inputs.
    fn show_inputs(
        &mut self,
        state: &State,
        map: &MapFields,
        input: &Value,
        items: &[MapItem],
    ) -> Result<(), Failure> {
        if map.selector.is_some() {
            let mut inputs = Vec::with_capacity(items.len());
            for item in items {
                inputs.push(
                    self.execution
                        .item_input(self.key, state, map, input, item)?,
                );
            }
            self.show("afterItemSelector", &Value::array(inputs));
        }
        if let Some(batcher) = map
            .distributed
            .as_ref()
            .and_then(|distributed| distributed.batcher.as_ref())
        {
            let batches = self
                .execution
                .batches(self.key, state, map, batcher, input, items)?;
            self.show("afterItemBatcher", &Value::array(batches));
        }
        Ok(())
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
        let tolerance = Tolerance { count, share };
        // A Map that says nothing of tolerance is not failed by a count of failures alone.
        let told = count.is_some() || share.is_some();
        if told
            && tolerance.exceeded(failed, items)
            && configuration.error_caused_by_state.is_none()
        {
            return Err(Failure::too_many_failed());
        }
        Ok(())
    }

    fn left(&mut self, program: &Program, state: &State, outcome: Outcome) -> TestResponse {
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
        if !data::fits(&outcome.output, self.execution.limits.payload_bytes) {
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

fn failure(error: &TaskError) -> Failure {
    Failure {
        error: Some(error.error.as_str().into()),
        cause: error.cause.as_deref().map(Arc::from),
        origin: Origin::Task,
    }
}
