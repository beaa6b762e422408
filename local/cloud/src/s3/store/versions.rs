//! The versions of objects: kept, listed and removed.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/versioning-workflows.html>
//!
//! The latest version of a key lies where the key says, as in a bucket without versions; the others lie
//! beside, at paths of no key, and so do delete markers, which are empty files.

use std::fs;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Bucket, Condition, NULL_VERSION, Object, Staged, Store, StoreError, common};
use crate::private;
use crate::s3::attributes::Attributes;

/// Whether a bucket keeps versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::s3) enum Versioning {
    /// It never did.
    #[default]
    Never,
    Enabled,
    /// New objects have the version [`NULL_VERSION`]; those that had others keep them.
    Suspended,
}

impl Versioning {
    /// The version of a new object.
    pub(super) fn new_id(self) -> Option<String> {
        (self == Versioning::Enabled).then(|| Uuid::new_v4().simple().to_string())
    }
}

/// Whether a version could be one that a bucket here gave.
pub(in crate::s3) fn is_version(id: &str) -> bool {
    id == NULL_VERSION || (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// What a deletion did, in a bucket that has versions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::s3) struct Deleted {
    /// The version that was removed, or the delete marker that was made.
    pub(in crate::s3) version: Option<String>,
    /// Whether that is a delete marker.
    pub(in crate::s3) marker: bool,
}

/// What a listing of versions is asked.
#[derive(Debug, Clone, Copy)]
pub(in crate::s3) struct VersionQuery<'a> {
    pub(in crate::s3) prefix: &'a str,
    pub(in crate::s3) delimiter: Option<&'a str>,
    /// The key behind which the page begins, or within whose versions if one is named.
    pub(in crate::s3) after: &'a str,
    pub(in crate::s3) after_version: Option<&'a str>,
    pub(in crate::s3) limit: usize,
}

/// One page of a listing of versions.
#[derive(Debug, Default)]
pub(in crate::s3) struct VersionPage {
    /// The newest first within a key, and whether each is the latest.
    pub(in crate::s3) versions: Vec<(Arc<Object>, bool)>,
    pub(in crate::s3) prefixes: Vec<String>,
    /// Key and version behind which the next page begins, if there is one.
    pub(in crate::s3) next: Option<(String, Option<String>)>,
}

impl VersionPage {
    fn len(&self) -> usize {
        self.versions.len() + self.prefixes.len()
    }
}

impl Bucket {
    /// A version of a key, with contents.
    pub(super) fn find(
        &self,
        key: &str,
        version: Option<&str>,
    ) -> Result<&Arc<Object>, StoreError> {
        let past = || self.past.get(key).into_iter().flatten();
        let Some(version) = version else {
            let latest = self.objects.get(key);
            return latest.ok_or_else(|| match past().last() {
                Some(marker) => StoreError::Deleted(marker.version_id().to_owned()),
                None => StoreError::NoSuchKey,
            });
        };
        let mut all = self.objects.get(key).into_iter().chain(past());
        let found = all.find(|object| object.version_id() == version);
        match found {
            Some(marker) if marker.marker => {
                Err(StoreError::IsMarker(version.to_owned(), marker.modified))
            }
            Some(object) => Ok(object),
            None => Err(StoreError::NoSuchVersion(version.to_owned())),
        }
    }

    /// Puts an object in the place of the same version of its key.
    pub(super) fn replace(&mut self, object: Arc<Object>) {
        let past = self.past.get_mut(&object.key);
        let mut past = past.into_iter().flatten();
        match past.find(|old| old.version == object.version) {
            Some(old) => *old = object,
            None => {
                self.objects.insert(object.key.clone(), object);
            }
        }
    }

    /// Whether an object stays when its key is written or deleted.
    pub(super) fn keeps(&self, object: &Object) -> bool {
        match self.facts.versioning {
            Versioning::Never => false,
            Versioning::Enabled => true,
            Versioning::Suspended => object.version.is_some(),
        }
    }

    /// The place of a new version among those of its key.
    pub(super) fn turn(&self, key: &str) -> u64 {
        let past = self.past.get(key).and_then(|past| past.last());
        let last = self.objects.get(key).into_iter().chain(past);
        let last = last.map(|object| object.turn).max().unwrap_or_default();
        nanoseconds(SystemTime::now()).max(last + 1)
    }

    /// Takes up an object that was found on the disk; [`Bucket::settle`] orders it.
    pub(super) fn add(&mut self, object: Object) {
        let key = object.key.clone();
        if let Some(other) = self.objects.insert(key.clone(), Arc::new(object)) {
            self.past.entry(key).or_default().push(other);
        }
    }

    /// Orders the versions that were found on the disk.
    pub(super) fn settle(&mut self) {
        let mut alone = Vec::new();
        for (key, object) in &self.objects {
            if object.marker && !self.past.contains_key(key) {
                alone.push(key.clone());
            }
        }
        for key in alone {
            self.past.insert(key, Vec::new());
        }
        let keys: Vec<String> = self.past.keys().cloned().collect();
        for key in keys {
            let past = self.past.entry(key.clone()).or_default();
            past.extend(self.objects.remove(&key));
            past.sort_by_key(|object| object.turn);
            self.promote(&key);
        }
    }

    /// Makes the newest version the latest, where there is none.
    pub(super) fn promote(&mut self, key: &str) {
        let Some(past) = self.past.get_mut(key) else {
            return;
        };
        if !self.objects.contains_key(key)
            && let Some(newest) = past.pop_if(|newest| !newest.marker)
        {
            self.objects.insert(key.to_owned(), newest);
        }
        if past.is_empty() {
            self.past.remove(key);
        }
    }

    /// The first key that is not before `from`.
    fn next_key(&self, from: &str) -> Option<&String> {
        let from = from.to_owned();
        let latest = self.objects.range(from.clone()..).next();
        let past = self.past.range(from..).next();
        let keys = latest.map(|(key, _)| key).into_iter();
        keys.chain(past.map(|(key, _)| key)).min()
    }

    /// The versions of a key, the newest first.
    fn versions(&self, key: &str) -> impl Iterator<Item = &Arc<Object>> {
        let past = self.past.get(key).into_iter().flatten().rev();
        self.objects.get(key).into_iter().chain(past)
    }
}

impl Store {
    /// The version of an object as an answer tells it: not in a bucket that never had any.
    pub(in crate::s3) fn told_version(&self, bucket: &str, object: &Object) -> Option<String> {
        let buckets = self.buckets();
        let versioning = buckets.get(bucket)?.facts.versioning;
        (versioning != Versioning::Never).then(|| object.version_id().to_owned())
    }

    /// Moves what stays of a key beside, so that a new version can take its place.
    pub(super) fn make_way(&self, name: &str, bucket: &mut Bucket, key: &str) -> io::Result<()> {
        if bucket.facts.versioning == Versioning::Suspended
            && let Some(past) = bucket.past.get_mut(key)
            && let Some(at) = past.iter().position(|object| object.version.is_none())
        {
            let object = past.remove(at);
            if past.is_empty() {
                bucket.past.remove(key);
            }
            self.remove_files(&object)?;
        }
        let Some(object) = bucket.objects.get(key).cloned() else {
            return Ok(());
        };
        if !bucket.keeps(&object) {
            return Ok(());
        }
        let retired = Object {
            path: self.aside(name)?,
            ..Object::clone(&object)
        };
        // First what is known of it: without that it would be an object of its own at the next start.
        let meta = self.stage_meta(&retired)?;
        fs::rename(&meta.path, self.meta_path(&retired.path))?;
        fs::rename(&object.path, &retired.path)?;
        let _ = fs::remove_file(self.meta_path(&object.path));
        bucket.objects.remove(key);
        let past = bucket.past.entry(key.to_owned()).or_default();
        past.push(Arc::new(retired));
        Ok(())
    }

    fn remove_files(&self, object: &Object) -> io::Result<()> {
        fs::remove_file(&object.path)?;
        let _ = fs::remove_file(self.meta_path(&object.path));
        Ok(())
    }

    /// Deletes an object if the condition holds; one that is not there counts as deleted. In a bucket
    /// that has versions this makes a delete marker.
    pub(in crate::s3) fn delete(
        &self,
        bucket: &str,
        key: &str,
        condition: &Condition,
    ) -> Result<Deleted, StoreError> {
        let mut buckets = self.buckets();
        let (name, bucket) = (
            bucket,
            buckets.get_mut(bucket).ok_or(StoreError::NoSuchBucket)?,
        );
        condition.check(bucket.objects.get(key).map(Arc::as_ref))?;
        if bucket.facts.versioning == Versioning::Never {
            if let Some(object) = bucket.objects.remove(key) {
                self.remove_files(&object)?;
            }
            return Ok(Deleted::default());
        }
        let staged = Staged {
            path: self.new_path(),
            size: 0,
            e_tag: String::new(),
        };
        private::write(&staged.path, b"")?;
        let marker = Object {
            key: key.to_owned(),
            path: self.aside(name)?,
            size: 0,
            e_tag: String::new(),
            modified: fs::metadata(&staged.path)?.modified()?,
            attributes: Attributes::default(),
            version: bucket.facts.versioning.new_id(),
            marker: true,
            turn: bucket.turn(key),
        };
        let meta = self.stage_meta(&marker)?;
        self.make_way(name, bucket, key)?;
        fs::rename(&meta.path, self.meta_path(&marker.path))?;
        fs::rename(&staged.path, &marker.path)?;
        if let Some(object) = bucket.objects.remove(key) {
            self.remove_files(&object)?;
        }
        let deleted = Deleted {
            version: Some(marker.version_id().to_owned()),
            marker: true,
        };
        let past = bucket.past.entry(key.to_owned()).or_default();
        past.push(Arc::new(marker));
        Ok(deleted)
    }

    /// Removes a version for good, if the condition holds for it; the newest that is left becomes the
    /// latest.
    pub(in crate::s3) fn delete_version(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
        condition: &Condition,
    ) -> Result<Deleted, StoreError> {
        let mut buckets = self.buckets();
        let bucket = buckets.get_mut(bucket).ok_or(StoreError::NoSuchBucket)?;
        let told = bucket.facts.versioning != Versioning::Never;
        let found = bucket.versions(key);
        let found = found
            .into_iter()
            .find(|object| object.version_id() == version);
        let found = found.cloned();
        condition.check(found.as_deref().filter(|object| !object.marker))?;
        let mut deleted = Deleted {
            version: told.then(|| version.to_owned()),
            marker: false,
        };
        let Some(object) = found else {
            return Ok(deleted);
        };
        self.remove_files(&object)?;
        deleted.marker = object.marker;
        if let Some(past) = bucket.past.get_mut(key) {
            past.retain(|other| !Arc::ptr_eq(other, &object));
        }
        if bucket
            .objects
            .get(key)
            .is_some_and(|latest| Arc::ptr_eq(latest, &object))
        {
            bucket.objects.remove(key);
        }
        bucket.promote(key);
        Ok(deleted)
    }

    /// Versions of objects whose key begins with a prefix, by key, the newest first.
    pub(in crate::s3) fn list_versions(
        &self,
        bucket: &str,
        query: &VersionQuery,
    ) -> Result<VersionPage, StoreError> {
        let buckets = self.buckets();
        let bucket = buckets.get(bucket).ok_or(StoreError::NoSuchBucket)?;
        let delimiter = query.delimiter.filter(|delimiter| !delimiter.is_empty());
        let mut page = VersionPage::default();
        if query.limit == 0 {
            return Ok(page);
        }
        let after = match query.after_version {
            Some(_) => query.after.to_owned(),
            None if query.after.is_empty() => String::new(),
            None => format!("{}\0", query.after),
        };
        let mut from = after.max(query.prefix.to_owned());
        let mut last = (String::new(), None);
        while let Some(key) = bucket.next_key(&from) {
            if !key.starts_with(query.prefix) {
                break;
            }
            if let Some(common) = common(key, query.prefix, delimiter) {
                // A page that begins within a common prefix has given it already.
                if !query.after.starts_with(common) {
                    if page.len() == query.limit {
                        page.next = Some(last);
                        break;
                    }
                    page.prefixes.push(common.to_owned());
                    last = (common.to_owned(), None);
                }
                // No key holds U+10FFFF.
                from = format!("{common}\u{10FFFF}");
                continue;
            }
            let skipped = query.after_version.filter(|_| key == query.after);
            let mut skipping = skipped.is_some();
            for (index, object) in bucket.versions(key).enumerate() {
                if skipping {
                    skipping = skipped != Some(object.version_id());
                    continue;
                }
                if page.len() == query.limit {
                    page.next = Some(last);
                    return Ok(page);
                }
                page.versions.push((object.clone(), index == 0));
                last = (key.clone(), Some(object.version_id().to_owned()));
            }
            from = format!("{key}\0");
        }
        Ok(page)
    }
}

pub(super) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
