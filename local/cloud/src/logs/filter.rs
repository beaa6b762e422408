//! Filter patterns: conditions on messages that are JSON, and terms of any text that must be there, of which one must be
//! there (`?term`), or that must not (`-term`); a term in quotes may have any characters.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html>

mod json;

use json::{Condition, Malformed};

/// A filter pattern.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Filter {
    Json(Condition),
    Terms(Terms),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Terms {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

/// Why a pattern is not read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FilterError {
    #[error("filterPattern {0}: the local cloud reads terms and conditions on JSON, not {1}")]
    Unsupported(String, &'static str),
    #[error("filterPattern {0}: {1}")]
    Malformed(String, #[source] Malformed),
}

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Filter, FilterError> {
        let trimmed = text.trim();
        let unsupported = |kind| Err(FilterError::Unsupported(text.to_owned(), kind));
        if trimmed.contains('%') {
            return unsupported("regular expressions");
        }
        match trimmed.chars().next() {
            Some('[') => unsupported("conditions on columns"),
            Some('{') => Condition::parse(trimmed)
                .map(Filter::Json)
                .map_err(|error| FilterError::Malformed(text.to_owned(), error)),
            _ => Ok(Filter::Terms(Terms::parse(trimmed))),
        }
    }

    /// Of a message that is no JSON no condition on JSON holds.
    pub(super) fn matches(&self, message: &str) -> bool {
        match self {
            Filter::Terms(terms) => terms.match_in(message),
            Filter::Json(condition) => {
                let document = serde_json::from_str(message);
                document.is_ok_and(|document| condition.holds(&document))
            }
        }
    }
}

impl Terms {
    fn parse(text: &str) -> Terms {
        let mut filter = Terms::default();
        let mut rest = text;
        while !rest.is_empty() {
            let (list, term) = match rest.split_at(1) {
                ("?", term) => (&mut filter.any, term),
                ("-", term) => (&mut filter.none, term),
                _ => (&mut filter.all, rest),
            };
            let (term, after) = match term.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
                None => term.split_once(char::is_whitespace).unwrap_or((term, "")),
            };
            list.push(term.to_owned());
            rest = after.trim_start();
        }
        filter
    }

    fn match_in(&self, message: &str) -> bool {
        let has = |term: &String| message.contains(term.as_str());
        self.all.iter().all(has)
            && (self.any.is_empty() || self.any.iter().any(has))
            && !self.none.iter().any(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_found_as_documented() {
        for (pattern, message, expected) in [
            ("", "anything", true),
            ("ERROR", "[ERROR 400] bad", true),
            ("ERROR", "error", false),
            ("ERROR bad", "bad ERROR", true),
            ("ERROR bad", "ERROR", false),
            ("?ERROR ?WARN", "WARN x", true),
            ("?ERROR ?WARN", "INFO x", false),
            ("ERROR -EXITED", "ERROR EXITED", false),
            (r#""went wrong""#, "it went wrong", true),
            (r#""went wrong" x"#, "it went wrong", false),
            (r#"-"went wrong""#, "it went well", true),
        ] {
            let filter = Filter::parse(pattern).unwrap();
            assert_eq!(filter.matches(message), expected, "{pattern}");
        }
        for pattern in ["[a, b]", "%x+%", "{ $.a = %x% }", "{ a }"] {
            assert!(Filter::parse(pattern).is_err(), "{pattern}");
        }
        let filter = Filter::parse(r#"{ $.level = "x" }"#).unwrap();
        assert!(filter.matches(r#"{"level":"x"}"#));
        assert!(!filter.matches("level x"));
    }
}
