//! What is in the log files: groups, streams and lines with their times.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{INDEX, Indexed, Logs, append, marks_of};

/// How long the last line may lack its end before it counts as a line.
const UNFINISHED: Duration = Duration::from_secs(1);

/// A stream that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its group.
    pub group: String,
    /// Its name in the group.
    pub name: String,
    /// When it was made, milliseconds since the Unix epoch.
    pub created: i64,
    path: PathBuf,
}

/// One line of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The line without its end.
    pub message: String,
    /// Where it begins and where the next one does, in bytes.
    pub from: u64,
    /// As `from`.
    pub to: u64,
}

/// The moment at which a stream had come so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    offset: u64,
    millis: i64,
}

impl Logs {
    /// Every stream, in the order of groups and names.
    pub fn stored(&self) -> Vec<Stored> {
        let mut found = Vec::new();
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if entry.file_name() == INDEX {
                    found.extend(read_index(&path));
                }
            }
        }
        found.sort_by(|a, b| (&a.group, &a.name).cmp(&(&b.group, &b.name)));
        found
    }
}

/// The streams of an index whose files are still there.
fn read_index(index: &Path) -> Vec<Stored> {
    let text = fs::read_to_string(index).unwrap_or_default();
    let streams = text.lines().filter_map(|line| {
        // A line that a kill has cut off names a stream that has nothing in it.
        let indexed: Indexed = serde_json::from_str(line).ok()?;
        let path = index.with_file_name(&indexed.file);
        path.exists().then_some(Stored {
            group: indexed.group,
            name: indexed.stream,
            created: indexed.created,
            path,
        })
    });
    streams.collect()
}

impl Stored {
    /// How long it is.
    pub fn bytes(&self) -> u64 {
        fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// When it was last written to; `None` if it is empty.
    pub fn last_written(&self) -> Option<i64> {
        let file = fs::metadata(&self.path).ok()?;
        (file.len() > 0).then(|| file.modified().map_or(self.created, millis))
    }

    /// Its lines. The time of a line lies between those of the marks around it, by its place.
    pub fn lines(&self) -> Vec<Line> {
        let Ok(bytes) = fs::read(&self.path) else {
            return Vec::new();
        };
        let modified = fs::metadata(&self.path).and_then(|file| file.modified());
        let modified = modified.unwrap_or(UNIX_EPOCH);
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            _ if modified.elapsed().unwrap_or_default() > UNFINISHED => bytes.len(),
            Some(last) => last + 1,
            None => 0,
        };
        let marks = self.marks(end as u64, millis(modified));
        let mut lines = Vec::new();
        let mut from = 0;
        for line in bytes[..end].split_inclusive(|byte| *byte == b'\n') {
            let to = from + line.len() as u64;
            let text = String::from_utf8_lossy(line);
            lines.push(Line {
                timestamp: time_at(&marks, from).unwrap_or(self.created),
                message: text.trim_end_matches(['\n', '\r']).to_owned(),
                from,
                to,
            });
            from = to;
        }
        lines
    }

    /// The marks, with one more at the end: what has been shown once keeps its time, however the stream goes on.
    fn marks(&self, end: u64, modified: i64) -> Vec<Mark> {
        let path = marks_of(&self.path);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let parse = |line: &str| {
            let (offset, millis) = line.split_once(' ')?;
            Some(Mark {
                offset: offset.parse().ok()?,
                millis: millis.parse().ok()?,
            })
        };
        let mut marks: Vec<Mark> = text.lines().filter_map(parse).collect();
        let last = marks.last().copied();
        if last.is_none_or(|last| last.offset < end) {
            let mark = Mark {
                offset: end,
                millis: last.map_or(modified, |last| modified.max(last.millis)),
            };
            marks.push(mark);
            // Not kept on a full disk, where the times are then less steady.
            let _ = append(
                &path,
                format!("{} {}\n", mark.offset, mark.millis).as_bytes(),
            );
        }
        marks
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The time at a place, between the marks before and after it.
fn time_at(marks: &[Mark], offset: u64) -> Option<i64> {
    let after = marks.partition_point(|mark| mark.offset <= offset);
    let before = marks[..after].last().copied();
    match (before, marks.get(after)) {
        (Some(before), Some(after)) => {
            let share = (offset - before.offset) as f64 / (after.offset - before.offset) as f64;
            let spent = (after.millis - before.millis) as f64;
            Some(before.millis + (spent * share) as i64)
        }
        (Some(one), None) => Some(one.millis),
        (None, after) => after.map(|after| after.millis),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_their_names_and_lines_their_times() {
        let dir = tempfile::tempdir().unwrap();
        let logs = Logs::new(dir.path());
        let stream = logs.stream("/aws/lambda/f", "2026/11/24/[7]ab").unwrap();
        stream.line("one");
        stream.line("two");
        drop(logs.stream("/aws/lambda/f", "2026/11/24/[7]ab").unwrap());
        logs.stream("tasks", "worker/main/1").unwrap();
        let stored = logs.stored();
        let names: Vec<_> = stored
            .iter()
            .map(|one| (one.group.as_str(), one.name.as_str()))
            .collect();
        assert_eq!(
            names,
            [
                ("/aws/lambda/f", "2026/11/24/[7]ab"),
                ("tasks", "worker/main/1")
            ]
        );
        let lines = stored[0].lines();
        let messages: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
        assert_eq!(messages, ["one", "two"]);
        stream.line("three");
        assert_eq!(
            stored[0].lines()[..2],
            lines,
            "what was shown keeps its time"
        );
        assert_eq!(stored[1].last_written(), None);
    }

    #[test]
    fn a_time_lies_between_the_marks_around_it() {
        let mark = |offset, millis| Mark { offset, millis };
        let marks = [mark(0, 100), mark(10, 200), mark(10, 900), mark(20, 1_000)];
        for (offset, expected) in [
            (0, 100),
            (5, 150),
            (10, 900),
            (15, 950),
            (20, 1_000),
            (99, 1_000),
        ] {
            assert_eq!(time_at(&marks, offset), Some(expected), "{offset}");
        }
        assert_eq!(time_at(&[], 1), None);
    }
}
