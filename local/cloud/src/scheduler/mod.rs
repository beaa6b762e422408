//! EventBridge Scheduler: schedules that start executions or invoke functions.

mod api;
mod group;
mod rest;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::Utc;
use parking_lot::{Mutex, MutexGuard};
use tokio::task::AbortHandle;

use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::Faults;
use crate::records::Records;
use crate::schedule::sleep_until;
use crate::targets::Targets;
use crate::time::Timestamp;
use group::Group;
use schedule::{Completion, DEFAULT_GROUP, Definition, Schedule, State};
use stack::Stack;

pub(crate) use rest::is_path;

/// The scheduler.
#[derive(Clone)]
pub struct Scheduler {
    inner: Arc<Inner>,
}

struct Inner {
    local: Local,
    targets: Targets,
    faults: Faults,
    schedules: Records,
    groups: Records,
    state: Mutex<Book>,
}

/// All schedules and groups.
#[derive(Default)]
struct Book {
    /// By group and name.
    schedules: BTreeMap<(String, String), Schedule>,
    groups: BTreeMap<String, Group>,
    /// The clocks of schedules.
    clocks: BTreeMap<(String, String), AbortHandle>,
    /// Whether the clocks run.
    started: bool,
}

/// A schedule of the stack that cannot work.
#[derive(Debug, thiserror::Error)]
#[error("schedule {name}: {reason}")]
pub struct ScheduleError {
    /// Schedule name.
    pub name: String,
    /// What is wrong.
    pub reason: ServiceError,
}

impl Scheduler {
    /// A scheduler with the schedules of a stack, and with those that requests have made in the same data folder. None
    /// is due before [`Scheduler::start`].
    pub fn new(
        local: Local,
        targets: Targets,
        faults: Faults,
        stack: &Stack,
    ) -> Result<Self, ScheduleError> {
        let folder = local.data_dir.join("scheduler");
        let scheduler = Scheduler {
            inner: Arc::new(Inner {
                local,
                targets,
                faults,
                schedules: Records::new(folder.join("schedules")),
                groups: Records::new(folder.join("groups")),
                state: Mutex::default(),
            }),
        };
        scheduler.load(stack);
        for declared in &stack.schedules {
            let definition = Definition::declared(declared).map_err(|reason| ScheduleError {
                name: declared.name.clone(),
                reason,
            })?;
            scheduler.declare(definition);
        }
        Ok(scheduler)
    }

    /// Takes up what an earlier local cloud has kept, but for schedules that the stack no longer has.
    fn load(&self, stack: &Stack) {
        let mut book = self.book();
        for group in self.inner.groups.load::<Group>() {
            book.groups.insert(group.name.clone(), group);
        }
        let default = Group::new(DEFAULT_GROUP, &self.inner.local);
        book.groups
            .entry(DEFAULT_GROUP.to_owned())
            .or_insert(default);
        for schedule in self.inner.schedules.load::<Schedule>() {
            let key = schedule.key();
            let mut declared = stack.schedules.iter();
            let is_there = declared.any(|one| (&one.group, &one.name) == (&key.0, &key.1));
            if schedule.declared && !is_there {
                self.inner.schedules.remove(&record_id(&key));
            } else {
                book.schedules.insert(key, schedule);
            }
        }
    }

    /// Takes a schedule of the stack up. One that is as it was keeps its dates, so that a restart does not invoke it.
    fn declare(&self, definition: Definition) {
        let schedule = Schedule::new(definition, &self.inner.local, true);
        let mut book = self.book();
        let known = book.schedules.get(&schedule.key());
        if known.is_some_and(|known| known.definition == schedule.definition) {
            return;
        }
        let group = schedule.definition.group_name.clone();
        let made = || Group::new(&group, &self.inner.local);
        book.groups.entry(group.clone()).or_insert_with(made);
        self.inner
            .schedules
            .save(&record_id(&schedule.key()), &schedule);
        book.schedules.insert(schedule.key(), schedule);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.inner.state.lock()
    }

    /// Begins to watch the clock.
    pub fn start(&self) {
        let keys: Vec<_> = {
            let mut book = self.book();
            book.started = true;
            book.schedules.keys().cloned().collect()
        };
        for key in keys {
            self.wind(&key);
        }
    }

    /// Stops watching the clock.
    pub fn stop(&self) {
        let mut book = self.book();
        book.started = false;
        for (_, clock) in std::mem::take(&mut book.clocks) {
            clock.abort();
        }
    }

    /// Makes a schedule's clock go by what the schedule says now.
    fn wind(&self, key: &(String, String)) {
        let mut book = self.book();
        if let Some(clock) = book.clocks.remove(key) {
            clock.abort();
        }
        let enabled = book
            .schedules
            .get(key)
            .is_some_and(|schedule| schedule.definition.state == State::Enabled);
        if book.started && enabled {
            let clock = tokio::spawn(self.clone().tick(key.clone())).abort_handle();
            book.clocks.insert(key.clone(), clock);
        }
    }

    /// Invokes a schedule's target whenever it is due.
    async fn tick(self, key: (String, String)) {
        loop {
            let Some(schedule) = self.book().schedules.get(&key).cloned() else {
                return;
            };
            // It was checked as it was made.
            let Ok(expression) = schedule.definition.expression() else {
                return;
            };
            let Some(due) = schedule.due(&expression, Utc::now()) else {
                return self.complete(&schedule);
            };
            sleep_until(schedule.invoked_at(due)).await;
            tracing::info!(schedule = %schedule.arn, target = %schedule.definition.target.arn, "due");
            let delivery = schedule.delivery(due, &self.inner.local);
            if let Err(error) = self.inner.targets.deliver(delivery) {
                tracing::error!(schedule = %schedule.arn, %error, "an invocation was lost");
            }
            let mut book = self.book();
            let Some(kept) = book.schedules.get_mut(&key) else {
                return;
            };
            kept.last = Some(Timestamp(due.timestamp_micros()));
            self.inner.schedules.save(&record_id(&key), kept);
        }
    }

    /// What is done with a schedule that is not due again.
    fn complete(&self, schedule: &Schedule) {
        if schedule.definition.action_after_completion == Completion::Delete {
            let mut book = self.book();
            book.clocks.remove(&schedule.key());
            book.schedules.remove(&schedule.key());
            self.inner.schedules.remove(&record_id(&schedule.key()));
        }
    }
}

/// The name of a schedule's record; neither name has such a character.
fn record_id((group, name): &(String, String)) -> String {
    format!("{group}%{name}")
}
