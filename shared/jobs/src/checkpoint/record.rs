//! A checkpoint as it is stored: a line of JSON that tells whose it is and what follows, then the state as JSON.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::job::Job;

/// The release that a checkpoint is of: another may compute otherwise.
const RELEASE: &str = env!("CARGO_PKG_VERSION");

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    /// The job whose state it is.
    job_id: String,
    /// Name of the worker.
    worker: String,
    /// Release of the worker.
    release: String,
    /// Units of work in it.
    pub done: u64,
    /// How long all attempts together worked on it, ms; that of an earlier attempt is in it once.
    #[serde(default)]
    pub worked_ms: u64,
    /// When it was saved, in ms since the Unix epoch.
    pub saved_at_ms: u64,
}

/// The second part of the first line, by which a torn state is known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sealed {
    #[serde(flatten)]
    header: Header,
    /// Length of the state, bytes.
    bytes: usize,
    /// SHA-256 of the state, hexadecimal.
    sha256: String,
}

/// Why a checkpoint is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    /// The first line is not one.
    #[error("it is torn: its first line is not that of a checkpoint")]
    Headless,
    /// Not all of the state is there.
    #[error("it is torn: {found} of its {expected} bytes are there")]
    Short {
        /// Bytes that the first line promises.
        expected: usize,
        /// Bytes that are there.
        found: usize,
    },
    /// The state is not what was written.
    #[error("it is torn: its state is not the one that was saved")]
    Altered,
    /// It is somebody else's.
    #[error("it is foreign: it is of {what} `{theirs}`, not of `{ours}`")]
    Foreign {
        /// `job`, `worker` or `release`.
        what: &'static str,
        /// Whose it is.
        theirs: String,
        /// Whose it should be.
        ours: String,
    },
    /// The state is not what this worker saves.
    #[error("it is foreign: its state is not one of this worker: {0}")]
    Misfit(serde_json::Error),
}

impl Header {
    pub(super) fn new(job: &Job, done: u64, worked_ms: u64, saved_at_ms: u64) -> Self {
        Self {
            job_id: job.id.clone(),
            worker: job.worker.clone(),
            release: RELEASE.to_owned(),
            done,
            worked_ms,
            saved_at_ms,
        }
    }

    fn check(&self, job: &Job) -> Result<(), Unusable> {
        let owners = [
            ("job", self.job_id.as_str(), job.id.as_str()),
            ("worker", &self.worker, &job.worker),
            ("release", &self.release, RELEASE),
        ];
        match owners.into_iter().find(|(_, theirs, ours)| theirs != ours) {
            Some((what, theirs, ours)) => Err(Unusable::Foreign {
                what,
                theirs: theirs.to_owned(),
                ours: ours.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

/// The bytes of a checkpoint.
pub(super) fn write<T: Serialize>(header: &Header, state: &T) -> serde_json::Result<Vec<u8>> {
    let state = serde_json::to_vec(state)?;
    let sealed = Sealed {
        header: header.clone(),
        bytes: state.len(),
        sha256: hex::encode(Sha256::digest(&state)),
    };
    let mut body = serde_json::to_vec(&sealed)?;
    body.reserve_exact(1 + state.len());
    body.push(b'\n');
    body.extend(state);
    Ok(body)
}

/// First line and state of a checkpoint that is whole and of `job`.
pub(super) fn read<'a>(body: &'a [u8], job: &Job) -> Result<(Header, &'a [u8]), Unusable> {
    let end = body.iter().position(|byte| *byte == b'\n');
    let (first, state) = end
        .map(|end| (&body[..end], &body[end + 1..]))
        .ok_or(Unusable::Headless)?;
    let sealed: Sealed = serde_json::from_slice(first).map_err(|_| Unusable::Headless)?;
    sealed.header.check(job)?;
    if state.len() < sealed.bytes {
        return Err(Unusable::Short {
            expected: sealed.bytes,
            found: state.len(),
        });
    }
    if hex::encode(Sha256::digest(state)) != sealed.sha256 {
        return Err(Unusable::Altered);
    }
    Ok((sealed.header, state))
}

/// The state itself.
pub(super) fn state<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unusable> {
    serde_json::from_slice(text).map_err(Unusable::Misfit)
}
