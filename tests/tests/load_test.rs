//! The load test, for real: real functions, a real server on loopback.

#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    process::{Command, Stdio},
    time::Duration,
};

use end_to_end::{Run, call, hybrid, signal};
use serde_json::{Value, json};

/// A server that answers after `delay`; its URL. It ends with the test process.
fn serve(delay: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            std::thread::spawn(move || {
                let mut socket = socket.unwrap();
                while socket.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {
                    std::thread::sleep(delay);
                    if socket
                        .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                        .is_err()
                    {
                        break;
                    }
                }
            });
        }
    });
    url
}

/// 60 requests per second for 2 s, by two generators, since one has at most 900 connections.
fn input(url: &str, thresholds: &[&str]) -> Value {
    json!({
        "test": {
            "url": url,
            "load": {"open": {"stages": [{"hold": {"rate": 60.0, "seconds": 2.0}}], "maxConnections": 1_000}},
            "thresholds": thresholds
        },
        "startInSeconds": 3.0
    })
}

fn run(input: &Value) -> Value {
    let (finished, _out) = Run::start("load-test", input, &[]).finish();
    finished.json()
}

#[test]
fn generators_make_the_test_together_and_their_results_are_merged() {
    let ended = run(&input(
        &serve(Duration::ZERO),
        &["p99 < 2 s", "error rate < 1 %", "throughput > 50 /s"],
    ));
    assert_eq!(ended["status"], "SUCCEEDED", "{ended}");
    let output = match &ended["output"] {
        Value::String(text) => serde_json::from_str(text).unwrap(),
        other => other.clone(),
    };
    assert_eq!(
        (&output["requests"], &output["passed"]),
        (&json!(120), &json!(true)),
        "{output}"
    );
    assert_eq!(output["checks"].as_array().unwrap().len(), 3, "{output}");
    assert!(
        output["report"]["html"]
            .as_str()
            .unwrap()
            .ends_with("/load/report.html"),
        "{output}"
    );
}

#[test]
fn a_missed_threshold_fails_the_execution() {
    let ended = run(&input(&serve(Duration::from_millis(50)), &["p50 < 20 ms"]));
    assert_eq!(
        (&ended["status"], &ended["error"]),
        (&json!("FAILED"), &json!("Job.ThresholdMissed")),
        "{ended}"
    );
    assert!(
        ended["cause"]
            .as_str()
            .unwrap()
            .starts_with("p50 < 20 ms is "),
        "{ended}"
    );
}

#[test]
fn a_target_that_is_not_on_the_list_is_refused() {
    for url in [
        "http://localhost:9/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
    ] {
        let ended = run(&input(url, &[]));
        assert_eq!(ended["error"], "Input.TargetNotAllowed", "{ended}");
    }
}

#[test]
fn a_server_that_is_not_there_is_neither_fast_nor_good() {
    let load = [
        "load",
        "http://127.0.0.1:1/",
        "--rate",
        "50",
        "--duration",
        "500ms",
    ]
    .as_slice();
    let missed = call(&[load, &["--threshold", "p99 < 250 ms"]].concat());
    assert_eq!(missed.code, Some(1));
    assert!(
        missed.stdout.contains("missed p99 < 250 ms (no response)"),
        "{}",
        missed.stdout
    );
    let without = call(load);
    assert_eq!(without.code, Some(1));
    assert!(without.stdout.contains("p99 –"), "{}", without.stdout);
}

#[test]
fn load_ends_with_what_it_has_when_it_is_asked_to() {
    let url = serve(Duration::from_millis(5));
    let mut load = Command::new(hybrid())
        .args(["load", &url, "--rate", "50", "--duration", "60s", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(load.stderr.take().unwrap()).lines();
    let mut told = told.map_while(Result::ok);
    assert!(told.any(|line| line.contains("1 of 60 s")));
    signal(load.id(), "TERM");
    let ended = load.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let printed: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(printed["result"]["truncated"], true);
}

#[test]
fn the_command_makes_load_and_tells_by_its_exit_code() {
    let url = serve(Duration::from_millis(5));
    let load =
        |more: &[&str]| call(&[&["load", &url, "--rate", "50", "--duration", "1s"], more].concat());
    let held = load(&["--threshold", "p50 < 1 s", "--json"]);
    assert_eq!(held.code, Some(0), "{}", held.stderr);
    assert_eq!(held.json()["result"]["measured"]["requests"], 50);
    assert_eq!(load(&["--threshold", "p50 < 1 ms"]).code, Some(1));
    assert_eq!(load(&["--threshold", "latency < 1 ms"]).code, Some(2));
    assert_eq!(
        call(&["load", "ftp://127.0.0.1/", "--rate", "1"]).code,
        Some(2)
    );
}
