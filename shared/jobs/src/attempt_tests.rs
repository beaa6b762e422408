use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::artifacts::{MemoryStore, job_uri};
use crate::ledger::SETTLE;

fn ended(finished_at_ms: u64) -> Ended {
    Ended {
        ending: SUCCEEDED.into(),
        placement: Placement::Fargate,
        given: Some(Resources {
            vcpu: 1.0,
            memory_mib: 2_048,
        }),
        feature: Some(Feature {
            name: "rows".into(),
            value: 12.5,
        }),
        job: None,
        started_at_ms: Some(finished_at_ms.saturating_sub(1_500)),
        finished_at_ms,
        measured: Measured {
            cpu_ms: Some(1_400),
            peak_memory_mib: Some(300),
            ..Measured::default()
        },
    }
}

fn attempt(id: &str, at: u64) -> Attempt {
    Attempt {
        id: id.into(),
        worker: "trainer".into(),
        class: "Train".into(),
        feature: None,
        dispatched_at_ms: at,
        placement: Placement::Fargate,
        resources: None,
        predicted: None,
        reason: "why not".into(),
    }
}

#[test]
fn an_entry_is_its_key() {
    let longest = Ended {
        ending: "Job.SpotReclaimed".into(),
        job: Some("j".repeat(96)),
        measured: Measured {
            earlier_ms: Some(u64::MAX),
            bytes_read: Some(u64::MAX),
            waited_ms: Some(u64::MAX),
            queue_ms: Some(u64::MAX),
            image_ms: Some(u64::MAX),
            start_ms: Some(u64::MAX),
            usd: Some(1.0 / 3.0),
            ..ended(1).measured
        },
        ..ended(u64::MAX)
    };
    for entry in [ended(5_000), longest] {
        let text = entry.encode();
        // S3 takes keys of 1,024 bytes; a worker, a class and an id come before and after.
        assert!(text.len() < 850, "{}", text.len());
        assert_eq!(Ended::decode(&text), Some(entry));
    }
    assert_eq!(Ended::decode("bm90IGpzb24"), None);
}

#[tokio::test]
async fn attempts_are_found_in_their_order_with_their_ends() {
    let (store, uri) = (MemoryStore::default(), job_uri("b", "j"));
    for (id, at) in [("z", 1), ("a", 2)] {
        put_json(
            &store,
            &attempt_uri(&uri, id),
            &attempt(id, at),
            When::Absent,
        )
        .await
        .unwrap();
    }
    note_end(&store, &uri, &attempt("z", 1), &ended(9)).await;
    let broken = attempt_uri(&uri, "broken");
    store
        .put(&broken, b"{".to_vec(), When::Always)
        .await
        .unwrap();
    let found = attempts(&store, &uri).await.unwrap();
    assert_eq!(
        found,
        [(attempt("z", 1), Some(ended(9))), (attempt("a", 2), None)]
    );
}

#[tokio::test]
async fn what_is_no_entry_is_skipped_counted_and_named() {
    let (store, uri) = (MemoryStore::default(), job_uri("b", "j"));
    note_end(&store, &uri, &attempt("a", 1), &ended(9)).await;
    let ledger = runs(&store, "b", "trainer", "Train");
    let foreign = ledger.uri("outcomes/notes.txt");
    store.put(&foreign, Vec::new(), When::Always).await.unwrap();
    let reading = ledger.read().await.unwrap();
    assert_eq!(
        (reading.tally.recorded, reading.unreadable),
        (1, vec![foreign.clone()])
    );
    assert_eq!(ledger.compact(Duration::ZERO).await.unwrap(), 1);
    assert_eq!(ledger.read().await.unwrap().unreadable, [foreign]);
}

/// 200 writers and two compactors at once: no run is lost, none counts twice, and what is kept is bounded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_writers_lose_nothing() {
    let store = Arc::new(MemoryStore::default());
    let compact = |store: Arc<MemoryStore>| async move {
        let ledger = runs(&*store, "b", "trainer", "Train");
        for _ in 0..20 {
            ledger.compact(Duration::ZERO).await.unwrap();
        }
    };
    let mut tasks: Vec<_> = (0..2)
        .map(|_| tokio::spawn(compact(Arc::clone(&store))))
        .collect();
    tasks.extend((0..200_u64).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for run in 0..10_u64 {
                let uri = job_uri("b", &format!("{writer}-{run}"));
                let at = writer * 10 + run;
                note_end(&*store, &uri, &attempt("a", at), &ended(at)).await;
            }
        })
    }));
    for task in tasks {
        task.await.unwrap();
    }
    let ledger = runs(&*store, "b", "trainer", "Train");
    while ledger.compact(Duration::ZERO).await.unwrap() > 0 {}
    let tally = ledger.read().await.unwrap().tally;
    assert_eq!((tally.recorded, tally.newest.len()), (2_000, KEPT));
    let kept: Vec<_> = tally.newest.iter().map(|one| one.finished_at_ms).collect();
    assert!(kept.iter().copied().eq(1_600..2_000), "{kept:?}");
    let snapshot = store
        .get(&ledger.uri("snapshot.json"))
        .await
        .unwrap()
        .unwrap();
    assert!(snapshot.len() < 1_000_000, "{}", snapshot.len());
}

#[tokio::test(start_paused = true)]
async fn only_what_has_settled_is_folded() {
    let (store, uri) = (MemoryStore::default(), job_uri("b", "j"));
    note_end(&store, &uri, &attempt("a", 1), &ended(9)).await;
    let ledger = runs(&store, "b", "trainer", "Train");
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 0);
    tokio::time::advance(SETTLE).await;
    assert_eq!(ledger.read().await.unwrap().settled, 1);
    assert_eq!(ledger.compact(SETTLE).await.unwrap(), 1);
}

#[test]
fn only_an_attempt_that_did_its_work_is_learnt_from() {
    let sample = ended(5_000).sample().unwrap();
    assert_eq!((sample.seconds, sample.memory_mib), (1.5, Some(300)));
    let cut_short = Ended {
        ending: "Job.SpotReclaimed".into(),
        ..ended(5_000)
    };
    assert_eq!(cut_short.sample(), None);
    // What went on from a checkpoint is told with what was done before.
    let mut resumed = ended(5_000);
    resumed.measured.earlier_ms = Some(60_000);
    assert_eq!(resumed.sample().unwrap().seconds, 61.5);
}

#[tokio::test]
async fn an_entry_of_the_ledger_names_its_job() {
    let (store, uri) = (MemoryStore::default(), job_uri("b", "the-job"));
    note_end(&store, &uri, &attempt("a", 1), &ended(9)).await;
    let ledger = runs(&store, "b", "trainer", "Train");
    let tally = ledger.read().await.unwrap().tally;
    assert_eq!(tally.newest[0].job.as_deref(), Some("the-job"));
}

#[tokio::test]
async fn a_ledger_can_begin_with_what_another_has_come_to() {
    let (store, mut kept) = (MemoryStore::default(), Runs::default());
    ended(7).fold(&mut kept);
    let ledger = runs(&store, "b", "trainer", "Train");
    let snapshot = crate::ledger::beginning_with(&kept);
    let uri = ledger.uri("snapshot.json");
    store.put(&uri, snapshot, When::Always).await.unwrap();
    let job = job_uri("b", "j");
    note_end(&store, &job, &attempt("a", 1), &ended(9)).await;
    let tally = ledger.read().await.unwrap().tally;
    let ends: Vec<_> = tally.newest.iter().map(|one| one.finished_at_ms).collect();
    assert_eq!((tally.recorded, ends), (2, vec![7, 9]));
}
