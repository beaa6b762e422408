//! The record of a process: by it a later local cloud finds the process, or how it ended.
//!
//! A shell stands before the program, for somebody must note the exit code when nobody waits.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::private;

/// Notes its own id before the program runs and the exit code after; a program whose start cannot be
/// noted does not run. Until there is a program SIGTERM, which goes to the whole group, ends the shell:
/// trapped earlier, it would be lost between them, and the program run to its end. From then on the shell
/// outlives it. It keeps its notes from other users, and its own words about signals out of the log.
const SHELL: &str = r#"mask=$(umask)
umask 077
record=$1
shift
echo $$ > "$record.pid" || exit 125
exec 3>&2 2>/dev/null
( umask "$mask"; exec "$@" 2>&3 3>&- ) &
trap : TERM INT HUP
# A signal ends the wait, not the program.
while wait $!; code=$?; kill -0 $!; do :; done
echo $code > "$record.exit"
exit $code
"#;

/// Path, without extension, of the files in which a process is recorded.
#[derive(Debug, Clone)]
pub struct Record(PathBuf);

/// What a record tells.
#[derive(Debug)]
pub(super) enum Found {
    /// It was never started.
    Nothing,
    /// It runs.
    Running(Left),
    /// It has ended with this code; 137 if it did not live to note one.
    Ended(i32),
}

/// A process that an earlier local cloud started, and that runs.
#[derive(Debug)]
pub(super) struct Left {
    /// The shell, which leads the process group.
    pub(super) pid: Pid,
    /// Time since its start.
    pub(super) since: Duration,
    /// The process itself, whoever may bear its id later.
    pub(super) process: OwnedFd,
}

impl Record {
    /// A record of this name, which is unique in the folder.
    pub fn new(folder: &Path, name: &str) -> Self {
        Record(folder.join(name))
    }

    /// Program and arguments that run the given ones and note what comes of them.
    pub(super) fn wrap(
        &self,
        program: &Path,
        args: &[String],
    ) -> io::Result<(PathBuf, Vec<String>)> {
        if let Some(folder) = self.0.parent() {
            private::create_dir_all(folder)?;
        }
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut wrapped = vec![
            "-c".to_owned(),
            SHELL.to_owned(),
            "worker".to_owned(),
            text(&self.0),
            text(program),
        ];
        wrapped.extend(args.iter().cloned());
        Ok(("/bin/sh".into(), wrapped))
    }

    /// Whether the process was started, and not forgotten since.
    pub fn is_known(&self) -> bool {
        // An error tells of a process that cannot be watched: it is there.
        !matches!(self.find(), Ok(Found::Nothing))
    }

    /// Notes that the local cloud is about to stop the process, so that the end that follows does not
    /// count as its own, even if the local cloud is killed meanwhile. False if it has ended before; the shell
    /// that leads its group may not have noted that yet.
    pub(super) fn begin_stop(&self, shell: Pid) -> bool {
        let stopping = self.file("stopping");
        // Without the note a kill within the next two seconds would tell the stop as the process's own end.
        if let Err(error) = private::write(&stopping, b"") {
            tracing::warn!(%error, path = %stopping.display(), "cannot note that a process is stopped");
        }
        // Before the shell has noted its id it has no program, but may have had a child of its own.
        let begun = self.file("pid").exists();
        let ended = self.exit_code().is_some() || begun && program_has_ended(shell);
        if ended {
            let _ = fs::remove_file(stopping);
        }
        !ended
    }

    /// What became of the process. One that an orderly stop had begun on is ended and forgotten: it is
    /// to start again.
    pub(super) fn find(&self) -> io::Result<Found> {
        let pid = read_number(&self.file("pid")).and_then(Pid::from_raw);
        if self.file("stopping").exists() {
            if let Some(pid) = pid.filter(|pid| self.is_of(*pid)) {
                // ESRCH: it has ended meanwhile.
                let _ = kill_process_group(pid, Signal::KILL);
            }
            self.remove();
            return Ok(Found::Nothing);
        }
        if let Some(code) = self.exit_code() {
            return Ok(Found::Ended(code));
        }
        let Some(pid) = pid else {
            return Ok(Found::Nothing);
        };
        Ok(match self.left(pid)? {
            Some(left) => Found::Running(left),
            // It may have noted its end just now.
            None => Found::Ended(self.exit_code().unwrap_or(super::KILLED)),
        })
    }

    /// The process that bears this id, if it is still the one of the record.
    fn left(&self, pid: Pid) -> io::Result<Option<Left>> {
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // Looked at with the process in hand, so that both are of one process.
        if !self.is_of(pid) {
            return Ok(None);
        }
        let started = fs::metadata(self.file("pid")).and_then(|file| file.modified());
        let since = started.ok().and_then(|at| at.elapsed().ok());
        Ok(Some(Left {
            pid,
            since: since.unwrap_or_default(),
            process,
        }))
    }

    /// The exit code that was noted.
    pub(super) fn exit_code(&self) -> Option<i32> {
        read_number(&self.file("exit"))
    }

    /// Whether the process with this id is the one of the record, and not a later one that was
    /// given the same id.
    fn is_of(&self, pid: Pid) -> bool {
        let pid = pid.as_raw_nonzero();
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let name = self.0.as_os_str();
        line.split(|byte| *byte == 0)
            .any(|argument| OsStr::new(&*String::from_utf8_lossy(argument)) == name)
    }

    /// Forgets the process.
    pub fn remove(&self) {
        // What is not there needs no removing.
        let _ = fs::remove_file(self.file("pid"));
        let _ = fs::remove_file(self.file("exit"));
        // Last: while it is there, the others mean nothing.
        let _ = fs::remove_file(self.file("stopping"));
    }

    fn file(&self, extension: &str) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".");
        path.push(extension);
        path.into()
    }
}

/// Whether the program that this shell waits for has ended, and the shell has not heard of it yet.
fn program_has_ended(shell: Pid) -> bool {
    let shell = shell.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
    let children = children.unwrap_or_default();
    let mut children = children
        .split_whitespace()
        .filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .peekable();
    children.peek().is_some() && children.all(has_ended)
}

fn has_ended(pid: Pid) -> bool {
    let at_once = Timespec::default();
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(process) => {
            let watched = &mut [PollFd::new(&process, PollFlags::IN)];
            poll(watched, Some(&at_once)).is_ok_and(|ready| ready > 0)
        }
        Err(error) => error == Errno::SRCH,
    }
}

fn read_number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Child, Command, Stdio};

    use super::*;

    #[test]
    fn an_end_counts_as_the_process_own_unless_a_stop_came_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let note = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();

        note("ended.pid", "1");
        note("ended.exit", "3\n");
        let without_children = Pid::from_raw(i32::MAX).unwrap();
        let ended = Record::new(folder.path(), "ended");
        assert!(!ended.begin_stop(without_children));
        assert!(matches!(ended.find(), Ok(Found::Ended(3))));

        note("stopped.pid", "1");
        let stopped = Record::new(folder.path(), "stopped");
        assert!(stopped.begin_stop(without_children));
        // The local cloud is killed before it has seen the end.
        note("stopped.exit", "143\n");
        assert!(matches!(stopped.find(), Ok(Found::Nothing)));
        assert!(!stopped.is_known());
    }

    /// A program in place of its shell, with a child of the shell that has ended and that nobody waits for.
    fn with_an_ended_child() -> Child {
        loop {
            let mut shell = Command::new("sh")
                .args(["-c", "true & echo $!; exec cat"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut told = BufReader::new(shell.stdout.take().unwrap());
            let mut line = String::new();
            told.read_line(&mut line).unwrap();
            let child = Pid::from_raw(line.trim().parse().unwrap()).unwrap();
            // What comes back says that the shell is no more.
            let asked = shell.stdin.as_mut().unwrap();
            asked.write_all(b"begun\n").unwrap();
            told.read_line(&mut line).unwrap();
            // The shell may have been quick enough to take note of the end; another one will not.
            if let Ok(end) = pidfd_open(child, PidfdFlags::empty()) {
                poll(&mut [PollFd::new(&end, PollFlags::IN)], None).unwrap();
                return shell;
            }
            shell.kill().unwrap();
            shell.wait().unwrap();
        }
    }

    /// The shell has children of its own while it begins.
    #[test]
    fn what_has_no_program_yet_has_not_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut shell = with_an_ended_child();
        let pid = Pid::from_child(&shell);
        let record = Record::new(folder.path(), "begins");
        assert!(record.begin_stop(pid));
        fs::write(folder.path().join("begins.pid"), pid.to_string()).unwrap();
        assert!(!record.begin_stop(pid));
        shell.kill().unwrap();
        shell.wait().unwrap();
    }
}
