//! How services are spoken to, and how each says that it refuses a request.

use std::fmt::Write;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::json;
use uuid::Uuid;

use crate::error::{ServiceError, UNKNOWN_ACTION};

/// How a service is spoken to, as far as it matters who may, and what an error looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON 1.0 and 1.1: <https://smithy.io/2.0/aws/protocols/aws-json-1_0-protocol.html>.
    AwsJson,
    /// REST JSON: <https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html>.
    RestJson,
    /// REST JSON whose payload may be anything, as Invoke's: botocore sends it without a type, other
    /// SDKs as `application/octet-stream`.
    RestBlob,
    /// Query, a signed form: <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>. REST XML has the same errors.
    Query,
    /// Query as EC2 has it: <https://smithy.io/2.0/aws/protocols/aws-ec2-query-protocol.html>.
    Ec2Query,
    /// RPC in CBOR: <https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html>. No service here has it.
    Cbor,
    /// S3: the type is that of the object, so only the signature tells a program.
    S3,
}

/// Services of REST XML, by the scope of their signatures; S3 is not among them.
const REST_XML: [&str; 2] = ["cloudfront", "route53"];

impl Protocol {
    /// The protocol of a request to a service that is not here, from its signature's scope and its headers.
    pub(crate) fn of_stranger(scope: &str, headers: &HeaderMap) -> Protocol {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let form = header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if header("smithy-protocol") == Some("rpc-v2-cbor") {
            Protocol::Cbor
        } else if scope == "ec2" {
            Protocol::Ec2Query
        } else if form || REST_XML.contains(&scope) {
            Protocol::Query
        } else if headers.contains_key("x-amz-target") {
            Protocol::AwsJson
        } else {
            Protocol::RestJson
        }
    }

    /// An error as clients of the protocol read it.
    pub(crate) fn error(self, error: &ServiceError) -> Response<Body> {
        let (kind, document) = match self {
            Protocol::AwsJson | Protocol::RestJson | Protocol::RestBlob => {
                ("application/json", json_error(error).into_bytes())
            }
            Protocol::Query => ("text/xml", query_error(error).into_bytes()),
            Protocol::Ec2Query => ("text/xml", ec2_error(error).into_bytes()),
            Protocol::S3 => ("application/xml", s3_error(error).into_bytes()),
            Protocol::Cbor => ("application/cbor", cbor_error(error)),
        };
        let mut response = Response::new(Body::from(document));
        *response.status_mut() =
            StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
        let headers = response.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(kind));
        if self == Protocol::Cbor {
            headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
        }
        if let Ok(code) = HeaderValue::from_str(&error.code) {
            headers.insert("x-amzn-errortype", code);
        }
        response
    }
}

/// Whose fault it was, as errors of JSON and of Query say it.
fn fault(error: &ServiceError, caller: &'static str, service: &'static str) -> &'static str {
    if error.status < 500 { caller } else { service }
}

/// The SDKs read the code from the header or from `__type`, the sentence from either spelling.
fn json_error(error: &ServiceError) -> String {
    json!({
        "__type": error.code,
        "message": error.message,
        "Message": error.message,
        "Type": fault(error, "User", "Service"),
    })
    .to_string()
}

/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/CommonErrors.html>
fn query_error(error: &ServiceError) -> String {
    format!(
        "<ErrorResponse><Error><Type>{}</Type>{}</Error><RequestId>{}</RequestId></ErrorResponse>",
        fault(error, "Sender", "Receiver"),
        code_and_message(error),
        Uuid::new_v4()
    )
}

/// <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-error-codes.html>
fn ec2_error(error: &ServiceError) -> String {
    format!(
        "<Response><Errors><Error>{}</Error></Errors><RequestID>{}</RequestID></Response>",
        code_and_message(error),
        Uuid::new_v4()
    )
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>
fn s3_error(error: &ServiceError) -> String {
    format!("<Error>{}</Error>", code_and_message(error))
}

/// The services of XML name no exceptions: `AccessDenied`.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html>
fn code_and_message(error: &ServiceError) -> String {
    let code = match error.code.as_str() {
        UNKNOWN_ACTION => "InvalidAction",
        code => code.trim_end_matches("Exception"),
    };
    let mut message = String::new();
    for character in error.message.chars() {
        match character {
            '&' => message.push_str("&amp;"),
            '<' => message.push_str("&lt;"),
            // Not allowed in XML at all, not even escaped.
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(message, "{}", control.escape_default());
            }
            other => message.push(other),
        }
    }
    format!("<Code>{code}</Code><Message>{message}</Message>")
}

/// A map of two texts: <https://www.rfc-editor.org/rfc/rfc8949#section-3.1>.
fn cbor_error(error: &ServiceError) -> Vec<u8> {
    const MAP_OF_TWO: u8 = 0xA2;
    /// A text whose length follows in four bytes.
    const TEXT: u8 = 0x7A;
    let mut document = vec![MAP_OF_TWO];
    for text in ["__type", &error.code, "message", &error.message] {
        document.push(TEXT);
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        document.extend_from_slice(&length.to_be_bytes());
        document.extend_from_slice(text.as_bytes());
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stranger_is_answered_in_its_own_protocol() {
        let form = (
            "content-type",
            "application/x-www-form-urlencoded; charset=utf-8",
        );
        for (scope, header, expected) in [
            ("cloudformation", Some(form), Protocol::Query),
            ("ec2", Some(form), Protocol::Ec2Query),
            ("route53", None, Protocol::Query),
            (
                "monitoring",
                Some(("smithy-protocol", "rpc-v2-cbor")),
                Protocol::Cbor,
            ),
            (
                "dynamodb",
                Some(("x-amz-target", "DynamoDB_20120810.PutItem")),
                Protocol::AwsJson,
            ),
            ("eks", None, Protocol::RestJson),
        ] {
            let mut headers = HeaderMap::new();
            if let Some((name, value)) = header {
                headers.insert(name, HeaderValue::from_static(value));
            }
            assert_eq!(Protocol::of_stranger(scope, &headers), expected, "{scope}");
        }
    }

    #[test]
    fn errors_have_the_shape_of_the_protocol() {
        let error = ServiceError::new("NoSuchThingException", "a<b & \u{1}");
        assert_eq!(
            s3_error(&error),
            "<Error><Code>NoSuchThing</Code><Message>a&lt;b &amp; \\u{1}</Message></Error>"
        );
        assert!(query_error(&error).starts_with("<ErrorResponse><Error><Type>Sender</Type><Code>"));
        assert!(ec2_error(&error).starts_with("<Response><Errors><Error><Code>NoSuchThing</Code>"));
        assert!(json_error(&error).contains(r#""__type":"NoSuchThingException""#));
        let cbor = cbor_error(&ServiceError::new("E", "m"));
        assert_eq!(
            cbor,
            b"\xA2\x7A\0\0\0\x06__type\x7A\0\0\0\x01E\x7A\0\0\0\x07message\x7A\0\0\0\x01m"
        );
    }
}
