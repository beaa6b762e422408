//! ItemReader and ResultWriter: what a Map Run asks of its driver before and after its children.

use std::sync::Arc;

use crate::command::{Command, ItemReader, MapRunResults, ResultWriter, TaskId};
use crate::definition::{DistributedFields, ReaderFields, State, Template};
use crate::error_name;
use crate::event::TaskError;
use crate::execution::activity::{Activity, FrameKey};
use crate::execution::broken::Broken;
use crate::execution::failure::{Failure, Origin};
use crate::execution::ledger::{Execution, Step};
use crate::execution::map_run::report::MapRunStatus;
use crate::execution::observe::Seen;
use crate::history::EventKind;
use crate::results;
use crate::state_type::StateType;
use crate::value::Value;

/// The bucket or the object that a reader reads, as `$$.Map.Item.Source` tells it.
fn source(arguments: &Value) -> String {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let bucket = text("Bucket").unwrap_or_default();
    match text("Key") {
        Some(key) => format!("s3://{bucket}/{key}"),
        None => format!("s3://{bucket}"),
    }
}

impl Execution {
    pub(super) fn read_items(
        &mut self,
        key: FrameKey,
        state: &State,
        reader: &ReaderFields,
        input: &Value,
    ) -> Result<Step, Failure> {
        let render = |template: &Option<Template>, field: &str| match template {
            None => Ok(Value::empty_object()),
            Some(template) => self.query(key, state, input, |scope| template.render(scope, field)),
        };
        let arguments = render(&reader.arguments, "ItemReader/Arguments")?;
        let mut config = render(&reader.config, "ItemReader/ReaderConfig")?;
        if let Some(field) = &reader.max_items {
            let max_items = self.query(key, state, input, |scope| field.integer(scope))?;
            if max_items < 0 {
                return Err(Failure::new(
                    error_name::ITEM_READER_FAILED,
                    "field MaxItems must be positive",
                    Origin::MapRun,
                ));
            }
            if let Value::Object(members) = &mut config {
                Arc::make_mut(members).insert("MaxItems".into(), max_items.into());
            }
        }
        let id = TaskId(self.next_id());
        self.tasks.insert(id.0, key);
        let source = source(&arguments);
        let run = self.frames.get_mut(key)?.map_run()?;
        run.transfer = Some(id);
        run.source = source.into();
        let reader = ItemReader {
            state: Arc::clone(&state.name),
            resource: reader.resource.clone(),
            arguments,
            config,
        };
        self.commands.push(Command::ReadItems { id, reader });
        Ok(Step::Blocked)
    }

    pub(in crate::execution) fn items_read(
        &mut self,
        id: TaskId,
        result: Result<Vec<Value>, TaskError>,
    ) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let Some(key) = self.transfer_over(id)? else {
            return Ok(());
        };
        let (state, map, distributed) = self.distributed_of(&program, key)?;
        let begun = match result {
            Ok(items) => {
                let items = Arc::new(items);
                let frame = self.frames.get(key)?;
                self.observer
                    .see(state, frame, || Seen::Items(Arc::clone(&items)));
                self.begin_run(key, state, map, distributed, items)
            }
            Err(error) => Err(Failure::of_driver(error, Origin::MapRun)),
        };
        self.resume(&program, key, state, begun)
    }

    /// All children have ended: hands the results to the writer, or completes the state.
    pub(super) fn end_run(
        &mut self,
        key: FrameKey,
        state: &State,
        distributed: &DistributedFields,
    ) -> Result<Step, Failure> {
        let run = self.frames.get_mut(key)?.map_run()?;
        let results = MapRunResults {
            map_run_arn: Arc::clone(&run.arn),
            // A redrive needs them, if the writer fails.
            children: run.children.clone(),
        };
        let input = run.input.clone();
        let Some(writer) = &distributed.writer else {
            let result = results::outputs(&results);
            return self.complete_run(key, state, result);
        };
        let render = |template: &Option<Template>, field: &str| match template {
            None => Ok(Value::empty_object()),
            Some(template) => self.query(key, state, &input, |scope| template.render(scope, field)),
        };
        let config = render(&writer.config, "ResultWriter/WriterConfig")?;
        let Some(resource) = writer.resource.clone() else {
            let result = results::transformed(&results, &config);
            return self.complete_run(key, state, result);
        };
        let arguments = render(&writer.arguments, "ResultWriter/Arguments")?;
        let id = TaskId(self.next_id());
        self.tasks.insert(id.0, key);
        self.frames.get_mut(key)?.map_run()?.transfer = Some(id);
        let writer = ResultWriter {
            state: Arc::clone(&state.name),
            resource,
            arguments,
            config,
        };
        self.commands.push(Command::WriteResults {
            id,
            writer,
            results,
        });
        Ok(Step::Blocked)
    }

    pub(in crate::execution) fn results_written(
        &mut self,
        id: TaskId,
        result: Result<Value, TaskError>,
    ) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let Some(key) = self.transfer_over(id)? else {
            return Ok(());
        };
        let (state, _, _) = self.distributed_of(&program, key)?;
        let written = match result {
            Ok(result) => {
                self.report(key)?.written();
                self.complete_run(key, state, result)
            }
            Err(error) => Err(Failure::of_driver(error, Origin::MapRun)),
        };
        self.resume(&program, key, state, written)
    }

    pub(super) fn complete_run(
        &mut self,
        key: FrameKey,
        state: &State,
        result: Value,
    ) -> Result<Step, Failure> {
        // The thread itself stays at MapRunStarted: MapStateExited refers to it.
        let last = self.frames.get(key)?.last;
        let succeeded = self.record(last, EventKind::MapRunSucceeded);
        self.record(succeeded, EventKind::StateSucceeded(StateType::Map));
        let now = self.now;
        self.report(key)?.close(MapRunStatus::Succeeded, now);
        self.frames.get_mut(key)?.activity = Activity::Repeating;
        self.see(key, state, || Seen::Result(result.clone()))?;
        self.finish(key, state, result).map(Step::Done)
    }

    /// The thread whose transfer is over; none when there is no such transfer, or none any more.
    fn transfer_over(&mut self, id: TaskId) -> Result<Option<FrameKey>, Broken> {
        let Some(key) = self.tasks.get(&id.0).copied() else {
            return Ok(None);
        };
        let Activity::MapRun(run) = &mut self.frames.get_mut(key)?.activity else {
            return Ok(None);
        };
        if run.transfer != Some(id) {
            return Ok(None);
        }
        run.transfer = None;
        self.tasks.remove(&id.0);
        Ok(Some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_the_object_or_the_bucket() {
        for (arguments, uri) in [
            (r#"{"Bucket":"b","Key":"k/l.csv"}"#, "s3://b/k/l.csv"),
            (r#"{"Bucket":"b","Prefix":"k/"}"#, "s3://b"),
        ] {
            assert_eq!(source(&Value::parse(arguments).unwrap()), uri);
        }
    }
}
