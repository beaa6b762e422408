//! Executions in memory: all that run, and the latest that have ended.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::run::Run;
use parking_lot::{Mutex, MutexGuard};

/// Ended executions that stay in memory. Older Standard ones are rebuilt from the log when asked
/// for; an Express execution's history ends here, as it does on AWS without CloudWatch Logs.
const KEPT: usize = 1_000;

#[derive(Default)]
struct Table {
    by_arn: HashMap<Arc<str>, Arc<Run>>,
    ended: VecDeque<Arc<str>>,
}

/// Executions by ARN.
#[derive(Default)]
pub struct Runs(Mutex<Table>);

impl Runs {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock()
    }

    /// Adds an execution; false if its ARN is taken.
    pub fn insert(&self, run: &Arc<Run>) -> bool {
        let mut table = self.lock();
        if table.by_arn.contains_key(&run.start.arn) {
            return false;
        }
        table.by_arn.insert(run.start.arn.clone(), run.clone());
        true
    }

    /// The execution with that ARN, if it is in memory.
    pub fn get(&self, arn: &str) -> Option<Arc<Run>> {
        self.lock().by_arn.get(arn).cloned()
    }

    /// Notes that an execution has ended, and lets go of the oldest that have.
    pub fn finished(&self, run: &Run) {
        let mut table = self.lock();
        table.ended.push_back(run.start.arn.clone());
        if table.ended.len() > KEPT
            && let Some(oldest) = table.ended.pop_front()
        {
            table.by_arn.remove(&oldest);
        }
    }

    /// Executions of which `wanted` holds.
    pub fn filter(&self, wanted: impl Fn(&Run) -> bool) -> Vec<Arc<Run>> {
        self.lock()
            .by_arn
            .values()
            .filter(|run| wanted(run))
            .cloned()
            .collect()
    }

    /// Lets go of all.
    pub fn clear(&self) -> Vec<Arc<Run>> {
        let mut table = self.lock();
        table.ended.clear();
        table.by_arn.drain().map(|(_, run)| run).collect()
    }
}
