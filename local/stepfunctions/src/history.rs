//! The history of an execution: of one in memory as it stands, of an older one rebuilt from its log.

use std::sync::Arc;

use asl::{HistoryEvent, MapRunReport};
use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::errors::{internal, no_execution};
use crate::histories::Past;

impl Engine {
    /// Looks at the history of an execution.
    pub(crate) async fn history<T: Send + 'static>(
        self: &Arc<Self>,
        arn: &str,
        look: impl FnOnce(&[HistoryEvent]) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let arn = arn.to_owned();
        self.look_back(move |engine| match engine.runs.get(&arn) {
            Some(run) => Ok(run.with_history(look)),
            None => Ok(look(&engine.past(&arn)?.history)),
        })
        .await
    }

    /// The Map Runs of an execution, in the order of their start.
    pub(crate) async fn map_runs(
        self: &Arc<Self>,
        arn: &str,
    ) -> Result<Vec<MapRunReport>, ServiceError> {
        let arn = arn.to_owned();
        self.look_back(move |engine| match engine.runs.get(&arn) {
            Some(run) => Ok(run.map_runs()),
            None => Ok(engine.past(&arn)?.map_runs.clone()),
        })
        .await
    }

    /// Looks on a thread of its own, with few others: what is looked at may have to be rebuilt first.
    async fn look_back<T: Send + 'static>(
        self: &Arc<Self>,
        look: impl FnOnce(&Arc<Engine>) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ServiceError> {
        let places = self.histories.places.clone();
        let place = places.acquire_owned().await.map_err(internal)?;
        self.apart(move |engine| {
            let _place = place;
            look(engine)
        })
        .await
    }

    /// What the log of an execution that is no longer in memory comes to.
    fn past(&self, arn: &str) -> Result<Arc<Past>, ServiceError> {
        let row = self.store.execution(arn).map_err(internal)?;
        let row = row.ok_or_else(|| no_execution(arn))?;
        if let Some(past) = self.histories.get(row.id) {
            return Ok(past);
        }
        let execution = self.store.replay(&row, |_| {})?.execution;
        let past = Arc::new(Past {
            history: execution.history().to_vec(),
            map_runs: execution.map_runs().to_vec(),
        });
        if row.stopped.is_some() {
            self.histories.keep(row.id, &past);
        }
        Ok(past)
    }
}
