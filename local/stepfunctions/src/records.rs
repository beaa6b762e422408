//! What the records of an execution come to: the definition that it ran, and the execution itself, rebuilt.

use asl::Command;
use cloud::error::ServiceError;

use crate::errors::{internal, no_execution};
use crate::replay::Replay;
use crate::store::{ExecutionRow, Store};

impl Store {
    /// The machine of a recorded execution: its own definition, or a part of its parent's.
    pub(crate) fn machine_of(&self, row: &ExecutionRow) -> Result<asl::StateMachine, ServiceError> {
        if row.definition.is_some() {
            let text = self.definition_of(row)?;
            return asl::StateMachine::parse(&text)
                .map_err(|invalid| ServiceError::new("InvalidDefinition", invalid.to_string()));
        }
        let parent = self.parent_of(row)?;
        let mut found = None;
        self.replay(&parent, |command| {
            if let Command::StartChild { child, .. } = command
                && child.start.arn == row.start.arn
            {
                found = Some(child.machine.clone());
            }
        })?;
        found.ok_or_else(|| no_execution(&row.start.arn))
    }

    /// The definition that a recorded execution was started with; a child of a Distributed Map has
    /// its parent's.
    pub(crate) fn definition_of(&self, row: &ExecutionRow) -> Result<String, ServiceError> {
        let Some(hash) = &row.definition else {
            return self.definition_of(&self.parent_of(row)?);
        };
        self.definition(hash).map_err(internal)?.ok_or_else(|| {
            internal(format!(
                "the definition {hash} of {} is missing in the history database, so the execution cannot be replayed",
                row.start.arn
            ))
        })
    }

    fn parent_of(&self, row: &ExecutionRow) -> Result<ExecutionRow, ServiceError> {
        let parent = row
            .parent
            .as_deref()
            .map(|arn| self.execution(arn))
            .transpose()
            .map_err(internal)?;
        parent.flatten().ok_or_else(|| no_execution(&row.start.arn))
    }

    pub(crate) fn replay(
        &self,
        row: &ExecutionRow,
        seen: impl FnMut(&Command),
    ) -> Result<Replay, ServiceError> {
        let machine = self.machine_of(row)?;
        let events = self.events(row.id).map_err(internal)?;
        Ok(Replay::new(
            &machine,
            row.start.clone(),
            row.started,
            events,
            seen,
        ))
    }
}
