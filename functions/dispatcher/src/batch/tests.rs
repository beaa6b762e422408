use std::sync::Arc;

use jobs::artifacts::{MemoryStore, get_json};
use jobs::attempt::{Ended, SUCCEEDED, runs};
use jobs::measure::Measured;
use jobs::task::{MemoryCallback, Named as _};
use placement::estimate::Feature;
use placement::pricing::Prices;

use super::*;
use crate::{Answer, MemoryStarter, Recall, answer};

type TestDeps = Deps<MemoryStore, Arc<MemoryCallback>, MemoryStarter>;

fn deps() -> TestDeps {
    Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        callback: Arc::default(),
        starter: MemoryStarter::default(),
        prices: Prices::x86_64().with_function(1_769),
        recall: Recall::default(),
    }
}

fn event(change: &[(&str, Value)]) -> Value {
    let mut event = json!({
        "execution": "e", "state": "Pack", "worker": "trainer", "interruptible": true,
        "resources": {"vcpu": 1, "memoryMiB": 2048}, "expectedSeconds": 0.05,
        "jobs": {"input": {"model": {"knn": {"k": 3}}}, "vary": {"/seed": {"from": 1, "to": 100}}}
    });
    for (member, value) in change {
        event[member] = value.clone();
    }
    event
}

async fn packed(deps: &TestDeps, event: Value) -> Result<Packed, Error> {
    match answer(deps, event, 1_000).await? {
        Answer::Batch(packed) => Ok(*packed),
        Answer::Job(_) => panic!("a batch was asked for"),
    }
}

/// The jobs of a pack by their places.
async fn of_pack(deps: &TestDeps, pack: &S3Uri) -> Vec<(u64, Value)> {
    let pack: Pack = get_json(&deps.store, pack).await.unwrap();
    assert_eq!(pack.origin, Origin::new("e", "Pack"));
    let jobs = pack.jobs.into_iter();
    jobs.map(|small| (small.index, small.input)).collect()
}

#[tokio::test]
async fn a_batch_is_stored_in_packs_with_a_manifest_of_its_jobs() {
    let deps = deps();
    let packed = packed(&deps, event(&[("deadlineSeconds", json!(60))]))
        .await
        .unwrap();
    assert_eq!((packed.jobs, &packed.array), (100, &None));
    assert_eq!(packed.packs.len(), packed.expected.packs);
    assert!(
        packed.expected.usd < packed.expected.alone_usd,
        "{packed:?}"
    );
    let mut all = Vec::new();
    for pack in &packed.packs {
        let jobs = of_pack(&deps, &pack.input.pack).await;
        assert_eq!(jobs.len(), pack.jobs);
        all.extend(jobs);
    }
    all.sort_by_key(|(index, _)| *index);
    let indices: Vec<_> = all.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, (0..100).collect::<Vec<_>>());
    assert_eq!(all[4].1, json!({"model": {"knn": {"k": 3}}, "seed": 5}));
    let manifest: Vec<Value> = get_json(&deps.store, &packed.manifest).await.unwrap();
    assert_eq!(manifest[4]["item"], json!({"seed": 5}));
    let id = manifest[4]["jobId"].as_str().unwrap();
    assert!(id.starts_with("e-Pack-4-"), "{id}");
    // Nothing is started before the state machine asks for a pack.
    assert_eq!(deps.starter.launches(), []);
}

#[tokio::test]
async fn the_same_batch_is_stored_in_the_same_place() {
    let deps = deps();
    let first = packed(&deps, event(&[])).await.unwrap();
    assert_eq!(packed(&deps, event(&[])).await.unwrap(), first);
    let other = json!({"vary": {"/seed": {"from": 1, "to": 101}}});
    let other = packed(&deps, event(&[("jobs", other)])).await.unwrap();
    assert_ne!(other.manifest, first.manifest);
}

#[tokio::test]
async fn an_array_has_a_job_for_all_its_packs() {
    let deps = deps();
    let change = [("array", json!(true)), ("mostPacks", json!(4))];
    let packed = packed(&deps, event(&change)).await.unwrap();
    let array = packed.array.unwrap();
    assert_eq!(packed.packs, []);
    assert!((2..=4).contains(&array.size), "{array:?}");
    assert_eq!(array.placement, Placement::BatchSpot);
    assert_eq!(
        (array.vcpu.as_str(), array.memory_mib.as_str()),
        ("1", "2048")
    );
    let job: Job = get_json(&deps.store, &array.job_uri).await.unwrap();
    assert_eq!(job.id, array.job_id);
    let ArrayInput { packs } = serde_json::from_value(job.input).unwrap();
    let first = S3Uri::new(packs.bucket, format!("{}0.json", packs.key));
    assert!(!of_pack(&deps, &first).await.is_empty());
}

#[tokio::test]
async fn jobs_are_told_one_by_one_or_in_a_file() {
    let deps = deps();
    let each = json!({"input": {"a": 1, "b": 1}, "each": [{"input": {"b": 2}, "expectedSeconds": 500}, {"input": {}}]});
    let listed = packed(&deps, event(&[("jobs", each)])).await.unwrap();
    assert_eq!(listed.packs[0].expected_seconds.round(), 500.0);
    let file = S3Uri::new("b", "data/jobs.jsonl");
    let body = "{\"input\": {\"b\": 2}, \"expectedSeconds\": 500}\n\n{\"input\": {}}\n";
    let put = deps.store.put(&file, body.into(), When::Always);
    put.await.unwrap();
    let from_file = json!({"input": {"a": 1, "b": 1}, "file": file});
    let from_file = packed(&deps, event(&[("jobs", from_file)])).await.unwrap();
    assert_eq!(from_file, listed);
    let jobs = of_pack(&deps, &listed.packs[0].input.pack).await;
    assert_eq!(jobs[0], (0, json!({"a": 1, "b": 2})));
}

#[tokio::test]
async fn every_combination_is_a_job() {
    let deps = deps();
    let vary = json!({"input": {"model": {"knn": {"k": 0}}},
        "vary": {"/model/knn/k": [1, 3], "/seed": {"from": 7, "to": 9}, "/new/place": ["x"]}});
    let packed = packed(&deps, event(&[("jobs", vary)])).await.unwrap();
    let manifest: Vec<Value> = get_json(&deps.store, &packed.manifest).await.unwrap();
    let items: Vec<_> = manifest.iter().map(|entry| &entry["item"]).collect();
    let item = |k: u32, seed: u32| json!({"model/knn/k": k, "new/place": "x", "seed": seed});
    assert_eq!(items.len(), 6);
    assert_eq!(
        (items[0], items[2], items[3]),
        (&item(1, 7), &item(1, 9), &item(3, 7))
    );
}

#[tokio::test]
async fn without_an_expectation_the_packs_of_the_class_tell() {
    let deps = deps();
    let class = |seconds: Value| event(&[("class", json!("small")), ("expectedSeconds", seconds)]);
    let unknown = packed(&deps, class(Value::Null)).await.unwrap();
    assert!(
        unknown.reason.contains("no pack like it is known"),
        "{}",
        unknown.reason
    );
    let ended = Ended {
        ending: SUCCEEDED.to_owned(),
        placement: Placement::Fargate,
        given: None,
        feature: Some(Feature {
            name: FEATURE.to_owned(),
            value: 50.0,
        }),
        job: None,
        started_at_ms: Some(0),
        finished_at_ms: 10_000,
        measured: Measured::default(),
    };
    let ledger = runs(&deps.store, "b", "trainer", "small");
    ledger.record("one", &ended).await.unwrap();
    let learnt = packed(&deps, class(Value::Null)).await.unwrap();
    assert!(
        learnt.reason.contains("0.200 s each, from 1 pack"),
        "{}",
        learnt.reason
    );
}

#[tokio::test]
async fn the_batch_of_the_page_is_one() {
    let page = include_str!("../../../../docs/jobs.md");
    let block = page.split("```json batch\n").nth(1).unwrap();
    let block = block.split("```").next().unwrap();
    let batch = packed(&deps(), serde_json::from_str(block).unwrap()).await;
    assert_eq!(batch.unwrap().jobs, 5_000);
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_by_its_path() {
    let deps = deps();
    let vary = |vary: Value| json!({"input": {"a": 1}, "vary": vary});
    for (member, value, path) in [
        ("worker", json!("a b"), "$.worker"),
        ("class", json!(""), "$.class"),
        ("expectedSeconds", json!(0), "$.expectedSeconds"),
        ("deadlineSeconds", json!(-1), "$.deadlineSeconds"),
        ("resources", json!({"gpu": 1}), "$.resources.gpu"),
        ("resources", json!({"vcpu": 0}), "$.resources.vcpu"),
        ("mostPacks", json!(0), "$.mostPacks"),
        ("mostPacks", json!(201), "$.mostPacks"),
        ("more", json!(1), "$"),
        ("jobs", json!({}), "$.jobs"),
        ("jobs", json!({"input": 1}), "$.jobs.input"),
        ("jobs", vary(json!({})), "$.jobs"),
        ("jobs", vary(json!({"/a": []})), "$.jobs"),
        (
            "jobs",
            vary(json!({"/a": {"from": 1, "to": 10_001}})),
            "$.jobs",
        ),
        ("jobs", vary(json!({"/a": {"from": 2, "to": 1}})), "$.jobs"),
        (
            "jobs",
            vary(json!({"/a": {"from": i64::MIN, "to": i64::MAX}})),
            "$.jobs",
        ),
        ("jobs", vary(json!({"a": [1]})), "$.jobs.vary"),
        ("jobs", vary(json!({"/a/b": [1]})), "$.jobs.vary"),
        (
            "jobs",
            json!({"each": [{"input": {}, "expectedSeconds": -1}]}),
            "$.jobs.each[0].expectedSeconds",
        ),
        ("jobs", json!({"each": [{"inputs": {}}]}), "$.jobs.each[0]"),
        ("jobs", json!({"each": [], "file": "s3://b/k"}), "$.jobs"),
    ] {
        let error = packed(&deps, event(&[(member, value.clone())]))
            .await
            .unwrap_err();
        assert_eq!(error.name(), "Input.Invalid", "{error}");
        assert!(error.to_string().starts_with(path), "{value}: {error}");
    }
    for (change, path) in [
        (
            [("array", json!(true)), ("placement", json!("FARGATE"))],
            "$.placement",
        ),
        ([("array", json!(true)), ("mostPacks", json!(1))], "$.array"),
    ] {
        let error = packed(&deps, event(&change)).await.unwrap_err();
        assert!(error.to_string().starts_with(path), "{error}");
    }
    let missing = json!({"file": "s3://b/none.jsonl"});
    let error = packed(&deps, event(&[("jobs", missing)]))
        .await
        .unwrap_err();
    assert_eq!(error.name(), "Input.NotFound");
    let file = S3Uri::new("b", "bad.jsonl");
    let put = deps
        .store
        .put(&file, "{\"input\": {}}\n{".into(), When::Always);
    put.await.unwrap();
    let error = packed(&deps, event(&[("jobs", json!({"file": file}))])).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.starts_with("$.jobs.file: s3://b/bad.jsonl, line 2:"),
        "{error}"
    );
}
