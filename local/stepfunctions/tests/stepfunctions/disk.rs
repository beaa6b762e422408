//! A disk without space, and a database that is not what was written.

use std::fs;
use std::path::Path;

use aws_sdk_sfn::types::{ExecutionStatus, StateMachineType};
use serde_json::{Value, json};
use stepfunctions::{Cloud, CloudError, Config, SfnError, StoreError};

use crate::cloud::stack;
use crate::server::{Server, database, folder};

fn waiting(seconds: u32) -> Value {
    json!({ "StartAt": "Wait", "States": { "Wait": { "Type": "Wait", "Seconds": seconds, "End": true } } })
}

fn working(activity: &str) -> Value {
    json!({ "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": activity, "End": true } } })
}

/// The status of a refusal.
fn status<E>(refused: aws_sdk_sfn::error::SdkError<E>) -> u16 {
    refused.raw_response().unwrap().status().as_u16()
}

#[tokio::test]
async fn with_a_full_disk_nothing_is_acknowledged_and_nothing_is_lost() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let work = server.named_machine("work", &working(&activity)).await;
    let wait = server.named_machine("wait", &waiting(1)).await;
    let express = server.sfn.create_state_machine().name("express");
    let express = express
        .r#type(StateMachineType::Express)
        .definition(waiting(2).to_string())
        .role_arn("arn:aws:iam::123456789012:role/r");
    let express = express.send().await.unwrap().state_machine_arn;
    let answered = server.execution(&work, &json!({})).await;
    let token = server.fetch(&activity).await;
    let timed = server.execution(&wait, &json!({})).await;
    server.fill_disk(true);

    let start = || {
        let start = server.sfn.start_execution().state_machine_arn(&wait);
        start.name("refused").send()
    };
    let success = || {
        let success = server.sfn.send_task_success().task_token(&token);
        success.output("1").send()
    };
    let describe = |arn: &str| server.sfn.describe_execution().execution_arn(arn).send();
    // What the SDK tries a second time is refused like the first.
    for _ in 0..2 {
        assert_eq!(status(start().await.unwrap_err()), 500);
        assert_eq!(status(success().await.unwrap_err()), 500);
    }
    let unknown = describe(&timed.replace(":wait:", ":wait:refused-")).await;
    assert!(unknown.is_err());
    // An Express execution needs no log; when it has waited, the other's timer has fired too.
    server.execution(&express, &json!({})).await;
    while !server
        .event("ExecutionSucceeded")
        .await
        .contains(":express:")
    {}
    let stuck = describe(&timed).await.unwrap();
    assert_eq!(stuck.status, ExecutionStatus::Running);
    let cause = stuck.cause.unwrap();
    assert!(cause.starts_with("The execution stands still: "), "{cause}");

    server.fill_disk(false);
    success().await.unwrap();
    assert_eq!(server.output(&answered).await, json!(1));
    assert_eq!(server.output(&timed).await, json!({}));
    let started = start().await.unwrap().execution_arn;
    server.kill();
    let server = Server::start(dir.path());
    assert_eq!(server.output(&started).await, json!({}));
    assert_eq!(server.output(&timed).await, json!({}));
}

#[tokio::test]
async fn a_server_starts_without_space_and_goes_on_when_there_is_some() {
    let dir = folder();
    for orderly in [true, false] {
        let server = Server::start(dir.path());
        let activity = server.activity().await;
        let machine = server.machine(&working(&activity)).await;
        let execution = server.execution(&machine, &json!({})).await;
        let token = server.fetch(&activity).await;
        if orderly {
            server.stop();
        } else {
            server.kill();
        }

        let server = Server::start_without_space(dir.path());
        let success = || {
            let success = server.sfn.send_task_success().task_token(&token);
            success.output("1").send()
        };
        assert_eq!(status(success().await.unwrap_err()), 500);
        server.fill_disk(false);
        success().await.unwrap();
        assert_eq!(server.output(&execution).await, json!(1));
    }
}

async fn start(dir: &Path) -> Result<Cloud, CloudError> {
    Cloud::start(Config::new(stack(), dir.join("data"), dir.join("bin"))).await
}

/// A folder with some executions in it.
async fn used_folder() -> tempfile::TempDir {
    let dir = folder();
    let server = Server::start(dir.path());
    let machine = server.machine(&waiting(600)).await;
    for n in 0..200 {
        server.execution(&machine, &json!({ "n": n })).await;
    }
    assert!(server.stop().success());
    dir
}

#[tokio::test]
async fn a_database_that_is_not_what_was_written_is_refused_by_name() {
    type Damage = fn(&Path);
    type Expected = fn(&StoreError) -> bool;
    let damages: [(&str, Damage, Expected); 6] = [
        (
            "pages",
            |path| {
                let mut bytes = fs::read(path).unwrap();
                let middle = bytes.len() / 2;
                bytes[4_096..middle].fill(0xA5);
                fs::write(path, bytes).unwrap();
            },
            |error| matches!(error, StoreError::Damaged { .. }),
        ),
        (
            "header",
            |path| {
                let mut bytes = fs::read(path).unwrap();
                bytes[..100].fill(0xA5);
                fs::write(path, bytes).unwrap();
            },
            |error| matches!(error, StoreError::Damaged { .. }),
        ),
        (
            "end",
            |path| {
                let bytes = fs::read(path).unwrap();
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            },
            |error| matches!(error, StoreError::Damaged { .. }),
        ),
        (
            "all",
            |path| fs::write(path, "").unwrap(),
            |error| matches!(error, StoreError::Emptied { .. }),
        ),
        (
            "owner",
            |path| {
                let database = rusqlite::Connection::open(path).unwrap();
                database.pragma_update(None, "application_id", 1).unwrap();
            },
            |error| matches!(error, StoreError::Foreign { .. }),
        ),
        (
            "version",
            |path| {
                let database = rusqlite::Connection::open(path).unwrap();
                database.pragma_update(None, "user_version", 99).unwrap();
            },
            |error| matches!(error, StoreError::Newer { found: 99, .. }),
        ),
    ];
    for (what, damage, expected) in damages {
        let dir = used_folder().await;
        let path = dir.path().join("data/stepfunctions.db");
        damage(&path);
        let before = fs::read(&path).unwrap();
        match start(dir.path()).await.err() {
            Some(CloudError::StepFunctions(SfnError::Store(error))) => {
                assert!(expected(&error), "{what}: {error}");
                let message = error.to_string();
                assert!(message.contains("stepfunctions.db"), "{message}");
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(
            fs::read(&path).unwrap(),
            before,
            "{what}: it is left as it was"
        );
    }
}

#[tokio::test]
async fn a_database_of_before_there_were_versions_goes_on() {
    let dir = used_folder().await;
    database(dir.path())
        .execute_batch(
            "DROP TABLE removed;
             DROP TABLE map_runs;
             DROP TABLE versions;
             DROP TABLE aliases;
             ALTER TABLE state_machines DROP COLUMN configuration;
             ALTER TABLE state_machines DROP COLUMN last_version;
             ALTER TABLE state_machines DROP COLUMN deleting;
             ALTER TABLE executions RENAME TO newer;
             CREATE TABLE executions (
               id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, start TEXT NOT NULL,
               definition TEXT, parent TEXT, map_run TEXT, started INTEGER NOT NULL, stopped INTEGER, status TEXT);
             INSERT INTO executions
               SELECT id, arn, machine, start, definition, parent, map_run, started, stopped, ending FROM newer;
             DROP TABLE newer;
             CREATE INDEX executions_by_machine ON executions (machine, started);
             CREATE INDEX executions_by_map_run ON executions (map_run) WHERE map_run IS NOT NULL;
             CREATE INDEX executions_running ON executions (id) WHERE stopped IS NULL;
             PRAGMA application_id = 0; PRAGMA user_version = 0;",
        )
        .unwrap();
    let server = Server::start(dir.path());
    let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:machine";
    let listed = server.sfn.list_executions().state_machine_arn(machine);
    let listed = listed.max_results(1_000).send().await.unwrap();
    assert_eq!(listed.executions.len(), 200);
    server.execution(machine, &json!({})).await;
}

#[tokio::test]
async fn a_definition_that_is_missing_is_named() {
    let dir = folder();
    let server = Server::start(dir.path());
    let machine = server.machine(&waiting(600)).await;
    let execution = server.execution(&machine, &json!({})).await;
    assert!(server.stop().success());
    let forget = "DELETE FROM definitions";
    database(dir.path()).execute(forget, []).unwrap();

    let server = Server::start(dir.path());
    let described = server.sfn.describe_execution().execution_arn(&execution);
    let described = described.send().await.unwrap();
    assert_eq!(described.status, ExecutionStatus::Aborted);
    let cause = described.cause.unwrap();
    assert!(
        cause.contains("is missing in the history database"),
        "{cause}"
    );
}

#[tokio::test]
async fn a_child_that_cannot_be_recorded_is_started_when_it_can() {
    let dir = folder();
    let server = Server::start(dir.path());
    let activity = server.activity().await;
    let processor = json!({
        "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
        "StartAt": "Work", "States": { "Work": { "Type": "Task", "Resource": activity, "End": true } },
    });
    let map = json!({ "Type": "Map", "ItemProcessor": processor, "End": true });
    let definition = json!({ "StartAt": "Map", "States": { "Map": map } });
    let machine = server.machine(&definition).await;
    let execution = server.execution(&machine, &json!([1])).await;
    server.fetch(&activity).await;
    server.kill();
    // As if the kill had come just before the child was recorded.
    let database = database(dir.path());
    let child = "SELECT id FROM executions WHERE parent IS NOT NULL";
    let events = format!("DELETE FROM events WHERE execution IN ({child})");
    assert!(database.execute(&events, []).unwrap() > 0);
    let forget = "DELETE FROM executions WHERE parent IS NOT NULL";
    assert_eq!(database.execute(forget, []).unwrap(), 1);
    drop(database);

    let server = Server::start_without_space(dir.path());
    server.fill_disk(false);
    let token = server.fetch(&activity).await;
    server.succeed(&token, "7").await;
    assert_eq!(server.output(&execution).await, json!([7]));
}
