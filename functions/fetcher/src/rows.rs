//! From the bytes of a source to rows that are alike: CSV with a header, one form per type.

mod parquet;

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use columns::Place;
use delimited::Delimiter;
use input::InvalidInput;
use jobs::gzip;
use serde_json::Value;

use crate::source::{Field, Format, Kind, Reader, Source};

/// Rows of one source, made alike.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rows {
    /// CSV with a header.
    pub csv: Vec<u8>,
    /// Rows in it.
    pub accepted: u64,
    /// Rows left out.
    pub rejected: u64,
    /// What was wrong with the first few of them.
    pub complaints: Vec<String>,
}

/// How many complaints are kept.
const COMPLAINTS: usize = 5;

/// Most characters of a cell in a complaint, which goes into the history of the execution.
const CELL: usize = 80;

/// Most characters of a header in a refusal.
const HEADER: usize = 500;

/// Most bytes of a source once unpacked. The rows made of it lie in the memory of the function, 512 MB, beside
/// the source itself.
const MOST_UNPACKED: u64 = 128 * 1024 * 1024;

/// Reads the rows of `source` from `bytes`, gzipped or not.
pub fn read(source: &Source, bytes: &[u8]) -> Result<Rows, InvalidInput> {
    let mut table = Table::new(source)?;
    match source.format {
        Format::Parquet => parquet::each(source, bytes, &mut table)?,
        Format::Csv | Format::JsonLines => {
            each_of_text(source, gzip::plain(bytes, MOST_UNPACKED), &mut table)?;
        }
    }
    table.finish()
}

fn each_of_text(
    source: &Source,
    plain: impl Read,
    table: &mut Table<'_>,
) -> Result<(), InvalidInput> {
    match source.format {
        Format::JsonLines => each_json_line(source, plain, table),
        _ => each_csv(source, plain, table),
    }
}

/// What a row has in place of a field.
enum Found<'a> {
    /// A text, which its reader understands or not.
    Text(Cow<'a, str>),
    /// No value: an empty cell, `null`, no such key.
    Nothing,
    /// A moment, in the form of the result.
    Moment(Cow<'a, str>),
    /// What no reader understands.
    Other(&'static str),
}

/// The rows so far.
struct Table<'a> {
    source: &'a Source,
    readers: Vec<Reader>,
    writer: csv::Writer<Vec<u8>>,
    rows: Rows,
}

impl<'a> Table<'a> {
    fn new(source: &'a Source) -> Result<Self, InvalidInput> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let header = writer.write_record(source.fields.iter().map(|field| field.name.as_str()));
        header.map_err(|error| unreadable(&error))?;
        let readers = source.readers()?;
        let rows = Rows::default();
        Ok(Self {
            source,
            readers,
            writer,
            rows,
        })
    }

    /// Takes one row: what it has in place of each field.
    fn accept<'v>(
        &mut self,
        place: Place,
        found: impl Iterator<Item = Found<'v>>,
    ) -> Result<(), InvalidInput> {
        let mut record = Vec::with_capacity(self.readers.len());
        for ((reader, field), found) in self.readers.iter().zip(&self.source.fields).zip(found) {
            let text = match (&found, &field.kind) {
                (Found::Nothing, _) if field.optional => Some(String::new()),
                (Found::Moment(text), Kind::Text | Kind::Timestamp { .. }) => {
                    Some(text.clone().into_owned())
                }
                (Found::Text(text), Kind::Text) => Some(text.trim().to_owned()),
                (Found::Text(text), _) if text.trim().is_empty() && field.optional => {
                    Some(String::new())
                }
                (Found::Text(text), _) => reader.read(text),
                (Found::Nothing | Found::Moment(_) | Found::Other(_), _) => None,
            };
            let Some(text) = text else {
                let found = match found {
                    Found::Text(text) if text.trim().is_empty() => "nothing".to_owned(),
                    Found::Text(text) => format!("`{}`", shorten(&text, CELL)),
                    Found::Nothing => "nothing".to_owned(),
                    Found::Moment(text) => format!("the moment {text}"),
                    Found::Other(what) => what.to_owned(),
                };
                self.reject(format!("{place}: {} is {found}", field.origin()));
                return Ok(());
            };
            record.push(text);
        }
        self.rows.accepted += 1;
        self.writer
            .write_record(&record)
            .map_err(|error| unreadable(&error))?;
        if self.writer.get_ref().len() as u64 > MOST_UNPACKED {
            let message = format!("its rows take more than {MOST_UNPACKED} bytes; split it");
            return Err(InvalidInput::new("$.source.url", message));
        }
        Ok(())
    }

    /// Leaves one row out.
    fn reject(&mut self, complaint: String) {
        self.rows.rejected += 1;
        if self.rows.complaints.len() < COMPLAINTS {
            self.rows.complaints.push(complaint);
        }
    }

    /// The rows, unless more were rejected than the source allows.
    fn finish(self) -> Result<Rows, InvalidInput> {
        let mut rows = self.rows;
        rows.csv = self
            .writer
            .into_inner()
            .map_err(|error| unreadable(error.error()))?;
        let all = rows.accepted + rows.rejected;
        if rows.rejected as f64 > self.source.max_rejected * all as f64 {
            let complaints = rows.complaints.join("; ");
            let message = format!(
                "{} of {all} rows cannot be read, more than maxRejected: {complaints}",
                rows.rejected
            );
            return Err(InvalidInput::new("$.source.url", message));
        }
        Ok(rows)
    }
}

fn each_csv(source: &Source, plain: impl Read, table: &mut Table<'_>) -> Result<(), InvalidInput> {
    let delimiter = source.cells()?;
    let mut reader =
        delimited::Rows::open(plain, Some(delimiter)).map_err(|error| unreadable(&error))?;
    let header = reader.next_row().map_err(|error| unreadable(&error))?;
    let header = header.ok_or_else(|| {
        InvalidInput::new("$.source.url", "holds nothing; expected a header line")
    })?;
    let names: Vec<_> = header
        .cells()
        .map(String::from_utf8_lossy)
        .map(Cow::into_owned)
        .collect();
    let columns = columns(&names, source)?;
    while let Some(row) = reader.next_row().map_err(|error| unreadable(&error))? {
        let beyond = row.cells().skip(names.len()).any(|cell| !cell.is_empty());
        if beyond {
            let (cells, columns) = (row.cells().len(), names.len());
            table.reject(format!(
                "line {}: {cells} cells where the header has {columns}",
                row.line
            ));
            continue;
        }
        let found = columns
            .iter()
            .map(|&column| match row.cell(column).map(str::from_utf8) {
                None => Found::Nothing,
                Some(Ok(text)) => Found::Text(text.into()),
                Some(Err(_)) => Found::Other("not in UTF-8"),
            });
        table.accept(Place::Line(row.line), found)?;
    }
    Ok(())
}

/// Which of the columns each field is read from.
fn columns(names: &[String], source: &Source) -> Result<Vec<usize>, InvalidInput> {
    let fields = source.fields.iter().enumerate();
    let columns = fields.map(|(index, field)| {
        column(names, field)
            .map_err(|message| InvalidInput::new(format!("$.source.fields[{index}]"), message))
    });
    columns.collect()
}

/// Which of the columns a field is read from.
fn column(names: &[String], field: &Field) -> Result<usize, String> {
    let origin = field.origin();
    let is_meant = |(_, name): &(usize, &String)| *name == origin;
    let mut meant = names
        .iter()
        .enumerate()
        .filter(is_meant)
        .map(|(index, _)| index);
    match (meant.next(), meant.next()) {
        (Some(only), None) => Ok(only),
        (Some(first), Some(second)) => Err(format!(
            "the header names `{origin}` twice, in columns {} and {}",
            first + 1,
            second + 1
        )),
        (None, _) => {
            let known = names.join(", ");
            let message = format!(
                "no column `{origin}`; the columns are {}",
                shorten(&known, HEADER)
            );
            let other = Delimiter::ALL
                .into_iter()
                .find(|one| known.contains(one.character()));
            let hint = other
                .filter(|_| names.len() == 1)
                .map_or("", |_| "; see `delimiter`");
            Err(message + hint)
        }
    }
}

fn each_json_line(
    source: &Source,
    plain: impl Read,
    table: &mut Table<'_>,
) -> Result<(), InvalidInput> {
    let text = delimited::text(plain).map_err(|error| unreadable(&error))?;
    for (index, line) in BufReader::new(text).split(b'\n').enumerate() {
        let line = line.map_err(|error| unreadable(&error))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let number = index as u64 + 1;
        match serde_json::from_slice(&line) {
            Ok(Value::Object(object)) => {
                let found = source
                    .fields
                    .iter()
                    .map(|field| found(object.get(field.origin())));
                table.accept(Place::Line(number), found)?;
            }
            Ok(value) => table.reject(format!("line {number} is {}, not an object", kind(&value))),
            Err(_) => table.reject(format!("line {number} is not JSON")),
        }
    }
    Ok(())
}

fn found(value: Option<&Value>) -> Found<'_> {
    match value {
        None | Some(Value::Null) => Found::Nothing,
        Some(Value::String(text)) => Found::Text(text.into()),
        Some(Value::Number(number)) => Found::Text(number.to_string().into()),
        Some(Value::Bool(truth)) => Found::Text(truth.to_string().into()),
        Some(other) => Found::Other(kind(other)),
    }
}

/// What a JSON value is called.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// At most `most` characters of `text`.
fn shorten(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

fn unreadable(error: &dyn std::error::Error) -> InvalidInput {
    InvalidInput::new(
        "$.source.url",
        format!("cannot be read as the format says: {error}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_unpacked_is_refused_and_not_cut() {
        let source = serde_json::json!({"name": "s", "url": "s3://b/k", "format": "CSV",
                                        "fields": [{"name": "n", "type": "INTEGER"}]});
        let source: Source = input::parse(source).unwrap();
        let text = "n\n1\n2\n3\n";
        let read = |most: u64| {
            let mut table = Table::new(&source)?;
            each_of_text(&source, gzip::plain(text.as_bytes(), most), &mut table)?;
            table.finish()
        };
        assert_eq!(read(8).unwrap().accepted, 3);
        let refusal = read(7).unwrap_err();
        assert!(
            refusal.message.contains("more than 7 bytes unpacked"),
            "{refusal}"
        );
    }

    #[test]
    fn a_long_cell_is_shown_in_part() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöü!", 3), "äöü…");
    }
}
