//! A local cloud for one test, and the clients that talk to it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::{Builder, tls};
use cloud::compute::Compute;
use cloud::config::{Limits, Local};
use cloud::faults::Faults;
use serde_json::Value;
use stack::{
    Cluster, ComputeEnvironment, ContainerDefinition, Function, JobDefinition, JobQueue, Stack,
    TaskDefinition,
};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

pub struct Cloud {
    pub compute: Compute,
    pub config: SdkConfig,
    pub dir: Folder,
    pub endpoint: String,
    _stop: oneshot::Sender<()>,
}

/// A stack with one function `probe`, one cluster, and the worker `worker` as task and job.
pub fn stack() -> Stack {
    let arn =
        |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:123456789012:{rest}");
    Stack {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        functions: vec![function("probe", 3)],
        buckets: vec!["bucket".into()],
        clusters: vec![Cluster {
            name: "main".into(),
            arn: arn("ecs", "cluster/main"),
            ..Cluster::default()
        }],
        task_definitions: vec![TaskDefinition {
            family: "worker".into(),
            revision: 1,
            arn: arn("ecs", "task-definition/worker:1"),
            cpu: Some(256),
            memory_mib: Some(512),
            requires_compatibilities: vec!["FARGATE".into()],
            containers: vec![ContainerDefinition {
                name: "worker".into(),
                image: "registry/worker:latest".into(),
                essential: true,
                environment: [("FROM_DEFINITION".to_owned(), "yes".to_owned())].into(),
                stop_timeout: Some(Duration::from_millis(300)),
                ..ContainerDefinition::default()
            }],
            ..TaskDefinition::default()
        }],
        job_definitions: vec![JobDefinition {
            name: "worker".into(),
            revision: 1,
            arn: arn("batch", "job-definition/worker:1"),
            image: "worker".into(),
            vcpus: 1.0,
            memory_mib: 512,
            attempts: 1,
            ..JobDefinition::default()
        }],
        job_queues: ["on-demand", "spot"]
            .map(|name| JobQueue {
                name: name.into(),
                arn: arn("batch", &format!("job-queue/{name}")),
                priority: 1,
                state: "ENABLED".into(),
                compute_environments: vec![name.into()],
                ..JobQueue::default()
            })
            .into(),
        compute_environments: [("on-demand", "EC2"), ("spot", "SPOT")]
            .map(|(name, kind)| ComputeEnvironment {
                name: name.into(),
                arn: arn("batch", &format!("compute-environment/{name}")),
                kind: kind.into(),
                ..ComputeEnvironment::default()
            })
            .into(),
        ..Stack::default()
    }
}

pub fn function(name: &str, timeout_seconds: u64) -> Function {
    Function {
        key: name.into(),
        name: name.into(),
        arn: format!("arn:aws:lambda:us-east-1:123456789012:function:{name}"),
        binary: "probe".into(),
        handler: "probe".into(),
        memory_mib: 128,
        timeout: Duration::from_secs(timeout_seconds),
        ..Function::default()
    }
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
        std::fs::create_dir(owned.path().join("bin")).unwrap();
        std::os::unix::fs::symlink(probe(), owned.path().join("bin/probe")).unwrap();
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

    pub fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Puts a shell script into the bin dir as a worker.
    pub fn worker(&self, script: &str) {
        let path = self.path.join("bin/worker");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
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
        };
        let compute = Compute::start(local, stack, faults).unwrap();
        compute.open();
        let services = compute.services();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(cloud::router::serve(listener, services, async move {
            let _ = stopped.await;
        }));
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
                } else {
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

fn config(endpoint: &str) -> SdkConfig {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(
        tls::rustls_provider::CryptoMode::Ring,
    ));
    let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .http_client(http.build_https())
        // A refusal is what a test looks at: the client must not try again by itself.
        .retry_config(aws_sdk_s3::config::retry::RetryConfig::disabled())
        .build()
}

/// The example beside this test's binary.
fn probe() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/probe");
    assert!(
        path.exists(),
        "{} is built with `cargo build -p cloud --examples`",
        path.display()
    );
    path
}
