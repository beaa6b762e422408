//! The threads of an execution: one for the state machine, one per Parallel branch and per running Map iteration.

use std::sync::Arc;

use crate::definition::StateId;
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

use super::activity::{Activity, Branches, FrameKey, Iterations, TaskRun};
use super::broken::Broken;
use super::item::MapItem;
use super::map_run::run::MapRun;
use super::redrive::Left;

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
    /// What a redrive takes up again of the current state, if it is a Parallel or a Map that has failed or was aborted.
    pub left: Option<Box<Left>>,
}

impl Frame {
    /// A thread that is to enter a state, with nothing around it.
    #[inline]
    pub(super) fn first(state: StateId, input: Value, now: Timestamp) -> Frame {
        Frame {
            parent: None,
            index: 0,
            state,
            input,
            variables: Arc::default(),
            last: 0,
            entered_event: 0,
            entered: now,
            retry_count: 0,
            retries: Vec::new(),
            item: None,
            activity: Activity::Entering,
            left: None,
        }
    }

    /// The task under way.
    pub(super) fn task(&mut self) -> Result<&mut TaskRun, Broken> {
        match &mut self.activity {
            Activity::Task(task) => Ok(task),
            _ => Err(Broken("a task of which one speaks is under way")),
        }
    }

    /// The branches under way.
    pub(super) fn branches(&mut self) -> Result<&mut Branches, Broken> {
        match &mut self.activity {
            Activity::Parallel(branches) => Ok(branches),
            _ => Err(Broken(
                "a Parallel state with a branch has branches under way",
            )),
        }
    }

    /// The iterations under way.
    pub(super) fn iterations(&mut self) -> Result<&mut Iterations, Broken> {
        match &mut self.activity {
            Activity::Map(iterations) => Ok(iterations),
            _ => Err(Broken(
                "a Map state with an iteration has iterations under way",
            )),
        }
    }

    /// The Map Run under way.
    pub(super) fn map_run(&mut self) -> Result<&mut MapRun, Broken> {
        match &mut self.activity {
            Activity::MapRun(run) => Ok(run),
            _ => Err(Broken(
                "a Distributed Map with a child has a Map Run under way",
            )),
        }
    }
}

/// All frames of an execution.
#[derive(Debug, Default)]
pub(super) struct Frames {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

const ENDED: Broken = Broken("a thread that is asked for has not ended");

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

    /// The frame, if it has not ended.
    #[inline]
    pub(super) fn find(&self, key: FrameKey) -> Option<&Frame> {
        self.slots
            .get(key.index as usize)
            .filter(|slot| slot.generation == key.generation)
            .and_then(|slot| slot.frame.as_ref())
    }

    /// The frame, which has not ended: whoever holds its key now has it from the frame itself, its parent or its child.
    #[inline]
    pub(super) fn get(&self, key: FrameKey) -> Result<&Frame, Broken> {
        self.find(key).ok_or(ENDED)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, key: FrameKey) -> Result<&mut Frame, Broken> {
        self.slot(key)?.frame.as_mut().ok_or(ENDED)
    }

    pub(super) fn remove(&mut self, key: FrameKey) -> Result<Frame, Broken> {
        let slot = self.slot(key)?;
        let frame = slot.frame.take().ok_or(ENDED)?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(key.index);
        Ok(frame)
    }

    #[inline]
    fn slot(&mut self, key: FrameKey) -> Result<&mut Slot, Broken> {
        self.slots
            .get_mut(key.index as usize)
            .filter(|slot| slot.generation == key.generation)
            .ok_or(ENDED)
    }

    /// A frame of which `wanted` holds.
    pub(super) fn search(&self, wanted: impl Fn(&Frame) -> bool) -> Option<FrameKey> {
        let frames = self.slots.iter().zip(0..);
        let found = |slot: &Slot| slot.frame.as_ref().is_some_and(&wanted);
        let (slot, index) = frames.into_iter().find(|(slot, _)| found(slot))?;
        Some(FrameKey {
            index,
            generation: slot.generation,
        })
    }

    /// Forgets every frame.
    pub(super) fn clear(&mut self) {
        *self = Frames::default();
    }
}
