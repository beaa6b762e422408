//! Distributed Map states: their iterations are child executions
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html>).

mod batches;
mod redrive;
pub(super) mod report;
pub(super) mod run;
mod transfer;
mod update;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::command::{Child, ChildId, ChildResult, Command};
use crate::definition::{DistributedFields, MapFields, Program, State};
use crate::error_name;
use crate::execution_type::ExecutionType;
use crate::history::EventKind;
use crate::start::{Start, Status};
use crate::value::Value;

use self::report::{MapRunCounts, MapRunReport, MapRunStatus};
use self::run::{MapRun, Tolerance, items_of};
use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::failure::Failure;
use super::item::MapItem;
use super::ledger::{Execution, Step};
use super::observe::Seen;

impl Execution {
    pub(super) fn map_run(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        distributed: &DistributedFields,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        let max_concurrency = self.max_concurrency(key, state, map, &input)?;
        let limit = run::limit(max_concurrency);
        // With a reader the items come from what it reads, whatever ItemsPath says.
        let (items, keyed) = match distributed.reader {
            Some(_) => Default::default(),
            None => self.map_items(key, state, map, &input)?,
        };
        let length = items.len() as u64;
        self.record_for(key, EventKind::MapStateStarted { length })?;
        let tolerance = self.tolerance(key, state, &input, distributed)?;
        let (arn, machine) = self.map_run_names(distributed);
        self.record_for(
            key,
            EventKind::MapRunStarted {
                arn: Arc::clone(&arn),
            },
        )?;
        self.map_runs.push(MapRunReport {
            arn: Arc::clone(&arn),
            started: self.now,
            stopped: None,
            redrives: 0,
            redriven: None,
            status: MapRunStatus::Running,
            max_concurrency: max_concurrency as u64,
            tolerated_count: tolerance.count.unwrap_or(0),
            tolerated_percentage: tolerance.share.unwrap_or(0.0),
            items: MapRunCounts::default(),
            executions: MapRunCounts::default(),
        });
        let run = MapRun {
            report: self.map_runs.len() - 1,
            arn,
            machine,
            input: input.clone(),
            items: Arc::clone(&items),
            keyed,
            source: "STATE_DATA".into(),
            total: 0,
            planned: false,
            batched: false,
            limit,
            running: HashMap::default(),
            children: Vec::new(),
            again: VecDeque::new(),
            failed: 0,
            tolerance,
            transfer: None,
        };
        self.frames.get_mut(key)?.activity = Activity::MapRun(Box::new(run));
        match &distributed.reader {
            Some(reader) => self.read_items(key, state, reader, &input),
            None => self.begin_run(key, state, map, distributed, items),
        }
    }

    /// How many failures the Map tolerates.
    pub(in crate::execution) fn tolerance(
        &self,
        key: FrameKey,
        state: &State,
        input: &Value,
        distributed: &DistributedFields,
    ) -> Result<Tolerance, Failure> {
        let count = self.natural(
            key,
            state,
            input,
            distributed.tolerated_count.as_ref(),
            "ToleratedFailureCount",
        )?;
        if let Some(count) = count {
            self.see(key, state, || Seen::ToleratedFailureCount(count))?;
        }
        let share = self.percentage(key, state, input, distributed)?;
        if let Some(share) = share {
            self.see(key, state, || Seen::ToleratedFailurePercentage(share))?;
        }
        Ok(Tolerance { count, share })
    }

    fn percentage(
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
    ) -> Result<Step, Failure> {
        let total = items.len();
        let run = self.frames.get_mut(key)?.map_run()?;
        let items = match &distributed.batcher {
            None => items,
            Some(batcher) => {
                let input = run.input.clone();
                let items: Vec<MapItem> = items
                    .iter()
                    .enumerate()
                    .map(|(index, value)| run.item(index, value))
                    .collect();
                Arc::new(self.batches(key, state, map, batcher, &input, &items)?)
            }
        };
        self.report(key)?.plan(total, items.len());
        let run = self.frames.get_mut(key)?.map_run()?;
        run.total = total;
        run.items = items;
        run.planned = true;
        run.batched = distributed.batcher.is_some();
        self.go_on_run(key, state, map, distributed)
    }

    /// Starts as many children as there is room for; with nothing left to run, ends the run.
    fn go_on_run(
        &mut self,
        key: FrameKey,
        state: &State,
        map: &MapFields,
        distributed: &DistributedFields,
    ) -> Result<Step, Failure> {
        loop {
            let Activity::MapRun(run) = &self.frames.get(key)?.activity else {
                return Err(Broken("a Map Run that goes on is under way").into());
            };
            if run.running.len() >= run.limit {
                return Ok(Step::Blocked);
            }
            if !run.again.is_empty() {
                self.restart_child(key, map, distributed)?;
                continue;
            }
            let index = run.children.len();
            let Some(value) = run.items.get(index) else {
                break;
            };
            let input = if run.batched {
                value.clone()
            } else {
                let item = run.item(index, value);
                self.item_input(key, state, map, &run.input, &item)?
            };
            self.start_child(key, map, distributed, input)?;
        }
        if self.frames.get_mut(key)?.map_run()?.running.is_empty() {
            self.end_run(key, state, distributed)
        } else {
            Ok(Step::Blocked)
        }
    }

    fn start_child(
        &mut self,
        key: FrameKey,
        map: &MapFields,
        distributed: &DistributedFields,
        input: Value,
    ) -> Result<(), Broken> {
        let name: Arc<str> = self.random.uuid().into();
        let (partition, region, account) = self.place_of_arn();
        let place = format!("arn:{partition}:states:{region}:{account}");
        let run = self.frames.get_mut(key)?.map_run()?;
        let arn = match distributed.execution_type {
            ExecutionType::Standard => format!("{place}:execution:{}:{name}", run.machine),
            ExecutionType::Express => format!("{place}:express:{}:{name}:{name}", run.machine),
        };
        let child = ChildResult {
            arn: arn.into(),
            name,
            input,
            status: Status::Running,
            started: self.now,
            stopped: self.now,
            redrives: 0,
        };
        let items = items_of(run, &child.input);
        let index = run.children.len();
        run.children.push(child);
        self.report(key)?.begin(items);
        self.run_child(key, map, distributed, index)
    }

    /// Lets a child run, for the first time or again.
    fn run_child(
        &mut self,
        key: FrameKey,
        map: &MapFields,
        distributed: &DistributedFields,
        index: usize,
    ) -> Result<(), Broken> {
        let id = ChildId(self.next_id());
        let seed = self.random.next();
        let (partition, region, account) = self.place_of_arn();
        let place = format!("arn:{partition}:states:{region}:{account}");
        let run = self.frames.get_mut(key)?.map_run()?;
        let child = run.children.get(index).ok_or(Broken::UNKNOWN_CHILD)?;
        let (input, redrive) = (child.input.clone(), child.redrives);
        let start = Start {
            arn: Arc::clone(&child.arn),
            name: Arc::clone(&child.name),
            role_arn: Arc::clone(&self.about.role_arn),
            state_machine_arn: format!("{place}:stateMachine:{}", run.machine).into(),
            state_machine_name: Arc::clone(&run.machine),
            kind: distributed.execution_type,
            input,
            input_text: None,
            seed,
            limits: self.about.limits,
        };
        let map_run_arn = Arc::clone(&run.arn);
        run.running.insert(id.0, index);
        self.children.insert(id.0, key);
        let machine = self.machine.starting_at(map.processor);
        self.commands.push(Command::StartChild {
            id,
            child: Box::new(Child {
                machine,
                start,
                map_run_arn,
                redrive,
            }),
        });
        Ok(())
    }

    pub(super) fn child_finished(&mut self, id: ChildId, status: Status) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let now = self.now;
        let Some(key) = self.children.remove(&id.0) else {
            return Ok(());
        };
        let (state, map, distributed) = self.distributed_of(&program, key)?;
        let run = self.frames.get_mut(key)?.map_run()?;
        let index = run.running.remove(&id.0);
        let child = index.and_then(|index| run.children.get_mut(index));
        let child = child.ok_or(Broken::UNKNOWN_CHILD)?;
        child.status = status.clone();
        child.stopped = now;
        let input = child.input.clone();
        let items = items_of(run, &input);
        self.report(key)?.end(items, &status);
        let run = self.frames.get_mut(key)?.map_run()?;
        if !matches!(status, Status::Succeeded { .. }) {
            run.failed += items as u64;
        }
        let went = if run.tolerance.exceeded(run.failed, run.total) {
            Err(Failure::too_many_failed())
        } else {
            self.go_on_run(key, state, map, distributed)
        };
        self.resume(&program, key, state, went)
    }

    /// A state fails whose Map Run is under way: ends the run.
    pub(super) fn fail_run(&mut self, key: FrameKey, failure: &Failure) -> Result<(), Broken> {
        let frame = self.frames.get_mut(key)?;
        if let Activity::MapRun(run) = std::mem::replace(&mut frame.activity, Activity::Repeating) {
            self.call_off_run(&run, MapRunStatus::Failed);
            self.record_for(key, EventKind::MapRunFailed(failure.details()))?;
            // A redrive of a Map whose data were too large starts another Map Run.
            if failure.error.as_deref() != Some(error_name::DATA_LIMIT) {
                self.leave_behind(key, Activity::MapRun(run), Vec::new())?;
            }
        }
        Ok(())
    }

    /// Stops the children and the transfer of a run that is no longer wanted.
    pub(super) fn call_off_run(&mut self, run: &MapRun, status: MapRunStatus) {
        let now = self.now;
        if let Some(report) = self.map_runs.get_mut(run.report) {
            report.close(status, now);
        }
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

    /// What is told of the thread's Map Run.
    fn report(&mut self, key: FrameKey) -> Result<&mut MapRunReport, Broken> {
        let index = self.frames.get_mut(key)?.map_run()?.report;
        let report = self.map_runs.get_mut(index);
        report.ok_or(Broken("a Map Run under way is told of"))
    }

    fn distributed_of<'p>(
        &self,
        program: &'p Program,
        key: FrameKey,
    ) -> Result<(&'p State, &'p MapFields, &'p DistributedFields), Broken> {
        let (state, map) = self.map_of(program, key)?;
        match &map.distributed {
            Some(distributed) => Ok((state, map, distributed)),
            None => Err(Broken("children run in a Distributed Map state")),
        }
    }
}
