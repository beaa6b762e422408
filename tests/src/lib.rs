//! Drives the real `hybrid` binary, which runs the real functions and workers, as a person would.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

/// The workspace's root: where serverless.yml lies.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ lies in the workspace")
}

/// The `hybrid` binary, built once for all tests of a process.
pub fn hybrid() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| binaries().join("hybrid"))
}

/// The folder with all binaries of the workspace: what `HYBRID_BINARIES` names, else beside this test, built now.
pub fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("HYBRID_BINARIES") {
        return std::fs::canonicalize(folder).expect("HYBRID_BINARIES names a folder");
    }
    // A test binary lies in <target>/<profile>/deps.
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    // Build scripts that watch what cargo says of this package would run again, and all after them.
    for (name, _) in std::env::vars()
        .filter(|(name, _)| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
    {
        cargo.env_remove(name);
    }
    let status = cargo
        .current_dir(root())
        .args(["build", "--quiet", "--workspace", "--bins", "--target-dir"])
        .arg(folder.parent().unwrap())
        .status()
        .unwrap();
    assert!(status.success(), "cargo build of the binaries failed");
    folder.to_path_buf()
}

/// A finished `hybrid` call.
pub struct Finished {
    /// Its exit code.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Finished {
    fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Standard output as the one JSON document that `--json` promises.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// Calls `hybrid` in the workspace and waits for it.
pub fn call(arguments: &[&str]) -> Finished {
    Finished::of(
        Command::new(hybrid())
            .current_dir(root())
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap(),
    )
}

/// The commands that `hybrid --help` lists, but for `help` itself.
pub fn commands() -> BTreeSet<String> {
    let help = call(&["--help"]).stdout;
    let listed = help.split("Commands:").nth(1).unwrap();
    let listed = listed.split("Options:").next().unwrap();
    listed
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// One run of a pipeline with `--json` and an output folder of its own.
pub struct Run {
    child: Child,
    out: TempDir,
    _input: TempDir,
}

impl Run {
    /// Starts `hybrid run PIPELINE --json` on `input`.
    pub fn start(pipeline: &str, input: &Value, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("input.json");
        std::fs::write(&file, input.to_string()).unwrap();
        let out = tempfile::tempdir().unwrap();
        let child = Command::new(hybrid())
            .current_dir(root())
            .args(["run", pipeline, "--json", "--input"])
            .arg(&file)
            .arg("--out")
            .arg(out.path())
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            out,
            _input: folder,
        }
    }

    /// Process id of `hybrid` itself.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a child process of the run bears this name; its process id. Nothing tells of a process that is not
    /// one's own child, so `/proc` is looked at again and again.
    pub fn child_named(&self, name: &str, limit: Duration) -> u32 {
        let start = Instant::now();
        while start.elapsed() < limit {
            if let Some(pid) = children(self.pid())
                .into_iter()
                .find(|pid| comm(*pid).as_deref() == Some(name))
            {
                return pid;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("no process {name} within {limit:?}");
    }

    /// Waits for the end.
    pub fn finish(self) -> (Finished, TempDir) {
        (
            Finished::of(self.child.wait_with_output().unwrap()),
            self.out,
        )
    }
}

/// Sends a signal, by the system's own `kill`.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &pid.to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

/// All live descendants of a process.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let direct = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|line| {
            line.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        });
    direct
        .flat_map(|child| std::iter::once(child).chain(children(child)))
        .collect()
}

/// The processor time that a process has used, in user mode.
pub fn computed(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in parentheses; the 14th counts in hundredths of a second, see proc_pid_stat(5).
    let ticks: u64 = stat.rsplit_once(") ")?.1.split(' ').nth(11)?.parse().ok()?;
    Some(Duration::from_millis(ticks * 10))
}

fn comm(pid: u32) -> Option<String> {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(name.trim_end().to_owned())
}

/// What differs from run to run without meaning anything: times, what a try took, and ids made of a task token.
const VOLATILE: &[&str] = &[
    "generatedAt",
    "startedAtMs",
    "requestedAtMs",
    "durationMs",
    "trainSeconds",
    "predictMicros",
    "microsPerRecord",
    "meanLatencyMs",
    "transformSeconds",
    "measured",
    // Where each attempt ran, for how long, and why there: an attempt more is how a disturbed run comes to the same.
    "attempts",
    // The price of a measured time.
    "usd",
];

/// Takes out of an output or a report what differs from run to run; where task tokens name the jobs, their names too.
pub fn strip(value: &mut Value, tokens: bool) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            if tokens {
                map.retain(|key, _| !["jobId", "outcome"].contains(&key.as_str()));
            }
            map.values_mut().for_each(|value| strip(value, tokens));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| strip(value, tokens)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
