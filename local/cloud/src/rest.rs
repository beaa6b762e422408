//! Pieces of AWS's HTTP protocols that several services use.

use std::collections::HashMap;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Response};
use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};

use crate::error::ServiceError;
use crate::lambda::limits::{CODE_REQUEST_LIMIT, SYNC_PAYLOAD_LIMIT};

/// Largest body of a request that is not S3's, bytes: Lambda's limit and room for the rest.
const BODY_LIMIT: usize = SYNC_PAYLOAD_LIMIT + 64 * 1_024;

/// What a key does not show as it is in a path.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

/// The whole body of a request; `None` if it is too large or breaks off.
pub(crate) async fn read(body: Body) -> Option<Bytes> {
    to_bytes(body, BODY_LIMIT).await.ok()
}

/// The JSON object in a request's body; an empty body is an empty object.
pub(crate) async fn read_json(body: Body) -> Result<Value, ServiceError> {
    read_json_up_to(BODY_LIMIT, body).await
}

/// The same for a request that may bring an archive of code.
pub(crate) async fn read_json_with_code(body: Body) -> Result<Value, ServiceError> {
    read_json_up_to(CODE_REQUEST_LIMIT, body).await
}

async fn read_json_up_to(limit: usize, body: Body) -> Result<Value, ServiceError> {
    let invalid = |error: String| ServiceError::new("SerializationException", error);
    let bytes = to_bytes(body, limit)
        .await
        .map_err(|error| invalid(error.to_string()))?;
    if bytes.is_empty() {
        return Ok(json!({}));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(members)) => Ok(Value::Object(members)),
        Ok(_) => Err(invalid("the request is no JSON object".to_owned())),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// What stands before and after the dot of `X-Amz-Target`: `AmazonEC2ContainerService` and `RunTask`.
pub(crate) fn target(headers: &HeaderMap) -> Option<(&str, &str)> {
    let (service, action) = headers
        .get("x-amz-target")?
        .to_str()
        .ok()?
        .rsplit_once('.')?;
    // Some targets carry a version: AmazonEC2ContainerServiceV20141113.
    let service = service.split_once("V20").map_or(service, |(name, _)| name);
    Some((service, action))
}

/// Action and arguments of a request of the AWS JSON protocols.
/// <https://smithy.io/2.0/aws/protocols/aws-json-1_1-protocol.html>
///
/// # Errors
/// `SerializationException`: the body is no JSON object.
pub async fn read_aws_json(request: Request) -> Result<(String, Value), ServiceError> {
    let (parts, body) = request.into_parts();
    let (_, action) = target(&parts.headers).unwrap_or_default();
    Ok((action.to_owned(), read_json(body).await?))
}

/// An answer of the AWS JSON protocols.
pub fn aws_json(document: &Value) -> Response<Body> {
    typed("application/x-amz-json-1.1", document.to_string())
}

/// A JSON answer.
pub(crate) fn json_response(document: &Value) -> Response<Body> {
    typed("application/json", document.to_string())
}

/// An answer of this content type.
pub(crate) fn typed(content_type: &'static str, document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    let content_type = HeaderValue::from_static(content_type);
    response.headers_mut().insert("content-type", content_type);
    response
}

/// Undoes percent-encoding; bytes that are not UTF-8 become U+FFFD.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

/// Percent-encodes a key for a path.
pub fn encode(key: &str) -> String {
    utf8_percent_encode(key, ESCAPED).to_string()
}

/// Parameters of a query string or a form.
pub(crate) fn query(text: &[u8]) -> HashMap<String, String> {
    form_urlencoded::parse(text).into_owned().collect()
}
