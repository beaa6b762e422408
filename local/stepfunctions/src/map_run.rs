//! What a Distributed Map reads from S3 and writes there.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>

use std::io::Read;

use asl::{ItemReader, MapRunResults, Resource, ResultWriter, TaskError, Value, items, results};
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
    let bucket = text("Bucket");
    match action(&reader.resource) {
        Some("listObjectsV2") => {
            let objects =
                integrations::s3_objects(&engine.compute.s3, bucket, text("Prefix")).await;
            Ok(items::objects(
                &reader.config,
                objects.map_err(reader_failed)?,
            ))
        }
        Some("getObject") => {
            let body = fetch(engine, bucket, text("Key")).await?;
            let kind = reader.config.get("InputType").and_then(Value::as_str);
            match kind {
                Some("MANIFEST") => read_manifest(engine, reader, bucket, &body).await,
                _ => items::parse(&reader.config, &body),
            }
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

fn action(resource: &Resource) -> Option<&str> {
    match resource {
        Resource::Service {
            service, action, ..
        } if &**service == "s3" || &**service == "aws-sdk:s3" => Some(action),
        Resource::Service { .. } | Resource::Lambda { .. } | Resource::Activity { .. } => None,
    }
}

/// An object, unpacked if its name ends in `.gz`.
async fn fetch(engine: &Engine, bucket: &str, key: &str) -> Result<Bytes, TaskError> {
    let body = engine
        .compute
        .s3
        .get(bucket, key)
        .await
        .map_err(reader_failed)?;
    if !key.ends_with(".gz") {
        return Ok(body);
    }
    let mut unpacked = Vec::new();
    let read = flate2::read::MultiGzDecoder::new(&*body).read_to_end(&mut unpacked);
    read.map_err(|error| TaskError {
        error: "States.ItemReaderFailed".into(),
        cause: Some(format!("s3://{bucket}/{key}: not gzip: {error}")),
    })?;
    Ok(Bytes::from(unpacked))
}

async fn read_manifest(
    engine: &Engine,
    reader: &ItemReader,
    bucket: &str,
    body: &[u8],
) -> Result<Vec<Value>, TaskError> {
    let manifest = items::Manifest::parse(body)?;
    let bucket = if manifest.bucket.is_empty() {
        bucket
    } else {
        &manifest.bucket
    };
    let mut items = Vec::new();
    for key in &manifest.files {
        let body = fetch(engine, bucket, key).await?;
        if !manifest.read(&reader.config, &body, &mut items)? {
            break;
        }
    }
    Ok(items)
}

fn reader_failed(error: ServiceError) -> TaskError {
    TaskError {
        error: "States.ItemReaderFailed".into(),
        cause: Some(error.to_string()),
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
