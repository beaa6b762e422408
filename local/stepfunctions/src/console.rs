//! What a person who looks on is shown and may do: the console's side of the service.

use std::sync::Arc;

use asl::{HistoryEvent, Timestamp};
use cloud::action::StepFunctionsAction;
use cloud::error::ServiceError;
use serde_json::Value;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::errors::internal;
use crate::service::Sfn;
use crate::store::{ListedRow, Listing};
use crate::tokens::Waiting;

/// Which executions are wanted, newest first.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// ARN of a state machine, or of a Map Run.
    pub of: String,
    /// Name of a status that they must have.
    pub status: Option<String>,
    /// What the names of a state machine's executions must have in them.
    pub name: Option<String>,
    /// The moment before which they must not have started.
    pub since: Option<Timestamp>,
    /// Start and number of the execution that the wanted ones come after.
    pub after: Option<(Timestamp, i64)>,
    /// How many at most.
    pub limit: usize,
}

impl Sfn {
    /// Does what a person asks for, as the API does it, but for faults and rates: those are for programs.
    ///
    /// # Errors
    /// As the action of the API.
    pub async fn ask(
        &self,
        action: StepFunctionsAction,
        body: Value,
    ) -> Result<Value, ServiceError> {
        self.engine.recovered().await;
        self.engine.carry_out(action, body, None).await
    }

    /// Tells that some execution has changed; which, its hearer finds out.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.engine.subscribers.changes()
    }

    /// Looks at the history of an execution, which stands still meanwhile.
    ///
    /// # Errors
    /// There is no such execution, or its history cannot be read.
    pub async fn look_at_history<T: Send + 'static>(
        &self,
        arn: &str,
        look: impl FnOnce(&[HistoryEvent]) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        self.engine.recovered().await;
        self.engine.history(arn, look).await
    }

    /// Executions of a state machine or of a Map Run.
    ///
    /// # Errors
    /// The history cannot be read.
    pub async fn executions(&self, wanted: Wanted) -> Result<Vec<ListedRow>, ServiceError> {
        self.engine.recovered().await;
        let list = move |engine: &Arc<Engine>| {
            let listing = Listing {
                of: &wanted.of,
                qualifier: None,
                status: wanted.status.as_deref(),
                name: wanted.name.as_deref(),
                redriven: None,
                since: wanted.since,
                after: wanted.after.map(|(started, id)| (started.0, id)),
                limit: wanted.limit,
            };
            let mut rows = engine.store.list(listing).map_err(internal)?;
            for row in rows.iter_mut().filter(|row| row.stopped.is_none()) {
                // An end reaches the store a moment after it is told.
                if let Some(run) = engine.runs.get(&row.arn) {
                    run.status().name().clone_into(&mut row.status);
                    row.stopped = run.stopped();
                }
            }
            Ok(rows)
        };
        self.engine.apart(list).await
    }

    /// At most so many of the tasks that wait for an answer to their token, of one execution or of all.
    pub fn waiting(&self, execution: Option<&str>, most: usize) -> Vec<Waiting> {
        self.engine.tokens.waiting(execution, most)
    }
}
