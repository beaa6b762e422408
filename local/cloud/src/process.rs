//! Child processes: function environments and the workers that stand for containers.
//!
//! Every child leads its own process group, so that it can be stopped with all that it started,
//! and a supervisor task waits for it: its end is known at once, nobody polls.

use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::logs::LogStream;
use crate::stack::Env;

/// How long children may take to end after SIGTERM when the local cloud shuts down.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(2);

/// A process to start.
#[derive(Debug)]
pub struct Spec {
    /// Path of the program.
    pub program: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Env,
    /// Resident memory, MiB, above which the process is killed.
    pub memory_mib: Option<u64>,
    /// Time after which the process is stopped.
    pub timeout: Option<Duration>,
    /// Time between SIGTERM and SIGKILL when it is stopped.
    pub grace: Duration,
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
    fn new(status: io::Result<ExitStatus>, cause: Cause) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let (code, signal) = match status {
            Ok(status) => (status.code(), status.signal()),
            Err(_) => (None, None),
        };
        Exit {
            code: code.unwrap_or(128 + signal.unwrap_or(0)),
            signal,
            cause,
        }
    }
}

/// Starts children and stops them all at the end.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    supervisors: Arc<Mutex<JoinSet<()>>>,
    closing: watch::Sender<bool>,
}

/// A running child. Clones refer to the same process; dropping them does not stop it.
#[derive(Debug, Clone)]
pub struct Process {
    pid: Pid,
    stop: mpsc::UnboundedSender<(Cause, Duration)>,
    exit: watch::Receiver<Option<Exit>>,
}

impl Processes {
    /// Starts a process with stdout and stderr appended to `log`.
    pub fn spawn(&self, spec: Spec, log: &LogStream) -> io::Result<Process> {
        if *self.closing.borrow() {
            return Err(io::Error::other("the local cloud is shutting down"));
        }
        let child = Command::new(&spec.program)
            .args(&spec.args)
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
        let (stop, stops) = mpsc::unbounded_channel();
        let (exited, exit) = watch::channel(None);
        let supervisor = Supervisor {
            child,
            group: Group(pid),
            stops,
            closing: self.closing.subscribe(),
            spec,
        };
        let mut supervisors = self
            .supervisors
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while supervisors.try_join_next().is_some() {}
        supervisors.spawn(async move {
            let end = supervisor.run().await;
            exited.send_replace(Some(end));
        });
        Ok(Process { pid, stop, exit })
    }

    /// Stops every child (SIGTERM, SIGKILL two seconds later) and waits until all have ended.
    pub async fn shutdown(&self) {
        self.closing.send_replace(true);
        let mut supervisors = std::mem::take(
            &mut *self
                .supervisors
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        while supervisors.join_next().await.is_some() {}
    }
}

impl Process {
    /// Process id.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
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
                code: 137,
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

    /// Peak resident memory so far, MiB; `None` once the process has ended.
    pub fn peak_memory_mib(&self) -> Option<u64> {
        status_field_kib(self.pid(), "VmHWM:").map(|kib| kib.div_ceil(1_024))
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

struct Supervisor {
    child: Child,
    group: Group,
    stops: mpsc::UnboundedReceiver<(Cause, Duration)>,
    closing: watch::Receiver<bool>,
    spec: Spec,
}

impl Supervisor {
    async fn run(mut self) -> Exit {
        let pid = self.group.0.as_raw_nonzero().get();
        let mut cause = None;
        let mut kill_at = None;
        let mut term_at = self.spec.timeout.map(|limit| Instant::now() + limit);
        let mut look_at = self.spec.memory_mib.map(|_| Instant::now() + LOOK_SOON);
        let status = loop {
            let (stop_cause, grace) = tokio::select! {
                status = self.child.wait() => break status,
                Some(stop) = self.stops.recv() => stop,
                Ok(_) = self.closing.wait_for(|closing| *closing), if cause.is_none() => {
                    (Cause::Stopped, SHUTDOWN_GRACE.min(self.spec.grace))
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
        Exit::new(status, cause.unwrap_or(Cause::Itself))
    }
}

/// Between looks at a process that uses a good part of its memory. There is no notification
/// without cgroups, which a user may not create everywhere.
const LOOK_SOON: Duration = Duration::from_millis(20);
/// Between looks at a process far below its limit.
const LOOK_LATER: Duration = Duration::from_millis(100);

/// Looks at the resident memory; the time until the next look, `None` when the limit is exceeded.
fn next_look(pid: i32, memory_mib: Option<u64>) -> Option<Duration> {
    let limit_kib = memory_mib.unwrap_or(u64::MAX).saturating_mul(1_024);
    match status_field_kib(pid, "VmRSS:") {
        Some(rss) if rss > limit_kib => None,
        Some(rss) if rss > limit_kib / 4 => Some(LOOK_SOON),
        _ => Some(LOOK_LATER),
    }
}

async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

/// A field of `/proc/<pid>/status` in KiB.
fn status_field_kib(pid: i32, field: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find(|line| line.starts_with(field))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::logs::Logs;

    struct Bench {
        dir: tempfile::TempDir,
        processes: Processes,
        log: LogStream,
    }

    fn bench() -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let log = Logs::new(dir.path()).stream("g", "s").unwrap();
        Bench {
            dir,
            processes: Processes::default(),
            log,
        }
    }

    impl Bench {
        fn sh(&self, script: &str, change: impl FnOnce(&mut Spec)) -> Process {
            let mut spec = Spec {
                program: "/bin/sh".into(),
                args: vec!["-c".into(), script.into()],
                env: Env::from([
                    ("PATH".into(), "/usr/bin:/bin".into()),
                    ("X".into(), "42".into()),
                ]),
                memory_mib: None,
                timeout: None,
                grace: Duration::from_secs(30),
            };
            change(&mut spec);
            self.processes.spawn(spec, &self.log).unwrap()
        }

        fn logged(&self) -> String {
            String::from_utf8(self.log.tail(0, 1 << 20)).unwrap()
        }
    }

    #[tokio::test]
    async fn exit_code_output_and_environment_are_the_childs_own() {
        let bench = bench();
        let end = bench
            .sh("echo out $X; echo err >&2; exit 3", |_| ())
            .exited()
            .await;
        assert_eq!(
            end,
            Exit {
                code: 3,
                signal: None,
                cause: Cause::Itself
            }
        );
        assert_eq!(bench.logged(), "out 42\nerr\n");
        assert!(bench.dir.path().join("g/s.log").exists());
    }

    #[tokio::test]
    async fn a_signal_is_128_more() {
        let end = bench().sh("kill -9 $$", |_| ()).exited().await;
        assert_eq!(
            end,
            Exit {
                code: 137,
                signal: Some(9),
                cause: Cause::Itself
            }
        );
    }

    #[tokio::test]
    async fn stop_asks_first_and_then_kills_with_all_descendants() {
        let bench = bench();
        let polite = bench.sh(
            "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.01; done",
            |_| (),
        );
        bench.wait_for_log("up").await;
        polite.stop(Duration::from_secs(30));
        assert_eq!(
            polite.exited().await,
            Exit {
                code: 7,
                signal: None,
                cause: Cause::Stopped
            }
        );

        let deaf = bench.sh("trap '' TERM; sleep 1000 & echo child $!; wait", |_| ());
        bench.wait_for_log("child").await;
        deaf.stop(Duration::from_millis(50));
        let end = deaf.exited().await;
        assert_eq!((end.signal, end.cause), (Some(9), Cause::Stopped));
        let line = bench.logged();
        let descendant: i32 = line.rsplit(' ').next().unwrap().trim().parse().unwrap();
        for _ in 0..200 {
            if status_field_kib(descendant, "VmRSS:").is_none() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("process {descendant} outlived its group");
    }

    #[tokio::test]
    async fn time_and_memory_limits_hold() {
        let bench = bench();
        let slow = bench.sh("sleep 1000", |spec| {
            spec.timeout = Some(Duration::from_millis(50));
            spec.grace = Duration::from_millis(50);
        });
        assert_eq!(slow.exited().await.cause, Cause::TimedOut);

        let greedy = bench.sh("x=0123456789abcdef; while :; do x=$x$x; done", |spec| {
            spec.memory_mib = Some(64);
        });
        assert_eq!(
            greedy.exited().await,
            Exit {
                code: 137,
                signal: Some(9),
                cause: Cause::OutOfMemory
            }
        );
    }

    #[tokio::test]
    async fn shutdown_ends_every_child() {
        let bench = bench();
        let children: Vec<_> = (0..3).map(|_| bench.sh("sleep 1000", |_| ())).collect();
        bench.processes.shutdown().await;
        for child in children {
            assert_eq!(child.exit().unwrap().cause, Cause::Stopped);
        }
        let spec = Spec {
            program: "/bin/true".into(),
            args: vec![],
            env: Env::new(),
            memory_mib: None,
            timeout: None,
            grace: Duration::ZERO,
        };
        assert!(bench.processes.spawn(spec, &bench.log).is_err());
    }

    impl Bench {
        async fn wait_for_log(&self, text: &str) {
            for _ in 0..1_000 {
                if self.logged().contains(text) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            panic!("no {text} in the log: {}", self.logged());
        }
    }
}
