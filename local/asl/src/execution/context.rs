//! What queries see: the context object and the scope
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-contextobject.html>).

use std::sync::Arc;

use crate::definition::{Kind, State};
use crate::execution_type::ExecutionType;
use crate::query::{QueryError, Scope};
use crate::value::{Map, Value};

use super::activity::{Activity, FrameKey};
use super::failure::Failure;
use super::frame::Frame;
use super::item::MapItem;
use super::ledger::Execution;

impl Execution {
    /// Evaluates a query of the state with the given `$` or `$states.input`.
    pub(super) fn query<R>(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        evaluate: impl FnOnce(&Scope) -> Result<R, QueryError>,
    ) -> Result<R, Failure> {
        self.query_result(key, state, input, None, evaluate)
    }

    /// The same where there is a `$states.result`.
    pub(super) fn query_result<R>(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        result: Option<&Value>,
        evaluate: impl FnOnce(&Scope) -> Result<R, QueryError>,
    ) -> Result<R, Failure> {
        self.evaluate(
            key,
            state,
            Given {
                input,
                result,
                error_output: None,
                item: None,
                token: None,
            },
            evaluate,
        )
    }

    /// The same with all that can be given.
    pub(super) fn evaluate<R>(
        &self,
        key: FrameKey,
        state: &State,
        given: Given,
        evaluate: impl FnOnce(&Scope) -> Result<R, QueryError>,
    ) -> Result<R, Failure> {
        let frame = self.frames.get(key)?;
        let context = || self.context(frame, state, given.item, given.token);
        let scope = Scope {
            input: given.input,
            context: &context,
            variables: &*frame.variables,
            result: given.result,
            error_output: given.error_output,
            random: &self.random,
            now: self.now,
        };
        evaluate(&scope).map_err(|error| Failure::of_query(frame, state, error))
    }

    pub(super) fn query_failure(&self, key: FrameKey, state: &State, error: QueryError) -> Failure {
        match self.frames.get(key) {
            Ok(frame) => Failure::of_query(frame, state, error),
            Err(broken) => broken.into(),
        }
    }

    pub(super) fn context(
        &self,
        frame: &Frame,
        state: &State,
        item: Option<&MapItem>,
        token: Option<&Arc<str>>,
    ) -> Value {
        let item = item.or(frame.item.as_deref()).map(|item| {
            let mut about = Map::default();
            about.insert("Index".into(), Value::from(item.index));
            if let Some(key) = &item.key {
                about.insert("Key".into(), Value::String(Arc::clone(key)));
            }
            about.insert("Value".into(), item.value.clone());
            if let Some(source) = &item.source {
                about.insert("Source".into(), Value::String(Arc::clone(source)));
            }
            Value::object([("Item", Value::from(about))])
        });
        if let Some(given) = &self.context_given {
            let mut given = given.clone();
            if let (Value::Object(members), Some(item)) = (&mut given, item) {
                Arc::make_mut(members).insert("Map".into(), item);
            }
            return given;
        }
        let (execution, machine) = self.identity.get_or_init(|| self.identity());
        let mut about = Map::default();
        about.insert("Name".into(), Value::String(Arc::clone(&state.name)));
        about.insert("EnteredTime".into(), frame.entered.to_string().into());
        if matches!(
            state.kind,
            Kind::Task(_) | Kind::Parallel { .. } | Kind::Map(_)
        ) {
            about.insert("RetryCount".into(), u64::from(frame.retry_count).into());
        }
        let mut context = Map::default();
        context.insert("Execution".into(), execution.clone());
        context.insert("StateMachine".into(), machine.clone());
        context.insert("State".into(), Value::from(about));
        if let Some(item) = item {
            context.insert("Map".into(), item);
        }
        let running = match &frame.activity {
            Activity::Task(task) => Some(&task.token),
            _ => None,
        };
        if let Some(token) = token.or(running) {
            let token = Value::String(Arc::clone(token));
            context.insert("Task".into(), Value::object([("Token", token)]));
        }
        Value::from(context)
    }

    fn identity(&self) -> (Value, Value) {
        let text = |text: &Arc<str>| Value::String(Arc::clone(text));
        let mut execution = Map::default();
        execution.insert("Id".into(), text(&self.about.arn));
        execution.insert("Input".into(), self.about.input.clone());
        execution.insert("StartTime".into(), self.started.to_string().into());
        execution.insert("Name".into(), text(&self.about.name));
        let role = Some(&self.about.role_arn).filter(|role| !role.is_empty());
        execution.insert("RoleArn".into(), role.map(text).unwrap_or_default());
        if self.about.kind == ExecutionType::Standard {
            execution.insert("RedriveCount".into(), self.redrives.into());
        }
        let machine = Value::object([
            ("Id", text(&self.about.state_machine_arn)),
            ("Name", text(&self.about.state_machine_name)),
        ]);
        (Value::from(execution), machine)
    }
}

/// What a query is given beside the state and its variables.
pub(super) struct Given<'a> {
    pub input: &'a Value,
    pub result: Option<&'a Value>,
    pub error_output: Option<&'a Value>,
    /// The Map item at hand, for ItemSelector.
    pub item: Option<&'a MapItem>,
    /// The token of the task about to be scheduled.
    pub token: Option<&'a Arc<str>>,
}
