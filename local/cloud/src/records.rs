//! Records of tasks and jobs, one JSON file each, so that a service that was killed knows them again.

use std::fs;
use std::io;
use std::path::PathBuf;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::ServiceError;
use crate::private;

/// A folder of records.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    folder: PathBuf,
}

impl Records {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Records { folder }
    }

    /// Writes the first record of something, before anything is done for it.
    pub(crate) fn create(&self, id: &str, record: &impl Serialize) -> Result<(), ServiceError> {
        self.write(id, record).map_err(|error| {
            let folder = self.folder.display();
            let message =
                format!("{id} cannot be recorded in {folder}, so it is not begun: {error}");
            ServiceError::with_status(500, "ServerException", message)
        })
    }

    /// Writes how something goes on. A full disk must not stop what runs, so a failure is only
    /// traced: after a crash the earlier record would be believed.
    pub(crate) fn save(&self, id: &str, record: &impl Serialize) {
        if let Err(error) = self.write(id, record) {
            tracing::warn!(folder = %self.folder.display(), id, %error, "record not written");
        }
    }

    /// Whole or not at all.
    fn write(&self, id: &str, record: &impl Serialize) -> io::Result<()> {
        private::create_dir_all(&self.folder)?;
        let (path, new) = (self.path(id), self.folder.join(format!("{id}.new")));
        private::write(&new, &serde_json::to_vec(record)?)?;
        fs::rename(new, path)
    }

    /// All records; what cannot be read is left out, and traced.
    pub(crate) fn load<T: DeserializeOwned>(&self) -> Vec<T> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "json")
            })
            .filter_map(|path| {
                let read = fs::read(&path);
                let record = read.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
                record
                    .inspect_err(
                        |error| tracing::warn!(path = %path.display(), %error, "record not read"),
                    )
                    .ok()
            })
            .collect()
    }

    /// Forgets a record.
    pub(crate) fn remove(&self, id: &str) {
        // What is not there needs no removing.
        let _ = fs::remove_file(self.path(id));
    }

    fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_again_and_broken_ones_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let records = Records::new(dir.path().join("tasks"));
        assert!(records.load::<u32>().is_empty());
        records.save("a", &1_u32);
        records.save("b", &2_u32);
        records.save("b", &3_u32);
        fs::write(dir.path().join("tasks/c.json"), "{").unwrap();
        let mut found = records.load::<u32>();
        found.sort_unstable();
        assert_eq!(found, [1, 3]);
        records.remove("a");
        assert_eq!(records.load::<u32>(), [3]);
    }
}
