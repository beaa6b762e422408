//! Who may call the endpoint: programs of this machine, and pages that the endpoint itself serves.
//!
//! A page of any site can make the user's browser send requests to a loopback port, and with a name
//! that it points at 127.0.0.1 (DNS rebinding) even read the answers. Here that would be code run as
//! the user. Three checks stand before every request, as in the tools that were hit before:
//!
//! - `Host` names this machine. Jupyter: <https://github.com/jupyter/notebook/pull/3714>;
//!   webpack-dev-server's `allowedHosts`.
//! - `Origin` and `Sec-Fetch-Site` are not of another site. An address is no better an origin than a
//!   name (webpack-dev-server, <https://github.com/advisories/GHSA-9jgg-88mc-972h>), and browsers
//!   leave `Sec-Fetch-Site` out towards plain-HTTP names
//!   (<https://github.com/advisories/GHSA-79cf-xcqc-c78w>), so neither stands alone. No answer ever
//!   allows another origin to read it; Docker took that option away:
//!   <https://github.com/moby/moby/pull/48209>.
//! - A write has what a page cannot send without being asked first: the content type of its protocol,
//!   or a signature. The three types that a form sends are refused
//!   (<https://fetch.spec.whatwg.org/#cors-safelisted-request-header>).
//!
//! A signature proves nothing more here, and none is checked: everybody knows the local secret.

mod host;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use axum::middleware::Next;

use crate::error::ServiceError;
pub(crate) use crate::protocol::Protocol;
use crate::rest::query;
use crate::router::CONSOLE;
use host::Name;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Why a request is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error(
        "Host {0:?} is no name of this machine; call the endpoint by 127.0.0.1, [::1] or localhost"
    )]
    Host(String),
    #[error("Origin {0:?}: pages of other origins may not call the local cloud")]
    Origin(String),
    #[error("Sec-Fetch-Site {0:?}: pages of other sites may not call the local cloud")]
    Site(String),
    #[error("browsers may not call this address; programs send no Origin and no Sec-Fetch headers")]
    Browser,
    #[error("Content-Type {found:?} is not taken here; send {wanted}")]
    ContentType { found: String, wanted: &'static str },
    #[error("an unsigned write; sign it as an SDK does, with any access key and any secret")]
    Unsigned,
}

/// Whether a request may be served. `protocol` is that of the service it is routed to.
pub(crate) fn check(parts: &Parts, protocol: Protocol) -> Result<(), Refusal> {
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    match check_host(parts)? {
        Name::Loopback | Name::Bucket => {
            check_origin(parts)?;
            check_site(&parts.headers)?;
        }
        // A page's POST has an `Origin` in every browser; its GET may have nothing that tells.
        Name::Prefixed if reads => return Err(Refusal::Browser),
        Name::Prefixed => check_program(parts)?,
    }
    if reads {
        return Ok(());
    }
    check_write(parts, protocol)
}

/// Whether a request may be served by the console, which pages of its own origin may write to: what
/// else such a write must have, the console knows.
pub(crate) fn check_page(parts: &Parts) -> Result<(), Refusal> {
    check_host(parts)?;
    check_origin(parts)?;
    check_site(&parts.headers)
}

/// Whether a request is for the console: it has no mark of an AWS request, and names no bucket.
/// No bucket's name begins with an underscore, and no service's path is the console's.
pub(crate) fn is_for_pages(parts: &Parts) -> bool {
    let path = parts.uri.path();
    let below = path.strip_prefix(CONSOLE);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) && is_plain(parts)
}

/// Whether a person has typed the endpoint's address into a browser: no SDK asks for HTML.
pub(crate) fn is_visit(parts: &Parts) -> bool {
    let html = values(&parts.headers, &header::ACCEPT).any(|kinds| kinds.contains("text/html"));
    let root = parts.uri.path() == "/" && parts.uri.query().is_none();
    root && html && parts.method == Method::GET && is_plain(parts)
}

/// Whether neither headers nor host lead a request to a service of AWS.
fn is_plain(parts: &Parts) -> bool {
    let marks = [
        HeaderName::from_static("x-amz-target"),
        header::AUTHORIZATION,
    ];
    let marked = marks.iter().any(|mark| parts.headers.contains_key(mark));
    let of_bucket = |host| Name::parse(host) == Some(Name::Bucket);
    !marked && !values(&parts.headers, &header::HOST).any(of_bucket)
}

/// Serves programs only: for addresses on which no page has any business.
pub(crate) async fn programs_only(request: Request, next: Next) -> Response<Body> {
    let (parts, body) = request.into_parts();
    match check_host(&parts).and_then(|_| check_program(&parts)) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(refusal) => refusal.response(Protocol::RestJson),
    }
}

/// Keeps pages of other origins from taking an answer in as a script, an image or a style, which
/// needs no `Origin`. <https://fetch.spec.whatwg.org/#cross-origin-resource-policy-header>
pub(crate) async fn isolate(mut response: Response<Body>) -> Response<Body> {
    let same_origin = HeaderValue::from_static("same-origin");
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    response.headers_mut().insert(policy, same_origin);
    response
}

/// Makes a page that is a stored object an origin of its own, so that its scripts may draw but not
/// call the endpoint that it came from.
/// <https://www.w3.org/TR/CSP3/#directive-sandbox>
pub(crate) fn sandbox(response: &mut Response<Body>) {
    let policy = HeaderValue::from_static("sandbox allow-scripts allow-popups allow-downloads");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
}

/// Every name by which the request says that it calls us must be ours.
fn check_host(parts: &Parts) -> Result<Name, Refusal> {
    let of_target = parts.uri.authority().map(http::uri::Authority::as_str);
    let of_headers = values(&parts.headers, &header::HOST);
    let mut found = None;
    for host in of_target.into_iter().chain(of_headers) {
        let name = Name::parse(host).ok_or_else(|| Refusal::Host(host.to_owned()))?;
        if found.is_some_and(|earlier| earlier != name) {
            return Err(Refusal::Host(host.to_owned()));
        }
        found = Some(name);
    }
    found.ok_or_else(|| Refusal::Host(String::new()))
}

/// A page's origin is ours if it is the very address that it calls.
fn check_origin(parts: &Parts) -> Result<(), Refusal> {
    let own = |origin: &str| {
        values(&parts.headers, &header::HOST).any(|host| {
            origin
                .strip_prefix("http://")
                .is_some_and(|authority| authority.eq_ignore_ascii_case(host))
        })
    };
    match values(&parts.headers, &header::ORIGIN).find(|origin| !own(origin)) {
        Some(foreign) => Err(Refusal::Origin(foreign.to_owned())),
        None => Ok(()),
    }
}

/// `none` is what the user did himself: an address typed, a bookmark.
/// <https://w3c.github.io/webappsec-fetch-metadata/#sec-fetch-site-header>
fn check_site(headers: &HeaderMap) -> Result<(), Refusal> {
    let own = |site: &&str| matches!(*site, "same-origin" | "none");
    match values(headers, &SEC_FETCH_SITE).find(|site| !own(site)) {
        Some(foreign) => Err(Refusal::Site(foreign.to_owned())),
        None => Ok(()),
    }
}

fn check_program(parts: &Parts) -> Result<(), Refusal> {
    let marks = [header::ORIGIN, SEC_FETCH_SITE, SEC_FETCH_MODE];
    if marks.iter().any(|mark| parts.headers.contains_key(mark)) {
        return Err(Refusal::Browser);
    }
    Ok(())
}

fn check_write(parts: &Parts, protocol: Protocol) -> Result<(), Refusal> {
    const AWS_JSON: &str = "application/x-amz-json-1.0 or application/x-amz-json-1.1";
    const JSON: &str = "application/json";
    let types: Vec<String> = values(&parts.headers, &header::CONTENT_TYPE)
        .map(essence)
        .collect();
    let types: Vec<&str> = types.iter().map(String::as_str).collect();
    let signed = is_signed(parts);
    let refuse = |wanted| {
        Err(Refusal::ContentType {
            found: types.join(", "),
            wanted,
        })
    };
    let unless_signed = || {
        if signed {
            Ok(())
        } else {
            Err(Refusal::Unsigned)
        }
    };
    match (protocol, types.as_slice()) {
        (Protocol::AwsJson, ["application/x-amz-json-1.0" | "application/x-amz-json-1.1"]) => {
            Ok(())
        }
        (Protocol::AwsJson, _) => refuse(AWS_JSON),
        (Protocol::RestJson | Protocol::RestBlob, [JSON]) => Ok(()),
        (Protocol::RestJson | Protocol::RestBlob, []) => unless_signed(),
        (Protocol::RestJson, _) => refuse(JSON),
        (Protocol::RestBlob, types) if types.iter().any(|kind| is_of_a_form(kind)) => refuse(JSON),
        (Protocol::RestBlob | Protocol::Query | Protocol::Ec2Query | Protocol::Cbor, _) => {
            unless_signed()
        }
        // A form carries its signature in its body. S3 here offers none, and says so.
        (Protocol::S3, ["multipart/form-data"]) if parts.method == Method::POST => Ok(()),
        (Protocol::S3, _) => unless_signed(),
    }
}

/// What a page may send without being asked first.
fn is_of_a_form(content_type: &str) -> bool {
    matches!(
        content_type,
        "text/plain" | "multipart/form-data" | "application/x-www-form-urlencoded"
    )
}

/// Whether a request has a signature, in its header or, presigned, in its query: of version 4, or of
/// version 2, with which boto3 still presigns S3.
fn is_signed(parts: &Parts) -> bool {
    let in_header = values(&parts.headers, &header::AUTHORIZATION)
        .any(|value| value.starts_with("AWS4-HMAC-SHA256 ") || value.starts_with("AWS "));
    let query = query(parts.uri.query().unwrap_or_default().as_bytes());
    in_header
        || query.contains_key("X-Amz-Signature")
        || (query.contains_key("AWSAccessKeyId") && query.contains_key("Signature"))
}

/// A content type without its parameters.
fn essence(content_type: &str) -> String {
    let kind = content_type.split(';').next().unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// All values of a header; one that is no text is never what is looked for.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter();
    values.map(|value| value.to_str().unwrap_or("\u{FFFD}"))
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Refusal::ContentType { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::Host(_)
            | Refusal::Origin(_)
            | Refusal::Site(_)
            | Refusal::Browser
            | Refusal::Unsigned => StatusCode::FORBIDDEN,
        }
    }

    /// The refusal in the shape of the service that was called.
    pub(crate) fn response(&self, protocol: Protocol) -> Response<Body> {
        tracing::warn!(refusal = %self, "refused a request");
        protocol.error(&ServiceError::with_status(
            self.status().as_u16(),
            self.code(),
            self.to_string(),
        ))
    }

    fn code(&self) -> &'static str {
        match self {
            Refusal::ContentType { .. } => "UnsupportedMediaTypeException",
            Refusal::Host(_)
            | Refusal::Origin(_)
            | Refusal::Site(_)
            | Refusal::Browser
            | Refusal::Unsigned => "AccessDeniedException",
        }
    }
}

#[cfg(test)]
mod tests;
