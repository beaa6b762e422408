//! Reading the definition's JSON, with the errors of a text that is none and the names that appear twice.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::diagnostic::{Diagnostic, Position, Severity};
use crate::value::{Jackson, Value};

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
            position: Some(Position { line: 1, column: 1 }),
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
    let jackson = Jackson {
        source: source(definition),
        places_after: true,
        single_quotes: false,
        unique_names: false,
    };
    let (message, location) = match jackson.read(definition) {
        Err(fault) => (fault.to_string(), fault.location),
        // Nested too deep, or a number out of range.
        Ok(_) => (error.to_string(), String::new()),
    };
    Diagnostic {
        severity: Severity::Error,
        code: "INVALID_JSON_DESCRIPTION".to_string(),
        message,
        location,
        suggestion: None,
        position: Some(Position {
            line: error.line(),
            column: error.column().max(1),
        }),
    }
}

/// How Jackson shows the text that it reads: at most 500 characters of it.
fn source(definition: &str) -> String {
    const SHOWN: usize = 500;
    let shown: String = definition.chars().take(SHOWN).collect();
    match definition.chars().count().saturating_sub(SHOWN) {
        0 => format!("(String)\"{shown}\""),
        more => format!("(String)\"{shown}\"[truncated {more} chars]"),
    }
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
