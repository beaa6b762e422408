//! The `fetcher` function: downloads one source, over HTTP or from S3, checks it, and stores its rows
//! in one common form, so that whoever joins the sources needs to know nothing of theirs.

use std::time::Duration;

use input::InvalidInput;
use jobs::artifacts::{ArtifactError, GetObject, PutObject, S3Uri, When, run_uri};
use jobs::task::Named;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::{info, warn};

mod guard;
pub mod rows;
pub mod source;
mod web;

use source::Source;
pub use web::{Download, DownloadError, Downloaded, MOST_BYTES, SOURCE_UNAVAILABLE, Web, shown};

/// What is to be fetched.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Name of the execution; the rows go below it.
    pub execution: String,
    /// The source.
    pub source: Source,
    /// Attempts at a source that does not answer, 1 to 10.
    #[serde(default = "attempts")]
    pub attempts: u32,
}

fn attempts() -> u32 {
    4
}

/// Longest download, all attempts together: the function ends after 300 s, and would end without a word.
const LONGEST_DOWNLOAD: Duration = Duration::from_secs(240);

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Name of the source.
    pub name: String,
    /// The URL that served it, after all redirects and without its query.
    pub url: String,
    /// S3 URI of the rows: CSV with a header, UTF-8, times as `2010-01-31T23:00:00`.
    pub rows_uri: String,
    /// Rows stored.
    pub rows: u64,
    /// Rows left out.
    pub rejected: u64,
    /// What was wrong with the first few of them.
    pub complaints: Vec<String>,
    /// Bytes downloaded.
    pub bytes: u64,
    /// SHA-256 of the bytes downloaded, in hexadecimal.
    pub sha256: String,
}

/// Why a source could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Request or source cannot be meant, or the source is not as it was described.
    #[error(transparent)]
    Invalid(#[from] InvalidInput),
    /// The source is not the one that was expected.
    #[error(
        "{url}: SHA-256 is {found}, expected {expected}; the source has changed or was cut off"
    )]
    Checksum {
        /// What was downloaded.
        url: String,
        /// As downloaded.
        found: String,
        /// As the caller knows it.
        expected: String,
    },
    /// The download failed.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// S3 failed.
    #[error(transparent)]
    Store(#[from] ArtifactError),
}

impl Named for Error {
    fn name(&self) -> &str {
        match self {
            Error::Invalid(error) => error.name(),
            Error::Checksum { .. } => "Input.ChecksumMismatch",
            Error::Download(error) => error.name(),
            Error::Store(error) => error.name(),
        }
    }
}

/// What the handler works with.
#[derive(Debug)]
pub struct Deps<Store, Web> {
    /// The artifacts bucket.
    pub bucket: String,
    /// S3.
    pub store: Store,
    /// The web.
    pub web: Web,
}

/// Fetches one source. The same request makes the same rows at the same place.
pub async fn handle<Store, W>(deps: &Deps<Store, W>, request: Request) -> Result<Response, Error>
where
    Store: GetObject + PutObject + Sync,
    W: Download,
{
    request.source.check()?;
    if !(1..=10).contains(&request.attempts) {
        return Err(InvalidInput::new("$.attempts", "expected 1 to 10").into());
    }
    let Request {
        execution,
        source,
        attempts,
    } = request;
    let Downloaded { url, bytes } = fetch(deps, &source, attempts).await?;
    let sha256 = hex::encode(Sha256::digest(&bytes));
    if let Some(expected) = &source.sha256
        && !expected.eq_ignore_ascii_case(&sha256)
    {
        return Err(Error::Checksum {
            url,
            found: sha256,
            expected: expected.clone(),
        });
    }
    let rows = rows::read(&source, &bytes)?;
    let uri = run_uri(
        &deps.bucket,
        &execution,
        &format!("sources/{}.csv", source.name),
    );
    deps.store.put(&uri, rows.csv, When::Always).await?;
    info!(
        execution,
        source = source.name,
        rows = rows.accepted,
        rejected = rows.rejected,
        "fetched"
    );
    Ok(Response {
        name: source.name,
        url,
        rows_uri: uri.to_string(),
        rows: rows.accepted,
        rejected: rows.rejected,
        complaints: rows.complaints,
        bytes: bytes.len() as u64,
        sha256,
    })
}

async fn fetch<Store, W>(
    deps: &Deps<Store, W>,
    source: &Source,
    attempts: u32,
) -> Result<Downloaded, Error>
where
    Store: GetObject + Sync,
    W: Download,
{
    if source.url.starts_with("s3://") {
        let uri: S3Uri = source
            .url
            .parse()
            .map_err(|error: InvalidInput| error.under("$.source.url"))?;
        let bytes = deps.store.get_up_to(&uri, MOST_BYTES).await?;
        let bytes = bytes.ok_or(ArtifactError::NotFound(uri))?;
        let url = source.url.clone();
        return Ok(Downloaded { url, bytes });
    }
    let download = download(&deps.web, &source.url, attempts);
    let late = |_| DownloadError::Unavailable {
        url: shown(&source.url).to_owned(),
        reason: format!("not done within {} s", LONGEST_DOWNLOAD.as_secs()),
    };
    let done = tokio::time::timeout(LONGEST_DOWNLOAD, download).await;
    Ok(done.map_err(late)??)
}

async fn download(
    web: &impl Download,
    url: &str,
    attempts: u32,
) -> Result<Downloaded, DownloadError> {
    let mut attempt = 1;
    loop {
        match web.download(url).await {
            Err(error) if error.is_transient() && attempt < attempts => {
                warn!(attempt, "{error}; tries again");
                // 0.2, 0.4, 0.8 ... s; the sources are different, so there is no herd to be scattered.
                tokio::time::sleep(Duration::from_millis(100 << attempt)).await;
                attempt += 1;
            }
            answer => return answer,
        }
    }
}

#[cfg(test)]
mod tests;
