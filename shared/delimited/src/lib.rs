//! Delimited text as people have it: with or without a byte order mark, quoted or not, separated by commas,
//! semicolons, tabs or bars, with any ending of lines. Every row knows the line of the file that it begins at.

mod foreign;

use std::io::{self, Chain, Cursor, Read};

use csv::{ByteRecord, ReaderBuilder, Terminator};

/// How much of a file is looked at to tell what it is: many times the longest header that we know.
const HEAD: usize = 64 * 1024;

/// U+FEFF in UTF-8, which spreadsheets write in front.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a file is no delimited text.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is something else.
    #[error("it is {0}")]
    Foreign(&'static str),
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// A text whose beginning has been looked at.
type Text<R> = Chain<Cursor<Vec<u8>>, R>;

/// The text in `plain` without its byte order mark.
///
/// # Errors
/// [`Error::Foreign`] for a file that is no text, by what it is.
pub fn text<R: Read>(mut plain: R) -> Result<Text<R>, Error> {
    let mut head = Vec::new();
    plain.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    if let Some(name) = foreign::name(&head) {
        return Err(Error::Foreign(name));
    }
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(Cursor::new(head).chain(plain))
}

/// What stands between two cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab.
    Tab,
    /// `|`
    Bar,
}

impl Delimiter {
    /// All of them; of those that a line has the first is meant.
    pub const ALL: [Self; 4] = [Self::Tab, Self::Semicolon, Self::Comma, Self::Bar];

    /// As it is written.
    pub fn character(self) -> char {
        match self {
            Self::Comma => ',',
            Self::Semicolon => ';',
            Self::Tab => '\t',
            Self::Bar => '|',
        }
    }

    /// The one that `line` has outside of quotes, the first of [`Self::ALL`]: decimals and thousands may hold commas
    /// where cells are separated by something else, and not the other way round.
    fn of(line: &[u8]) -> Self {
        let mut quoted = false;
        let mut outside = [false; 256];
        for &byte in line {
            quoted ^= byte == b'"';
            outside[usize::from(byte)] |= !quoted;
        }
        let found = Self::ALL.into_iter().find(|one| outside[one.byte()]);
        found.unwrap_or(Self::Comma)
    }

    fn byte(self) -> usize {
        self.character() as usize
    }
}

/// Reads rows from a text.
pub struct Rows<R> {
    reader: csv::Reader<Chain<Text<R>, &'static [u8]>>,
    delimiter: Delimiter,
    record: ByteRecord,
}

/// One row of a file.
#[derive(Debug)]
pub struct Row<'a> {
    /// The line that it begins at, from 1.
    pub line: u64,
    cells: &'a ByteRecord,
}

impl<'a> Row<'a> {
    /// Its cells without the blanks around them.
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &'a [u8]> + use<'a> {
        self.cells.iter().map(bare)
    }

    /// One of its cells, from 0.
    pub fn cell(&self, index: usize) -> Option<&'a [u8]> {
        self.cells.get(index).map(bare)
    }
}

/// A cell without the blanks around it, and without quotes that a blank before them hid.
fn bare(cell: &[u8]) -> &[u8] {
    let cell = cell.trim_ascii();
    let inner = cell
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    inner.filter(|inner| !inner.contains(&b'"')).unwrap_or(cell)
}

impl<R: Read> Rows<R> {
    /// The rows of the text in `plain`, whose cells are separated by `delimiter`, or else by the one that the first
    /// line has.
    ///
    /// # Errors
    /// [`Error::Foreign`] for a file that is no text, by what it is.
    pub fn open(plain: R, delimiter: Option<Delimiter>) -> Result<Self, Error> {
        let text = text(plain)?;
        let head = text.get_ref().0.get_ref();
        let end_of_line = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let mut lines = head.split(end_of_line);
        let first = lines.find(|line| !line.trim_ascii().is_empty());
        let delimiter = delimiter.unwrap_or_else(|| Delimiter::of(first.unwrap_or_default()));
        // A line ends at the line feed, before which a carriage return is a blank of the last cell. Only where there
        // is no line feed, as on old machines, it ends at the carriage return.
        let returns_only = !head.contains(&b'\n') && head.contains(&b'\r');
        let terminator = if returns_only { b'\r' } else { b'\n' };
        let reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter.byte() as u8)
            .terminator(Terminator::Any(terminator))
            // Every row ends with the end of a line, the last one too, so that lines can be counted back from there.
            .from_reader(text.chain(if returns_only { &b"\r"[..] } else { b"\n" }));
        let record = ByteRecord::new();
        Ok(Self {
            reader,
            delimiter,
            record,
        })
    }

    /// What separates the cells.
    pub fn delimiter(&self) -> Delimiter {
        self.delimiter
    }

    /// The next row that is not blank; none at the end.
    ///
    /// # Errors
    /// [`Error::Unreadable`] when the file cannot be read on.
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Error> {
        loop {
            let more = self.reader.read_byte_record(&mut self.record);
            if !more.map_err(io::Error::from)? {
                return Ok(None);
            }
            let blank = self.record.len() == 1 && self.record[0].trim_ascii().is_empty();
            if !blank {
                break;
            }
        }
        let inside = self.record.iter().flatten().filter(|byte| **byte == b'\n');
        let next = self.reader.position().line();
        let line = next.saturating_sub(1 + inside.count() as u64).max(1);
        Ok(Some(Row {
            line,
            cells: &self.record,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8]) -> Vec<(u64, Vec<String>)> {
        let mut rows = Rows::open(text, None).unwrap();
        let mut all = Vec::new();
        while let Some(row) = rows.next_row().unwrap() {
            let cells = row
                .cells()
                .map(|cell| String::from_utf8_lossy(cell).into_owned());
            all.push((row.line, cells.collect()));
        }
        all
    }

    #[test]
    fn rows_are_alike_however_they_are_written() {
        let same: [&[u8]; 9] = [
            b"a,b\n1,2\n",
            b"a,b\n1,2",
            b"a,b\r\n1,2\r\n",
            b"\xef\xbb\xbfa,b\n1,2\n",
            b"\"a\",\"b\"\n\"1\", \"2\"\n",
            b"a;b\r\n1;2\r\n",
            b"a\tb\n1\t2\n",
            b"a|b\n1 | 2\n",
            b"\"a\";\"b\"\n1;2",
        ];
        let expected = [
            (1, vec!["a".to_owned(), "b".to_owned()]),
            (2, vec!["1".to_owned(), "2".to_owned()]),
        ];
        for text in same {
            assert_eq!(rows(text), expected, "{}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn lines_are_counted_in_the_file() {
        let lines = |text: &str| {
            rows(text.as_bytes())
                .iter()
                .map(|row| row.0)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("a,b\n\n1,2\n\n\n3,4"), [1, 3, 6]);
        assert_eq!(lines("a,b\r\n\r\n1,2\r\n\r\n3,4\r\n"), [1, 3, 5]);
        assert_eq!(lines("\n\na,b\n\"1\n2\n3\",4\n5,6\n"), [3, 4, 7]);
        assert_eq!(lines("  \na,b"), [2]);
        assert!(lines("").is_empty() && lines("\n\n").is_empty());
        assert_eq!(rows(b"a,b\r1,2\r").len(), 2);
    }

    #[test]
    fn a_delimiter_inside_of_quotes_is_none_and_a_decimal_comma_too() {
        assert_eq!(rows(b"\"a;b\",c\n")[0].1, ["a;b", "c"]);
        assert_eq!(rows(b"1,5;2\n")[0].1, ["1,5", "2"]);
        assert_eq!(rows(b"\"a\"\"b\",c\n")[0].1, ["a\"b", "c"]);
    }

    #[test]
    fn what_is_no_text_is_named() {
        let cases: [(&[u8], &str); 7] = [
            (b"PAR1\x15\x04", "Parquet"),
            (b"PK\x03\x04...", "Excel"),
            (b"\xff\xfea\0,\0", "UTF-16"),
            (b"a\0,\0b\0", "UTF-16"),
            (b"\x28\xb5\x2f\xfd..", "Zstandard"),
            (b"\n<!DOCTYPE html><p>", "HTML"),
            (b"\x1f\x8b\x08", "gzip inside"),
        ];
        for (bytes, name) in cases {
            let Err(error) = Rows::open(bytes, None) else {
                panic!("{name} was read")
            };
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
