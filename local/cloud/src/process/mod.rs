//! Child processes: function environments and the workers that stand for containers.
//!
//! Every child leads its own process group, so that it can be stopped with all that it started,
//! and a supervisor task waits for it: its end is known at once, nobody polls.
//!
//! A process with a [`Record`] outlives a crash of the local cloud: the next one finds it, or how
//! it ended, by the record. An orderly end stops it, and the next one starts it again. A process
//! without one is ended by the next local cloud if a crash of this one has left it.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::logs::LogStream;
use crate::private;
use crate::work::Work;
use stack::Env;

mod note;
mod record;
use note::Note;
use record::Found;
pub use record::Record;

/// How long children may take to end after SIGTERM when the local cloud shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// Exit code of a process that SIGKILL ended.
const KILLED: i32 = 137;

/// A process to start.
#[derive(Debug)]
pub struct Spec {
    /// Path of the program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Env,
    /// The folder it begins in; none is that of the local cloud.
    pub folder: Option<PathBuf>,
    /// Resident memory, MiB, above which the process is killed.
    pub memory_mib: Option<u64>,
    /// Time after which the process is stopped.
    pub timeout: Option<Duration>,
    /// Time between SIGTERM and SIGKILL when it is stopped.
    pub grace: Duration,
    /// Where its id and its exit code are kept.
    pub record: Option<Record>,
}

/// Why a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// By itself, or by a signal from outside.
    Itself,
    /// It used more memory than its limit.
    OutOfMemory,
    /// It ran longer than its limit.
    TimedOut,
    /// It was stopped on request.
    Stopped,
    /// The local cloud shuts down: the process is to be started again by the next one.
    Shutdown,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Exit code; 128 + signal where a signal ended it, as container runtimes report.
    pub code: i32,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Why it ended.
    pub cause: Cause,
}

impl Exit {
    fn new((code, signal): (Option<i32>, Option<i32>), cause: Cause) -> Self {
        Exit {
            code: code.unwrap_or(128 + signal.unwrap_or(0)),
            signal,
            cause,
        }
    }
}

/// Where the local cloud is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    /// What an earlier one has left is being looked through.
    #[default]
    Starting,
    Open,
    /// Every child is being stopped.
    Closing,
}

/// Starts children and stops them all at the end.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    /// What is under way, for the virtual clock.
    pub work: Work,
    supervisors: Arc<Mutex<JoinSet<()>>>,
    phase: watch::Sender<Phase>,
    /// Where processes without a record are noted.
    notes: Option<Arc<Path>>,
}

/// A running child. Clones refer to the same process; dropping them does not stop it.
#[derive(Debug, Clone)]
pub struct Process {
    /// Unknown of a process that had ended before it was found again.
    pid: Option<Pid>,
    stop: mpsc::UnboundedSender<(Cause, Duration)>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Processes {
    /// Ends what a killed local cloud has left behind, by its notes in `folder`, and notes there what it starts itself.
    pub fn noted_in(folder: PathBuf) -> io::Result<Self> {
        private::create_dir_all(&folder)?;
        note::end_all(&folder)?;
        Ok(Processes {
            notes: Some(folder.into()),
            ..Processes::default()
        })
    }

    /// Whether all children are being stopped.
    pub fn is_closing(&self) -> bool {
        *self.phase.borrow() == Phase::Closing
    }

    /// Lets the work begin that waits in [`Processes::while_open`].
    pub fn open(&self) {
        self.phase.send_if_modified(|phase| {
            let waits = *phase == Phase::Starting;
            if waits {
                *phase = Phase::Open;
            }
            waits
        });
    }

    /// Does work that somebody waits for on the outside: begins once the local cloud is open, and is
    /// dropped as it is when that closes. What is recorded then is what a kill would have left.
    pub async fn while_open(&self, work: impl Future<Output = ()>) {
        let mut phase = self.phase.subscribe();
        // Errors mean that the sender has gone, and there is one in `self`.
        let _ = phase.wait_for(|phase| *phase != Phase::Starting).await;
        tokio::select! {
            // First: a process that ends now ends because everything does.
            biased;
            _ = phase.wait_for(|phase| *phase == Phase::Closing) => {}
            () = work => {}
        }
    }

    /// Starts a process with stdout and stderr appended to `log`. One that was started before
    /// under the same record is taken up again instead, also if it has ended meanwhile.
    pub fn spawn(&self, mut spec: Spec, log: &LogStream) -> io::Result<Process> {
        // Held to the end: a process is either seen by `shutdown`, or not started.
        let mut supervisors = self.supervisors();
        if self.is_closing() {
            return Err(io::Error::other("the local cloud is shutting down"));
        }
        if let Some(record) = &spec.record {
            match record.find()? {
                Found::Nothing => {}
                Found::Ended(code) => return Ok(Process::ended(code)),
                Found::Running(left) => {
                    let running = Running::adopt(left.process, record.clone());
                    spec.timeout = spec.timeout.map(|limit| limit.saturating_sub(left.since));
                    return Ok(self.supervise(&mut supervisors, running, left.pid, spec, None));
                }
            }
        }
        let (program, args) = match &spec.record {
            None => (spec.program.clone(), spec.args.clone()),
            Some(record) => record.wrap(&spec.program, &spec.args)?,
        };
        let mut command = Command::new(program);
        if let Some(folder) = &spec.folder {
            command.current_dir(folder);
        }
        let child = command
            .args(args)
            .env_clear()
            .envs(&spec.env)
            .stdin(Stdio::null())
            .stdout(log.handle()?)
            .stderr(log.handle()?)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child
            .id()
            .and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
            .ok_or_else(|| io::Error::other("the process has no id"))?;
        let unrecorded = self.notes.as_deref().filter(|_| spec.record.is_none());
        let note = unrecorded
            .map(|folder| Note::write(folder, pid))
            .transpose()?;
        Ok(self.supervise(&mut supervisors, Running::Child(child), pid, spec, note))
    }

    fn supervisors(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.supervisors.lock()
    }

    fn supervise(
        &self,
        supervisors: &mut JoinSet<()>,
        running: Running,
        pid: Pid,
        spec: Spec,
        note: Option<Note>,
    ) -> Process {
        let (stop, stops) = mpsc::unbounded_channel();
        let (exited, exit) = watch::channel(None);
        let supervisor = Supervisor {
            running,
            group: Group(pid),
            stops,
            phase: self.phase.subscribe(),
            spec,
            _note: note,
        };
        while supervisors.try_join_next().is_some() {}
        supervisors.spawn(async move {
            let end = supervisor.run().await;
            exited.send_replace(Some(end));
        });
        Process {
            pid: Some(pid),
            stop,
            exit,
        }
    }

    /// Stops every child (SIGTERM, SIGKILL two seconds later) and waits until all have ended. Their
    /// records are removed, so that the next local cloud starts them again.
    pub async fn shutdown(&self) {
        let mut supervisors = {
            let mut supervisors = self.supervisors();
            self.phase.send_replace(Phase::Closing);
            std::mem::take(&mut *supervisors)
        };
        while supervisors.join_next().await.is_some() {}
    }
}

impl Process {
    /// A process that ended while nobody watched.
    fn ended(code: i32) -> Self {
        let exit = Exit {
            code,
            signal: (code > 128).then_some(code - 128),
            cause: Cause::Itself,
        };
        Process {
            pid: None,
            stop: mpsc::unbounded_channel().0,
            exit: watch::channel(Some(exit)).1,
        }
    }

    /// Process id, unless it ended before it was found again.
    pub fn pid(&self) -> Option<i32> {
        self.pid.map(|pid| pid.as_raw_nonzero().get())
    }

    /// How it ended, if it has.
    pub fn exit(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for the end.
    pub async fn exited(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await.map(|end| *end) {
            Ok(Some(end)) => end,
            // The supervisor went away with the runtime: the process was killed with it.
            Ok(None) | Err(_) => Exit {
                code: KILLED,
                signal: Some(9),
                cause: Cause::Stopped,
            },
        }
    }

    /// SIGTERM, then SIGKILL after `grace` (at once if it is zero).
    pub fn stop(&self, grace: Duration) {
        // An error means that it has ended already.
        let _ = self.stop.send((Cause::Stopped, grace));
    }

    /// SIGKILL from outside, as the kernel or a person would.
    pub fn kill(&self) {
        let _ = self.stop.send((Cause::Itself, Duration::ZERO));
    }

    /// Where its peak memory can be read, again and again.
    pub fn peak_memory(&self) -> PeakMemory {
        let status = |pid| File::open(status_of(pid)).ok();
        PeakMemory(self.pid().and_then(status))
    }
}

/// The peak resident memory of a process.
#[derive(Debug)]
pub struct PeakMemory(Option<File>);

impl PeakMemory {
    /// So far, MiB; `None` once the process has ended.
    pub fn mib(&self) -> Option<u64> {
        let mut bytes = [0; 4_096];
        let length = self.0.as_ref()?.read_at(&mut bytes, 0).ok()?;
        let text = std::str::from_utf8(&bytes[..length]).ok()?;
        field_kib(text, "VmHWM:").map(|kib| kib.div_ceil(1_024))
    }
}

/// Kills what is left of a process group when dropped.
#[derive(Debug)]
struct Group(Pid);

impl Group {
    fn signal(&self, signal: Signal) {
        // ESRCH: nobody is left, which is what we want.
        let _ = kill_process_group(self.0, signal);
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// A running process, ours or one that an earlier local cloud started.
#[derive(Debug)]
enum Running {
    Child(Child),
    Adopted {
        /// Resolves when the process ends.
        end: oneshot::Receiver<()>,
        record: Record,
    },
}

impl Running {
    fn adopt(process: OwnedFd, record: Record) -> Self {
        let (ended, end) = oneshot::channel();
        // A thread of its own: there are few such processes, and only after a crash.
        std::thread::spawn(move || {
            let mut watched = [PollFd::new(&process, PollFlags::IN)];
            while let Err(Errno::INTR) = poll(&mut watched, None) {}
            // Nobody may be waiting any more.
            let _ = ended.send(());
        });
        Running::Adopted { end, record }
    }

    /// Waits for the end: exit code and signal.
    async fn wait(&mut self) -> (Option<i32>, Option<i32>) {
        match self {
            Running::Child(child) => match child.wait().await {
                Ok(status) => (status.code(), status.signal()),
                Err(_) => (None, None),
            },
            Running::Adopted { end, record } => {
                // An error means that the process cannot be watched; it counts as ended.
                let _ = end.await;
                match record.exit_code() {
                    Some(code) => (Some(code), None),
                    None => (None, Some(Signal::KILL.as_raw())),
                }
            }
        }
    }
}

struct Supervisor {
    running: Running,
    group: Group,
    stops: mpsc::UnboundedReceiver<(Cause, Duration)>,
    phase: watch::Receiver<Phase>,
    spec: Spec,
    /// Taken back after the group is killed: fields are dropped in their order.
    _note: Option<Note>,
}

impl Supervisor {
    async fn run(mut self) -> Exit {
        let pid = self.group.0.as_raw_nonzero().get();
        let mut cause = None;
        let mut closing = false;
        let mut kill_at = None;
        let mut term_at = self.spec.timeout.map(|limit| Instant::now() + limit);
        let mut look_at = self.spec.memory_mib.map(|_| Instant::now() + LOOK_SOON);
        let status = loop {
            let (stop_cause, grace) = tokio::select! {
                // First the end: what ended by itself is not to be started again.
                biased;
                status = self.running.wait() => break status,
                Some(stop) = self.stops.recv() => stop,
                Ok(_) = self.phase.wait_for(|phase| *phase == Phase::Closing), if !closing => {
                    closing = true;
                    if let Some(record) = &self.spec.record
                        && !record.begin_stop(self.group.0)
                    {
                        // It has ended by itself, which is heard of in a moment.
                        continue;
                    }
                    (Cause::Shutdown, SHUTDOWN_GRACE.min(self.spec.grace))
                }
                () = at(term_at) => {
                    term_at = None;
                    (Cause::TimedOut, self.spec.grace)
                }
                () = at(kill_at) => {
                    kill_at = None;
                    self.group.signal(Signal::KILL);
                    continue;
                }
                () = at(look_at) => {
                    look_at = next_look(pid, self.spec.memory_mib).map(|next| Instant::now() + next);
                    if look_at.is_some() {
                        continue;
                    }
                    (Cause::OutOfMemory, Duration::ZERO)
                }
            };
            // The first cause is the one that is reported; a later stop may only hasten the end.
            cause.get_or_insert(stop_cause);
            if grace.is_zero() {
                self.group.signal(Signal::KILL);
            } else {
                self.group.signal(Signal::TERM);
                let at = Instant::now() + grace;
                kill_at = Some(kill_at.map_or(at, |earlier: Instant| earlier.min(at)));
            }
        };
        let cause = cause.unwrap_or(Cause::Itself);
        if let (Cause::Shutdown, Some(record)) = (cause, &self.spec.record) {
            record.remove();
        }
        Exit::new(status, cause)
    }
}

/// Between looks at a process that uses a good part of its memory. There is no notification
/// without cgroups, which a user may not create everywhere.
const LOOK_SOON: Duration = Duration::from_millis(20);
/// Between looks at a process far below its limit.
const LOOK_LATER: Duration = Duration::from_millis(100);

/// Looks at the resident memory of a process and its descendants; the time until the next look, `None` when the limit is exceeded.
fn next_look(pid: i32, memory_mib: Option<u64>) -> Option<Duration> {
    let limit_kib = memory_mib.unwrap_or(u64::MAX).saturating_mul(1_024);
    match resident_kib(pid) {
        rss if rss > limit_kib => None,
        rss if rss > limit_kib / 4 => Some(LOOK_SOON),
        _ => Some(LOOK_LATER),
    }
}

/// Resident memory of a process and its descendants, KiB.
fn resident_kib(pid: i32) -> u64 {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    let children = children.unwrap_or_default();
    let children = children
        .split_whitespace()
        .filter_map(|child| child.parse().ok());
    status_field_kib(pid, "VmRSS:").unwrap_or(0) + children.map(resident_kib).sum::<u64>()
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A field of `/proc/<pid>/status` in KiB.
fn status_field_kib(pid: i32, field: &str) -> Option<u64> {
    field_kib(&std::fs::read_to_string(status_of(pid)).ok()?, field)
}

fn field_kib(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn status_of(pid: i32) -> String {
    format!("/proc/{pid}/status")
}

#[cfg(test)]
mod tests;
