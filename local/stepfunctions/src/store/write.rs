//! The writing thread: everything that has gathered since the last commit goes into the next one.

use asl::Timestamp;
use rusqlite::{Connection, params};
use std::sync::mpsc;
use tokio::sync::oneshot;

use super::{ActivityRow, ExecutionRow, MachineRow, StoreError};

/// The most writes that one transaction takes: bounds the time a writer waits for its commit.
const MAX_BATCH: usize = 4_096;

/// A change of the database.
pub(super) enum Write {
    Begin(Box<ExecutionRow>),
    Append {
        execution: i64,
        first: i64,
        events: Vec<(Timestamp, String)>,
    },
    End {
        execution: i64,
        stopped: Timestamp,
        status: String,
    },
    Definition {
        hash: String,
        text: String,
    },
    PutMachine(Box<MachineRow>),
    DeleteMachine(String),
    PutActivity(ActivityRow),
    DeleteActivity(String),
    Tag {
        arn: String,
        tags: Vec<(String, String)>,
    },
    Untag {
        arn: String,
        keys: Vec<String>,
    },
}

pub(super) type Acknowledge = oneshot::Sender<Result<(), StoreError>>;

/// A write, and whom to tell of its commit.
pub(super) type Request = (Write, Option<Acknowledge>);

/// Writes what arrives until the last sender has gone.
pub(super) fn write_all(mut connection: Connection, receiver: &mpsc::Receiver<Request>) {
    let mut batch = Vec::new();
    while let Ok(first) = receiver.recv() {
        batch.push(first);
        batch.extend(receiver.try_iter().take(MAX_BATCH));
        let (writes, acknowledgements): (Vec<_>, Vec<_>) = batch.drain(..).unzip();
        let together = transact(&mut connection, &writes);
        for (write, acknowledge) in writes.into_iter().zip(acknowledgements) {
            // One bad write must not take the others with it.
            let outcome = match &together {
                Ok(()) => Ok(()),
                Err(_) => transact(&mut connection, &[write]),
            };
            if let Err(error) = &outcome {
                tracing::error!(%error, "the history could not be written");
            }
            if let Some(acknowledge) = acknowledge {
                // The caller may have gone; the write stands.
                let _ = acknowledge.send(outcome);
            }
        }
    }
}

fn transact(connection: &mut Connection, writes: &[Write]) -> Result<(), StoreError> {
    let transaction = connection.transaction()?;
    for write in writes {
        apply(&transaction, write)?;
    }
    transaction.commit()?;
    Ok(())
}

fn apply(connection: &Connection, write: &Write) -> Result<(), StoreError> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<(), StoreError> {
        connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    };
    match write {
        Write::Begin(row) => run(
            "INSERT INTO executions (id, arn, machine, start, definition, parent, map_run, started)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                row.id,
                &*row.start.arn,
                &*row.start.state_machine_arn,
                serde_json::to_string(&row.start)?,
                row.definition,
                row.parent,
                row.map_run,
                row.started.0
            ],
        ),
        Write::Append { execution, first, events } => {
            let sql = "INSERT INTO events (execution, seq, at, event) VALUES (?1, ?2, ?3, ?4)";
            (*first..).zip(events).try_for_each(|(seq, (at, event))| run(sql, params![execution, seq, at.0, event]))
        }
        Write::End { execution, stopped, status } => run(
            "UPDATE executions SET stopped = ?2, status = ?3 WHERE id = ?1",
            params![execution, stopped.0, status],
        ),
        Write::Definition { hash, text } => {
            run("INSERT OR IGNORE INTO definitions (hash, text) VALUES (?1, ?2)", params![hash, text])
        }
        Write::PutMachine(row) => run(
            "INSERT OR REPLACE INTO state_machines (arn, name, kind, role_arn, definition, revision, created, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                row.arn,
                row.name,
                row.kind,
                row.role_arn,
                row.definition,
                row.revision,
                row.created.0,
                row.updated.0
            ],
        ),
        Write::DeleteMachine(arn) => run("DELETE FROM state_machines WHERE arn = ?1", params![arn]),
        Write::PutActivity(row) => run(
            "INSERT OR IGNORE INTO activities (arn, name, created) VALUES (?1, ?2, ?3)",
            params![row.arn, row.name, row.created.0],
        ),
        Write::DeleteActivity(arn) => run("DELETE FROM activities WHERE arn = ?1", params![arn]),
        Write::Tag { arn, tags } => tags.iter().try_for_each(|(key, value)| {
            run("INSERT OR REPLACE INTO tags (arn, key, value) VALUES (?1, ?2, ?3)", params![arn, key, value])
        }),
        Write::Untag { arn, keys } => {
            keys.iter().try_for_each(|key| run("DELETE FROM tags WHERE arn = ?1 AND key = ?2", params![arn, key]))
        }
    }
}
