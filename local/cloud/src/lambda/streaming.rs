//! InvokeWithResponseStream: the response in pieces, and then how the invocation went, as messages of an event stream.
//! <https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html>

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use axum::body::Body;
use axum::http::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;

use super::api::invalid;
use super::{InvocationType, Invoke, InvokeOutput};
use crate::error::ServiceError;

/// Bytes of one piece. The functions here answer as a whole.
const PIECE: usize = 64 * 1_024;

/// Refuses what only Invoke does.
pub(super) fn check(invoke: &Invoke) -> Result<(), ServiceError> {
    match invoke.kind {
        InvocationType::RequestResponse | InvocationType::DryRun => Ok(()),
        InvocationType::Event => Err(invalid(
            "InvocationType 'Event' is none of RequestResponse, DryRun",
        )),
    }
}

/// The answer to an invocation.
pub(super) fn response(output: InvokeOutput) -> Response<Body> {
    let mut messages = Vec::new();
    let mut complete = json!({});
    if let Some(error) = &output.function_error {
        complete["ErrorCode"] = json!(error);
        complete["ErrorDetails"] = json!(String::from_utf8_lossy(&output.payload));
    } else {
        let pieces = output.payload.chunks(PIECE);
        let piece = |bytes| {
            message(
                "PayloadChunk",
                "application/octet-stream",
                output.payload.slice_ref(bytes),
            )
        };
        messages.extend(pieces.map(piece));
    }
    if let Some(tail) = &output.log_tail {
        complete["LogResult"] = json!(STANDARD.encode(tail));
    }
    let complete = Bytes::from(complete.to_string());
    messages.push(message("InvokeComplete", "application/json", complete));
    let mut body = Vec::new();
    for message in &messages {
        if let Err(error) = write_message_to(message, &mut body) {
            // Names are short and pieces small: the format has room for them.
            tracing::error!(%error, "a piece of a streamed response is missing");
        }
    }
    let mut response = Response::new(Body::from(body));
    let headers = [
        (
            "content-type",
            "application/vnd.amazon.eventstream".to_owned(),
        ),
        ("x-amzn-requestid", output.request_id),
        ("x-amz-executed-version", output.executed_version),
    ];
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn message(kind: &'static str, content: &'static str, payload: Bytes) -> Message {
    let header = |name, value: &'static str| Header::new(name, HeaderValue::String(value.into()));
    Message::new(payload)
        .add_header(header(":message-type", "event"))
        .add_header(header(":event-type", kind))
        .add_header(header(":content-type", content))
}
