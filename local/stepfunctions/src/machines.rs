//! The state machines and activities there are.

use std::collections::HashMap;
use std::sync::Arc;

use asl::ExecutionType;
use cloud::error::ServiceError;
use stack::{self, Stack};

use crate::engine::Engine;
use crate::errors::{SfnError, no_machine};
use crate::machine::{Machine, compile};
use crate::store::{ActivityRow, MachineRow};

impl Engine {
    /// Registers what an earlier process has kept, and what the stack has.
    pub(crate) async fn register(&self, stack: &Stack) -> Result<(), SfnError> {
        let mut known = HashMap::new();
        for row in self.store.machines()? {
            known.insert(row.arn.clone(), row.clone());
            // A machine of an earlier version of the stack may no longer compile; it is created anew below.
            if let Ok(compiled) = asl::StateMachine::parse(&row.definition) {
                self.insert_machine(row, compiled);
            }
        }
        for row in self.store.activities()? {
            self.activities.create(row);
        }
        let now = self.clock.now();
        for machine in &stack.state_machines {
            let kind = match machine.kind {
                stack::StateMachineKind::Standard => ExecutionType::Standard,
                stack::StateMachineKind::Express => ExecutionType::Express,
            };
            let invalid = |invalid| SfnError::Definition {
                name: machine.name.clone(),
                file: machine.source.clone(),
                invalid,
            };
            let compiled = compile(&machine.definition, kind).map_err(invalid)?;
            let earlier = known.get(&machine.arn);
            let mut row = MachineRow {
                arn: machine.arn.clone(),
                name: machine.name.clone(),
                kind,
                role_arn: machine.role_arn.clone(),
                definition: machine.definition.clone(),
                revision: earlier.map_or_else(|| "INITIAL".to_owned(), |row| row.revision.clone()),
                created: earlier.map_or(now, |row| row.created),
                updated: earlier.map_or(now, |row| row.updated),
            };
            // What has not changed needs no write, so a full disk does not stop the start.
            if earlier != Some(&row) {
                row.updated = now;
                self.store.put_machine(row.clone()).await?;
            }
            self.insert_machine(row, compiled);
        }
        for activity in &stack.activities {
            let row = ActivityRow {
                arn: activity.arn.clone(),
                name: activity.name.clone(),
                created: now,
            };
            if self.activities.get(&row.arn).is_none() {
                self.store.put_activity(row.clone()).await?;
                self.activities.create(row);
            }
        }
        Ok(())
    }

    pub(crate) fn insert_machine(
        &self,
        row: MachineRow,
        compiled: asl::StateMachine,
    ) -> Arc<Machine> {
        let machine = Arc::new(Machine::new(row, compiled));
        let mut machines = self.machines.write();
        machines.insert(machine.row.arn.clone(), machine.clone());
        machine
    }

    pub(crate) fn machine(&self, arn: &str) -> Result<Arc<Machine>, ServiceError> {
        let machines = self.machines.read();
        machines.get(arn).cloned().ok_or_else(|| no_machine(arn))
    }
}
