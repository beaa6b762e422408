//! A compiled definition: its states with their fields.

use std::sync::Arc;

use super::choice::Rule;
use super::fields::{Dynamic, PathField, ResultPath, StateId, StringField, Template};
use super::map::MapFields;
use super::task::{CatchRule, RetryRule, TaskFields};
use crate::query::Language;
use crate::state_type::StateType;
use crate::value::Value;

/// A compiled state machine definition. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateMachine {
    pub(crate) program: Arc<Program>,
    pub(crate) start: StateId,
    /// The top-level TimeoutSeconds; a child execution has none.
    pub(crate) timeout_seconds: Option<u64>,
}

/// All states of a definition, those of Map processors and Parallel branches included.
#[derive(Debug)]
pub(crate) struct Program {
    pub states: Vec<State>,
}

/// One state. The fields that several types share are here, the others in its [`Kind`].
#[derive(Debug)]
pub(crate) struct State {
    pub name: Arc<str>,
    pub language: Language,
    /// The next state, or none for `End`.
    pub next: Option<StateId>,
    pub input_path: PathField,
    pub output_path: PathField,
    pub result_path: ResultPath,
    /// Parameters or Arguments.
    pub arguments: Option<Template>,
    pub result_selector: Option<Template>,
    /// JSONata's Output.
    pub output: Option<Template>,
    pub assign: Option<Template>,
    pub retry: Vec<RetryRule>,
    pub catch: Vec<CatchRule>,
    pub kind: Kind,
}

/// What kind of state it is, with the fields of its own.
#[derive(Debug)]
pub(crate) enum Kind {
    Pass {
        result: Option<Value>,
    },
    Task(Box<TaskFields>),
    Choice {
        rules: Vec<Rule>,
        default: Option<StateId>,
    },
    Wait(WaitFields),
    Succeed,
    Fail {
        error: Option<StringField>,
        cause: Option<StringField>,
    },
    Parallel {
        branches: Vec<StateId>,
    },
    Map(Box<MapFields>),
}

/// How long a Wait state waits.
#[derive(Debug)]
pub(crate) enum WaitFields {
    Seconds(Dynamic),
    Timestamp(StringField),
}

impl StateMachine {
    /// The names of all states, those of Map processors and Parallel branches included.
    pub fn state_names(&self) -> impl Iterator<Item = &str> {
        self.program.states.iter().map(|state| &*state.name)
    }

    /// The state machine that starts at another state of the same program: a Map's processor, a Parallel's branch.
    pub(crate) fn starting_at(&self, start: StateId) -> StateMachine {
        StateMachine {
            program: Arc::clone(&self.program),
            start,
            timeout_seconds: None,
        }
    }
}

impl Kind {
    /// The type as the history names it.
    pub(crate) fn state_type(&self) -> StateType {
        match self {
            Kind::Pass { .. } => StateType::Pass,
            Kind::Task(_) => StateType::Task,
            Kind::Choice { .. } => StateType::Choice,
            Kind::Wait(_) => StateType::Wait,
            Kind::Succeed => StateType::Succeed,
            Kind::Fail { .. } => StateType::Fail,
            Kind::Parallel { .. } => StateType::Parallel,
            Kind::Map(_) => StateType::Map,
        }
    }
}
