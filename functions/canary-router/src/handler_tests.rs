use super::*;
use jobs::artifacts::MemoryStore;
use serde_json::{Value, json};

fn deps() -> Deps<MemoryStore> {
    Deps {
        store: MemoryStore::default(),
        bucket: "b".into(),
    }
}

fn canary() -> Value {
    json!({"name": "c", "stable": "old", "candidate": "new", "minimumSamples": 20,
           "strategy": {"kind": "STICKY", "share": 0.5}, "latency": {"limitMs": 200}})
}

async fn ask(deps: &Deps<MemoryStore>, request: Value) -> Result<Value, Error> {
    let request = input::parse(request)?;
    handle(deps, request)
        .await
        .map(|response| serde_json::to_value(response).unwrap())
}

async fn route_of(deps: &Deps<MemoryStore>, id: u32) -> Value {
    let request = json!({"action": "ROUTE", "canary": canary(), "requestId": id.to_string(), "key": format!("user-{id}")});
    ask(deps, request).await.unwrap()
}

/// Routes and records 200 requests; the candidate succeeds where `good` says so.
async fn serve(deps: &Deps<MemoryStore>, good: impl Fn(u32) -> bool) {
    for id in 0..200 {
        let routed = route_of(deps, id).await;
        let succeeded = routed["role"] == "STABLE" || good(id);
        for _again in 0..2 {
            let record = json!({"action": "RECORD", "canary": canary(), "requestId": id.to_string(),
                                "role": routed["role"], "succeeded": succeeded, "latencyMs": 12.4});
            ask(deps, record).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_bad_candidate_is_rolled_back_and_gets_no_more_traffic() {
    let deps = deps();
    serve(&deps, |id| id % 2 == 0).await;
    let verdict = ask(&deps, json!({"action": "VERDICT", "canary": canary()}))
        .await
        .unwrap();
    assert_eq!(verdict["verdict"], "ROLL_BACK", "{verdict}");
    assert_eq!(verdict["serving"], json!(["old"]));
    // What the sentence says is what the table of a report has.
    let answer = verdict["answer"].as_str().unwrap();
    for role in ["stable", "candidate"] {
        let rate = 100.0 * verdict[role]["successRate"].as_f64().unwrap();
        assert!(answer.contains(&format!("{rate:.1} %")), "{answer}");
    }
    assert!(answer.ends_with("after 200 requests"), "{answer}");
    let requests = verdict["stable"]["requests"].as_u64().unwrap()
        + verdict["candidate"]["requests"].as_u64().unwrap();
    assert_eq!(requests, 200, "each recording was repeated");
    assert_eq!(verdict["stable"]["meanLatencyMs"], 12.0);
    for id in 0..50 {
        assert_eq!(route_of(&deps, id).await["variant"], "old");
    }
}

#[tokio::test]
async fn a_verdict_is_final_and_a_promoted_candidate_serves_everything() {
    let deps = deps();
    let promoted = judge(
        &serde_json::from_value(canary()).unwrap(),
        &Tally {
            stable: Count {
                requests: 2_000,
                successes: 1_900,
                ..Count::default()
            },
            candidate: Count {
                requests: 2_000,
                successes: 1_910,
                ..Count::default()
            },
        },
    );
    assert_eq!(promoted.verdict, Verdict::Promote);
    let uri = ledger::ledger(&deps.store, "b", "c").uri("verdict.json");
    put_once(&deps.store, &uri, promoted).await.unwrap();
    serve(&deps, |_| false).await;
    let verdict = ask(&deps, json!({"action": "VERDICT", "canary": canary()}))
        .await
        .unwrap();
    assert_eq!(verdict["verdict"], "PROMOTE");
    assert_eq!(route_of(&deps, 1).await["role"], "CANDIDATE");
}

#[tokio::test]
async fn bad_input_is_refused_by_its_path() {
    let cases = [
        (json!({"name": "a/b"}), "$.canary.name"),
        (json!({"candidate": "old"}), "$.canary.candidate"),
        (
            json!({"strategy": {"kind": "FIXED", "share": 1.5}}),
            "$.canary.strategy.share",
        ),
        (
            json!({"strategy": {"kind": "FIXED", "share": 0}}),
            "$.canary.strategy.share",
        ),
        (
            json!({"strategy": {"kind": "ADAPTIVE", "share": 1}}),
            "$.canary.strategy.share",
        ),
        (json!({"falseAlarmRate": 0.0}), "$.canary.falseAlarmRate"),
        (json!({"margin": 1.0}), "$.canary.margin"),
        (
            json!({"latency": {"limitMs": -1}}),
            "$.canary.latency.limitMs",
        ),
        (
            json!({"latency": {"limitMs": 1, "share": 0}}),
            "$.canary.latency.share",
        ),
    ];
    for (change, path) in cases {
        let mut canary = canary();
        for (key, value) in change.as_object().unwrap() {
            canary[key] = value.clone();
        }
        let error = ask(&deps(), json!({"action": "VERDICT", "canary": canary}))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Input.Invalid");
        assert!(error.to_string().starts_with(path), "{error}");
    }
    let record = json!({"action": "RECORD", "canary": canary(), "requestId": "1", "role": "STABLE",
                        "succeeded": true, "latencyMs": -5});
    assert!(
        ask(&deps(), record)
            .await
            .unwrap_err()
            .to_string()
            .starts_with("$.latencyMs")
    );
}
