//! Activities: tasks that workers fetch. A waiting worker is woken the moment a task arrives.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-activities.html>

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use asl::Value;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::oneshot;

use crate::store::ActivityRow;

/// A task for an activity worker.
#[derive(Debug, Clone)]
pub struct ActivityTask {
    /// The token to answer with.
    pub token: Arc<str>,
    /// The input.
    pub input: Value,
}

struct Queue {
    row: ActivityRow,
    tasks: VecDeque<ActivityTask>,
    workers: VecDeque<oneshot::Sender<ActivityTask>>,
}

/// What a worker that asks for a task gets.
pub enum Fetch {
    /// A task that was waiting.
    Now(ActivityTask),
    /// A place in the line of waiting workers.
    Later(oneshot::Receiver<ActivityTask>),
    /// There is no such activity.
    Unknown,
}

/// All activities by ARN.
#[derive(Default)]
pub struct Activities(Mutex<BTreeMap<String, Queue>>);

impl Activities {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.0.lock()
    }

    /// Creates an activity unless it exists; the one that exists then.
    pub fn create(&self, row: ActivityRow) -> ActivityRow {
        let mut queues = self.lock();
        let arn = row.arn.clone();
        let queue = queues.entry(arn).or_insert_with(|| Queue {
            row,
            tasks: VecDeque::new(),
            workers: VecDeque::new(),
        });
        queue.row.clone()
    }

    /// Removes an activity with all that waits for it.
    pub fn delete(&self, arn: &str) {
        self.lock().remove(arn);
    }

    /// The activity with that ARN.
    pub fn get(&self, arn: &str) -> Option<ActivityRow> {
        self.lock().get(arn).map(|queue| queue.row.clone())
    }

    /// As many activities that come after an ARN, in its order.
    pub fn list(&self, after: Option<&str>, count: usize) -> Vec<ActivityRow> {
        let queues = self.lock();
        let after = after.map_or(Unbounded, Excluded);
        queues
            .range::<str, _>((after, Unbounded))
            .take(count)
            .map(|(_, queue)| queue.row.clone())
            .collect()
    }

    /// Hands a task to the worker that has waited longest, else lets it wait behind the others;
    /// false if there is no such activity.
    pub fn offer(&self, arn: &str, task: ActivityTask) -> bool {
        self.hand_over(arn, task, VecDeque::push_back)
    }

    /// As [`Activities::offer`] for a task whose worker has gone: it waits before the others.
    pub fn put_back(&self, arn: &str, task: ActivityTask) {
        self.hand_over(arn, task, VecDeque::push_front);
    }

    fn hand_over(
        &self,
        arn: &str,
        mut task: ActivityTask,
        keep: impl FnOnce(&mut VecDeque<ActivityTask>, ActivityTask),
    ) -> bool {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(arn) else {
            return false;
        };
        while let Some(worker) = queue.workers.pop_front() {
            match worker.send(task) {
                Ok(()) => return true,
                // That worker has gone.
                Err(back) => task = back,
            }
        }
        keep(&mut queue.tasks, task);
        true
    }

    /// Takes the oldest task that `wanted` still knows, or a place in the line.
    pub fn fetch(&self, arn: &str, wanted: impl Fn(&str) -> bool) -> Fetch {
        let mut queues = self.lock();
        let Some(queue) = queues.get_mut(arn) else {
            return Fetch::Unknown;
        };
        while let Some(task) = queue.tasks.pop_front() {
            if wanted(&task.token) {
                return Fetch::Now(task);
            }
        }
        queue.workers.retain(|worker| !worker.is_closed());
        let (worker, task) = oneshot::channel();
        queue.workers.push_back(worker);
        Fetch::Later(task)
    }
}
