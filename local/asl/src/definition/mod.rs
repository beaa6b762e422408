//! A definition, compiled: state names resolved to indices, paths and expressions parsed once.

mod choice;
mod compile;
mod fields;
mod map;
mod program;
mod task;

pub(crate) use choice::Rule;
pub(crate) use fields::{
    Dynamic, PathField, ResultPath, StateId, StringField, Template, plain, whole,
};
pub(crate) use map::{DistributedFields, ItemBatcher, Items, MapFields, ReaderFields};
pub use program::StateMachine;
pub(crate) use program::{Kind, Program, State, WaitFields};
pub(crate) use task::{CatchRule, RetryRule, TaskFields};

use crate::diagnostic::{Invalid, Severity};
use crate::execution_type::ExecutionType;
use crate::validate::validate_as;
use crate::value::Value;

impl StateMachine {
    /// Compiles a definition, or tells all that is wrong with it.
    pub fn parse(definition: &str) -> Result<StateMachine, Invalid> {
        let mut diagnostics = validate_as(definition, ExecutionType::Standard);
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
}
