//! A definition, compiled: state names resolved to indices, paths and expressions parsed once.

mod choice;
mod compile;
mod fields;
mod map;
mod task;

use std::sync::Arc;

pub(crate) use choice::{Comparison, Operand, Relation, Rule, Test};
pub(crate) use fields::{Dynamic, PathField, ResultPath, StringField, Template, plain, whole};
pub(crate) use map::{
    DistributedFields, ItemBatcher, Items, MapFields, ReaderFields, WriterFields,
};
pub(crate) use task::{CatchRule, RetryRule, TaskFields};

use crate::diagnostic::{Invalid, Severity};
use crate::validate::validate;
use crate::value::Value;

/// A compiled state machine definition. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateMachine {
    pub(crate) program: Arc<Program>,
    pub(crate) start: StateId,
    /// The top-level TimeoutSeconds; a child execution has none.
    pub(crate) timeout_seconds: Option<u64>,
}

/// The index of a state within its [`Program`].
pub(crate) type StateId = u32;

/// All states of a definition, those of Map processors and Parallel branches included.
#[derive(Debug)]
pub(crate) struct Program {
    pub states: Vec<State>,
}

/// Which language a state's expressions are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    JsonPath,
    Jsonata,
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
    /// Compiles a definition, or tells all that is wrong with it.
    pub fn parse(definition: &str) -> Result<StateMachine, Invalid> {
        let mut diagnostics = validate(definition);
        diagnostics.retain(|found| found.severity == Severity::Error);
        if diagnostics.is_empty() {
            compile::machine(definition)
        } else {
            Err(Invalid { diagnostics })
        }
    }

    /// A single state, as TestState takes it; the states that it leads to are made up.
    pub(crate) fn of_state(name: &str, state: &Value) -> Result<StateMachine, Invalid> {
        compile::single(name, state)
    }

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
