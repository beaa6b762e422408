//! The pages.

pub mod execution;
pub mod machine;
pub mod map_run;
pub mod notice;
pub mod overview;

use asl::Timestamp;
use serde_json::Value;

use crate::{Console, links};

/// The overview's place in the way to a page.
fn home() -> (String, String) {
    ("Console".to_owned(), links::overview())
}

/// A moment of the API.
fn moment(value: &Value) -> Option<Timestamp> {
    Some(Timestamp((value.as_f64()? * 1e6) as i64))
}

/// A text of the API; empty if it is not there.
fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

impl Console {
    /// The hidden member of every form.
    pub fn token(&self) -> maud::Markup {
        crate::parts::token(&self.0.token)
    }
}
