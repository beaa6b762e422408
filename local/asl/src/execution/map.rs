//! Map states whose iterations run inside the execution.

use std::sync::Arc;

use crate::definition::{Dynamic, Items, Kind, MapFields, Program, State};
use crate::error_name;
use crate::history::EventKind;
use crate::query::{Language, QueryError, jsonata};
use crate::quota;
use crate::state_type::StateType;
use crate::value::Value;

use super::activity::{Activity, FrameKey, Iterations};
use super::broken::Broken;
use super::context::Given;
use super::failure::Failure;
use super::frame::Frame;
use super::item::MapItem;
use super::ledger::{Execution, Step};
use super::observe::Seen;

impl Execution {
    pub(super) fn map(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        if map.misplaced {
            let error = QueryError::runtime(
                "The ItemReader, ItemBatcher and ResultWriter fields are not supported for INLINE maps",
            );
            return Err(self.query_failure(key, state, error));
        }
        let limit = match self.max_concurrency(key, state, map, &input)? {
            0 => quota::INLINE_CONCURRENCY,
            limit => limit.min(quota::INLINE_CONCURRENCY),
        };
        let (items, _) = self.map_items(key, state, map, &input)?;
        let length = items.len() as u64;
        self.record_for(key, EventKind::MapStateStarted { length })?;
        if items.is_empty() {
            let last = self.frames.get(key)?.last;
            self.record(last, EventKind::StateSucceeded(StateType::Map));
            return self
                .finish(key, state, Value::array(Vec::new()))
                .map(Step::Done);
        }
        // At least: the iteration starts and succeeds, and enters and leaves a state.
        let events = self.history.len() as u64 + 4 * length;
        let room = events
            .min(self.limits.history_events)
            .saturating_sub(self.history.len() as u64);
        self.history.reserve(room as usize);
        let frame = self.frames.get_mut(key)?;
        let last = frame.last;
        frame.activity = Activity::Map(Box::new(Iterations {
            results: vec![Value::Null; items.len()],
            items,
            input,
            next: 0,
            limit,
            running: Vec::new(),
        }));
        self.start_iterations(key, state, map, last)?;
        Ok(Step::Blocked)
    }

    /// Starts as many iterations as there is room for.
    pub(super) fn start_iterations(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        previous: u64,
    ) -> Result<(), Failure> {
        let iterations = self.frames.get_mut(key)?.iterations()?;
        let room = iterations.limit.saturating_sub(iterations.running.len());
        for _ in 0..room {
            self.start_iteration(key, state, map, previous)?;
        }
        Ok(())
    }

    /// MaxConcurrency; 0 stands for no limit.
    pub(super) fn max_concurrency(
        &self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        input: &Value,
    ) -> Result<usize, Failure> {
        let limit = match &map.max_concurrency {
            None => 0,
            Some(field) => self.query(key, state, input, |scope| {
                let limit = field.integer(scope)?;
                usize::try_from(limit)
                    .map_err(|_| field.refuse("MaxConcurrency cannot be negative.".to_string()))
            })?,
        };
        self.see(key, state, || Seen::MaxConcurrency(limit as u64))?;
        Ok(limit)
    }

    /// The items that ItemsPath or Items gives, and whether they are the members of an object.
    pub(super) fn map_items(
        &self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        input: &Value,
    ) -> Result<(Arc<Vec<Value>>, bool), Failure> {
        let value = self.query(key, state, input, |scope| match &map.items {
            Items::Input => Ok(input.clone()),
            Items::Path { path, .. } => path.select(scope).map_err(|missing| missing.conflict()),
            Items::Expression(expression) if map.distributed.is_some() => {
                match expression.evaluate(scope, "Items")? {
                    items @ (Value::Array(_) | Value::Object(_)) => Ok(items),
                    _ => expression.evaluate_as(scope, "Items", jsonata::Kind::Array),
                }
            }
            Items::Expression(expression) => {
                expression.evaluate_as(scope, "Items", jsonata::Kind::Array)
            }
            Items::Template(template) => template.render(scope, "Items"),
            Items::Literal(value) => Ok(value.clone()),
        })?;
        match value {
            Value::Array(items) => {
                self.see(key, state, || Seen::Items(Arc::clone(&items)))?;
                return Ok((items, false));
            }
            // A Distributed Map takes the members of an object as items too.
            Value::Object(members) if map.distributed.is_some() => {
                let items = members.iter().map(|(key, value)| {
                    Value::object([
                        ("Key", Value::String(Arc::clone(key))),
                        ("Value", value.clone()),
                    ])
                });
                let items: Arc<Vec<Value>> = Arc::new(items.collect());
                self.see(key, state, || Seen::Items(Arc::clone(&items)))?;
                return Ok((items, true));
            }
            _ => {}
        }
        let error = match state.language {
            Language::Jsonata => QueryError {
                error: error_name::QUERY_EVALUATION,
                cause: format!("Map state input must be an array but was: {value}"),
                location: None,
            },
            Language::JsonPath => {
                let path = match &map.items {
                    Items::Path { text, .. } => text,
                    _ => "$",
                };
                QueryError::runtime(format!("Reference path \"{path}\" must point to array."))
            }
        };
        Err(self.query_failure(key, state, error))
    }

    /// What an iteration gets as its input: the item, or what ItemSelector makes of it.
    pub(super) fn item_input(
        &self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        input: &Value,
        item: &MapItem,
    ) -> Result<Value, Failure> {
        let Some(selector) = &map.selector else {
            return Ok(item.input());
        };
        let given = Given {
            input,
            result: None,
            error_output: None,
            item: Some(item),
            token: None,
        };
        let input = self.evaluate(key, state, given, |scope| {
            selector.render(scope, map.selector_field)
        })?;
        self.see(key, state, || Seen::ItemSelected(input.clone()))?;
        Ok(input)
    }

    /// Starts the next iteration, if there is one and room for it. `previous` is the event that made the room.
    fn start_iteration(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        previous: u64,
    ) -> Result<(), Failure> {
        let frame = self.frames.get(key)?;
        let Activity::Map(iterations) = &frame.activity else {
            return Err(Broken::NO_PARENT.into());
        };
        let index = iterations.next;
        let Some(value) = iterations
            .items
            .get(index)
            .filter(|_| iterations.running.len() < iterations.limit)
        else {
            return Ok(());
        };
        let item = MapItem::new(index, value.clone());
        let input = match &map.selector {
            None => item.value.clone(),
            Some(_) => match self.item_input(key, state, map, &iterations.input, &item) {
                Ok(input) => input,
                Err(failure) => {
                    self.abort_iterations(key, state, Vec::new())?;
                    return Err(failure);
                }
            },
        };
        let started = EventKind::MapIterationStarted {
            name: Arc::clone(&state.name),
            index: item.index,
        };
        let id = self.record(previous, started);
        let iteration = self.spawn(key, item.index, map.processor, input)?;
        let frame = self.frames.get_mut(iteration)?;
        frame.last = id;
        frame.item = Some(Arc::new(item));
        let iterations = self.frames.get_mut(key)?.iterations()?;
        iterations.next += 1;
        iterations.running.push(iteration);
        Ok(())
    }

    pub(super) fn iteration_done(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        ended: &Frame,
        output: Value,
    ) -> Result<(), Broken> {
        let (state, map) = self.map_of(program, parent)?;
        let succeeded = EventKind::MapIterationSucceeded {
            name: Arc::clone(&state.name),
            index: ended.index,
        };
        let id = self.record(ended.last, succeeded);
        let frame = self.frames.get_mut(parent)?;
        frame.last = id;
        let iterations = frame.iterations()?;
        iterations.running.retain(|running| *running != key);
        let place = iterations.results.get_mut(ended.index as usize);
        *place.ok_or(Broken::NO_PLACE)? = output;
        if iterations.next < iterations.items.len() {
            return match self.start_iteration(parent, state, map, ended.last) {
                Ok(()) => Ok(()),
                Err(failure) => self.fail_thread(program, parent, failure),
            };
        }
        if !iterations.running.is_empty() {
            return Ok(());
        }
        let results = std::mem::take(&mut iterations.results);
        frame.activity = Activity::Repeating;
        let succeeded = self.record(id, EventKind::StateSucceeded(StateType::Map));
        self.complete_after(succeeded, program, parent, Value::array(results))
    }

    pub(super) fn iteration_failed(
        &mut self,
        program: &Program,
        parent: FrameKey,
        key: FrameKey,
        failure: Failure,
    ) -> Result<(), Broken> {
        let (state, _) = self.map_of(program, parent)?;
        let ended = self.frames.remove(key)?;
        let failed = EventKind::MapIterationFailed {
            name: Arc::clone(&state.name),
            index: ended.index,
        };
        self.record(ended.last, failed);
        if failure.origin.is_task() {
            self.record(ended.last, EventKind::StateAborted(StateType::Task));
        }
        let frame = self.frames.get_mut(parent)?;
        frame.last = ended.last;
        frame
            .iterations()?
            .running
            .retain(|running| *running != key);
        self.abort_iterations(parent, state, vec![ended])?;
        self.fail_thread(program, parent, failure.of_state())
    }

    /// Ends all running iterations of a Map because of its last event, after those that have failed.
    fn abort_iterations(
        &mut self,
        key: FrameKey,
        state: &State,
        mut threads: Vec<Frame>,
    ) -> Result<(), Broken> {
        let frame = self.frames.get_mut(key)?;
        let last = frame.last;
        let running = std::mem::take(&mut frame.iterations()?.running);
        let activity = std::mem::replace(&mut frame.activity, Activity::Repeating);
        for iteration in running {
            let index = self.frames.get(iteration)?.index;
            self.record_iteration_aborted(state, index, last);
            threads.push(self.abort(iteration, last)?);
        }
        self.leave_behind(key, activity, threads)
    }

    pub(super) fn record_iteration_aborted(&mut self, state: &State, index: u64, previous: u64) {
        let name = Arc::clone(&state.name);
        self.record(previous, EventKind::MapIterationAborted { name, index });
    }

    pub(super) fn map_of<'p>(
        &self,
        program: &'p Program,
        key: FrameKey,
    ) -> Result<(&'p State, &'p MapFields), Broken> {
        let state = self.state_of(program, key)?;
        match &state.kind {
            Kind::Map(map) => Ok((state, map)),
            _ => Err(Broken("iterations and children run in a Map state")),
        }
    }

    /// A field of the Map that must not be negative.
    pub(super) fn natural(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        field: Option<&Dynamic>,
        name: &str,
    ) -> Result<Option<u64>, Failure> {
        let Some(field) = field else {
            return Ok(None);
        };
        self.query(key, state, input, |scope| {
            let number = field.integer(scope)?;
            u64::try_from(number)
                .map(Some)
                .map_err(|_| field.refuse(format!("{name} cannot be negative.")))
        })
    }
}
