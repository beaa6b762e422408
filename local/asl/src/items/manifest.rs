//! Manifests: objects that name the objects with the items.

use super::csv::Csv;
use super::{Fault, Format, Items, json, loads_objects, max_items, text, without_mark};
use crate::event::TaskError;
use crate::value::Value;

/// The objects that together hold the items, which the driver fetches one by one.
pub struct Manifest {
    /// Where they are, in the order in which their items count.
    pub files: Vec<Place>,
    /// Their items, none yet.
    pub items: Items,
}

/// An object of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The bucket's name.
    pub bucket: String,
    /// The object's key.
    pub key: String,
}

impl Manifest {
    /// Whether the object that the ReaderConfig describes is a manifest and holds no items itself.
    pub fn is_wanted(config: &Value) -> bool {
        text(config, "InputType") == Some("MANIFEST") || text(config, "ManifestType").is_some()
    }

    /// Reads a manifest, that of an S3 inventory or of an Athena query; `bucket` is the one that it came from.
    pub fn parse(config: &Value, bucket: &str, body: &[u8]) -> Result<Manifest, TaskError> {
        if loads_objects(config) {
            return Err(Fault::ManifestOfManifests.into());
        }
        match text(config, "ManifestType") {
            Some("ATHENA_DATA") => athena(config, body),
            _ => Ok(inventory(config, bucket, body)?),
        }
    }
}

/// The `manifest.json` of an S3 inventory
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html>).
fn inventory(config: &Value, bucket: &str, body: &[u8]) -> Result<Manifest, Fault> {
    let manifest = json::parse(without_mark(body), 0)?;
    let list = manifest.get("files").and_then(Value::as_array);
    let list = list.ok_or(Fault::NoFiles)?;
    if let Some(other) = text(&manifest, "fileFormat").filter(|format| *format != "CSV") {
        return Err(Fault::InventoryFormat(other.to_string()));
    }
    // An ARN; without one the files are where the manifest is.
    let bucket = match text(&manifest, "destinationBucket") {
        Some(arn) => arn.rsplit(':').next().unwrap_or_default(),
        None => bucket,
    };
    let files = list.iter().map(|file| {
        let key = text(file, "key").ok_or(Fault::NoKey)?;
        Ok(Place {
            bucket: bucket.to_string(),
            key: key.to_string(),
        })
    });
    let headers = text(&manifest, "fileSchema").unwrap_or("Bucket, Key");
    Ok(Manifest {
        files: files.collect::<Result<_, Fault>>()?,
        items: Items {
            format: Format::Csv(Csv::with_headers(headers)?),
            most: max_items(config),
            list: Vec::new(),
        },
    })
}

/// The manifest of an UNLOAD query, an address of an object on each line
/// (<https://docs.aws.amazon.com/athena/latest/ug/querying-finding-output-files.html>).
fn athena(config: &Value, body: &[u8]) -> Result<Manifest, TaskError> {
    match text(config, "InputType").unwrap_or("MANIFEST") {
        "CSV" | "JSONL" | "PARQUET" => {}
        other => return Err(Fault::AthenaFormat(other.to_string()).into()),
    }
    let body = String::from_utf8_lossy(without_mark(body));
    let files = body.lines().enumerate().filter_map(|(before, line)| {
        let entry = line.trim().trim_matches('"');
        if entry.is_empty() {
            return None;
        }
        let place = entry
            .strip_prefix("s3://")
            .and_then(|rest| rest.split_once('/'));
        Some(match place {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(Place {
                bucket: bucket.to_string(),
                key: key.to_string(),
            }),
            _ => Err(Fault::NoAddress {
                line: before + 1,
                entry: entry.to_string(),
            }),
        })
    });
    Ok(Manifest {
        files: files.collect::<Result<_, Fault>>()?,
        items: Items::of(config)?,
    })
}
