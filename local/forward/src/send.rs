//! Signing and sending.

use std::error::Error;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::HeaderMap;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::table::{Operation, Protocol, Service};
use crate::target::Target;
use crate::{document, form, rest};

/// Services that AWS has once for all regions, at `<endpoint>.amazonaws.com`, signed for `us-east-1`.
/// <https://docs.aws.amazon.com/general/latest/gr/rande.html#global-endpoints>
const GLOBAL: &[&str] = &[
    "iam",
    "organizations",
    "importexport",
    "waf",
    "globalaccelerator",
];

/// Longer than any call of a service takes: 15 minutes for a function, and a while.
const TIME_LIMIT: Duration = Duration::from_secs(930);

/// A request before it is signed.
#[derive(Debug)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path and query string.
    pub path: String,
    /// HTTP headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// HTTP headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// The request for an action.
    ///
    /// # Errors
    /// What the service's model does not allow.
    pub fn new(
        service: &Service,
        action: &str,
        operation: &Operation,
        arguments: &Value,
    ) -> Result<Request, String> {
        let name = capital(action);
        let header = |name: &str, value: String| (name.to_owned(), value);
        let post = |content: String, body: String| Request {
            method: "POST".to_owned(),
            path: "/".to_owned(),
            headers: vec![header("content-type", content)],
            body: body.into_bytes(),
        };
        match service.protocol {
            Protocol::Json => {
                let body = document::to_wire(service, operation.input, arguments).to_string();
                let mut request = post(format!("application/x-amz-json-{}", service.json), body);
                let target = format!("{}.{name}", service.target);
                request.headers.push(header("x-amz-target", target));
                Ok(request)
            }
            Protocol::Query | Protocol::Ec2 => {
                let body = form::encode(service, &name, operation.input, arguments)?;
                let content = "application/x-www-form-urlencoded; charset=utf-8";
                Ok(post(content.to_owned(), body))
            }
            Protocol::RestJson => {
                let mut parts = rest::build(service, operation, arguments)?;
                let typed = parts
                    .headers
                    .iter()
                    .any(|(name, _)| name.eq_ignore_ascii_case("content-type"));
                if parts.body.is_some() && !typed {
                    let json = "application/json".to_owned();
                    parts.headers.push(header("content-type", json));
                }
                Ok(Request {
                    method: operation.method.clone(),
                    path: parts.path,
                    headers: parts.headers,
                    body: parts.body.unwrap_or_default(),
                })
            }
        }
    }
}

/// An action's name in the API: `GetItem` of `getItem`.
fn capital(action: &str) -> String {
    let mut letters = action.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// There are no credentials for AWS.
    #[error("no credentials for AWS: {0}")]
    Credentials(String),
    /// The request cannot be made or signed.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// The service was not reached.
    #[error("{0} was not reached: {1}")]
    Unreachable(String, String),
}

/// Sends requests.
#[derive(Debug)]
pub struct Sender {
    region: String,
    /// For what stands in for AWS on this machine or near it, past every proxy.
    near: OnceLock<reqwest::Client>,
    aws: OnceLock<reqwest::Client>,
    credentials: OnceCell<Option<SharedCredentialsProvider>>,
}

impl Sender {
    pub fn new(region: &str) -> Sender {
        Sender {
            region: region.to_owned(),
            near: OnceLock::new(),
            aws: OnceLock::new(),
            credentials: OnceCell::new(),
        }
    }

    pub async fn send(
        &self,
        service: &Service,
        target: &Target,
        request: Request,
    ) -> Result<Answer, SendError> {
        let global = *target == Target::Aws && GLOBAL.contains(&service.endpoint.as_str());
        let region = if global { "us-east-1" } else { &self.region };
        let host = match target {
            Target::Url(url) => url.clone(),
            Target::Aws if global => format!("https://{}.amazonaws.com", service.endpoint),
            Target::Aws => format!("https://{}.{region}.amazonaws.com", service.endpoint),
        };
        let signing = Some(service.signing.as_str());
        self.exchange(target, &host, Some(region), signing, request)
            .await
    }

    /// Sends a request to a host, signed for a service and a region (the one that calls are for, unless another is
    /// given), or not signed.
    pub async fn exchange(
        &self,
        target: &Target,
        host: &str,
        region: Option<&str>,
        signing: Option<&str>,
        request: Request,
    ) -> Result<Answer, SendError> {
        let url = format!("{host}{}", request.path);
        let mut signed = unsigned(&url, &request)?;
        if let Some(service) = signing {
            let credentials = self.credentials(target).await?;
            let region = region.unwrap_or(&self.region);
            sign_for(service, region, credentials, &url, &request, &mut signed)?;
        }
        let client = self.client(target)?;
        let unreachable = |error: reqwest::Error| {
            let mut reason = error.to_string();
            let mut inner = error.source();
            while let Some(error) = inner {
                reason.push_str(&format!(": {error}"));
                inner = error.source();
            }
            SendError::Unreachable(host.to_owned(), reason)
        };
        let request = reqwest::Request::try_from(signed).map_err(unreachable)?;
        let response = client.execute(request).await.map_err(unreachable)?;
        Ok(Answer {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.bytes().await.map_err(unreachable)?.to_vec(),
        })
    }

    /// What is not AWS itself gets keys that are worth nothing.
    async fn credentials(&self, target: &Target) -> Result<Credentials, SendError> {
        if let Target::Url(_) = target {
            return Ok(Credentials::new("test", "test", None, None, "forward"));
        }
        let provider = self.credentials.get_or_init(|| async {
            let tls = aws_smithy_http_client::tls::Provider::Rustls(
                aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
            );
            let http = aws_smithy_http_client::Builder::new()
                .tls_provider(tls)
                .build_https();
            let behavior = aws_config::BehaviorVersion::latest();
            let config = aws_config::defaults(behavior)
                .http_client(http)
                .load()
                .await;
            config.credentials_provider()
        });
        let Some(provider) = provider.await else {
            return Err(SendError::Credentials("none are configured".to_owned()));
        };
        let provided = provider.provide_credentials().await;
        provided.map_err(|error| SendError::Credentials(error.to_string()))
    }

    fn client(&self, target: &Target) -> Result<&reqwest::Client, SendError> {
        let place = match target {
            Target::Aws => &self.aws,
            Target::Url(_) => &self.near,
        };
        if let Some(client) = place.get() {
            return Ok(client);
        }
        // An error only says that a provider is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .timeout(TIME_LIMIT)
            .redirect(reqwest::redirect::Policy::none());
        let builder = match target {
            Target::Aws => builder,
            Target::Url(_) => builder.no_proxy(),
        };
        let client = builder.build();
        let client = client.map_err(|error| SendError::Request(error.to_string()))?;
        Ok(place.get_or_init(|| client))
    }
}

fn failed(error: impl std::fmt::Display) -> SendError {
    SendError::Request(error.to_string())
}

fn unsigned(url: &str, request: &Request) -> Result<http::Request<Vec<u8>>, SendError> {
    let method = request.method.as_str();
    let mut made = http::Request::builder().method(method).uri(url);
    for (name, value) in &request.headers {
        made = made.header(name, value);
    }
    made.body(request.body.clone()).map_err(failed)
}

/// Adds a signature.
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
fn sign_for(
    service: &str,
    region: &str,
    credentials: Credentials,
    url: &str,
    request: &Request,
    made: &mut http::Request<Vec<u8>>,
) -> Result<(), SendError> {
    let identity = credentials.into();
    let parameters = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(failed)?
        .into();
    let headers = request.headers.iter();
    let headers = headers.map(|(name, value)| (name.as_str(), value.as_str()));
    let body = SignableBody::Bytes(&request.body);
    let signable = SignableRequest::new(&request.method, url, headers, body).map_err(failed)?;
    let (instructions, _) = sign(signable, &parameters).map_err(failed)?.into_parts();
    instructions.apply_to_request_http1x(made);
    Ok(())
}
