//! Removing ended executions, in pieces between which other writes are committed.

use asl::Timestamp;
use rusqlite::{Connection, params};

use super::write::Write;
use super::{Store, StoreError, open};

/// Executions that one piece removes.
const EXECUTIONS: usize = 32;

/// Events that one piece deletes. One may have 256 KiB.
const EVENTS: i64 = 128;

/// Pages of 4 KiB that one piece gives back to the file system.
const PAGES: u32 = 128;

/// An ended execution that has been kept long enough.
struct Expired {
    id: i64,
    arn: String,
    stopped: i64,
}

impl Store {
    /// Removes the executions that ended before a moment, and gives their space back; tells the ARN of each. A child
    /// of a Distributed Map stays as long as its parent runs. To be called where waiting is allowed.
    pub fn remove_ended(
        &self,
        before: Timestamp,
        mut removed: impl FnMut(&str),
    ) -> Result<(), StoreError> {
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let expired = self.expired(before, after)?;
            let Some(last) = expired.last() else {
                break;
            };
            after = (last.stopped, last.id);
            let executions = expired.iter().map(|execution| execution.id).collect();
            self.commit_and_wait(Write::Remove { executions })?;
            expired.iter().for_each(|execution| removed(&execution.arn));
        }
        while self.readers.with(is_left_over)? {
            self.commit_and_wait(Write::DeleteEvents { count: EVENTS })?;
        }
        self.shrink()
    }

    fn expired(&self, before: Timestamp, after: (i64, i64)) -> Result<Vec<Expired>, StoreError> {
        let sql = "SELECT id, arn, stopped FROM executions AS e
             WHERE stopped < ?1 AND (stopped, id) > (?2, ?3) AND NOT EXISTS (
               SELECT 1 FROM executions AS p WHERE p.arn = e.parent AND p.stopped IS NULL)
             ORDER BY stopped, id LIMIT ?4";
        let parameters = params![before.0, after.0, after.1, EXECUTIONS as i64];
        self.query(sql, parameters, |row| {
            Ok(Expired {
                id: row.get(0)?,
                arn: row.get(1)?,
                stopped: row.get(2)?,
            })
        })
    }

    /// Gives free pages back. The file itself gets shorter when the WAL is copied into it.
    fn shrink(&self) -> Result<(), StoreError> {
        let free = |connection: &Connection| Ok(open::pragma(connection, "freelist_count")?);
        let mut left = self.readers.with(free)?;
        while left > 0 {
            self.commit_and_wait(Write::Shrink { pages: PAGES })?;
            let now = self.readers.with(free)?;
            // A file that could not be packed keeps its free pages.
            if now >= left {
                break;
            }
            left = now;
        }
        // On a connection that may write, but not the writer's: commits go on meanwhile.
        let connection = self.readers.connect()?;
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }
}

fn is_left_over(connection: &Connection) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM removed)";
    Ok(connection.query_row(sql, [], |row| row.get(0))?)
}

/// Takes executions out of every list and lookup; their events follow.
pub(super) fn remove(connection: &Connection, executions: &[i64]) -> Result<(), StoreError> {
    for id in executions {
        connection
            .prepare_cached("INSERT OR IGNORE INTO removed (execution) VALUES (?1)")?
            .execute([id])?;
        for sql in [
            "DELETE FROM executions WHERE id = ?1",
            "DELETE FROM map_runs WHERE execution = ?1",
        ] {
            connection.prepare_cached(sql)?.execute([id])?;
        }
    }
    Ok(())
}

/// Deletes some events of removed executions.
pub(super) fn delete_events(connection: &Connection, count: i64) -> Result<(), StoreError> {
    let mut left = count;
    while left > 0 {
        let sql = "SELECT MIN(execution) FROM removed";
        let id: Option<i64> = connection
            .prepare_cached(sql)?
            .query_row([], |row| row.get(0))?;
        let Some(id) = id else {
            return Ok(());
        };
        // Their numbers have no gaps.
        let sql = "DELETE FROM events WHERE execution = ?1
             AND seq < (SELECT MIN(seq) FROM events WHERE execution = ?1) + ?2";
        let deleted = connection.prepare_cached(sql)?.execute(params![id, left])? as i64;
        if deleted < left {
            connection
                .prepare_cached("DELETE FROM removed WHERE execution = ?1")?
                .execute([id])?;
        }
        // An execution without events is work too.
        left -= deleted.max(1);
    }
    Ok(())
}

/// Gives some free pages back.
pub(super) fn shrink(connection: &Connection, pages: u32) -> Result<(), StoreError> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // Each step gives one page back.
    while rows.next()?.is_some() {}
    Ok(())
}
