//! The data set: rows of numbers with a class, and its split into training and test rows.

use columns::{Cell, File, Place};
use delimited::{Row, Rows};
use input::InvalidInput;
use jobs::gzip;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

const PATH: &str = "$.input.dataset";

/// Most bytes of CSV, or of the values of a Parquet file; with the numbers and the model they must fit into the smallest worker, 1,769 MiB.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// Rows of features with their classes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    /// One vector per row, all of one length.
    pub features: Vec<Vec<f32>>,
    /// The class of each row.
    pub classes: Vec<u32>,
}

impl Table {
    /// Reads CSV, gzipped or not, or Parquet; the last column is the class, a whole number. In CSV there may be a header,
    /// a byte order mark and quotes, and tabs, semicolons or bars in place of commas.
    ///
    /// # Errors
    /// Line and column of the first value that is not a number, or the line of the first row of another width.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidInput> {
        let table = match columns::is_parquet(bytes) {
            true => Self::parse_parquet(bytes)?,
            false => Self::parse_csv(bytes)?,
        };
        if table.classes.is_empty() {
            return Err(InvalidInput::new(PATH, "holds no rows"));
        }
        Ok(table)
    }

    fn parse_parquet(bytes: &[u8]) -> Result<Self, InvalidInput> {
        let unread = |error: columns::Error| InvalidInput::new(PATH, error.to_string());
        let file = File::open(bytes, MOST_BYTES).map_err(unread)?;
        let columns = Columns::of_parquet(file.names())?;
        let mut table = Self::default();
        for (index, row) in file.rows().map_err(unread)?.enumerate() {
            let texts: Vec<String> = row.map_err(unread)?.into_iter().map(text).collect();
            let cells = texts.iter().map(String::as_bytes);
            table.push(Place::Row(index as u64 + 1), cells, &columns)?;
            // Values that repeat take next to nothing in the file, and four bytes each here.
            if (table.classes.len() * columns.width * 4) as u64 > MOST_BYTES {
                let message = format!("its values take more than {MOST_BYTES} bytes; split it");
                return Err(InvalidInput::new(PATH, message));
            }
        }
        Ok(table)
    }

    fn parse_csv(bytes: &[u8]) -> Result<Self, InvalidInput> {
        let unread = |error: delimited::Error| {
            InvalidInput::new(PATH, format!("cannot be read as CSV: {error}"))
        };
        let plain = gzip::plain(bytes, MOST_BYTES);
        let mut rows = Rows::open(plain, None).map_err(unread)?;
        let mut table = Self::default();
        let mut columns: Option<Columns> = None;
        while let Some(row) = rows.next_row().map_err(unread)? {
            match &columns {
                None if is_header(&row) => columns = Some(Columns::named(&row)?),
                None => {
                    let first = columns.insert(Columns::unnamed(&row)?);
                    table.push(Place::Line(row.line), row.cells(), first)?;
                }
                Some(columns) => {
                    columns.check_width(&row)?;
                    table.push(Place::Line(row.line), row.cells(), columns)?;
                }
            }
        }
        Ok(table)
    }

    /// Takes a row of as many cells as there are columns.
    fn push<'a>(
        &mut self,
        place: Place,
        cells: impl Iterator<Item = &'a [u8]>,
        columns: &Columns,
    ) -> Result<(), InvalidInput> {
        let mut features = Vec::with_capacity(columns.width - 1);
        for (index, cell) in cells.enumerate() {
            let refuse = |what: &str| Err(columns.refusal(place, index, cell, what));
            // `nan` and `inf` are numbers to Rust, and so is what is beyond an f32; the models panic at them.
            let number = number(cell).filter(|number| number.is_finite());
            if index + 1 == columns.width {
                match number.and_then(class) {
                    Some(class) => self.classes.push(class),
                    None => return refuse("is not a class, a whole number from 0"),
                }
            } else {
                match number.map(|number| number as f32) {
                    Some(feature) if feature.is_finite() => features.push(feature),
                    _ => return refuse("is not a finite number"),
                }
            }
        }
        self.features.push(features);
        Ok(())
    }

    /// The class that all rows are of, if there is only one.
    pub fn only_class(&self) -> Option<u32> {
        let first = *self.classes.first()?;
        let same = self.classes.iter().all(|class| *class == first);
        same.then_some(first)
    }

    /// Training and test rows: a share of `holdout` is for the test. The same seed makes the same split.
    pub fn split(self, holdout: f64, seed: u64) -> (Self, Self) {
        let mut rows: Vec<_> = self.features.into_iter().zip(self.classes).collect();
        rows.shuffle(&mut StdRng::seed_from_u64(seed));
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss
        )]
        let held_out = (rows.len() as f64 * holdout).round() as usize; // between 0 and the number of rows
        let train = rows.split_off(held_out.min(rows.len()));
        (train.into_iter().collect(), rows.into_iter().collect())
    }
}

impl FromIterator<(Vec<f32>, u32)> for Table {
    fn from_iter<I: IntoIterator<Item = (Vec<f32>, u32)>>(rows: I) -> Self {
        let (features, classes) = rows.into_iter().unzip();
        Self { features, classes }
    }
}

/// A cell as CSV would have it; what is no number is named in place of it.
fn text(cell: Cell) -> String {
    match cell {
        Cell::Nothing => String::new(),
        Cell::Text(text) | Cell::Moment(text) => text,
        Cell::Integer(number) => number.to_string(),
        Cell::Number(number) => number.to_string(),
        Cell::Other(what) => what.to_owned(),
    }
}

/// What every row is held against.
struct Columns {
    width: usize,
    /// Names by column, where the file has a header.
    names: Vec<String>,
}

impl Columns {
    /// The columns of a Parquet file. Whoever writes an index with a data frame has a column without meaning in it.
    fn of_parquet(names: Vec<String>) -> Result<Self, InvalidInput> {
        if names.len() < 2 {
            let message = "expected two columns or more, the class last";
            return Err(InvalidInput::new(PATH, message));
        }
        if let Some(index) = names.iter().find(|name| name.starts_with("__index_level_")) {
            let message = format!(
                "column `{index}` is the index of a data frame; leave it out (`index=False`)"
            );
            return Err(InvalidInput::new(PATH, message));
        }
        let width = names.len();
        Ok(Self { width, names })
    }

    fn unnamed(row: &Row<'_>) -> Result<Self, InvalidInput> {
        let width = row.cells().len();
        if width < 2 {
            let message = format!(
                "line {}: expected numbers separated by commas, tabs or semicolons",
                row.line
            );
            return Err(InvalidInput::new(PATH, message));
        }
        let names = Vec::new();
        Ok(Self { width, names })
    }

    fn named(row: &Row<'_>) -> Result<Self, InvalidInput> {
        let names: Vec<String> = row
            .cells()
            .map(|cell| String::from_utf8_lossy(cell).into_owned())
            .collect();
        if let Some(index) = names.iter().position(String::is_empty) {
            let message = format!(
                "line {}: column {} has no name; if it is an index, as pandas writes it, leave it out (`index=False`)",
                row.line,
                index + 1
            );
            return Err(InvalidInput::new(PATH, message));
        }
        Ok(Self {
            names,
            ..Self::unnamed(row)?
        })
    }

    fn check_width(&self, row: &Row<'_>) -> Result<(), InvalidInput> {
        let found = row.cells().len();
        if found == self.width {
            return Ok(());
        }
        let message = format!(
            "line {}: {found} columns where the first row has {}",
            row.line, self.width
        );
        Err(InvalidInput::new(PATH, message))
    }

    /// `line 3: column 2 (width): `x` is not a number`.
    fn refusal(&self, place: Place, index: usize, cell: &[u8], what: &str) -> InvalidInput {
        let name = self
            .names
            .get(index)
            .map_or(String::new(), |name| format!(" ({})", shorten(name)));
        let text = String::from_utf8_lossy(cell);
        let found = match text.as_ref() {
            "" => "an empty cell".to_owned(),
            text => format!("`{}`", shorten(text)),
        };
        let comma = text.contains(',') && number(text.replace(',', ".").as_bytes()).is_some();
        let hint = if comma {
            "; write decimals with a point"
        } else {
            ""
        };
        let column = index + 1;
        InvalidInput::new(
            PATH,
            format!("{place}: column {column}{name}: {found} {what}{hint}"),
        )
    }
}

/// Whether the first row names the columns: the class is no number there, or nothing is.
fn is_header(row: &Row<'_>) -> bool {
    let is_number = |cell: &[u8]| number(cell).is_some();
    let class_is_none = row
        .cells()
        .last()
        .is_some_and(|cell| !is_number(cell) && !cell.is_empty());
    class_is_none || !row.cells().any(is_number)
}

fn number(cell: &[u8]) -> Option<f64> {
    std::str::from_utf8(cell).ok()?.parse().ok()
}

/// A class as spreadsheets and data frames write it, `5` or `5.0`.
fn class(number: f64) -> Option<u32> {
    let whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    whole.then_some(number as u32)
}

/// What a refusal shows of a cell, which goes into the history of the execution.
fn shorten(text: &str) -> String {
    const MOST: usize = 80;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_however_they_are_written() {
        let same: [&[u8]; 8] = [
            b"1,2,0\n3,4.5,1\n\n",
            b"a,b,class\n1,2,0\n3,4.5,1\n",
            b"\xef\xbb\xbf1,2,0\r\n3,4.5,1\r\n",
            b"\xef\xbb\xbf\"a\",\"b\",\"class\"\r\n\"1\",\"2\",\"0\"\r\n\"3\",\"4.5\",\"1\"\r\n",
            b"1,2,0.0\n3,4.5,1.0",
            b"a;b;class\n1;2;0\n3;4.5;1\n",
            b"1\t2\t0\n3\t4.5\t1e0\n",
            b"0,1,target\n1.0,2.0,0\n3.0,4.5,1",
        ];
        for bytes in same {
            let table = Table::parse(bytes).unwrap();
            assert_eq!(table.features, [[1.0, 2.0], [3.0, 4.5]]);
            assert_eq!(table.classes, [0, 1]);
            assert_eq!(table.only_class(), None);
        }
        let one = Table::parse(b"1,2,7\n3,4,7").unwrap();
        assert_eq!(one.only_class(), Some(7));
    }

    #[test]
    fn bad_rows_are_named_by_line_and_column_of_the_file() {
        let cases: [(&[u8], &str); 17] = [
            (
                b"1,2,0\n3,x,1",
                "line 2: column 2: `x` is not a finite number",
            ),
            (b"a,b,c\n\n1,2,0\n3,x,1", "line 4: column 2 (b): `x` is"),
            (b"1,2,0\n3,,1", "line 2: column 2: an empty cell is not"),
            (b"1,2,0\n3,nan,1", "line 2: column 2"),
            (b"-inf,2,0", "line 1: column 1"),
            (b"1e39,2,0", "line 1: column 1"),
            (b"1,2,0\n3,1", "line 2: 2 columns where the first row has 3"),
            (b"1,2,0.5", "line 1: column 3: `0.5` is not a class"),
            (b"1,2,-1", "line 1: column 3: `-1` is not a class"),
            (
                b"a,b,class\n1,2,setosa",
                "line 2: column 3 (class): `setosa` is not a class",
            ),
            (
                b"1,5;2;0\n1;2;1",
                "`1,5` is not a finite number; write decimals with a point",
            ),
            (b",a,class\n0,1,1", "column 1 has no name"),
            (b"12", "separated by commas"),
            (b"a,b,class\n", "holds no rows"),
            (b"", "holds no rows"),
            (b"PAR1\x15", "it is a Parquet file that cannot be read"),
            (b"\xff,1", "line 1: column 1"),
        ];
        for (bytes, expected) in cases {
            let error = Table::parse(bytes).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn a_split_is_complete_and_repeatable() {
        let table = || {
            (0..100_u8)
                .map(|row| (vec![f32::from(row)], u32::from(row)))
                .collect::<Table>()
        };
        let (train, test) = table().split(0.25, 7);
        assert_eq!((train.classes.len(), test.classes.len()), (75, 25));
        let mut all = [train.classes.clone(), test.classes.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..100).collect::<Vec<_>>());
        assert_eq!(table().split(0.25, 7), (train.clone(), test));
        assert_ne!(table().split(0.25, 8).0, train);
    }
}
