//! Workers: the binaries that stand for container images, for ECS and Batch alike.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use crate::config::{Local, missing_binary};
use crate::faults::{Faults, WorkerEffect};
use crate::logs::Logs;
use crate::process::{Cause, Exit, Process, Processes, Record, Spec};
use crate::programs::of_this_process;
use stack::Env;
use stack::binary_of_image;

/// Where a container finds programs, if its image does not say.
/// As Docker: <https://docs.docker.com/engine/containers/run/#environment-variables>
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Starts workers.
#[derive(Debug, Clone)]
pub struct Workers {
    pub(crate) local: Local,
    pub(crate) processes: Processes,
    pub(crate) logs: Logs,
    pub(crate) faults: Faults,
}

/// A container to start.
#[derive(Debug, Clone)]
pub(crate) struct Container {
    pub(crate) image: String,
    pub(crate) args: Vec<String>,
    pub(crate) env: Env,
    pub(crate) memory_mib: Option<u64>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) log_group: String,
    pub(crate) log_stream: String,
    /// Unique name of this container: one that was started before under it is taken up again.
    pub(crate) name: String,
}

/// Why a container did not start, worded as the container agent words it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("CannotPullContainerError: image {image}: {reason}")]
    NoImage { image: String, reason: String },
    #[error("CannotStartContainerError: {program}: {source}")]
    Start {
        program: String,
        source: std::io::Error,
    },
    /// Nothing is to be made of it: the next local cloud starts the container.
    #[error("the local cloud is shutting down")]
    Closing,
}

/// A running worker.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    process: Process,
    /// Its Spot capacity was taken back.
    interrupted: Arc<AtomicBool>,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkerExit {
    pub(crate) exit: Exit,
    pub(crate) interrupted: bool,
}

impl WorkerExit {
    /// The container's `reason`, where the agent gives one.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        (self.exit.cause == Cause::OutOfMemory)
            .then_some("OutOfMemoryError: Container killed due to memory usage")
    }
}

impl Workers {
    /// Starts a container's binary with the SDK's variables under its own.
    pub(crate) fn launch(&self, container: &Container) -> Result<Worker, LaunchError> {
        let name = binary_of_image(&container.image);
        let program = self.local.binary(name);
        let commands = &self.local.programs.containers;
        if !commands.contains_key(name) && !program.exists() {
            return Err(LaunchError::NoImage {
                image: container.image.clone(),
                reason: missing_binary(&program),
            });
        }
        let fault = self.faults.worker(name);
        if fault == Some(WorkerEffect::Duplicate) {
            let twin = Container {
                name: format!("{}-twin", container.name),
                ..container.clone()
            };
            self.start(&program, &twin)?;
        }
        let worker = Worker {
            process: self.start(&program, container)?,
            interrupted: Arc::default(),
        };
        match fault {
            Some(WorkerEffect::Kill { after_ms }) => worker.clone().kill_after(after_ms),
            Some(WorkerEffect::Interrupt {
                after_ms,
                notice_ms,
            }) => {
                worker.clone().interrupt_after(after_ms, notice_ms);
            }
            Some(WorkerEffect::Duplicate) | None => {}
        }
        Ok(worker)
    }

    /// Where the process of a container is recorded.
    pub(crate) fn record(&self, container: &str) -> Record {
        Record::new(&self.local.data_dir.join("workers"), container)
    }

    fn start(&self, program: &Path, container: &Container) -> Result<Process, LaunchError> {
        let failed = |source| LaunchError::Start {
            program: program.display().to_string(),
            source,
        };
        let log = self
            .logs
            .stream(&container.log_group, &container.log_stream)
            .map_err(failed)?;
        let mut env = self.local.base_env(PATH);
        let name = binary_of_image(&container.image);
        let (program, args) = match self.local.programs.containers.get(name) {
            None => (program.to_owned(), container.args.clone()),
            Some(command) => {
                env.extend(of_this_process());
                shell(command, &container.args)
            }
        };
        env.extend(container.env.clone());
        let spec = Spec {
            program,
            args,
            env,
            folder: None,
            memory_mib: container.memory_mib,
            timeout: container.timeout,
            grace: container.grace,
            record: Some(self.record(&container.name)),
        };
        self.processes.spawn(spec, &log).map_err(|source| {
            if self.processes.is_closing() {
                LaunchError::Closing
            } else {
                failed(source)
            }
        })
    }
}

/// A command of a person with the arguments of a container after its own.
fn shell(command: &str, args: &[String]) -> (PathBuf, Vec<String>) {
    let first = [
        "-c".to_owned(),
        format!("{command} \"$@\""),
        "worker".to_owned(),
    ];
    (
        "/bin/sh".into(),
        first.into_iter().chain(args.iter().cloned()).collect(),
    )
}

impl Worker {
    pub(crate) async fn exited(&self) -> WorkerExit {
        let exit = self.process.exited().await;
        WorkerExit {
            exit,
            interrupted: self.interrupted.load(Ordering::Acquire),
        }
    }

    pub(crate) fn stop(&self, grace: Duration) {
        self.process.stop(grace);
    }

    pub(crate) fn pid(&self) -> Option<i32> {
        self.process.pid()
    }

    fn kill_after(self, after_ms: u64) {
        tokio::spawn(async move {
            sleep(Duration::from_millis(after_ms)).await;
            self.process.kill();
        });
    }

    fn interrupt_after(self, after_ms: u64, notice_ms: u64) {
        tokio::spawn(async move {
            tokio::select! {
                _ = self.process.exited() => {}
                () = sleep(Duration::from_millis(after_ms)) => {
                    self.interrupted.store(true, Ordering::Release);
                    self.process.stop(Duration::from_millis(notice_ms.max(1)));
                }
            }
        });
    }
}
