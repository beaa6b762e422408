//! Going on after a restart, and histories of executions that are no longer in memory.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use asl::{Command, Status};

use super::replay::Replay;
use super::run::{Parent, Parts, Run};
use super::store::ExecutionRow;
use super::{Inner, SfnError, internal, not_found};
use cloud::error::ServiceError;

impl Inner {
    /// Goes on with what was running. Children of Distributed Maps are found by their parents.
    pub(super) async fn recover(self: &Arc<Self>) -> Result<(), SfnError> {
        let running = self.store.running()?;
        // Thousands of executions may share a definition.
        let mut machines: HashMap<String, asl::StateMachine> = HashMap::new();
        for row in running.iter().filter(|row| row.parent.is_none()) {
            let known = row
                .definition
                .as_ref()
                .and_then(|hash| machines.get(hash))
                .cloned();
            match known.map_or_else(|| self.machine_of(row), Ok) {
                Ok(machine) => {
                    if let Some(hash) = &row.definition {
                        machines
                            .entry(hash.clone())
                            .or_insert_with(|| machine.clone());
                    }
                    self.resume(row.clone(), machine, None).await?;
                }
                Err(error) => {
                    tracing::error!(execution = %row.start.arn, %error, "the execution cannot go on; it counts as aborted");
                    let status = Status::Aborted {
                        error: Some("States.Runtime".into()),
                        cause: Some(error.message.into()),
                    };
                    self.store.end(row.id, self.clock.now(), &status)?;
                }
            }
        }
        // A child whose parent ended in the moment of the kill: nobody waits for it any more.
        let parents: HashSet<&str> = running.iter().map(|row| &*row.start.arn).collect();
        let orphan = |row: &&ExecutionRow| {
            row.parent
                .as_deref()
                .is_some_and(|parent| !parents.contains(parent))
        };
        for row in running.iter().filter(orphan) {
            let status = Status::Aborted {
                error: None,
                cause: None,
            };
            self.store.end(row.id, self.clock.now(), &status)?;
        }
        Ok(())
    }

    pub(super) async fn resume(
        self: &Arc<Self>,
        row: ExecutionRow,
        machine: asl::StateMachine,
        parent: Option<Parent>,
    ) -> Result<(), SfnError> {
        let busy = self.clock.busy();
        let events = self.store.events(row.id)?;
        let logged = events.len() as i64;
        let mut replay = Replay::new(&machine, row.start.clone(), row.started, events, |_| {});
        let outstanding = replay.outstanding();
        let run = Run::new(
            self,
            Parts {
                id: row.id,
                start: row.start,
                parent,
                started: row.started,
                durable: true,
                execution: replay.execution,
                logged,
                last: replay.last,
            },
        );
        run.skip_published();
        self.runs.insert(&run);
        tracing::info!(execution = %run.start.arn, events = logged, outstanding = outstanding.len(), "goes on");
        if matches!(run.status(), Status::Running) {
            for (command, progress) in outstanding {
                self.take_up(&run, command, progress);
            }
        } else {
            run.settle(self, Vec::new());
        }
        run.release(self, busy);
        Ok(())
    }

    /// The machine of a recorded execution: its own definition, or a part of its parent's.
    pub(super) fn machine_of(&self, row: &ExecutionRow) -> Result<asl::StateMachine, ServiceError> {
        if let Some(hash) = &row.definition {
            let text = self
                .store
                .definition(hash)
                .map_err(internal)?
                .unwrap_or_default();
            return asl::StateMachine::parse(&text)
                .map_err(|invalid| ServiceError::new("InvalidDefinition", invalid.to_string()));
        }
        let parent = row
            .parent
            .as_deref()
            .map(|arn| self.store.execution(arn))
            .transpose()
            .map_err(internal)?;
        let parent = parent.flatten().ok_or_else(|| not_found(&row.start.arn))?;
        let mut found = None;
        self.replay(&parent, |command| {
            if let Command::StartChild { child, .. } = command
                && child.start.arn == row.start.arn
            {
                found = Some(child.machine.clone());
            }
        })?;
        found.ok_or_else(|| not_found(&row.start.arn))
    }

    pub(super) fn replay(
        &self,
        row: &ExecutionRow,
        seen: impl FnMut(&Command),
    ) -> Result<Replay, ServiceError> {
        let machine = self.machine_of(row)?;
        let events = self.store.events(row.id).map_err(internal)?;
        Ok(Replay::new(
            &machine,
            row.start.clone(),
            row.started,
            events,
            seen,
        ))
    }

    pub(super) fn history(&self, arn: &str) -> Result<Vec<asl::HistoryEvent>, ServiceError> {
        if let Some(run) = self.runs.get(arn) {
            return Ok(run.history());
        }
        let row = self
            .store
            .execution(arn)
            .map_err(internal)?
            .ok_or_else(|| not_found(arn))?;
        Ok(self.replay(&row, |_| {})?.execution.history().to_vec())
    }
}
