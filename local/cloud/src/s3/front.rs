//! What stands before and behind `s3s`: the signature is taken off a request, its framing undone, its
//! body's members looked at; an answer gets the ids and the error document that S3 gives.
//!
//! Signatures are not checked, as by no other local service: whoever can call the endpoint knows the
//! local secret. What a presigned URL says of its time still holds.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri, header};
use chrono::{DateTime, NaiveDateTime, Utc};
use http::request::Parts;
use s3s::S3ErrorCode;
use uuid::Uuid;

use super::chunked::{self, Trailers};
use super::contents::check_document;
use super::fault::{self, Fault, fault};
use super::members;
use crate::action::S3Action;

/// Parameters of a signature in the query.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html>,
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html>
const SIGNATURE: &[&str] = &[
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
];
const SIGNATURE_2: &[&str] = &[
    "AWSAccessKeyId",
    "Expires",
    "Signature",
    "x-amz-security-token",
];
/// Headers that a presigned URL may carry in its query, beside `x-amz-*`.
const CARRIED: &[&str] = &["content-md5", "content-type"];
/// Parameters that are numbers.
const NUMBERS: &[&str] = &[
    "max-buckets",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
];
/// Headers with an entity tag.
const TAGS: &[&str] = &[
    "if-match",
    "if-none-match",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-none-match",
];
/// Settings of a bucket that are written, by the query parameter that names them.
const SETTINGS: &[(&str, S3Action)] = &[
    ("versioning", S3Action::PutBucketVersioning),
    ("lifecycle", S3Action::PutBucketLifecycleConfiguration),
    ("cors", S3Action::PutBucketCors),
    ("policy", S3Action::PutBucketPolicy),
    ("encryption", S3Action::PutBucketEncryption),
    ("publicAccessBlock", S3Action::PutPublicAccessBlock),
];
/// Longest life of a presigned URL, seconds.
const LONGEST_LIFE: u64 = 604_800;
/// Largest XML document of a request, bytes; `s3s` takes no larger one.
const DOCUMENT_LIMIT: usize = 20 * 1_024 * 1_024;

/// Who asks, as far as the signature tells.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    /// Region that the request is signed for: it stands for the endpoint of that region.
    pub(super) region: Option<String>,
}

/// A request as `s3s` is to see it: unsigned, its contents as they are.
pub(super) async fn admit(request: Request, now: SystemTime) -> Result<Request, Fault> {
    let (mut parts, body) = request.into_parts();
    let mut caller = Caller::default();
    if let Some(value) = parts.headers.remove(header::AUTHORIZATION) {
        caller.region = value.to_str().ok().and_then(region_of_header);
    }
    take_signature(&mut parts, &mut caller, now)?;
    if is_form(&parts) {
        return Err(Fault::not_offered("s3:PostObject"));
    }
    let query = parts.uri.query().unwrap_or_default();
    if let Some(name) = members::never(&crate::rest::query(query.as_bytes())) {
        return Err(Fault::not_offered(&format!("query parameter {name}")));
    }
    check_numbers(query)?;
    ignore_malformed(&mut parts.headers);
    quote_tags(&mut parts.headers);
    let body = unframe(&mut parts, body)?;
    let body = match document_of(&parts) {
        Some(action) => check(action, &parts, body).await?,
        None => body,
    };
    parts.extensions.insert(caller);
    Ok(Request::from_parts(parts, body))
}

/// `us-east-1` of `AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/s3/aws4_request, …`.
fn region_of_header(authorization: &str) -> Option<String> {
    let (_, credential) = authorization.split_once("Credential=")?;
    region_of(credential.split(',').next()?)
}

fn region_of(credential: &str) -> Option<String> {
    let region = credential.rsplit('/').nth(2)?;
    Some(region.to_owned()).filter(|region| !region.is_empty())
}

/// Takes the parameters of a signature out of the query, and puts headers that were presigned there
/// where headers belong.
fn take_signature(parts: &mut Parts, caller: &mut Caller, now: SystemTime) -> Result<(), Fault> {
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    let signature = if value("X-Amz-Signature").is_some() {
        check_presigned(&value, now)?;
        caller.region = value("X-Amz-Credential").and_then(region_of);
        SIGNATURE
    } else if value("Signature").is_some() && value("AWSAccessKeyId").is_some() {
        check_presigned_2(&value, now)?;
        SIGNATURE_2
    } else {
        return Ok(());
    };

    let mut left = Vec::new();
    for piece in query.split('&') {
        let Some((name, value)) = form_urlencoded::parse(piece.as_bytes()).next() else {
            continue;
        };
        if signature.contains(&name.as_ref()) {
            continue;
        }
        let name = name.to_ascii_lowercase();
        let is_header = name.starts_with("x-amz-") || CARRIED.contains(&name.as_str());
        match (
            HeaderName::try_from(name),
            HeaderValue::from_str(value.as_ref()),
        ) {
            (Ok(name), Ok(value)) if is_header => {
                parts.headers.entry(name).or_insert(value);
            }
            _ => left.push(piece),
        }
    }
    let path = parts.uri.path();
    let target = if left.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", left.join("&"))
    };
    let mut uri = parts.uri.clone().into_parts();
    let target = target.parse();
    uri.path_and_query = Some(target.map_err(|_| fault(S3ErrorCode::InvalidURI))?);
    parts.uri = Uri::from_parts(uri).map_err(|_| fault(S3ErrorCode::InvalidURI))?;
    Ok(())
}

/// Whether a presigned URL of version 4 is whole and still good.
fn check_presigned<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
) -> Result<(), Fault> {
    let wrong = |message: &str| Fault::new(S3ErrorCode::AuthorizationQueryParametersError, message);
    let (Some(date), Some(life), Some(_)) = (
        value("X-Amz-Date"),
        value("X-Amz-Expires"),
        value("X-Amz-Credential"),
    ) else {
        return Err(wrong(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, \
             X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
        ));
    };
    let begun = NaiveDateTime::parse_from_str(date, "%Y%m%dT%H%M%SZ").map_err(|_| {
        wrong("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    })?;
    let seconds: u64 = life
        .parse()
        .map_err(|_| wrong("X-Amz-Expires should be a number"))?;
    if seconds > LONGEST_LIFE {
        return Err(wrong(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than \
             604800 seconds",
        ));
    }
    let begun = SystemTime::from(begun.and_utc());
    // A week at most lies far within what the type holds.
    let end = begun + Duration::from_secs(seconds);
    check_end(end, now).map_err(|fault| fault.with("X-Amz-Expires", life))
}

/// Whether a presigned URL of version 2 is whole and still good.
fn check_presigned_2<'a>(
    value: &impl Fn(&str) -> Option<&'a str>,
    now: SystemTime,
) -> Result<(), Fault> {
    let denied = |message: String| Fault::new(S3ErrorCode::AccessDenied, message);
    let Some(expires) = value("Expires") else {
        let message = "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters";
        return Err(denied(message.to_owned()));
    };
    let seconds = expires.parse().ok();
    let end = seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    let end = end.ok_or_else(|| {
        denied(format!(
            "Invalid date (should be seconds since epoch): {expires}"
        ))
    })?;
    check_end(end, now)
}

fn check_end(end: SystemTime, now: SystemTime) -> Result<(), Fault> {
    if now <= end {
        return Ok(());
    }
    let text = |time: SystemTime| {
        let time = DateTime::<Utc>::from(time);
        time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    Err(Fault::new(S3ErrorCode::AccessDenied, "Request has expired")
        .with("Expires", text(end))
        .with("ServerTime", text(now)))
}

/// A browser's upload: <https://docs.aws.amazon.com/AmazonS3/latest/API/RESTObjectPOST.html>.
fn is_form(parts: &Parts) -> bool {
    let kind = parts.headers.get(header::CONTENT_TYPE);
    let kind = kind
        .and_then(|kind| kind.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    parts.method == Method::POST && kind.starts_with("multipart/form-data")
}

/// Takes off what S3 does as if it were not there: a range that is none or several, and dates that
/// are none. <https://www.rfc-editor.org/rfc/rfc9110#section-14.2>,
/// <https://www.rfc-editor.org/rfc/rfc9110#section-13.1.3>
fn ignore_malformed(headers: &mut HeaderMap) {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let range = text(&header::RANGE).is_some_and(|range| {
        // `s3s` takes the dash alone for the last no bytes.
        range != "bytes=-" && s3s::dto::Range::parse(range).is_ok()
    });
    let mut wrong = vec![(header::RANGE, range)];
    let dates = [
        header::IF_MODIFIED_SINCE,
        header::IF_UNMODIFIED_SINCE,
        HeaderName::from_static("x-amz-copy-source-if-modified-since"),
        HeaderName::from_static("x-amz-copy-source-if-unmodified-since"),
    ];
    for name in dates {
        let format = s3s::dto::TimestampFormat::HttpDate;
        let date = text(&name).is_some_and(|date| s3s::dto::Timestamp::parse(format, date).is_ok());
        wrong.push((name, date));
    }
    for (name, understood) in wrong {
        if !understood {
            headers.remove(name);
        }
    }
}

/// Refuses sizes of pages and markers that are no numbers.
fn check_numbers(query: &str) -> Result<(), Fault> {
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if NUMBERS.contains(&name.as_ref()) && value.parse::<i32>().is_err() {
            let message = format!("Provided {name} not an integer or within integer range");
            return Err(Fault::argument(&name, &value, message));
        }
    }
    Ok(())
}

/// Brings entity tags into the one form that `s3s` reads: S3 takes them with one quote or none too,
/// and one that is malformed matches nothing.
fn quote_tags(headers: &mut HeaderMap) {
    for name in TAGS {
        let Some(value) = headers.get(*name).and_then(|value| value.to_str().ok()) else {
            continue;
        };
        let value = value.trim();
        let quoted = value.strip_prefix("W/").unwrap_or(value);
        let inner = quoted.trim_matches('"').replace('"', "'");
        if value != "*"
            && let Ok(value) = HeaderValue::from_str(&format!("\"{inner}\""))
        {
            headers.insert(*name, value);
        }
    }
}

/// The contents without the framing that the connection or the SDK gave them.
fn unframe(parts: &mut Parts, body: Body) -> Result<Body, Fault> {
    let headers = &mut parts.headers;
    let framed = headers
        .get("x-amz-content-sha256")
        .is_some_and(|sum| sum.as_bytes().starts_with(b"STREAMING-"));
    if !framed {
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let offered = "header Transfer-Encoding without the framing aws-chunked";
            return Err(Fault::not_offered(offered).with("Header", "Transfer-Encoding"));
        }
        return Ok(body);
    }
    let length = headers.get("x-amz-decoded-content-length");
    let length: Option<u64> = length.and_then(|length| length.to_str().ok()?.parse().ok());
    let length = length.ok_or_else(|| fault(S3ErrorCode::MissingContentLength))?;
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let trailers = Trailers::default();
    parts.extensions.insert(trailers.clone());
    Ok(chunked::decode(body, length, trailers))
}

/// The action whose body is a document with members of its own.
fn document_of(parts: &Parts) -> Option<S3Action> {
    let query = crate::rest::query(parts.uri.query().unwrap_or_default().as_bytes());
    let has = |name: &str| query.contains_key(name);
    let setting = SETTINGS.iter().find(|(name, _)| has(name));
    match parts.method {
        Method::POST if has("delete") => Some(S3Action::DeleteObjects),
        Method::POST if has("uploadId") => Some(S3Action::CompleteMultipartUpload),
        // An object's and a bucket's tags are sent alike.
        Method::PUT if has("tagging") => Some(S3Action::PutObjectTagging),
        Method::PUT if setting.is_some() => setting.map(|(_, action)| *action),
        Method::PUT
            if query.keys().all(|name| name.starts_with("x-"))
                && !parts.headers.contains_key("x-amz-copy-source") =>
        {
            let of_host = parts.headers.get(header::HOST);
            let of_host = of_host.and_then(|host| super::bucket_of_host(host.to_str().ok()?));
            let path = parts.uri.path();
            let path = path.strip_prefix('/').unwrap_or(path);
            let path = path.strip_suffix('/').unwrap_or(path);
            let is_bucket = match of_host {
                Some(_) => path.is_empty(),
                None => !path.contains('/'),
            };
            is_bucket.then_some(S3Action::CreateBucket)
        }
        _ => None,
    }
}

/// Reads a document, compares it with its checksums and looks for members that are refused.
async fn check(action: S3Action, parts: &Parts, body: Body) -> Result<Body, Fault> {
    let bytes = to_bytes(body, DOCUMENT_LIMIT).await.map_err(|error| {
        Fault::new(
            S3ErrorCode::IncompleteBody,
            format!("the request's body: {error}"),
        )
    })?;
    // Those of a finished upload are the object's.
    if action != S3Action::CompleteMultipartUpload {
        check_document(&bytes, &parts.headers, parts.extensions.get())?;
    }
    match members::refused_element(action, &String::from_utf8_lossy(&bytes)) {
        Some(element) => Err(Fault::not_offered(&element)),
        None => Ok(Body::from(bytes)),
    }
}

/// What an answer needs to know of its request.
pub(super) struct Asked {
    method: Method,
    bucket: Option<String>,
    key: String,
    upload: Option<String>,
    host: String,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Asked {
        let text = |name| {
            let value = request.headers().get(name);
            value.and_then(|value: &HeaderValue| value.to_str().ok())
        };
        let host = text(header::HOST).unwrap_or_default().to_owned();
        let path = crate::rest::decode(request.uri().path().trim_start_matches('/'));
        let (bucket, key) = match super::bucket_of_host(&host) {
            Some(bucket) => (bucket.to_owned(), path),
            None => match path.split_once('/') {
                Some((bucket, key)) => (bucket.to_owned(), key.to_owned()),
                None => (path, String::new()),
            },
        };
        let mut query = crate::rest::query(request.uri().query().unwrap_or_default().as_bytes());
        Asked {
            method: request.method().clone(),
            bucket: Some(bucket).filter(|bucket| !bucket.is_empty()),
            key,
            upload: query.remove("uploadId"),
            host,
        }
    }

    /// The elements by which an error may name what it is about.
    fn elements(&self) -> Vec<(&'static str, String)> {
        let bucket = self.bucket.clone().unwrap_or_default();
        let kind = match (&self.bucket, self.key.as_str()) {
            (None, _) => "SERVICE",
            (Some(_), "") => "BUCKET",
            _ => "OBJECT",
        };
        let mut elements = vec![
            ("Method", self.method.to_string()),
            ("ResourceType", kind.to_owned()),
            ("Key", self.key.clone()),
            ("Resource", format!("/{bucket}/{}", self.key)),
        ];
        if let Some(bucket) = &self.bucket {
            elements.push(("BucketName", bucket.clone()));
        }
        if let Some(upload) = &self.upload {
            elements.push(("UploadId", upload.clone()));
        }
        elements
    }

    /// Where the object can be read.
    pub(super) fn location(&self) -> String {
        let bucket = self.bucket.clone().unwrap_or_default();
        format!(
            "http://{}/{bucket}/{}",
            self.host,
            crate::rest::encode(&self.key)
        )
    }
}

/// An answer with all that S3 puts around it, and where `s3s` answers an action otherwise, as S3.
pub(super) async fn finish(
    response: Response<Body>,
    asked: &Asked,
    action: Option<S3Action>,
) -> Response<Body> {
    let ids = Uuid::new_v4().simple().to_string();
    let request_id = ids[..16].to_ascii_uppercase();
    let status = response.status();
    let failed = status.is_client_error() || status.is_server_error();
    let mut response = if failed || status == StatusCode::NOT_MODIFIED {
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, DOCUMENT_LIMIT).await.unwrap_or_default();
        let body = String::from_utf8_lossy(&body);
        let mut elements = asked.elements();
        elements.push(("RequestId", request_id.clone()));
        elements.push(("HostId", ids.clone()));
        fault::complete(status, &parts.headers, &body, &elements)
    } else {
        corrected(response, action).await
    };
    if failed && asked.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    let headers = response.headers_mut();
    for (name, value) in [("x-amz-request-id", &request_id), ("x-amz-id-2", &ids)] {
        // Hexadecimal digits are a header's value.
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    headers.insert(header::SERVER, HeaderValue::from_static("AmazonS3"));
    response
}

/// An answer that succeeded, where S3's own differs from that of `s3s`.
async fn corrected(mut response: Response<Body>, action: Option<S3Action>) -> Response<Body> {
    let partial = response.headers().contains_key(header::CONTENT_RANGE);
    let xml = HeaderValue::from_static("application/xml");
    match action {
        // Its body is an object's, no document.
        Some(S3Action::GetObject) => return response,
        Some(S3Action::HeadObject) if partial => {
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        }
        Some(S3Action::PutBucketTagging) => *response.status_mut() = StatusCode::NO_CONTENT,
        Some(S3Action::HeadBucket) => {
            response.headers_mut().insert(header::CONTENT_TYPE, xml);
            return response;
        }
        _ => {}
    }
    readable(response, action == Some(S3Action::GetObjectAttributes)).await
}

/// An answer whose document any reader of XML takes, whatever the keys in it.
/// `plain` takes the quotes off an entity tag.
async fn readable(response: Response<Body>, plain: bool) -> Response<Body> {
    let xml = HeaderValue::from_static("application/xml");
    if response.headers().get(header::CONTENT_TYPE) != Some(&xml) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let text = if plain {
        Cow::Owned(without_quotes(&text))
    } else {
        text
    };
    let readable = fault::without_control_characters(&text);
    let body = Body::from(readable.unwrap_or_else(|| text.into_owned()));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, body)
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObjectAttributes.html> has the tag without.
fn without_quotes(document: &str) -> String {
    let Some((before, rest)) = document.split_once("<ETag>") else {
        return document.to_owned();
    };
    let (tag, after) = rest.split_once("</ETag>").unwrap_or((rest, ""));
    let tag = tag.replace("&quot;", "").replace('"', "");
    format!("{before}<ETag>{tag}</ETag>{after}")
}
