//! Conditions.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/conditions-section-structure.html>

use serde_json::Value;

use super::StackError;
use super::intrinsics::{Template, list};
use super::variables::invalid;

impl Template {
    pub(super) fn condition(&self, name: &str, at: &str) -> Result<bool, StackError> {
        match self.conditions.get(name) {
            Some(condition) => self.truth(condition, &self.at(&format!("Conditions.{name}"))),
            None => Err(invalid(
                at,
                format!(
                    "no condition {name}; known: {}",
                    list(self.conditions.keys())
                ),
            )),
        }
    }

    fn truth(&self, condition: &Value, at: &str) -> Result<bool, StackError> {
        let condition = self.variables.expand(condition, at)?;
        let Some((function, argument)) = condition
            .as_object()
            .and_then(|object| object.iter().next())
        else {
            return Err(invalid(
                at,
                format!("expected a condition function, found {condition}"),
            ));
        };
        let parts = argument.as_array().map(Vec::as_slice).unwrap_or_default();
        match (function.as_str(), parts) {
            ("Condition", _) => self.condition(&self.text(argument, at)?, at),
            ("Fn::Equals", [left, right]) => Ok(self.text(left, at)? == self.text(right, at)?),
            ("Fn::Not", [inner]) => self.truth(inner, at).map(|value| !value),
            ("Fn::And", _) => parts
                .iter()
                .try_fold(true, |all, part| Ok(self.truth(part, at)? && all)),
            ("Fn::Or", _) => parts
                .iter()
                .try_fold(false, |any, part| Ok(self.truth(part, at)? || any)),
            _ => Err(invalid(
                at,
                format!("unknown condition function {condition}"),
            )),
        }
    }
}
