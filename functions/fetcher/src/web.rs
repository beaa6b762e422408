//! Downloads over HTTP.

use std::time::Duration;

use shared::task::{INPUT_INVALID, INPUT_NOT_FOUND, Named};

/// Most bytes that are taken from one source.
pub const MOST_BYTES: usize = 256 * 1024 * 1024;

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
            DownloadError::Refused { .. } | DownloadError::TooLarge { .. } => INPUT_INVALID,
            DownloadError::Unavailable { .. } => SOURCE_UNAVAILABLE,
        }
    }
}

/// Downloads a URL.
pub trait Download {
    /// One attempt at the whole body.
    fn download(&self, url: &str) -> impl Future<Output = Result<Vec<u8>, DownloadError>> + Send;
}

/// [`Download`] over HTTP. The client, with its TLS roots, is made at the first download: a function
/// that only reads S3 never pays for it.
#[derive(Debug, Default)]
pub struct Web {
    client: std::sync::OnceLock<reqwest::Client>,
}

impl Web {
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
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

impl Download for Web {
    async fn download(&self, url: &str) -> Result<Vec<u8>, DownloadError> {
        let unavailable = |reason: String| DownloadError::Unavailable {
            url: url.to_owned(),
            reason,
        };
        let client = self.client().map_err(|error| unavailable(chain(&error)))?;
        let mut answer = client
            .get(url)
            .send()
            .await
            .map_err(|error| unavailable(chain(&error)))?;
        let status = answer.status().as_u16();
        match status {
            200..300 => {}
            404 | 410 => {
                return Err(DownloadError::NotFound {
                    url: url.to_owned(),
                    status,
                });
            }
            408 | 425 | 429 | 500.. => return Err(unavailable(format!("status {status}"))),
            _ => {
                return Err(DownloadError::Refused {
                    url: url.to_owned(),
                    status,
                });
            }
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| unavailable(chain(&error)))?
        {
            if body.len() + chunk.len() > MOST_BYTES {
                return Err(DownloadError::TooLarge {
                    url: url.to_owned(),
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// An error with its causes: reqwest's own sentence leaves out what happened.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
