//! Errors as S3 words them: a code, its sentence, and the elements that name what it is about.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use s3s::{S3Error, S3ErrorCode};

/// Elements of every error.
const IDS: [&str; 2] = ["RequestId", "HostId"];
/// Carries the elements of an error through `s3s`, which knows only code and message.
const DETAILS: HeaderName = HeaderName::from_static("x-local-error-details");

/// An error with all that its document says.
#[derive(Debug, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub(super) struct Fault {
    code: S3ErrorCode,
    message: String,
    status: Option<StatusCode>,
    /// Names and contents of further elements.
    details: Vec<(&'static str, String)>,
    /// Names and values of headers of the answer.
    headers: Vec<(&'static str, String)>,
}

/// An error with the sentence that S3 has for the code.
pub(super) fn fault(code: S3ErrorCode) -> Fault {
    let message = sentence(code.as_str()).unwrap_or_default();
    Fault::new(code, message)
}

impl Fault {
    pub(super) fn new(code: S3ErrorCode, message: impl Into<String>) -> Fault {
        Fault {
            code,
            message: message.into(),
            status: None,
            details: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// A code that `s3s` does not know.
    pub(super) fn custom(status: StatusCode, code: &'static str, message: &str) -> Fault {
        Fault {
            status: Some(status),
            ..Fault::new(S3ErrorCode::Custom(code.into()), message)
        }
    }

    /// The same with another status.
    #[must_use]
    pub(super) fn with_status(mut self, status: StatusCode) -> Fault {
        self.status = Some(status);
        self
    }

    /// `InvalidArgument` about an argument.
    pub(super) fn argument(name: &str, value: &str, message: impl Into<String>) -> Fault {
        Fault::new(S3ErrorCode::InvalidArgument, message)
            .with("ArgumentName", name)
            .with("ArgumentValue", value)
    }

    /// What S3 knows and the local cloud does not do.
    pub(super) fn not_offered(what: &str) -> Fault {
        Fault::new(
            S3ErrorCode::NotImplemented,
            format!("A request implies functionality that the local cloud does not offer: {what}"),
        )
    }

    /// The same with one more element.
    #[must_use]
    pub(super) fn with(mut self, element: &'static str, content: impl ToString) -> Fault {
        self.details.push((element, content.to_string()));
        self
    }

    /// The same with a header of the answer.
    #[must_use]
    pub(super) fn header(mut self, name: &'static str, value: &str) -> Fault {
        self.headers.push((name, value.to_owned()));
        self
    }

    /// Its elements as they stand in the document.
    fn elements(&self) -> String {
        let element =
            |(name, content): &(&str, String)| format!("<{name}>{}</{name}>", xml(content));
        self.details.iter().map(element).collect()
    }

    /// The headers of the answer, with the elements in one of them for [`complete`].
    fn all_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(*name, value);
            }
        }
        // Percent-encoded text is a header's value.
        if let Ok(details) = HeaderValue::from_str(&crate::rest::encode(&self.elements())) {
            headers.insert(DETAILS, details);
        }
        headers
    }

    /// The answer as `s3s` would make it.
    pub(super) fn response(&self) -> Response<Body> {
        let status = self.status.or_else(|| self.code.status_code());
        let (code, message) = (self.code.as_str(), xml(&self.message));
        let mut response = document(
            status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            &format!("<Code>{code}</Code><Message>{message}</Message>"),
        );
        response.headers_mut().extend(self.all_headers());
        response
    }
}

impl From<Fault> for S3Error {
    fn from(fault: Fault) -> S3Error {
        let mut error = S3Error::with_message(fault.code.clone(), fault.message.clone());
        if let Some(status) = fault.status {
            error.set_status_code(status);
        }
        error.set_headers(fault.all_headers());
        error
    }
}

/// The error document around these elements.
fn document(status: StatusCode, elements: &str) -> Response<Body> {
    let text = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>{elements}</Error>");
    let mut response = crate::rest::typed("application/xml", text);
    *response.status_mut() = status;
    response
}

/// Completes what `s3s` made of an error: the sentence if there is none, the elements, the ids.
pub(super) fn complete(
    status: StatusCode,
    headers: &HeaderMap,
    body: &str,
    defaults: &[(&'static str, String)],
) -> Response<Body> {
    let code = between(body, "<Code>", "</Code>").unwrap_or("InternalError");
    let message = between(body, "<Message>", "</Message>").filter(|text| !text.is_empty());
    let message = message.or_else(|| sentence(code)).unwrap_or(code);
    let details = headers
        .get(DETAILS)
        .and_then(|value| value.to_str().ok())
        .map(crate::rest::decode)
        .unwrap_or_default();
    let missing = defaults.iter().filter(|(name, _)| {
        let wanted = named_by(code).contains(name) || IDS.contains(name);
        wanted && !details.contains(&format!("<{name}>"))
    });
    let missing: String = missing
        .map(|(name, content)| format!("<{name}>{}</{name}>", xml(content)))
        .collect();
    let mut response = document(
        status,
        &format!("<Code>{code}</Code><Message>{message}</Message>{details}{missing}"),
    );
    for (name, value) in headers {
        if *name != DETAILS && name != "content-type" && name != "content-length" {
            response.headers_mut().insert(name, value.clone());
        }
    }
    if status == StatusCode::NOT_MODIFIED {
        // <https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5>: no content.
        *response.body_mut() = Body::empty();
        response.headers_mut().remove("content-type");
    }
    response
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(start)?;
    Some(rest.split_once(end)?.0)
}

/// Text as it may stand in an element; S3 writes control characters as references too.
pub(super) fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if is_reference(c) => escaped.push_str(&reference(c)),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A document without the characters that no XML may have as they are.
pub(super) fn without_control_characters(document: &str) -> Option<String> {
    document.contains(is_reference).then(|| {
        document.chars().fold(String::new(), |mut text, c| {
            if is_reference(c) {
                text.push_str(&reference(c));
            } else {
                text.push(c);
            }
            text
        })
    })
}

fn is_reference(c: char) -> bool {
    c.is_ascii_control() && c != '\n' && c != '\t'
}

fn reference(c: char) -> String {
    format!("&#x{:x};", u32::from(c))
}

/// The elements in which an error names its resource.
fn named_by(code: &str) -> &'static [&'static str] {
    match code {
        "NoSuchKey" | "NoSuchVersion" => &["Key"],
        "NoSuchUpload" => &["UploadId"],
        "MethodNotAllowed" => &["Method", "ResourceType"],
        "NoSuchBucket"
        | "BucketNotEmpty"
        | "BucketAlreadyExists"
        | "BucketAlreadyOwnedByYou"
        | "InvalidBucketName"
        | "NoSuchTagSet"
        | "NoSuchBucketPolicy"
        | "NoSuchLifecycleConfiguration"
        | "NoSuchCORSConfiguration"
        | "NoSuchWebsiteConfiguration"
        | "ReplicationConfigurationNotFoundError"
        | "ObjectLockConfigurationNotFoundError" => &["BucketName"],
        _ => &["Resource"],
    }
}

/// S3's sentence for a code.
fn sentence(code: &str) -> Option<&'static str> {
    Some(match code {
        "AccessDenied" => "Access Denied",
        "BadDigest" => "The Content-MD5 you specified did not match what we received.",
        "BucketAlreadyExists" => {
            "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
             Please select a different name and try again."
        }
        "BucketAlreadyOwnedByYou" => {
            "Your previous request to create the named bucket succeeded and you already own it."
        }
        "BucketNotEmpty" => "The bucket you tried to delete is not empty",
        "EntityTooLarge" => "Your proposed upload exceeds the maximum allowed size",
        "EntityTooSmall" => "Your proposed upload is smaller than the minimum allowed size",
        "IncompleteBody" => {
            "You did not provide the number of bytes specified by the Content-Length HTTP header"
        }
        "InternalError" => "We encountered an internal error. Please try again.",
        "InvalidArgument" => "Invalid Argument",
        "InvalidBucketName" => "The specified bucket is not valid.",
        "InvalidDigest" => "The Content-MD5 you specified was invalid.",
        "InvalidObjectState" => "The operation is not valid for the object's storage class",
        "InvalidPart" => {
            "One or more of the specified parts could not be found.  The part may not have been uploaded, or the \
             specified entity tag may not match the part's entity tag."
        }
        "InvalidPartOrder" => {
            "The list of parts was not in ascending order. Parts must be ordered by part number."
        }
        "InvalidRange" => "The requested range is not satisfiable",
        "InvalidStorageClass" => "The storage class you specified is not valid",
        "InvalidURI" => "Couldn't parse the specified URI.",
        "KeyTooLongError" => "Your key is too long",
        "MalformedXML" => {
            "The XML you provided was not well-formed or did not validate against our published schema"
        }
        "MetadataTooLarge" => "Your metadata headers exceed the maximum allowed metadata size",
        "MethodNotAllowed" => "The specified method is not allowed against this resource.",
        "MissingContentLength" => "You must provide the Content-Length HTTP header.",
        "MissingRequestBodyError" => "Request body is empty.",
        "NoSuchBucket" => "The specified bucket does not exist",
        "NoSuchBucketPolicy" => "The bucket policy does not exist",
        "NoSuchCORSConfiguration" => "The CORS configuration does not exist",
        "NoSuchKey" => "The specified key does not exist.",
        "NoSuchLifecycleConfiguration" => "The lifecycle configuration does not exist",
        "NoSuchTagSet" => "The TagSet does not exist",
        "NoSuchUpload" => {
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted \
             or completed."
        }
        "NoSuchVersion" => "The specified version does not exist.",
        "NoSuchWebsiteConfiguration" => {
            "The specified bucket does not have a website configuration"
        }
        "NotModified" => "Not Modified",
        "ObjectLockConfigurationNotFoundError" => {
            "Object Lock configuration does not exist for this bucket"
        }
        "PreconditionFailed" => "At least one of the pre-conditions you specified did not hold",
        "ReplicationConfigurationNotFoundError" => "The replication configuration was not found",
        "SlowDown" => "Please reduce your request rate.",
        _ => return None,
    })
}
