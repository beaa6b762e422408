//! Executions in memory: all that run, and the latest that have ended.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use crate::run::Run;

/// Ended executions that stay in memory. Older Standard ones are rebuilt from the log when asked
/// for; an Express execution's history ends here, as it does on AWS without CloudWatch Logs.
const KEPT: usize = 1_000;

#[derive(Default)]
struct Table {
    by_arn: HashMap<Arc<str>, Arc<Run>>,
    claimed: HashSet<Arc<str>>,
    ended: VecDeque<Arc<str>>,
}

/// Executions by ARN.
#[derive(Default)]
pub struct Runs {
    table: Mutex<Table>,
    released: Notify,
}

/// The right to make the run of an execution: nobody else has it, and there is no run of it yet.
/// [`Run::new`] takes it, so that no execution can run twice. Dropped unused, it is free again.
pub struct Claim<'a> {
    runs: &'a Runs,
    arn: Arc<str>,
}

impl Runs {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    /// Claims an execution, or gives the run that there is. Waits while somebody else has the claim.
    pub async fn claim(&self, arn: &Arc<str>) -> Result<Claim<'_>, Arc<Run>> {
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            // Registered before the look, so a release in between is not missed.
            released.as_mut().enable();
            if let Some(outcome) = self.try_claim(arn) {
                return outcome;
            }
            released.await;
        }
    }

    /// As [`Runs::claim`]; none while somebody else has the claim.
    pub fn try_claim(&self, arn: &Arc<str>) -> Option<Result<Claim<'_>, Arc<Run>>> {
        let mut table = self.lock();
        if let Some(run) = table.by_arn.get(arn) {
            return Some(Err(run.clone()));
        }
        let claim = || {
            Ok(Claim {
                runs: self,
                arn: arn.clone(),
            })
        };
        table.claimed.insert(arn.clone()).then(claim)
    }

    /// The execution with that ARN, if it is in memory.
    pub fn get(&self, arn: &str) -> Option<Arc<Run>> {
        self.lock().by_arn.get(arn).cloned()
    }

    /// Notes that an execution has ended, and lets go of the oldest that have.
    pub fn finished(&self, run: &Run) {
        let mut table = self.lock();
        // A redrive may have put another run in its place.
        let known = table.by_arn.get(&run.start.arn);
        if !known.is_some_and(|known| std::ptr::eq(Arc::as_ptr(known), run)) {
            return;
        }
        table.ended.push_back(run.start.arn.clone());
        if table.ended.len() > KEPT
            && let Some(oldest) = table.ended.pop_front()
        {
            table.by_arn.remove(&oldest);
        }
    }

    /// Lets go of an ended execution, as of one that has been removed from the store.
    pub fn forget(&self, arn: &str) {
        let mut table = self.lock();
        if table.by_arn.remove(arn).is_some() {
            // Its name may be used again, and that execution must not be let go of in its place.
            table.ended.retain(|ended| **ended != *arn);
        }
    }

    /// Lets go of an ended execution that is to be redriven, so that another run of it can be made.
    pub fn forget_ended(&self, arn: &str) {
        if self.get(arn).is_some_and(|run| run.stopped().is_some()) {
            self.forget(arn);
        }
    }

    /// Whether there is an execution of which `wanted` holds.
    pub fn any(&self, wanted: impl Fn(&Run) -> bool) -> bool {
        self.lock().by_arn.values().any(|run| wanted(run))
    }

    /// Lets go of all.
    pub fn clear(&self) -> Vec<Arc<Run>> {
        let mut table = self.lock();
        table.ended.clear();
        table.by_arn.drain().map(|(_, run)| run).collect()
    }
}

impl Claim<'_> {
    /// Puts the run into the place that was claimed for it.
    pub fn fill(self, run: &Arc<Run>) {
        let arn = self.arn.clone();
        self.runs.lock().by_arn.insert(arn, run.clone());
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.runs.lock().claimed.remove(&self.arn);
        self.runs.released.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn one_at_a_time_may_make_the_run_of_an_execution() {
        let runs = Runs::default();
        let arn = Arc::from("arn");
        let claim = runs.claim(&arn).await.ok().unwrap();
        assert!(runs.try_claim(&arn).is_none());
        let mut next = Box::pin(runs.claim(&arn));
        assert!((&mut next).now_or_never().is_none());
        drop(claim);
        assert!(next.now_or_never().is_some_and(|claim| claim.is_ok()));
    }
}
