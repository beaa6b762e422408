//! The data folder: one local cloud at a time works on it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use cloud::compute::ComputeError;
use cloud::private;

use crate::errors::SfnError;

/// Why the local cloud cannot start.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The data folder cannot be made.
    #[error("cannot use the data folder {}: {source}", path.display())]
    Data {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another local cloud works on the same folder.
    #[error("{} is in use by another local cloud; stop it, or choose another folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The port is taken, or may not be used.
    #[error("cannot listen on 127.0.0.1:{port}: {source}; choose another port")]
    Listen {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// A part of the stack cannot run.
    #[error(transparent)]
    Compute(#[from] ComputeError),
    /// The state machines or their history cannot be used.
    #[error(transparent)]
    StepFunctions(#[from] SfnError),
}

/// The file that is locked while the data folder is in use.
const LOCK: &str = "lock";
/// The history's file.
pub(crate) const DATABASE: &str = "stepfunctions.db";
/// The files of the history.
pub(crate) const DATABASE_FILES: &[&str] =
    &[DATABASE, "stepfunctions.db-wal", "stepfunctions.db-shm"];

/// Two local clouds on one folder would run every execution twice. The lock ends with this process,
/// however it ends.
pub(crate) fn lock_folder(path: &Path) -> Result<File, CloudError> {
    let data = |source| CloudError::Data {
        path: path.to_owned(),
        source,
    };
    let mut entries = vec![LOCK, "s3", "logs", "workers", "ecs", "batch"];
    entries.extend(DATABASE_FILES);
    private::data_folder(path, &entries).map_err(data)?;
    let lock = private::create(&path.join(LOCK)).map_err(data)?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(CloudError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(data(source)),
    }
}
