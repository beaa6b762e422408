//! The state machines and activities there are.

use std::collections::HashMap;
use std::sync::Arc;

use asl::ExecutionType;
use cloud::error::ServiceError;
use stack::{self, Stack, StateMachineAlias};

use crate::engine::Engine;
use crate::errors::{SfnError, no_machine};
use crate::machine::{INITIAL, Machine, compile};
use crate::published::Version;
use crate::store::{ActivityRow, AliasRow, Configuration, MachineRow};

fn compiled(machine: &stack::StateMachine) -> Result<(ExecutionType, asl::StateMachine), SfnError> {
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
    Ok((kind, compiled))
}

impl Engine {
    /// Registers what an earlier process has kept, and what the stack has.
    pub(crate) async fn register(&self, stack: &Stack) -> Result<(), SfnError> {
        let known = self.load()?;
        self.declare(stack, &known).await
    }

    /// Registers what of a changed stack is new or other than before. Executions that run go on with the definition with
    /// which they began. <https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html>
    pub(crate) async fn reload(&self, changed: &Stack) -> Result<(), SfnError> {
        let rows = self.store.machines()?.into_iter();
        let known = rows.map(|row| (row.arn.clone(), row)).collect();
        self.declare(changed, &known).await
    }

    /// Registers state machines, aliases and activities; none of them if one is not valid.
    async fn declare(
        &self,
        stack: &Stack,
        known: &HashMap<String, MachineRow>,
    ) -> Result<(), SfnError> {
        let now = self.clock.now();
        let machines = stack.state_machines.iter();
        let compiled: Vec<_> = machines.clone().map(compiled).collect::<Result<_, _>>()?;
        for (machine, (kind, compiled)) in machines.zip(compiled) {
            self.deleting.write().remove(&machine.arn);
            let earlier = known.get(&machine.arn);
            let mut row = MachineRow {
                arn: machine.arn.clone(),
                name: machine.name.clone(),
                kind,
                role_arn: machine.role_arn.clone(),
                definition: machine.definition.clone(),
                configuration: earlier
                    .map_or_else(Configuration::default, |row| row.configuration.clone()),
                revision: earlier.map_or_else(|| INITIAL.to_owned(), |row| row.revision.clone()),
                last_version: earlier.map_or(0, |row| row.last_version),
                deleting: false,
                created: earlier.map_or(now, |row| row.created),
                updated: earlier.map_or(now, |row| row.updated),
            };
            // What has not changed needs no write, so a full disk does not stop the start.
            if earlier != Some(&row) {
                if earlier.is_some() {
                    row.revision = uuid::Uuid::new_v4().to_string();
                }
                row.updated = now;
                self.store.put_machine(row.clone()).await?;
            }
            self.insert_machine(row, compiled);
        }
        for alias in &stack.state_machine_aliases {
            self.register_alias(alias).await?;
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

    /// Takes over what an earlier process has kept; the state machines by ARN.
    fn load(&self) -> Result<HashMap<String, MachineRow>, SfnError> {
        let mut known = HashMap::new();
        for row in self.store.machines()? {
            known.insert(row.arn.clone(), row.clone());
            if row.deleting {
                self.deleting.write().insert(row.arn.clone());
            }
            // A machine of an earlier version of the stack may no longer compile; it is created anew afterwards.
            if let Ok(compiled) = asl::StateMachine::parse(&row.definition) {
                self.insert_machine(row, compiled);
            }
        }
        let mut published = self.published.write();
        for (row, machine) in self.store.versions()? {
            if let Ok(compiled) = asl::StateMachine::parse(&machine.definition) {
                let machine = Arc::new(Machine::new(machine, compiled));
                published.put_version(Arc::new(Version { row, machine }));
            }
        }
        for row in self.store.aliases()? {
            published.put_alias(row);
        }
        for row in self.store.activities()? {
            self.activities.create(row);
        }
        Ok(known)
    }

    /// Makes an alias of the stack lead to its state machine as it is now, which is published for that.
    async fn register_alias(&self, alias: &StateMachineAlias) -> Result<(), SfnError> {
        // What is no state machine of the stack is on AWS an error of the deployment.
        let Ok(machine) = self.machine(&alias.state_machine_arn) else {
            return Ok(());
        };
        let version = self.publish(&machine, None).await?;
        let arn = format!("{}:{}", alias.state_machine_arn, alias.name);
        let routes = vec![(version.row.number, 100)];
        let earlier = self.published.read().alias(&arn).cloned();
        if earlier.as_ref().is_some_and(|row| row.routes == routes) {
            return Ok(());
        }
        let now = self.clock.now();
        let row = AliasRow {
            arn,
            machine: alias.state_machine_arn.clone(),
            name: alias.name.clone(),
            description: String::new(),
            routes,
            created: earlier.map_or(now, |row| row.created),
            updated: now,
        };
        self.store.put_alias(row.clone()).await?;
        self.published.write().put_alias(row);
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
