//! A definition, compiled: state names resolved to indices, paths and expressions parsed once.

use std::sync::Arc;

use crate::diagnostic::Invalid;

/// A compiled state machine definition. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StateMachine(#[allow(dead_code)] Arc<()>);

impl StateMachine {
    /// Compiles a definition, or tells all that is wrong with it.
    pub fn parse(_definition: &str) -> Result<StateMachine, Invalid> {
        Ok(StateMachine(Arc::new(())))
    }
}
