//! Downloads over HTTP.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use jobs::task::{INPUT_INVALID, INPUT_NOT_FOUND, Named};
use reqwest::Url;

use crate::guard::{Guard, Resolver};

/// Most bytes that are taken from one source, over HTTP or from S3: rows are made of it in 512 MB.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;

/// A failed download.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// There is no such thing.
    #[error("{url} does not exist ({status}); correct the URL")]
    NotFound {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server will not give it, now or later.
    #[error("{url} was refused ({status})")]
    Refused {
        /// What was asked for.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The address, or one that it was redirected to, is none of a source.
    #[error("{url} is not fetched: {reason}")]
    Forbidden {
        /// What was asked for.
        url: String,
        /// What is wrong with the address.
        reason: String,
    },
    /// It is more than a function can hold.
    #[error("{url} is larger than {MOST_BYTES} bytes; split it or fetch it with a cluster job")]
    TooLarge {
        /// What was asked for.
        url: String,
    },
    /// The server or the connection failed; another time may do.
    #[error("{url} could not be downloaded: {reason}")]
    Unavailable {
        /// What was asked for.
        url: String,
        /// What the server or the connection said.
        reason: String,
    },
}

impl DownloadError {
    /// Whether another attempt may do.
    pub fn is_transient(&self) -> bool {
        match self {
            DownloadError::Unavailable { .. } => true,
            DownloadError::NotFound { .. }
            | DownloadError::Refused { .. }
            | DownloadError::Forbidden { .. }
            | DownloadError::TooLarge { .. } => false,
        }
    }
}

/// The source did not answer, after all attempts.
pub const SOURCE_UNAVAILABLE: &str = "Job.SourceUnavailable";

impl Named for DownloadError {
    fn name(&self) -> &str {
        match self {
            DownloadError::NotFound { .. } => INPUT_NOT_FOUND,
            DownloadError::Refused { .. }
            | DownloadError::Forbidden { .. }
            | DownloadError::TooLarge { .. } => INPUT_INVALID,
            DownloadError::Unavailable { .. } => SOURCE_UNAVAILABLE,
        }
    }
}

/// A URL without its query, which may hold a secret, such as the signature of a presigned URL.
pub fn shown(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or(url)
}

/// What a URL gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downloaded {
    /// The URL after all redirects, as [`shown`].
    pub url: String,
    /// The whole body.
    pub bytes: Vec<u8>,
}

/// Downloads a URL.
pub trait Download {
    /// One attempt at the whole body. Errors show the URL as [`shown`].
    fn download(&self, url: &str)
    -> impl Future<Output = Result<Downloaded, DownloadError>> + Send;
}

/// [`Download`] over HTTP. The client, with its TLS roots, is made at the first download: a function
/// that only reads S3 never pays for it.
#[derive(Debug)]
pub struct Web {
    client: OnceLock<reqwest::Client>,
    guard: Guard,
}

impl Web {
    /// Reads the environment for the addresses that no source may have.
    pub fn from_env() -> Self {
        Self::guarded(Guard::from_env())
    }

    pub(crate) fn guarded(guard: Guard) -> Self {
        Self {
            client: OnceLock::new(),
            guard,
        }
    }

    fn client(&self) -> Result<&reqwest::Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // An error only says that a provider is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(Duration::from_secs(20))
            .user_agent(concat!("fetcher/", env!("CARGO_PKG_VERSION")))
            .redirect(self.guard.redirects())
            .dns_resolver(Arc::new(Resolver))
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Download for Web {
    async fn download(&self, url: &str) -> Result<Downloaded, DownloadError> {
        let asked = shown(url).to_owned();
        let unavailable = |reason: String| DownloadError::Unavailable {
            url: asked.clone(),
            reason,
        };
        let forbidden = |reason: String| DownloadError::Forbidden {
            url: asked.clone(),
            reason,
        };
        if let Some(why) = Url::parse(url)
            .ok()
            .and_then(|url| self.guard.refusal(&url))
        {
            return Err(forbidden(why.to_owned()));
        }
        let client = self.client().map_err(|error| unavailable(chain(error)))?;
        let mut answer =
            client
                .get(url)
                .send()
                .await
                .map_err(|error| match error.is_redirect() {
                    true => forbidden(chain(error)),
                    false => unavailable(chain(error)),
                })?;
        let status = answer.status().as_u16();
        match status {
            200..300 => {}
            404 | 410 => {
                return Err(DownloadError::NotFound { url: asked, status });
            }
            408 | 425 | 429 | 500.. => return Err(unavailable(format!("status {status}"))),
            _ => {
                return Err(DownloadError::Refused { url: asked, status });
            }
        }
        let url = shown(answer.url().as_str()).to_owned();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| unavailable(chain(error)))?
        {
            if bytes.len() + chunk.len() > MOST_BYTES {
                return Err(DownloadError::TooLarge { url: asked });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Downloaded { url, bytes })
    }
}

/// An error with its causes, without the whole URL: reqwest's own sentence leaves out what happened.
fn chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let causes = std::iter::successors(std::error::Error::source(&error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
