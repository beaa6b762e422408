//! The words of Jackson, the JSON parser behind Step Functions, for a text that is not JSON
//! (`ReaderBasedJsonParser` of <https://github.com/FasterXML/jackson-core>).
//!
//! It is here for what it says, not for speed: it reads only what `serde_json` has refused, and the texts of `$parse`,
//! which may have single quotes and no name twice. With `serde_json`'s words in its place one of the 687 shared
//! conformance cases fails (the refusal of a definition that is not JSON) and four tables of this crate's own tests:
//! the causes of `States.StringToJson`, values and failures of `$parse`, and the places in definitions.

use std::collections::HashSet;

/// Objects and arrays nested deeper than this are refused, as [`super::Value::parse`] refuses them.
const MAX_DEPTH: usize = 127;

/// The values that Jackson expects where it meets a word.
const TOKENS: &str = "(JSON String, Number, Array, Object or token 'null', 'true' or 'false')";

/// Which Jackson it is.
#[derive(Clone, Debug)]
pub(crate) struct Jackson {
    /// What it calls its input: `REDACTED (…)` or the text itself.
    pub(crate) source: String,
    /// Whether the place of a wrong character is the one after it, as before release 2.17.
    pub(crate) places_after: bool,
    /// Whether strings may stand in single quotes.
    pub(crate) single_quotes: bool,
    /// Whether a name may stand only once in an object.
    pub(crate) unique_names: bool,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The sentence.
    pub(crate) message: String,
    /// `[Source: …; line: 1, column: 2]`
    pub(crate) location: String,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{}\n at {}", self.message, self.location)
    }
}

impl Jackson {
    /// Reads the text; gives it back with its strings in double quotes.
    pub(crate) fn read(&self, text: &str) -> Result<String, Fault> {
        let mut reader = Reader {
            jackson: self,
            text: text.chars().collect(),
            at: 0,
            written: String::with_capacity(text.len()),
        };
        reader.value(0)?;
        reader.end()?;
        Ok(reader.written)
    }
}

struct Reader<'j> {
    jackson: &'j Jackson,
    text: Vec<char>,
    at: usize,
    written: String,
}

type Read<T> = Result<T, Fault>;

/// What an opening bracket begins, and the bracket that closes it.
fn bracket(open: char) -> (&'static str, char) {
    match open {
        '{' => ("Object", '}'),
        _ => ("Array", ']'),
    }
}

impl Reader<'_> {
    /// The place before the character at an index.
    fn place(&self, index: usize) -> String {
        let before = &self.text[..index.min(self.text.len())];
        let line = before.iter().filter(|c| **c == '\n').count() + 1;
        let start = before
            .iter()
            .rposition(|c| *c == '\n')
            .map_or(0, |at| at + 1);
        format!(
            "[Source: {}; line: {line}, column: {}]",
            self.jackson.source,
            before.len() - start + 1
        )
    }

    fn fault<T>(&self, message: impl Into<String>, index: usize) -> Read<T> {
        Err(Fault {
            message: message.into(),
            location: self.place(index),
        })
    }

    /// The character at the reader's place is not what may stand there.
    fn unexpected<T>(&self, c: char, expected: &str) -> Read<T> {
        let shown = match c {
            c if c.is_control() => format!("CTRL-CHAR, code {}", u32::from(c)),
            c => format!("'{c}' (code {})", u32::from(c)),
        };
        let index = self.at + usize::from(self.jackson.places_after);
        self.fault(format!("Unexpected character ({shown}): {expected}"), index)
    }

    fn blanks(&mut self) {
        while let Some(' ' | '\t' | '\n' | '\r') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn next(&mut self) -> Option<char> {
        self.blanks();
        self.text.get(self.at).copied()
    }

    fn take(&mut self, c: char) {
        self.written.push(c);
        self.at += 1;
    }

    fn end(&mut self) -> Read<()> {
        if self.next().is_none() {
            return Ok(());
        }
        let start = self.at;
        self.value(0)?;
        self.fault(
            "Trailing token found after value: not allowed as per `DeserializationFeature.FAIL_ON_TRAILING_TOKENS`",
            start,
        )
    }

    fn value(&mut self, depth: usize) -> Read<()> {
        match self.next() {
            Some('{') => self.object(depth),
            Some('[') => self.array(depth),
            Some('"') => self.string('"'),
            Some('\'') if self.jackson.single_quotes => self.string('\''),
            Some('-' | '0'..='9') => self.number(),
            Some(c) if c.is_alphabetic() || matches!(c, '_' | '$') => self.word(),
            Some(c) => self.unexpected(c, &format!("expected a valid value {TOKENS}")),
            None => self.fault("No content to map due to end-of-input", self.at),
        }
    }

    /// A value within an object or array, whose end is an end too early.
    fn inner(&mut self, open: char, start: usize, depth: usize) -> Read<()> {
        if self.next().is_none() {
            return self.cut_off(open, start);
        }
        if depth >= MAX_DEPTH {
            return self.fault(
                "Document nesting depth exceeds the maximum allowed",
                self.at,
            );
        }
        self.value(depth + 1)
    }

    /// Takes what follows an entry: the end of the object or array, or a comma.
    fn ends(&mut self, open: char, start: usize) -> Read<bool> {
        let (kind, close) = bracket(open);
        match self.next() {
            Some(c) if c == ',' || c == close => {
                self.take(c);
                Ok(c == close)
            }
            Some(c) => self.unexpected(
                c,
                &format!("was expecting comma to separate {kind} entries"),
            ),
            None => self.cut_off(open, start),
        }
    }

    fn cut_off<T>(&self, open: char, start: usize) -> Read<T> {
        let (kind, _) = bracket(open);
        self.fault(
            format!(
                "Unexpected end-of-input: expected close marker for {kind} (start marker at {})",
                self.place(start)
            ),
            self.text.len(),
        )
    }

    fn object(&mut self, depth: usize) -> Read<()> {
        let start = self.at;
        self.take('{');
        if self.next() == Some('}') {
            self.take('}');
            return Ok(());
        }
        let mut names = HashSet::new();
        loop {
            match self.next() {
                Some(quote @ '"') => self.name(quote, &mut names)?,
                Some(quote @ '\'') if self.jackson.single_quotes => self.name(quote, &mut names)?,
                Some(c) => {
                    return self.unexpected(c, "was expecting double-quote to start field name");
                }
                None => return self.cut_off('{', start),
            }
            match self.next() {
                Some(':') => self.take(':'),
                Some(c) => {
                    return self
                        .unexpected(c, "was expecting a colon to separate field name and value");
                }
                None => return self.cut_off('{', start),
            }
            self.inner('{', start, depth)?;
            if self.ends('{', start)? {
                return Ok(());
            }
        }
    }

    fn name(&mut self, quote: char, names: &mut HashSet<String>) -> Read<()> {
        let start = self.written.len();
        self.string(quote)?;
        let name = &self.written[start..];
        if self.jackson.unique_names && !names.insert(name.to_string()) {
            let message = format!("Duplicate field '{}'", name.trim_matches('"'));
            return self.fault(message, self.at);
        }
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Read<()> {
        let start = self.at;
        self.take('[');
        if self.next() == Some(']') {
            self.take(']');
            return Ok(());
        }
        loop {
            self.inner('[', start, depth)?;
            if self.ends('[', start)? {
                return Ok(());
            }
        }
    }

    fn string(&mut self, quote: char) -> Read<()> {
        self.at += 1;
        self.written.push('"');
        loop {
            match self.text.get(self.at).copied() {
                None => {
                    return self.fault(
                        "Unexpected end-of-input: was expecting closing quote for a string value",
                        self.at,
                    );
                }
                Some(c) if c == quote => {
                    self.take('"');
                    return Ok(());
                }
                Some('\\') => self.escape()?,
                Some(c) if c < ' ' => {
                    let message = format!(
                        "Illegal unquoted character ((CTRL-CHAR, code {})): has to be escaped using backslash to be included in string value",
                        u32::from(c)
                    );
                    return self.fault(message, self.at + 1);
                }
                Some('"') => {
                    self.written.push_str("\\\"");
                    self.at += 1;
                }
                Some(c) => self.take(c),
            }
        }
    }

    fn escape(&mut self) -> Read<()> {
        self.take('\\');
        match self.text.get(self.at).copied() {
            Some(c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't')) => self.take(c),
            Some('u') => {
                self.take('u');
                for _ in 0..4 {
                    match self.text.get(self.at).copied() {
                        Some(c) if c.is_ascii_hexdigit() => self.take(c),
                        Some(c) => {
                            return self.unexpected(
                                c,
                                "expected a hex-digit for character escape sequence",
                            );
                        }
                        None => {
                            return self.fault(
                                "Unexpected end-of-input in character escape sequence",
                                self.at,
                            );
                        }
                    }
                }
            }
            Some(c) => {
                return self.fault(
                    format!(
                        "Unrecognized character escape '{c}' (code {})",
                        u32::from(c)
                    ),
                    self.at + usize::from(self.jackson.places_after),
                );
            }
            None => {
                return self.fault(
                    "Unexpected end-of-input in character escape sequence",
                    self.at,
                );
            }
        }
        Ok(())
    }

    fn digits(&mut self, expected: &str) -> Read<()> {
        match self.text.get(self.at).copied() {
            Some('0'..='9') => {}
            Some(c) => return self.unexpected(c, expected),
            None => {
                return self.fault("Unexpected end-of-input within/between numbers", self.at);
            }
        }
        while let Some(c @ '0'..='9') = self.text.get(self.at).copied() {
            self.take(c);
        }
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        if self.text[self.at] == '-' {
            self.take('-');
        }
        let start = self.at;
        self.digits("Expected digit (0-9) to follow minus sign, for valid numeric value")?;
        if self.text[start] == '0' && self.at > start + 1 {
            return self.fault(
                "Invalid numeric value: Leading zeroes not allowed",
                start + 1,
            );
        }
        if self.text.get(self.at) == Some(&'.') {
            self.take('.');
            self.digits("Decimal point not followed by a digit")?;
        }
        if let Some(c @ ('e' | 'E')) = self.text.get(self.at).copied() {
            self.take(c);
            if let Some(sign @ ('+' | '-')) = self.text.get(self.at).copied() {
                self.take(sign);
            }
            self.digits("Exponent indicator not followed by a digit")?;
        }
        Ok(())
    }

    /// `true`, `false`, `null`, or a word that is none of them.
    fn word(&mut self) -> Read<()> {
        let rest = &self.text[self.at..];
        let length = rest
            .iter()
            .take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$'))
            .count();
        let word: String = rest[..length].iter().collect();
        if matches!(word.as_str(), "true" | "false" | "null") {
            self.written.push_str(&word);
            self.at += length;
            return Ok(());
        }
        self.fault(
            format!("Unrecognized token '{word}': was expecting {TOKENS}"),
            self.at + length,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jackson() -> Jackson {
        Jackson {
            source: "S".to_string(),
            places_after: false,
            single_quotes: false,
            unique_names: false,
        }
    }

    #[test]
    fn faults_are_worded_and_placed_as_jackson_does() {
        for (text, fault) in [
            (
                "{bad json}",
                "Unexpected character ('b' (code 98)): was expecting double-quote to start field name\n at [Source: S; line: 1, column: 2]",
            ),
            (
                r#"{"a":1"#,
                "Unexpected end-of-input: expected close marker for Object (start marker at [Source: S; line: 1, column: 1])\n at [Source: S; line: 1, column: 7]",
            ),
            (
                "[1,\n[2",
                "Unexpected end-of-input: expected close marker for Array (start marker at [Source: S; line: 2, column: 1])\n at [Source: S; line: 2, column: 3]",
            ),
            (
                "undefined",
                "Unrecognized token 'undefined': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: S; line: 1, column: 10]",
            ),
            (
                r#"{"a" 1}"#,
                "Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value\n at [Source: S; line: 1, column: 6]",
            ),
            (
                "[1 2]",
                "Unexpected character ('2' (code 50)): was expecting comma to separate Array entries\n at [Source: S; line: 1, column: 4]",
            ),
            (
                "[1,]",
                "Unexpected character (']' (code 93)): expected a valid value (JSON String, Number, Array, Object or token 'null', 'true' or 'false')\n at [Source: S; line: 1, column: 4]",
            ),
        ] {
            let found = jackson().read(text).map_err(|fault| fault.to_string());
            assert_eq!(found, Err(fault.to_string()), "{text}");
        }
    }

    #[test]
    fn what_is_json_is_read() {
        for text in [
            "1",
            "-0.5e+3",
            r#"{"a":[1,{"b":"\u00e9\n"}],"a":null}"#,
            " [ ] ",
            "true",
        ] {
            assert!(jackson().read(text).is_ok(), "{text}");
        }
        for text in ["01", "1 2", "1.", "-", r#""\x""#, "\"", "nul", "[1}"] {
            assert!(jackson().read(text).is_err(), "{text}");
        }
        assert!(jackson().read(&"[".repeat(100_000)).is_err());
    }

    #[test]
    fn the_dialect_decides_on_quotes_and_names() {
        let lenient = Jackson {
            single_quotes: true,
            unique_names: true,
            ..jackson()
        };
        assert_eq!(
            lenient.read(r#"{'a':'b"c'}"#).as_deref(),
            Ok(r#"{"a":"b\"c"}"#)
        );
        assert!(lenient.read(r#"{"a":1,"a":2}"#).is_err());
        assert!(jackson().read("{'a':1}").is_err());
    }
}
