//! From the bytes of a data set to the items of a Distributed Map
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>).

use crate::error_name;
use crate::event::TaskError;
use crate::value::{Map, Value};

/// Reads the items of a `JSON`, `JSONL` or `CSV` object. `config` is the evaluated ReaderConfig: `InputType`,
/// `ItemsPointer` (JSON), `CSVHeaderLocation`, `CSVHeaders` and `CSVDelimiter` (CSV), `MaxItems` (0 for all).
/// An error is `States.ItemReaderFailed`.
pub fn parse(config: &Value, body: &[u8]) -> Result<Vec<Value>, TaskError> {
    let max_items = max_items(config);
    match text(config, "InputType").unwrap_or("JSON") {
        "JSON" => json(config, body, max_items),
        "JSONL" => json_lines(body, max_items),
        "CSV" => {
            let mut items = Vec::new();
            csv(config, None, body, max_items, &mut items)?;
            Ok(items)
        }
        other => Err(failed(format!(
            "InputType {other} cannot be read here; JSON, JSONL, CSV and MANIFEST can"
        ))),
    }
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

/// An S3 inventory: the objects that together hold the items, which the driver fetches one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The bucket with the files; empty for the one that the manifest came from.
    pub bucket: String,
    /// The keys of the files: CSV, gzipped where the name ends in `.gz`.
    pub files: Vec<String>,
    headers: Vec<String>,
}

impl Manifest {
    /// Reads an S3 inventory's `manifest.json`
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>).
    pub fn parse(body: &[u8]) -> Result<Manifest, TaskError> {
        let manifest = parse_json(body)?;
        let list = manifest
            .get("files")
            .and_then(Value::as_array)
            .ok_or_else(|| failed("The manifest has no list of files"))?;
        let files = list
            .iter()
            .map(|file| match text(file, "key") {
                Some(key) => Ok(key.to_string()),
                None => Err(failed("A file of the manifest has no key")),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if text(&manifest, "fileFormat").is_some_and(|format| format != "CSV") {
            return Err(failed("Only inventories in CSV can be read here"));
        }
        let bucket = text(&manifest, "destinationBucket").unwrap_or_default();
        Ok(Manifest {
            bucket: bucket.rsplit(':').next().unwrap_or_default().to_string(),
            files,
            headers: text(&manifest, "fileSchema")
                .unwrap_or("Bucket, Key")
                .split(',')
                .map(|header| header.trim().to_string())
                .collect(),
        })
    }

    /// Adds the items of one file, unpacked, to those of the files before it. False once there are enough.
    pub fn read(
        &self,
        config: &Value,
        body: &[u8],
        items: &mut Vec<Value>,
    ) -> Result<bool, TaskError> {
        let max_items = max_items(config);
        csv(config, Some(&self.headers), body, max_items, items)?;
        Ok(items.len() < max_items)
    }
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

fn failed(cause: impl Into<String>) -> TaskError {
    TaskError {
        error: error_name::ITEM_READER_FAILED.to_string(),
        cause: Some(cause.into()),
    }
}

fn parse_json(body: &[u8]) -> Result<Value, TaskError> {
    serde_json::from_slice(body)
        .map_err(|error| failed(format!("The input is not valid JSON: {error}")))
}

fn json(config: &Value, body: &[u8], max_items: usize) -> Result<Vec<Value>, TaskError> {
    let document = parse_json(body)?;
    let value = match text(config, "ItemsPointer") {
        None => &document,
        Some(pointer) => point(&document, pointer).ok_or_else(|| {
            failed("The provided ReaderConfig.ItemsPointer does not match any valid path in the JSON structure.")
        })?,
    };
    match value {
        Value::Array(items) => Ok(items.iter().take(max_items).cloned().collect()),
        _ => Err(failed("Attempting to map over non-iterable node.")),
    }
}

/// Follows a JSON pointer (RFC 6901).
fn point<'a>(document: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.is_empty() {
        return Some(document);
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .try_fold(document, |value, part| {
            let part = part.replace("~1", "/").replace("~0", "~");
            match value {
                Value::Object(members) => members.get(part.as_str()),
                Value::Array(items) => items.get(part.parse::<usize>().ok()?),
                _ => None,
            }
        })
}

fn json_lines(body: &[u8], max_items: usize) -> Result<Vec<Value>, TaskError> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.trim_ascii().is_empty())
        .take(max_items)
        .map(parse_json)
        .collect()
}

fn csv(
    config: &Value,
    given: Option<&[String]>,
    body: &[u8],
    max_items: usize,
    items: &mut Vec<Value>,
) -> Result<(), TaskError> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(config)?)
        .from_reader(body);
    let mut records = reader.records().map(|record| {
        record.map_err(|error| failed(format!("The CSV file cannot be read: {error}")))
    });
    let headers: Vec<String> = match (given, text(config, "CSVHeaderLocation")) {
        (Some(headers), _) => headers.to_vec(),
        (None, Some("GIVEN")) => config
            .get("CSVHeaders")
            .and_then(Value::as_array)
            .map(|headers| {
                headers
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_string)
                    .collect()
            })
            .unwrap_or_default(),
        (None, _) => match records.next() {
            Some(first) => first?.iter().map(str::to_string).collect(),
            None => return Ok(()),
        },
    };
    let mut seen = std::collections::HashSet::new();
    if !headers.iter().all(|header| seen.insert(header)) {
        return Err(failed("CSV headers cannot contain duplicates."));
    }
    let headers: Vec<std::sync::Arc<str>> = headers.into_iter().map(std::sync::Arc::from).collect();
    while items.len() < max_items {
        let Some(record) = records.next() else {
            break;
        };
        let record = record?;
        // Fields without a header are dropped; headers without a field are empty.
        let item: Map = headers
            .iter()
            .enumerate()
            .map(|(index, header)| (header.clone(), record.get(index).unwrap_or_default().into()))
            .collect();
        items.push(Value::from(item));
    }
    Ok(())
}

fn delimiter(config: &Value) -> Result<u8, TaskError> {
    match text(config, "CSVDelimiter") {
        None | Some("COMMA") => Ok(b','),
        Some("PIPE") => Ok(b'|'),
        Some("SEMICOLON") => Ok(b';'),
        Some("SPACE") => Ok(b' '),
        Some("TAB") => Ok(b'\t'),
        Some(other) => Err(failed(format!(
            "CSVDelimiter {other} is none of COMMA, PIPE, SEMICOLON, SPACE, TAB"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(config: &str, body: &str) -> Result<String, Option<String>> {
        parse(&Value::parse(config).unwrap(), body.as_bytes())
            .map(|items| Value::array(items).to_string())
            .map_err(|error| error.cause)
    }

    #[test]
    fn each_input_type_gives_its_items() {
        for (config, body, expected) in [
            (r#"{"InputType":"JSON"}"#, "[1,[2],{}]", "[1,[2],{}]"),
            (
                r#"{"InputType":"JSON","ItemsPointer":"/a/0/b"}"#,
                r#"{"a":[{"b":[7]}]}"#,
                "[7]",
            ),
            (r#"{"InputType":"JSON","MaxItems":2}"#, "[1,2,3]", "[1,2]"),
            (
                r#"{"InputType":"JSONL"}"#,
                "{\"a\":1}\n\n[2]\r\n",
                r#"[{"a":1},[2]]"#,
            ),
            (
                r#"{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW"}"#,
                "id,name\n1,\"a, \"\"b\"\"\"\n2\n3,c,d\n",
                r#"[{"id":"1","name":"a, \"b\""},{"id":"2","name":""},{"id":"3","name":"c"}]"#,
            ),
            (
                r#"{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["x"],"CSVDelimiter":"TAB"}"#,
                "1\t2\n",
                r#"[{"x":"1"}]"#,
            ),
        ] {
            assert_eq!(items(config, body).as_deref(), Ok(expected), "{config}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (config, body) in [
            (r#"{"InputType":"JSON"}"#, "{}"),
            (r#"{"InputType":"JSON","ItemsPointer":"/b"}"#, "{}"),
            (r#"{"InputType":"JSONL"}"#, "{"),
            (r#"{"InputType":"CSV"}"#, "a,a\n1,2\n"),
            (r#"{"InputType":"PARQUET"}"#, ""),
        ] {
            assert!(items(config, body).is_err(), "{config}");
        }
    }

    #[test]
    fn an_inventory_names_its_files() {
        let manifest = Manifest::parse(
            br#"{"destinationBucket":"arn:aws:s3:::inventories","fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{"key":"a.csv.gz"}]}"#,
        )
        .unwrap();
        assert_eq!(
            (manifest.bucket.as_str(), manifest.files.as_slice()),
            ("inventories", &["a.csv.gz".to_string()][..])
        );
        let mut items = Vec::new();
        let more = manifest
            .read(
                &Value::empty_object(),
                b"\"data\",\"k\",\"3\"\n",
                &mut items,
            )
            .unwrap();
        assert!(more);
        assert_eq!(
            Value::array(items).to_string(),
            r#"[{"Bucket":"data","Key":"k","Size":"3"}]"#
        );
    }
}
