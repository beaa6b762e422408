//! Log files: one folder per log group, one file per log stream, as CloudWatch Logs names them.
//!
//! A child writes straight into its file, so nothing is read, copied or lost in between, and the
//! last lines are there before the process has answered.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crate::private;

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
        LogStream::open(folder.join(format!("{name}.log")))
    }
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
}

impl LogStream {
    fn open(path: PathBuf) -> io::Result<Self> {
        let file = private::options().create(true).append(true).open(&path)?;
        Ok(LogStream { path, file })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A handle that a child can write to.
    pub fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Appends one line. A full disk must not stop a pipeline, so a failure is only traced.
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
