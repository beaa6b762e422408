use std::sync::Arc;

use jobs::artifacts::{MemoryStore, job_uri, outcome_uri, put_json};
use jobs::job::JobResult;
use jobs::task::{MemoryCallback, Signal};
use serde_json::json;

use super::*;

fn deps(full: &[Placement]) -> Deps<MemoryStore, Arc<MemoryCallback>, MemoryStarter> {
    Deps {
        bucket: "b".into(),
        store: MemoryStore::default(),
        callback: Arc::default(),
        starter: MemoryStarter::with_full(full),
        prices: Prices::x86_64().with_function(1_769),
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
        (vec![auto.clone()], "$.expectedSeconds"),
        (
            vec![auto.clone(), ("expectedSeconds", json!(10))],
            "$.resources",
        ),
        (vec![("expectedSeconds", json!(-1))], "$.expectedSeconds"),
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
