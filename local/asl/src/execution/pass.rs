//! Pass states.

use crate::definition::State;
use crate::value::Value;

use super::activity::FrameKey;
use super::failure::Failure;
use super::ledger::{Execution, Step};
use super::observe::Seen;

impl Execution {
    pub(super) fn pass(
        &self,
        key: FrameKey,
        state: &State,
        result: Option<&Value>,
    ) -> Result<Step, Failure> {
        // A Result stands in for whatever InputPath and Parameters would give: they are not even looked at.
        let result = match result {
            Some(result) => {
                self.see(key, state, || Seen::Result(result.clone()))?;
                result.clone()
            }
            None => self.effective_input(key, state)?,
        };
        self.finish(key, state, result).map(Step::Done)
    }
}
