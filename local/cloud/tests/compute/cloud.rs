//! A local cloud for one test, and the clients that talk to it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_config::SdkConfig;
use cloud::compute::Compute;
use cloud::config::{Limits, Local};
use cloud::faults::Faults;
use cloud::programs::Programs;
use cloud::router::Pages;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::Value;
use stack::Stack;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::changes::until;
use crate::support::{config, make_binaries, write_worker};
pub use crate::support::{function, stack};

pub struct Cloud {
    pub compute: Compute,
    pub config: SdkConfig,
    pub dir: Folder,
    pub endpoint: String,
    _stop: oneshot::Sender<()>,
}

/// Where a cloud keeps its binaries and data.
pub struct Folder {
    path: PathBuf,
    /// Removed with the test, unless another process owns it.
    _owned: Option<tempfile::TempDir>,
}

impl Folder {
    /// A new folder with the test's function in it.
    pub fn new() -> Self {
        let owned = tempfile::tempdir().unwrap();
        make_binaries(owned.path(), "probe");
        Folder {
            path: owned.path().to_owned(),
            _owned: Some(owned),
        }
    }

    /// A folder that another process made, or another cloud.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Folder {
            path: path.into(),
            _owned: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts a shell script into the bin dir as a worker.
    pub fn worker(&self, script: &str) {
        write_worker(&self.path, script);
    }
}

impl Cloud {
    pub async fn start(stack: &Stack) -> Cloud {
        Self::with_faults(stack, r#"{"faults": []}"#).await
    }

    pub async fn with_faults(stack: &Stack, faults: &str) -> Cloud {
        Self::start_in(Folder::new(), stack, faults).await
    }

    pub async fn with_limits(stack: &Stack, change: impl FnOnce(&mut Limits)) -> Cloud {
        let mut limits = limits();
        change(&mut limits);
        Self::start_with(Folder::new(), stack, Faults::default(), limits).await
    }

    /// Starts on a folder that an earlier cloud may have used.
    pub async fn start_in(dir: Folder, stack: &Stack, faults: &str) -> Cloud {
        Self::start_with(dir, stack, Faults::parse(faults).unwrap(), limits()).await
    }

    async fn start_with(dir: Folder, stack: &Stack, faults: Faults, limits: Limits) -> Cloud {
        let bin_dir = dir.path().join("bin");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let local = Local {
            region: stack.region.clone(),
            account: stack.account.clone(),
            endpoint: endpoint.clone(),
            bin_dir,
            data_dir: dir.path().join("data"),
            limits,
            programs: Programs::default(),
        };
        let compute = Compute::start(local, stack, faults).unwrap();
        compute.open();
        let services = compute.services();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(cloud::router::serve(
            listener,
            services,
            Pages::default(),
            async move {
                let _ = stopped.await;
            },
        ));
        Cloud {
            compute,
            config: config(&endpoint),
            dir,
            endpoint,
            _stop: stop,
        }
    }

    /// Puts a shell script into the bin dir as a worker.
    pub fn worker(&self, script: &str) {
        self.dir.worker(script);
    }

    /// All log text below a log group.
    pub fn logs(&self, group: &str) -> String {
        let mut text = String::new();
        let mut folders = vec![self.dir.path().join("data/logs").join(group)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "log") {
                    text.push_str(&std::fs::read_to_string(path).unwrap());
                }
            }
        }
        text
    }

    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        aws_sdk_lambda::Client::new(&self.config)
    }

    pub fn ecs(&self) -> aws_sdk_ecs::Client {
        aws_sdk_ecs::Client::new(&self.config)
    }

    pub fn batch(&self) -> aws_sdk_batch::Client {
        aws_sdk_batch::Client::new(&self.config)
    }

    pub fn s3(&self) -> aws_sdk_s3::Client {
        let config = aws_sdk_s3::config::Builder::from(&self.config).force_path_style(true);
        aws_sdk_s3::Client::from_conf(config.build())
    }

    /// One invocation in process: the payload, and whether the function failed.
    pub async fn invoke(&self, function: &str, event: Value) -> (Value, bool) {
        let kind = cloud::lambda::InvocationType::RequestResponse;
        let output = self
            .compute
            .lambda
            .invoke(function, event.to_string().into(), kind)
            .await
            .unwrap();
        (
            serde_json::from_slice(&output.payload).unwrap(),
            output.function_error.is_some(),
        )
    }

    /// Collects the events that a rule sends on: they become executions of a state machine.
    pub fn executions(&self) -> tokio::sync::mpsc::UnboundedReceiver<(String, Value)> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        self.compute
            .events
            .on_start_execution(Arc::new(move |start| {
                sender.send((start.state_machine, start.input)).unwrap();
                Box::pin(async { Ok(()) })
            }));
        receiver
    }
}

/// Short delays, so that tests do not wait.
fn limits() -> Limits {
    Limits {
        async_retry_delays: vec![Duration::from_millis(1); 2],
        batch_vcpus: 2.0,
        stop_timeout: Duration::from_millis(300),
        ..Limits::default()
    }
}

/// A pipe with a name, at which shells wait by `read _ < path`.
pub struct Gate(File);

impl Gate {
    pub fn new(path: &Path) -> Self {
        mkfifoat(CWD, path, Mode::RUSR | Mode::WUSR).unwrap();
        // Open both ways, neither this nor a shell waits for the other to open it.
        let both = File::options().read(true).write(true).open(path);
        Gate(both.unwrap())
    }

    /// Lets whoever waits go on, and who comes later: a line for each.
    pub fn open(&mut self) {
        self.0.write_all(&[b'\n'; 64]).unwrap();
    }
}

/// Waits until a file has so many lines.
pub async fn wait_for_lines(path: &Path, count: usize) {
    let enough = || {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        (text.lines().count() >= count).then_some(())
    };
    until(path.parent().unwrap(), enough).await;
}
