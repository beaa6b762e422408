//! The real `hybrid serve`, as a process that can be hurt.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use end_to_end::signal;

use crate::project::Project;

/// How long the server may take to start or to stop in its own time: it is generous, for nothing is measured here.
const PATIENCE: Duration = Duration::from_secs(90);

/// Where and what is served.
pub struct Place<'a> {
    pub project: &'a Project,
    /// The data folder.
    pub data: PathBuf,
    /// Always the same one: a worker that outlives a kill must find the next server there.
    pub port: u16,
    /// What the servers say.
    pub log: PathBuf,
}

/// A server's process.
pub struct Server {
    process: Child,
    /// Gets a line when the server is up; closed when it has ended before.
    up: Option<tokio::sync::oneshot::Receiver<()>>,
}

impl Place<'_> {
    /// The endpoint of every server here.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Starts a server; it may not be up yet.
    pub fn start(&self) -> Server {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let mut process = Command::new(self.project.hybrid())
            .current_dir(self.project.path())
            .args([
                "serve",
                "--no-build",
                "--json",
                "--port",
                &self.port.to_string(),
                "--data",
            ])
            .arg(&self.data)
            .env("RUST_LOG", "warn,stepfunctions=info")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (tell, up) = tokio::sync::oneshot::channel();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            if lines.next().is_some_and(|line| line.is_ok()) {
                // Nobody may wait any more.
                let _ = tell.send(());
            }
            lines.for_each(drop);
        });
        Server {
            process,
            up: Some(up),
        }
    }

    /// Processes that were started by a server here and live on, with the time given that it takes to end.
    pub async fn orphans(&self) -> Vec<String> {
        let started = Instant::now();
        loop {
            let found = processes_with(&format!("AWS_ENDPOINT_URL={}", self.endpoint()));
            if found.is_empty() || started.elapsed() > Duration::from_secs(10) {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Server {
    /// Waits until it is up.
    ///
    /// # Errors
    /// It ended before, or is not up in time.
    pub async fn up(&mut self) -> Result<(), String> {
        let Some(up) = self.up.take() else {
            return Ok(());
        };
        match tokio::time::timeout(PATIENCE, up).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(format!(
                "the server did not start: {}",
                self.process.wait().unwrap()
            )),
            Err(_) => Err(format!(
                "the server was not up after {} s",
                PATIENCE.as_secs()
            )),
        }
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&mut self, name: &str) {
        if self.process.try_wait().unwrap().is_none() {
            signal(self.process.id(), name);
        }
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It did not end in time, or not well.
    pub async fn terminate(&mut self) -> Result<(), String> {
        self.signal("TERM");
        let started = Instant::now();
        let status = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status,
                None if started.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                None => {
                    self.kill();
                    return Err(format!(
                        "SIGTERM did not end the server within {} s",
                        PATIENCE.as_secs()
                    ));
                }
            }
        };
        // Before it has set up its handler, SIGTERM ends any process.
        if ended_well(status) {
            return Ok(());
        }
        Err(format!("the server ended by SIGTERM with {status}"))
    }
}

fn ended_well(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt as _;
    const TERM: i32 = 15;
    status.success() || status.signal() == Some(TERM)
}

impl Drop for Server {
    fn drop(&mut self) {
        // A paused process takes SIGKILL too. An error means that it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Live processes with this variable in their environment, as `id command`.
fn processes_with(variable: &str) -> Vec<String> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok()?.parse::<u32>().ok());
    ids.filter(|id| has_variable(*id, variable))
        .map(|id| {
            let command = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            format!(
                "{id} {}",
                String::from_utf8_lossy(&command).replace('\0', " ")
            )
        })
        .collect()
}

fn has_variable(id: u32, variable: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == variable.as_bytes())
}

/// A port that is free now.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// A small file system for the data folder.
pub struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    /// Size that leaves room for a round of small machines.
    const SIZE: &str = "size=48m";

    /// Whether this process may mount one.
    pub fn is_possible() -> bool {
        let folder = tempfile::tempdir().unwrap();
        Self::mount(folder.path()).is_some()
    }

    /// Mounts one; none where this process may not.
    pub fn mount(folder: &Path) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", Self::SIZE, "chaos"])
            .arg(folder)
            .stderr(Stdio::null())
            .status();
        let mounted = mounted.is_ok_and(|status| status.success());
        mounted.then(|| Self {
            folder: folder.to_owned(),
        })
    }

    /// Takes all space that is left, and gives it back when dropped.
    pub fn fill(&self) -> Filler {
        use std::io::Write as _;
        let path = self.folder.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 12, 1] {
            let block = vec![0; size];
            while file.write_all(&block).is_ok() {}
        }
        Filler { path }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a process that is just ending may still have a file open.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
    }
}

/// A file that takes all space.
pub struct Filler {
    path: PathBuf,
}

impl Drop for Filler {
    fn drop(&mut self) {
        // The disk may be gone with its mount.
        let _ = std::fs::remove_file(&self.path);
    }
}
