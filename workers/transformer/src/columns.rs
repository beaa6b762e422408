//! Between files and columns.

use std::io::{BufRead, Cursor};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampSecondType};
use arrow_array::{Float64Array, RecordBatch, StringArray, TimestampSecondArray};
use arrow_csv::ReaderBuilder;
use arrow_schema::{ArrowError, DataType, Field, Schema, TimeUnit};
use input::InvalidInput;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

/// Rows that are parsed into one batch.
const BATCH: usize = 65_536;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `2010-01-31T23:00:00`.
    Time,
    /// A number.
    Number,
    /// Text.
    Text,
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Kind::Time => DataType::Timestamp(TimeUnit::Second, None),
            Kind::Number => DataType::Float64,
            Kind::Text => DataType::Utf8,
        }
    }
}

/// Columns of one source, in the order they were asked for.
#[derive(Debug, Clone)]
pub struct Columns(RecordBatch);

impl Columns {
    /// Reads the `wanted` columns of a CSV with a header; `path` is where the caller named the source.
    ///
    /// # Errors
    /// A column that is not there, or a value that is not of its kind.
    pub fn read(csv: &[u8], wanted: &[(&str, Kind)], path: &str) -> Result<Self, InvalidInput> {
        let unreadable = |error: ArrowError| InvalidInput::new(path, error.to_string());
        let mut header = String::new();
        Cursor::new(csv)
            .read_line(&mut header)
            .map_err(|error| InvalidInput::new(path, error.to_string()))?;
        let names: Vec<&str> = header.trim().split(',').collect();
        let column = |&(name, _): &(&str, Kind)| {
            names
                .iter()
                .position(|known| *known == name)
                .ok_or_else(|| {
                    let message =
                        format!("no column `{name}`; the columns are {}", names.join(", "));
                    InvalidInput::new(path, message)
                })
        };
        let projection: Vec<usize> = wanted.iter().map(column).collect::<Result<_, _>>()?;
        let kind = |name: &&str| {
            let wanted = wanted.iter().find(|(known, _)| known == name);
            wanted.map_or(DataType::Utf8, |(_, kind)| kind.data_type())
        };
        let fields: Vec<Field> = names
            .iter()
            .map(|name| Field::new(*name, kind(name), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let reader = ReaderBuilder::new(Arc::clone(&schema))
            .with_header(true)
            .with_batch_size(BATCH)
            .with_projection(projection.clone())
            .build(Cursor::new(csv))
            .map_err(unreadable)?;
        let batches = reader.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
        let schema = Arc::new(schema.project(&projection).map_err(unreadable)?);
        let all = arrow_select::concat::concat_batches(&schema, &batches).map_err(unreadable)?;
        Ok(Columns(all))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.0.num_rows()
    }

    /// The column at `index`, which was read as [`Kind::Time`].
    pub fn times(&self, index: usize) -> &TimestampSecondArray {
        self.0.column(index).as_primitive::<TimestampSecondType>()
    }

    /// The column at `index`, which was read as [`Kind::Number`].
    pub fn numbers(&self, index: usize) -> &Float64Array {
        self.0.column(index).as_primitive::<Float64Type>()
    }

    /// The column at `index`, which was read as [`Kind::Text`].
    pub fn texts(&self, index: usize) -> &StringArray {
        self.0.column(index).as_string::<i32>()
    }
}

/// The table as a Parquet file, compressed with Snappy, which every reader knows.
///
/// # Errors
/// What the library says against it.
pub fn parquet(table: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), table.schema(), Some(properties))?;
    writer.write(table)?;
    writer.into_inner()
}
