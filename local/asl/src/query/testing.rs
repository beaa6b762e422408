//! A scope for the tests of the query languages.

use std::sync::Arc;

use crate::query::{Random, Scope};
use crate::timestamp::Timestamp;
use crate::value::{Map, Value};

pub(crate) struct Fixture {
    pub input: Value,
    pub context: Value,
    pub variables: Map,
    pub result: Option<Value>,
    pub error_output: Option<Value>,
    pub random: Random,
}

impl Fixture {
    pub(crate) fn new(input: &str) -> Fixture {
        Fixture {
            input: parse(input),
            context: Value::Null,
            variables: Map::default(),
            result: None,
            error_output: None,
            random: Random::seeded(7),
        }
    }

    pub(crate) fn with<R>(&self, run: impl FnOnce(&Scope) -> R) -> R {
        run(&Scope {
            input: &self.input,
            context: &|| self.context.clone(),
            variables: &self.variables,
            result: self.result.as_ref(),
            error_output: self.error_output.as_ref(),
            random: &self.random,
            now: Timestamp(1_500_000_000_123_456),
        })
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Fixture {
        self.variables.insert(Arc::from(name), parse(value));
        self
    }
}

pub(crate) fn parse(text: &str) -> Value {
    Value::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
