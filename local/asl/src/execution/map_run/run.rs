//! A Map Run under way, and how many failures it bears.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::command::{ChildResult, TaskId};
use crate::execution::item::MapItem;
use crate::quota;
use crate::value::Value;

/// A Distributed Map state under way.
#[derive(Debug)]
pub(crate) struct MapRun {
    /// Its place among the execution's reports.
    pub report: usize,
    pub arn: Arc<str>,
    /// The state machine's name and the Map's label, which children carry in their ARNs.
    pub machine: Arc<str>,
    /// What ItemSelector calls `$`.
    pub input: Value,
    pub items: Arc<Vec<Value>>,
    /// The items are the members of an object, `{"Key": …, "Value": …}`.
    pub keyed: bool,
    /// What `$$.Map.Item.Source` tells.
    pub source: Arc<str>,
    /// How many items there are, in batches or not.
    pub total: usize,
    /// The items are known, and what children have of them.
    pub planned: bool,
    /// The items are inputs already: batches.
    pub batched: bool,
    pub limit: usize,
    pub running: HashMap<u64, usize, foldhash::fast::RandomState>,
    /// Those that were started, in the order of the items.
    pub children: Vec<ChildResult>,
    /// Which of them have not succeeded and wait for their redrive.
    pub again: VecDeque<usize>,
    /// How many items have failed; all those of a failed batch have.
    pub failed: u64,
    pub tolerance: Tolerance,
    /// The reading of items or the writing of results under way.
    pub transfer: Option<TaskId>,
}

impl MapRun {
    /// The item at an index.
    pub(crate) fn item(&self, index: usize, value: &Value) -> MapItem {
        MapItem {
            source: Some(Arc::clone(&self.source)),
            ..MapItem::distributed(self.keyed, index, value)
        }
    }
}

/// How many children may run at once by a MaxConcurrency, in which 0 stands for no limit.
pub(super) fn limit(max_concurrency: usize) -> usize {
    match max_concurrency {
        0 => quota::MAP_RUN_CONCURRENCY,
        limit => limit.min(quota::MAP_RUN_CONCURRENCY),
    }
}

/// How many items a child of the run has by its input.
pub(super) fn items_of(run: &MapRun, input: &Value) -> usize {
    let batch = input.get("Items").and_then(Value::as_array);
    match batch {
        Some(items) if run.batched => items.len(),
        Some(_) | None => 1,
    }
}

/// How many items of a Map may fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    pub count: Option<u64>,
    /// In percent.
    pub share: Option<f64>,
}

impl Tolerance {
    /// Whether more items have failed than are tolerated: more than either threshold says. A threshold of 0 counts as
    /// none, and without any no failure is tolerated.
    pub(crate) fn exceeded(self, failed: u64, total: usize) -> bool {
        let count = self.count.filter(|count| *count > 0);
        let share = self.share.filter(|share| *share > 0.0);
        if count.is_none() && share.is_none() {
            return failed > 0;
        }
        count.is_some_and(|count| failed > count)
            || share.is_some_and(|share| failed as f64 * 100.0 > share * total as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_of_zero_is_none() {
        for (failed, count, share, exceeded) in [
            (1, Some(0), Some(100.0), false),
            (1, Some(0), Some(50.0), false),
            (1, Some(5), Some(0.0), false),
            (3, Some(5), Some(0.0), false),
            (2, Some(0), Some(50.0), true),
            (1, Some(0), Some(0.0), true),
            (1, Some(0), None, true),
            (1, None, None, true),
            (0, None, None, false),
        ] {
            let tolerance = Tolerance { count, share };
            assert_eq!(tolerance.exceeded(failed, 3), exceeded, "{tolerance:?}");
        }
    }
}
