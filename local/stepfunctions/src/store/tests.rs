use std::path::PathBuf;

use rusqlite::Connection;

use super::*;

const MACHINE: &str = "arn:aws:states:us-east-1:123456789012:stateMachine:m";
const MAP_RUN: &str = "arn:aws:states:us-east-1:123456789012:mapRun:m/Map:1";

struct Test {
    store: Store,
    dir: tempfile::TempDir,
}

fn path(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("history.db")
}

fn row(id: i64, started: i64) -> ExecutionRow {
    let start = Start {
        arn: format!("arn:{id}").into(),
        state_machine_arn: MACHINE.into(),
        ..Start::default()
    };
    ExecutionRow {
        id,
        start,
        definition: None,
        parent: None,
        map_run: None,
        origin: Origin::default(),
        started: Timestamp(started),
        stopped: None,
        status: Status::Running,
        redrives: Redrives::default(),
        history: None,
    }
}

fn child(id: i64, parent: i64) -> ExecutionRow {
    ExecutionRow {
        parent: Some(format!("arn:{parent}")),
        map_run: Some(MAP_RUN.into()),
        ..row(id, id)
    }
}

fn failed() -> Status {
    Status::Failed {
        error: None,
        cause: None,
    }
}

fn succeeded(output: &str) -> Status {
    Status::Succeeded {
        output: asl::Value::string(output),
    }
}

impl Test {
    fn new() -> Test {
        let dir = tempfile::tempdir().unwrap();
        Test {
            store: Store::open(&path(&dir), Durability::Crash).unwrap(),
            dir,
        }
    }

    async fn add(&self, row: ExecutionRow, end: Option<(i64, Status)>) {
        let id = row.id;
        self.store.begin(row, None, None).await.unwrap();
        if let Some((stopped, status)) = end {
            self.store
                .end(id, Timestamp(stopped), &status, None)
                .unwrap();
        }
        self.store.settled().await.unwrap();
    }

    fn list(&self, of: &str, status: Option<&str>, after: Option<(i64, i64)>) -> Vec<i64> {
        let listing = Listing {
            redriven: None,
            of,
            qualifier: None,
            status,
            name: None,
            since: None,
            after,
            limit: 2,
        };
        let rows = self.store.list(listing).unwrap();
        rows.iter().map(|row| row.id).collect()
    }

    /// As retention does, where waiting is allowed.
    async fn remove_ended(self, before: i64) -> (Test, Vec<String>) {
        let work = move || {
            let mut removed = Vec::new();
            let outcome = self
                .store
                .remove_ended(Timestamp(before), |arn| removed.push(arn.to_owned()));
            outcome.unwrap();
            (self, removed)
        };
        tokio::task::spawn_blocking(work).await.unwrap()
    }
}

#[tokio::test]
async fn a_page_goes_on_after_an_execution_whatever_starts_meanwhile() {
    let test = Test::new();
    for (id, started) in [(1, 10), (2, 20), (3, 20), (4, 30)] {
        let end = (id % 2 == 0).then(|| (40, failed()));
        test.add(row(id, started), end).await;
    }
    test.add(child(5, 1), None).await;
    assert_eq!(test.list(MACHINE, None, None), [4, 3]);
    test.add(row(6, 50), None).await;
    assert_eq!(test.list(MACHINE, None, Some((20, 3))), [2, 1]);
    assert_eq!(test.list(MACHINE, Some("FAILED"), None), [4, 2]);
    assert_eq!(test.list(MACHINE, Some("RUNNING"), Some((50, 6))), [3, 1]);
    assert_eq!(test.list(MACHINE, Some("ABORTED"), None), [0i64; 0]);
    assert_eq!(test.list(MAP_RUN, None, None), [5]);
    test.store.put_map_run(MAP_RUN, 1).unwrap();
    test.store.settled().await.unwrap();
    let parent = test.store.execution_of_map_run(MAP_RUN).unwrap();
    assert_eq!(parent.as_deref(), Some("arn:1"));
}

#[test]
fn a_page_reads_its_own_rows_only() {
    let test = Test::new();
    let connection = Connection::open(path(&test.dir)).unwrap();
    for (status, index) in [
        (None, "executions_listed"),
        (Some("FAILED"), "executions_filtered"),
    ] {
        let listing = Listing {
            redriven: None,
            of: MACHINE,
            qualifier: None,
            status,
            name: None,
            since: None,
            after: None,
            limit: 2,
        };
        let plan = format!("EXPLAIN QUERY PLAN {}", listing.sql());
        let mut statement = connection.prepare(&plan).unwrap();
        let steps = statement.raw_query().mapped(|row| row.get::<_, String>(3));
        let steps: Vec<String> = steps.map(Result::unwrap).collect();
        // One step: a range of the index in its own order, without a sort.
        let [step] = steps.as_slice() else {
            panic!("{steps:?}");
        };
        assert!(step.contains(&format!("USING INDEX {index}")), "{step}");
        assert!(step.contains("started"), "{step}");
    }
}

#[tokio::test]
async fn a_long_read_holds_up_neither_writers_nor_other_readers() {
    let test = Test::new();
    test.add(row(1, 1), None).await;
    let meanwhile = tokio::runtime::Handle::current();
    let work = move || {
        let listing = Listing {
            redriven: None,
            of: MACHINE,
            qualifier: None,
            status: None,
            name: None,
            since: None,
            after: None,
            limit: 10,
        };
        test.store.readers.with(|connection| {
            let mut statement = connection.prepare("SELECT id FROM executions")?;
            let mut rows = statement.query([])?;
            assert!(rows.next()?.is_some());
            // This read is not over.
            meanwhile.block_on(test.store.begin(row(2, 2), None, None))?;
            assert!(test.store.execution("arn:2")?.is_some());
            assert_eq!(test.store.list(listing)?.len(), 2);
            // It sees what was there when it began.
            assert!(rows.next()?.is_none());
            Ok(())
        })
    };
    tokio::task::spawn_blocking(work).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_has_ended_goes_and_what_is_needed_stays() {
    let test = Test::new();
    test.add(row(1, 1), None).await;
    test.add(child(2, 1), Some((5, succeeded("")))).await;
    test.add(row(3, 3), Some((6, failed()))).await;
    test.add(child(4, 3), Some((5, succeeded("")))).await;
    test.add(row(5, 5), Some((7, failed()))).await;
    for id in 1..=5 {
        let stop = Event::Stop {
            error: None,
            cause: None,
        };
        let events: Vec<_> = (0..300).map(|n| (stop.clone(), Timestamp(n))).collect();
        test.store.append(id, 0, &events).await.unwrap();
    }
    let (test, removed) = test.remove_ended(7).await;
    assert_eq!(removed, ["arn:4", "arn:3"]);
    for (id, there) in [(1, true), (2, true), (3, false), (4, false), (5, true)] {
        let found = test.store.execution(&format!("arn:{id}")).unwrap();
        assert_eq!(found.is_some(), there, "{id}");
        let events = test.store.events(id).unwrap().len();
        assert_eq!(events, if there { 300 } else { 0 }, "{id}");
    }
    // The name is free again.
    let again = ExecutionRow { id: 6, ..row(3, 9) };
    test.add(again, None).await;
    assert_eq!(test.store.last_id().unwrap(), 6);
}

#[tokio::test]
async fn the_file_shrinks() {
    let test = Test::new();
    let long = "x".repeat(100_000);
    for id in 1..=50 {
        test.add(row(id, id), Some((id, succeeded(&long)))).await;
        let event = Event::TaskSucceeded {
            id: asl::TaskId(1),
            output: asl::Value::string(long.as_str()),
        };
        test.store
            .append(id, 0, &[(event, Timestamp(id))])
            .await
            .unwrap();
    }
    let size = |test: &Test| {
        let connection = Connection::open(path(&test.dir)).unwrap();
        let copy = "PRAGMA wal_checkpoint(PASSIVE)";
        connection.query_row(copy, [], |_| Ok(())).unwrap();
        std::fs::metadata(path(&test.dir)).unwrap().len()
    };
    let before = size(&test);
    assert!(before > 10_000_000, "{before}");
    let (test, removed) = test.remove_ended(46).await;
    assert_eq!(removed.len(), 45);
    let now = std::fs::metadata(path(&test.dir)).unwrap().len();
    assert!(now < before / 8, "{before} -> {now}");
    assert_eq!(test.list(MACHINE, None, None), [50, 49]);
}

/// The layout before it had a number, as far as it has changed.
const LAYOUT_0: &str = "
PRAGMA journal_mode = WAL;
CREATE TABLE state_machines (
  arn TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, role_arn TEXT NOT NULL,
  definition TEXT NOT NULL, revision TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE TABLE executions (
  id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, start TEXT NOT NULL,
  definition TEXT, parent TEXT, map_run TEXT, started INTEGER NOT NULL, stopped INTEGER, status TEXT);
CREATE INDEX executions_by_machine ON executions (machine, started);
CREATE INDEX executions_by_map_run ON executions (map_run) WHERE map_run IS NOT NULL;
CREATE INDEX executions_running ON executions (id) WHERE stopped IS NULL;
";

#[tokio::test]
async fn a_file_of_an_older_version_is_taken_over() {
    let mut dir = tempfile::tempdir().unwrap();
    let old = Connection::open(path(&dir)).unwrap();
    old.execute_batch(LAYOUT_0).unwrap();
    let table = [
        (1, None, "RUNNING"),
        (2, Some(succeeded("out")), "SUCCEEDED"),
        (3, Some(failed()), "FAILED"),
        (
            4,
            Some(Status::TimedOut {
                error: None,
                cause: None,
            }),
            "TIMED_OUT",
        ),
        (
            5,
            Some(Status::Aborted {
                error: None,
                cause: None,
            }),
            "ABORTED",
        ),
    ];
    for (id, status, _) in &table {
        let row = row(*id, *id);
        let stopped = status.as_ref().map(|_| 9);
        let status = status
            .as_ref()
            .map(|status| serde_json::to_string(status).unwrap());
        let start = serde_json::to_string(&row.start).unwrap();
        let parameters = rusqlite::params![
            id,
            &*row.start.arn,
            MACHINE,
            start,
            row.started.0,
            stopped,
            status
        ];
        let sql = "INSERT INTO executions (id, arn, machine, start, started, stopped, status)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        old.execute(sql, parameters).unwrap();
    }
    drop(old);
    for _ in 0..2 {
        let store = Store::open(&path(&dir), Durability::Crash).unwrap();
        for (id, status, name) in &table {
            let found = store.execution(&format!("arn:{id}")).unwrap().unwrap();
            assert_eq!(found.start, row(*id, *id).start);
            assert_eq!(&found.status, status.as_ref().unwrap_or(&Status::Running));
            assert_eq!(found.status.name(), *name);
        }
        let test = Test { store, dir };
        assert_eq!(test.list(MACHINE, None, None), [5, 4]);
        assert_eq!(test.list(MACHINE, Some("TIMED_OUT"), None), [4]);
        assert_eq!(test.store.running().unwrap().len(), 1);
        let vacuum = |connection: &Connection| Ok(open::pragma(connection, "auto_vacuum")?);
        assert_eq!(test.store.readers.with(vacuum).unwrap(), 2);
        test.store.close();
        dir = test.dir;
    }
    let newer = Connection::open(path(&dir)).unwrap();
    newer.pragma_update(None, "user_version", 99).unwrap();
    let refused = Store::open(&path(&dir), Durability::Crash).err().unwrap();
    assert!(
        matches!(refused, StoreError::Newer { found: 99, .. }),
        "{refused}"
    );
}
