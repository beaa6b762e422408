//! Log files: one folder per log group, one file per log stream, as CloudWatch Logs names them.
//!
//! A child writes straight into its file, so nothing is read, copied or lost in between, and the
//! last lines are there before the process has answered. Beside the streams of a group lies an index of their names,
//! and beside each stream the moments at which it had come so far, from which the reads of CloudWatch Logs take the
//! times of its lines.

mod api;
mod filter;
mod read;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::private;
use crate::time::now;

pub use api::LogsApi;
pub use read::{Line, Stored};

/// Name of a group's index.
const INDEX: &str = "streams.jsonl";

/// A stream, as the index of its group has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Indexed {
    group: String,
    stream: String,
    /// Name of the file.
    file: String,
    /// Milliseconds since the Unix epoch.
    created: i64,
}

/// The folder of all log groups.
#[derive(Debug, Clone)]
pub struct Logs {
    root: PathBuf,
}

impl Logs {
    /// Logs under `root`; folders are made when the first stream opens.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Logs { root: root.into() }
    }

    /// Opens a stream for appending. Group `/aws/lambda/f`, stream `2026/11/24/[$LATEST]ab` become
    /// `<root>/aws/lambda/f/2026-11-24-ab.log`.
    pub fn stream(&self, group: &str, stream: &str) -> io::Result<LogStream> {
        let folder = self.root.join(plain(group.trim_start_matches('/'), true));
        private::create_dir_all(&folder)?;
        let name = plain(&stream.replace("[$LATEST]", "").replace('/', "-"), false);
        let file = format!("{name}.log");
        let path = folder.join(&file);
        if !path.exists() {
            let indexed = Indexed {
                group: group.to_owned(),
                stream: stream.to_owned(),
                file,
                created: now().0 / 1_000,
            };
            let line = format!("{}\n", serde_json::to_string(&indexed)?);
            append(&folder.join(INDEX), line.as_bytes())?;
        }
        LogStream::open(path)
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    open(path)?.write_all(bytes)
}

/// A file that is appended to, made where it is not there yet.
fn open(path: &Path) -> io::Result<File> {
    private::options().create(true).append(true).open(path)
}

/// Where the moments of a stream are.
fn marks_of(path: &Path) -> PathBuf {
    path.with_extension("times")
}

/// Keeps what is safe in a file name.
fn plain(text: &str, slashes: bool) -> String {
    text.replace("..", "_")
        .chars()
        .map(|c| match c {
            '/' if slashes => c,
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => c,
            _ => '_',
        })
        .collect()
}

/// One append-only log file.
#[derive(Debug)]
pub struct LogStream {
    path: PathBuf,
    file: File,
    marks: File,
}

impl LogStream {
    fn open(path: PathBuf) -> io::Result<Self> {
        let (file, marks) = (open(&path)?, open(&marks_of(&path))?);
        let stream = LogStream { path, file, marks };
        stream.mark();
        Ok(stream)
    }

    /// Notes that it has come so far now, and answers how far, in bytes. Without it the times of its lines are less
    /// exact, so a failure is only traced.
    pub fn mark(&self) -> u64 {
        let length = self.len();
        let mark = format!("{length} {}\n", now().0 / 1_000);
        if let Err(error) = (&self.marks).write_all(mark.as_bytes()) {
            tracing::warn!(path = %self.path.display(), %error, "a mark of the log was not kept");
        }
        length
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle that a child can write to.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends one line, or several with line ends between them. A full disk must not stop a pipeline, so a failure is only traced.
    pub fn line(&self, text: &str) {
        if let Err(error) = (&self.file).write_all(format!("{text}\n").as_bytes()) {
            tracing::warn!(path = %self.path.display(), %error, "log line lost");
        }
    }

    /// Bytes written so far.
    pub fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |m| m.len())
    }

    /// Whether nothing was written yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// At most the last `limit` bytes written since offset `from`.
    pub fn tail(&self, from: u64, limit: u64) -> Vec<u8> {
        let read = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&self.path)?;
            let start = from.max(file.metadata()?.len().saturating_sub(limit));
            file.seek(SeekFrom::Start(start))?;
            let mut bytes = Vec::new();
            file.take(limit).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        read().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_file_named_after_its_group() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path());
        let stream = logs
            .stream("/aws/lambda/f", "2026/11/24/[$LATEST]ab")
            .unwrap();
        assert_eq!(
            stream.path(),
            dir.path().join("aws/lambda/f/2026-11-24-ab.log")
        );
        stream.line("one");
        let mark = stream.len();
        stream.line("two");
        stream.line("three");
        assert_eq!(stream.tail(mark, 4_096), b"two\nthree\n");
        assert_eq!(stream.tail(mark, 6), b"three\n");
    }

    #[test]
    fn a_group_cannot_leave_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let stream = Logs::new(dir.path()).stream("/../../x", "../y").unwrap();
        assert!(stream.path().starts_with(dir.path()));
        assert!(!stream.path().to_string_lossy().contains(".."));
    }
}
