//! Opening the database: a new one is whole before it has its name, an old one is looked over before
//! anything is done with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cloud::private;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::read::Readers;
use super::{Durability, StoreError};

/// Marks the file as ours, "hypi" in ASCII: <https://www.sqlite.org/pragma.html#pragma_application_id>
const APPLICATION: i32 = 0x6879_7069;

/// Version of the schema, `PRAGMA user_version`. 0 is what was written before versions were.
const VERSION: i32 = 5;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS definitions (hash TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_machines (
  arn TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, role_arn TEXT NOT NULL,
  definition TEXT NOT NULL, revision TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS executions (
  id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, start TEXT NOT NULL,
  definition TEXT, parent TEXT, map_run TEXT, started INTEGER NOT NULL, stopped INTEGER, status TEXT);
CREATE INDEX IF NOT EXISTS executions_by_machine ON executions (machine, started);
CREATE INDEX IF NOT EXISTS executions_by_map_run ON executions (map_run) WHERE map_run IS NOT NULL;
CREATE INDEX IF NOT EXISTS executions_running ON executions (id) WHERE stopped IS NULL;
CREATE TABLE IF NOT EXISTS events (
  execution INTEGER NOT NULL, seq INTEGER NOT NULL, at INTEGER NOT NULL, event TEXT NOT NULL,
  PRIMARY KEY (execution, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS activities (arn TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS tags (
  arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (arn, key)) WITHOUT ROWID;
";

/// What each version added to the one before it, the first of them to version 0.
const UPGRADES: [&str; VERSION as usize] = [
    // The call of a Task state that started a nested execution, so that it is started once.
    "ALTER TABLE executions ADD COLUMN call TEXT;
     CREATE UNIQUE INDEX executions_by_call ON executions (call) WHERE call IS NOT NULL;",
    // The name of the status, and what lists need before input and output, which may be long: who reads a list reads
    // none of their pages. An execution is listed under its Map Run if it has one, else under its machine. `removed`
    // has the executions whose events are still to be deleted.
    "DROP INDEX executions_by_machine;
     DROP INDEX executions_by_map_run;
     DROP INDEX executions_running;
     DROP INDEX executions_by_call;
     ALTER TABLE executions RENAME TO executions_1;
     CREATE TABLE executions (
       id INTEGER PRIMARY KEY, arn TEXT NOT NULL UNIQUE, machine TEXT NOT NULL, map_run TEXT, parent TEXT, call TEXT,
       definition TEXT, started INTEGER NOT NULL, stopped INTEGER, status TEXT NOT NULL, start TEXT NOT NULL,
       ending TEXT);
     INSERT INTO executions
       SELECT id, arn, machine, map_run, parent, call, definition, started, stopped,
         CASE (SELECT key FROM json_each(status)) WHEN 'Succeeded' THEN 'SUCCEEDED' WHEN 'Failed' THEN 'FAILED'
           WHEN 'TimedOut' THEN 'TIMED_OUT' WHEN 'Aborted' THEN 'ABORTED' ELSE 'RUNNING' END,
         start, status
       FROM executions_1;
     DROP TABLE executions_1;
     CREATE INDEX executions_listed ON executions (COALESCE(map_run, machine), started, id);
     CREATE INDEX executions_filtered ON executions (COALESCE(map_run, machine), status, started, id);
     CREATE INDEX executions_running ON executions (id) WHERE stopped IS NULL;
     CREATE INDEX executions_ended ON executions (stopped) WHERE stopped IS NOT NULL;
     CREATE UNIQUE INDEX executions_by_call ON executions (call) WHERE call IS NOT NULL;
     CREATE TABLE removed (execution INTEGER PRIMARY KEY);",
    // Which Map Run is of which execution: its children may be Express, of which nothing is kept. Versions and aliases.
    "CREATE TABLE map_runs (arn TEXT PRIMARY KEY, execution INTEGER NOT NULL) WITHOUT ROWID;
     CREATE INDEX map_runs_by_execution ON map_runs (execution);
     INSERT OR IGNORE INTO map_runs
       SELECT c.map_run, p.id FROM executions AS c JOIN executions AS p ON p.arn = c.parent WHERE c.map_run IS NOT NULL;
     ALTER TABLE executions ADD COLUMN version TEXT;
     ALTER TABLE executions ADD COLUMN alias TEXT;
     ALTER TABLE executions ADD COLUMN trace TEXT;
     ALTER TABLE state_machines ADD COLUMN configuration TEXT NOT NULL DEFAULT '{}';
     ALTER TABLE state_machines ADD COLUMN last_version INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE state_machines ADD COLUMN deleting INTEGER NOT NULL DEFAULT 0;
     CREATE TABLE versions (
       arn TEXT PRIMARY KEY, machine TEXT NOT NULL, number INTEGER NOT NULL, role_arn TEXT NOT NULL,
       definition TEXT NOT NULL, configuration TEXT NOT NULL, revision TEXT NOT NULL, description TEXT NOT NULL,
       created INTEGER NOT NULL);
     CREATE TABLE aliases (
       arn TEXT PRIMARY KEY, machine TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL, routes TEXT NOT NULL,
       created INTEGER NOT NULL, updated INTEGER NOT NULL);",
    // The test case as which an execution runs, so that a restart does not call what is mocked.
    "ALTER TABLE executions ADD COLUMN test_case TEXT;",
    // How often an execution was redriven, when last, and by which client tokens; how long its history was at its end.
    "ALTER TABLE executions ADD COLUMN redrives INTEGER NOT NULL DEFAULT 0;
     ALTER TABLE executions ADD COLUMN redriven INTEGER;
     ALTER TABLE executions ADD COLUMN redrive_tokens TEXT NOT NULL DEFAULT '[]';
     ALTER TABLE executions ADD COLUMN history INTEGER;",
];

/// What `PRAGMA auto_vacuum` says of a file whose free pages can be given back piece by piece.
const INCREMENTAL: i64 = 2;

/// A writing connection to the database at `path`, which is created if it is not there, and the readers.
pub(super) fn open(
    path: &Path,
    durability: Durability,
) -> Result<(Connection, Readers), StoreError> {
    match fs::metadata(path) {
        Ok(file) if file.len() == 0 => return Err(StoreError::Emptied { path: path.into() }),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => create(path)?,
        Err(source) => return Err(unreadable(path, source)),
    }
    match prepare(path, durability, None) {
        // Without space there is no room for the index of the log; with this one it is in memory, and
        // other processes cannot look into the file meanwhile.
        Err(StoreError::Unusable { reason, .. }) => {
            tracing::warn!(path = %path.display(), reason, "opened for this process alone");
            prepare(path, durability, Some("unix-excl"))
        }
        other => other,
    }
}

/// Readers of the database at `path`, which is left as it is.
pub(super) fn open_to_read(path: &Path) -> Result<Readers, StoreError> {
    fs::metadata(path).map_err(|source| unreadable(path, source))?;
    let failed = |error| at(path, error);
    let connection = connect(path, None).map_err(failed)?;
    look_over(&connection, path)?;
    if pragma(&connection, "user_version").map_err(failed)? < i64::from(VERSION) {
        return Err(StoreError::Older { path: path.into() });
    }
    Readers::new(path, None).map_err(failed)
}

fn prepare(
    path: &Path,
    durability: Durability,
    vfs: Option<&'static str>,
) -> Result<(Connection, Readers), StoreError> {
    let failed = |error| at(path, error);
    let writer = connect(path, vfs).map_err(failed)?;
    look_over(&writer, path)?;
    let synchronous = match durability {
        Durability::Crash => "NORMAL",
        Durability::PowerFailure => "FULL",
    };
    let pragmas = format!(
        "PRAGMA journal_mode = WAL; PRAGMA journal_size_limit = 16777216;
         PRAGMA synchronous = {synchronous}; PRAGMA cache_size = -2000;"
    );
    writer.execute_batch(&pragmas).map_err(failed)?;
    upgrade(&writer).map_err(failed)?;
    if pragma(&writer, "auto_vacuum").map_err(failed)? != INCREMENTAL
        && let Err(error) = writer.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM;")
    {
        tracing::warn!(%error, "the history database cannot be packed; what is removed leaves it as large as it is");
    }
    let readers = Readers::new(path, vfs).map_err(failed)?;
    Ok((writer, readers))
}

/// Writes a new database beside the path and gives it its name at the end: a file of that name has
/// always been whole once, however this process ends.
fn create(path: &Path) -> Result<(), StoreError> {
    if fs::metadata(beside(path, "-wal")).is_ok_and(|log| log.len() > 0) {
        return Err(StoreError::Lost { path: path.into() });
    }
    let new = beside(path, ".new");
    for file in [new.clone(), beside(&new, "-journal")] {
        match fs::remove_file(&file) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(unreadable(&file, source)),
        }
    }
    // The log and its index take the mode of the file.
    private::create(&new).map_err(|source| unreadable(&new, source))?;
    let write = || -> rusqlite::Result<()> {
        let connection = Connection::open(&new)?;
        // Before anything is written, else the file does not take it.
        connection.execute_batch("PRAGMA auto_vacuum = INCREMENTAL;")?;
        connection.pragma_update(None, "application_id", APPLICATION)?;
        connection.execute_batch(SCHEMA)?;
        upgrade(&connection)?;
        connection.close().map_err(|(_, error)| error)
    };
    write().map_err(|error| at(path, error))?;
    fs::rename(&new, path).map_err(|source| unreadable(path, source))
}

/// A number that SQLite tells of the file.
pub(super) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

/// Opens what is there.
pub(super) fn connect(path: &Path, vfs: Option<&str>) -> rusqlite::Result<Connection> {
    // Without SQLITE_OPEN_CREATE: a file that vanishes now must not come back empty.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    match vfs {
        None => Connection::open_with_flags(path, flags),
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs),
    }
}

/// Refuses what is not ours, what is newer than this program, and what is damaged.
fn look_over(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let look = || -> rusqlite::Result<(i32, i32, String)> {
        let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
        let problem = connection.pragma_query_value(None, "quick_check", |row| row.get(0))?;
        Ok((number("application_id")?, number("user_version")?, problem))
    };
    let (application, version, problem) = look().map_err(|error| at(path, error))?;
    if problem != "ok" {
        return Err(StoreError::Damaged {
            path: path.into(),
            problem,
        });
    }
    // Before there were versions the file had no mark.
    if application != APPLICATION && (application, version) != (0, 0) {
        return Err(StoreError::Foreign { path: path.into() });
    }
    if version > VERSION {
        return Err(StoreError::Newer {
            path: path.into(),
            found: version,
            known: VERSION,
        });
    }
    Ok(())
}

/// Brings the schema up to date. One that is needs no write, so a full disk does not stop the start.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    let version: i32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let missing = UPGRADES
        .get(usize::try_from(version).unwrap_or_default()..)
        .unwrap_or_default();
    if missing.is_empty() {
        return Ok(());
    }
    let statements = missing.concat();
    connection.execute_batch(&format!(
        "BEGIN IMMEDIATE; {statements} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {VERSION}; COMMIT;"
    ))
}

/// An error with the file's name: a damaged one is told apart from one that cannot be used just now.
pub(super) fn at(path: &Path, error: rusqlite::Error) -> StoreError {
    let path = path.into();
    let problem = error.to_string();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { path, problem }
        }
        Some(
            ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::OutOfMemory,
        ) => StoreError::Unusable {
            path,
            reason: problem,
        },
        _ => StoreError::Sqlite(error),
    }
}

fn unreadable(path: &Path, source: io::Error) -> StoreError {
    StoreError::Unusable {
        path: path.into(),
        reason: source.to_string(),
    }
}

/// The path with something after its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
