//! What the tests of all local services share: a small stack, its binaries, and the configuration of a client.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_http_client::{Builder, tls};
use stack::{
    Cluster, ComputeEnvironment, ContainerDefinition, Function, JobDefinition, JobQueue, Stack,
    TaskDefinition,
};

/// ARN of something of the tests' account.
pub fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:us-east-1:123456789012:{rest}")
}

/// A stack with one function `probe`, one bucket, one cluster, and the worker `worker` as task and job.
pub fn stack() -> Stack {
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

/// A function that is the binary `probe`.
pub fn function(name: &str, timeout_seconds: u64) -> Function {
    Function {
        key: name.into(),
        name: name.into(),
        arn: arn("lambda", &format!("function:{name}")),
        binary: "probe".into(),
        handler: "probe".into(),
        memory_mib: 128,
        timeout: Duration::from_secs(timeout_seconds),
        ..Function::default()
    }
}

/// Makes `bin` in a folder, with the test's function in it: the example of that name beside the test's binary.
pub fn make_binaries(dir: &Path, example: &str) -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let target = deps.ancestors().nth(2).unwrap();
    let probe = target.join("examples").join(example);
    assert!(
        probe.exists(),
        "{} is built with `cargo build --workspace --examples`",
        probe.display()
    );
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::os::unix::fs::symlink(probe, bin.join("probe")).unwrap();
    bin
}

/// Puts a shell script into the binaries of a folder as the worker.
pub fn write_worker(dir: &Path, script: &str) {
    let path = dir.join("bin/worker");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// The configuration of a client of this endpoint.
pub fn config(endpoint: &str) -> SdkConfig {
    let ring = tls::rustls_provider::CryptoMode::Ring;
    let http = Builder::new().tls_provider(tls::Provider::Rustls(ring));
    let credentials = Credentials::new("test", "test", None, None, "test");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(http.build_https())
        // A refusal is what a test looks at: the client must not try again by itself.
        .retry_config(RetryConfig::disabled())
        .build()
}
