//! Parquet as people have it, row by row: what pandas, Polars, DuckDB and Spark write. A column of which a cell is no
//! single value, such as a list, is known by its name and not read.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parquet::basic::{Compression, LogicalType, Repetition, TimeUnit};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::record::reader::RowIter;
use parquet::schema::types::Type;
use time::{Duration, OffsetDateTime};

/// What a Parquet file begins and ends with.
const MAGIC: &[u8] = b"PAR1";

/// Whether `bytes` are meant as a Parquet file.
pub fn is_parquet(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It does not begin as one.
    #[error("it is no Parquet file: it does not begin with PAR1")]
    NotParquet,
    /// It is damaged, cut off, or of a kind that is not read.
    #[error("it is a Parquet file that cannot be read: {0}")]
    Unreadable(#[from] ParquetError),
    /// It is damaged in a way that the reader does not expect.
    #[error("it is a Parquet file that cannot be read: it is damaged")]
    Damaged,
    /// A column is compressed by something else.
    #[error(
        "column `{column}` is compressed with {codec}; of a Parquet file Snappy, gzip and Zstandard are undone: write it \
         again with compression=\"snappy\""
    )]
    Codec {
        /// The column.
        column: String,
        /// The codec.
        codec: String,
    },
    /// Its values take too much memory.
    #[error("its values take more than {most} bytes; split it")]
    TooLarge {
        /// Most bytes.
        most: u64,
    },
}

/// Where a row of data is, whichever form its file has.
#[derive(Debug, Clone, Copy)]
pub enum Place {
    /// The line of a text.
    Line(u64),
    /// The row of a Parquet file, from 1.
    Row(u64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Null.
    Nothing,
    /// A text, or a decimal number as one.
    Text(String),
    /// A whole number.
    Integer(i128),
    /// A number.
    Number(f64),
    /// A day or a moment, as `2010-01-31T23:00:00`.
    Moment(String),
    /// What is none of these.
    Other(&'static str),
}

/// A column of the file.
#[derive(Debug)]
struct Column {
    name: String,
    /// What a cell of a column holds that is not read.
    unread: Option<&'static str>,
    /// Whether its whole numbers are nanoseconds since 1970, which the reader does not tell.
    nanoseconds: bool,
}

/// An open Parquet file.
pub struct File {
    reader: SerializedFileReader<Bytes>,
    columns: Vec<Column>,
    /// The columns that are read.
    flat: Type,
}

impl File {
    /// Opens the file in `bytes`, whose values may take `most` bytes.
    ///
    /// # Errors
    /// What makes it unreadable, by its name.
    pub fn open(bytes: &[u8], most: u64) -> Result<Self, Error> {
        if !is_parquet(bytes) {
            return Err(Error::NotParquet);
        }
        let bytes = Bytes::copy_from_slice(bytes);
        let reader = guarded(|| SerializedFileReader::new(bytes))??;
        let metadata = reader.metadata();
        let groups = || metadata.row_groups().iter();
        let size = groups().map(|group| u64::try_from(group.total_byte_size()).unwrap_or(u64::MAX));
        if size.fold(0, u64::saturating_add) > most {
            return Err(Error::TooLarge { most });
        }
        for column in groups().flat_map(|group| group.columns()) {
            let codec = column.compression();
            let undone = matches!(
                codec,
                Compression::UNCOMPRESSED
                    | Compression::SNAPPY
                    | Compression::GZIP(_)
                    | Compression::ZSTD(_)
            );
            if !undone {
                let codec = codec.to_string();
                let codec = codec.split('(').next().unwrap_or_default().to_owned();
                return Err(Error::Codec {
                    column: column.column_path().string(),
                    codec,
                });
            }
        }
        let schema = metadata.file_metadata().schema();
        let columns = schema
            .get_fields()
            .iter()
            .map(|field| column(field))
            .collect();
        let flat = schema
            .get_fields()
            .iter()
            .filter(|field| unread(field).is_none());
        let flat = Type::group_type_builder(schema.name())
            .with_fields(flat.map(Arc::clone).collect())
            .build()?;
        Ok(Self {
            reader,
            columns,
            flat,
        })
    }

    /// The names of its columns, in order.
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// Its rows, each with a cell for every column.
    ///
    /// # Errors
    /// When the columns do not fit the file.
    pub fn rows(&self) -> Result<Rows<'_>, Error> {
        // A projection of nothing would be a projection of all.
        let rows = match self.flat.get_fields().is_empty() {
            true => None,
            false => {
                let flat = self.flat.clone();
                Some(guarded(|| self.reader.get_row_iter(Some(flat)))??)
            }
        };
        Ok(Rows {
            rows,
            columns: &self.columns,
        })
    }
}

/// The rows of a file.
pub struct Rows<'a> {
    rows: Option<RowIter<'a>>,
    columns: &'a [Column],
}

impl Iterator for Rows<'_> {
    type Item = Result<Vec<Cell>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.rows.as_mut()?;
        let row = match guarded(|| rows.next()) {
            Ok(row) => row?.map_err(Error::from),
            Err(error) => Err(error),
        };
        let row = match row {
            Ok(row) => row,
            Err(error) => {
                // What is read behind a damaged place means nothing.
                self.rows = None;
                return Some(Err(error));
            }
        };
        let mut fields = row.into_columns().into_iter();
        let cells = self.columns.iter().map(|column| match column.unread {
            Some(what) => Cell::Other(what),
            None => fields
                .next()
                .map_or(Cell::Nothing, |(_, field)| cell(field, column)),
        });
        Some(Ok(cells.collect()))
    }
}

/// What `read` reads. The reader panics at some damage, which is the file's fault and no crash of ours; what it has
/// read by then is not used again.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| Error::Damaged)
}

fn column(field: &Type) -> Column {
    let info = field.get_basic_info();
    Column {
        name: field.name().to_owned(),
        unread: unread(field),
        nanoseconds: matches!(
            info.logical_type_ref(),
            Some(LogicalType::Timestamp(kind)) if kind.unit == TimeUnit::NANOS
        ),
    }
}

/// What a cell holds that is no single value.
fn unread(field: &Type) -> Option<&'static str> {
    let info = field.get_basic_info();
    match field {
        Type::GroupType { .. } => Some("a list or a structure"),
        Type::PrimitiveType { .. }
            if info.has_repetition() && info.repetition() == Repetition::REPEATED =>
        {
            Some("a list")
        }
        Type::PrimitiveType { .. } => None,
    }
}

fn cell(field: Field, column: &Column) -> Cell {
    match field {
        Field::Null => Cell::Nothing,
        Field::Bool(truth) => Cell::Text(truth.to_string()),
        Field::Byte(number) => Cell::Integer(number.into()),
        Field::Short(number) => Cell::Integer(number.into()),
        Field::Int(number) => Cell::Integer(number.into()),
        Field::Long(number) if column.nanoseconds => moment(i128::from(number)),
        Field::Long(number) => Cell::Integer(number.into()),
        Field::UByte(number) => Cell::Integer(number.into()),
        Field::UShort(number) => Cell::Integer(number.into()),
        Field::UInt(number) => Cell::Integer(number.into()),
        Field::ULong(number) => Cell::Integer(number.into()),
        Field::Float16(number) => Cell::Number(number.to_f64()),
        Field::Float(number) => Cell::Number(shortest(number)),
        Field::Double(number) => Cell::Number(number),
        Field::Str(text) => Cell::Text(text),
        Field::Date(days) => moment(i128::from(days) * 86_400_000_000_000),
        Field::TimestampMillis(ms) => moment(i128::from(ms) * 1_000_000),
        Field::TimestampMicros(us) => moment(i128::from(us) * 1_000),
        field @ (Field::Decimal(_) | Field::TimeMillis(_) | Field::TimeMicros(_)) => {
            Cell::Text(field.to_string())
        }
        Field::Bytes(_) => Cell::Other("of bytes, not text"),
        Field::Group(_) | Field::ListInternal(_) | Field::MapInternal(_) => {
            Cell::Other("a list or a structure")
        }
    }
}

/// The number that is written as `number` is: 0.1 for the nearest of 32 bits, not 0.10000000149.
fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

fn moment(nanoseconds: i128) -> Cell {
    let since = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok();
    let at = since
        .and_then(|seconds| OffsetDateTime::UNIX_EPOCH.checked_add(Duration::seconds(seconds)));
    match at {
        Some(at) => Cell::Moment(format!(
            "{}T{:02}:{:02}:{:02}",
            at.date(),
            at.hour(),
            at.minute(),
            at.second()
        )),
        None => Cell::Other("a moment beyond the year 9999"),
    }
}

#[cfg(test)]
mod tests;
