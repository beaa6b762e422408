//! Succeed and Fail states.

use std::sync::Arc;

use crate::definition::{State, StringField};
use crate::value::Value;

use super::activity::FrameKey;
use super::failure::{Failure, Origin};
use super::ledger::{Execution, Step};

impl Execution {
    pub(super) fn succeed(&self, key: FrameKey, state: &State) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        self.finish(key, state, input).map(Step::Done)
    }

    pub(super) fn fail(
        &self,
        key: FrameKey,
        state: &State,
        error: Option<&StringField>,
        cause: Option<&StringField>,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        let text = |field: Option<&StringField>| -> Result<Option<Arc<str>>, Failure> {
            let Some(field) = field else {
                return Ok(None);
            };
            Ok(Some(
                match self.query(key, state, &input, |scope| field.text(scope))? {
                    Value::String(text) => text,
                    other => other.to_string().into(),
                },
            ))
        };
        Err(Failure {
            error: text(error)?,
            cause: text(cause)?,
            origin: Origin::State,
        })
    }
}
