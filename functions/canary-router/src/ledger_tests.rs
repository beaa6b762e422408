use super::*;
use jobs::artifacts::{ListObjects, Listed, MemoryStore, PutObject, When};
use jobs::ledger::SETTLE;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

fn outcome(index: u64) -> Outcome {
    Outcome {
        role: if index.is_multiple_of(3) {
            Role::Candidate
        } else {
            Role::Stable
        },
        succeeded: !index.is_multiple_of(5),
        slow: index.is_multiple_of(7),
        latency_ms: index % 100,
    }
}

async fn sums<S: Store>(ledger: &Ledger<'_, S, Outcome>) -> Tally {
    read(ledger).await.unwrap().tally
}

fn expected(count: u64) -> Tally {
    let mut tally = Tally::default();
    (0..count).for_each(|index| tally.add(outcome(index)));
    tally
}

#[test]
fn an_outcome_is_its_key() {
    for index in 0..210 {
        assert_eq!(
            Outcome::decode(&outcome(index).encode()),
            Some(outcome(index))
        );
    }
    assert_eq!(Outcome::decode("stable-ok-fast-x"), None);
}

/// 200 recorders, four compactors and a reader at once, interleaving inside every verb of the store:
/// 10,000 outcomes, none lost, none counted twice, and the sums that a reader sees never shrink.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_hundred_concurrent_recorders_lose_nothing() {
    let store = Arc::new(MemoryStore::default());
    let done = Arc::new(AtomicBool::new(false));
    let compactors: Vec<_> = (0..4)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut folded = 0;
                while !done.load(Ordering::SeqCst) {
                    folded += ledger(&*store, "b", "c")
                        .compact(Duration::ZERO)
                        .await
                        .unwrap();
                    tokio::task::yield_now().await;
                }
                folded
            })
        })
        .collect();
    let reader = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let (mut last, mut reads) = (0, 0);
            while !done.load(Ordering::SeqCst) {
                let tally = sums(&ledger(&*store, "b", "c")).await;
                let sum = tally.stable.requests + tally.candidate.requests;
                assert!(sum >= last, "{sum} after {last}");
                (last, reads) = (sum, reads + 1);
            }
            reads
        })
    };
    let recorders: Vec<_> = (0..200_u64)
        .map(|recorder| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for index in (recorder * 50)..(recorder * 50 + 50) {
                    let ledger = ledger(&*store, "b", "c");
                    ledger
                        .record(&format!("request-{index}"), &outcome(index))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for recorder in recorders {
        recorder.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let mut folded = 0;
    for compactor in compactors {
        folded += compactor.await.unwrap();
    }
    let reads = reader.await.unwrap();
    let tally = sums(&ledger(&*store, "b", "c")).await;
    assert_eq!(tally, expected(10_000), "folded {folded}, {reads} reads");
    assert!(folded > 0);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_recording_counts_once() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    ledger.record("one", &outcome(1)).await.unwrap();
    tokio::time::advance(SETTLE / 2).await;
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 0);
    ledger.record("one", &outcome(1)).await.unwrap();
    tokio::time::advance(SETTLE).await;
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 1);
    let tally = sums(&ledger).await;
    assert_eq!(tally.stable.requests, 1);
    assert!(
        store
            .list(&ledger.uri("outcomes/"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_recording_that_took_longer_counts_once_as_the_first() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    let slower = |outcome: Outcome| Outcome {
        latency_ms: outcome.latency_ms + 1,
        ..outcome
    };
    let first_alone = {
        let mut tally = Tally::default();
        tally.add(outcome(1));
        tally
    };
    ledger.record("one", &outcome(1)).await.unwrap();
    tokio::time::advance(SETTLE / 2).await;
    ledger.record("one", &slower(outcome(1))).await.unwrap();
    assert_eq!(sums(&ledger).await, first_alone);
    // Only the first has settled: the recorder of the second may come again.
    tokio::time::advance(SETTLE / 2).await;
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 0);
    tokio::time::advance(SETTLE / 2).await;
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 1);
    assert_eq!(sums(&ledger).await, first_alone);
    // Between two compactions a straggler is known by its id.
    ledger.record("one", &slower(outcome(1))).await.unwrap();
    assert_eq!(sums(&ledger).await, first_alone);
    assert_eq!(ledger.compact(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(sums(&ledger).await, first_alone);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_snapshot_is_not_to_be_compacted_again() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    for index in 0..10 {
        let id = index.to_string();
        ledger.record(&id, &outcome(index)).await.unwrap();
    }
    assert_eq!(ledger.read().await.unwrap().settled, 0);
    tokio::time::advance(SETTLE).await;
    assert_eq!(ledger.read().await.unwrap().settled, 10);
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 10);
    let all = Reading {
        tally: expected(10),
        settled: 0,
        unreadable: Vec::new(),
    };
    assert_eq!(ledger.read().await.unwrap(), all);
}

#[tokio::test(start_paused = true)]
async fn outcomes_are_told_in_the_order_of_their_recording() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    for index in 0..10 {
        ledger
            .record(&index.to_string(), &outcome(index))
            .await
            .unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let mut told = Vec::new();
    let reading = read_in_order(&ledger, |tally| told.push(*tally)).await;
    let sums: Vec<Tally> = (0..=10).map(expected).collect();
    assert_eq!(told, sums);
    assert_eq!(reading.unwrap().tally, expected(10));
}

#[tokio::test]
async fn a_compaction_that_died_before_deleting_counts_once() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    for index in 0..10 {
        ledger
            .record(&index.to_string(), &outcome(index))
            .await
            .unwrap();
    }
    let before = store.list(&ledger.uri("outcomes/")).await.unwrap();
    assert_eq!(ledger.compact(Duration::ZERO).await.unwrap(), 10);
    for Listed { uri, .. } in before {
        store.put(&uri, Vec::new(), When::Always).await.unwrap();
    }
    assert_eq!(sums(&ledger).await, expected(10));
    ledger.record("10", &outcome(10)).await.unwrap();
    assert_eq!(ledger.compact(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(sums(&ledger).await, expected(11));
    assert!(
        store
            .list(&ledger.uri("outcomes/"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_foreign_object_among_the_outcomes_is_named() {
    let store = MemoryStore::default();
    let ledger = super::ledger(&store, "b", "c");
    store
        .put(&ledger.uri("outcomes/notes.txt"), Vec::new(), When::Always)
        .await
        .unwrap();
    let error = read(&ledger).await.unwrap_err().to_string();
    assert!(
        error.contains("s3://b/canary/c/outcomes/notes.txt"),
        "{error}"
    );
}
