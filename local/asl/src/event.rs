//! What a driver tells an execution.

use serde::{Deserialize, Serialize};

use crate::command::{ChildId, TaskId, TimerId};
use crate::start::Status;
use crate::value::Value;

/// Something happened. A durable log holds exactly these, each with its timestamp.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Event {
    /// The function, service call or activity has begun its work.
    TaskStarted {
        /// The task.
        id: TaskId,
        /// The name that an activity worker gave to GetActivityTask.
        worker: Option<String>,
    },
    /// `.sync` and `.waitForTaskToken` only: the service has taken the request.
    TaskSubmitted {
        /// The task.
        id: TaskId,
        /// The service's answer.
        output: Value,
    },
    /// The task is done.
    TaskSucceeded {
        /// The task.
        id: TaskId,
        /// Its result. For a Lambda ARN the payload, for a service the shape of its answer.
        output: Value,
    },
    /// The task has failed.
    TaskFailed {
        /// The task.
        id: TaskId,
        /// The error name that Retry and Catch match.
        error: String,
        /// Details for people.
        cause: Option<String>,
    },
    /// The worker is alive; HeartbeatSeconds start anew.
    TaskHeartbeat {
        /// The task.
        id: TaskId,
    },
    /// A timer has reached its moment.
    TimerFired {
        /// The timer.
        id: TimerId,
    },
    /// The items of a Distributed Map have been read, or not.
    ItemsRead {
        /// The id of the `ReadItems` command.
        id: TaskId,
        /// The items.
        result: Result<Vec<Value>, TaskError>,
    },
    /// The results of a Distributed Map have been stored, or not.
    ResultsWritten {
        /// The id of the `WriteResults` command.
        id: TaskId,
        /// `{"ResultWriterDetails": …}` or the form that WriterConfig asks for.
        result: Result<Value, TaskError>,
    },
    /// A child execution has ended.
    ChildFinished {
        /// The child.
        id: ChildId,
        /// How.
        status: Status,
    },
    /// Somebody called StopExecution.
    Stop {
        /// The caller's error name.
        error: Option<String>,
        /// The caller's cause.
        cause: Option<String>,
    },
    /// Somebody called RedriveExecution: one that did not succeed goes on where it stopped.
    Redrive,
    /// Somebody called UpdateMapRun.
    MapRunUpdated {
        /// The Map Run's ARN.
        map_run: String,
        /// What changes.
        update: MapRunUpdate,
    },
}

/// What UpdateMapRun changes of a Map Run that is under way; what it does not name stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MapRunUpdate {
    /// MaxConcurrency; 0 stands for no limit.
    pub max_concurrency: Option<u64>,
    /// ToleratedFailureCount.
    pub tolerated_count: Option<u64>,
    /// ToleratedFailurePercentage.
    pub tolerated_percentage: Option<f64>,
}

/// Why something the driver was asked to do did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskError {
    /// The error name that Retry and Catch match.
    pub error: String,
    /// Details for people.
    pub cause: Option<String>,
}
