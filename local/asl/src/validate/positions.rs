//! Where the places of a definition are in its text.

use crate::diagnostic::{Diagnostic, Position};

/// Tells each finding's line and column in the definition, which is JSON.
pub(super) fn place(definition: &str, findings: &mut [Diagnostic]) {
    if findings.is_empty() {
        return;
    }
    let mut scanner = Scanner {
        text: definition,
        at: 0,
    };
    scanner.blanks();
    let whole = Place {
        step: String::new(),
        offset: scanner.at,
        below: scanner.value(),
    };
    for finding in findings {
        finding.position = Some(position(definition, whole.find(&finding.location)));
    }
}

/// A member or an item of the definition.
struct Place {
    /// `/name` or `[index]`, as locations have it.
    step: String,
    /// Where its name begins, or the item.
    offset: usize,
    below: Vec<Place>,
}

impl Place {
    /// Where the location below this place is, or the nearest one around it that is there.
    fn find(&self, location: &str) -> usize {
        // A name may hold a slash, so the longest step that fits is meant; of a name that stands twice, the last.
        let next = self.below.iter().filter_map(|place| {
            let rest = place.after(location)?;
            let ends = rest.is_empty() || rest.starts_with(['/', '[']);
            ends.then_some((place, rest))
        });
        match next.max_by_key(|(place, _)| place.step.len()) {
            Some((place, rest)) => place.find(rest),
            None => self.offset,
        }
    }

    /// The location after this step. Those of templates have their indexes as names: `/Parameters/list/0`.
    fn after<'l>(&self, location: &'l str) -> Option<&'l str> {
        let index = self
            .step
            .strip_prefix('[')
            .and_then(|step| step.strip_suffix(']'));
        location
            .strip_prefix(&*self.step)
            .or_else(|| location.strip_prefix('/')?.strip_prefix(index?))
    }
}

/// Lines and columns count from 1, columns in characters.
fn position(text: &str, offset: usize) -> Position {
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Position {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

/// Walks a text that is known to be JSON.
struct Scanner<'t> {
    text: &'t str,
    at: usize,
}

impl Scanner<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_whitespace()) {
            self.at += 1;
        }
    }

    /// What is in the value that comes next. The reader of the definition has refused what is nested too deep.
    fn value(&mut self) -> Vec<Place> {
        self.blanks();
        match self.peek() {
            Some(b'{') => return self.object(),
            Some(b'[') => return self.array(),
            Some(b'"') => _ = self.string(),
            _ => {
                let ends = |byte: u8| matches!(byte, b',' | b'}' | b']');
                while self.peek().is_some_and(|byte| !ends(byte)) {
                    self.at += 1;
                }
            }
        }
        Vec::new()
    }

    fn object(&mut self) -> Vec<Place> {
        let mut members = Vec::new();
        self.at += 1;
        loop {
            self.blanks();
            match self.peek() {
                Some(b'"') => {
                    let offset = self.at;
                    let step = format!("/{}", self.string());
                    self.blanks();
                    // The colon.
                    self.at += 1;
                    let below = self.value();
                    members.push(Place {
                        step,
                        offset,
                        below,
                    });
                }
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.at += 1;
        members
    }

    fn array(&mut self) -> Vec<Place> {
        let mut items = Vec::new();
        self.at += 1;
        loop {
            self.blanks();
            match self.peek() {
                Some(b']') | None => break,
                Some(b',') => self.at += 1,
                Some(_) => {
                    let (step, offset) = (format!("[{}]", items.len()), self.at);
                    let below = self.value();
                    items.push(Place {
                        step,
                        offset,
                        below,
                    });
                }
            }
        }
        self.at += 1;
        items
    }

    /// The string that begins here, without its escapes.
    fn string(&mut self) -> String {
        let start = self.at;
        self.at += 1;
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'\\' => self.at += 1,
                b'"' => break,
                _ => {}
            }
        }
        serde_json::from_str(&self.text[start..self.at]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::*;

    /// `line:column code` of each finding.
    fn positions(definition: &str) -> Vec<String> {
        let found = validate(definition).into_iter();
        found
            .map(|finding| {
                let position = finding.position.unwrap();
                format!("{}:{} {}", position.line, position.column, finding.code)
            })
            .collect()
    }

    #[test]
    fn findings_have_a_line_and_a_column() {
        let definition = r#"{
  "StartAt": "Grüße/1",
  "States": {
    "Gr\u00fc\u00dfe/1": {"Type": "Pass", "Next": "Nowhere",
      "Parameters": {"list": [1, {"a.$": "$.b", "c": "$.d"}]}},
    "Pick": { "Type": "Choice",
      "Choices": [
        {"Variable": "$.a", "IsNull": true, "Next": "Grüße/1"},
        {"Variable": "$.a", "IsNull": "yes", "Next": "Grüße/1"}
      ]
    }
  }
}"#;
        assert_eq!(
            positions(definition),
            [
                "9:29 SCHEMA_VALIDATION_FAILED",
                "4:43 MISSING_TRANSITION_TARGET",
                "1:1 MISSING_END_STATE",
                "5:49 NO_DOLLAR",
            ]
        );
    }

    #[test]
    fn what_is_missing_is_told_at_what_lacks_it() {
        assert_eq!(positions("\n {}"), ["2:2 SCHEMA_VALIDATION_FAILED"]);
        let twice = r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"},
            "A":{"Type":"Pass"}}}"#;
        assert_eq!(
            positions(twice),
            [
                "2:13 DUPLICATE_STATE_NAME",
                "2:13 SCHEMA_VALIDATION_FAILED",
                "1:1 MISSING_END_STATE"
            ]
        );
    }

    #[test]
    fn a_text_that_is_not_json_has_a_position_too() {
        assert_eq!(
            positions("{\n \"a\": tru}"),
            ["2:10 INVALID_JSON_DESCRIPTION"]
        );
        assert_eq!(positions(" "), ["1:1 MISSING_DESCRIPTION"]);
    }
}
