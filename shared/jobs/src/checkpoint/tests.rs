use serde_json::json;

use super::*;
use crate::artifacts::{MemoryStore, job_uri};
use crate::job::Origin;
use placement::Placement;

type State = Vec<f64>;

fn job(state: &str) -> Job {
    Job::new(Origin::new("e", state), "w", Placement::Fargate, json!({}))
}

fn checkpoint<'a>(store: &'a MemoryStore, job: &'a Job) -> Checkpoint<'a, MemoryStore> {
    let uri = job_uri("b", "j");
    Checkpoint::new(store, job, &uri, INTERVAL, Stop::default())
}

fn order() -> Order {
    Order {
        name: crate::task::JOB_SPOT_RECLAIMED,
        reason: "reclaimed".to_owned(),
    }
}

async fn stored(store: &MemoryStore) -> Option<Vec<u8>> {
    let uri = job_uri("b", "j").sibling("checkpoint");
    store.get(&uri).await.unwrap()
}

/// Saves at once.
async fn save(store: &MemoryStore, job: &Job, done: u64, state: &State) {
    let checkpoint = checkpoint(store, job);
    checkpoint.stop.give(order());
    checkpoint.offer(done, || state).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_state_is_saved_at_an_interval_and_comes_back_bit_for_bit() {
    let (store, job) = (MemoryStore::default(), job("s"));
    let state = vec![0.1 + 0.2, f64::MIN_POSITIVE, -0.0, 1.0 / 3.0, f64::MAX];
    let first = checkpoint(&store, &job);
    assert_eq!(first.restore::<State>().await.unwrap(), None);
    first.offer(1, || &state).await.unwrap();
    assert_eq!(stored(&store).await, None, "not due");
    tokio::time::advance(INTERVAL).await;
    first.offer(2, || &state).await.unwrap();
    let once = stored(&store).await;
    first.offer(3, || vec![7.0]).await.unwrap();
    assert_eq!(stored(&store).await, once, "not due again");
    let next = checkpoint(&store, &job);
    let restored = next.restore::<State>().await.unwrap().unwrap();
    let bits = |state: &State| {
        state
            .iter()
            .map(|value| value.to_bits())
            .collect::<Vec<_>>()
    };
    assert_eq!(bits(&restored), bits(&state));
    assert_eq!(next.last().done, 2);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_earlier_attempts_is_told_once() {
    let (store, job) = (MemoryStore::default(), job("s"));
    for (number, before) in [(1, None), (2, Some(10)), (3, Some(20))] {
        let attempt = checkpoint(&store, &job);
        attempt.restore::<State>().await.unwrap();
        assert_eq!(attempt.earlier(), before.map(Duration::from_secs));
        tokio::time::advance(Duration::from_secs(10)).await;
        attempt.stop.give(order());
        attempt.offer(number, || vec![1.0]).await.unwrap_err();
        // What was done after the last checkpoint is lost, and done again.
        tokio::time::advance(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_to_stop_saves_at_once() {
    let (store, job) = (MemoryStore::default(), job("s"));
    let checkpoint = checkpoint(&store, &job);
    let stop = checkpoint.stop.clone();
    assert!(!stop.is_heeded());
    checkpoint.offer(1, || vec![1.0]).await.unwrap();
    assert!(stop.is_heeded());
    stop.give(order());
    let interrupted = checkpoint.offer(2, || vec![2.0]).await.unwrap_err();
    assert_eq!(interrupted.name(), "Job.SpotReclaimed");
    assert!(
        interrupted.to_string().contains("saved: 2"),
        "{interrupted}"
    );
    assert!(stored(&store).await.unwrap().ends_with(b"\n[2.0]"));
}

#[tokio::test(start_paused = true)]
async fn a_costly_checkpoint_is_saved_less_often() {
    let (store, job) = (MemoryStore::default(), job("s"));
    let checkpoint = checkpoint(&store, &job);
    let cost = Duration::from_secs(6);
    checkpoint.remember(Last {
        cost,
        ..checkpoint.last()
    });
    tokio::time::advance(INTERVAL * 2).await;
    checkpoint.offer(1, State::new).await.unwrap();
    assert_eq!(stored(&store).await, None);
    tokio::time::advance(cost * COST_FACTOR).await;
    checkpoint.offer(2, State::new).await.unwrap();
    assert!(stored(&store).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_torn_or_foreign_is_named_and_ignored() {
    let (store, ours) = (MemoryStore::default(), job("s"));
    save(&store, &ours, 5, &vec![1.0, 2.0]).await;
    let whole = stored(&store).await.unwrap();
    let text = String::from_utf8(whole.clone()).unwrap();
    let cases = [
        (String::new(), "torn: its first line"),
        (text[..20].to_owned(), "torn: its first line"),
        (text[..text.len() - 3].to_owned(), "torn: 6 of its 9 bytes"),
        (text.replace(",2.0]", ",3.0]"), "torn: its state"),
        (format!("{text} "), "torn: its state"),
        (
            text.replace("\"worker\":\"w\"", "\"worker\":\"x\""),
            "foreign: it is of worker `x`, not of `w`",
        ),
        (
            text.replace(env!("CARGO_PKG_VERSION"), "9.9"),
            "foreign: it is of release `9.9`",
        ),
    ];
    let uri = job_uri("b", "j").sibling("checkpoint");
    for (bad, expected) in cases {
        let unusable = record::read(bad.as_bytes(), &ours).unwrap_err();
        assert!(unusable.to_string().contains(expected), "{unusable}");
        store
            .put(&uri, bad.into_bytes(), When::Always)
            .await
            .unwrap();
        let checkpoint = checkpoint(&store, &ours);
        assert_eq!(checkpoint.restore::<State>().await.unwrap(), None);
        // And what this attempt does takes its place, however little it is.
        checkpoint.stop.give(order());
        checkpoint.offer(1, || vec![4.0]).await.unwrap_err();
        assert!(stored(&store).await.unwrap().ends_with(b"\n[4.0]"));
    }
    let unusable = record::read(&whole, &job("other")).unwrap_err();
    assert!(
        unusable.to_string().contains("foreign: it is of job"),
        "{unusable}"
    );
    let misfit = checkpoint(&store, &ours).restore::<String>().await.unwrap();
    assert_eq!(misfit, None);
}

#[tokio::test(start_paused = true)]
async fn of_two_attempts_the_one_that_is_further_stays() {
    let (store, job) = (MemoryStore::default(), job("s"));
    save(&store, &job, 3, &vec![3.0]).await;
    let (slow, fast) = (checkpoint(&store, &job), checkpoint(&store, &job));
    for attempt in [&slow, &fast] {
        attempt.restore::<State>().await.unwrap().unwrap();
        attempt.stop.give(order());
    }
    fast.offer(9, || vec![9.0]).await.unwrap_err();
    let told = slow.offer(4, || vec![4.0]).await.unwrap_err();
    assert!(told.to_string().contains("saved: 9"), "{told}");
    assert!(stored(&store).await.unwrap().ends_with(b"\n[9.0]"));
    slow.offer(10, || vec![10.0]).await.unwrap_err();
    assert!(stored(&store).await.unwrap().ends_with(b"\n[10.0]"));
}

/// As S3 when it cannot be reached.
struct Away;

fn away() -> ArtifactError {
    ArtifactError::Unavailable {
        operation: "put",
        uri: job_uri("b", "j"),
        reason: "no route".to_owned(),
    }
}

impl GetObject for Away {
    async fn get_tagged(
        &self,
        _: &S3Uri,
    ) -> Result<Option<crate::artifacts::Tagged>, ArtifactError> {
        Err(away())
    }
}

impl PutObject for Away {
    async fn put_tagged(
        &self,
        _: &S3Uri,
        _: Vec<u8>,
        _: When<'_>,
    ) -> Result<Option<String>, ArtifactError> {
        Err(away())
    }
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_saved_fails_no_job() {
    let job = job("s");
    let uri = job_uri("b", "j");
    let checkpoint = Checkpoint::new(&Away, &job, &uri, INTERVAL, Stop::default());
    assert!(checkpoint.restore::<State>().await.is_err());
    tokio::time::advance(INTERVAL).await;
    checkpoint.offer(1, || vec![1.0]).await.unwrap();
    checkpoint.stop.give(order());
    let told = checkpoint.offer(2, || vec![2.0]).await.unwrap_err();
    assert!(
        told.to_string().contains("is lost: put of s3://b"),
        "{told}"
    );
}
