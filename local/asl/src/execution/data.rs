//! How data flows through a state: InputPath, Parameters, ResultSelector, ResultPath, OutputPath and Assign of
//! JSONPath; Arguments, Output and Assign of JSONata
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/concepts-input-output-filtering.html>).

use crate::definition::{PathField, ResultPath, State};
use crate::query::Language;
use crate::value::Value;

use super::activity::FrameKey;
use super::broken::Broken;
use super::failure::Failure;
use super::ledger::{Execution, Outcome};
use super::observe::Seen;

/// Values nested deeper than this are refused like values that are too large: the JSON reader of the service stops
/// at the same depth.
const MAX_DEPTH: usize = 1_000;

impl Execution {
    /// What the state works on: the input after InputPath and Parameters, or after Arguments.
    pub(super) fn effective_input(&self, key: FrameKey, state: &State) -> Result<Value, Failure> {
        let input = self.filtered_input(key, state)?;
        let arguments = match &state.arguments {
            None => input,
            Some(template) => {
                let field = match state.language {
                    Language::JsonPath => "Parameters",
                    Language::Jsonata => "Arguments",
                };
                self.query(key, state, &input, |scope| template.render(scope, field))?
            }
        };
        self.see(key, state, || Seen::Arguments(arguments.clone()))?;
        Ok(arguments)
    }

    /// The input after InputPath alone.
    pub(super) fn filtered_input(&self, key: FrameKey, state: &State) -> Result<Value, Failure> {
        let input = self.input(key)?;
        let selected = match state.language {
            Language::JsonPath => self.select(key, state, &state.input_path, input)?,
            Language::Jsonata => input,
        };
        self.see(key, state, || Seen::InputPath(selected.clone()))?;
        Ok(selected)
    }

    /// What a path selects of the value: mostly the value itself, which needs no query.
    #[inline]
    pub(super) fn select(
        &self,
        key: FrameKey,
        state: &State,
        path: &PathField,
        value: Value,
    ) -> Result<Value, Failure> {
        match path {
            PathField::Whole => Ok(value),
            PathField::Nothing | PathField::Path(_) => {
                self.query(key, state, &value, |scope| path.apply(scope))
            }
        }
    }

    /// The state's raw input.
    pub(super) fn input(&self, key: FrameKey) -> Result<Value, Broken> {
        Ok(self.frames.get(key)?.input.clone())
    }

    /// Tells whoever watches what has happened in the state.
    pub(super) fn see(
        &self,
        key: FrameKey,
        state: &State,
        seen: impl FnOnce() -> Seen,
    ) -> Result<(), Broken> {
        if self.observer.is_watching() {
            self.observer.see(state, self.frames.get(key)?, seen);
        }
        Ok(())
    }

    /// From a result to the state's output and the variables that it assigns.
    pub(super) fn finish(
        &self,
        key: FrameKey,
        state: &State,
        result: Value,
    ) -> Result<Outcome, Failure> {
        let (output, assigned) = match state.language {
            Language::JsonPath => self.finish_json_path(key, state, result)?,
            Language::Jsonata => self.finish_jsonata(key, state, result)?,
        };
        Ok(Outcome {
            output,
            assigned,
            next: state.next,
            caught: false,
        })
    }

    fn finish_json_path(
        &self,
        key: FrameKey,
        state: &State,
        result: Value,
    ) -> Result<(Value, Option<Value>), Failure> {
        let result = match &state.result_selector {
            None => result,
            Some(selector) => self.query(key, state, &result, |scope| {
                selector.render(scope, "ResultSelector")
            })?,
        };
        self.see(key, state, || Seen::ResultSelected(result.clone()))?;
        let assigned = match &state.assign {
            None => None,
            Some(assign) => {
                Some(self.query(key, state, &result, |scope| assign.render(scope, "Assign"))?)
            }
        };
        let combined = self.place(key, state, &state.result_path, result)?;
        self.see(key, state, || Seen::ResultPlaced(combined.clone()))?;
        let output = self.select(key, state, &state.output_path, combined)?;
        Ok((output, assigned))
    }

    /// Puts a result where ResultPath wants it in the raw input.
    pub(super) fn place(
        &self,
        key: FrameKey,
        state: &State,
        path: &ResultPath,
        result: Value,
    ) -> Result<Value, Failure> {
        match path {
            ResultPath::Replace => Ok(result),
            ResultPath::Discard => Ok(self.input(key)?),
            ResultPath::Insert(path) => path
                .insert(self.input(key)?, result)
                .map_err(|error| self.query_failure(key, state, error)),
        }
    }

    fn finish_jsonata(
        &self,
        key: FrameKey,
        state: &State,
        result: Value,
    ) -> Result<(Value, Option<Value>), Failure> {
        let input = self.input(key)?;
        let assigned = match &state.assign {
            None => None,
            Some(assign) => {
                Some(
                    self.query_result(key, state, &input, Some(&result), |scope| {
                        assign.render(scope, "Assign")
                    })?,
                )
            }
        };
        let output = match &state.output {
            None => result,
            Some(output) => self.query_result(key, state, &input, Some(&result), |scope| {
                output.render(scope, "Output")
            })?,
        };
        Ok((output, assigned))
    }
}

/// Whether the value's JSON has at most so many bytes and is not nested too deep. Stops as soon as it is known.
pub(super) fn fits(value: &Value, bytes: usize) -> bool {
    let mut left = bytes;
    consume(value, &mut left, MAX_DEPTH)
}

/// The bytes of the value's JSON.
pub(super) fn size(value: &Value) -> u64 {
    let mut left = usize::MAX;
    consume(value, &mut left, MAX_DEPTH);
    (usize::MAX - left) as u64
}

fn consume(value: &Value, left: &mut usize, depth: usize) -> bool {
    let mut take = |bytes: usize| {
        let enough = *left >= bytes;
        *left = left.saturating_sub(bytes);
        enough
    };
    match value {
        Value::Null | Value::Bool(true) => take(4),
        Value::Bool(false) => take(5),
        Value::Number(number) => match number.as_u64() {
            Some(number) => take(number.checked_ilog10().unwrap_or(0) as usize + 1),
            None => take(number.to_string().len()),
        },
        Value::String(text) => take(text.len() + 2),
        Value::Array(items) => {
            if depth == 0 || !take(2 + items.len().saturating_sub(1)) {
                return false;
            }
            items.iter().all(|item| consume(item, left, depth - 1))
        }
        Value::Object(members) => {
            if depth == 0 || !take(2 + members.len().saturating_sub(1)) {
                return false;
            }
            members.iter().all(|(key, value)| {
                let name = key.len() + 3;
                let enough = *left >= name;
                *left = left.saturating_sub(name);
                enough && consume(value, left, depth - 1)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_is_counted_as_json() {
        for text in [
            "null",
            "false",
            "[1,22,333]",
            "{\"a\":\"bc\",\"d\":[]}",
            "-1.5",
            "0",
            "\"\"",
        ] {
            let value = Value::parse(text).unwrap();
            assert!(fits(&value, text.len()), "{text}");
            assert!(!fits(&value, text.len() - 1), "{text}");
        }
    }

    #[test]
    fn endless_nesting_does_not_fit() {
        let mut value = Value::Null;
        for _ in 0..2_000 {
            value = Value::array(vec![value]);
        }
        assert!(!fits(&value, 1_000_000));
    }
}
