//! Deleting state machines: one goes once its executions have ended, and each of these ends at its next state.
//! <https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html>

use std::sync::Arc;

use asl::{EventKind, HistoryEvent};
use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::errors::{internal, machine_deleting};
use crate::machine::Machine;
use crate::run::Run;
use crate::store::{MachineRow, StoreError};

impl Engine {
    /// A state machine that is not being deleted.
    ///
    /// # Errors
    /// `StateMachineDoesNotExist`, `StateMachineDeleting`.
    pub(crate) fn changeable(&self, arn: &str) -> Result<Arc<Machine>, ServiceError> {
        let machine = self.machine(arn)?;
        match machine.row.deleting {
            true => Err(machine_deleting(arn)),
            false => Ok(machine),
        }
    }

    /// Deletes a state machine, now or once its executions have ended; one that does not exist is no error.
    pub(crate) async fn delete_machine(&self, arn: &str) -> Result<(), ServiceError> {
        let _changing = self.changing.lock().await;
        let Ok(machine) = self.machine(arn) else {
            return Ok(());
        };
        let row = MachineRow {
            deleting: true,
            ..machine.row.clone()
        };
        self.store
            .put_machine(row.clone())
            .await
            .map_err(internal)?;
        self.insert_machine(row, machine.compiled.clone());
        self.deleting.write().insert(arn.to_owned());
        self.remove_if_idle(arn).await.map_err(internal)
    }

    /// Goes on with the deletions that an earlier process had begun.
    pub(crate) async fn resume_deletions(&self) -> Result<(), StoreError> {
        let arns: Vec<String> = self.deleting.read().iter().cloned().collect();
        for arn in arns {
            self.remove_if_idle(&arn).await?;
        }
        Ok(())
    }

    async fn remove_if_idle(&self, arn: &str) -> Result<(), StoreError> {
        if self
            .runs
            .any(|run| run.is_of(arn) && run.stopped().is_none())
        {
            return Ok(());
        }
        self.store.delete_machine(arn).await?;
        self.machines.write().remove(arn);
        self.published.write().remove_machine(arn);
        self.deleting.write().remove(arn);
        Ok(())
    }

    /// Whether an execution that has come to another state is to end there.
    pub(crate) fn is_doomed(&self, run: &Run, news: &[HistoryEvent]) -> bool {
        let moved = |event: &HistoryEvent| matches!(event.kind, EventKind::StateEntered { .. });
        self.is_deleting(run) && news.iter().any(moved)
    }

    fn is_deleting(&self, run: &Run) -> bool {
        let deleting = self.deleting.read();
        !deleting.is_empty() && deleting.contains(&*run.start.state_machine_arn)
    }

    /// An execution has ended: perhaps the last of a state machine that is being deleted.
    pub(crate) fn has_ended(self: &Arc<Self>, run: &Run) {
        if !self.is_deleting(run) {
            return;
        }
        let (engine, arn) = (self.clone(), run.start.state_machine_arn.clone());
        self.runtime.spawn(async move {
            let _changing = engine.changing.lock().await;
            if let Err(error) = engine.remove_if_idle(&arn).await {
                tracing::error!(machine = %arn, %error, "not deleted; tried again at the next start");
            }
        });
    }
}
