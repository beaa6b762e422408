use std::sync::{Arc, Mutex};

use serde::Deserialize;

use super::*;
use crate::artifacts::{MemoryStore, S3Uri, put_json};
use crate::job::Origin;
use crate::pack::{ArrayInput, Small, pack_uri};
use crate::task::{JOB_SPOT_RECLAIMED, MemoryCallback, Signal, TaskToken};
use crate::worker::tests::Broken;
use crate::worker::{Ending, perform};
use placement::Placement;

#[derive(Deserialize)]
struct Number {
    n: i64,
}

/// A pack of jobs with these numbers: negative ones are refused, and odd ones fail as often as `failures` says.
struct Bench {
    store: MemoryStore,
    callback: Arc<MemoryCallback>,
    failures: Mutex<u32>,
    done: Mutex<Vec<i64>>,
    stop_after: Option<i64>,
}

fn batch_uri() -> S3Uri {
    job_uri("b", "batch")
}

async fn bench(numbers: &[i64], failures: u32) -> Bench {
    let bench = Bench {
        store: MemoryStore::default(),
        callback: Arc::default(),
        failures: Mutex::new(failures),
        done: Mutex::default(),
        stop_after: None,
    };
    let jobs = numbers.iter().zip(0..);
    let jobs = jobs.map(|(n, index)| Small {
        index,
        input: json!({ "n": n }),
    });
    let pack = Pack {
        origin: Origin::new("e", "Pack"),
        jobs: jobs.collect(),
    };
    let uri = pack_uri(&batch_uri(), 0);
    put_json(&bench.store, &uri, &pack, When::Always)
        .await
        .unwrap();
    let input = json!(PackInput { pack: uri.clone() });
    let array = json!(ArrayInput {
        packs: uri.sibling("")
    });
    for (id, input) in [("pack", input), ("array", array)] {
        let job = Job {
            id: id.into(),
            ..Job::new(
                Origin::new("e", "Run"),
                "doubler",
                Placement::FargateSpot,
                input,
            )
        };
        put_json(&bench.store, &job_uri("b", id), &job, When::Always)
            .await
            .unwrap();
    }
    bench
}

impl Bench {
    async fn work(&self, number: Number, stop: &Stop) -> Result<i64, Broken> {
        let n = number.n;
        if self.stop_after == Some(n) {
            stop.give(Order {
                name: JOB_SPOT_RECLAIMED,
                reason: "reclaimed".to_owned(),
            });
        }
        if n < 0 {
            return Err(Broken("Input.Invalid"));
        }
        let mut failures = self.failures.lock().unwrap();
        if n % 2 == 1 && *failures > 0 {
            *failures -= 1;
            return Err(Broken("Job.Crashed"));
        }
        self.done.lock().unwrap().push(n);
        Ok(n * 2)
    }

    /// An attempt at the job `id` under a token of its own.
    async fn attempt(&self, id: &str, token: &str, child: Option<u32>) -> Ending {
        let assignment = Assignment {
            job_uri: job_uri("b", id),
            task_token: Some(TaskToken::new(token)),
            placement: Some(Placement::FargateSpot),
            child,
            given: None,
            deadline: None,
        };
        let work = async |_: Context<'_, MemoryStore>, number: Number| {
            self.work(number, &Stop::default()).await
        };
        perform(&self.store, &self.callback, &assignment, &work).await
    }

    /// Works through the pack without the rest of the harness, so that it can be told to stop.
    async fn stopped(&self) -> Unfinished {
        let stop = Stop::default();
        let of: Job = artifacts::get_json(&self.store, &job_uri("b", "pack"))
            .await
            .unwrap();
        let assignment = Assignment {
            job_uri: job_uri("b", "pack"),
            task_token: None,
            placement: None,
            child: None,
            given: None,
            deadline: None,
        };
        let input = serde_json::from_value(of.input.clone()).unwrap();
        let work =
            async |_: Context<'_, MemoryStore>, number: Number| self.work(number, &stop).await;
        let ended = work_through(&self.store, &assignment, &of, input, &stop, &work).await;
        ended.unwrap_err()
    }

    async fn outcome(&self, index: u64, n: i64) -> Option<JobResult> {
        let outcome: Option<JobOutcome> = self.find(index, n, "outcome.json").await;
        outcome.map(|outcome| outcome.result)
    }

    async fn find<T: DeserializeOwned>(&self, index: u64, n: i64, name: &str) -> Option<T> {
        let small = Small {
            index,
            input: json!({ "n": n }),
        };
        let origin = Origin::new("e", "Pack");
        let job = small.job(&origin, "doubler", Placement::FargateSpot);
        let uri = job_uri("b", &job.id).sibling(name);
        artifacts::find_json(&self.store, &uri).await.unwrap()
    }

    fn done(&self) -> Vec<i64> {
        self.done.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn each_job_has_its_own_outcome_and_one_that_is_refused_ends_no_other() {
    let bench = bench(&[4, -1, 3], 0).await;
    assert_eq!(bench.attempt("pack", "t", None).await.code(), 0);
    let doubled = |n: i64| Some(JobResult::Succeeded { output: json!(n) });
    assert_eq!(bench.outcome(0, 4).await, doubled(8));
    assert_eq!(bench.outcome(2, 3).await, doubled(6));
    let Some(JobResult::Refused { error, .. }) = bench.outcome(1, -1).await else {
        panic!("it is not refused")
    };
    assert_eq!(error, "Input.Invalid");
    let uri = job_uri("b", "pack").sibling("outcome.json");
    let outcome: JobOutcome = artifacts::get_json(&bench.store, &uri).await.unwrap();
    let told = outcomes_uri(&pack_uri(&batch_uri(), 0));
    let told: Vec<JobOutcome> = artifacts::get_json(&bench.store, &told).await.unwrap();
    assert_eq!(told.len(), 3);
    let output = json!({"succeeded": 2, "refused": 1});
    assert_eq!(outcome.result, JobResult::Succeeded { output });
}

#[tokio::test]
async fn the_next_attempt_does_only_what_has_no_outcome() {
    let bench = bench(&[1, 2, 3, 4], 1).await;
    let Ending::Failed(failure) = bench.attempt("pack", "first", None).await else {
        panic!("a job has failed")
    };
    assert_eq!(failure.error, "Job.Crashed");
    assert!(
        failure.cause.contains("1 of 4 jobs failed"),
        "{}",
        failure.cause
    );
    assert_eq!(bench.done(), [2, 3, 4]);
    assert_eq!(bench.outcome(0, 1).await, None);
    let told: Option<Value> = bench.find(0, 1, "failed.json").await;
    assert_eq!(told.unwrap()["Error"], "Job.Crashed");
    assert_eq!(bench.attempt("pack", "second", None).await.code(), 0);
    assert_eq!(bench.done(), [2, 3, 4, 1]);
    let told = bench.callback.signals();
    let told: Vec<_> = told
        .iter()
        .filter(|(_, signal)| *signal != Signal::Heartbeat)
        .collect();
    assert!(matches!(
        told[..],
        [(_, Signal::Failure(_)), (_, Signal::Success(_))]
    ));
}

#[tokio::test]
async fn a_pack_that_has_to_stop_keeps_what_is_done() {
    let mut bench = bench(&[2, 4, 6, 8], 0).await;
    bench.stop_after = Some(4);
    let unfinished = bench.stopped().await;
    assert_eq!(unfinished.name, JOB_SPOT_RECLAIMED);
    assert_eq!(unfinished.message, "reclaimed; 2 of 4 jobs have an outcome");
    bench.stop_after = None;
    assert_eq!(bench.attempt("pack", "next", None).await.code(), 0);
    assert_eq!(bench.done(), [2, 4, 6, 8]);
}

#[tokio::test]
async fn a_child_of_an_array_does_its_own_pack() {
    let bench = bench(&[2], 0).await;
    assert_eq!(bench.attempt("array", "t", Some(0)).await.code(), 0);
    assert_eq!(bench.done(), [2]);
    let uri = S3Uri::new("b", "jobs/array/children/0/outcome.json");
    let outcome: Option<JobOutcome> = artifacts::find_json(&bench.store, &uri).await.unwrap();
    assert_eq!(outcome.unwrap().job_id, "array-0");
    // The list of child 1 is not there.
    assert_eq!(bench.attempt("array", "u", Some(1)).await.code(), 3);
}
