//! Choice states.

use crate::definition::{Rule, State, StateId, Template};
use crate::query::{Language, QueryError};

use super::activity::FrameKey;
use super::failure::Failure;
use super::ledger::{Execution, Outcome, Step};
use super::observe::Seen;

impl Execution {
    pub(super) fn choice(
        &self,
        key: FrameKey,
        state: &State,
        rules: &[Rule],
        default: Option<StateId>,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        let chosen = self.query(key, state, &input, |scope| {
            for (index, rule) in rules.iter().enumerate() {
                if rule.test.holds(scope)? {
                    return Ok(Some((index, rule)));
                }
            }
            Ok(None)
        })?;
        let rule = chosen.map(|(index, _)| index);
        self.see(key, state, || Seen::Chosen(rule))?;
        let (next, assign, output, place) = match (chosen, default) {
            (Some((index, rule)), _) => (
                rule.next,
                rule.assign.as_ref(),
                rule.output.as_ref(),
                Some(index),
            ),
            (None, Some(default)) => (default, state.assign.as_ref(), state.output.as_ref(), None),
            (None, None) => {
                let error = QueryError::runtime(
                    "Failed to transition out of the state. The state does not point to a next state.",
                );
                return Err(self.query_failure(key, state, error));
            }
        };
        let render = |template: &Template, field: &str| {
            let field = match place {
                Some(index) => format!("Choices[{index}]/{field}"),
                None => field.to_string(),
            };
            self.query(key, state, &input, |scope| template.render(scope, &field))
        };
        let assigned = match assign {
            None => None,
            Some(assign) => Some(render(assign, "Assign")?),
        };
        let output = match (output, state.language) {
            (Some(output), _) => render(output, "Output")?,
            (None, Language::Jsonata) => input,
            (None, Language::JsonPath) => self.select(key, state, &state.output_path, input)?,
        };
        Ok(Step::Done(Outcome {
            output,
            assigned,
            next: Some(next),
            caught: false,
        }))
    }
}
