//! `hybrid serve`, used as its own output says.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use end_to_end::{hybrid, root};
use serde_json::json;

#[tokio::test]
async fn an_sdk_works_with_the_printed_variables() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Command::new(hybrid())
        .current_dir(root())
        .args(["serve", "--no-build", "--port", "0", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut variables = HashMap::new();
    for line in lines.take(4) {
        let line = line.unwrap();
        let assignments = line.strip_prefix("export ").unwrap().split(' ');
        variables.extend(assignments.map(|assignment| {
            let (name, value) = assignment.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        }));
    }
    let variable = |name: &str| variables[name].clone();
    let credentials = Credentials::new(
        variable("AWS_ACCESS_KEY_ID"),
        variable("AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "printed",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(variable("AWS_DEFAULT_REGION")))
        .credentials_provider(credentials)
        .endpoint_url(variable("AWS_ENDPOINT_URL"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .force_path_style(true)
        .build();
    let s3 = aws_sdk_s3::Client::from_conf(config);
    let listed = s3.list_buckets().send().await;
    let name = listed.as_ref().ok().and_then(|listed| {
        let mut names = listed.buckets().iter().filter_map(|bucket| bucket.name());
        Some(
            names
                .find(|name| name.starts_with("hybrid-pipelines-dev-"))?
                .to_owned(),
        )
    });
    // As `hybrid run` finds it.
    let sample = s3
        .head_object()
        .bucket(name.clone().unwrap_or_default())
        .key("data/airports.csv")
        .send()
        .await;
    stop_an_execution(&variable("AWS_ENDPOINT_URL"));
    server.kill().unwrap();
    let told = server.wait_with_output().unwrap().stderr;
    assert!(name.is_some(), "{listed:?}");
    assert!(sample.is_ok(), "{sample:?}");
    let told = String::from_utf8(told).unwrap();
    // How it ends depends on whether its worker has been built.
    let line = "INFO execution one of hybrid-pipelines-dev-activity ";
    assert!(told.contains(line), "{told}");
    assert!(!told.contains('\x1b'), "{told:?}");
}

/// Starts an execution that waits for a worker, and stops it.
fn stop_an_execution(endpoint: &str) {
    let states = "arn:aws:states:us-east-1:123456789012";
    let machine = format!("{states}:stateMachine:hybrid-pipelines-dev-activity");
    let execution = format!("{states}:execution:hybrid-pipelines-dev-activity:one");
    let input = std::fs::read_to_string(root().join("statemachines/activity.input.json")).unwrap();
    for (action, body) in [
        (
            "StartExecution",
            json!({ "stateMachineArn": machine, "name": "one", "input": input }),
        ),
        ("StopExecution", json!({ "executionArn": execution })),
    ] {
        let status = Command::new("curl")
            .args(["-sf", "-o", "/dev/null", endpoint, "-H"])
            .arg(format!("X-Amz-Target: AWSStepFunctions.{action}"))
            .args(["-H", "Content-Type: application/x-amz-json-1.0", "-d"])
            .arg(body.to_string())
            .status();
        assert!(status.unwrap().success(), "{action}");
    }
}
