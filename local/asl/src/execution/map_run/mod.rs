//! Distributed Map states: their iterations are child executions
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).

mod batches;
mod transfer;

use std::sync::Arc;

use crate::command::{Child, ChildId, ChildResult, Command, TaskId};
use crate::definition::{DistributedFields, Kind, MapFields, Program, State};
use crate::history::{ErrorDetails, EventKind};
use crate::value::Value;

use super::failure::Failure;
use super::frame::{Activity, FrameKey, MapItem};
use super::{Execution, ExecutionType, Ids, Start, Status, Step};

/// How many child executions of a Map Run are open at once at most.
const MAX_CONCURRENCY: usize = 10_000;

/// A Distributed Map state under way.
#[derive(Debug)]
pub(super) struct MapRun {
    arn: Arc<str>,
    /// The state machine's name and the Map's label, which children carry in their ARNs.
    machine: Arc<str>,
    /// What ItemSelector calls `$`.
    input: Value,
    items: Arc<Vec<Value>>,
    /// The items are inputs already: batches.
    batched: bool,
    next: usize,
    limit: usize,
    running: Ids<usize>,
    children: Vec<Option<ChildResult>>,
    failed: u64,
    tolerated_count: Option<u64>,
    tolerated_percentage: Option<f64>,
    /// The reading of items or the writing of results under way.
    transfer: Option<TaskId>,
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
            0 => MAX_CONCURRENCY,
            limit => limit.min(MAX_CONCURRENCY),
        };
        // With a reader the items come from what it reads, whatever ItemsPath says.
        let items = match distributed.reader {
            Some(_) => Arc::default(),
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
            batched: false,
            next: 0,
            limit,
            running: Ids::default(),
            children: Vec::new(),
            failed: 0,
            tolerated_count,
            tolerated_percentage,
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
        let items = match &distributed.batcher {
            None => items,
            Some(batcher) => {
                let input = self
                    .run_of(key)
                    .map(|run| run.input.clone())
                    .unwrap_or_default();
                Arc::new(self.batches(key, state, map, batcher, &input, &items)?)
            }
        };
        if let Some(run) = self.run_of(key) {
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
                let item = MapItem {
                    index: index as u64,
                    value: value.clone(),
                };
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
        if let Some(child) = run
            .running
            .remove(&id.0)
            .and_then(|index| run.children[index].as_mut())
        {
            child.status = status;
            child.stopped = now;
        }
        run.failed += u64::from(!well);
        let went = if run.too_many_failed() {
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
    /// Whether more children have failed than the state tolerates; with both thresholds given, either one counts.
    fn too_many_failed(&self) -> bool {
        if self.failed == 0 {
            return false;
        }
        let by_count = self
            .tolerated_count
            .is_some_and(|count| self.failed > count);
        let by_share = self
            .tolerated_percentage
            .is_some_and(|share| self.failed as f64 * 100.0 > share * self.items.len() as f64);
        let intolerant = self.tolerated_count.is_none() && self.tolerated_percentage.is_none();
        intolerant || by_count || by_share
    }
}
