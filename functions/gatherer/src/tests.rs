use std::sync::atomic::{AtomicBool, Ordering};

use jobs::artifacts::{MemoryStore, Tagged, outcome_uri, put_json};
use jobs::attempt::{Attempt, Ended, Predicted, attempt_uri, note_end};
use jobs::job::{JobOutcome, JobResult};
use jobs::measure::Measured;
use placement::{Placement, Resources};
use serde_json::json;
use time::macros::datetime;

use super::*;
use report::Status;

const NOW: OffsetDateTime = datetime!(2026-11-24 09:00 UTC);

fn deps() -> Deps<MemoryStore> {
    Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        prices: Prices::x86_64(),
    }
}

async fn commit(deps: &Deps<MemoryStore>, id: &str, placement: Placement, result: JobResult) {
    let outcome = JobOutcome {
        job_id: id.into(),
        worker: "trainer".into(),
        placement,
        given: Some(Resources::of_function(1_024)),
        started_at_ms: 1_000,
        finished_at_ms: 3_340,
        measured: None,
        result,
    };
    put_json(&deps.store, &outcome_uri("b", id), &outcome, When::Always)
        .await
        .unwrap();
}

fn trained(accuracy: f64) -> JobResult {
    JobResult::Succeeded {
        output: json!({"metrics": {"accuracy": accuracy, "trainSeconds": 1.5}, "model": "s3://b/m"}),
    }
}

/// Calls the handler of a function that has two minutes.
async fn handle<Store>(
    deps: &Deps<Store>,
    request: SectionRequest,
    now: OffsetDateTime,
) -> Result<Response, Error>
where
    Store: GetObject + PutObject + ListObjects,
{
    super::handle(
        deps,
        request,
        now,
        Instant::now() + Duration::from_secs(120),
    )
    .await
}

fn request(key: &str, results: Value) -> SectionRequest {
    input::parse(json!({
        "execution": "run-1", "pipeline": "ml-training",
        "key": key, "title": format!("Round {key}"), "facts": {"target": 0.97},
        "results": results,
        "rank": {"metric": "accuracy"},
        "deadlineSeconds": 2
    }))
    .unwrap()
}

async fn text(deps: &Deps<MemoryStore>, name: &str) -> String {
    String::from_utf8(
        deps.store
            .get(&run_uri("b", "run-1", name))
            .await
            .unwrap()
            .unwrap(),
    )
    .unwrap()
}

#[tokio::test(start_paused = true)]
async fn failed_and_missing_branches_are_part_of_the_report() {
    let deps = deps();
    commit(&deps, "good", Placement::Fargate, trained(0.97)).await;
    let refused = JobResult::Refused {
        error: "Input.Invalid".into(),
        cause: r#"{"message":"$.k: <no>"}"#.into(),
    };
    commit(&deps, "refused", Placement::Batch, refused).await;
    let results = json!([
        {"jobId": "good", "outcome": "s3://b/jobs/good/outcome.json", "item": {"name": "forest"}},
        {"jobId": "refused", "item": {"name": "knn <b>"}},
        {"jobId": "lost", "item": {"name": "late"}},
        {"item": {"name": "bad"}, "error": {"Error": "Job.OutOfMemory", "Cause": "{\"message\":\"killed\"}"}}
    ]);
    let response = handle(&deps, request("1", results), NOW).await.unwrap();
    assert_eq!(
        (response.succeeded, response.failed, response.missing),
        (1, 2, 1)
    );
    let best = response.best.unwrap();
    assert_eq!((best.value, best.branch.index), (0.97, 0));

    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    let branches = &report.sections[0].branches;
    assert_eq!(branches[0].duration_ms, Some(2_340));
    assert_eq!(branches[1].message.as_deref(), Some("$.k: <no>"));
    assert_eq!(branches[2].status, Status::Missing);
    assert_eq!(branches[3].error.as_deref(), Some("Job.OutOfMemory"));
    let page = text(&deps, "report.html").await;
    assert!(page.contains("knn &lt;b&gt;") && !page.contains("knn <b>"));
    assert!(page.contains("Job.OutOfMemory") && page.contains("<svg") && !page.contains("http"));
}

#[tokio::test]
async fn a_job_of_a_pack_tells_its_own_error_and_has_no_start_to_pay() {
    let deps = deps();
    commit(&deps, "good", Placement::Fargate, trained(0.97)).await;
    let told = json!({"Error": "Job.Crashed", "Cause": "{\"message\":\"no luck\"}"});
    let uri = artifacts::job_uri("b", "failed").sibling("failed.json");
    artifacts::put_json(&deps.store, &uri, &told, When::Always)
        .await
        .unwrap();
    let jobs = ["good", "failed", "not begun"]
        .map(|id| json!({"jobId": id, "item": id, "pack": "s3://b/jobs/b/packs/0.json"}));
    let mut request = request("1", json!(jobs));
    request.deadline_seconds = 0.0;
    let response = handle(&deps, request, NOW).await.unwrap();
    let counts = (response.succeeded, response.failed, response.missing);
    assert_eq!(counts, (1, 1, 1));
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    let branches = &report.sections[0].branches;
    assert_eq!((branches[0].usd, report.usd()), (None, None));
    assert_eq!(branches[1].error.as_deref(), Some("Job.Crashed"));
    assert_eq!(branches[1].message.as_deref(), Some("no luck"));
}

#[tokio::test]
async fn the_cost_of_the_work_is_in_the_head() {
    let deps = deps();
    commit(&deps, "warm", Placement::Lambda, trained(0.9)).await;
    let results = json!([{"jobId": "warm"}, {"item": 7, "output": {}}]);
    handle(&deps, request("1", results), NOW).await.unwrap();
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    // One GB for 2.34 s, and the request.
    let prices = &deps.prices.lambda;
    let expected = 2.34 * prices.gb_second + prices.request;
    assert!((report.usd().unwrap() - expected).abs() < 1e-12);
    assert_eq!(report.sections[0].branches[1].usd, None);
    let page = text(&deps, "report.html").await;
    assert!(page.contains("<b>$0.0000392</b><span>cost of the work</span>"));
    assert!(page.contains(".lambda { --placement: #d97706; }"));
}

#[tokio::test(start_paused = true)]
async fn a_late_outcome_is_waited_for_until_the_deadline() {
    let deps = deps();
    let late = async {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        commit(&deps, "late", Placement::Batch, trained(0.9)).await;
    };
    let (response, ()) = tokio::join!(
        handle(&deps, request("1", json!([{"jobId": "late"}])), NOW),
        late
    );
    assert_eq!(response.unwrap().succeeded, 1);
}

#[tokio::test(start_paused = true)]
async fn no_deadline_outlasts_the_function() {
    let deps = deps();
    let mut request = request("1", json!([{"jobId": "lost"}]));
    request.deadline_seconds = 1e19;
    let response = handle(&deps, request, NOW).await.unwrap();
    assert_eq!(response.missing, 1);
}

/// The attempt `id` at the job `job` as it was decided, with a prediction from 30 runs, and how it ended.
async fn attempt(deps: &Deps<MemoryStore>, job: &str, id: &str, at: u64, ending: &str) {
    let attempt = Attempt {
        id: id.into(),
        worker: "trainer".into(),
        class: "Train".into(),
        feature: None,
        dispatched_at_ms: at,
        placement: Placement::FargateSpot,
        resources: None,
        predicted: Some(Predicted {
            expected_seconds: at as f64,
            longest_seconds: 4.0,
            usd: 0.002,
            runs: 30,
        }),
        reason: format!("reason {id}"),
    };
    let uri = jobs::artifacts::job_uri("b", job);
    put_json(&deps.store, &attempt_uri(&uri, id), &attempt, When::Always)
        .await
        .unwrap();
    let ended = Ended {
        ending: ending.into(),
        placement: Placement::FargateSpot,
        given: None,
        feature: None,
        job: None,
        started_at_ms: Some(at),
        finished_at_ms: at + 3_000,
        measured: Measured {
            usd: Some(0.003),
            ..Measured::default()
        },
    };
    note_end(&deps.store, &uri, &attempt, &ended).await;
}

#[tokio::test]
async fn the_path_of_a_job_and_what_was_predicted_are_told() {
    let deps = deps();
    for (job, at) in [("a", 1), ("b", 3), ("d", 5)] {
        commit(&deps, job, Placement::FargateSpot, trained(0.9)).await;
        attempt(&deps, job, "z", at, "Job.SpotReclaimed").await;
        attempt(&deps, job, "y", at + 1, "SUCCEEDED").await;
    }
    attempt(&deps, "c", "x", 1, "Job.Crashed").await;
    let caught = json!({"Error": "Job.Crashed", "Cause": r#"{"message":"died","jobId":"c"}"#});
    let results = json!([{"jobId": "a"}, {"jobId": "b"}, {"error": caught}, {"jobId": "d"}]);
    handle(&deps, request("1", results), NOW).await.unwrap();
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    let path = |index: usize| {
        let steps = report.sections[0].branches[index].attempts.iter();
        steps
            .map(|step| step.ending.clone().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(path(0), ["Job.SpotReclaimed", "SUCCEEDED"]);
    assert_eq!(path(2), ["Job.Crashed"]);
    let page = text(&deps, "report.html").await;
    for told in [
        "Paths",
        "reason z",
        "actual against predicted time of work",
        "Predicted cost of 3 attempts: $0.00600, actual: $0.00900. 3 of 3 that were predicted",
    ] {
        assert!(page.contains(told), "{told}");
    }
}

#[tokio::test]
async fn an_outcome_that_is_none_is_a_failed_branch() {
    let deps = deps();
    commit(&deps, "good", Placement::Lambda, trained(0.9)).await;
    let broken = json!({"jobId": 7});
    put_json(
        &deps.store,
        &outcome_uri("b", "broken"),
        &broken,
        When::Always,
    )
    .await
    .unwrap();
    let results = json!([{"jobId": "good"}, {"jobId": "broken"}]);
    let response = handle(&deps, request("1", results), NOW).await.unwrap();
    assert_eq!((response.succeeded, response.failed), (1, 1));
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    let branch = &report.sections[0].branches[1];
    assert_eq!(branch.error.as_deref(), Some("Input.Invalid"));
    let message = branch.message.as_deref().unwrap();
    assert!(message.contains("s3://b/jobs/broken/outcome.json"));
}

#[tokio::test]
async fn a_manifest_that_is_none_is_refused_with_its_path() {
    let deps = deps();
    for (manifest, path) in [
        (json!([{"jobId": "a"}, {"jobId": 7}]), "$[1].jobId"),
        (
            json!({"DestinationBucket": "b", "ResultFiles": {"FAILED": [{}]}}),
            "$.ResultFiles.FAILED[0]",
        ),
    ] {
        let uri = S3Uri::new("b", "manifest.json");
        put_json(&deps.store, &uri, &manifest, When::Always)
            .await
            .unwrap();
        let mut request = request("1", json!([]));
        request.manifest = Some(uri);
        let error = handle(&deps, request, NOW).await.unwrap_err().to_string();
        assert!(error.contains(&format!("{path}: ")), "{error}");
    }
}

#[tokio::test]
async fn rounds_add_up_and_a_repeated_call_counts_once() {
    let deps = deps();
    for (id, accuracy) in [("a", 0.97), ("b", 0.98), ("c", 0.96)] {
        commit(&deps, id, Placement::Lambda, trained(accuracy)).await;
    }
    handle(
        &deps,
        request("1", json!([{"jobId": "a"}, {"jobId": "b"}])),
        NOW,
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let response = handle(&deps, request("2", json!([{"jobId": "c"}])), NOW)
            .await
            .unwrap();
        let best = response.best.unwrap();
        assert_eq!((best.section.as_str(), best.value), ("1", 0.98));
    }
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    assert_eq!(report.branches().count(), 3);
}

/// A store in which the first report takes a second to be written.
#[derive(Default)]
struct Stalling {
    store: MemoryStore,
    stalled: AtomicBool,
}

impl GetObject for Stalling {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        self.store.get_tagged(uri).await
    }
}

impl ListObjects for Stalling {
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<Listed>, ArtifactError> {
        self.store.list(prefix).await
    }
}

impl PutObject for Stalling {
    async fn put_tagged(
        &self,
        uri: &S3Uri,
        body: Vec<u8>,
        when: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        if uri.key.contains("/report.") && !self.stalled.swap(true, Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        self.store.put_tagged(uri, body, when).await
    }
}

/// Parallel branches of a state machine that each end with their own section.
#[tokio::test(start_paused = true)]
async fn no_section_is_lost_when_two_are_made_at_once() {
    let deps = Deps {
        bucket: "b".into(),
        store: Stalling::default(),
        prices: Prices::x86_64(),
    };
    let results = json!([{"output": {"metrics": {}}}]);
    let (first, second) = tokio::join!(handle(&deps, request("1", results.clone()), NOW), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        handle(&deps, request("2", results.clone()), NOW).await
    });
    assert_eq!(first.unwrap().report, second.unwrap().report);
    let uri = |name| run_uri("b", "run-1", name);
    let report: Report = artifacts::get_json(&deps.store, &uri("report.json"))
        .await
        .unwrap();
    assert_eq!(report.sections.len(), 2);
    let page = deps.store.get(&uri("report.html")).await.unwrap().unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("Round 1") && page.contains("Round 2"));
}

#[tokio::test]
async fn ten_thousand_outcomes_come_by_manifest() {
    let deps = deps();
    commit(&deps, "one", Placement::Lambda, trained(0.5)).await;
    let child = |n: u32| json!({"Input": format!("{{\"name\":\"{n}\"}}"), "Output": "{\"jobId\":\"one\"}", "Status": "SUCCEEDED"});
    let failed = json!([
        {"Input": "7", "Error": "States.Timeout", "Cause": "late", "Status": "TIMED_OUT"},
        {"Input": "8", "Output": "{\"jobId\": 8}", "Status": "SUCCEEDED"}
    ]);
    let children: Vec<_> = (0..9_999).map(child).collect();
    let manifest = json!({
        "DestinationBucket": "b", "MapRunArn": "arn",
        "ResultFiles": {"SUCCEEDED": [{"Key": "s.json", "Size": 1}], "FAILED": [{"Key": "f.json", "Size": 1}], "PENDING": []}
    });
    for (key, value) in [
        ("s.json", json!(children)),
        ("f.json", failed),
        ("manifest.json", manifest),
    ] {
        put_json(&deps.store, &S3Uri::new("b", key), &value, When::Always)
            .await
            .unwrap();
    }
    let mut request = request("1", json!([]));
    request.manifest = Some(S3Uri::new("b", "manifest.json"));
    let response = handle(&deps, request, NOW).await.unwrap();
    assert_eq!(
        (response.succeeded, response.failed, response.missing),
        (9_999, 2, 0)
    );
    let report: Report = serde_json::from_str(&text(&deps, "report.json").await).unwrap();
    let told = report.sections[0].branches[10_000].message.as_deref();
    assert!(told.unwrap().starts_with("$.Output.jobId: "), "{told:?}");
}

#[tokio::test]
async fn work_without_a_job_is_reported_as_it_came() {
    let deps = deps();
    let results = json!([{"item": "x", "output": {"metrics": {"accuracy": 0.5, "note": "text"}}, "durationMs": 7}]);
    let best = handle(&deps, request("1", results), NOW)
        .await
        .unwrap()
        .best
        .unwrap();
    assert_eq!((best.value, best.branch.duration_ms), (0.5, Some(7)));
    assert_eq!(best.branch.metrics.len(), 1);
}

#[tokio::test]
async fn a_result_that_says_nothing_is_refused_by_path() {
    let error = handle(
        &deps(),
        request("1", json!([{"jobId": "x"}, {"item": 1}])),
        NOW,
    )
    .await
    .unwrap_err();
    assert_eq!(error.name(), "Input.Invalid");
    assert!(
        error.to_string().starts_with("$.section.results[1]"),
        "{error}"
    );
}
