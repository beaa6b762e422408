//! The function's handler, called as the state machine calls it.

#![allow(clippy::unwrap_used)]

#[path = "../../../shared/load/tests/server/mod.rs"]
mod server;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use jobs::artifacts::{MemoryStore, get_json};
use jobs::task::Named as _;
use load::result::{Generated, LoadResult};
use load::{AllowedTargets, Ceilings, Error};
use load_generator::capacity::Known;
use load_generator::handler::{Deps, Request, Response, handle};
use serde_json::{Value, json};
use server::ok;
use tokio::time::Instant;

fn deps(capacity: f64) -> Deps<MemoryStore, Known> {
    Deps {
        store: MemoryStore::default(),
        capacity: Known(capacity),
        allowed: AllowedTargets::parse("127.0.0.1").unwrap(),
        ceilings: Ceilings {
            rate: 100_000.0,
            seconds: 600.0,
        },
        memory_mib: 1_769,
        init: Mutex::new(Some(Duration::from_millis(40))),
    }
}

fn test(url: &str, rate: f64) -> Value {
    json!({"url": url, "threads": 1, "load": {"open": {"stages": [{"hold": {"rate": rate, "seconds": 0.5}}]}}})
}

async fn call(
    deps: &Deps<MemoryStore, Known>,
    request: Value,
    seconds: u64,
) -> Result<Value, Error> {
    let request: Request = serde_json::from_value(request).unwrap();
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let response: Response = handle(deps, request, SystemTime::now(), deadline).await?;
    Ok(serde_json::to_value(response).unwrap())
}

#[tokio::test]
async fn a_start_beyond_the_time_limit_is_refused_at_once() {
    let deps = deps(200.0);
    for start in [4e12, 1e22] {
        let request = json!({"generate": {
            "test": test("http://127.0.0.1:9/", 1.0), "generator": {"index": 0, "count": 1},
            "startAtMs": start, "resultUri": "s3://b/k"
        }});
        let error = call(&deps, request, 10).await.unwrap_err();
        assert_eq!(error.name(), "Input.Invalid", "{error}");
        assert!(error.to_string().contains("startAtMs"), "{error}");
    }
}

#[tokio::test]
async fn planned_generators_make_the_whole_test_together() {
    let server = server::start(|_| (ok("hello"), false));
    let deps = deps(200.0);
    let test = test(&server.url, 300.0);
    let plan = json!({"plan": {"test": test, "startInSeconds": 0.2}});
    let plan = call(&deps, plan, 60).await.unwrap();
    // 300 requests per second at 0.7 of 200 each.
    assert_eq!(plan["generators"].as_array().unwrap().len(), 3);
    let calls = plan["generators"].as_array().unwrap().iter().enumerate().map(|(index, share)| {
        let uri = format!("s3://b/runs/x/load/{index}.json");
        let request = json!({"generate": {
            "test": test, "generator": share, "startAtMs": plan["startAtMs"], "resultUri": uri, "sentAtMs": 1.0
        }});
        call(&deps, request, 60)
    });
    let mut requests = 0;
    let (mut starts, mut inits) = (Vec::new(), Vec::new());
    for generated in futures::future::try_join_all(calls).await.unwrap() {
        let generated: Generated = serde_json::from_value(generated).unwrap();
        assert_eq!(
            (generated.memory_mib, generated.sent_at_ms, generated.failed),
            (1_769, Some(1.0), 0)
        );
        assert!(generated.returned_at_ms - generated.received_at_ms > 500.0);
        let result: LoadResult = get_json(&deps.store, &generated.result_uri).await.unwrap();
        assert_eq!(result.measured.requests, generated.requests);
        requests += generated.requests;
        inits.extend(generated.init_ms);
        starts.push(result.started_at_ms);
    }
    assert_eq!(requests, 150);
    // All of them ran in one environment, which was initialised once.
    assert_eq!(inits, [40.0]);
    starts.iter().for_each(|start| {
        assert!(
            (start - plan["startAtMs"].as_f64().unwrap()).abs() < 5.0,
            "{starts:?}"
        );
    });
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_before_any_load() {
    let deps = deps(1_000.0);
    let long = json!({"url": "http://127.0.0.1/", "load": {"closed": {"connections": 1, "seconds": 601.0}}});
    for (test, seconds, name) in [
        (test("http://localhost/", 1.0), 60, "Input.TargetNotAllowed"),
        (
            test("http://169.254.169.254/", 1.0),
            60,
            "Input.TargetNotAllowed",
        ),
        (
            test("http://127.0.0.1/", 100_001.0),
            60,
            "Input.TargetNotAllowed",
        ),
        (long, 1_000, "Input.TargetNotAllowed"),
        (
            test("http://127.0.0.1/", 50_000.0),
            60,
            "Input.ConcurrencyExceeded",
        ),
        (test("http://127.0.0.1/", 1.0), 10, "Input.Invalid"),
        (test("http://127.0.0.1/{{what}}", 1.0), 60, "Input.Invalid"),
    ] {
        let error = call(&deps, json!({"plan": {"test": test}}), seconds)
            .await
            .unwrap_err();
        assert_eq!(error.name(), name, "{test}: {error}");
    }
}

#[tokio::test]
async fn a_generator_checks_for_itself() {
    let deps = deps(1_000.0);
    for (url, generator, name) in [
        (
            "http://10.0.0.1/",
            json!({"index": 0, "count": 1}),
            "Input.TargetNotAllowed",
        ),
        (
            "http://127.0.0.1/",
            json!({"index": 1, "count": 1}),
            "Input.Invalid",
        ),
    ] {
        let request = json!({"generate": {
            "test": test(url, 1.0), "generator": generator, "resultUri": "s3://b/k.json"
        }});
        assert_eq!(call(&deps, request, 60).await.unwrap_err().name(), name);
    }
}

#[tokio::test]
async fn it_returns_before_the_function_is_ended() {
    let server = server::start(|_| (ok(""), false));
    let deps = deps(1_000.0);
    let long = json!({"url": server.url, "load": {"open": {"stages": [{"hold": {"rate": 50.0, "seconds": 300.0}}]}}});
    let request = json!({"generate": {
        "test": long, "generator": {"index": 0, "count": 1}, "resultUri": "s3://b/k.json"
    }});
    let generated: Generated =
        serde_json::from_value(call(&deps, request, 6).await.unwrap()).unwrap();
    assert!(
        generated.truncated && generated.requests > 20,
        "{generated:?}"
    );
}
