//! Distributed Map states: their iterations are child executions
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).

mod batches;
mod transfer;

use std::sync::Arc;

use crate::command::{Child, ChildId, ChildResult, Command, TaskId};
use crate::definition::{DistributedFields, Kind, MapFields, Program, State};
use crate::execution_type::ExecutionType;
use crate::history::{ErrorDetails, EventKind};
use crate::quota;
use crate::start::{Start, Status};
use crate::value::Value;

use super::failure::Failure;
use super::frame::{Activity, FrameKey, MapItem};
use super::{Execution, Ids, Step};

/// A Distributed Map state under way.
#[derive(Debug)]
pub(super) struct MapRun {
    arn: Arc<str>,
    /// The state machine's name and the Map's label, which children carry in their ARNs.
    machine: Arc<str>,
    /// What ItemSelector calls `$`.
    input: Value,
    items: Arc<Vec<Value>>,
    /// The items are the members of an object, `{"Key": …, "Value": …}`.
    keyed: bool,
    /// What `$$.Map.Item.Source` tells.
    source: Arc<str>,
    /// How many items there are, in batches or not.
    total: usize,
    /// The items are inputs already: batches.
    batched: bool,
    next: usize,
    limit: usize,
    running: Ids<usize>,
    children: Vec<Option<ChildResult>>,
    /// How many items have failed; all those of a failed batch have.
    failed: u64,
    tolerance: Tolerance,
    /// The reading of items or the writing of results under way.
    transfer: Option<TaskId>,
}

/// How many items of a Map may fail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tolerance {
    pub count: Option<u64>,
    /// In percent.
    pub share: Option<f64>,
}

impl Tolerance {
    /// Whether more items have failed than are tolerated: more than either threshold says. A threshold of 0 counts as
    /// none, and without any no failure is tolerated.
    pub(super) fn exceeded(self, failed: u64, total: usize) -> bool {
        let count = self.count.filter(|count| *count > 0);
        let share = self.share.filter(|share| *share > 0.0);
        if count.is_none() && share.is_none() {
            return failed > 0;
        }
        count.is_some_and(|count| failed > count)
            || share.is_some_and(|share| failed as f64 * 100.0 > share * total as f64)
    }
}

impl Execution {
    pub(super) fn map_run(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        distributed: &DistributedFields,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        let limit = match self.max_concurrency(key, state, map, &input)? {
            0 => quota::MAP_RUN_CONCURRENCY,
            limit => limit.min(quota::MAP_RUN_CONCURRENCY),
        };
        // With a reader the items come from what it reads, whatever ItemsPath says.
        let (items, keyed) = match distributed.reader {
            Some(_) => Default::default(),
            None => self.map_items(key, state, map, &input)?,
        };
        let length = items.len() as u64;
        self.record_for(key, EventKind::MapStateStarted { length });
        let tolerated_count = self.natural(
            key,
            state,
            &input,
            distributed.tolerated_count.as_ref(),
            "ToleratedFailureCount",
        )?;
        let tolerated_percentage = self.percentage(key, state, &input, distributed)?;
        let (arn, machine) = self.map_run_names(distributed);
        self.record_for(
            key,
            EventKind::MapRunStarted {
                arn: Arc::clone(&arn),
            },
        );
        let run = MapRun {
            arn,
            machine,
            input: input.clone(),
            items: Arc::clone(&items),
            keyed,
            source: "STATE_DATA".into(),
            total: 0,
            batched: false,
            next: 0,
            limit,
            running: Ids::default(),
            children: Vec::new(),
            failed: 0,
            tolerance: Tolerance {
                count: tolerated_count,
                share: tolerated_percentage,
            },
            transfer: None,
        };
        if let Some(frame) = self.frames.get_mut(key) {
            frame.activity = Activity::MapRun(Box::new(run));
        }
        match &distributed.reader {
            Some(reader) => self.read_items(key, state, reader, &input)?,
            None => {
                if let Some(step) = self.begin_run(key, state, map, distributed, items)? {
                    return Ok(step);
                }
            }
        }
        Ok(Step::Blocked)
    }

    pub(super) fn percentage(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        distributed: &DistributedFields,
    ) -> Result<Option<f64>, Failure> {
        let Some(field) = &distributed.tolerated_percentage else {
            return Ok(None);
        };
        self.query(key, state, input, |scope| {
            let number = field.number(scope)?;
            if (0.0..=100.0).contains(&number) {
                return Ok(Some(number));
            }
            Err(field.refuse("ToleratedFailurePercentage must be between 0 and 100.".to_string()))
        })
    }

    /// The Map Run's ARN, and the name that stands for the state machine in the ARNs of its children.
    fn map_run_names(&self, distributed: &DistributedFields) -> (Arc<str>, Arc<str>) {
        let label = match &distributed.label {
            Some(label) => Arc::clone(label),
            None => self.random.uuid().into(),
        };
        let machine = format!("{}/{label}", self.about.state_machine_name);
        let (partition, region, account) = self.place_of_arn();
        let arn = format!(
            "arn:{partition}:states:{region}:{account}:mapRun:{machine}:{}",
            self.random.uuid()
        );
        (arn.into(), machine.into())
    }

    fn place_of_arn(&self) -> (&str, &str, &str) {
        let mut parts = self.about.arn.split(':').skip(1);
        let partition = parts.next().unwrap_or("aws");
        let region = parts.nth(1).unwrap_or("us-east-1");
        (partition, region, parts.next().unwrap_or("123456789012"))
    }

    /// The items are known: makes batches of them and starts the first children. With no items the state is done.
    fn begin_run(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        distributed: &DistributedFields,
        items: Arc<Vec<Value>>,
    ) -> Result<Option<Step>, Failure> {
        let batched = distributed.batcher.is_some();
        let total = items.len();
        let items = match (&distributed.batcher, self.run_of(key)) {
            (Some(batcher), Some(run)) => {
                let input = run.input.clone();
                let items: Vec<MapItem> = items
                    .iter()
                    .enumerate()
                    .map(|(index, value)| run.item(index, value))
                    .collect();
                Arc::new(self.batches(key, state, map, batcher, &input, &items)?)
            }
            _ => items,
        };
        if let Some(run) = self.run_of(key) {
            run.total = total;
            run.children = vec![None; items.len()];
            run.items = items;
            run.batched = batched;
        }
        self.go_on_run(key, state, map, distributed)
    }

    /// Starts as many children as there is room for; with nothing left to run, ends the run.
    fn go_on_run(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        distributed: &DistributedFields,
    ) -> Result<Option<Step>, Failure> {
        loop {
            let Some(Activity::MapRun(run)) = self.frames.get(key).map(|frame| &frame.activity)
            else {
                return Ok(None);
            };
            if run.running.len() >= run.limit {
                return Ok(None);
            }
            let index = run.next;
            let Some(value) = run.items.get(index) else {
                break;
            };
            let input = if run.batched {
                value.clone()
            } else {
                let item = run.item(index, value);
                self.item_input(key, state, map, &run.input, &item)?
            };
            self.start_child(key, map, distributed, index, input);
        }
        match self.run_of(key) {
            Some(run) if run.running.is_empty() => self.end_run(key, state, distributed),
            _ => Ok(None),
        }
    }

    fn start_child(
        &mut self,
        key: FrameKey,
        map: &MapFields,
        distributed: &DistributedFields,
        index: usize,
        input: Value,
    ) {
        let id = ChildId(self.next_id());
        let name: Arc<str> = self.random.uuid().into();
        let seed = self.random.next();
        let (partition, region, account) = self.place_of_arn();
        let place = format!("arn:{partition}:states:{region}:{account}");
        let Some(Activity::MapRun(run)) = self.frames.get(key).map(|frame| &frame.activity) else {
            return;
        };
        let start = Start {
            arn: match distributed.execution_type {
                ExecutionType::Standard => format!("{place}:execution:{}:{name}", run.machine),
                ExecutionType::Express => format!("{place}:express:{}:{name}:{name}", run.machine),
            }
            .into(),
            name: Arc::clone(&name),
            role_arn: Arc::clone(&self.about.role_arn),
            state_machine_arn: format!("{place}:stateMachine:{}", run.machine).into(),
            state_machine_name: Arc::clone(&run.machine),
            kind: distributed.execution_type,
            input: input.clone(),
            seed,
            limits: self.about.limits,
        };
        let child = ChildResult {
            arn: Arc::clone(&start.arn),
            name,
            input,
            status: Status::Running,
            started: self.now,
            stopped: self.now,
        };
        let map_run_arn = Arc::clone(&run.arn);
        let machine = self.machine.starting_at(map.processor);
        if let Some(run) = self.run_of(key) {
            run.next = index + 1;
            run.running.insert(id.0, index);
            run.children[index] = Some(child);
        }
        self.children.insert(id.0, key);
        self.commands.push(Command::StartChild {
            id,
            child: Box::new(Child {
                machine,
                start,
                map_run_arn,
            }),
        });
    }

    pub(super) fn child_finished(&mut self, id: ChildId, status: Status) {
        let program: Arc<Program> = Arc::clone(&self.machine.program);
        let now = self.now;
        let Some(key) = self.children.remove(&id.0) else {
            return;
        };
        let Some((state, map, distributed)) = self.distributed_of(&program, key) else {
            return;
        };
        let Some(run) = self.run_of(key) else {
            return;
        };
        let well = matches!(status, Status::Succeeded { .. });
        let batched = run.batched;
        if let Some(child) = run
            .running
            .remove(&id.0)
            .and_then(|index| run.children[index].as_mut())
        {
            let items = child.input.get("Items").and_then(Value::as_array);
            run.failed += match (well, items) {
                (true, _) => 0,
                (false, Some(items)) if batched => items.len() as u64,
                (false, _) => 1,
            };
            child.status = status;
            child.stopped = now;
        }
        let went = if run.tolerance.exceeded(run.failed, run.total) {
            Err(Failure::too_many_failed())
        } else {
            self.go_on_run(key, state, map, distributed)
        };
        self.follow(&program, key, state, went);
    }

    /// Goes on after an event of the run.
    fn follow(
        &mut self,
        program: &Program,
        key: FrameKey,
        state: &State,
        went: Result<Option<Step>, Failure>,
    ) {
        let goes_on = match went {
            Ok(None | Some(Step::Blocked)) => false,
            Ok(Some(Step::Done(outcome))) => self.leave(program, key, state, outcome),
            Err(failure) => self.fail_state(program, key, state, failure),
        };
        if goes_on {
            self.ready.push_back(key);
        }
    }

    /// A state fails whose Map Run is under way: ends the run.
    pub(super) fn fail_run(&mut self, key: FrameKey, failure: &Failure) {
        let Some(frame) = self.frames.get_mut(key) else {
            return;
        };
        if let Activity::MapRun(run) = std::mem::replace(&mut frame.activity, Activity::Repeating) {
            self.call_off_run(&run);
            self.record_for(
                key,
                EventKind::MapRunFailed(ErrorDetails {
                    error: failure.error.clone(),
                    cause: failure.cause.clone(),
                }),
            );
        }
    }

    /// Stops the children and the transfer of a run that is no longer wanted.
    pub(super) fn call_off_run(&mut self, run: &MapRun) {
        if let Some(id) = run.transfer {
            self.tasks.remove(&id.0);
            self.commands.push(Command::CancelTask { id });
        }
        let mut ids: Vec<u64> = run.running.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.children.remove(&id);
            self.commands.push(Command::StopChild { id: ChildId(id) });
        }
    }

    fn run_of(&mut self, key: FrameKey) -> Option<&mut MapRun> {
        match &mut self.frames.get_mut(key)?.activity {
            Activity::MapRun(run) => Some(run),
            _ => None,
        }
    }

    fn distributed_of<'p>(
        &self,
        program: &'p Program,
        key: FrameKey,
    ) -> Option<(&'p State, &'p MapFields, &'p DistributedFields)> {
        let state = self.state_of(program, key)?;
        match &state.kind {
            Kind::Map(map) => map
                .distributed
                .as_ref()
                .map(|distributed| (state, &**map, distributed)),
            _ => None,
        }
    }
}

impl MapRun {
    fn item(&self, index: usize, value: &Value) -> MapItem {
        MapItem {
            source: Some(Arc::clone(&self.source)),
            ..MapItem::distributed(self.keyed, index, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_of_zero_is_none() {
        for (failed, count, share, exceeded) in [
            (1, Some(0), Some(100.0), false),
            (1, Some(0), Some(50.0), false),
            (1, Some(5), Some(0.0), false),
            (3, Some(5), Some(0.0), false),
            (2, Some(0), Some(50.0), true),
            (1, Some(0), Some(0.0), true),
            (1, Some(0), None, true),
            (1, None, None, true),
            (0, None, None, false),
        ] {
            let tolerance = Tolerance { count, share };
            assert_eq!(tolerance.exceeded(failed, 3), exceeded, "{tolerance:?}");
        }
    }
}
