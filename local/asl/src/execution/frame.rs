//! The threads of an execution: one for the state machine, one per Parallel branch and per running Map iteration.

use std::sync::Arc;

use crate::command::{TaskId, TimerId};
use crate::definition::StateId;
use crate::history::TaskFamily;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

use super::map_run::MapRun;

/// Names a frame. A frame's place is used again after its end; the generation tells the users apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FrameKey {
    index: u32,
    generation: u32,
}

/// One thread of an execution.
#[derive(Debug)]
pub(super) struct Frame {
    pub parent: Option<FrameKey>,
    /// The branch of a Parallel or the iteration of a Map.
    pub index: u64,
    pub state: StateId,
    /// The current state's raw input.
    pub input: Value,
    /// Everything assigned in this scope and, at its start, in the scopes around it.
    pub variables: Arc<Map>,
    /// The last event of this thread, to which the next one refers.
    pub last: u64,
    /// The event with which the current state was entered.
    pub entered_event: u64,
    pub entered: Timestamp,
    /// How often the current state was retried.
    pub retry_count: u32,
    /// How often each of its Retry entries has been used; empty before the first.
    pub retries: Vec<u32>,
    /// The nearest Map's current item.
    pub item: Option<Arc<MapItem>>,
    pub activity: Activity,
}

/// `$$.Map.Item`.
#[derive(Debug)]
pub(super) struct MapItem {
    pub index: u64,
    pub value: Value,
    /// The name of the member, when the items are those of an object.
    pub key: Option<Arc<str>>,
    /// Where a Distributed Map has its items from: `STATE_DATA` or an S3 URI.
    pub source: Option<Arc<str>>,
}

impl MapItem {
    /// An item of an array.
    pub(super) fn new(index: usize, value: Value) -> MapItem {
        MapItem {
            index: index as u64,
            value,
            key: None,
            source: None,
        }
    }

    /// An item of a Distributed Map, `keyed` when the items are the members of an object.
    pub(super) fn distributed(keyed: bool, index: usize, value: &Value) -> MapItem {
        if keyed {
            MapItem::of_member(index, value)
        } else {
            MapItem::new(index, value.clone())
        }
    }

    /// A member of an object, which a Distributed Map has as `{"Key": …, "Value": …}`.
    fn of_member(index: usize, member: &Value) -> MapItem {
        let key = match member.get("Key") {
            Some(Value::String(key)) => Some(Arc::clone(key)),
            _ => None,
        };
        MapItem {
            key,
            ..MapItem::new(index, member.get("Value").cloned().unwrap_or_default())
        }
    }

    /// The item as the input of an iteration.
    pub(super) fn input(&self) -> Value {
        match &self.key {
            None => self.value.clone(),
            Some(key) => Value::object([
                ("Key", Value::String(Arc::clone(key))),
                ("Value", self.value.clone()),
            ]),
        }
    }
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

/// All frames of an execution.
#[derive(Debug, Default)]
pub(super) struct Frames {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    frame: Option<Frame>,
}

impl Frames {
    pub(super) fn insert(&mut self, frame: Frame) -> FrameKey {
        if let Some(index) = self.free.pop()
            && let Some(slot) = self.slots.get_mut(index as usize)
        {
            slot.frame = Some(frame);
            return FrameKey {
                index,
                generation: slot.generation,
            };
        }
        let index = self.slots.len() as u32;
        self.slots.push(Slot {
            generation: 0,
            frame: Some(frame),
        });
        FrameKey {
            index,
            generation: 0,
        }
    }

    pub(super) fn get(&self, key: FrameKey) -> Option<&Frame> {
        self.slots
            .get(key.index as usize)
            .filter(|slot| slot.generation == key.generation)
            .and_then(|slot| slot.frame.as_ref())
    }

    pub(super) fn get_mut(&mut self, key: FrameKey) -> Option<&mut Frame> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.generation == key.generation)
            .and_then(|slot| slot.frame.as_mut())
    }

    pub(super) fn remove(&mut self, key: FrameKey) -> Option<Frame> {
        let slot = self
            .slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.generation == key.generation)?;
        let frame = slot.frame.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Some(frame)
    }

    /// Forgets every frame.
    pub(super) fn clear(&mut self) {
        *self = Frames::default();
    }
}
