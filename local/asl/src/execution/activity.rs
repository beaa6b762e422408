//! What a thread is about to do or is waiting for.

use std::collections::HashMap;
use std::sync::Arc;

use crate::command::{TaskId, TimerId};
use crate::history::TaskFamily;
use crate::value::Value;

use super::map_run::run::MapRun;

/// What stands under the numeric ids of tasks, timers and children.
pub(super) type Ids<T> = HashMap<u64, T, foldhash::fast::RandomState>;

/// Names a frame. A frame's place is used again after its end; the generation tells the users apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FrameKey {
    pub index: u32,
    pub generation: u32,
}

/// What a frame is about to do or is waiting for.
#[derive(Debug)]
pub(super) enum Activity {
    /// It will enter its state.
    Entering,
    /// It will run its state once more, after a failure.
    Repeating,
    /// A Wait state.
    Waiting {
        timer: TimerId,
    },
    /// A Retry's delay.
    Retrying {
        timer: TimerId,
    },
    Task(Box<TaskRun>),
    Parallel(Box<Branches>),
    Map(Box<Iterations>),
    MapRun(Box<MapRun>),
}

/// A task under way.
#[derive(Debug)]
pub(super) struct TaskRun {
    pub id: TaskId,
    pub family: TaskFamily,
    pub token: Arc<str>,
    /// The timer of TimeoutSeconds.
    pub timeout: Option<TimerId>,
    /// The timer for the next heartbeat, and the seconds between two.
    pub heartbeat: Option<(TimerId, f64)>,
}

/// The branches of a Parallel state under way.
#[derive(Debug)]
pub(super) struct Branches {
    pub running: Vec<FrameKey>,
    pub results: Vec<Value>,
}

/// The iterations of an inline Map under way.
#[derive(Debug)]
pub(super) struct Iterations {
    pub items: Arc<Vec<Value>>,
    /// What ItemSelector calls `$`.
    pub input: Value,
    /// The first item that has not been started.
    pub next: usize,
    /// How many may run at once.
    pub limit: usize,
    pub running: Vec<FrameKey>,
    pub results: Vec<Value>,
}
