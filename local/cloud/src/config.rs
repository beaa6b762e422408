//! What every local service needs to know of its surroundings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::action::Action;
use crate::programs::Programs;
pub use crate::rates::Rate;
use stack::Env;

/// Surroundings of the local cloud: names in ARNs, folders, limits.
#[derive(Debug, Clone)]
pub struct Local {
    /// Region of every ARN.
    pub region: String,
    /// Account id of every ARN.
    pub account: String,
    /// Base URL of the one endpoint: `http://127.0.0.1:4566`.
    pub endpoint: String,
    /// Folder of the function and worker binaries.
    pub bin_dir: PathBuf,
    /// Folder for objects and logs.
    pub data_dir: PathBuf,
    /// Limits the services enforce.
    pub limits: Limits,
    /// What runs code that is no executable.
    pub programs: Programs,
}

/// Limits of the local services. The default is what AWS gives a new account, and the size of this
/// machine for containers.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Concurrent executions over all functions of the account.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
    pub lambda_concurrency: u32,
    /// MiB that Lambda's environments share, each counted with its function's memory size; invocations beyond it wait
    /// in line. Half of the machine, which leaves the other half to containers and to the person at it.
    pub lambda_memory_mib: u64,
    /// Delay before each retry of an asynchronous invocation that failed: one minute, then two.
    /// <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
    pub async_retry_delays: Vec<Duration>,
    /// vCPUs that Batch jobs share.
    pub batch_vcpus: f64,
    /// MiB that Batch jobs share.
    pub batch_memory_mib: u64,
    /// Time between SIGTERM and SIGKILL where a container definition sets none.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html>
    pub stop_timeout: Duration,
    /// Rate limits of actions; none by default.
    pub rates: BTreeMap<Action, Rate>,
    /// How fast ECS starts the tasks it has taken on; the others stay PROVISIONING. AWS starts 20 a second on Fargate;
    /// its burst of 100 would be a hundred new processes at once, more than a small machine bears.
    /// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/throttling.html>
    pub task_starts: Rate,
    /// Time that an ECS task spends PENDING before its containers start.
    pub task_start_up: Duration,
    /// Time that a Batch job spends STARTING before its container starts.
    pub job_start_up: Duration,
    /// Time after which an idle Lambda environment is given up.
    pub lambda_idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            lambda_concurrency: 1_000,
            lambda_memory_mib: machine_memory_mib().unwrap_or(4_096) / 2,
            async_retry_delays: vec![Duration::from_secs(60), Duration::from_secs(120)],
            batch_vcpus: std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64),
            batch_memory_mib: machine_memory_mib().unwrap_or(4_096),
            stop_timeout: Duration::from_secs(30),
            rates: BTreeMap::new(),
            task_starts: Rate {
                burst: 20.0,
                per_second: 20.0,
            },
            task_start_up: Duration::ZERO,
            job_start_up: Duration::ZERO,
            lambda_idle: Duration::from_secs(600),
        }
    }
}

/// Physical memory of this machine, MiB.
fn machine_memory_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|l| l.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024)
}

/// Access key that children get; any other key is accepted too.
pub const ACCESS_KEY: &str = "test";
/// Secret key that children sign with; no signature is checked, so any other is accepted too.
pub const SECRET_KEY: &str = "test";

impl Local {
    /// `arn:aws:<service>:<region>:<account>:<resource>`.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!(
            "arn:aws:{service}:{}:{}:{resource}",
            self.region, self.account
        )
    }

    /// Path of a function's or worker's binary.
    pub fn binary(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// The variables by which any SDK finds the local cloud, and where a process finds programs; of
    /// the caller's environment only where temporary files go and what Rust programs log.
    pub fn base_env(&self, path: &str) -> Env {
        let mut env: Env = [
            ("AWS_ENDPOINT_URL", self.endpoint.as_str()),
            ("AWS_REGION", &self.region),
            ("AWS_DEFAULT_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            // A name with a prefix before it is none of this machine:
            // <https://docs.aws.amazon.com/sdkref/latest/guide/feature-host-prefix.html>
            ("AWS_DISABLE_HOST_PREFIX_INJECTION", "true"),
            ("LANG", "en_US.UTF-8"),
            ("PATH", path),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
        for name in ["TMPDIR", "RUST_LOG", "RUST_BACKTRACE"] {
            if let Ok(value) = std::env::var(name) {
                env.insert(name.to_owned(), value);
            }
        }
        env
    }
}

/// The package to build when a binary is not there.
pub(crate) fn missing_binary(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    format!(
        "{} does not exist; build it with `cargo build -p {name}`",
        path.display()
    )
}
