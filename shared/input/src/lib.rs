//! Typed input with a JSON path in every refusal.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The caller gave something that cannot be used. Never retried: the same input fails again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct InvalidInput {
    /// JSON path of the offending value, for example `$.input.maxDepth`.
    pub path: String,
    /// What was expected and what was found.
    pub message: String,
}

impl InvalidInput {
    /// A refusal of the value at `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }

    /// The same refusal seen from one level further out: `$.maxDepth` under `$.input` is `$.input.maxDepth`.
    #[must_use]
    pub fn under(mut self, parent: &str) -> Self {
        self.path.replace_range(..1, parent);
        self
    }
}

/// Refuses a text that cannot name an object or a row of a report: `[A-Za-z0-9_-]{1,64}`.
pub fn name(path: &str, text: &str) -> Result<(), InvalidInput> {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=64).contains(&text.len()) && text.chars().all(legal) {
        return Ok(());
    }
    let message = "expected 1 to 64 characters of A-Z, a-z, 0-9, - and _";
    Err(InvalidInput::new(path, message))
}

/// Refuses what is not a finite number above zero.
pub fn positive(path: &str, number: f64) -> Result<(), InvalidInput> {
    if number > 0.0 && number.is_finite() {
        return Ok(());
    }
    let message = format!("expected a number above zero, found {number}");
    Err(InvalidInput::new(path, message))
}

/// Reads `value` as a `T`, or says at which JSON path it is not one.
pub fn parse<T: DeserializeOwned>(value: Value) -> Result<T, InvalidInput> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = match error.path().to_string().as_str() {
            "." => "$".to_owned(),
            inner if inner.starts_with('[') => format!("${inner}"),
            inner => format!("$.{inner}"),
        };
        InvalidInput::new(path, error.into_inner().to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Outer {
        sets: Vec<Inner>,
    }
    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        depth: u32,
    }

    #[test]
    fn a_refusal_names_the_path() {
        let cases = [
            (
                json!({"sets": [{"depth": 1}, {"depth": -1}]}),
                "$.sets[1].depth",
            ),
            (json!({"sets": 3}), "$.sets"),
            (json!({}), "$"),
            (json!([1]), "$[0]"),
        ];
        for (value, path) in cases {
            assert_eq!(parse::<Outer>(value).unwrap_err().path, path);
        }
    }

    #[test]
    fn names_and_positive_numbers_are_told_from_others() {
        for (text, legal) in [("a-B_9", true), ("", false), ("a/b", false), ("ä", false)] {
            assert_eq!(name("$.name", text).is_ok(), legal, "{text}");
        }
        assert!(name("$.name", &"a".repeat(64)).is_ok());
        assert!(name("$.name", &"a".repeat(65)).is_err());
        assert!(positive("$.n", 0.1).is_ok());
        for number in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(positive("$.n", number).unwrap_err().path, "$.n");
        }
    }

    #[test]
    fn a_path_can_be_moved_under_its_parent() {
        assert_eq!(
            InvalidInput::new("$.depth", "x").under("$.input").path,
            "$.input.depth"
        );
    }
}
