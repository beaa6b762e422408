//! Paths without a value, in AWS's and Jayway's words.

use super::path::{Path, Root, Step};
use crate::error_name;
use crate::query::{QueryError, java};
use crate::value::Value;

/// Why a definite path has no value.
#[derive(Clone, Debug)]
pub struct NotFound {
    pub(super) path: Path,
    pub(super) miss: Miss,
    pub(super) searched: Value,
}

/// Where the path led nowhere.
#[derive(Clone, Debug)]
pub(super) enum Miss {
    Variable,
    Member { step: usize },
    NotAnObject { step: usize, found: Value },
    Item { step: usize },
    NotAnArray { step: usize, found: Value },
    NamesOnTheWay { step: usize },
}

impl NotFound {
    /// Whether the path led to an array and past its end. Such a path in a payload template gives `null`.
    pub fn is_past_the_end(&self) -> bool {
        matches!(&self.miss, Miss::Item { step } if step + 1 == self.path.0.steps.len())
    }

    /// The failure of a payload template's field (or ErrorPath, CausePath) whose path has no value.
    pub fn in_field(&self, field: &str) -> QueryError {
        if matches!(self.miss, Miss::NamesOnTheWay { .. }) {
            return self.invalid_path();
        }
        QueryError::runtime(format!(
            "The JSONPath '{}' specified for the field '{field}' could not be found in the input '{}'",
            self.path.text(),
            self.searched
        ))
    }

    /// The failure of a processing path (InputPath, OutputPath, TimeoutSecondsPath) that has no value.
    pub fn invalid_path(&self) -> QueryError {
        QueryError::runtime(format!(
            "Invalid path '{}' : {}",
            self.path.text(),
            self.reason()
        ))
    }

    /// The failure of an ItemsPath that has no value.
    pub fn conflict(&self) -> QueryError {
        let step = match &self.miss {
            Miss::Variable | Miss::NamesOnTheWay { .. } => None,
            Miss::Member { step }
            | Miss::NotAnObject { step, .. }
            | Miss::Item { step }
            | Miss::NotAnArray { step, .. } => self.path.0.steps.get(*step),
        };
        match (step, self.path.root()) {
            (Some(step), Root::Input) => step_conflict(step, &self.searched),
            _ => self.invalid_path(),
        }
    }

    /// The failure of an intrinsic function's argument that has no value.
    pub(crate) fn as_argument(&self) -> String {
        if matches!(self.miss, Miss::NotAnArray { .. }) {
            return self.reason();
        }
        format!(
            "The JsonPath argument for the field '{}' could not be found in the input '{}'",
            self.path.text(),
            self.searched
        )
    }

    /// Jayway's words for it.
    pub fn reason(&self) -> String {
        let steps = self.path.0.steps.len();
        match &self.miss {
            Miss::Variable => format!("No value for variable: {}", self.path.text()),
            Miss::Member { step } if step + 1 < steps => {
                format!(
                    "Missing property in path {}",
                    self.path.normal_form(step + 1)
                )
            }
            Miss::Member { .. } | Miss::Item { .. } => {
                format!("No results for path: {}", self.path.normal_form(steps))
            }
            Miss::NamesOnTheWay { step } => format!(
                "Multi properties can only be used as path leafs: {}",
                self.path.normal_form(step + 1)
            ),
            Miss::NotAnObject { step, found } => format!(
                "Expected to find an object with property {} in path {} but found '{}'. This is not a json object \
                 according to the JsonProvider: 'com.jayway.jsonpath.spi.json.JacksonJsonProvider'.",
                &self.path.normal_form(step + 1)[self.path.normal_form(*step).len()..],
                self.path.normal_form(*step),
                java_class(found)
            ),
            Miss::NotAnArray { step, found } if *found == Value::Null => {
                format!("The path {} is null", self.path.normal_form(*step))
            }
            Miss::NotAnArray { step, found } => format!(
                "Filter: {} can only be applied to arrays. Current context is: {}",
                &self.path.normal_form(step + 1)[self.path.normal_form(*step).len()..],
                java::print(found)
            ),
        }
    }
}

/// The failure of a path that does not apply to the input.
pub(super) fn conflict(cause: String) -> QueryError {
    QueryError {
        error: error_name::PATH_CONFLICT,
        cause,
        location: None,
    }
}

/// The failure of a path, one step of which does not apply somewhere in the input.
pub(super) fn step_conflict(step: &Step, input: &Value) -> QueryError {
    let name = match step {
        Step::Name(name) => name.to_string(),
        Step::Index(index) => index.to_string(),
        _ => String::new(),
    };
    conflict(format!("Unable to apply step \"{name}\" to input {input}"))
}

fn java_class(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "java.lang.Boolean",
        Value::Number(number) if number.is_f64() => "java.lang.Double",
        Value::Number(_) => "java.lang.Integer",
        Value::String(_) => "java.lang.String",
        Value::Array(_) => "java.util.ArrayList",
        Value::Object(_) => "java.util.LinkedHashMap",
    }
}
