//! From the bytes of a data set to the items of a Distributed Map
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>).

mod csv;
mod json;
mod manifest;
mod parquet;

use crate::error_name;
use crate::event::TaskError;
use crate::value::Value;
use csv::Csv;
pub use manifest::{Manifest, Place};

/// Reads the items of one object. `config` is the evaluated ReaderConfig: `InputType` (`JSON`, `JSONL`, `CSV`, `PARQUET`),
/// `ItemsPointer` (JSON), `CSVHeaderLocation`, `CSVHeaders` and `CSVDelimiter` (CSV), `MaxItems` (0 for all).
/// An error is `States.ItemReaderFailed`.
pub fn parse(config: &Value, body: &[u8]) -> Result<Vec<Value>, TaskError> {
    let mut items = Items::of(config)?;
    items.add(body)?;
    Ok(items.into_list())
}

/// The items of one object after the other.
pub struct Items {
    format: Format,
    most: usize,
    list: Vec<Value>,
}

/// What an object holds.
enum Format {
    Json {
        /// Where the array is within the document.
        pointer: Option<String>,
    },
    JsonLines,
    Csv(Csv),
    Parquet,
}

impl Items {
    /// None yet, of objects as the ReaderConfig describes them.
    pub fn of(config: &Value) -> Result<Items, TaskError> {
        let format = match text(config, "InputType").unwrap_or("JSON") {
            "JSON" => Format::Json {
                pointer: text(config, "ItemsPointer").map(str::to_string),
            },
            "JSONL" => Format::JsonLines,
            "CSV" => Format::Csv(Csv::of(config)?),
            "PARQUET" => Format::Parquet,
            other => return Err(Fault::InputType(other.to_string()).into()),
        };
        Ok(Items {
            format,
            most: max_items(config),
            list: Vec::new(),
        })
    }

    /// Adds those of an object, unpacked. False once there are as many as MaxItems allows.
    pub fn add(&mut self, body: &[u8]) -> Result<bool, TaskError> {
        let (most, list) = (self.most, &mut self.list);
        match &self.format {
            Format::Json { pointer } => json::document(pointer.as_deref(), body, most, list),
            Format::JsonLines => json::lines(without_mark(body), most, list),
            Format::Csv(csv) => csv.read(without_mark(body), most, list),
            Format::Parquet => parquet::read(body, most, list),
        }?;
        Ok(self.list.len() < self.most)
    }

    /// The items.
    pub fn into_list(self) -> Vec<Value> {
        self.list
    }
}

/// The text after a byte order mark.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body)
}

/// One object of a bucket, as `s3:listObjectsV2` makes it an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// The object's key.
    pub key: String,
    /// Its entity tag with its quotes.
    pub etag: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was written, in seconds since the Unix epoch.
    pub last_modified: i64,
    /// `STANDARD` and its kin.
    pub storage_class: String,
}

/// The items of `s3:listObjectsV2`, at most as many as the ReaderConfig says.
pub fn objects(config: &Value, objects: impl IntoIterator<Item = Object>) -> Vec<Value> {
    objects
        .into_iter()
        .take(max_items(config))
        .map(|object| {
            Value::object([
                ("Etag", Value::from(object.etag)),
                ("Key", Value::from(object.key)),
                // AWS gives the seconds as a double: 1.789180622E9.
                ("LastModified", Value::number(object.last_modified as f64)),
                ("Size", Value::from(object.size)),
                ("StorageClass", Value::from(object.storage_class)),
            ])
        })
        .collect()
}

/// The ReaderConfig asks for what the listed objects hold and not for the list
/// (`Transformation`: `LOAD_AND_FLATTEN`).
pub fn loads_objects(config: &Value) -> bool {
    text(config, "Transformation") == Some("LOAD_AND_FLATTEN")
}

fn max_items(config: &Value) -> usize {
    match config.get("MaxItems").and_then(Value::as_i64) {
        Some(items) if items > 0 => usize::try_from(items).unwrap_or(usize::MAX),
        _ => usize::MAX,
    }
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}

/// Why there are no items.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(
        "InputType {0} cannot be read here; JSON, JSONL, CSV and PARQUET can, and MANIFEST where one object is read"
    )]
    InputType(String),
    #[error("CSVDelimiter {0} is none of COMMA, PIPE, SEMICOLON, SPACE, TAB")]
    Delimiter(String),
    #[error("CSV headers cannot contain duplicates.")]
    DuplicateHeaders,
    #[error("CSV headers are limited to 10 KiB")]
    LongHeaders,
    #[error("line {line}: not UTF-8")]
    NotUtf8 { line: usize },
    #[error("line {line}: a field is opened with a quotation mark and never closed")]
    OpenQuote { line: usize },
    #[error("line {line}, column {column}: not valid JSON: {reason}")]
    Json {
        line: usize,
        column: usize,
        reason: String,
    },
    #[error(
        "The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure."
    )]
    NothingAtPointer,
    #[error("Attempting to map over non-iterable node.")]
    NotAnArray,
    #[error("The Parquet file cannot be read: {0}")]
    Parquet(String),
    #[error("The manifest has no list of files")]
    NoFiles,
    #[error("A file of the manifest has no key")]
    NoKey,
    #[error(
        "The S3 inventory is in {0}, which cannot be read here; configure the inventory's output format as CSV"
    )]
    InventoryFormat(String),
    #[error("line {line} of the Athena manifest is no s3://BUCKET/KEY: {entry}")]
    NoAddress { line: usize, entry: String },
    #[error(
        "InputType {0} cannot be read by an Athena manifest; CSV, JSONL and PARQUET can: set InputType to the format that the query was unloaded in"
    )]
    AthenaFormat(String),
    #[error(
        "Transformation LOAD_AND_FLATTEN cannot be applied to a manifest, whose files are read anyway"
    )]
    ManifestOfManifests,
}

impl From<Fault> for TaskError {
    fn from(fault: Fault) -> TaskError {
        TaskError {
            error: error_name::ITEM_READER_FAILED.to_string(),
            cause: Some(fault.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
