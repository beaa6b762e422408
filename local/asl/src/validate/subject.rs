//! What is being checked: the state machine, and a state at its place.

use std::collections::HashSet;

use crate::execution_type::ExecutionType;
use crate::query::Language;
use crate::state_type::StateType;
use crate::value::Map;

/// What holds for the whole state machine.
pub(super) struct Machine {
    pub(super) kind: ExecutionType,
    pub(super) language: Language,
    pub(super) labels: HashSet<String>,
    pub(super) names: HashSet<String>,
}

/// A state with what is needed to check it.
pub(super) struct State<'a> {
    pub(super) members: &'a Map,
    pub(super) location: &'a str,
    pub(super) kind: StateType,
    pub(super) language: Language,
    pub(super) depth: usize,
}

impl State<'_> {
    pub(super) fn at(&self, field: &str) -> String {
        format!("{}/{field}", self.location)
    }
}
