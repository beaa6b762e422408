//! Reading: on connections of its own, so that neither writers nor other readers wait for a long read.

use std::path::{Path, PathBuf};

use asl::{Event, ExecutionType, Status, Timestamp};
use parking_lot::Mutex;
use rusqlite::{Connection, Row, params};
use serde::de::DeserializeOwned;

use super::{
    ActivityRow, AliasRow, ExecutionRow, MachineRow, Origin, Redrives, Store, StoreError,
    VersionRow, open,
};

/// Connections that stay open while nobody reads.
const KEPT: usize = 4;

/// Every thread that reads has a connection to itself.
pub(super) struct Readers {
    path: PathBuf,
    /// How SQLite reaches the file: all connections of a process must do it in the same way.
    vfs: Option<&'static str>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    /// Opens the first connection, which shows that the file can be read.
    pub(super) fn new(path: &Path, vfs: Option<&'static str>) -> rusqlite::Result<Readers> {
        let readers = Readers {
            path: path.to_owned(),
            vfs,
            idle: Mutex::default(),
        };
        let first = readers.open()?;
        readers.idle.lock().push(first);
        Ok(readers)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let connection = self.connect()?;
        connection.execute_batch("PRAGMA query_only = ON; PRAGMA cache_size = -2000;")?;
        Ok(connection)
    }

    /// A connection of the caller's own.
    pub(super) fn connect(&self) -> rusqlite::Result<Connection> {
        open::connect(&self.path, self.vfs)
    }

    pub(super) fn with<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let outcome = read(&connection);
        let mut idle = self.idle.lock();
        if idle.len() < KEPT {
            idle.push(connection);
        }
        outcome
    }

    pub(super) fn close(&self) {
        self.idle.lock().clear();
    }
}

/// An execution as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedRow {
    /// Number within this database.
    pub id: i64,
    /// ARN.
    pub arn: String,
    /// ARN of its state machine.
    pub machine: String,
    /// ARN of its Map Run, if it is a child of one.
    pub map_run: Option<String>,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; none while it runs.
    pub stopped: Option<Timestamp>,
    /// Name of its status.
    pub status: String,
    /// ARN of the version that runs, if its start named one.
    pub version: Option<String>,
    /// ARN of the alias that its start named.
    pub alias: Option<String>,
    /// How often it was redriven.
    pub redrives: u64,
    /// When it was last redriven.
    pub redriven: Option<Timestamp>,
}

/// What a list of a state machine's executions is narrowed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Qualifier {
    /// ARN of the version that they run.
    Version(String),
    /// ARN of the alias that their start named.
    Alias(String),
}

/// Which executions are wanted, newest first.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// ARN of a state machine, or of a Map Run.
    pub of: &'a str,
    /// The version or the alias that they must have.
    pub qualifier: Option<&'a Qualifier>,
    /// Name of a status that they must have.
    pub status: Option<&'a str>,
    /// What their names must have in them.
    pub name: Option<&'a str>,
    /// Whether they must have been redriven, or must not.
    pub redriven: Option<bool>,
    /// The moment before which they must not have started.
    pub since: Option<Timestamp>,
    /// Start and number of the execution that the wanted ones come after.
    pub after: Option<(i64, i64)>,
    /// How many at most.
    pub limit: usize,
}

impl Listing<'_> {
    /// Where the name begins in `arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME`, in characters from 1, of a state
    /// machine's executions.
    fn name_begins(&self) -> i64 {
        let shorter = "stateMachine".len() - "execution".len();
        let before = self.of.chars().count() + ":".len() - shorter;
        i64::try_from(before + 1).unwrap_or(i64::MAX)
    }

    /// `?1` of, `?2` and `?3` after, `?4` limit, `?5` status, `?6` version, `?7` alias, `?8` since, `?9` part of
    /// the name, which begins at place `?10` of the ARN, `?11` whether redriven.
    pub(super) fn sql(&self) -> &'static str {
        match self.status {
            None => {
                "SELECT id, arn, machine, map_run, started, stopped, status, version, alias, redrives, redriven FROM executions
                 WHERE COALESCE(map_run, machine) = ?1 AND (started, id) < (?2, ?3)
                   AND (?6 IS NULL OR version = ?6) AND (?7 IS NULL OR alias = ?7)
                   AND (?8 IS NULL OR started >= ?8) AND (?9 IS NULL OR instr(substr(arn, ?10), ?9) > 0)
                   AND (?11 IS NULL OR (redrives > 0) = ?11)
                 ORDER BY started DESC, id DESC LIMIT ?4"
            }
            Some(_) => {
                "SELECT id, arn, machine, map_run, started, stopped, status, version, alias, redrives, redriven FROM executions
                 WHERE COALESCE(map_run, machine) = ?1 AND status = ?5 AND (started, id) < (?2, ?3)
                   AND (?6 IS NULL OR version = ?6) AND (?7 IS NULL OR alias = ?7)
                   AND (?8 IS NULL OR started >= ?8) AND (?9 IS NULL OR instr(substr(arn, ?10), ?9) > 0)
                   AND (?11 IS NULL OR (redrives > 0) = ?11)
                 ORDER BY started DESC, id DESC LIMIT ?4"
            }
        }
    }
}

impl Store {
    /// Tags of a resource.
    pub fn tags(&self, arn: &str) -> Result<Vec<(String, String)>, StoreError> {
        self.query(
            "SELECT key, value FROM tags WHERE arn = ?1 ORDER BY key",
            [arn],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
    }

    /// All state machines, by name.
    pub fn machines(&self) -> Result<Vec<MachineRow>, StoreError> {
        self.query("SELECT * FROM state_machines ORDER BY name", [], |row| {
            Ok(MachineRow {
                arn: row.get("arn")?,
                name: row.get("name")?,
                kind: ExecutionType::parse(&row.get::<_, String>("kind")?).unwrap_or_default(),
                role_arn: row.get("role_arn")?,
                definition: row.get("definition")?,
                configuration: json(row, "configuration")?,
                revision: row.get("revision")?,
                last_version: row.get::<_, i64>("last_version")?.cast_unsigned(),
                deleting: row.get("deleting")?,
                created: Timestamp(row.get("created")?),
                updated: Timestamp(row.get("updated")?),
            })
        })
    }

    /// All versions, each with its state machine as it was then.
    pub fn versions(&self) -> Result<Vec<(VersionRow, MachineRow)>, StoreError> {
        let sql = "SELECT v.*, m.name, m.kind FROM versions AS v JOIN state_machines AS m ON m.arn = v.machine";
        self.query(sql, [], |row| {
            let created = Timestamp(row.get("created")?);
            let version = VersionRow {
                arn: row.get("arn")?,
                machine: row.get("machine")?,
                number: row.get::<_, i64>("number")?.cast_unsigned(),
                description: row.get("description")?,
                created,
            };
            let machine = MachineRow {
                arn: version.machine.clone(),
                name: row.get("name")?,
                kind: ExecutionType::parse(&row.get::<_, String>("kind")?).unwrap_or_default(),
                role_arn: row.get("role_arn")?,
                definition: row.get("definition")?,
                configuration: json(row, "configuration")?,
                revision: row.get("revision")?,
                last_version: version.number,
                deleting: false,
                created,
                updated: created,
            };
            Ok((version, machine))
        })
    }

    /// All aliases.
    pub fn aliases(&self) -> Result<Vec<AliasRow>, StoreError> {
        self.query("SELECT * FROM aliases", [], |row| {
            Ok(AliasRow {
                arn: row.get("arn")?,
                machine: row.get("machine")?,
                name: row.get("name")?,
                description: row.get("description")?,
                routes: json(row, "routes")?,
                created: Timestamp(row.get("created")?),
                updated: Timestamp(row.get("updated")?),
            })
        })
    }

    /// All activities, by name.
    pub fn activities(&self) -> Result<Vec<ActivityRow>, StoreError> {
        self.query(
            "SELECT arn, name, created FROM activities ORDER BY name",
            [],
            |row| {
                Ok(ActivityRow {
                    arn: row.get(0)?,
                    name: row.get(1)?,
                    created: Timestamp(row.get(2)?),
                })
            },
        )
    }

    /// The definition kept under `hash`.
    pub fn definition(&self, hash: &str) -> Result<Option<String>, StoreError> {
        let rows = self.query(
            "SELECT text FROM definitions WHERE hash = ?1",
            [hash],
            |row| row.get(0),
        )?;
        Ok(rows.into_iter().next())
    }

    /// The execution with that ARN.
    pub fn execution(&self, arn: &str) -> Result<Option<ExecutionRow>, StoreError> {
        Ok(self.executions("WHERE arn = ?1", [arn])?.into_iter().next())
    }

    /// The execution of that name that started last.
    pub fn execution_named(&self, name: &str) -> Result<Option<ExecutionRow>, StoreError> {
        let filter =
            "WHERE json_extract(start, '$.name') = ?1 ORDER BY started DESC, id DESC LIMIT 1";
        Ok(self.executions(filter, [name])?.into_iter().next())
    }

    /// The execution that a call of a Task state has started.
    pub fn execution_of_call(&self, call: &str) -> Result<Option<ExecutionRow>, StoreError> {
        Ok(self
            .executions("WHERE call = ?1", [call])?
            .into_iter()
            .next())
    }

    /// Executions that have not ended, parents before their children.
    pub fn running(&self) -> Result<Vec<ExecutionRow>, StoreError> {
        self.executions("WHERE stopped IS NULL ORDER BY id", [])
    }

    /// Executions of a state machine or of a Map Run, newest first. Reads as many rows as it returns.
    pub fn list(&self, listing: Listing<'_>) -> Result<Vec<ListedRow>, StoreError> {
        let (started, id) = listing.after.unwrap_or((i64::MAX, i64::MAX));
        let limit = i64::try_from(listing.limit).unwrap_or(i64::MAX);
        let read = |row: &Row<'_>| {
            Ok(ListedRow {
                id: row.get(0)?,
                arn: row.get(1)?,
                machine: row.get(2)?,
                map_run: row.get(3)?,
                started: Timestamp(row.get(4)?),
                stopped: row.get::<_, Option<i64>>(5)?.map(Timestamp),
                status: row.get(6)?,
                version: row.get(7)?,
                alias: row.get(8)?,
                redrives: row.get::<_, i64>(9)?.cast_unsigned(),
                redriven: row.get::<_, Option<i64>>(10)?.map(Timestamp),
            })
        };
        let (version, alias) = match listing.qualifier {
            None => (None, None),
            Some(Qualifier::Version(arn)) => (Some(arn), None),
            Some(Qualifier::Alias(arn)) => (None, Some(arn)),
        };
        let parameters = params![
            listing.of,
            started,
            id,
            limit,
            listing.status,
            version,
            alias,
            listing.since.map(|since| since.0),
            listing.name,
            listing.name_begins(),
            listing.redriven
        ];
        self.query(listing.sql(), parameters, read)
    }

    /// ARN of the execution whose Map Run that is.
    pub fn execution_of_map_run(&self, map_run: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT e.arn FROM map_runs AS m JOIN executions AS e ON e.id = m.execution WHERE m.arn = ?1";
        let rows = self.query(sql, [map_run], |row| row.get(0))?;
        Ok(rows.into_iter().next())
    }

    /// The highest execution number that is in use, be it by what is left of a removed execution.
    pub fn last_id(&self) -> Result<i64, StoreError> {
        let sql = "SELECT MAX(COALESCE((SELECT MAX(id) FROM executions), 0),
                              COALESCE((SELECT MAX(execution) FROM events), 0),
                              COALESCE((SELECT MAX(execution) FROM removed), 0))";
        let rows = self.query(sql, [], |row| row.get(0))?;
        Ok(rows.into_iter().next().unwrap_or(0))
    }

    /// The log of an execution.
    pub fn events(&self, execution: i64) -> Result<Vec<(Event, Timestamp)>, StoreError> {
        let sql = "SELECT at, event FROM events WHERE execution = ?1 ORDER BY seq";
        let rows = self.query(sql, [execution], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))
        })?;
        rows.into_iter()
            .map(|(at, event)| Ok((serde_json::from_str(&event)?, Timestamp(at))))
            .collect()
    }

    pub(super) fn query<T>(
        &self,
        sql: &str,
        parameters: impl rusqlite::Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, StoreError> {
        self.readers.with(|connection| {
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement
                .query_map(parameters, read)?
                .collect::<Result<_, _>>()?;
            Ok(rows)
        })
    }

    fn executions(
        &self,
        filter: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<Vec<ExecutionRow>, StoreError> {
        self.query(
            &format!("SELECT * FROM executions {filter}"),
            parameters,
            |row| {
                let ending: Option<String> = row.get("ending")?;
                Ok(ExecutionRow {
                    id: row.get("id")?,
                    start: json(row, "start")?,
                    definition: row.get("definition")?,
                    parent: row.get("parent")?,
                    map_run: row.get("map_run")?,
                    origin: Origin {
                        version: row.get("version")?,
                        alias: row.get("alias")?,
                        trace: row.get("trace")?,
                        case: row.get("test_case")?,
                    },
                    started: Timestamp(row.get("started")?),
                    stopped: row.get::<_, Option<i64>>("stopped")?.map(Timestamp),
                    status: match ending {
                        None => Status::Running,
                        Some(_) => json(row, "ending")?,
                    },
                    redrives: Redrives {
                        count: row.get::<_, i64>("redrives")?.cast_unsigned(),
                        last: row.get::<_, Option<i64>>("redriven")?.map(Timestamp),
                        tokens: json(row, "redrive_tokens")?,
                    },
                    history: row
                        .get::<_, Option<i64>>("history")?
                        .map(i64::cast_unsigned),
                })
            },
        )
    }
}

/// A column that holds JSON.
fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    let unreadable = |error| {
        let kind = rusqlite::types::Type::Text;
        rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
    };
    serde_json::from_str(&text).map_err(unreadable)
}
