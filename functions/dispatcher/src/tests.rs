use std::sync::Arc;

use jobs::artifacts::{MemoryStore, job_uri, outcome_uri, put_json};
use jobs::job::JobResult;
use jobs::task::{MemoryCallback, Signal};
use serde_json::json;

use super::*;

type TestDeps = Deps<MemoryStore, Arc<MemoryCallback>, MemoryStarter>;

fn deps(full: &[Placement]) -> TestDeps {
    Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        callback: Arc::default(),
        starter: MemoryStarter::with_full(full),
        prices: Prices::x86_64().with_function(1_769),
        recall: Recall::default(),
    }
}

fn request(change: &[(&str, Value)]) -> Request {
    let mut event = json!({
        "taskToken": "t", "execution": "e", "state": "Train", "index": 2, "worker": "trainer",
        "placement": "FARGATE", "input": {"depth": 3}
    });
    for (field, value) in change {
        event[field] = value.clone();
    }
    input::parse(event).unwrap()
}

/// Calls the handler a second after the epoch.
async fn handle(deps: &TestDeps, request: Request) -> Result<Response, Error> {
    super::handle(deps, request, 1_000).await
}

#[tokio::test]
async fn a_job_is_stored_and_started_where_the_request_says() {
    let deps = deps(&[]);
    let response = handle(&deps, request(&[])).await.unwrap();
    assert_eq!(response.placement, Placement::Fargate);
    assert_eq!(deps.starter.launches(), [Placement::Fargate]);
    let job: Job = artifacts::get_json(&deps.store, &job_uri("b", &response.job_id))
        .await
        .unwrap();
    assert_eq!(job.input, json!({"depth": 3}));
    let stored = deps
        .store
        .get(&job_uri("b", &response.job_id))
        .await
        .unwrap()
        .unwrap();
    assert!(!String::from_utf8(stored).unwrap().contains("taskToken"));
}

#[tokio::test]
async fn a_repeated_invocation_is_the_same_start() {
    let deps = deps(&[]);
    let first = handle(&deps, request(&[])).await.unwrap();
    assert_eq!(handle(&deps, request(&[])).await.unwrap(), first);
    assert_eq!(deps.starter.launches().len(), 1);
    // The next attempt of the state has another token: the same job, a new start.
    let next = handle(&deps, request(&[("taskToken", json!("u"))]))
        .await
        .unwrap();
    assert_eq!(next.job_id, first.job_id);
    assert_eq!(deps.starter.launches().len(), 2);
}

#[tokio::test]
async fn a_finished_job_is_answered_and_not_started() {
    let deps = deps(&[]);
    let id = handle(&deps, request(&[])).await.unwrap().job_id;
    let outcome = JobOutcome {
        job_id: id.clone(),
        worker: "trainer".into(),
        placement: Placement::Fargate,
        given: None,
        started_at_ms: 0,
        finished_at_ms: 5,
        measured: None,
        result: JobResult::Succeeded { output: json!({}) },
    };
    put_json(&deps.store, &outcome_uri("b", &id), &outcome, When::Absent)
        .await
        .unwrap();
    let response = handle(&deps, request(&[("taskToken", json!("u"))]))
        .await
        .unwrap();
    assert_eq!(response.started, None);
    assert_eq!(deps.starter.launches().len(), 1);
    assert!(matches!(
        &deps.callback.signals()[..],
        [(_, Signal::Success(_))]
    ));
}

#[tokio::test]
async fn without_a_token_the_job_is_only_stored() {
    let deps = deps(&[]);
    let response = handle(&deps, request(&[("taskToken", Value::Null)]))
        .await
        .unwrap();
    assert_eq!(response.started, None);
    assert_eq!(deps.starter.launches(), []);
}

#[tokio::test]
async fn without_a_placement_the_cheapest_free_one_is_taken() {
    let auto = request(&[
        ("placement", Value::Null),
        ("resources", json!({"vcpu": 1, "memoryMiB": 2048})),
        ("expectedSeconds", json!(3600)),
    ]);
    let free = handle(&deps(&[]), auto.clone()).await.unwrap();
    assert_eq!(free.placement, Placement::Fargate, "{}", free.reason);
    let full = handle(&deps(&[Placement::Fargate]), auto.clone())
        .await
        .unwrap();
    assert_eq!(full.placement, Placement::Batch, "{}", full.reason);
    let error = handle(&deps(&Placement::ALL), auto).await.unwrap_err();
    assert_eq!(error.name(), "Job.Capacity");
}

#[tokio::test]
async fn lambda_is_not_chosen_for_what_its_function_cannot_hold() {
    let auto = |memory: u32| {
        let resources = json!({"vcpu": 1, "memoryMiB": memory});
        request(&[
            ("placement", Value::Null),
            ("resources", resources),
            ("expectedSeconds", json!(10)),
            ("deadlineSeconds", json!(60)),
        ])
    };
    let small = handle(&deps(&[]), auto(1_024)).await.unwrap();
    assert_eq!(small.placement, Placement::Lambda, "{}", small.reason);
    let large = handle(&deps(&[]), auto(4_096)).await.unwrap();
    assert_eq!(large.placement, Placement::Fargate, "{}", large.reason);
}

#[tokio::test]
async fn lambda_costs_what_its_function_costs() {
    // Made to measure, a function of 256 MB would be cheapest by far.
    let small = request(&[
        ("placement", Value::Null),
        ("resources", json!({"vcpu": 0.1, "memoryMiB": 256})),
        ("expectedSeconds", json!(50)),
    ]);
    let response = handle(&deps(&[]), small).await.unwrap();
    assert_eq!(
        response.placement,
        Placement::Fargate,
        "{}",
        response.reason
    );
}

fn anywhere(
    failing: Vec<StartError>,
) -> (
    Deps<MemoryStore, Arc<MemoryCallback>, MemoryStarter>,
    Request,
) {
    let deps = Deps {
        starter: MemoryStarter::failing(failing),
        ..deps(&[])
    };
    let anywhere = request(&[
        ("placement", Value::Null),
        ("resources", json!({"vcpu": 1, "memoryMiB": 1024})),
        ("expectedSeconds", json!(10)),
        ("interruptible", json!(true)),
    ]);
    (deps, anywhere)
}

fn refused(placement: Placement) -> StartError {
    StartError::Refused {
        placement,
        reason: "AccessDeniedException".into(),
    }
}

#[tokio::test]
async fn a_job_that_is_refused_everywhere_is_not_worth_another_attempt() {
    let (deps, request) = anywhere(Placement::ALL.map(refused).into());
    let error = handle(&deps, request).await.unwrap_err();
    assert_eq!(error.name(), "Job.NotStarted", "{error}");
    let failing = Placement::ALL.map(|placement| match placement {
        Placement::Batch => StartError::Capacity {
            placement,
            reason: "full".into(),
        },
        _ => refused(placement),
    });
    let (deps, request) = anywhere(failing.into());
    let error = handle(&deps, request).await.unwrap_err();
    assert_eq!(error.name(), "Job.Capacity", "{error}");
}

#[tokio::test]
async fn a_start_that_is_not_answered_is_not_made_elsewhere() {
    let (deps, request) = anywhere(vec![StartError::Unanswered {
        placement: Placement::Lambda,
        reason: "timeout".into(),
    }]);
    let error = handle(&deps, request).await.unwrap_err();
    assert_eq!(error.name(), "Job.Capacity", "{error}");
    assert_eq!(deps.starter.launches(), []);
}

#[tokio::test]
async fn a_full_placement_that_was_named_is_reported() {
    let error = handle(&deps(&[Placement::Fargate]), request(&[]))
        .await
        .unwrap_err();
    assert_eq!(error.name(), "Job.Capacity");
}

#[tokio::test]
async fn bad_requests_are_refused_by_path() {
    let auto = ("placement", Value::Null);
    let cases = [
        (vec![("worker", json!("../x"))], "$.worker"),
        (vec![("expectedSeconds", json!(-1))], "$.expectedSeconds"),
        (vec![("longestSeconds", json!(1e300))], "$.longestSeconds"),
        (vec![("expectedSeconds", json!(1e300))], "$.expectedSeconds"),
        (vec![("resources", json!({"vcpu": -1}))], "$.resources.vcpu"),
        (vec![("deadlineSeconds", json!(0))], "$.deadlineSeconds"),
        (vec![("class", json!("a/b"))], "$.class"),
        (vec![("sizeBytes", json!(-1))], "$.sizeBytes"),
        (
            vec![("feature", json!({"name": "rows", "value": 0}))],
            "$.feature.value",
        ),
        (
            vec![
                ("feature", json!({"name": "rows", "value": 1})),
                ("sizeBytes", json!(1)),
            ],
            "$.feature",
        ),
        (vec![("resources", json!({"gpu": 1}))], "$.resources.gpu"),
        (
            vec![
                ("resources", json!({"memoryMiB": 4096})),
                ("mostMemoryMiB", json!(2048)),
            ],
            "$.mostMemoryMiB",
        ),
        (
            vec![("expectedSeconds", json!(9)), ("longestSeconds", json!(8))],
            "$.longestSeconds",
        ),
        (
            vec![("resources", json!({"vcpu": 1, "memoryMiB": 0}))],
            "$.resources.memoryMiB",
        ),
    ];
    for (change, path) in cases {
        let deps = deps(&[]);
        let error = handle(&deps, request(&change)).await.unwrap_err();
        assert_eq!(error.name(), INPUT_INVALID);
        assert!(error.to_string().starts_with(path), "{error}");
        assert_eq!(deps.starter.launches(), []);
    }
    let giant = request(&[
        auto,
        ("expectedSeconds", json!(10)),
        ("resources", json!({"vcpu": 5000, "memoryMiB": 1})),
    ]);
    assert_eq!(
        handle(&deps(&[]), giant).await.unwrap_err().name(),
        INPUT_INVALID
    );
}

/// A request without a placement, in which only `change` is said.
fn learning(token: &str, change: &[(&str, Value)]) -> Request {
    let mut all = vec![("placement", Value::Null), ("taskToken", json!(token))];
    all.extend_from_slice(change);
    request(&all)
}

/// An attempt of `token` at the job of `request` that ended as `ending`, decided a second after the epoch.
async fn end(deps: &TestDeps, request: &Request, placement: Placement, ending: Option<&str>) {
    let uri = job_uri("b", &job(request).id);
    let attempt = Attempt {
        id: attempt_id(request.task_token.as_ref()),
        worker: "trainer".into(),
        class: "Train".into(),
        feature: None,
        dispatched_at_ms: 1_000,
        placement,
        resources: None,
        predicted: None,
        reason: String::new(),
    };
    put_json(
        &deps.store,
        &attempt_uri(&uri, &attempt.id),
        &attempt,
        When::Always,
    )
    .await
    .unwrap();
    if let Some(ending) = ending {
        let ended = Ended {
            ending: ending.to_owned(),
            placement,
            given: Some(USUAL),
            feature: None,
            job: None,
            started_at_ms: None,
            finished_at_ms: 2_000,
            measured: Measured::default(),
        };
        note_end(&deps.store, &uri, &attempt, &ended).await;
    }
}

async fn decided(deps: &TestDeps, request: &Request) -> Attempt {
    let uri = job_uri("b", &job(request).id);
    let id = attempt_id(request.task_token.as_ref());
    artifacts::get_json(&deps.store, &attempt_uri(&uri, &id))
        .await
        .unwrap()
}

#[tokio::test]
async fn without_history_a_job_is_placed_with_care_and_that_is_said() {
    let deps = deps(&[]);
    let response = handle(&deps, learning("t", &[])).await.unwrap();
    assert_eq!(response.placement, Placement::Fargate);
    let said = "no run like it is known: 600 s and at most 3600 s are taken, 2048 MiB are taken";
    assert!(response.reason.contains(said), "{}", response.reason);
}

#[tokio::test]
async fn the_ledger_tells_what_the_request_leaves_out() {
    let deps = deps(&[]);
    let run = |trees: u64| {
        let request = request(&[("index", json!(trees))]);
        let ended = Ended {
            ending: "SUCCEEDED".into(),
            placement: Placement::Fargate,
            given: None,
            feature: Some(Feature {
                name: "nTrees".into(),
                value: trees as f64,
            }),
            job: None,
            started_at_ms: Some(0),
            finished_at_ms: trees * 100,
            measured: Measured {
                peak_memory_mib: Some(200),
                ..Measured::default()
            },
        };
        (request, ended)
    };
    for trees in 1..=60 {
        let (request, ended) = run(trees);
        let uri = job_uri("b", &job(&request).id);
        end(&deps, &request, Placement::Fargate, None).await;
        let attempt = decided(&deps, &request).await;
        note_end(&deps.store, &uri, &attempt, &ended).await;
    }
    let feature = ("feature", json!({"name": "nTrees", "value": 50}));
    let asked = learning("u", &[feature, ("index", json!(99))]);
    let response = handle(&deps, asked.clone()).await.unwrap();
    assert_eq!(response.placement, Placement::Lambda, "{}", response.reason);
    let said = "from 60 runs: 5.0 s, 95 % within 5.0 s, 97 % within 200 MiB";
    assert!(response.reason.contains(said), "{}", response.reason);
    let attempt = decided(&deps, &asked).await;
    assert_eq!(attempt.resources.unwrap().memory_mib, 512);
    let predicted = attempt.predicted.unwrap();
    assert_eq!(
        (predicted.expected_seconds.round(), predicted.runs),
        (5.0, 60)
    );
    // What the caller says counts, whatever the ledger tells.
    let hinted = learning(
        "v",
        &[("expectedSeconds", json!(7_200)), ("index", json!(98))],
    );
    let response = handle(&deps, hinted).await.unwrap();
    assert_ne!(response.placement, Placement::Lambda);
}

#[tokio::test]
async fn the_next_attempt_learns_from_the_ones_before() {
    use Placement::{BatchSpot, Fargate, FargateSpot, Lambda};
    let short = ("expectedSeconds", json!(20));
    let spot = ("interruptible", json!(true));
    let named = ("placement", json!("BATCH_SPOT"));
    let cases = [
        // Once may be chance, twice is the weather.
        (
            vec![spot.clone(), short.clone()],
            vec![(FargateSpot, Some("Job.SpotReclaimed"))],
            FargateSpot,
            "",
        ),
        (
            vec![spot, short.clone()],
            vec![(FargateSpot, Some("Job.SpotReclaimed")), (BatchSpot, None)],
            Fargate,
            "Spot was reclaimed 2 times",
        ),
        (
            vec![named, short.clone()],
            vec![(BatchSpot, Some("Job.SpotReclaimed")); 2],
            Fargate,
            "Spot was reclaimed 2 times",
        ),
        (
            vec![("placement", json!("LAMBDA")), short.clone()],
            vec![(Lambda, Some("Job.TimedOut"))],
            Fargate,
            "outgrown its function",
        ),
        (
            vec![short.clone()],
            vec![(Fargate, Some("Job.Capacity"))],
            Placement::Batch,
            "FARGATE had no capacity",
        ),
        // Who names a placement waits for it once.
        (
            vec![("placement", json!("FARGATE")), short.clone()],
            vec![(Fargate, Some("Job.Capacity"))],
            Fargate,
            "named by the request",
        ),
        (
            vec![("placement", json!("FARGATE")), short.clone()],
            vec![(Fargate, Some("Job.Capacity")); 2],
            Placement::Batch,
            "FARGATE had no capacity",
        ),
        (
            vec![short],
            vec![(Fargate, Some("Job.OutOfMemory"))],
            Fargate,
            "2048 MiB were too little, so 3072 MiB",
        ),
    ];
    for (change, attempts, expected, said) in cases {
        let deps = deps(&[]);
        for (number, (placement, ending)) in attempts.into_iter().enumerate() {
            let request = learning(&format!("t{number}"), &change);
            end(&deps, &request, placement, ending).await;
        }
        let response = handle(&deps, learning("now", &change)).await.unwrap();
        assert_eq!(
            response.placement, expected,
            "{change:?} {}",
            response.reason
        );
        assert!(response.reason.contains(said), "{}", response.reason);
    }
}

#[tokio::test]
async fn memory_grows_until_the_limit_of_the_request() {
    let deps = deps(&[]);
    let limited = |token| {
        let request = [
            ("mostMemoryMiB", json!(3_000)),
            ("placement", json!("FARGATE")),
        ];
        learning(token, &request)
    };
    end(
        &deps,
        &limited("t"),
        Placement::Fargate,
        Some("Job.OutOfMemory"),
    )
    .await;
    handle(&deps, limited("u")).await.unwrap();
    let attempt = decided(&deps, &limited("u")).await;
    assert_eq!(attempt.resources.unwrap().memory_mib, 3_000);
    let uri = job_uri("b", &job(&limited("u")).id);
    let ended = Ended {
        ending: "Job.OutOfMemory".into(),
        given: attempt.resources,
        ..not_started(&attempt, &Error::AllFull(NoPlacement(String::new())), 5)
    };
    note_end(&deps.store, &uri, &attempt, &ended).await;
    let error = handle(&deps, limited("v")).await.unwrap_err();
    assert_eq!(error.name(), "Job.TooLarge");
    assert!(error.to_string().contains("$.mostMemoryMiB"), "{error}");
}

#[tokio::test]
async fn a_deadline_counts_from_the_first_attempt() {
    let hurried = |token| {
        let request = [
            ("expectedSeconds", json!(100)),
            ("deadlineSeconds", json!(400)),
            ("interruptible", json!(true)),
        ];
        learning(token, &request)
    };
    let deps = deps(&[]);
    let first = handle(&deps, hurried("t")).await.unwrap();
    assert_eq!(first.placement, Placement::FargateSpot, "{}", first.reason);
    // Three minutes later another loss would be one too many.
    end(
        &deps,
        &hurried("t"),
        Placement::FargateSpot,
        Some("Job.SpotReclaimed"),
    )
    .await;
    let later = super::handle(&deps, hurried("u"), 181_000).await.unwrap();
    assert!(!later.placement.is_spot(), "{}", later.reason);
    assert!(
        later.reason.contains("deadline in 220 s"),
        "{}",
        later.reason
    );
}

#[tokio::test]
async fn a_start_that_failed_is_known_to_the_next_attempt() {
    let deps = deps(&Placement::ALL);
    let asked = learning("t", &[("expectedSeconds", json!(10))]);
    handle(&deps, asked.clone()).await.unwrap_err();
    let uri = job_uri("b", &job(&asked).id);
    let (past, _) = history::past(&deps.store, &uri, "other").await.unwrap();
    assert_eq!(past[0].ending, placement::course::Ending::NoCapacity);
}
