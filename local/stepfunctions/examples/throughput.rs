//! How fast the durable driver is: executions of five Pass states, activity tasks with their
//! callbacks, what waiting executions cost, and the listing of 100,000.
//! `cargo run --release -p stepfunctions --example throughput -- [driver|listing]`, with `--durable` the cost of
//! surviving a power failure.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::{Value, json};
use stack::{Activity, Stack, StateMachine};
use stepfunctions::{Cloud, Config, Durability};

const STATES: &str = "arn:aws:states:us-east-1:123456789012";

fn machine(name: &str, definition: &Value) -> StateMachine {
    StateMachine {
        name: name.into(),
        arn: format!("{STATES}:stateMachine:{name}"),
        definition: definition.to_string(),
        role_arn: "arn:aws:iam::123456789012:role/states".into(),
        ..StateMachine::default()
    }
}

fn stack() -> Stack {
    let pass = |next: Value| json!({ "Type": "Pass", "Next": next });
    let chain = json!({ "StartAt": "A", "States": {
        "A": pass(json!("B")), "B": pass(json!("C")), "C": pass(json!("D")), "D": pass(json!("E")),
        "E": { "Type": "Pass", "End": true },
    } });
    let jsonata = json!({ "StartAt": "A", "QueryLanguage": "JSONata", "States": {
        "A": { "Type": "Pass", "Output": { "n": "{% $sum([1, 2, 3]) %}" }, "Next": "B" },
        "B": { "Type": "Pass", "Output": "{% $states.input.n + 1 %}", "End": true },
    } });
    let wait = json!({ "StartAt": "W", "States": { "W": { "Type": "Wait", "Seconds": 86_400, "End": true } } });
    let activity = format!("{STATES}:activity:work");
    let task = json!({ "StartAt": "T", "States": { "T": { "Type": "Task", "Resource": activity, "End": true } } });
    let map = json!({ "StartAt": "M", "States": { "M": { "Type": "Map", "End": true, "ItemProcessor": {
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "P", "States": { "P": { "Type": "Pass", "End": true } },
    } } } });
    Stack {
        region: "us-east-1".into(),
        account: "123456789012".into(),
        state_machines: vec![
            machine("chain", &chain),
            machine("jsonata", &jsonata),
            machine("wait", &wait),
            machine("task", &task),
            machine("map", &map),
        ],
        activities: vec![Activity {
            name: "work".into(),
            arn: activity,
            ..Activity::default()
        }],
        ..Stack::default()
    }
}

fn arn(name: &str) -> String {
    format!("{STATES}:stateMachine:{name}")
}

async fn run(cloud: &Cloud, machine: &str, name: String) {
    let arn = cloud
        .start_execution(&arn(machine), &name, &json!({}))
        .await
        .unwrap();
    cloud.wait(&arn).await.unwrap();
}

async fn rate(what: &str, count: usize, work: impl Future<Output = ()>) {
    let start = Instant::now();
    work.await;
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{what}: {count} in {seconds:.2} s, {:.0}/s",
        count as f64 / seconds
    );
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Posts to the endpoint as a client does, one connection after the other.
async fn post(
    client: &hyper_util::client::legacy::Client<Connector, Body>,
    endpoint: &str,
    action: &str,
    body: Value,
) -> Value {
    use http_body_util::BodyExt;
    let request = http::Request::post(endpoint)
        .header("content-type", "application/x-amz-json-1.0")
        .header("x-amz-target", format!("AWSStepFunctions.{action}"));
    let response = client
        .request(request.body(Body::from(body.to_string())).unwrap())
        .await
        .unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

type Connector = hyper_util::client::legacy::connect::HttpConnector;
type Body = axum::body::Body;

async fn worker(endpoint: String, tasks: usize) {
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
        .build_http();
    for _ in 0..tasks {
        let activity = json!({ "activityArn": format!("{STATES}:activity:work") });
        let task = post(&client, &endpoint, "GetActivityTask", activity).await;
        post(
            &client,
            &endpoint,
            "SendTaskSuccess",
            json!({ "taskToken": task["taskToken"], "output": "{}" }),
        )
        .await;
    }
}

/// Lists all executions of a machine, page by page, for some seconds while others start.
async fn listing(cloud: &Cloud, count: usize) {
    for batch in 0..count / 1_000 {
        join_all((0..1_000).map(|n| run(cloud, "chain", format!("list-{batch}-{n}")))).await;
    }
    let before = resident_kib();
    let endpoint = cloud.endpoint().to_owned();
    let pages = tokio::spawn(async move {
        let client =
            hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new())
                .build_http();
        let (mut token, mut times) = (Value::Null, Vec::new());
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            let mut question = json!({ "stateMachineArn": arn("chain") });
            if !token.is_null() {
                question["nextToken"] = token;
            }
            let start = Instant::now();
            let mut page = post(&client, &endpoint, "ListExecutions", question).await;
            times.push(start.elapsed());
            assert_eq!(page["executions"].as_array().unwrap().len(), 100);
            token = page["nextToken"].take();
        }
        times
    });
    let mut starts = Vec::new();
    while !pages.is_finished() {
        let start = Instant::now();
        cloud
            .start_execution(
                &arn("wait"),
                &format!("meanwhile-{}", starts.len()),
                &json!({}),
            )
            .await
            .unwrap();
        starts.push(start.elapsed());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut times = pages.await.unwrap();
    println!(
        "pages of 100 out of {count}: {}, {} KiB resident more than before",
        spread(&mut times),
        resident_kib().saturating_sub(before)
    );
    println!("starts meanwhile: {}", spread(&mut starts));
}

fn spread(times: &mut [Duration]) -> String {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 100];
    format!(
        "{} in all, median {:?}, 99 in 100 within {:?}, worst {:?}",
        times.len(),
        at(50),
        at(99),
        at(100)
    )
}

#[tokio::main]
async fn main() {
    let part = std::env::args().nth(1);
    if part.as_deref() != Some("listing") {
        driver().await;
    }
    if part.as_deref() != Some("driver") {
        let dir = tempfile::tempdir().unwrap();
        let cloud = Cloud::start(Config::new(stack(), dir.path().into(), dir.path().into()))
            .await
            .unwrap();
        listing(&cloud, 100_000).await;
        cloud.shutdown().await;
    }
}

async fn driver() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(stack(), dir.path().into(), dir.path().into());
    // The cost of surviving a power failure: `-- --durable`.
    if std::env::args().any(|argument| argument == "--durable") {
        config.durability = Durability::PowerFailure;
    }
    let cloud = Cloud::start(config).await.unwrap();
    println!("idle: {} KiB resident", resident_kib());
    let before = resident_kib();
    for n in 0..10_000 {
        cloud
            .start_execution(&arn("wait"), &format!("wait-{n}"), &json!({}))
            .await
            .unwrap();
    }
    println!(
        "10,000 waiting executions: {:.1} KiB resident each",
        (resident_kib() - before) as f64 / 10_000.0
    );
    rate(
        "executions of five Pass states, one after the other",
        2_000,
        async {
            for n in 0..2_000 {
                run(&cloud, "chain", format!("one-{n}")).await;
            }
        },
    )
    .await;
    rate(
        "executions of five Pass states, 10,000 at once",
        10_000,
        async {
            join_all((0..10_000).map(|n| run(&cloud, "chain", format!("many-{n}")))).await;
        },
    )
    .await;
    rate(
        "executions of two JSONata expressions, one after the other",
        2_000,
        async {
            for n in 0..2_000 {
                run(&cloud, "jsonata", format!("one-{n}")).await;
            }
        },
    )
    .await;
    rate(
        "executions of two JSONata expressions, 10,000 at once",
        10_000,
        async {
            join_all((0..10_000).map(|n| run(&cloud, "jsonata", format!("many-{n}")))).await;
        },
    )
    .await;
    let input = json!((0..10_000).collect::<Vec<u32>>());
    rate("children of one Distributed Map", 10_000, async {
        let arn = cloud
            .start_execution(&arn("map"), "map", &input)
            .await
            .unwrap();
        assert_eq!(cloud.wait(&arn).await.unwrap().status.name(), "SUCCEEDED");
    })
    .await;
    rate(
        "activity tasks over HTTP by 16 workers, with two logged events each",
        4_000,
        async {
            let workers: Vec<_> = (0..16)
                .map(|_| tokio::spawn(worker(cloud.endpoint().to_owned(), 250)))
                .collect();
            join_all((0..4_000).map(|n| run(&cloud, "task", format!("task-{n}")))).await;
            join_all(workers).await;
        },
    )
    .await;
    cloud.shutdown().await;
    drop(cloud);
    let start = Instant::now();
    let cloud = Cloud::start(Config::new(stack(), dir.path().into(), dir.path().into()))
        .await
        .unwrap();
    println!(
        "10,000 executions taken up again after a restart in {:?}",
        start.elapsed()
    );
    tokio::time::timeout(Duration::from_secs(5), cloud.shutdown())
        .await
        .unwrap();
}
