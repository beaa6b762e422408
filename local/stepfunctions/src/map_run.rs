//! What a Distributed Map reads from S3 and writes there.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>

use std::io::Read;
use std::sync::Arc;

use asl::{ItemReader, MapRunResults, Resource, ResultWriter, TaskError, Value, items, results};
use bytes::Bytes;

use super::outside::{OutsideCall, Purpose};
use super::{Inner, integrations};
use cloud::error::ServiceError;

/// Fetches and parses the items.
pub async fn read_items(sfn: &Inner, reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
    let text = |key: &str| {
        reader
            .arguments
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let bucket = text("Bucket");
    match action(&reader.resource) {
        Some("listObjectsV2") => list(sfn, reader, bucket, text("Prefix")).await,
        Some("getObject") => {
            let body = fetch(sfn, reader, bucket, text("Key")).await?;
            let kind = reader.config.get("InputType").and_then(Value::as_str);
            match kind {
                Some("MANIFEST") => read_manifest(sfn, reader, bucket, &body).await,
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

/// What a Map asks of a service outside of this cloud.
fn call(state: &Arc<str>, resource: &Resource, arguments: Value, purpose: Purpose) -> OutsideCall {
    OutsideCall {
        state: state.clone(),
        resource: resource.clone(),
        arguments,
        purpose,
        token: uuid::Uuid::new_v4().simple().to_string(),
    }
}

async fn list(
    sfn: &Inner,
    reader: &ItemReader,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<Value>, TaskError> {
    let ItemReader {
        state,
        resource,
        arguments,
        config,
    } = reader;
    if let Some(outside) = sfn.outside(state, resource) {
        let call = call(state, resource, arguments.clone(), Purpose::Items);
        let answer = outside.call(call).await?;
        let contents = answer.get("Contents").unwrap_or(&answer);
        // The same limit and the same refusal of what is no list as for an object that holds one.
        return items::parse(
            &Value::object(
                config
                    .get("MaxItems")
                    .map(|most| ("MaxItems", most.clone())),
            ),
            contents.to_string().as_bytes(),
        );
    }
    let objects = integrations::s3_objects(&sfn.compute.s3, bucket, prefix).await;
    Ok(items::objects(config, objects.map_err(reader_failed)?))
}

/// An object, unpacked if its name ends in `.gz`.
async fn fetch(
    sfn: &Inner,
    reader: &ItemReader,
    bucket: &str,
    key: &str,
) -> Result<Bytes, TaskError> {
    if let Some(outside) = sfn.outside(&reader.state, &reader.resource) {
        let object = [("Bucket", Value::from(bucket)), ("Key", Value::from(key))];
        let object = Value::object(object);
        let call = call(&reader.state, &reader.resource, object, Purpose::Items);
        return Ok(match outside.call(call).await? {
            Value::String(text) => Bytes::from(text.to_string()),
            document => Bytes::from(document.to_string()),
        });
    }
    let body = sfn
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
    sfn: &Inner,
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
        let body = fetch(sfn, reader, bucket, key).await?;
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
    sfn: &Inner,
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
        if let Some(outside) = sfn.outside(&writer.state, &writer.resource) {
            let object = Value::object([
                ("Bucket", Value::from(bucket)),
                ("Key", Value::from(file.key)),
                ("Body", Value::from(file.body)),
            ]);
            let call = call(&writer.state, &writer.resource, object, Purpose::Store);
            outside.call(call).await?;
            continue;
        }
        let stored = sfn
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
