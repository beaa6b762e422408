//! S3 objects: `aws-sdk:s3:*`, and what Distributed Map reads and writes.

use asl::items::Object;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, Method};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::call::{Call, as_text};
use super::case::iso;
use cloud::action::S3Action;
use cloud::error::ServiceError;
use cloud::s3::S3;

/// An action on objects that SDK integrations can call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectAction {
    Get,
    Head,
    Put,
    Delete,
    List,
}

impl ObjectAction {
    /// `None` for what is served at the endpoint alone.
    pub fn of(action: S3Action) -> Option<ObjectAction> {
        match action {
            S3Action::GetObject => Some(ObjectAction::Get),
            S3Action::HeadObject => Some(ObjectAction::Head),
            S3Action::PutObject => Some(ObjectAction::Put),
            S3Action::DeleteObject => Some(ObjectAction::Delete),
            S3Action::ListObjectsV2 => Some(ObjectAction::List),
            // Buckets, settings and uploads.
            _ => None,
        }
    }
}

/// Carries out an action.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html>
pub async fn call(action: ObjectAction, call: &Call) -> Result<Value, ServiceError> {
    let store = &call.engine.compute.s3;
    let text = |key: &str| call.arguments[key].as_str().unwrap_or_default().to_owned();
    let (bucket, key) = (text("Bucket"), text("Key"));
    match action {
        ObjectAction::Get => request(store, Method::GET, &bucket, &key, Bytes::new())
            .await
            .map(|(headers, body)| {
                let mut answer = object_headers(&headers);
                answer["Body"] = json!(String::from_utf8_lossy(&body));
                answer
            }),
        ObjectAction::Head => {
            let answer = request(store, Method::HEAD, &bucket, &key, Bytes::new()).await;
            answer.map(|(headers, _)| object_headers(&headers))
        }
        ObjectAction::Put => {
            let body = call.arguments.get("Body").map_or_else(String::new, as_text);
            let answer = request(store, Method::PUT, &bucket, &key, Bytes::from(body)).await;
            answer.map(|(headers, _)| json!({ "ETag": header(&headers, "etag") }))
        }
        ObjectAction::Delete => {
            let answer = request(store, Method::DELETE, &bucket, &key, Bytes::new()).await;
            answer.map(|_| json!({}))
        }
        ObjectAction::List => {
            let prefix = text("Prefix");
            let limit = call.arguments["MaxKeys"]
                .as_u64()
                .unwrap_or(1_000)
                .min(1_000) as usize;
            objects(store, &bucket, &prefix).await.map(|mut contents| {
                let truncated = contents.len() > limit;
                contents.truncate(limit);
                let contents = contents.iter().map(|object| {
                    json!({
                        "ETag": object.etag, "Key": object.key, "Size": object.size,
                        "LastModified": iso(object.last_modified as f64), "StorageClass": object.storage_class,
                    })
                });
                let contents: Vec<Value> = contents.collect();
                json!({
                    "Contents": contents, "IsTruncated": truncated, "KeyCount": contents.len(),
                    "MaxKeys": limit, "Name": bucket, "Prefix": prefix,
                })
            })
        }
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

fn object_headers(headers: &HeaderMap) -> Value {
    let length = header(headers, "content-length").and_then(|length| length.parse::<u64>().ok());
    json!({
        "AcceptRanges": "bytes",
        "ContentLength": length,
        "ContentType": header(headers, "content-type"),
        "ETag": header(headers, "etag"),
        "Metadata": {},
    })
}

/// Objects whose key begins with `prefix`, in the order of their keys.
pub async fn objects(store: &S3, bucket: &str, prefix: &str) -> Result<Vec<Object>, ServiceError> {
    let mut objects = Vec::new();
    for key in store.list(bucket, prefix).await? {
        let (headers, _) = request(store, Method::HEAD, bucket, &key, Bytes::new()).await?;
        let header = |name: &str| header(&headers, name).unwrap_or_default();
        objects.push(Object {
            key,
            etag: header("etag"),
            size: header("content-length").parse().unwrap_or_default(),
            last_modified: seconds(&header("last-modified")).unwrap_or_default(),
            storage_class: "STANDARD".into(),
        });
    }
    Ok(objects)
}

/// Seconds since the epoch of an HTTP date.
fn seconds(date: &str) -> Option<i64> {
    let date = date
        .strip_suffix("GMT")
        .map(|date| format!("{date}+0000"))?;
    let date =
        time::OffsetDateTime::parse(&date, &time::format_description::well_known::Rfc2822).ok()?;
    Some(date.unix_timestamp())
}

/// One request to the store without a network in between.
pub async fn request(
    store: &S3,
    method: Method,
    bucket: &str,
    key: &str,
    body: Bytes,
) -> Result<(HeaderMap, Bytes), ServiceError> {
    let failed = |message: String| ServiceError::with_status(500, "InternalError", message);
    let request = Request::builder()
        .method(method)
        .uri(format!("/{bucket}/{}", cloud::s3::encode(key)))
        .header("host", "127.0.0.1")
        .header("content-length", body.len())
        .body(Body::from(body))
        .map_err(|error| failed(error.to_string()))?;
    let response = store.http(request).await;
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| failed(error.to_string()))?
        .to_bytes();
    if parts.status.is_success() {
        return Ok((parts.headers, body));
    }
    let text = String::from_utf8_lossy(&body);
    let element = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>"))?;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    // A HEAD request has no body to say why.
    let code = element("Code").unwrap_or_else(|| {
        if parts.status == 404 {
            "NoSuchKey"
        } else {
            "InternalError"
        }
        .into()
    });
    let message = element("Message").unwrap_or_else(|| format!("s3://{bucket}/{key}"));
    Err(ServiceError::with_status(
        parts.status.as_u16(),
        code,
        message,
    ))
}
