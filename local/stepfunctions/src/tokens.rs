//! Task tokens: which task of which execution a callback means.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use asl::{Task, TaskId};
use parking_lot::{Mutex, MutexGuard};

use crate::run::Run;

/// What a token stands for.
struct Meaning {
    run: Weak<Run>,
    task: TaskId,
    state: Arc<str>,
    called: Arc<str>,
}

/// A task that waits for somebody to answer its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The token.
    pub token: Arc<str>,
    /// ARN of the execution.
    pub execution: Arc<str>,
    /// Name of the Task state.
    pub state: Arc<str>,
    /// What the state calls: an activity's ARN, `lambda:invoke.waitForTaskToken`.
    pub called: Arc<str>,
}

/// Tokens of all tasks that wait for a callback.
#[derive(Default)]
pub struct Tokens(Mutex<HashMap<Arc<str>, Meaning>>);

impl Tokens {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Meaning>> {
        self.0.lock()
    }

    /// Makes a token valid.
    pub fn insert(&self, run: &Arc<Run>, task: &Task) {
        let meaning = Meaning {
            run: Arc::downgrade(run),
            task: task.id,
            state: task.state.clone(),
            called: task.resource.to_string().into(),
        };
        self.lock().insert(task.task_token.clone(), meaning);
    }

    /// At most so many of the tasks that wait, of one execution or of all.
    pub fn waiting(&self, execution: Option<&str>, most: usize) -> Vec<Waiting> {
        let tokens = self.lock();
        let all = tokens.iter().filter_map(|(token, meaning)| {
            let run = meaning.run.upgrade()?;
            let wanted = execution.is_none_or(|execution| *run.start.arn == *execution);
            wanted.then(|| Waiting {
                token: token.clone(),
                execution: run.start.arn.clone(),
                state: meaning.state.clone(),
                called: meaning.called.clone(),
            })
        });
        all.take(most).collect()
    }

    /// The task of a token, which stays valid until the task has ended.
    pub fn find(&self, token: &str) -> Option<(Arc<Run>, TaskId)> {
        let tokens = self.lock();
        let meaning = tokens.get(token)?;
        Some((meaning.run.upgrade()?, meaning.task))
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
