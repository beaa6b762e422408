//! Filter patterns over unstructured text: terms that must be there, of which one must be there (`?term`), or that must
//! not (`-term`); a term in quotes may have any characters.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html>

/// A filter pattern.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Filter {
    all: Vec<String>,
    any: Vec<String>,
    none: Vec<String>,
}

/// A pattern of a kind that is not read here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("filterPattern {0}: the local cloud reads terms, not {1}")]
pub(super) struct Unsupported(String, &'static str);

impl Filter {
    pub(super) fn parse(text: &str) -> Result<Filter, Unsupported> {
        let trimmed = text.trim();
        let kind = match trimmed.chars().next() {
            Some('{') => Some("conditions on JSON"),
            Some('[') => Some("conditions on columns"),
            _ if trimmed.contains('%') => Some("regular expressions"),
            _ => None,
        };
        if let Some(kind) = kind {
            return Err(Unsupported(text.to_owned(), kind));
        }
        let mut filter = Filter::default();
        let mut rest = trimmed;
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
        Ok(filter)
    }

    pub(super) fn matches(&self, message: &str) -> bool {
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
        for pattern in ["{ $.level = \"x\" }", "[a, b]", "%x+%"] {
            assert!(Filter::parse(pattern).is_err(), "{pattern}");
        }
    }
}
