//! Pass states.

use crate::definition::State;
use crate::value::Value;

use super::failure::Failure;
use super::frame::FrameKey;
use super::{Execution, Step};

impl Execution {
    pub(super) fn pass(&self, key: FrameKey, state: &State, result: Option<&Value>) -> Result<Step, Failure> {
        // A query in Parameters is evaluated, and may fail, though a Result hides what it gives.
        let input = self.effective_input(key, state)?;
        let result = result.cloned().unwrap_or(input);
        self.finish(key, state, result).map(Step::Done)
    }
}
