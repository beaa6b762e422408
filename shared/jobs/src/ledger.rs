//! A record on S3 that many write at once: append-only objects and a compacted snapshot.
//!
//! * An entry *is* the key of an empty object, `<prefix>/outcomes/<what>-<id>`. Recording is one put that conflicts with
//!   nobody, and one LIST call reads a thousand entries. A repeated recording writes the same key, or one with the same
//!   id when it says something else, such as another latency: of several entries with one id the first counts.
//! * A compaction folds entries that have settled into `snapshot.json` by a conditional write, and only then deletes
//!   them. The snapshot names what it folded, so that an entry whose id is both in the snapshot and not yet deleted
//!   counts once. Of two compactions at once, one write fails and starts over.
//! * A reader takes the snapshot before and after the list, and starts over if it changed between.
//!
//! An entry settles after [`SETTLE`]: until then a repeated invocation of the recorder finds its own key. That is the
//! longest a function can run, so no invocation that began with the recording is still under way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::marker::PhantomData;
use std::time::Duration;

use input::InvalidInput;
use placement::quota;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::artifacts::{
    ArtifactError, DeleteObjects, GetObject, ListObjects, Listed, Put, PutObject, S3Uri, Tagged,
    When, put_json,
};
use crate::job::digest;

/// Age at which an entry may be folded into the snapshot.
pub const SETTLE: Duration = Duration::from_secs(quota::LAMBDA_SECONDS as u64);

/// Entries folded by one compaction; bounds what the snapshot names to about 300 KiB.
const FOLD_AT_MOST: usize = 5_000;

/// All that a ledger asks of its store.
pub trait Store: GetObject + PutObject + ListObjects + DeleteObjects {}
impl<T: GetObject + PutObject + ListObjects + DeleteObjects> Store for T {}

/// What a ledger records, and what comes of many of them.
pub trait Record: Sized {
    /// What entries are folded into. Its size must be bounded.
    type Sum: Clone + Default + Serialize + DeserializeOwned + Send + Sync;

    /// What stands in the key, in the characters that S3 takes as they are.
    fn encode(&self) -> String;

    /// What [`Record::encode`] wrote; `None` for anything else.
    fn decode(text: &str) -> Option<Self>;

    /// Folds it into the sum.
    fn fold(self, sum: &mut Self::Sum);
}

/// `snapshot.json`.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Snapshot<Sum> {
    tally: Sum,
    /// Names of entries that are in the tally and may not be deleted yet.
    folded: BTreeSet<String>,
}

/// The `snapshot.json` of a ledger that begins with `sum`.
pub fn beginning_with(sum: &impl Serialize) -> Vec<u8> {
    let folded: [&str; 0] = [];
    // Sums are numbers, texts and names: serialising them cannot fail.
    serde_json::to_vec(&serde_json::json!({"tally": sum, "folded": folded})).unwrap_or_default()
}

impl<Sum> Snapshot<Sum> {
    /// Parts entries that the snapshot has folded from the others.
    fn part(&self, entries: Vec<Written>) -> (Vec<Written>, Vec<Written>) {
        let folded: HashSet<&str> = self.folded.iter().map(|name| parts(name).1).collect();
        let folded = |entry: &Written| folded.contains(parts(&entry.name).1);
        entries.into_iter().partition(folded)
    }
}

/// An entry as it is stored.
#[derive(Debug)]
struct Written {
    name: String,
    age: Duration,
}

/// All entries of one id; the first of them counts.
#[derive(Debug)]
struct Recorded<'a> {
    first: &'a str,
    oldest: Duration,
    youngest: Duration,
}

impl Recorded<'_> {
    /// Whether no recorder of the id can come again.
    fn settled(&self, settle: Duration) -> bool {
        self.youngest >= settle
    }
}

/// The entries by id: a recording that was tried again may say something else.
fn by_id(entries: &[Written]) -> BTreeMap<&str, Recorded<'_>> {
    let mut ids = BTreeMap::new();
    for Written { name, age } in entries {
        let recorded = ids.entry(parts(name).1).or_insert(Recorded {
            first: name,
            oldest: *age,
            youngest: *age,
        });
        if *age > recorded.oldest {
            (recorded.first, recorded.oldest) = (name, *age);
        }
        recorded.youngest = recorded.youngest.min(*age);
    }
    ids
}

/// What a name says, and its id.
fn parts(name: &str) -> (&str, &str) {
    name.rsplit_once('-').unwrap_or((name, name))
}

/// What a ledger holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading<Sum> {
    /// The sum of everything.
    pub tally: Sum,
    /// Entries that a compaction would fold into the snapshot.
    pub settled: usize,
    /// Objects among the entries that are none; they count for nothing.
    pub unreadable: Vec<S3Uri>,
}

/// The ledger under one prefix.
#[derive(Debug, Clone)]
pub struct Ledger<'a, S, R> {
    store: &'a S,
    bucket: &'a str,
    prefix: String,
    records: PhantomData<fn() -> R>,
}

impl<'a, S, R> Ledger<'a, S, R> {
    /// The ledger under `prefix`, without a slash at its end, in `bucket`.
    pub fn new(store: &'a S, bucket: &'a str, prefix: impl Into<String>) -> Self {
        Ledger {
            store,
            bucket,
            prefix: prefix.into(),
            records: PhantomData,
        }
    }

    /// The object `name` of this ledger.
    pub fn uri(&self, name: &str) -> S3Uri {
        S3Uri::new(self.bucket, format!("{}/{name}", self.prefix))
    }
}

impl<S: PutObject, R: Record> Ledger<'_, S, R> {
    /// Records `record` under `id`, once however often it is called.
    pub async fn record(&self, id: &str, record: &R) -> Result<(), ArtifactError> {
        let uri = self.uri(&format!(
            "outcomes/{}-{}",
            record.encode(),
            digest(&[id], 24)
        ));
        self.store.put(&uri, Vec::new(), When::Always).await?;
        Ok(())
    }
}

impl<S: GetObject + ListObjects, R: Record> Ledger<'_, S, R> {
    /// The whole ledger.
    pub async fn read(&self) -> Result<Reading<R::Sum>, ArtifactError> {
        self.read_in_order(|_| ()).await
    }

    /// The whole ledger; `each` is told what it came to with every entry, in the order of their recording, beginning with
    /// what a compaction has folded, of which nobody knows the order any more.
    pub async fn read_in_order(
        &self,
        mut each: impl FnMut(&R::Sum) + Send,
    ) -> Result<Reading<R::Sum>, ArtifactError> {
        loop {
            let (snapshot, before) = self.snapshot().await?;
            let listed = self.list().await?;
            let (_, after) = self.snapshot().await?;
            if before != after {
                continue;
            }
            let (_, fresh) = snapshot.part(listed);
            let mut reading = Reading {
                tally: snapshot.tally,
                settled: 0,
                unreadable: Vec::new(),
            };
            let mut entries: Vec<Recorded<'_>> = by_id(&fresh).into_values().collect();
            // Of the same moment, in the order of their ids, which are hashes and favour nobody.
            entries.sort_by_key(|entry| Reverse(entry.oldest));
            each(&reading.tally);
            for entry in entries {
                match R::decode(parts(entry.first).0) {
                    Some(record) => {
                        record.fold(&mut reading.tally);
                        each(&reading.tally);
                        reading.settled += usize::from(entry.settled(SETTLE));
                    }
                    None => reading.unreadable.push(self.entry(entry.first)),
                }
            }
            return Ok(reading);
        }
    }

    async fn snapshot(&self) -> Result<(Snapshot<R::Sum>, Option<String>), ArtifactError> {
        let uri = self.uri("snapshot.json");
        match self.store.get_tagged(&uri).await? {
            None => Ok((Snapshot::default(), None)),
            Some(Tagged { body, tag }) => {
                let snapshot =
                    serde_json::from_slice(&body).map_err(|error| malformed(&uri, &error))?;
                Ok((snapshot, Some(tag)))
            }
        }
    }

    async fn list(&self) -> Result<Vec<Written>, ArtifactError> {
        let prefix = self.uri("outcomes/");
        let listed = self.store.list(&prefix).await?;
        let written = |Listed { uri, age, .. }: Listed| {
            let name = uri.key.strip_prefix(&prefix.key)?.to_owned();
            Some(Written { name, age })
        };
        Ok(listed.into_iter().filter_map(written).collect())
    }

    fn entry(&self, name: &str) -> S3Uri {
        self.uri(&format!("outcomes/{name}"))
    }
}

impl<S: Store, R: Record> Ledger<'_, S, R> {
    /// Folds entries that are all older than `settle` into the snapshot and deletes them. Gives how many. What cannot
    /// be read stays where it is.
    pub async fn compact(&self, settle: Duration) -> Result<usize, ArtifactError> {
        loop {
            let (mut snapshot, tag) = self.snapshot().await?;
            let (leftover, fresh) = snapshot.part(self.list().await?);
            self.delete(leftover).await?;
            let entries = by_id(&fresh).into_values();
            let settled = entries.filter(|entry| entry.settled(settle));
            snapshot.folded.clear();
            for Recorded { first, .. } in settled {
                if snapshot.folded.len() == FOLD_AT_MOST {
                    break;
                }
                if let Some(record) = R::decode(parts(first).0) {
                    record.fold(&mut snapshot.tally);
                    snapshot.folded.insert(first.to_owned());
                }
            }
            if snapshot.folded.is_empty() {
                return Ok(0);
            }
            let uri = self.uri("snapshot.json");
            let when = tag.as_deref().map_or(When::Absent, When::Matches);
            if put_json(self.store, &uri, &snapshot, when).await? == Put::Written {
                let (gone, _) = snapshot.part(fresh);
                self.delete(gone).await?;
                return Ok(snapshot.folded.len());
            }
        }
    }

    async fn delete(&self, entries: Vec<Written>) -> Result<(), ArtifactError> {
        let keys: Vec<String> = entries
            .into_iter()
            .map(|Written { name, .. }| self.entry(&name).key)
            .collect();
        self.store.delete(self.bucket, &keys).await
    }
}

fn malformed(uri: &S3Uri, error: &serde_json::Error) -> ArtifactError {
    ArtifactError::Malformed {
        uri: uri.clone(),
        reason: InvalidInput::new("$", error.to_string()),
    }
}
