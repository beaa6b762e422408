//! `hybrid serve`, used as its own output says.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use end_to_end::{hybrid, root};

#[tokio::test]
async fn an_sdk_works_with_the_printed_variables() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Command::new(hybrid())
        .current_dir(root())
        .args(["serve", "--no-build", "--port", "0", "--data"])
        .arg(data.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let mut variables = HashMap::new();
    for line in lines.take(3) {
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
    let listed = aws_sdk_s3::Client::from_conf(config).list_buckets().send();
    let listed = listed.await;
    server.kill().unwrap();
    server.wait().unwrap();
    let buckets = listed.unwrap();
    let names: Vec<_> = buckets.buckets().iter().filter_map(|b| b.name()).collect();
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("hybrid-pipelines-dev-")),
        "{names:?}"
    );
}
