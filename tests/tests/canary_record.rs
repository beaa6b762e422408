//! The record of canary outcomes on a real S3 interface: concurrent writers lose nothing.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use canary_router::canary::Role;
use canary_router::ledger::{Outcome, Tally, ledger, read};
use jobs::artifacts::S3Store;
use stack::Stack;
use stepfunctions::{Cloud, Config};

fn store(endpoint: &str) -> S3Store {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .force_path_style(true)
        .build();
    S3Store(aws_sdk_s3::Client::from_conf(config))
}

fn outcome(index: u64) -> Outcome {
    Outcome {
        role: if index.is_multiple_of(3) {
            Role::Candidate
        } else {
            Role::Stable
        },
        succeeded: !index.is_multiple_of(5),
        slow: false,
        latency_ms: index,
    }
}

/// 200 recorders of ten outcomes each, and two compactors that fold and delete meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_recorders_on_s3_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stack = Stack {
        buckets: vec!["bucket".into()],
        ..Stack::default()
    };
    let cloud = Cloud::start(Config::new(
        stack,
        folder.path().into(),
        folder.path().into(),
    ))
    .await
    .unwrap();
    let store = Arc::new(store(cloud.endpoint()));
    let done = Arc::new(AtomicBool::new(false));
    let compactors: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let mut folded = 0;
                while !done.load(Ordering::SeqCst) {
                    folded += ledger(&*store, "bucket", "c")
                        .compact(Duration::ZERO)
                        .await
                        .unwrap();
                }
                folded
            })
        })
        .collect();
    let recorders: Vec<_> = (0..200_u64)
        .map(|recorder| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for index in recorder * 10..recorder * 10 + 10 {
                    let ledger = ledger(&*store, "bucket", "c");
                    ledger
                        .record(&index.to_string(), &outcome(index))
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
    let mut expected = Tally::default();
    (0..2_000).for_each(|index| expected.add(outcome(index)));
    let tally = read(&ledger(&*store, "bucket", "c")).await.unwrap().tally;
    assert_eq!(tally, expected);
    assert!(folded > 0, "the compactors took part");
    cloud.shutdown().await;
}
