//! What a Distributed Map reads from S3 and writes there.
//! <https://docs.aws.amazon.com/step-functions/latest/dg/input-output-itemreader.html>

use std::io::Read;
use std::sync::Arc;

use asl::items::{self, Items, Manifest, Place};
use asl::{ItemReader, MapRunResults, Resource, ResultWriter, TaskError, Value, results};
use bytes::Bytes;

use cloud::error::ServiceError;

use crate::engine::Engine;
use crate::integrations;
use crate::outside::{OutsideCall, Purpose};

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
        Some("listObjectsV2") => list(engine, reader, bucket, text("Prefix")).await,
        Some("getObject") => {
            only(engine, reader, "getObject")?;
            let arguments = reader.arguments.clone();
            let body = fetch(engine, reader, bucket, text("Key"), arguments).await?;
            if !Manifest::is_wanted(config) {
                return items::parse(config, &body);
            }
            let manifest = Manifest::parse(config, bucket, &body)?;
            read_files(engine, reader, manifest.files, manifest.items).await
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

/// What answers outside of this cloud may know more arguments.
fn only(engine: &Engine, reader: &ItemReader, action: &str) -> Result<(), TaskError> {
    if engine.outside(&reader.state, &reader.resource).is_some() {
        return Ok(());
    }
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

/// The arguments as a definition's ItemReader writes them that cannot be done here, found before the run.
pub fn unknown_arguments(resource: &Resource, arguments: &serde_json::Value) -> Vec<String> {
    let known = action(resource).map_or(&[][..], arguments_of);
    if known.is_empty() {
        return Vec::new();
    }
    let arguments = arguments.as_object().into_iter();
    arguments
        .flat_map(|arguments| arguments.keys())
        .map(|name| name.strip_suffix(".$").unwrap_or(name))
        .filter(|name| !known.contains(name))
        .map(str::to_owned)
        .collect()
}

/// The items of the files, as many as MaxItems allows.
async fn read_files(
    engine: &Engine,
    reader: &ItemReader,
    files: impl IntoIterator<Item = Place>,
    mut items: Items,
) -> Result<Vec<Value>, TaskError> {
    for Place { bucket, key } in files {
        let object = [
            ("Bucket", Value::from(&*bucket)),
            ("Key", Value::from(&*key)),
        ];
        let body = fetch(engine, reader, &bucket, &key, Value::object(object)).await?;
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

/// The objects of a list, or with a transformation what is in them.
async fn list(
    engine: &Engine,
    reader: &ItemReader,
    bucket: &str,
    prefix: &str,
) -> Result<Vec<Value>, TaskError> {
    let config = &reader.config;
    only(engine, reader, "listObjectsV2")?;
    let keys: Vec<String> = match list_outside(engine, reader).await? {
        Some(objects) if !items::loads_objects(config) => return Ok(objects),
        Some(objects) => {
            let keys = objects
                .iter()
                .filter_map(|object| object.get("Key")?.as_str());
            keys.map(str::to_owned).collect()
        }
        None => {
            let listed = integrations::s3_objects(&engine.compute.s3, bucket, prefix).await;
            let objects = listed.map_err(reader_failed)?;
            if !items::loads_objects(config) {
                return Ok(items::objects(config, objects));
            }
            objects.into_iter().map(|object| object.key).collect()
        }
    };
    // A folder that a console made is an object without a body.
    let keys = keys.into_iter().filter(|key| !key.ends_with('/'));
    let files = keys.map(|key| Place {
        bucket: bucket.to_owned(),
        key,
    });
    read_files(engine, reader, files, Items::of(config)?).await
}

/// The objects as what stands outside of this cloud lists them, if it does.
async fn list_outside(
    engine: &Engine,
    reader: &ItemReader,
) -> Result<Option<Vec<Value>>, TaskError> {
    let Some(outside) = engine.outside(&reader.state, &reader.resource) else {
        return Ok(None);
    };
    let arguments = reader.arguments.clone();
    let call = call(&reader.state, &reader.resource, arguments, Purpose::Items);
    let answer = outside.call(call).await?;
    let contents = answer.get("Contents").unwrap_or(&answer);
    // The same refusal of what is no list as for an object that holds one. MaxItems counts the items: the objects, or
    // what is in them.
    let most = match items::loads_objects(&reader.config) {
        true => None,
        false => reader.config.get("MaxItems"),
    };
    let config = Value::object(most.map(|most| ("MaxItems", most.clone())));
    items::parse(&config, contents.to_string().as_bytes()).map(Some)
}

/// An object, unpacked if its name ends in `.gz` or it is gzip whatever its name: those of Athena have no such names.
/// `arguments` are those by which it is asked for outside of this cloud.
async fn fetch(
    engine: &Engine,
    reader: &ItemReader,
    bucket: &str,
    key: &str,
    arguments: Value,
) -> Result<Bytes, TaskError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    if let Some(outside) = engine.outside(&reader.state, &reader.resource) {
        let call = call(&reader.state, &reader.resource, arguments, Purpose::Items);
        return Ok(match outside.call(call).await? {
            Value::String(text) => Bytes::from(text.to_string()),
            document => Bytes::from(document.to_string()),
        });
    }
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
        if let Some(outside) = engine.outside(&writer.state, &writer.resource) {
            let object = Value::object([
                ("Bucket", Value::from(bucket)),
                ("Key", Value::from(file.key)),
                ("Body", Value::from(file.body)),
            ]);
            let call = call(&writer.state, &writer.resource, object, Purpose::Store);
            outside.call(call).await?;
            continue;
        }
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
