//! What is wrong in a file, by its JSON path.

use std::fmt;

use serde_json::{Map, Value};

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// Where, as a JSON path: `$.cases[0].mocks`.
    pub path: String,
    /// What.
    pub message: String,
    /// What was probably meant.
    pub suggestion: Option<String>,
}

/// All that is wrong in a file, one line a problem.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(f, "; did you mean {suggestion:?}?"),
            None => Ok(()),
        }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl Problem {
    /// A problem without a suggestion.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Problem {
        Problem {
            path: path.into(),
            message: message.into(),
            suggestion: None,
        }
    }

    /// A name that is none of those there are.
    pub(crate) fn unknown<'a>(
        path: impl Into<String>,
        what: &str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Problem {
        let known: Vec<&str> = known.into_iter().collect();
        let suggestion = closest(name, known.iter().copied()).map(str::to_owned);
        let message = match (&suggestion, known.is_empty()) {
            (Some(_), _) => format!("there is no {what} {name:?}"),
            (None, true) => format!("there is no {what} {name:?}, nor any other"),
            (None, false) => format!(
                "there is no {what} {name:?}; there are: {}",
                known.join(", ")
            ),
        };
        Problem {
            path: path.into(),
            message,
            suggestion,
        }
    }
}

/// The name that was probably meant, if one is near enough.
pub fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far =
        |other: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &other.to_lowercase());
    known
        .into_iter()
        .map(|other| (far(other), other))
        .filter(|(distance, other)| *distance <= name.len().max(other.len()) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

/// A JSON value and where it stands.
#[derive(Clone)]
pub(crate) struct Node<'a> {
    pub value: &'a Value,
    pub path: String,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value) -> Node<'a> {
        Node {
            value,
            path: "$".to_owned(),
        }
    }

    pub(crate) fn expected<T>(&self, what: &str) -> Result<T, Problem> {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "an object".to_owned(),
            other => other.to_string(),
        };
        Err(Problem::new(
            &self.path,
            format!("expected {what}, found {found}"),
        ))
    }

    /// The members of an object with any keys.
    pub(crate) fn members(&self) -> Result<&'a Map<String, Value>, Problem> {
        match self.value.as_object() {
            Some(members) => Ok(members),
            None => self.expected("an object"),
        }
    }

    /// The same, each with its path.
    pub(crate) fn entries(&self) -> Result<Vec<(&'a str, Node<'a>)>, Problem> {
        let members = self.members()?;
        Ok(members
            .iter()
            .map(|(key, value)| (key.as_str(), self.child(key, value)))
            .collect())
    }

    /// That the object has no other keys than these.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Problem> {
        let unknown = self
            .members()?
            .keys()
            .find(|key| !known.contains(&key.as_str()));
        match unknown {
            None => Ok(()),
            Some(key) => Err(Problem::unknown(
                &self.path,
                "key",
                key,
                known.iter().copied(),
            )),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let value = self.value.get(key)?;
        Some(self.child(key, value))
    }

    pub(crate) fn required(&self, key: &str) -> Result<Node<'a>, Problem> {
        self.get(key)
            .ok_or_else(|| Problem::new(&self.path, format!("{key:?} is missing")))
    }

    pub(crate) fn items(&self) -> Result<Vec<Node<'a>>, Problem> {
        let Some(items) = self.value.as_array() else {
            return self.expected("an array");
        };
        let item = |(index, value)| Node {
            value,
            path: format!("{}[{index}]", self.path),
        };
        Ok(items.iter().enumerate().map(item).collect())
    }

    pub(crate) fn text(&self) -> Result<&'a str, Problem> {
        match self.value.as_str() {
            Some(text) => Ok(text),
            None => self.expected("a string"),
        }
    }

    /// A string, or an array of strings.
    pub(crate) fn texts(&self) -> Result<Vec<String>, Problem> {
        match self.value {
            Value::String(text) => Ok(vec![text.clone()]),
            _ => self
                .items()?
                .iter()
                .map(|item| Ok(item.text()?.to_owned()))
                .collect(),
        }
    }

    /// A finite number that is not negative.
    pub(crate) fn number(&self) -> Result<f64, Problem> {
        match self.value.as_f64() {
            Some(number) if number >= 0.0 => Ok(number),
            _ => self.expected("a number from 0"),
        }
    }

    pub(crate) fn whole(&self) -> Result<u64, Problem> {
        match self.value.as_u64() {
            Some(number) => Ok(number),
            None => self.expected("a whole number from 0"),
        }
    }

    fn child(&self, key: &str, value: &'a Value) -> Node<'a> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let path = if !key.is_empty() && key.chars().all(plain) {
            format!("{}.{key}", self.path)
        } else {
            format!("{}['{key}']", self.path)
        };
        Node { value, path }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_near_enough_is_suggested() {
        let known = ["Call the service", "Call the alternative", "Nobody served"];
        for (name, expected) in [
            ("Call the servce", Some("Call the service")),
            ("call the Service", Some("Call the service")),
            ("Something else", None),
        ] {
            assert_eq!(closest(name, known), expected, "{name}");
        }
    }
}
