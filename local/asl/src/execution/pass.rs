//! Pass states.

use crate::definition::State;
use crate::value::Value;

use super::failure::Failure;
use super::frame::FrameKey;
use super::{Execution, Step};

impl Execution {
    pub(super) fn pass(
        &self,
        key: FrameKey,
        state: &State,
        result: Option<&Value>,
    ) -> Result<Step, Failure> {
        // A Result stands in for whatever InputPath and Parameters would give: they are not even looked at.
        let result = match result {
            Some(result) => result.clone(),
            None => self.effective_input(key, state)?,
        };
        self.finish(key, state, result).map(Step::Done)
    }
}
