//! What a Distributed Map reads from S3 and writes there.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>

use std::io::Read;

use asl::items::{self, Items, Manifest, Place};
use asl::{ItemReader, MapRunResults, Resource, ResultWriter, TaskError, Value, results};
use bytes::Bytes;

use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::integrations;

/// Fetches and parses the items.
pub async fn read_items(engine: &Engine, reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
    let text = |key: &str| {
        reader
            .arguments
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let (config, bucket) = (&reader.config, text("Bucket"));
    match action(&reader.resource) {
        Some("listObjectsV2") => {
            only(reader, "listObjectsV2")?;
            let listed = integrations::s3_objects(&engine.compute.s3, bucket, text("Prefix")).await;
            let objects = listed.map_err(reader_failed)?;
            if !items::loads_objects(config) {
                return Ok(items::objects(config, objects));
            }
            // A folder that a console made is an object without a body.
            let objects = objects
                .into_iter()
                .filter(|object| !object.key.ends_with('/'));
            let files = objects.map(|object| Place {
                bucket: bucket.to_owned(),
                key: object.key,
            });
            read_files(engine, files, Items::of(config)?).await
        }
        Some("getObject") => {
            only(reader, "getObject")?;
            let body = fetch(engine, bucket, text("Key")).await?;
            if !Manifest::is_wanted(config) {
                return items::parse(config, &body);
            }
            let manifest = Manifest::parse(config, bucket, &body)?;
            read_files(engine, manifest.files, manifest.items).await
        }
        Some(_) | None => Err(TaskError {
            error: "States.Runtime".into(),
            cause: Some(format!(
                "The local cloud cannot read items by '{}'",
                reader.resource
            )),
        }),
    }
}

/// The arguments that a reading call knows here; others would change what is read.
fn arguments_of(action: &str) -> &'static [&'static str] {
    match action {
        "getObject" => &["Bucket", "Key"],
        "listObjectsV2" => &["Bucket", "Prefix"],
        _ => &[],
    }
}

fn only(reader: &ItemReader, action: &str) -> Result<(), TaskError> {
    let known = arguments_of(action);
    let arguments = reader.arguments.as_object();
    let mut names = arguments.into_iter().flat_map(|arguments| arguments.keys());
    match names.find(|name| !known.contains(&&***name)) {
        None => Ok(()),
        Some(unknown) => Err(failed(format!(
            "The local cloud does not know the argument {unknown} of {action}; it knows {}",
            known.join(" and ")
        ))),
    }
}

/// The arguments of a definition's ItemReader that cannot be done here, found before the run.
pub fn unknown_arguments(reader: &serde_json::Value) -> Vec<String> {
    let resource = reader["Resource"].as_str().and_then(Resource::parse);
    let known = resource
        .as_ref()
        .and_then(action)
        .map_or(&[][..], arguments_of);
    let arguments = ["Parameters", "Arguments"].into_iter();
    arguments
        .filter_map(|field| reader[field].as_object())
        .flat_map(|arguments| arguments.keys())
        .map(|name| name.strip_suffix(".$").unwrap_or(name))
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect()
}

/// The items of the files, as many as MaxItems allows.
async fn read_files(
    engine: &Engine,
    files: impl IntoIterator<Item = Place>,
    mut items: Items,
) -> Result<Vec<Value>, TaskError> {
    for Place { bucket, key } in files {
        let body = fetch(engine, &bucket, &key).await?;
        let more = items.add(&body).map_err(|error| TaskError {
            cause: error
                .cause
                .map(|cause| format!("s3://{bucket}/{key}: {cause}")),
            ..error
        })?;
        if !more {
            break;
        }
    }
    Ok(items.into_list())
}

fn action(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Service {
            service, action, ..
        } if &**service == "s3" || &**service == "aws-sdk:s3" => Some(action),
        Resource::Service { .. } | Resource::Lambda { .. } | Resource::Activity { .. } => None,
    }
}

/// An object, unpacked if its name ends in `.gz` or it is gzip whatever its name: those of Athena have no such names.
async fn fetch(engine: &Engine, bucket: &str, key: &str) -> Result<Bytes, TaskError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let body = engine
        .compute
        .s3
        .get(bucket, key)
        .await
        .map_err(reader_failed)?;
    if !key.ends_with(".gz") && !body.starts_with(&GZIP) {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(&*body).read_to_end(&mut unpacked);
    read.map_err(|error| failed(format!("s3://{bucket}/{key}: not gzip: {error}")))?;
    Ok(Bytes::from(unpacked))
}

fn reader_failed(error: ServiceError) -> TaskError {
    failed(error.to_string())
}

fn failed(cause: String) -> TaskError {
    TaskError {
        error: "States.ItemReaderFailed".into(),
        cause: Some(cause),
    }
}

/// Stores the results; the state's result says where.
pub async fn write_results(
    engine: &Engine,
    writer: &ResultWriter,
    results: &MapRunResults,
) -> Result<Value, TaskError> {
    if action(&writer.resource) != Some("putObject") {
        let cause = format!(
            "The local cloud cannot write results by '{}'",
            writer.resource
        );
        return Err(TaskError {
            error: "States.Runtime".into(),
            cause: Some(cause),
        });
    }
    let bucket = writer
        .arguments
        .get("Bucket")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let (files, result) = results::files(results, &writer.arguments, &writer.config);
    for file in files {
        let stored = engine
            .compute
            .s3
            .put(bucket, &file.key, Bytes::from(file.body))
            .await;
        stored.map_err(|error| TaskError {
            error: "States.ResultWriterFailed".into(),
            cause: Some(error.to_string()),
        })?;
    }
    Ok(result)
}
