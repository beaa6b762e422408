//! The ledger of jobs outside of a stack: kept from run to run in one file below `out/`, and read from any bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use cloud::s3::S3;
use jobs::artifacts::{ArtifactError, GetObject, ListObjects, Listed, S3Uri, Tagged};
use jobs::attempt::{self, Ended, LEDGERS, Runs};
use jobs::job::digest;
use jobs::ledger::{Record as _, beginning_with};
use serde::Deserialize as _;
use serde_json::{Value, json};
use stepfunctions::Cloud;

use crate::error::Error;

/// Name of the file in the folder for results.
pub const FILE: &str = "ledger.json";

/// Ledgers by worker and class, and what of them could not be read.
#[derive(Debug, Default, PartialEq)]
pub struct Ledgers {
    /// By worker, then by class.
    pub runs: BTreeMap<String, BTreeMap<String, Runs>>,
    /// Each by its place.
    pub unreadable: Vec<String>,
}

impl Ledgers {
    /// What the file says; nothing when it is not there.
    ///
    /// # Errors
    /// It is there and cannot be opened.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let mut found = Self::default();
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(found),
            Err(error) => return Err(Error::file(file)(error)),
        };
        let Ok(Value::Object(workers)) = serde_json::from_slice(&text) else {
            found.unreadable.push(file.display().to_string());
            return Ok(found);
        };
        for (worker, classes) in &workers {
            for (class, runs) in classes.as_object().into_iter().flatten() {
                let place = format!("{}#/{worker}/{class}", file.display());
                let runs = readable(runs, &place, &mut found.unreadable);
                found.of(worker).insert(class.clone(), runs);
            }
        }
        Ok(found)
    }

    /// All ledgers in a bucket.
    ///
    /// # Errors
    /// The bucket cannot be read.
    pub async fn of_bucket<S: GetObject + ListObjects>(
        store: &S,
        bucket: &str,
    ) -> Result<Self, ArtifactError> {
        let mut found = Self::default();
        let listed = store.list(&S3Uri::new(bucket, LEDGERS)).await?;
        let names: BTreeSet<(&str, &str)> = listed
            .iter()
            .filter_map(|object| {
                let mut parts = object.uri.key.strip_prefix(LEDGERS)?.split('/');
                Some((parts.next()?, parts.next()?))
            })
            .collect();
        for (worker, class) in names {
            match attempt::runs(store, bucket, worker, class).read().await {
                Ok(reading) => {
                    let unreadable = reading.unreadable.iter().map(S3Uri::to_string);
                    found.unreadable.extend(unreadable);
                    found.of(worker).insert(class.to_owned(), reading.tally);
                }
                Err(ArtifactError::Malformed { uri, .. }) => {
                    found.unreadable.push(uri.to_string());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    fn of(&mut self, worker: &str) -> &mut BTreeMap<String, Runs> {
        self.runs.entry(worker.to_owned()).or_default()
    }

    /// Takes up those of another bucket; of ledgers with one name the newest runs of both.
    pub fn add(&mut self, other: Self) {
        self.learn(&other, &Self::default());
        self.unreadable.extend(other.unreadable);
    }

    /// Every ledger with its worker and class.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, &Runs)> {
        self.runs.iter().flat_map(|(worker, classes)| {
            let named = move |(class, runs)| (worker.as_str(), String::as_str(class), runs);
            classes.iter().map(named)
        })
    }

    /// Adds what `now` has more than was `lent`.
    fn learn(&mut self, now: &Self, lent: &Self) {
        for (worker, class, runs) in now.iter() {
            let nothing = Runs::default();
            let known = lent.runs.get(worker).and_then(|classes| classes.get(class));
            let known = known.unwrap_or(&nothing);
            let mut old: Vec<&Ended> = known.newest.iter().collect();
            let mut new = runs.newest.clone();
            // Two entries that say the same are two runs.
            new.retain(|one| match old.iter().position(|other| *other == one) {
                Some(place) => {
                    old.swap_remove(place);
                    false
                }
                None => true,
            });
            let more = runs.recorded.saturating_sub(known.recorded);
            let sum = self.of(worker).entry(class.to_owned()).or_default();
            // Of more runs than a ledger keeps the oldest only count.
            sum.recorded += more.saturating_sub(new.len() as u64);
            new.into_iter().for_each(|one| one.fold(sum));
        }
    }

    /// Removes the entries that ended before a moment, in ms since the Unix epoch; how many.
    pub fn forget(&mut self, before_ms: u64) -> usize {
        let mut gone = 0;
        for classes in self.runs.values_mut() {
            for runs in classes.values_mut() {
                let had = runs.newest.len();
                runs.newest.retain(|one| one.finished_at_ms >= before_ms);
                gone += had - runs.newest.len();
            }
            classes.retain(|_, runs| !runs.newest.is_empty());
        }
        self.runs.retain(|_, classes| !classes.is_empty());
        gone
    }

    fn write(&self, file: &Path) -> Result<(), Error> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let failed = |error| Error::file(file)(error);
        let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        new.write_all(json!(self.runs).to_string().as_bytes())
            .map_err(failed)?;
        new.persist(file).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Changes the ledgers in `file`; of two that do so at the same time one waits for the other.
///
/// # Errors
/// The file cannot be read or written.
pub fn change<T>(file: &Path, change: impl FnOnce(&mut Ledgers) -> T) -> Result<T, Error> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let lock = File::open(folder).map_err(Error::file(folder))?;
    lock.lock().map_err(Error::file(folder))?;
    let mut ledgers = Ledgers::read(file)?;
    let answer = change(&mut ledgers);
    ledgers.write(file)?;
    Ok(answer)
}

/// Puts what `file` keeps into the bucket of a cloud; what the bucket has then.
///
/// # Errors
/// The file cannot be read, or an object not be written.
pub async fn lend(file: &Path, cloud: &Cloud, bucket: &str) -> Result<Ledgers, Error> {
    let kept = Ledgers::read(file)?;
    if let Some(first) = kept.unreadable.first() {
        let count = kept.unreadable.len();
        eprintln!(
            "note: {count} entries of the ledger cannot be read and are left out, such as {first}"
        );
    }
    for (worker, class, runs) in kept.iter() {
        let uri = attempt::runs(&(), bucket, worker, class).uri("snapshot.json");
        let body = beginning_with(runs);
        cloud
            .compute()
            .s3
            .put(bucket, &uri.key, body.into())
            .await?;
    }
    let store = Local(&cloud.compute().s3);
    Ok(Ledgers::of_bucket(&store, bucket).await?)
}

/// Keeps in `file` what the jobs of `cloud` have added to what was `lent` to it.
///
/// # Errors
/// The bucket cannot be read, or the file not written.
pub async fn keep(file: &Path, lent: &Ledgers, cloud: &Cloud, bucket: &str) -> Result<(), Error> {
    let store = Local(&cloud.compute().s3);
    let now = Ledgers::of_bucket(&store, bucket).await?;
    if now.runs == lent.runs {
        return Ok(());
    }
    change(file, |kept| kept.learn(&now, lent))
}

/// The entries of a ledger that can be read.
fn readable(value: &Value, place: &str, unreadable: &mut Vec<String>) -> Runs {
    let recorded = value.get("recorded").and_then(Value::as_u64);
    let entries = value.get("newest").and_then(Value::as_array);
    let (Some(recorded), Some(entries)) = (recorded, entries) else {
        unreadable.push(place.to_owned());
        return Runs::default();
    };
    let mut runs = Runs {
        recorded,
        newest: Vec::new(),
    };
    for (number, entry) in entries.iter().enumerate() {
        match Ended::deserialize(entry) {
            Ok(entry) => runs.newest.push(entry),
            Err(_) => unreadable.push(format!("{place}/newest/{number}")),
        }
    }
    runs
}

/// The buckets of a local cloud, as a ledger reads them.
pub struct Local<'a>(pub &'a S3);

impl GetObject for Local<'_> {
    async fn get_tagged(&self, uri: &S3Uri) -> Result<Option<Tagged>, ArtifactError> {
        match self.0.get(&uri.bucket, &uri.key).await {
            Ok(body) => Ok(Some(Tagged {
                tag: digest(&[&String::from_utf8_lossy(&body)], 32),
                body: body.into(),
            })),
            Err(error) if error.code == "NoSuchKey" => Ok(None),
            Err(error) => Err(unavailable("get", uri, &error)),
        }
    }
}

impl ListObjects for Local<'_> {
    /// Without versions and ages, which no reader of runs looks at.
    async fn list(&self, prefix: &S3Uri) -> Result<Vec<Listed>, ArtifactError> {
        let keys = self.0.list(&prefix.bucket, &prefix.key).await;
        let keys = keys.map_err(|error| unavailable("list", prefix, &error))?;
        let listed = |key| Listed {
            uri: S3Uri::new(&prefix.bucket, key),
            tag: String::new(),
            age: Duration::ZERO,
        };
        Ok(keys.into_iter().map(listed).collect())
    }
}

fn unavailable(
    operation: &'static str,
    uri: &S3Uri,
    error: &cloud::error::ServiceError,
) -> ArtifactError {
    ArtifactError::Unavailable {
        operation,
        uri: uri.clone(),
        reason: error.message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jobs::measure::Measured;
    use placement::Placement;

    fn ended(finished_at_ms: u64) -> Ended {
        Ended {
            ending: "SUCCEEDED".into(),
            placement: Placement::Fargate,
            given: None,
            feature: None,
            job: Some("j".into()),
            started_at_ms: Some(0),
            finished_at_ms,
            measured: Measured::default(),
        }
    }

    fn ledgers(ends: &[u64]) -> Ledgers {
        let mut runs = Runs::default();
        ends.iter().for_each(|end| ended(*end).fold(&mut runs));
        let mut ledgers = Ledgers::default();
        ledgers.of("trainer").insert("Train".into(), runs);
        ledgers
    }

    #[test]
    fn two_runs_at_once_both_leave_what_they_learnt() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let lent = Ledgers::read(&file).unwrap();
        assert_eq!(lent, Ledgers::default());
        for now in [ledgers(&[1, 2]), ledgers(&[2, 3])] {
            change(&file, |kept| kept.learn(&now, &lent)).unwrap();
        }
        let kept = Ledgers::read(&file).unwrap();
        assert_eq!(kept, ledgers(&[1, 2, 2, 3]));
        // The next run is lent them, and adds only what it did itself.
        let now = ledgers(&[1, 2, 2, 3, 4]);
        change(&file, |again| again.learn(&now, &kept)).unwrap();
        assert_eq!(Ledgers::read(&file).unwrap(), now);
    }

    #[test]
    fn many_writers_lose_nothing_and_the_size_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        std::thread::scope(|scope| {
            for writer in 0..50 {
                let file = &file;
                scope.spawn(move || {
                    let now = ledgers(&(writer * 10..writer * 10 + 10).collect::<Vec<_>>());
                    change(file, |kept| kept.learn(&now, &Ledgers::default())).unwrap();
                });
            }
        });
        let kept = Ledgers::read(&file).unwrap();
        let runs = &kept.runs["trainer"]["Train"];
        assert_eq!((runs.recorded, runs.newest.len()), (500, 400));
    }

    #[test]
    fn what_cannot_be_read_is_skipped_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE);
        let mut good = json!(ledgers(&[1, 2]).runs);
        good["trainer"]["Train"]["newest"][0] = json!({"ending": 5});
        good["trainer"]["Other"] = json!("torn");
        fs::write(&file, good.to_string()).unwrap();
        let found = Ledgers::read(&file).unwrap();
        assert_eq!(found.runs["trainer"]["Train"].newest, [ended(2)]);
        let named = |end: &str| found.unreadable.iter().any(|place| place.ends_with(end));
        assert!(
            named("#/trainer/Train/newest/0") && named("#/trainer/Other"),
            "{found:?}"
        );
        fs::write(&file, "{").unwrap();
        let found = Ledgers::read(&file).unwrap();
        assert_eq!(found.unreadable, [file.display().to_string()]);
        assert!(found.runs.is_empty());
    }

    #[test]
    fn old_entries_are_forgotten() {
        let mut kept = ledgers(&[1, 5, 9]);
        assert_eq!(kept.forget(5), 1);
        assert_eq!(kept.runs["trainer"]["Train"].newest, [ended(5), ended(9)]);
        assert_eq!(kept.forget(10), 2);
        assert_eq!(kept, Ledgers::default());
    }
}
