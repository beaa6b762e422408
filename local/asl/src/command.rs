//! What an execution asks of its driver.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::StateMachine;
use crate::resource::Resource;
use crate::start::{Start, Status};
use crate::timestamp::Timestamp;
use crate::value::Value;

/// Names a task (or the reading of items, or the writing of results) within its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub u64);

/// Names a timer within its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub u64);

/// Names a child execution of a Distributed Map within its execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChildId(pub u64);

/// What the driver is to do now.
#[derive(Clone, Debug)]
pub enum Command {
    /// Start a task; answer with `Event::TaskStarted`, then `TaskSucceeded` or `TaskFailed`.
    ScheduleTask(Task),
    /// The task has timed out, was aborted or is no longer wanted: stop what can be stopped. Needs no answer.
    CancelTask {
        /// The task.
        id: TaskId,
    },
    /// Answer with `Event::TimerFired` at the given moment.
    StartTimer {
        /// The timer.
        id: TimerId,
        /// When it fires.
        at: Timestamp,
    },
    /// The timer is no longer wanted; should it fire all the same, the event is ignored.
    CancelTimer {
        /// The timer.
        id: TimerId,
    },
    /// Fetch and parse the items of a Distributed Map; answer with `Event::ItemsRead`.
    ReadItems {
        /// Under which id to answer.
        id: TaskId,
        /// Where the items are and in what form.
        reader: ItemReader,
    },
    /// Store the results of a Distributed Map; answer with `Event::ResultsWritten`.
    WriteResults {
        /// Under which id to answer.
        id: TaskId,
        /// Where the results go and in what form.
        writer: ResultWriter,
        /// What every child execution came to.
        results: MapRunResults,
    },
    /// Run a child execution of a Distributed Map; answer with `Event::ChildFinished`.
    StartChild {
        /// Under which id to answer.
        id: ChildId,
        /// What to run.
        child: Box<Child>,
    },
    /// Stop a child execution.
    StopChild {
        /// The child.
        id: ChildId,
    },
}

/// One attempt at a Task state's work.
#[derive(Clone, Debug)]
pub struct Task {
    /// Under which id to answer.
    pub id: TaskId,
    /// The Task state's name.
    pub state: Arc<str>,
    /// The index of the nearest Map iteration or Parallel branch around the state.
    pub index: Option<u64>,
    /// How many attempts went before: 0 for the first.
    pub attempt: u32,
    /// What to call.
    pub resource: Resource,
    /// With what: the state's effective input after Parameters or Arguments.
    pub arguments: Value,
    /// The token with which SendTaskSuccess and its kin name this task.
    pub task_token: Arc<str>,
    /// TimeoutSeconds in force. The interpreter enforces it; the driver may pass it on.
    pub timeout_seconds: Option<u64>,
    /// HeartbeatSeconds in force. The interpreter enforces it.
    pub heartbeat_seconds: Option<u64>,
    /// The state's Credentials, evaluated.
    pub credentials: Option<Value>,
}

/// Where a Distributed Map finds its items.
#[derive(Clone, Debug)]
pub struct ItemReader {
    /// The Map state's name.
    pub state: Arc<str>,
    /// `s3:getObject` or `s3:listObjectsV2`.
    pub resource: Resource,
    /// Evaluated: `{"Bucket": …, "Key": …}` or `{"Bucket": …, "Prefix": …}`.
    pub arguments: Value,
    /// Evaluated ReaderConfig: `InputType`, `CSVHeaderLocation`, `CSVHeaders`, `CSVDelimiter`, `MaxItems`, …;
    /// an empty object when the state has none.
    pub config: Value,
}

/// Where a Distributed Map puts its results.
#[derive(Clone, Debug)]
pub struct ResultWriter {
    /// The Map state's name.
    pub state: Arc<str>,
    /// `s3:putObject`.
    pub resource: Resource,
    /// Evaluated: `{"Bucket": …, "Prefix": …}`.
    pub arguments: Value,
    /// Evaluated WriterConfig: `Transformation`, `OutputType`; an empty object when the state has none.
    pub config: Value,
}

/// What the child executions of a Distributed Map came to, in the order of the items.
#[derive(Clone, Debug)]
pub struct MapRunResults {
    /// The Map Run's ARN.
    pub map_run_arn: Arc<str>,
    /// Every child that was started, with its own start and its final status.
    pub children: Vec<ChildResult>,
}

/// One child execution of a Distributed Map after its end.
#[derive(Clone, Debug)]
pub struct ChildResult {
    /// The child's ARN.
    pub arn: Arc<str>,
    /// The child's name.
    pub name: Arc<str>,
    /// Its input.
    pub input: Value,
    /// How it ended.
    pub status: Status,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub stopped: Timestamp,
    /// How often it was redriven.
    pub redrives: u64,
}

/// One child execution of a Distributed Map.
#[derive(Clone, Debug)]
pub struct Child {
    /// The Map's ItemProcessor as a state machine.
    pub machine: StateMachine,
    /// How to start it.
    pub start: Start,
    /// The ARN of the Map Run it belongs to.
    pub map_run_arn: Arc<str>,
    /// It ran before and did not succeed, and this is its redrive of that number: a Standard execution goes on where it
    /// stopped, an Express execution starts anew under its ARN. 0 for its first start.
    pub redrive: u64,
}
