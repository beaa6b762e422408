//! Every member of every request that S3 knows is honoured, refused by its name, or does nothing for
//! a stated reason: `model.txt` lists them as botocore's model of S3 has them.

use super::*;
use crate::faults::Faults;
use crate::s3::S3;
use crate::s3::tests::open;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use http::StatusCode;

/// Headers of HTTP that S3 reads, and that are honoured wherever S3 has them.
const OF_HTTP: &[&str] = &[
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
];

/// Sent to a host of its own, and older names of requests that are served.
const ELSEWHERE: &[&str] = &[
    "WriteGetObjectResponse",
    "PutBucketLifecycle",
    "GetBucketLifecycle",
    "GetBucketNotification",
];

/// A line of the model.
struct Line<'a> {
    operation: &'a str,
    place: &'a str,
    name: &'a str,
    rest: &'a str,
}

fn model() -> impl Iterator<Item = Line<'static>> {
    let lines = include_str!("model.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let mut words = line.split(' ');
        let mut word = || words.next().unwrap_or_default();
        Line {
            operation: word(),
            place: word(),
            name: word(),
            rest: word(),
        }
    })
}

/// A request of an operation as an SDK sends it, as far as it matters for its route.
fn request(operation: &str) -> (&'static str, String, Vec<(&'static str, &'static str)>) {
    let line = model()
        .find(|line| line.operation == operation && line.place == "operation")
        .unwrap();
    let path = match line.rest.split_once('?') {
        Some((path, query)) => format!("{path}?{query}&"),
        None => format!("{}?", line.rest),
    };
    let service = ["ListBuckets", "ListDirectoryBuckets"].contains(&operation);
    let of_bucket = if service {
        String::new()
    } else {
        "/bucket".to_owned()
    };
    let needs = |names: &[&str]| {
        let query = model().filter(|line| line.operation == operation && line.place == "query");
        let needed = query.filter(|line| names.contains(&line.name));
        let needed = needed.map(|line| format!("{}=1&", line.name));
        needed.collect::<String>()
    };
    let query = needs(&["uploadId", "partNumber", "id"]);
    let read = ["GetObject", "HeadObject"].contains(&operation);
    let query = if read { String::new() } else { query };
    let copies = ["CopyObject", "UploadPartCopy"].contains(&operation);
    let headers = if copies {
        vec![("x-amz-copy-source", "bucket/k")]
    } else {
        Vec::new()
    };
    (
        line.name,
        format!("{of_bucket}{path}{query}x-id={operation}"),
        headers,
    )
}

async fn send(
    s3: &S3,
    operation: &str,
    query: &str,
    header: Option<&str>,
    body: String,
) -> (StatusCode, String) {
    let (method, uri, headers) = request(operation);
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{uri}{query}"))
        .header("host", "127.0.0.1")
        .header("content-length", body.len());
    for (name, value) in headers {
        request = request.header(name, value);
    }
    if let Some(name) = header {
        request = request.header(name, value_of(name));
    }
    let response = s3.http(request.body(Body::from(body)).unwrap()).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8_lossy(&body).into_owned())
}

/// A value with which a header is honoured, if it is at all.
fn value_of(name: &str) -> &'static str {
    match name {
        "x-amz-object-ownership" => "BucketOwnerEnforced",
        _ => "1",
    }
}

fn store() -> (tempfile::TempDir, S3) {
    let dir = tempfile::tempdir().unwrap();
    let s3 = open(dir.path(), Faults::default()).unwrap();
    (dir, s3)
}

#[tokio::test]
async fn an_operation_is_served_or_refused_by_name() {
    let (_dir, s3) = store();
    let operations = model().filter(|line| line.place == "operation");
    for line in operations.filter(|line| S3Action::parse(line.operation).is_none()) {
        if ELSEWHERE.contains(&line.operation) {
            continue;
        }
        let (status, body) = send(&s3, line.operation, "", None, String::new()).await;
        let resource = line.rest.split(['?', '&']).nth(1).unwrap_or("s3:");
        assert_eq!(
            status,
            StatusCode::NOT_IMPLEMENTED,
            "{}: {body}",
            line.operation
        );
        let named = body.contains(line.operation) || body.contains(resource);
        assert!(named, "{}: {body}", line.operation);
    }
    for action in S3Action::ALL {
        assert!(
            model().any(|line| line.operation == action.name()),
            "{action:?}"
        );
    }
}

#[tokio::test]
async fn a_member_is_honoured_or_refused_by_name() {
    let (_dir, s3) = store();
    for line in model() {
        let Some(action) = S3Action::parse(line.operation) else {
            continue;
        };
        let (treatment, member, sent) = match line.place {
            "header" => {
                let treatment = header(action, line.name);
                let sent = send(&s3, line.operation, "", Some(line.name), String::new());
                let known = line.name.starts_with("x-amz-") || OF_HTTP.contains(&line.name);
                assert!(known, "{}: {}", line.operation, line.name);
                (treatment, line.name, sent.await)
            }
            "query" => {
                let treatment = query(action, line.name);
                assert!(
                    matches!(treatment, Treatment::Honoured | Treatment::Refused),
                    "{}: {} is not known",
                    line.operation,
                    line.name
                );
                let query = format!("&{}=1", line.name);
                let sent = send(&s3, line.operation, &query, None, String::new());
                (treatment, line.name, sent.await)
            }
            "element" => {
                let parts = line.name.split('/').skip(1);
                let refused = |name: &&str| refused_elements(action).contains(name);
                let refused = parts.clone().find(refused);
                let treatment = match refused {
                    Some(_) => Treatment::Refused,
                    None => Treatment::Honoured,
                };
                let open: String = line
                    .name
                    .split('/')
                    .map(|name| format!("<{name}>"))
                    .collect();
                let close = line.name.split('/').rev().map(|name| format!("</{name}>"));
                let body = format!("{open}1{}", close.collect::<String>());
                let sent = send(&s3, line.operation, "", None, body);
                (treatment, refused.unwrap_or(line.name), sent.await)
            }
            _ => continue,
        };
        let (status, body) = sent;
        let at = format!(
            "{} {} {}: {status} {body}",
            line.operation, line.place, line.name
        );
        match treatment {
            Treatment::Refused => {
                assert_eq!(status, StatusCode::NOT_IMPLEMENTED, "{at}");
                let named = body.contains(member);
                assert!(named || request(line.operation).0 == "HEAD", "{at}");
            }
            Treatment::Honoured => assert!(!body.contains("does not offer"), "{at}"),
            Treatment::Harmless(why) => {
                assert!(!why.is_empty() && !body.contains("does not offer"), "{at}");
            }
        }
    }
}
