//! Delimited text, by the rules of Step Functions
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/example-csv-parse-dist-map.html>), which are not RFC 4180: quotes
//! are doubled in unquoted fields too, and a backslash protects what follows it or disappears.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Fault, text};
use crate::value::{Map, Value};

/// The most bytes of the names of the columns together
/// (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>).
const MAX_HEADERS: usize = 10 * 1024;

/// How the fields of a row come to their names, and what separates them.
pub(super) struct Csv {
    delimiter: u8,
    /// `None`: they stand in the first row.
    headers: Option<Headers>,
}

/// The names of the columns.
type Headers = Vec<Arc<str>>;

impl Csv {
    pub(super) fn of(config: &Value) -> Result<Csv, Fault> {
        let headers = match text(config, "CSVHeaderLocation") {
            Some("GIVEN") => {
                let given = config.get("CSVHeaders").and_then(Value::as_array);
                let given = given.into_iter().flat_map(|headers| headers.iter());
                Some(headers(given.filter_map(Value::as_str).map(Arc::from))?)
            }
            _ => None,
        };
        Ok(Csv {
            delimiter: delimiter(config)?,
            headers,
        })
    }

    /// As an inventory has it, whose manifest names the columns.
    pub(super) fn with_headers(names: &str) -> Result<Csv, Fault> {
        Ok(Csv {
            delimiter: b',',
            headers: Some(headers(names.split(',').map(|name| name.trim().into()))?),
        })
    }

    /// Adds a row for each record to the rows, at most as many as make `most`.
    pub(super) fn read(
        &self,
        body: &[u8],
        most: usize,
        rows: &mut Vec<Value>,
    ) -> Result<(), Fault> {
        let mut records = Records {
            rest: body,
            line: 1,
            delimiter: self.delimiter,
        };
        let first;
        let headers = if let Some(given) = &self.headers {
            given
        } else {
            let Some(names) = records.next() else {
                return Ok(());
            };
            first = headers(names?.into_iter().map(Arc::from))?;
            &first
        };
        while rows.len() < most
            && let Some(fields) = records.next()
        {
            // Fields without a header are dropped; headers without a field are empty.
            let mut fields = fields?.into_iter();
            let row: Map = headers
                .iter()
                .map(|header| (Arc::clone(header), fields.next().unwrap_or_default().into()))
                .collect();
            rows.push(Value::from(row));
        }
        Ok(())
    }
}

fn headers(names: impl Iterator<Item = Arc<str>>) -> Result<Headers, Fault> {
    let names: Headers = names.collect();
    let mut seen = HashSet::new();
    if !names.iter().all(|name| seen.insert(name)) {
        return Err(Fault::DuplicateHeaders);
    }
    if names.iter().map(|name| name.len()).sum::<usize>() > MAX_HEADERS {
        return Err(Fault::LongHeaders);
    }
    Ok(names)
}

fn delimiter(config: &Value) -> Result<u8, Fault> {
    match text(config, "CSVDelimiter") {
        None | Some("COMMA") => Ok(b','),
        Some("PIPE") => Ok(b'|'),
        Some("SEMICOLON") => Ok(b';'),
        Some("SPACE") => Ok(b' '),
        Some("TAB") => Ok(b'\t'),
        Some(other) => Err(Fault::Delimiter(other.to_string())),
    }
}

/// The records of a text, as lists of their fields. Empty lines are none.
struct Records<'b> {
    rest: &'b [u8],
    /// The line that the rest begins on.
    line: usize,
    delimiter: u8,
}

/// What a field ended with.
#[derive(PartialEq)]
enum End {
    Delimiter,
    /// A newline, or the text.
    Record,
}

impl Iterator for Records<'_> {
    type Item = Result<Vec<String>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        while matches!(self.peek(), Some(b'\r' | b'\n')) {
            self.take();
        }
        if self.rest.is_empty() {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, end)) => {
                    fields.push(field);
                    if end == End::Record {
                        return Some(Ok(fields));
                    }
                }
                Err(fault) => {
                    self.rest = &[];
                    return Some(Err(fault));
                }
            }
        }
    }
}

impl Records<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    fn take(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if byte == b'\n' || byte == b'\r' && self.peek() != Some(b'\n') {
            self.line += 1;
        }
        Some(byte)
    }

    /// Whether a quote opens the field: two quotes do not, unless nothing or a third one follows.
    fn opens_with_quote(&self) -> bool {
        match *self.rest {
            [b'"', b'"', third, ..] => {
                matches!(third, b'"' | b'\r' | b'\n') || third == self.delimiter
            }
            [b'"', ..] => true,
            _ => false,
        }
    }

    fn field(&mut self) -> Result<(String, End), Fault> {
        let line = self.line;
        let mut field = Vec::new();
        let mut quoted = self.opens_with_quote();
        if quoted {
            self.take();
        }
        let end = loop {
            let Some(byte) = self.take() else {
                if quoted {
                    return Err(Fault::OpenQuote { line });
                }
                break End::Record;
            };
            match (byte, self.peek()) {
                (b'\\', Some(next)) if matches!(next, b'\\' | b'"') || next == self.delimiter => {
                    self.take();
                    field.push(next);
                }
                // Before anything else it disappears.
                (b'\\', _) => {}
                (b'"', Some(b'"')) => {
                    self.take();
                    field.push(b'"');
                }
                (b'"', _) if quoted => quoted = false,
                (b'\r', Some(b'\n')) if !quoted => {}
                (b'\r' | b'\n', _) if !quoted => break End::Record,
                _ if byte == self.delimiter && !quoted => break End::Delimiter,
                _ => field.push(byte),
            }
        };
        match String::from_utf8(field) {
            Ok(field) => Ok((field, end)),
            Err(_) => Err(Fault::NotUtf8 { line }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(delimiter: u8, text: &str) -> Vec<Vec<String>> {
        let records = Records {
            rest: text.as_bytes(),
            line: 1,
            delimiter,
        };
        records.map(|record| record.unwrap()).collect()
    }

    #[test]
    fn fields_are_read_by_the_published_rules() {
        for (text, fields) in [
            // A backslash protects a backslash, a quote and the delimiter, and disappears before anything else.
            (r"D:\\data\\in.bin,12", &[r"D:\data\in.bin", "12"][..]),
            (r"one\,two,three", &["one,two", "three"]),
            (r"\,\\", &[r",\"]),
            (r"\n\t\q,z\", &["ntq", "z"]),
            (r#"6\" pipe,\"both\""#, &[r#"6" pipe"#, r#""both""#]),
            (r#""a \"b\" \\ c\d","e""#, &[r#"a "b" \ cd"#, "e"]),
            // Quotes are doubled, wherever they stand.
            (r#""say ""hi"", now",x"#, &[r#"say "hi", now"#, "x"]),
            (r#"{""unit"":""kg""},[1]"#, &[r#"{"unit":"kg"}"#, "[1]"]),
            (
                r#"""first"" and last,"""all""""#,
                &[r#""first" and last"#, r#""all""#],
            ),
            (r#"""",""",x"#, &[r#"",""#, "x"]),
            (r#""",x"#, &["", "x"]),
            (r#""""#, &[""]),
            // A quote inside of an unquoted field is one.
            (r#"5" by 7",b"#, &[r#"5" by 7""#, "b"]),
            (r#""a"b,c"#, &["ab", "c"]),
            ("\"two\nlines\",b", &["two\nlines", "b"]),
            ("a,", &["a", ""]),
            (",", &["", ""]),
            (" a , b ", &[" a ", " b "]),
        ] {
            assert_eq!(records(b',', text), [fields], "{text}");
        }
        assert_eq!(records(b'|', r"a\|b|c\,d"), [["a|b", "c,d"]]);
        assert_eq!(records(b'\t', "a,b\t\"c\td\""), [["a,b", "c\td"]]);
    }

    #[test]
    fn newlines_end_records() {
        assert_eq!(
            records(b',', "a\r\nb\rc\n\n\r\nd\\\ne"),
            [["a"], ["b"], ["c"], ["d"], ["e"]]
        );
        assert_eq!(records(b',', ""), Vec::<Vec<String>>::new());
    }

    #[test]
    fn faults_tell_their_line() {
        let fault = |text: &[u8]| {
            let config = Value::parse(r#"{"CSVHeaderLocation":"FIRST_ROW"}"#).unwrap();
            let read = Csv::of(&config).unwrap().read(text, 9, &mut Vec::new());
            read.unwrap_err().to_string()
        };
        assert_eq!(
            fault(b"a,b\n1,2\n\n\"x\ny\",\"z\n"),
            "line 5: a field is opened with a quotation mark and never closed"
        );
        assert_eq!(fault(b"a\r\n1\r\n\xff\r\n"), "line 3: not UTF-8");
        assert_eq!(fault(b"a,b,a\n"), "CSV headers cannot contain duplicates.");
        let long = format!("{},b\n", "a".repeat(10 * 1024));
        assert_eq!(fault(long.as_bytes()), "CSV headers are limited to 10 KiB");
    }
}
