//! The report of a load test, from what generators wrote to the page.

use jobs::artifacts::{GetObject as _, MemoryStore, S3Uri, When, put_json};
use jobs::task::Named as _;
use load::histogram::Latencies;
use load::result::{Failure, LoadResult, Measured, Second};
use placement::pricing::Prices;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::time::Instant;

use crate::{Deps, Error, answer};

fn deps() -> Deps<MemoryStore> {
    Deps {
        bucket: "b".to_owned(),
        store: MemoryStore::default(),
        prices: Prices::arm64(),
    }
}

/// A generator that measured `latencies` in one second, and failed to connect `failed` times.
fn result(index: u32, count: u32, latencies: &[u64], failed: u64) -> LoadResult {
    let mut measured = Measured {
        requests: latencies.len() as u64 + failed,
        ..Measured::default()
    };
    for &micros in latencies {
        measured.latencies.record(micros);
        measured.scheduling.record(20);
    }
    measured.statuses.insert(200, latencies.len() as u64);
    if failed > 0 {
        measured.errors.insert(Failure::Connect, failed);
    }
    measured.seconds.push(Second {
        second: 0,
        requests: measured.requests,
        errors: failed,
        bytes_received: 0,
        latencies: measured.latencies.to_base64(),
    });
    LoadResult {
        url: "http://a.example.com/".to_owned(),
        index,
        count,
        threads: 1,
        started_at_ms: 1e12,
        late_ms: 0.0,
        seconds: 10.0,
        offered: measured.requests,
        unfinished: 0,
        truncated: false,
        measured,
    }
}

/// Stores the results and returns the event that gathers them.
async fn event(deps: &Deps<MemoryStore>, results: &[LoadResult], thresholds: &[&str]) -> Value {
    let mut generators = Vec::new();
    for result in results {
        let uri = S3Uri::new("b", format!("runs/x/load/{}.json", result.index));
        put_json(&deps.store, &uri, result, When::Always)
            .await
            .unwrap();
        generators.push(json!({"generated": {
            "index": result.index, "resultUri": uri, "requests": 0, "failed": 0, "requestsPerSecond": 0.0,
            "p99Ms": 0.0, "truncated": false, "memoryMib": 1024, "sentAtMs": 0.0, "receivedAtMs": 10.0,
            "returnedAtMs": 10_010.0, "doneAtMs": 10_020.0
        }}));
    }
    json!({"load": {"execution": "x", "generators": generators, "thresholds": thresholds}})
}

async fn call(deps: &Deps<MemoryStore>, event: Value) -> Result<Value, Error> {
    Ok(serde_json::to_value(
        answer(
            deps,
            input::parse(event)?,
            OffsetDateTime::UNIX_EPOCH,
            Instant::now(),
        )
        .await?,
    )
    .unwrap())
}

#[tokio::test]
async fn percentiles_are_those_of_all_requests_together() {
    // 990 fast requests from one generator and 10 slow ones from another: the mean of their medians is far off.
    let fast: Vec<u64> = (0..990).map(|at| 1_000 + at).collect();
    let slow: Vec<u64> = (0..10).map(|at| 500_000 + at * 1_000).collect();
    let deps = deps();
    let results = [result(0, 2, &fast, 0), result(1, 2, &slow, 0)];
    let thresholds = [
        "p50 < 2 ms",
        "p99 < 2 ms",
        "p99.9 > 500 ms",
        "error rate < 0.1 %",
        "throughput >= 100 /s",
    ];
    let response = call(&deps, event(&deps, &results, &thresholds).await)
        .await
        .unwrap();
    let mut together = Latencies::new();
    fast.iter()
        .chain(&slow)
        .for_each(|&micros| together.record(micros));
    assert_eq!(response["p50Ms"], together.percentile(50.0) as f64 / 1e3);
    assert_eq!(response["p99Ms"], together.percentile(99.0) as f64 / 1e3);
    assert_eq!(
        (
            response["passed"].as_bool(),
            response["requestsPerSecond"].as_f64()
        ),
        (Some(true), Some(100.0))
    );
    assert!(
        response["checks"]
            .as_array()
            .unwrap()
            .iter()
            .all(|check| check["passed"] == true),
        "{response}"
    );
}

#[tokio::test]
async fn a_missed_threshold_or_a_lost_generator_fails_the_test() {
    let deps = deps();
    let results = [result(0, 1, &[1_000; 90], 10)];
    let response = call(&deps, event(&deps, &results, &["error rate < 1 %"]).await)
        .await
        .unwrap();
    assert_eq!(response["reasons"], json!(["error rate < 1 % is 10.000 %"]));
    assert_eq!(response["passed"], false);

    let mut lost = event(&deps, &results, &[]).await;
    let failed =
        json!({"failed": {"index": 1, "error": "States.Timeout", "cause": "took too long"}});
    lost["load"]["generators"]
        .as_array_mut()
        .unwrap()
        .push(failed);
    let response = call(&deps, lost).await.unwrap();
    assert_eq!(
        response["reasons"],
        json!(["generator 1 failed with States.Timeout"])
    );

    let nothing = json!({"load": {"execution": "x", "generators": []}});
    assert_eq!(
        call(&deps, nothing).await.unwrap()["reasons"],
        json!(["no request ended"])
    );
}

#[tokio::test]
async fn a_result_that_cannot_be_read_is_a_failed_generator() {
    let deps = deps();
    let results = [
        result(0, 4, &[1_000; 10], 0),
        result(1, 4, &[1_000], 0),
        result(2, 4, &[1_000], 0),
        result(3, 4, &[1_000], 0),
    ];
    let mut event = event(&deps, &results, &[]).await;
    event["load"]["generators"][1]["generated"]["resultUri"] = json!("s3://b/nothing.json");
    let uri = |index: u32| S3Uri::new("b", format!("runs/x/load/{index}.json"));
    put_json(&deps.store, &uri(2), &json!({"url": 7}), When::Always)
        .await
        .unwrap();
    let mut foreign = results[3].clone();
    foreign.measured.seconds[0].latencies = "aGVsbG8=".to_owned();
    put_json(&deps.store, &uri(3), &foreign, When::Always)
        .await
        .unwrap();
    let response = call(&deps, event).await.unwrap();
    assert_eq!(
        response["reasons"],
        json!([
            "generator 1 failed with Input.NotFound",
            "generator 2 failed with Input.Invalid",
            "generator 3 failed with Input.Invalid"
        ])
    );
    assert_eq!(response["requests"], 10);
}

#[tokio::test]
async fn what_no_generator_answers_is_refused_with_its_path() {
    let deps = deps();
    let mut event = event(&deps, &[result(0, 1, &[1], 0)], &[]).await;
    event["load"]["generators"][0]["generated"]["requests"] = json!("many");
    let error = call(&deps, event).await.unwrap_err().to_string();
    assert!(
        error.starts_with("$.load.generators[0].generated.requests: "),
        "{error}"
    );
}

#[tokio::test]
async fn nothing_costs_nothing() {
    let nothing = json!({"load": {"execution": "x", "generators": []}});
    let response = call(&deps(), nothing).await.unwrap();
    assert_eq!(response["costUsd"].to_string(), "0.0");
}

#[tokio::test]
async fn a_test_in_which_every_request_failed_does_not_pass() {
    let deps = deps();
    let event = event(&deps, &[result(0, 1, &[], 5)], &[]).await;
    let response = call(&deps, event).await.unwrap();
    assert_eq!(response["reasons"], json!(["every request failed"]));
}

#[tokio::test]
async fn the_cost_is_memory_by_time_and_the_requests() {
    let deps = deps();
    let results = [result(0, 2, &[1_000], 0), result(1, 2, &[1_000], 0)];
    let response = call(&deps, event(&deps, &results, &[]).await)
        .await
        .unwrap();
    let prices = Prices::arm64().lambda;
    let expected = 2.0 * (10.0 * prices.gb_second + prices.request);
    assert!((response["costUsd"].as_f64().unwrap() - expected).abs() < 1e-12);
}

#[tokio::test]
async fn report_and_page_hold_the_figures() {
    let deps = deps();
    let results = [
        result(0, 2, &[1_000; 1_000], 0),
        result(1, 2, &[250_000; 1_000], 3),
    ];
    let response = call(&deps, event(&deps, &results, &["p99 < 250 ms"]).await)
        .await
        .unwrap();
    let uri = |form: &str| {
        response["report"][form]
            .as_str()
            .unwrap()
            .parse::<S3Uri>()
            .unwrap()
    };
    let report: Value = jobs::artifacts::get_json(&deps.store, &uri("json"))
        .await
        .unwrap();
    assert_eq!(report["measured"]["requests"], 2_003);
    assert_eq!(report["generators"][1]["failed"], 3);
    // The request took 10 ms there and 10 ms back, so the clocks agree to within that.
    assert_eq!(
        report["generators"][0]["clock"],
        json!({"offsetMs": 0.0, "uncertaintyMs": 10.0})
    );
    let page = String::from_utf8(deps.store.get(&uri("html")).await.unwrap().unwrap()).unwrap();
    // What the headline says is in the tiles and tables below it.
    let (_, headline) = page.split_once("<p class=\"answer\">").unwrap();
    let (headline, below) = headline.split_once("</p>").unwrap();
    for (begin, end) in [
        (": ", " requests"),
        ("half within ", ","),
        ("99 % within ", ","),
    ] {
        let headline = headline.replace('\u{a0}', " ");
        let (_, figure) = headline.split_once(begin).unwrap();
        let (figure, _) = figure.split_once(end).unwrap();
        assert!(
            below.contains(&format!(">{figure}<")),
            "{figure}: {headline}"
        );
    }
    for text in [
        "failed",
        "p99 &lt; 250 ms",
        "2,003",
        "error: no connection",
        "99.9 %",
        "<svg",
    ] {
        assert!(page.contains(text), "{text} is not on the page");
    }
    assert!(
        !page.contains("http-equiv") && !page.contains("src="),
        "the page must need nothing else"
    );
}

#[tokio::test]
async fn what_is_no_load_request_is_refused_with_its_path() {
    let deps = deps();
    let error = call(&deps, json!({"load": {"execution": 7}}))
        .await
        .unwrap_err();
    assert_eq!(
        (error.name(), error.to_string().contains("$.load.execution")),
        ("Input.Invalid", true),
        "{error}"
    );
}
