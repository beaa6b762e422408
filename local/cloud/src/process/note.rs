//! Notes of processes that must not outlive the local cloud. One that is killed ends nobody, so the next one looks for
//! what is left: a function's environment would go on with an event that is delivered again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::private;

/// A process that runs: a file with its id as the name, and what tells it from later processes of that id inside.
#[derive(Debug)]
pub(super) struct Note(PathBuf);

impl Note {
    /// Notes a process; dropping the note takes it back.
    pub(super) fn write(folder: &Path, pid: Pid) -> io::Result<Self> {
        let note = Note(folder.join(pid.as_raw_nonzero().to_string()));
        private::write(&note.0, identity(pid).unwrap_or_default().as_bytes())?;
        Ok(note)
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // A note that stays is one of a process that has ended, which the next local cloud finds out.
        let _ = fs::remove_file(&self.0);
    }
}

/// Ends every noted process with all that it started, and forgets the notes.
pub(super) fn end_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let pid = name.and_then(|name| Pid::from_raw(name.parse().ok()?));
        if let Some(pid) = pid
            && let Some(identity) = identity(pid)
            && fs::read_to_string(&path)? == identity
        {
            tracing::warn!(%pid, "an earlier local cloud was killed and left this process behind: it is ended");
            // ESRCH: it has ended meanwhile.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        fs::remove_file(&path)?;
    }
    Ok(())
}

/// Boot and time of start; none where there is no such process, or no `/proc`.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>
fn identity(pid: Pid) -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    // The second field is the program's name, which may hold anything; the start is the 22nd.
    let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{} {started}", boot.trim()))
}
