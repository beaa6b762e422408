//! The durable side of Step Functions: one SQLite file.
//!
//! What happened is an append-only log of [`asl::Event`]s per execution; histories and running
//! executions are rebuilt from it by replay. All writes go to one thread that commits whatever has
//! gathered since its last commit in a single transaction (group commit), so durability costs one
//! commit per burst, not one per event. WAL with `synchronous=NORMAL` survives the death of this
//! process at any moment; only a power failure may lose the last commits, and none with
//! [`Durability::PowerFailure`]: <https://www.sqlite.org/pragma.html#pragma_synchronous>

mod open;
mod read;
mod retention;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use asl::{Event, ExecutionType, Start, Status, Timestamp};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::oneshot;

pub use read::{ListedRow, Listing, Qualifier};

use read::Readers;
use write::{Acknowledge, Begin, Request, Write, Writer};

/// What the history survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// The death of this process at any moment.
    #[default]
    Crash,
    /// A power failure too: every commit waits for the disk.
    PowerFailure,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// SQLite refused.
    #[error("the history database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// It cannot be read or written at present; most often the disk is full.
    #[error("the history database {} cannot be used now: {reason}; free space on its disk, then what waits goes on by itself", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
    },
    /// Its pages are not what SQLite wrote.
    #[error("the history database {} is damaged: {problem}. Nothing was started, so nothing more is lost. Put back a copy of the data folder, or save what can still be read with `sqlite3 {} .recover | sqlite3 saved.db`, or move the file and its -wal away to begin with an empty history", path.display(), path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first problem that was found.
        problem: String,
    },
    /// There is a file without contents, which this program never leaves behind.
    #[error("the history database {} is empty: its contents were lost. Put back a copy of the data folder, or delete the file to begin with an empty history", path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// The file has gone, but its write-ahead log is there.
    #[error("the history database {} has gone, and its -wal is there. Put the file back, or delete the -wal to begin with an empty history", path.display())]
    Lost {
        /// The file.
        path: PathBuf,
    },
    /// Another program's database.
    #[error("{} is another program's database; choose another data folder", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version of this program.
    #[error("the history database {} has version {found}, and this program knows versions up to {known}; use the newer program, or another data folder", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: i32,
        /// The newest version that is understood.
        known: i32,
    },
    /// Written by an earlier version of this program, and opened to be read only.
    #[error("the history database {} is from an earlier version of this program; the next `hybrid serve` on its folder brings it up to date", path.display())]
    Older {
        /// The file.
        path: PathBuf,
    },
    /// A stored value is not what this version writes.
    #[error("the history database holds an unreadable value: {0}")]
    Format(#[from] serde_json::Error),
    /// The writer has ended, so nothing more is recorded.
    #[error("the history database is closed")]
    Closed,
}

/// A state machine as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct MachineRow {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// Standard or Express.
    pub kind: ExecutionType,
    /// Role ARN.
    pub role_arn: String,
    /// Definition text.
    pub definition: String,
    /// What else is kept of it.
    pub configuration: Configuration,
    /// Revision id: changes with each update.
    pub revision: String,
    /// Number of the version that was published last; 0 before the first.
    pub last_version: u64,
    /// It goes once its executions have ended.
    pub deleting: bool,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What is kept of a state machine as it was given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Configuration {
    /// `loggingConfiguration`.
    pub logging: Option<Value>,
    /// `tracingConfiguration`.
    pub tracing: Option<Value>,
}

/// A version of a state machine as it is kept; [`MachineRow`] has the rest of what was published.
#[derive(Debug, Clone, PartialEq)]
pub struct VersionRow {
    /// ARN.
    pub arn: String,
    /// ARN of the state machine.
    pub machine: String,
    /// Its number.
    pub number: u64,
    /// Description; may be empty.
    pub description: String,
    /// When it was published.
    pub created: Timestamp,
}

/// An alias of a state machine as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct AliasRow {
    /// ARN.
    pub arn: String,
    /// ARN of the state machine.
    pub machine: String,
    /// Name.
    pub name: String,
    /// Description; may be empty.
    pub description: String,
    /// Numbers of the versions to which it leads, each with its weight; 100 together.
    pub routes: Vec<(u64, u64)>,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// What a start named besides the state machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// ARN of the version that runs.
    pub version: Option<String>,
    /// ARN of the alias that led to it.
    pub alias: Option<String>,
    /// `traceHeader`.
    pub trace: Option<String>,
    /// The test case as which it runs.
    pub case: Option<String>,
}

/// How an execution was redriven.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redrives {
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Option<Timestamp>,
    /// The client tokens by which, the latest last, each with its moment.
    pub tokens: Vec<(String, Timestamp)>,
}

/// The definition that an execution is started with.
#[derive(Debug, Clone)]
pub struct Definition {
    /// Names it.
    pub hash: String,
    /// Its text, where the store does not have it yet.
    pub text: Option<String>,
}

/// An execution as it is kept.
#[derive(Debug, Clone)]
pub struct ExecutionRow {
    /// Number within this database.
    pub id: i64,
    /// How it was started; holds ARN, name and input.
    pub start: Start,
    /// Hash of its definition; none for a child of a Distributed Map, whose definition is its parent's.
    pub definition: Option<String>,
    /// ARN of the parent execution of a Distributed Map's child.
    pub parent: Option<String>,
    /// ARN of the Map Run of a Distributed Map's child.
    pub map_run: Option<String>,
    /// What its start named besides.
    pub origin: Origin,
    /// When it started.
    pub started: Timestamp,
    /// When it ended; none while it runs.
    pub stopped: Option<Timestamp>,
    /// Where it stands.
    pub status: Status,
    /// How it was redriven.
    pub redrives: Redrives,
    /// How many events its history had at its end; none while it runs, and of those that an older version has ended.
    pub history: Option<u64>,
}

/// An activity as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityRow {
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// When it was created.
    pub created: Timestamp,
}

/// The database: one writer thread, and connections for reading.
pub struct Store {
    readers: Readers,
    writes: Mutex<Option<mpsc::Sender<Request>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Store {
    /// Opens or creates the database at `path`.
    ///
    /// # Errors
    /// The file is damaged, empty, of another program or of a later version, or cannot be used.
    pub fn open(path: &Path, durability: Durability) -> Result<Store, StoreError> {
        let (connection, readers) = open::open(path, durability)?;
        let (sender, receiver) = mpsc::channel();
        let writer = Writer::new(connection, path);
        let writer = std::thread::Builder::new()
            .name("sfn-history".into())
            .spawn(move || writer.write_all(&receiver))
            .map_err(|_| StoreError::Closed)?;
        Ok(Store {
            readers,
            writes: Mutex::new(Some(sender)),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// Opens the database at `path` to read it, also while a local cloud writes to it.
    ///
    /// # Errors
    /// As [`Store::open`], or the database is of an earlier version.
    pub fn open_to_read(path: &Path) -> Result<Store, StoreError> {
        Ok(Store {
            readers: open::open_to_read(path)?,
            writes: Mutex::new(None),
            writer: Mutex::new(None),
        })
    }

    /// Commits what is outstanding and stops recording.
    pub fn close(&self) {
        self.writes.lock().take();
        if let Some(writer) = self.writer.lock().take() {
            // A panicked writer has nothing left to commit.
            let _ = writer.join();
        }
        self.readers.close();
    }

    fn send(&self, write: Write, acknowledge: Option<Acknowledge>) -> Result<(), StoreError> {
        let writes = self.writes.lock();
        let sender = writes.as_ref().ok_or(StoreError::Closed)?;
        sender
            .send((write, acknowledge))
            .map_err(|_| StoreError::Closed)
    }

    async fn commit(&self, write: Write) -> Result<(), StoreError> {
        let (acknowledge, committed) = oneshot::channel();
        self.send(write, Some(acknowledge))?;
        committed.await.map_err(|_| StoreError::Closed)?
    }

    fn commit_and_wait(&self, write: Write) -> Result<(), StoreError> {
        let (acknowledge, committed) = oneshot::channel();
        self.send(write, Some(acknowledge))?;
        committed.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    /// Returns once everything that was sent before is committed, what is not awaited included.
    pub async fn settled(&self) -> Result<(), StoreError> {
        self.commit(Write::Nothing).await
    }

    /// Records a new execution with its definition and the call of a Task state that started it, if
    /// one did; returns once it is committed.
    pub async fn begin(
        &self,
        row: ExecutionRow,
        definition: Option<Definition>,
        call: Option<String>,
    ) -> Result<(), StoreError> {
        self.commit(Write::Begin(Box::new(Begin {
            row,
            definition: definition.and_then(|known| Some((known.hash, known.text?))),
            call,
        })))
        .await
    }

    /// Appends events to an execution's log, the first of them with sequence number `first`;
    /// returns once they are committed.
    pub async fn append(
        &self,
        execution: i64,
        first: i64,
        events: &[(Event, Timestamp)],
    ) -> Result<(), StoreError> {
        self.commit(Write::Append {
            execution,
            first,
            events: written(events)?,
        })
        .await
    }

    /// Notes the end of an execution. Not awaited: the log already implies it, replay finds it again.
    /// One that cannot be written now is written when it can.
    pub fn end(
        &self,
        execution: i64,
        stopped: Timestamp,
        status: &Status,
        history: Option<usize>,
    ) -> Result<(), StoreError> {
        let ending = serde_json::to_string(status)?;
        self.send(
            Write::End {
                execution,
                stopped,
                status: status.name(),
                ending,
                history,
            },
            None,
        )
    }

    /// Records that an execution which has ended goes on, with the events that say so; returns once it is committed.
    pub async fn redrive(
        &self,
        execution: i64,
        first: i64,
        events: &[(Event, Timestamp)],
        redrives: &Redrives,
    ) -> Result<(), StoreError> {
        self.commit(Write::Redrive {
            execution,
            first,
            events: written(events)?,
            redrives: redrives.clone(),
        })
        .await
    }

    /// Notes that a Map Run is of an execution. Not awaited: the log already implies it.
    pub fn put_map_run(&self, arn: &str, execution: i64) -> Result<(), StoreError> {
        let arn = arn.to_owned();
        self.send(Write::PutMapRun { arn, execution }, None)
    }

    /// Creates or replaces a state machine.
    pub async fn put_machine(&self, row: MachineRow) -> Result<(), StoreError> {
        self.commit(Write::PutMachine(Box::new(row))).await
    }

    /// Removes a state machine with its versions, aliases and tags.
    pub async fn delete_machine(&self, arn: &str) -> Result<(), StoreError> {
        self.commit(Write::DeleteMachine(arn.to_owned())).await
    }

    /// Records a version, which is a state machine as it is now.
    pub async fn put_version(
        &self,
        row: VersionRow,
        machine: MachineRow,
    ) -> Result<(), StoreError> {
        self.commit(Write::PutVersion(Box::new((row, machine))))
            .await
    }

    /// Removes a version.
    pub async fn delete_version(&self, arn: &str) -> Result<(), StoreError> {
        self.commit(Write::DeleteVersion(arn.to_owned())).await
    }

    /// Creates or replaces an alias.
    pub async fn put_alias(&self, row: AliasRow) -> Result<(), StoreError> {
        self.commit(Write::PutAlias(Box::new(row))).await
    }

    /// Removes an alias.
    pub async fn delete_alias(&self, arn: &str) -> Result<(), StoreError> {
        self.commit(Write::DeleteAlias(arn.to_owned())).await
    }

    /// Creates an activity.
    pub async fn put_activity(&self, row: ActivityRow) -> Result<(), StoreError> {
        self.commit(Write::PutActivity(row)).await
    }

    /// Removes an activity with its tags.
    pub async fn delete_activity(&self, arn: &str) -> Result<(), StoreError> {
        self.commit(Write::DeleteActivity(arn.to_owned())).await
    }

    /// Sets tags of a resource.
    pub async fn tag(&self, arn: &str, tags: Vec<(String, String)>) -> Result<(), StoreError> {
        self.commit(Write::Tag {
            arn: arn.to_owned(),
            tags,
        })
        .await
    }

    /// Removes tags of a resource.
    pub async fn untag(&self, arn: &str, keys: Vec<String>) -> Result<(), StoreError> {
        self.commit(Write::Untag {
            arn: arn.to_owned(),
            keys,
        })
        .await
    }
}

/// Events as they are kept.
fn written(events: &[(Event, Timestamp)]) -> Result<Vec<(Timestamp, String)>, serde_json::Error> {
    let events = events.iter();
    let events = events.map(|(event, at)| Ok((*at, serde_json::to_string(event)?)));
    events.collect()
}
