//! Buckets and objects: contents as plain files under `<root>/<bucket>/<key>`, what is known of them
//! in memory and, for the next start, in files under `<root>/.meta`.
//!
//! Whether a write may go ahead and that it happens is one step under one lock: of many conditional
//! writers exactly one wins.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::{Mutex, MutexGuard};
use s3s::crypto::{Checksum, Md5};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::attributes::Attributes;
use super::names::path_of_key;
use super::tags::Tags;
use crate::private;
use versions::nanoseconds;
pub(super) use versions::{Deleted, VersionQuery, Versioning, is_version};

mod versions;

/// The version of an object in a bucket that has no versions.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html>
pub(super) const NULL_VERSION: &str = "null";

/// An object as it is now; a later write makes a new one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Object {
    pub(super) key: String,
    /// File with the contents.
    pub(super) path: PathBuf,
    pub(super) size: u64,
    /// Without quotes.
    pub(super) e_tag: String,
    pub(super) modified: SystemTime,
    pub(super) attributes: Attributes,
    /// Its version; one without is the version [`NULL_VERSION`].
    #[serde(default)]
    pub(super) version: Option<String>,
    /// Whether it only says that its key was deleted.
    #[serde(default)]
    pub(super) marker: bool,
    /// Its place among the versions of its key: the latest has the greatest.
    #[serde(default)]
    pub(super) turn: u64,
}

impl Object {
    /// Its version by name.
    pub(super) fn version_id(&self) -> &str {
        self.version.as_deref().unwrap_or(NULL_VERSION)
    }
}

/// Contents that are written but not yet an object; removed if they never become one.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) e_tag: String,
}

impl Drop for Staged {
    fn drop(&mut self) {
        // It is not there any more once it has become an object.
        let _ = fs::remove_file(&self.path);
    }
}

/// When a write may go ahead.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    Always,
    /// `If-None-Match: *`.
    Absent,
    /// `If-Match: *`.
    Present,
    /// `If-Match: <ETag>`.
    Matches(String),
}

impl Condition {
    /// Whether the condition holds for what is there now.
    fn check(&self, now: Option<&Object>) -> Result<(), StoreError> {
        match (self, now) {
            (Condition::Always, _) | (Condition::Absent, None) | (Condition::Present, Some(_)) => {
                Ok(())
            }
            (Condition::Matches(tag), Some(object)) if *tag == object.e_tag => Ok(()),
            (Condition::Matches(_) | Condition::Present, None) => Err(StoreError::NoSuchKey),
            (Condition::Matches(_), Some(_)) => Err(StoreError::PreconditionFailed("If-Match")),
            (Condition::Absent, Some(_)) => Err(StoreError::PreconditionFailed("If-None-Match")),
        }
    }
}

/// Why something cannot be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum StoreError {
    #[error("the bucket does not exist")]
    NoSuchBucket,
    #[error("the key does not exist")]
    NoSuchKey,
    #[error("the key was deleted: its latest version is the delete marker {0}")]
    Deleted(String),
    #[error("the key has no version {0}")]
    NoSuchVersion(String),
    #[error("the version {0} is a delete marker")]
    IsMarker(String, SystemTime),
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    #[error("the condition of {0} did not hold")]
    PreconditionFailed(&'static str),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What is known of a bucket, beside its objects.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Facts {
    /// `None` is the region of the local cloud.
    pub(super) region: Option<String>,
    pub(super) tags: Tags,
    pub(super) versioning: Versioning,
    /// Documents that are kept, by the name of their setting.
    pub(super) settings: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
struct Bucket {
    facts: Facts,
    /// The latest version of each key, unless that is a delete marker.
    objects: BTreeMap<String, Arc<Object>>,
    /// All other versions and the delete markers, the oldest first.
    past: BTreeMap<String, Vec<Arc<Object>>>,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Arc<Object>>,
    pub(super) prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub(super) next: Option<String>,
}

/// All buckets.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    buckets: Mutex<BTreeMap<String, Bucket>>,
}

impl Store {
    /// Opens the store; files that were put into its folders by hand are objects too.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let root = std::path::absolute(root)?;
        private::create_dir_all(&root.join(".new"))?;
        let store = Store {
            root,
            buckets: Mutex::default(),
        };
        for entry in fs::read_dir(&store.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && store.root.join(&name).is_dir() {
                let bucket = store.load(&name)?;
                store.buckets().insert(name, bucket);
            }
        }
        Ok(store)
    }

    fn load(&self, name: &str) -> io::Result<Bucket> {
        let folder = self.root.join(name);
        let mut bucket = Bucket {
            facts: self.load_facts(name),
            ..Bucket::default()
        };
        let mut folders = vec![fs::read_dir(&folder)?];
        // By device and number: a link may lead back to where the walk has been.
        let whole = fs::metadata(&folder)?;
        let mut seen = HashSet::from([(whole.dev(), whole.ino())]);
        while let Some(entries) = folders.pop() {
            for entry in entries {
                let path = entry?.path();
                let loaded = fs::metadata(&path).and_then(|file| {
                    if !file.is_dir() {
                        return self.load_object(&folder, &path, &file);
                    }
                    if seen.insert((file.dev(), file.ino())) {
                        folders.push(fs::read_dir(&path)?);
                    }
                    Ok(None)
                });
                match loaded {
                    Ok(Some(object)) => {
                        bucket.add(object);
                    }
                    Ok(None) => {}
                    // A broken link, or what we may not read: no reason to withhold all the others.
                    Err(error) => {
                        tracing::warn!(path = %path.display(), %error, "no object: it cannot be read");
                    }
                }
            }
        }
        bucket.settle();
        Ok(bucket)
    }

    /// What is known of a file: from its metadata if they are of these contents, else from itself.
    fn load_object(
        &self,
        folder: &Path,
        path: &Path,
        file: &fs::Metadata,
    ) -> io::Result<Option<Object>> {
        // To read a pipe would wait for ever.
        if !file.is_file() {
            return Ok(None);
        }
        let known = fs::read(self.meta_path(path)).ok();
        let known: Option<Object> = known.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(object) = known
            && object.size == file.len()
            && object.modified == file.modified()?
        {
            return Ok(Some(object));
        }
        let modified = file.modified()?;
        let Some(key) = path.strip_prefix(folder).ok().and_then(Path::to_str) else {
            return Ok(None);
        };
        Ok(Some(Object {
            key: crate::rest::decode(key),
            path: path.to_owned(),
            size: file.len(),
            e_tag: hex::encode(Md5::checksum(&fs::read(path)?)),
            modified,
            attributes: Attributes::default(),
            version: None,
            marker: false,
            turn: nanoseconds(modified),
        }))
    }

    /// Where the facts of a bucket are: beside the folder with its objects' metadata.
    fn facts_path(&self, bucket: &str) -> PathBuf {
        self.root.join(".meta").join(format!("{bucket}%bucket"))
    }

    fn load_facts(&self, bucket: &str) -> Facts {
        let path = self.facts_path(bucket);
        let facts = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Facts::default()),
            Err(error) => Err(error),
        };
        facts.unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "tags and region of a bucket not read");
            Facts::default()
        })
    }

    fn save_facts(&self, bucket: &str, facts: &Facts) -> io::Result<()> {
        private::create_dir_all(&self.root.join(".meta"))?;
        let staged = self.stage(facts)?;
        fs::rename(&staged.path, self.facts_path(bucket))
    }

    fn meta_path(&self, path: &Path) -> PathBuf {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        let mut name = self.root.join(".meta").join(relative).into_os_string();
        // No key's path has a % that is not followed by two digits, ~ or the end.
        name.push("%meta");
        name.into()
    }

    fn buckets(&self) -> MutexGuard<'_, BTreeMap<String, Bucket>> {
        self.buckets.lock()
    }

    /// Makes a bucket; whether it is new.
    pub(super) fn create_bucket(&self, name: &str, region: Option<String>) -> io::Result<bool> {
        private::create_dir_all(&self.root.join(name))?;
        let mut buckets = self.buckets();
        if buckets.contains_key(name) {
            return Ok(false);
        }
        let bucket = Bucket {
            facts: Facts {
                region,
                ..Facts::default()
            },
            ..Bucket::default()
        };
        self.save_facts(name, &bucket.facts)?;
        buckets.insert(name.to_owned(), bucket);
        Ok(true)
    }

    /// What is known of a bucket.
    pub(super) fn facts(&self, bucket: &str) -> Result<Facts, StoreError> {
        let buckets = self.buckets();
        let bucket = buckets.get(bucket).ok_or(StoreError::NoSuchBucket)?;
        Ok(bucket.facts.clone())
    }

    /// Changes what is known of a bucket.
    pub(super) fn change(
        &self,
        name: &str,
        change: impl FnOnce(&mut Facts),
    ) -> Result<(), StoreError> {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(name).ok_or(StoreError::NoSuchBucket)?;
        let mut facts = bucket.facts.clone();
        change(&mut facts);
        self.save_facts(name, &facts)?;
        bucket.facts = facts;
        Ok(())
    }

    /// Gives a version of an object other tags.
    pub(super) fn tag(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
        tags: Tags,
    ) -> Result<Arc<Object>, StoreError> {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(bucket).ok_or(StoreError::NoSuchBucket)?;
        let mut object = Object::clone(bucket.find(key, version)?);
        object.attributes.tags = tags;
        let meta = self.stage_meta(&object)?;
        fs::rename(&meta.path, self.meta_path(&object.path))?;
        let object = Arc::new(object);
        bucket.replace(object.clone());
        Ok(object)
    }

    pub(super) fn delete_bucket(&self, name: &str) -> Result<(), StoreError> {
        let mut buckets = self.buckets();
        let bucket = buckets.get(name).ok_or(StoreError::NoSuchBucket)?;
        if !bucket.objects.is_empty() || !bucket.past.is_empty() {
            return Err(StoreError::BucketNotEmpty);
        }
        fs::remove_dir_all(self.root.join(name))?;
        // A bucket without facts has the default ones.
        let _ = fs::remove_file(self.facts_path(name));
        buckets.remove(name);
        Ok(())
    }

    /// Names, times of creation and facts.
    pub(super) fn list_buckets(&self) -> Vec<(String, SystemTime, Facts)> {
        let created = |name: &String| {
            let folder = fs::metadata(self.root.join(name));
            folder
                .and_then(|folder| folder.created().or(folder.modified()))
                .unwrap_or(UNIX_EPOCH)
        };
        self.buckets()
            .iter()
            .map(|(name, bucket)| (name.clone(), created(name), bucket.facts.clone()))
            .collect()
    }

    pub(super) fn has_bucket(&self, name: &str) -> bool {
        self.buckets().contains_key(name)
    }

    /// A version of an object; the latest one if none is named.
    pub(super) fn get(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<Arc<Object>, StoreError> {
        let buckets = self.buckets();
        let bucket = buckets.get(bucket).ok_or(StoreError::NoSuchBucket)?;
        bucket.find(key, version).cloned()
    }

    /// The same together with its opened contents: the two belong together, whoever writes meanwhile.
    pub(super) fn read(
        &self,
        bucket: &str,
        key: &str,
        version: Option<&str>,
    ) -> Result<(Arc<Object>, fs::File), StoreError> {
        let buckets = self.buckets();
        let bucket = buckets.get(bucket).ok_or(StoreError::NoSuchBucket)?;
        let object = bucket.find(key, version)?;
        Ok((object.clone(), fs::File::open(&object.path)?))
    }

    /// Path for contents that are still to come.
    pub(super) fn new_path(&self) -> PathBuf {
        self.root.join(".new").join(Uuid::new_v4().to_string())
    }

    /// Makes staged contents an object if the condition holds.
    pub(super) fn commit(
        &self,
        bucket: &str,
        key: &str,
        staged: Staged,
        attributes: Attributes,
        condition: &Condition,
    ) -> Result<Arc<Object>, StoreError> {
        let mut buckets = self.buckets();
        let (name, bucket) = (
            bucket,
            buckets.get_mut(bucket).ok_or(StoreError::NoSuchBucket)?,
        );
        let now = bucket.objects.get(key);
        condition.check(now.map(Arc::as_ref))?;
        // What is kept beside the new version makes way for it.
        let overwritten = now.filter(|now| !bucket.keeps(now));
        let path = overwritten.map(|object| object.path.clone());
        let path = self.place(name, key, path)?;
        // A rename keeps the time.
        let file = fs::metadata(&staged.path)?;
        let object = Arc::new(Object {
            key: key.to_owned(),
            size: staged.size,
            e_tag: staged.e_tag.clone(),
            modified: file.modified()?,
            attributes,
            path,
            version: bucket.facts.versioning.new_id(),
            marker: false,
            turn: bucket.turn(key),
        });
        // First all that needs space: a full disk leaves the object as it was.
        let meta = self.stage_meta(&object)?;
        self.make_way(name, bucket, key)?;
        let placed = fs::rename(&staged.path, &object.path)
            .and_then(|()| fs::rename(&meta.path, self.meta_path(&object.path)));
        if let Err(error) = placed {
            bucket.promote(key);
            return Err(error.into());
        }
        bucket.objects.insert(key.to_owned(), object.clone());
        Ok(object)
    }

    /// Makes the folder for the path of a key; for one of no key if that is taken by a folder, or by a
    /// file where it needs a folder, as with the keys `a` and `a/b`.
    fn place(&self, bucket: &str, key: &str, now: Option<PathBuf>) -> io::Result<PathBuf> {
        let folder = self.root.join(bucket);
        let to = now.unwrap_or_else(|| folder.join(path_of_key(key)));
        let parent = to.parent().unwrap_or(&folder);
        if private::create_dir_all(parent).is_ok() && !to.is_dir() {
            return Ok(to);
        }
        self.aside(bucket)
    }

    /// A path of no key.
    fn aside(&self, bucket: &str) -> io::Result<PathBuf> {
        let folder = self.root.join(bucket).join("%~");
        private::create_dir_all(&folder)?;
        Ok(folder.join(Uuid::new_v4().to_string()))
    }

    fn stage_meta(&self, object: &Object) -> io::Result<Staged> {
        if let Some(folder) = self.meta_path(&object.path).parent() {
            private::create_dir_all(folder)?;
        }
        self.stage(object)
    }

    fn stage(&self, document: &impl Serialize) -> io::Result<Staged> {
        let staged = Staged {
            path: self.new_path(),
            size: 0,
            e_tag: String::new(),
        };
        private::write(&staged.path, &serde_json::to_vec(document)?)?;
        Ok(staged)
    }

    /// Objects whose key begins with `prefix` and comes after `after`, in order. With a delimiter,
    /// keys that have it after the prefix are given as one common prefix.
    pub(super) fn list(
        &self,
        bucket: &str,
        prefix: &str,
        delimiter: Option<&str>,
        after: &str,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let buckets = self.buckets();
        let objects = &buckets.get(bucket).ok_or(StoreError::NoSuchBucket)?.objects;
        // An empty delimiter groups nothing.
        let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut page = Page::default();
        if limit == 0 {
            return Ok(page);
        }
        let mut from = prefix.max(after).to_owned();
        let mut last = String::new();
        loop {
            let Some((key, object)) = objects
                .range(from.clone()..)
                .find(|(key, _)| key.as_str() > after)
            else {
                return Ok(page);
            };
            if !key.starts_with(prefix) {
                return Ok(page);
            }
            if page.objects.len() + page.prefixes.len() == limit {
                page.next = Some(last);
                return Ok(page);
            }
            let common = common(key, prefix, delimiter);
            last = common.unwrap_or(key).to_owned();
            // Everything below a common prefix is skipped: no key holds U+10FFFF.
            from = match common {
                Some(common) => format!("{common}\u{10FFFF}"),
                None => format!("{key}\0"),
            };
            match common {
                // A page that begins within a common prefix has given it already.
                Some(common) if !after.starts_with(common) => page.prefixes.push(common.to_owned()),
                Some(_) => {}
                None => page.objects.push(object.clone()),
            }
        }
    }
}

/// The beginning that a key shares with others up to the delimiter behind the prefix.
fn common<'a>(key: &'a str, prefix: &str, delimiter: Option<&str>) -> Option<&'a str> {
    let delimiter = delimiter?;
    let at = key[prefix.len()..].find(delimiter)?;
    Some(&key[..prefix.len() + at + delimiter.len()])
}

/// Removes what writers that were cut off have left, after a while in which none can be at work.
pub(super) fn sweep(root: &Path, older_than: Duration) {
    for entry in fs::read_dir(root.join(".new"))
        .into_iter()
        .flatten()
        .flatten()
    {
        let age = entry.metadata().and_then(|file| file.modified()).ok();
        if age
            .and_then(|at| at.elapsed().ok())
            .is_some_and(|age| age > older_than)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests;
