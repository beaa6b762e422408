//! The writing thread: everything that has gathered since the last commit goes into the next one.

use asl::{Status, Timestamp};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;
use tokio::sync::oneshot;

use super::{
    ActivityRow, AliasRow, ExecutionRow, MachineRow, Redrives, StoreError, VersionRow, open,
    retention,
};

/// Time until writes that could not be committed are tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The most writes that one transaction takes: bounds the time a writer waits for its commit.
const MAX_BATCH: usize = 4_096;

/// A change of the database.
pub(super) enum Write {
    Begin(Box<Begin>),
    Append {
        execution: i64,
        first: i64,
        events: Vec<(Timestamp, String)>,
    },
    End {
        execution: i64,
        stopped: Timestamp,
        status: &'static str,
        ending: String,
        history: Option<usize>,
    },
    Redrive {
        execution: i64,
        first: i64,
        events: Vec<(Timestamp, String)>,
        redrives: Redrives,
    },
    PutMapRun {
        arn: String,
        execution: i64,
    },
    PutMachine(Box<MachineRow>),
    DeleteMachine(String),
    PutVersion(Box<(VersionRow, MachineRow)>),
    DeleteVersion(String),
    PutAlias(Box<AliasRow>),
    DeleteAlias(String),
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
    Remove {
        executions: Vec<i64>,
    },
    DeleteEvents {
        count: i64,
    },
    Shrink {
        pages: u32,
    },
    /// Its commit tells that of everything before it.
    Nothing,
}

pub(super) type Acknowledge = oneshot::Sender<Result<(), StoreError>>;

/// A write, and whom to tell of its commit.
pub(super) type Request = (Write, Option<Acknowledge>);

/// What is kept of a start.
pub(super) struct Begin {
    pub(super) row: ExecutionRow,
    /// Hash and text of a definition that is not kept yet.
    pub(super) definition: Option<(String, String)>,
    pub(super) call: Option<String>,
}

/// The writing end of the database.
pub(super) struct Writer {
    connection: Connection,
    path: PathBuf,
    /// Writes that nobody waits for and that could not be committed yet, in their order.
    owed: Vec<Write>,
}

impl Writer {
    pub(super) fn new(connection: Connection, path: &Path) -> Self {
        Writer {
            connection,
            path: path.to_owned(),
            owed: Vec::new(),
        }
    }

    /// Writes what arrives until the last sender has gone.
    pub(super) fn write_all(mut self, receiver: &mpsc::Receiver<Request>) {
        loop {
            let first = if self.owed.is_empty() {
                receiver.recv().map_err(RecvTimeoutError::from)
            } else {
                receiver.recv_timeout(RETRY)
            };
            let is_last = matches!(first, Err(RecvTimeoutError::Disconnected));
            let mut batch: Vec<Request> = first.into_iter().collect();
            batch.extend(receiver.try_iter().take(MAX_BATCH));
            self.commit(batch);
            if is_last {
                if !self.owed.is_empty() {
                    tracing::error!(writes = self.owed.len(), path = %self.path.display(), "not recorded before the end; a restart finds it again by the log");
                }
                // So that the file is whole by itself, for who copies it. Its log says the same if not.
                let whole = self
                    .connection
                    .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                if let Err(error) = whole {
                    tracing::warn!(%error, "the log of the history stays beside it");
                }
                return;
            }
        }
    }

    /// Commits the batch as one transaction, after what is still owed.
    fn commit(&mut self, batch: Vec<Request>) {
        let owed = std::mem::take(&mut self.owed);
        let mut requests: Vec<Request> = owed.into_iter().map(|write| (write, None)).collect();
        requests.extend(batch);
        match self.transact(requests.iter().map(|(write, _)| write)) {
            Ok(()) => requests
                .into_iter()
                .for_each(|(_, sender)| acknowledge(sender, Ok(()))),
            // Each alone would fail the same way.
            Err(StoreError::Unusable { path, reason }) => {
                tracing::error!(path = %path.display(), reason, "the history cannot be written");
                for (write, sender) in requests {
                    if sender.is_none() {
                        self.owed.push(write);
                    } else {
                        let (path, reason) = (path.clone(), reason.clone());
                        acknowledge(sender, Err(StoreError::Unusable { path, reason }));
                    }
                }
            }
            // One bad write must not take the others with it.
            Err(_) => {
                for (write, sender) in requests {
                    let outcome = self.transact(std::iter::once(&write));
                    if let Err(error) = &outcome {
                        tracing::error!(%error, "the history could not be written");
                    }
                    acknowledge(sender, outcome);
                }
            }
        }
    }

    fn transact<'a>(&mut self, writes: impl Iterator<Item = &'a Write>) -> Result<(), StoreError> {
        let all = || -> Result<(), StoreError> {
            let transaction = self.connection.transaction()?;
            for write in writes {
                apply(&transaction, write)?;
            }
            transaction.commit()?;
            Ok(())
        };
        all().map_err(|error| match error {
            StoreError::Sqlite(error) => open::at(&self.path, error),
            other => other,
        })
    }
}

fn acknowledge(sender: Option<Acknowledge>, outcome: Result<(), StoreError>) {
    if let Some(sender) = sender {
        // The caller may have gone; the write stands.
        let _ = sender.send(outcome);
    }
}

fn apply(connection: &Connection, write: &Write) -> Result<(), StoreError> {
    let run = |sql: &str, parameters: &[&dyn rusqlite::ToSql]| -> Result<(), StoreError> {
        connection.prepare_cached(sql)?.execute(parameters)?;
        Ok(())
    };
    match write {
        Write::Begin(begin) => {
            let Begin { row, definition, call } = &**begin;
            if let Some((hash, text)) = definition {
                run("INSERT OR IGNORE INTO definitions (hash, text) VALUES (?1, ?2)", params![hash, text])?;
            }
            run(
            "INSERT INTO executions (id, arn, machine, start, definition, parent, map_run, started, call, status,
                                     version, alias, trace, test_case)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                row.id,
                &*row.start.arn,
                &*row.start.state_machine_arn,
                serde_json::to_string(&row.start)?,
                row.definition,
                row.parent,
                row.map_run,
                row.started.0,
                call,
                row.status.name(),
                row.origin.version,
                row.origin.alias,
                row.origin.trace,
                row.origin.case
            ],
            )
        }
        Write::Append { execution, first, events } => append(connection, *execution, *first, events),
        Write::End { execution, stopped, status, ending, history } => run(
            "UPDATE executions SET stopped = ?2, status = ?3, ending = ?4, history = ?5 WHERE id = ?1",
            params![execution, stopped.0, status, ending, history.map(|events| events as i64)],
        ),
        Write::Redrive { execution, first, events, redrives } => {
            append(connection, *execution, *first, events)?;
            run(
                "UPDATE executions SET stopped = NULL, status = ?2, ending = NULL, history = NULL,
                                       redrives = ?3, redriven = ?4, redrive_tokens = ?5 WHERE id = ?1",
                params![
                    execution,
                    Status::Running.name(),
                    redrives.count.cast_signed(),
                    redrives.last.map(|last| last.0),
                    serde_json::to_string(&redrives.tokens)?
                ],
            )
        }
        Write::PutMapRun { arn, execution } => run(
            "INSERT OR IGNORE INTO map_runs (arn, execution) VALUES (?1, ?2)",
            params![arn, execution],
        ),
        Write::PutMachine(row) => put_machine(connection, row),
        Write::DeleteMachine(arn) => {
            run("DELETE FROM state_machines WHERE arn = ?1", params![arn])?;
            run("DELETE FROM versions WHERE machine = ?1", params![arn])?;
            run("DELETE FROM aliases WHERE machine = ?1", params![arn])?;
            run("DELETE FROM tags WHERE arn = ?1", params![arn])
        }
        Write::PutVersion(version) => {
            let (row, machine) = &**version;
            put_machine(connection, machine)?;
            run(
                "INSERT INTO versions
                   (arn, machine, number, role_arn, definition, configuration, revision, description, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    row.arn,
                    row.machine,
                    row.number.cast_signed(),
                    machine.role_arn,
                    machine.definition,
                    serde_json::to_string(&machine.configuration)?,
                    machine.revision,
                    row.description,
                    row.created.0
                ],
            )
        }
        Write::DeleteVersion(arn) => run("DELETE FROM versions WHERE arn = ?1", params![arn]),
        Write::PutAlias(row) => run(
            "INSERT OR REPLACE INTO aliases (arn, machine, name, description, routes, created, updated)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                row.arn,
                row.machine,
                row.name,
                row.description,
                serde_json::to_string(&row.routes)?,
                row.created.0,
                row.updated.0
            ],
        ),
        Write::DeleteAlias(arn) => run("DELETE FROM aliases WHERE arn = ?1", params![arn]),
        Write::PutActivity(row) => run(
            "INSERT OR IGNORE INTO activities (arn, name, created) VALUES (?1, ?2, ?3)",
            params![row.arn, row.name, row.created.0],
        ),
        Write::DeleteActivity(arn) => {
            run("DELETE FROM activities WHERE arn = ?1", params![arn])?;
            run("DELETE FROM tags WHERE arn = ?1", params![arn])
        }
        Write::Tag { arn, tags } => tags.iter().try_for_each(|(key, value)| {
            run("INSERT OR REPLACE INTO tags (arn, key, value) VALUES (?1, ?2, ?3)", params![arn, key, value])
        }),
        Write::Untag { arn, keys } => {
            keys.iter().try_for_each(|key| run("DELETE FROM tags WHERE arn = ?1 AND key = ?2", params![arn, key]))
        }
        Write::Remove { executions } => retention::remove(connection, executions),
        Write::DeleteEvents { count } => retention::delete_events(connection, *count),
        Write::Shrink { pages } => retention::shrink(connection, *pages),
        Write::Nothing => Ok(()),
    }
}

fn append(
    connection: &Connection,
    execution: i64,
    first: i64,
    events: &[(Timestamp, String)],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO events (execution, seq, at, event) VALUES (?1, ?2, ?3, ?4)";
    let mut insert = connection.prepare_cached(sql)?;
    for (seq, (at, event)) in (first..).zip(events) {
        insert.execute(params![execution, seq, at.0, event])?;
    }
    Ok(())
}

fn put_machine(connection: &Connection, row: &MachineRow) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO state_machines
           (arn, name, kind, role_arn, definition, configuration, revision, last_version, deleting, created, updated)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    connection.prepare_cached(sql)?.execute(params![
        row.arn,
        row.name,
        row.kind.name(),
        row.role_arn,
        row.definition,
        serde_json::to_string(&row.configuration)?,
        row.revision,
        row.last_version.cast_signed(),
        row.deleting,
        row.created.0,
        row.updated.0
    ])?;
    Ok(())
}
