//! From the bytes of a source to rows that are alike: CSV with a header, one form per type.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use input::InvalidInput;
use jobs::gzip;
use serde_json::Value;

use crate::source::{Format, Source};

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
    read_plain(source, gzip::plain(bytes, MOST_UNPACKED))
}

fn read_plain(source: &Source, plain: impl Read) -> Result<Rows, InvalidInput> {
    let readers = source.readers()?;
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut rows = Rows::default();
    let header = writer.write_record(source.fields.iter().map(|field| field.name.as_str()));
    header.map_err(|error| unreadable(&error))?;
    let mut accept = |line: u64, values: &[Option<String>]| -> Result<(), InvalidInput> {
        let mut record = Vec::with_capacity(readers.len());
        for ((reader, field), value) in readers.iter().zip(&source.fields).zip(values) {
            if let Some(text) = value.as_deref().and_then(|value| reader.read(value)) {
                record.push(text);
            } else {
                rows.rejected += 1;
                if rows.complaints.len() < COMPLAINTS {
                    let found = value.as_deref().map_or_else(
                        || "nothing".to_owned(),
                        |value| format!("`{}`", shorten(value, CELL)),
                    );
                    rows.complaints
                        .push(format!("row {line}: {} is {found}", field.origin()));
                }
                return Ok(());
            }
        }
        rows.accepted += 1;
        writer
            .write_record(&record)
            .map_err(|error| unreadable(&error))?;
        if writer.get_ref().len() as u64 > MOST_UNPACKED {
            let message = format!("its rows take more than {MOST_UNPACKED} bytes; split it");
            return Err(InvalidInput::new("$.source.url", message));
        }
        Ok(())
    };
    match source.format {
        Format::Csv => each_csv(source, plain, &mut accept)?,
        Format::JsonLines => each_json_line(source, plain, &mut accept)?,
    }
    rows.csv = writer
        .into_inner()
        .map_err(|error| unreadable(error.error()))?;
    check_rejected(source, &rows)?;
    Ok(rows)
}

fn check_rejected(source: &Source, rows: &Rows) -> Result<(), InvalidInput> {
    let all = rows.accepted + rows.rejected;
    if rows.rejected as f64 > source.max_rejected * all as f64 {
        let complaints = rows.complaints.join("; ");
        let message = format!(
            "{} of {all} rows cannot be read, more than maxRejected: {complaints}",
            rows.rejected
        );
        return Err(InvalidInput::new("$.source.url", message));
    }
    Ok(())
}

type Accept<'a> = dyn FnMut(u64, &[Option<String>]) -> Result<(), InvalidInput> + 'a;

fn each_csv(
    source: &Source,
    plain: impl Read,
    accept: &mut Accept<'_>,
) -> Result<(), InvalidInput> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(plain);
    let header = reader
        .headers()
        .map_err(|error| unreadable(&error))?
        .clone();
    let column = |(index, field): (usize, &crate::source::Field)| {
        header
            .iter()
            .position(|name| name.trim() == field.origin())
            .ok_or_else(|| {
                let known = header.iter().collect::<Vec<_>>().join(", ");
                let known = shorten(&known, HEADER);
                let message = format!("no column `{}`; the columns are {known}", field.origin());
                InvalidInput::new(format!("$.source.fields[{index}]"), message)
            })
    };
    let columns: Vec<usize> = source
        .fields
        .iter()
        .enumerate()
        .map(column)
        .collect::<Result<_, _>>()?;
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(|error| unreadable(&error))?;
        let values: Vec<_> = columns
            .iter()
            .map(|&column| record.get(column).map(str::to_owned))
            .collect();
        accept(index as u64 + 1, &values)?;
    }
    Ok(())
}

fn each_json_line(
    source: &Source,
    plain: impl Read,
    accept: &mut Accept<'_>,
) -> Result<(), InvalidInput> {
    for (index, line) in BufReader::new(plain).lines().enumerate() {
        let line = line.map_err(|error| unreadable(&error))?;
        if line.trim().is_empty() {
            continue;
        }
        // A line that is no JSON has none of the fields.
        let object: Value = serde_json::from_str(&line).unwrap_or(Value::Null);
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        let values: Vec<_> = source
            .fields
            .iter()
            .map(|field| object.get(field.origin()).and_then(text))
            .collect();
        accept(index as u64 + 1, &values)?;
    }
    Ok(())
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
        let whole = read_plain(&source, gzip::plain(text.as_bytes(), 8)).unwrap();
        assert_eq!(whole.accepted, 3);
        let refusal = read_plain(&source, gzip::plain(text.as_bytes(), 7)).unwrap_err();
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
