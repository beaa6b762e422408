use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::artifacts::{MemoryStore, When, job_uri, put_json};
use crate::job::Origin;
use crate::task::{INPUT_INVALID, JOB_OUT_OF_MEMORY, MemoryCallback};

#[derive(Deserialize)]
struct Halve {
    even: u32,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}: on purpose")]
pub(super) struct Broken(pub(super) &'static str);
impl Named for Broken {
    fn name(&self) -> &str {
        self.0
    }
}

struct Bench {
    store: MemoryStore,
    callback: Arc<MemoryCallback>,
    runs: AtomicU32,
}

impl Bench {
    async fn with(input: Value) -> (Self, Assignment) {
        let bench = Self {
            store: MemoryStore::default(),
            callback: Arc::default(),
            runs: AtomicU32::new(0),
        };
        let origin = Origin::new("e", "s");
        let job = Job {
            id: "j".into(),
            ..Job::new(origin, "halver", Placement::Fargate, input)
        };
        let uri = job_uri("b", "j");
        put_json(&bench.store, &uri, &job, When::Always)
            .await
            .unwrap();
        let token = Some(TaskToken::new("t"));
        (
            bench,
            Assignment {
                job_uri: uri,
                task_token: token,
                placement: Some(Placement::Lambda),
                child: None,
                given: Some(Resources::of_function(1_769)),
                deadline: None,
            },
        )
    }

    async fn perform(&self, assignment: &Assignment) -> Ending {
        let work = async |context: Context<'_, MemoryStore>, input: Halve| {
            self.runs.fetch_add(1, Ordering::Relaxed);
            assert_eq!(context.job.worker, "halver");
            match input.even {
                0 => Err(Broken(JOB_OUT_OF_MEMORY)),
                odd if odd % 2 == 1 => Err(Broken(INPUT_INVALID)),
                even => Ok(json!({ "half": even / 2 })),
            }
        };
        perform(&self.store, &self.callback, assignment, &work).await
    }

    /// The answer to the token, heartbeats left out.
    fn answers(&self) -> Vec<Signal> {
        let signals = self
            .callback
            .signals()
            .into_iter()
            .map(|(_, signal)| signal);
        signals
            .filter(|signal| *signal != Signal::Heartbeat)
            .collect()
    }

    async fn outcome(&self) -> Option<JobOutcome> {
        artifacts::find_json(&self.store, &job_uri("b", "j").sibling("outcome.json"))
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn success_is_committed_then_told() {
    let (bench, assignment) = Bench::with(json!({"even": 4})).await;
    let ending = bench.perform(&assignment).await;
    assert_eq!(ending.code(), 0);
    let outcome = bench.outcome().await.unwrap();
    assert_eq!(
        outcome.result,
        JobResult::Succeeded {
            output: json!({"half": 2})
        }
    );
    assert_eq!(outcome.placement, Placement::Lambda);
    assert_eq!(outcome.given.unwrap().memory_mib, 1_769);
    let [Signal::Success(receipt)] = &bench.answers()[..] else {
        panic!("{:?}", bench.answers())
    };
    assert_eq!(receipt["outcome"], "s3://b/jobs/j/outcome.json");
}

#[tokio::test]
async fn a_refusal_is_final_and_names_the_path() {
    for (input, path) in [
        (json!({"even": -2}), "$.input.even"),
        (json!({"even": 3}), "on purpose"),
    ] {
        let (bench, assignment) = Bench::with(input).await;
        assert_eq!(bench.perform(&assignment).await.code(), 3);
        let Some(JobResult::Refused { error, cause }) =
            bench.outcome().await.map(|outcome| outcome.result)
        else {
            panic!("no refusal is committed")
        };
        assert_eq!(error, INPUT_INVALID);
        assert!(cause.contains(path), "{cause}");
        assert!(
            matches!(&bench.answers()[..], [Signal::Failure(failure)] if failure.error == INPUT_INVALID)
        );
    }
}

#[tokio::test]
async fn a_large_input_comes_by_pointer() {
    let (bench, assignment) = Bench::with(json!({"s3Uri": "s3://b/large.json"})).await;
    assert_eq!(bench.perform(&assignment).await.code(), 3, "not there");
    let (bench, assignment) = Bench::with(json!({"s3Uri": "s3://b/large.json"})).await;
    let uri = S3Uri::new("b", "large.json");
    put_json(&bench.store, &uri, &json!({"even": 4}), When::Always)
        .await
        .unwrap();
    assert_eq!(bench.perform(&assignment).await.code(), 0);
}

#[tokio::test]
async fn a_curable_failure_leaves_no_outcome() {
    let (bench, assignment) = Bench::with(json!({"even": 0})).await;
    assert_eq!(bench.perform(&assignment).await.code(), 1);
    assert_eq!(bench.outcome().await, None);
    assert!(
        matches!(&bench.answers()[..], [Signal::Failure(failure)] if failure.error == JOB_OUT_OF_MEMORY)
    );
}

#[tokio::test]
async fn a_second_worker_delivers_the_first_outcome_and_works_not() {
    let (bench, assignment) = Bench::with(json!({"even": 4})).await;
    let first = bench.perform(&assignment).await;
    let again = Assignment {
        task_token: Some(TaskToken::new("next attempt")),
        ..assignment
    };
    assert_eq!(bench.perform(&again).await, first);
    assert_eq!(bench.runs.load(Ordering::Relaxed), 1);
    assert_eq!(bench.answers().len(), 2);
}

#[tokio::test]
async fn a_worker_for_whom_nobody_waits_does_not_begin() {
    let (bench, assignment) = Bench::with(json!({"even": 4})).await;
    let token = assignment.task_token.clone().unwrap();
    let given_up = Failure::new(JOB_INTERRUPTED, "the state timed out", "j", None);
    let gone = Signal::Failure(given_up);
    bench
        .callback
        .call_back(&token, gone.clone())
        .await
        .unwrap();
    assert_eq!(bench.perform(&assignment).await.code(), 1);
    assert_eq!(bench.runs.load(Ordering::Relaxed), 0);
    assert_eq!(bench.outcome().await, None);
    assert_eq!(bench.answers(), [gone]);
}

#[tokio::test]
async fn an_interrupted_job_may_be_tried_again() {
    let (bench, assignment) = Bench::with(json!({"even": 4})).await;
    let job: Job = artifacts::get_json(&bench.store, &assignment.job_uri)
        .await
        .unwrap();
    let stop = Stop::default();
    stop.give(crate::checkpoint::Order {
        name: crate::task::JOB_SPOT_RECLAIMED,
        reason: "FARGATE_SPOT capacity was reclaimed".to_owned(),
    });
    let work = async |context: Context<'_, MemoryStore>, _: Halve| {
        context.checkpoint.offer(1, || 1).await?;
        Ok::<_, crate::checkpoint::Interrupted>(())
    };
    let (store, callback) = (&bench.store, &bench.callback);
    let concluded = conclude(store, callback, &assignment, &job, stop, &work).await;
    let unfinished = concluded.err().unwrap();
    assert_eq!(unfinished.name, "Job.SpotReclaimed");
    let told = "FARGATE_SPOT capacity was reclaimed; units of work saved: 1; the next attempt goes on from there";
    assert_eq!(unfinished.message, told);
    assert_eq!(bench.outcome().await, None);
}

#[tokio::test]
async fn a_missing_job_is_named() {
    let (bench, mut assignment) = Bench::with(json!({"even": 4})).await;
    assignment.job_uri = job_uri("b", "other");
    assert_eq!(bench.perform(&assignment).await.code(), 1);
    assert!(
        matches!(&bench.answers()[..], [Signal::Failure(failure)] if failure.error == "Input.NotFound")
    );
}
