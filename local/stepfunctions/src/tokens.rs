//! Task tokens: which task of which execution a callback means.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use asl::TaskId;
use parking_lot::{Mutex, MutexGuard};

use crate::run::Run;

/// What a token stands for.
type Meaning = (Weak<Run>, TaskId);

/// Tokens of all tasks that wait for a callback.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<Arc<str>, Meaning>>);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Meaning>> {
        self.0.lock()
    }

    /// Makes a token valid.
    pub fn insert(&self, token: Arc<str>, run: &Arc<Run>, task: TaskId) {
        self.lock().insert(token, (Arc::downgrade(run), task));
    }

    /// The task of a token, which stays valid until the task has ended.
    pub fn find(&self, token: &str) -> Option<(Arc<Run>, TaskId)> {
        let tokens = self.lock();
        let (run, task) = tokens.get(token)?;
        Some((run.upgrade()?, *task))
    }

    /// Makes a token invalid.
    pub fn remove(&self, token: &str) {
        self.lock().remove(token);
    }

    /// Whether a callback with this token would be heard.
    pub fn is_valid(&self, token: &str) -> bool {
        self.lock().contains_key(token)
    }
}
