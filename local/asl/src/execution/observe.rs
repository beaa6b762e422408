//! What an execution tells of its inside to those who ask for it: TestState, coverage, a view of a run.

use std::cell::RefCell;
use std::sync::Arc;

use crate::definition::State;
use crate::value::{Map, Value};

use super::frame::Frame;

/// Something that happened inside a state.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// The state's name.
    pub state: Arc<str>,
    /// The event with which the state was entered. It tells visits apart, and branches and iterations too.
    pub entered_event_id: u64,
    /// What happened.
    pub seen: Seen,
}

/// What happened inside a state. Values are shared with the execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// The state is entered.
    Entered {
        /// Its input.
        input: Value,
        /// The variables that it sees.
        variables: Arc<Map>,
        /// The context object at this moment.
        context: Value,
    },
    /// The token of the task that is about to be scheduled, which waits for it.
    Token(Arc<str>),
    /// What InputPath selects; the raw input in JSONata.
    InputPath(Value),
    /// What Parameters or Arguments give, or the selected input in a state without them.
    Arguments(Value),
    /// A Choice goes on by this rule, or by its default.
    Chosen(Option<usize>),
    /// MaxConcurrency; 0 stands for no limit.
    MaxConcurrency(u64),
    /// The items of a Map.
    Items(Arc<Vec<Value>>),
    /// What ItemSelector makes of one item.
    ItemSelected(Value),
    /// What ItemBatcher makes of the items.
    Batches(Vec<Value>),
    /// ToleratedFailureCount.
    ToleratedFailureCount(u64),
    /// ToleratedFailurePercentage.
    ToleratedFailurePercentage(f64),
    /// The result of a task, of all branches or iterations, or a Pass state's Result.
    Result(Value),
    /// What ResultSelector makes of the result: the result itself without one.
    ResultSelected(Value),
    /// The input with the result at ResultPath.
    ResultPlaced(Value),
    /// The state failed; Retry and Catch are asked now.
    Failed {
        /// The error name.
        error: Option<Arc<str>>,
        /// Details for people.
        cause: Option<Arc<str>>,
    },
    /// The entry of Retry that takes the error in.
    Retrier {
        /// Its index.
        index: usize,
        /// The delay before the state runs again, jitter apart; none when its attempts are used up.
        backoff_seconds: Option<f64>,
    },
    /// The entry of Catch that takes the error in.
    Catcher {
        /// Its index.
        index: usize,
    },
    /// The state is left.
    Left {
        /// Its output.
        output: Value,
        /// The state that comes next.
        next: Option<Arc<str>>,
        /// The variables after Assign.
        variables: Arc<Map>,
    },
}

/// Takes the observations down, if somebody watches.
#[derive(Debug, Default)]
pub(super) struct Observer(Option<Box<RefCell<Vec<Observation>>>>);

impl Observer {
    pub(super) fn watching() -> Observer {
        Observer(Some(Box::default()))
    }

    pub(super) fn is_watching(&self) -> bool {
        self.0.is_some()
    }

    /// `seen` is built only when somebody watches.
    #[inline]
    pub(super) fn see(&self, state: &State, frame: &Frame, seen: impl FnOnce() -> Seen) {
        if let Some(observations) = &self.0 {
            observations.borrow_mut().push(Observation {
                state: Arc::clone(&state.name),
                entered_event_id: frame.entered_event,
                seen: seen(),
            });
        }
    }

    pub(super) fn take(&mut self) -> Vec<Observation> {
        let observations = self.0.as_mut().map(|taken| taken.get_mut());
        observations.map(std::mem::take).unwrap_or_default()
    }
}
