//! A local cloud for one test, and the clients that talk to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sfn::types::{HistoryEvent, StateMachineType};
use aws_smithy_http_client::{Builder, tls};
use serde_json::{Value, json};
use stack::{
    Cluster, ComputeEnvironment, ContainerDefinition, Function, JobDefinition, JobQueue, Rule,
    RuleTarget, Stack, TaskDefinition,
};
use stepfunctions::{Cloud, Config, ExecutionDescription};

pub const STATES: &str = "arn:aws:states:us-east-1:123456789012";

pub struct Test {
    pub cloud: Cloud,
    pub sfn: aws_sdk_sfn::Client,
    pub dir: tempfile::TempDir,
}

/// A stack with one function `probe`, and the worker `worker` as task and job.
pub fn stack() -> Stack {
    let arn =
        |service: &str, rest: &str| format!("arn:aws:{service}:us-east-1:123456789012:{rest}");
    Stack {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        functions: vec![Function {
            key: "probe".into(),
            name: "probe".into(),
            arn: arn("lambda", "function:probe"),
            binary: "probe".into(),
            handler: "probe".into(),
            memory_mib: 128,
            timeout: Duration::from_secs(5),
            ..Function::default()
        }],
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
                image: "worker".into(),
                essential: true,
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
        job_queues: vec![JobQueue {
            name: "queue".into(),
            arn: arn("batch", "job-queue/queue"),
            priority: 1,
            state: "ENABLED".into(),
            compute_environments: vec!["machine".into()],
            ..JobQueue::default()
        }],
        compute_environments: vec![ComputeEnvironment {
            name: "machine".into(),
            arn: arn("batch", "compute-environment/machine"),
            kind: "EC2".into(),
            ..ComputeEnvironment::default()
        }],
        rules: vec![Rule {
            name: "ordered".into(),
            arn: arn("events", "rule/ordered"),
            event_bus: "default".into(),
            pattern: json!({ "source": ["test"] }),
            enabled: true,
            targets: vec![RuleTarget {
                id: "1".into(),
                arn: format!("{STATES}:stateMachine:target"),
                ..RuleTarget::default()
            }],
            ..Rule::default()
        }],
        ..Stack::default()
    }
}

impl Test {
    pub async fn start() -> Test {
        Self::with(|_| ()).await
    }

    /// Starts with a changed configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Test {
        let dir = tempfile::tempdir().unwrap();
        let bin_dir = dir.path().join("bin");
        std::fs::create_dir(&bin_dir).unwrap();
        std::os::unix::fs::symlink(probe(), bin_dir.join("probe")).unwrap();
        let mut parts = Config::new(stack(), dir.path().join("data"), bin_dir);
        change(&mut parts);
        let cloud = Cloud::start(parts).await.unwrap();
        let config = config(cloud.endpoint());
        Test {
            sfn: aws_sdk_sfn::Client::new(&config),
            cloud,
            dir,
        }
    }

    /// Puts a shell script into the bin dir as a worker.
    pub fn worker(&self, script: &str) {
        write_worker(self.dir.path(), script);
    }

    pub async fn machine(&self, name: &str, definition: &Value) -> String {
        self.machine_of(name, definition, StateMachineType::Standard)
            .await
    }

    pub async fn machine_of(
        &self,
        name: &str,
        definition: &Value,
        kind: StateMachineType,
    ) -> String {
        let request = self
            .sfn
            .create_state_machine()
            .name(name)
            .definition(definition.to_string());
        let request = request
            .role_arn("arn:aws:iam::123456789012:role/states")
            .r#type(kind);
        request.send().await.unwrap().state_machine_arn
    }

    pub async fn activity(&self, name: &str) -> String {
        self.sfn
            .create_activity()
            .name(name)
            .send()
            .await
            .unwrap()
            .activity_arn
    }

    /// Runs one Task state to its end.
    pub async fn task(&self, name: &str, mut state: Value) -> ExecutionDescription {
        state["Type"] = json!("Task");
        state["End"] = json!(true);
        let definition =
            json!({ "QueryLanguage": "JSONata", "StartAt": "Task", "States": { "Task": state } });
        let machine = self.machine(name, &definition).await;
        self.run(&machine, &json!({})).await
    }

    pub async fn run(&self, machine: &str, input: &Value) -> ExecutionDescription {
        let arn = self.start_execution(machine, input).await;
        self.cloud.wait(&arn).await.unwrap()
    }

    pub async fn start_execution(&self, machine: &str, input: &Value) -> String {
        let request = self
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .input(input.to_string());
        request.send().await.unwrap().execution_arn
    }

    pub async fn events(&self, execution: &str) -> Vec<HistoryEvent> {
        let request = self
            .sfn
            .get_execution_history()
            .execution_arn(execution)
            .max_results(1_000);
        request.send().await.unwrap().events
    }

    pub async fn event_types(&self, execution: &str) -> Vec<String> {
        self.events(execution)
            .await
            .iter()
            .map(|event| event.r#type.as_str().to_owned())
            .collect()
    }

    /// Calls an action by hand: the SDK puts `sync-` before the host of some, which an address does not survive.
    pub async fn post(&self, action: &str, body: &Value) -> Value {
        let output = tokio::process::Command::new("curl")
            .args([
                "-s",
                self.cloud.endpoint(),
                "-H",
                &format!("X-Amz-Target: AWSStepFunctions.{action}"),
                "-H",
                "Content-Type: application/x-amz-json-1.0",
                "-d",
            ])
            .arg(body.to_string())
            .output()
            .await
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub async fn put(&self, key: &str, body: &str) {
        let file = self.dir.path().join("object");
        std::fs::write(&file, body).unwrap();
        self.cloud.put_object("bucket", key, &file).await.unwrap();
    }

    pub async fn get(&self, key: &str) -> Value {
        serde_json::from_slice(&self.cloud.get_object("bucket", key).await.unwrap()).unwrap()
    }
}

pub fn write_worker(dir: &Path, script: &str) {
    let path = dir.join("bin/worker");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

pub fn config(endpoint: &str) -> SdkConfig {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(
        tls::rustls_provider::CryptoMode::Ring,
    ));
    let credentials = aws_sdk_sfn::config::Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(aws_sdk_sfn::config::SharedCredentialsProvider::new(
            credentials,
        ))
        .http_client(http.build_https())
        // A refusal is what a test looks at: the client must not try again by itself.
        .retry_config(aws_sdk_sfn::config::retry::RetryConfig::disabled())
        .build()
}

/// The example beside this test's binary.
pub fn probe() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/probe-function");
    assert!(
        path.exists(),
        "{} is built with `cargo build -p stepfunctions --examples`",
        path.display()
    );
    path
}
