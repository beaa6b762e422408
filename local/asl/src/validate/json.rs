//! Reading the definition's JSON, with the errors of a text that is none and the names that appear twice.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::diagnostic::{Diagnostic, Severity};
use crate::value::Value;

/// A state's name that stands twice in the same object.
pub(super) struct Duplicate {
    pub(super) name: String,
    pub(super) location: String,
}

/// The JSON and the duplicate names of states, or the finding that it is not JSON.
pub(super) fn read(definition: &str) -> Result<(Value, Vec<Duplicate>), Box<Diagnostic>> {
    if definition.trim().is_empty() {
        return Err(Box::new(Diagnostic {
            severity: Severity::Error,
            code: "MISSING_DESCRIPTION".to_string(),
            message: "The definition is empty.".to_string(),
            location: String::new(),
            suggestion: Some("give at least StartAt and States".to_string()),
        }));
    }
    let value = match serde_json::from_str::<Value>(definition) {
        Ok(value) => value,
        Err(error) => return Err(Box::new(syntax(definition, &error))),
    };
    let found = RefCell::new(Vec::new());
    let names = Names {
        location: String::new(),
        found: &found,
    };
    // The text was read once already, so it can be read again.
    let _ = names.deserialize(&mut serde_json::Deserializer::from_str(definition));
    Ok((value, found.into_inner()))
}

/// The syntax error, worded and placed as AWS does.
fn syntax(definition: &str, error: &serde_json::Error) -> Diagnostic {
    let shown: String = definition.chars().take(500).collect();
    let source = |line: usize, column: usize| {
        format!("[Source: (String)\"{shown}\"; line: {line}, column: {column}]")
    };
    let line = error.line();
    let text = definition
        .lines()
        .nth(line.saturating_sub(1))
        .unwrap_or_default();
    let reason = error.to_string();
    let reason = reason.split(" at line ").next().unwrap_or_default();
    let start = error.column().saturating_sub(1);
    let token: String = text
        .get(token_start(text, start)..)
        .unwrap_or_default()
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_' || *c == '$')
        .collect();
    let bare = !token.is_empty()
        && !token.starts_with(|c: char| c.is_ascii_digit())
        && !["true", "false", "null"].contains(&token.as_str());
    let (message, location) = if bare {
        let location = source(line, token_start(text, start) + token.chars().count() + 1);
        (
            format!(
                "Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or token 'null', \
                 'true' or 'false')"
            ),
            location,
        )
    } else {
        (reason.to_string(), source(line, error.column()))
    };
    Diagnostic {
        severity: Severity::Error,
        code: "INVALID_JSON_DESCRIPTION".to_string(),
        message: format!("{message}\n at {location}"),
        location,
        suggestion: None,
    }
}

/// Where the word begins that the position is in.
fn token_start(text: &str, position: usize) -> usize {
    let bytes = text.as_bytes();
    let mut start = position.min(bytes.len());
    while start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_') {
        start -= 1;
    }
    start
}

/// Walks the text and collects names that stand twice below a `States`.
struct Names<'f> {
    location: String,
    found: &'f RefCell<Vec<Duplicate>>,
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let item = Names {
                location: format!("{}[{index}]", self.location),
                found: self.found,
            };
            if items.next_element_seed(item)?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            let location = format!("{}/{name}", self.location);
            if self.location.ends_with("/States") && !names.insert(name.clone()) {
                self.found.borrow_mut().push(Duplicate {
                    name,
                    location: location.clone(),
                });
            }
            members.next_value_seed(Names {
                location,
                found: self.found,
            })?;
        }
        Ok(())
    }
}
