//! Wait states.

use std::sync::Arc;

use crate::definition::{Dynamic, State, StringField, WaitFields, plain, whole};
use crate::query::{QueryError, Scope};
use crate::timestamp::Timestamp;
use crate::value::Value;

use super::activity::{Activity, FrameKey};
use super::broken::Broken;
use super::failure::Failure;
use super::ledger::{Execution, Step, TimerUse};

/// The longest delay in seconds: what a signed 32-bit number holds.
const MAX_DELAY: i64 = i32::MAX as i64;

impl Execution {
    pub(super) fn wait(
        &mut self,
        key: FrameKey,
        state: &State,
        wait: &WaitFields,
    ) -> Result<Step, Failure> {
        let input = self.filtered_input(key, state)?;
        let now = self.now;
        let until = self.query(key, state, &input, |scope| match wait {
            WaitFields::Seconds(seconds) => {
                delay(seconds, scope).map(|seconds| now.plus_seconds(seconds as f64))
            }
            WaitFields::Timestamp(timestamp) => moment(timestamp, scope),
        })?;
        if until.0.saturating_sub(now.0) / 1_000_000 > MAX_DELAY {
            return Err(self.query_failure(
                key,
                state,
                QueryError::runtime("Wait state delay is too long."),
            ));
        }
        if until <= now {
            return self.finish(key, state, input).map(Step::Done);
        }
        let timer = self.start_timer(TimerUse::Wait(key), until);
        self.frames.get_mut(key)?.activity = Activity::Waiting { timer };
        Ok(Step::Blocked)
    }

    /// A Wait's timer has fired.
    pub(super) fn waited(&mut self, key: FrameKey) -> Result<(), Broken> {
        let program = Arc::clone(&self.machine.program);
        let state = self.state_of(&program, key)?;
        match self.filtered_input(key, state) {
            Ok(input) => self.complete(&program, key, input),
            Err(failure) => self.fail_thread(&program, key, failure),
        }
    }
}

fn delay(seconds: &Dynamic, scope: &Scope) -> Result<i64, QueryError> {
    let value = match seconds {
        Dynamic::Path { field, path, text } => path
            .select(scope)
            .map_err(|_| no_input_value(field, text))?,
        Dynamic::Literal { .. } | Dynamic::Jsonata { .. } => seconds.evaluate(scope)?,
    };
    match (seconds, whole(&value)) {
        (_, Some(seconds)) if seconds >= 0 => Ok(seconds),
        (Dynamic::Path { field, text, .. }, Some(_)) => Err(QueryError::runtime(format!(
            "The {field} parameter references a negative value: {text} == {value}"
        ))),
        (Dynamic::Path { field, text, .. }, None) => Err(QueryError::runtime(format!(
            "The {field} parameter cannot be parsed as a long value: {text} == {}",
            plain(&value)
        ))),
        (Dynamic::Literal { .. } | Dynamic::Jsonata { .. }, Some(_)) => Err(seconds.refuse(
            format!("The Seconds field references a negative value: {value}"),
        )),
        (Dynamic::Literal { .. } | Dynamic::Jsonata { .. }, None) => Err(seconds.refuse(format!(
            "The Seconds field cannot be parsed as a long value: {}",
            plain(&value)
        ))),
    }
}

fn no_input_value(field: &str, path: &str) -> QueryError {
    QueryError::runtime(format!(
        "The {field} parameter does not reference an input value: {path}"
    ))
}

fn moment(timestamp: &StringField, scope: &Scope) -> Result<Timestamp, QueryError> {
    let value: Value = match timestamp {
        StringField::Path { field, text, .. } => timestamp
            .text(scope)
            .map_err(|_| no_input_value(field, text))?,
        StringField::Literal(_) | StringField::Jsonata { .. } => timestamp.text(scope)?,
    };
    if let Some(moment) = value.as_str().and_then(Timestamp::parse_offset_date_time) {
        return Ok(moment);
    }
    let value = plain(&value);
    Err(match timestamp {
        StringField::Path { field, text, .. } => QueryError::runtime(format!(
            "The {field} parameter does not reference a valid ISO-8601 extended offset date-time format string: {text} == {value}"
        )),
        StringField::Literal(_) | StringField::Jsonata { .. } => QueryError::evaluation(
            format!(
                "The Timestamp field cannot be parsed as an ISO-8601 extended offset date-time format string: {value}"
            ),
            "Timestamp",
        ),
    })
}
