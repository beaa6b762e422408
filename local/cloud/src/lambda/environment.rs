//! One execution environment: a process of the function and its Runtime API.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::Shared;
use super::launch::{LaunchError, launch};
use super::outcome::Outcome;
use super::pool::Room;
use super::runtime_api::{Phase, Reply, RuntimeApi, Work};
use crate::faults::FunctionEffect;
use crate::logs::LogStream;
use crate::process::{Exit, PeakMemory, Process, Spec};
use crate::time::now;
use crate::usage::Usage;
use placement::quota::LAMBDA_MIB_PER_VCPU;
use stack::{Env, Function};

/// Time a runtime has to initialise before its function's own limit begins to count.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-ib>
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// Log that Invoke returns, bytes.
const TAIL_LIMIT: u64 = 4_096;

/// What an environment runs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Runs<'h> {
    pub(super) function: &'h Function,
    pub(super) version: &'h str,
}

/// A process that serves one invocation at a time.
pub(super) struct Environment {
    function: Function,
    version: String,
    shared: Shared,
    api: RuntimeApi,
    process: Process,
    memory: PeakMemory,
    log: LogStream,
    /// Offset in the log where the last invocation begins.
    mark: u64,
    started: Instant,
    /// Whether the initialisation was reported.
    reported: bool,
    /// End of the last invocation.
    idle_since: Instant,
    /// Given back when the environment has ended.
    _room: Room<Environment>,
}

/// Why an environment could not be started.
#[derive(Debug, thiserror::Error)]
pub(super) enum StartError {
    #[error(transparent)]
    Launch(#[from] LaunchError),
    #[error("the local cloud is shutting down")]
    Closed,
    #[error("cannot start {program}: {source}")]
    Io {
        program: String,
        source: std::io::Error,
    },
}

/// How the wait for the runtime ended.
enum End {
    Replied(Reply),
    InitFailed(Bytes),
    Exited(Exit),
    TimedOut,
}

impl Environment {
    pub(super) async fn start(
        runs: Runs<'_>,
        shared: &Shared,
        room: Room<Environment>,
    ) -> Result<Self, StartError> {
        let Runs {
            function, version, ..
        } = runs;
        let launch = launch(function, &shared.local).await?;
        let program = launch.program.display().to_string();
        let failed = |source| StartError::Io {
            program: program.clone(),
            source,
        };
        let group = format!("/aws/lambda/{}", function.name);
        let date = &now().to_string()[..10];
        let stream = format!(
            "{}/[{version}]{}",
            date.replace('-', "/"),
            Uuid::new_v4().simple()
        );
        let log = shared.logs.stream(&group, &stream).map_err(failed)?;
        let api = RuntimeApi::listen(&function.arn).await.map_err(failed)?;
        let mut env = shared.local.base_env("");
        env.extend(reserved_env(
            runs,
            &group,
            &stream,
            &api,
            launch.folder.as_deref(),
        ));
        env.extend(launch.env);
        env.extend(function.environment.clone());
        let spec = Spec {
            program: launch.program.clone(),
            args: launch.args,
            env,
            folder: launch.folder,
            memory_mib: Some(function.memory_mib),
            timeout: None,
            grace: Duration::ZERO,
            record: None,
        };
        let started = Instant::now();
        let process = shared.processes.spawn(spec, &log).map_err(failed)?;
        Ok(Environment {
            function: function.clone(),
            version: version.to_owned(),
            shared: shared.clone(),
            api,
            memory: process.peak_memory(),
            process,
            mark: 0,
            log,
            started,
            reported: false,
            idle_since: started,
            _room: room,
        })
    }

    /// Whether the process can take another invocation.
    pub(super) fn is_alive(&self) -> bool {
        self.process.exit().is_none() && *self.api.phase.borrow() == Phase::Ready
    }

    /// Time since the end of the last invocation.
    pub(super) fn idle_for(&self) -> Duration {
        self.idle_since.elapsed()
    }

    /// The end of the log of the last invocation.
    pub(super) fn log_tail(&self) -> Vec<u8> {
        self.log.tail(self.mark, TAIL_LIMIT)
    }

    /// Runs one invocation to its end; afterwards the process is either idle or dead.
    pub(super) async fn run(
        &mut self,
        request_id: &str,
        payload: Bytes,
        fault: Option<FunctionEffect>,
    ) -> Outcome {
        let billed_from = now();
        self.mark = self.log.mark();
        let used = Usage {
            placement: placement::Placement::Lambda,
            name: self.function.name.clone(),
            vcpus: self.function.memory_mib as f64 / LAMBDA_MIB_PER_VCPU,
            memory_mib: self.function.memory_mib,
            started: billed_from,
            stopped: billed_from,
            id: request_id.to_owned(),
            job_uri: self.job_uri(&payload),
        };
        let _running = self.shared.meter.begin(used.clone());
        self.log.line(&format!(
            "START RequestId: {request_id} Version: {}",
            self.version
        ));
        let ready = self.ready().await;
        let init = (!std::mem::replace(&mut self.reported, true)).then(|| self.started.elapsed());
        let begin = Instant::now();
        let end = match ready {
            Ok(()) => self.serve(request_id, payload, fault).await,
            Err(end) => end,
        };
        let elapsed = begin.elapsed();
        self.idle_since = Instant::now();
        let peak = self.memory.mib();
        let outcome = match end {
            End::Replied(Reply::Success(payload)) => Outcome::success(payload),
            End::Replied(Reply::Error(document)) | End::InitFailed(document) => {
                Outcome::error(document)
            }
            End::Replied(Reply::TooLarge(limit)) => Outcome::too_large(limit),
            End::Exited(exit) => Outcome::exited(request_id, exit),
            End::TimedOut => {
                self.process.stop(Duration::ZERO);
                self.process.exited().await;
                Outcome::timed_out(request_id, self.function.timeout)
            }
        };
        self.report(request_id, elapsed, init, peak, &outcome);
        tracing::info!(
            "function {} {} after {} ms ({request_id})",
            self.function.name,
            if outcome.failed {
                "failed"
            } else {
                "succeeded"
            },
            elapsed.as_millis(),
        );
        self.shared.meter.record(Usage {
            stopped: now(),
            ..used
        });
        outcome
    }

    /// Waits until the runtime asks for work.
    async fn ready(&self) -> Result<(), End> {
        let mut phase = self.api.phase.clone();
        tokio::select! {
            biased;
            reached = phase.wait_for(|phase| *phase != Phase::Starting) => match reached.as_deref() {
                Ok(Phase::Failed(document)) => Err(End::InitFailed(document.clone())),
                Ok(Phase::Ready | Phase::Starting) | Err(_) => Ok(()),
            },
            exit = self.process.exited() => Err(End::Exited(exit)),
            () = sleep(INIT_LIMIT + self.function.timeout) => Err(End::TimedOut),
        }
    }

    /// Hands over one invocation and waits for what comes of it.
    async fn serve(&self, request_id: &str, payload: Bytes, fault: Option<FunctionEffect>) -> End {
        let limit = self.function.timeout;
        let (reply, replied) = oneshot::channel();
        let deadline_ms = u64::try_from(now().0 / 1_000).unwrap_or(0) + limit.as_millis() as u64;
        let work = Work {
            request_id: request_id.to_owned(),
            payload,
            deadline_ms,
            trace_id: trace_id(request_id),
            reply,
        };
        let (limit, crash) = match fault {
            Some(FunctionEffect::TimeOut { after_ms }) => (Duration::from_millis(after_ms), None),
            Some(FunctionEffect::Crash { after_ms }) => {
                (limit, Some(Duration::from_millis(after_ms)))
            }
            Some(FunctionEffect::Duplicate) | None => (limit, None),
        };
        let served = async {
            self.api.send(work).await;
            tokio::select! {
                biased;
                Ok(reply) = replied => End::Replied(reply),
                exit = self.process.exited() => End::Exited(exit),
            }
        };
        let crashed = async {
            match crash {
                Some(delay) => {
                    sleep(delay).await;
                    self.process.kill();
                    End::Exited(self.process.exited().await)
                }
                None => std::future::pending().await,
            }
        };
        let first = async {
            tokio::select! { biased; end = crashed => end, end = served => end }
        };
        timeout(limit, first).await.unwrap_or(End::TimedOut)
    }

    /// The closing lines of the invocation, as Lambda writes them.
    fn report(
        &self,
        request_id: &str,
        elapsed: Duration,
        init: Option<Duration>,
        peak_mib: Option<u64>,
        outcome: &Outcome,
    ) {
        let ms = elapsed.as_secs_f64() * 1_000.0;
        let init_ms = init.map(|init| init.as_secs_f64() * 1_000.0);
        let billed = (ms + init_ms.unwrap_or(0.0)).ceil();
        let memory = self.function.memory_mib;
        let used = peak_mib.map_or(memory, |peak| peak.min(memory));
        let mut lines = format!(
            "END RequestId: {request_id}\n\
             REPORT RequestId: {request_id}\tDuration: {ms:.2} ms\tBilled Duration: {billed} ms\t\
             Memory Size: {memory} MB\tMax Memory Used: {used} MB"
        );
        if let Some(init_ms) = init_ms {
            lines.push_str(&format!("\tInit Duration: {init_ms:.2} ms"));
        }
        if outcome.failed {
            lines.push('\n');
            lines.push_str(&String::from_utf8_lossy(&outcome.payload));
        }
        self.log.line(&lines);
        self.log.mark();
    }

    /// The job that a worker image is given as a function.
    fn job_uri(&self, payload: &[u8]) -> Option<String> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Event {
            job_uri: String,
        }
        if !self.function.handler.is_empty() {
            return None;
        }
        serde_json::from_slice::<Event>(payload)
            .ok()
            .map(|event| event.job_uri)
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.process.kill();
    }
}

/// `Root=1-<epoch hex>-<24 hex>;Parent=<16 hex>;Sampled=0`, made from the request id.
fn trace_id(request_id: &str) -> String {
    let hex: String = request_id
        .chars()
        .filter(char::is_ascii_hexdigit)
        .chain("0".repeat(40).chars())
        .collect();
    let seconds = now().0 / 1_000_000;
    format!(
        "Root=1-{seconds:08x}-{};Parent={};Sampled=0",
        &hex[..24],
        &hex[8..24]
    )
}

/// The variables that Lambda itself sets.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
fn reserved_env(
    runs: Runs<'_>,
    group: &str,
    stream: &str,
    api: &RuntimeApi,
    folder: Option<&Path>,
) -> Env {
    let function = runs.function;
    let runtime = function.runtime.as_deref().unwrap_or("provided.al2023");
    let runtime = format!("AWS_Lambda_{runtime}");
    let folder = folder.map(|folder| folder.display().to_string());
    let memory = function.memory_mib.to_string();
    let address = api.address.to_string();
    [
        ("_HANDLER", function.handler.as_str()),
        ("AWS_EXECUTION_ENV", &runtime),
        ("AWS_LAMBDA_FUNCTION_NAME", &function.name),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &memory),
        ("AWS_LAMBDA_FUNCTION_VERSION", runs.version),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_FORMAT", "Text"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", group),
        ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
        ("AWS_LAMBDA_RUNTIME_API", &address),
        ("LAMBDA_TASK_ROOT", folder.as_deref().unwrap_or("/var/task")),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime"),
        ("TZ", ":UTC"),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect()
}
