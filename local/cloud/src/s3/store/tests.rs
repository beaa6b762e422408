use super::*;

fn put(
    store: &Store,
    key: &str,
    text: &str,
    condition: &Condition,
) -> Result<Arc<Object>, StoreError> {
    let path = store.new_path();
    fs::write(&path, text).unwrap();
    let e_tag = hex::encode(Md5::checksum(text.as_bytes()));
    let staged = Staged {
        path,
        size: text.len() as u64,
        e_tag,
    };
    store.commit("b", key, staged, Attributes::default(), condition)
}

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    store.create_bucket("b", None).unwrap();
    (dir, store)
}

#[test]
fn conditions_decide() {
    let (_dir, store) = store();
    let first = put(&store, "k", "1", &Condition::Absent).unwrap();
    assert!(matches!(
        put(&store, "k", "2", &Condition::Absent),
        Err(StoreError::PreconditionFailed(_))
    ));
    let matches = Condition::Matches(first.e_tag.clone());
    put(&store, "k", "2", &matches).unwrap();
    assert!(matches!(
        put(&store, "k", "3", &matches),
        Err(StoreError::PreconditionFailed(_))
    ));
    assert!(matches!(
        put(&store, "none", "3", &matches),
        Err(StoreError::NoSuchKey)
    ));
    put(&store, "k", "4", &Condition::Present).unwrap();
    assert_eq!(
        fs::read_dir(store.root.join(".new")).unwrap().count(),
        0,
        "what was refused is gone"
    );
}

#[test]
fn keys_that_no_file_system_holds_together_live_together() {
    let (dir, store) = store();
    let long = "deep/".repeat(150) + &"x".repeat(255);
    let keys = ["a", "a/b", "a/", "a/b/c", "../up", long.as_str()];
    for key in keys {
        put(&store, key, key, &Condition::Always).unwrap();
    }
    let again = Store::open(dir.path()).unwrap();
    for key in keys {
        let (object, _) = again.read("b", key, None).unwrap();
        assert_eq!(fs::read_to_string(&object.path).unwrap(), key);
        assert!(object.path.starts_with(dir.path().join("b")));
    }
    again.delete("b", "a", &Condition::Always).unwrap();
    assert!(matches!(
        again.get("b", "a", None),
        Err(StoreError::NoSuchKey)
    ));
    assert_eq!(again.get("b", "a/b", None).unwrap().size, 3);
}

#[test]
fn metadata_are_kept_and_files_put_in_by_hand_are_objects() {
    let (dir, store) = store();
    let kept = put(&store, "kept", "1", &Condition::Always).unwrap();
    put(&store, "changed", "1", &Condition::Always).unwrap();
    fs::write(dir.path().join("b/changed"), "other").unwrap();
    fs::create_dir(dir.path().join("b/data")).unwrap();
    fs::write(dir.path().join("b/data/by-hand"), "x").unwrap();
    let again = Store::open(dir.path()).unwrap();
    assert_eq!(again.get("b", "kept", None).unwrap(), kept);
    assert_eq!(
        again.get("b", "changed", None).unwrap().e_tag,
        hex::encode(Md5::checksum(b"other"))
    );
    assert_eq!(again.get("b", "data/by-hand", None).unwrap().size, 1);
}

#[test]
fn listings_page_through_keys_and_prefixes() {
    let (_dir, store) = store();
    for key in ["a", "b/1", "b/2", "c/1", "c/2/3", "d"] {
        put(&store, key, "", &Condition::Always).unwrap();
    }
    let list = |prefix: &str, delimiter: Option<&str>, limit: usize| {
        let (mut after, mut pages) = (String::new(), Vec::new());
        loop {
            let page = store.list("b", prefix, delimiter, &after, limit).unwrap();
            let objects = page.objects.iter().map(|object| object.key.clone());
            pages.push(objects.chain(page.prefixes).collect::<Vec<_>>().join(" "));
            match page.next {
                Some(next) => after = next,
                None => return pages,
            }
        }
    };
    assert_eq!(list("", None, 10), ["a b/1 b/2 c/1 c/2/3 d"]);
    assert_eq!(list("", None, 2), ["a b/1", "b/2 c/1", "c/2/3 d"]);
    assert_eq!(list("", Some("/"), 10), ["a d b/ c/"]);
    assert_eq!(list("", Some("/"), 1), ["a", "b/", "c/", "d"]);
    assert_eq!(list("c/", Some("/"), 10), ["c/1 c/2/"]);
    assert_eq!(list("e", None, 10), [""]);
}

#[test]
fn what_cannot_be_read_does_not_withhold_the_rest() {
    let (dir, store) = store();
    put(&store, "whole", "1", &Condition::Always).unwrap();
    put(&store, "folder/too", "2", &Condition::Always).unwrap();
    drop(store);
    let bucket = dir.path().join("b");
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, bucket.join(name)).unwrap();
    link(Path::new("/nowhere"), "broken");
    link(&bucket, "folder/loop");
    link(&bucket.join("whole"), "second");
    let mut pipe = std::process::Command::new("mkfifo");
    assert!(pipe.arg(bucket.join("pipe")).status().unwrap().success());
    let store = Store::open(dir.path()).unwrap();
    let listed = store.list("b", "", None, "", 100).unwrap().objects;
    let keys: Vec<&str> = listed.iter().map(|object| object.key.as_str()).collect();
    assert_eq!(keys, ["folder/too", "second", "whole"]);
}

fn versioned() -> (tempfile::TempDir, Store) {
    let (dir, store) = store();
    put(&store, "k", "before", &Condition::Always).unwrap();
    set(&store, Versioning::Enabled);
    (dir, store)
}

fn set(store: &Store, versioning: Versioning) {
    let change = |facts: &mut Facts| facts.versioning = versioning;
    store.change("b", change).unwrap();
}

/// The versions of all keys, the newest first: contents, or `-` for a delete marker; the latest with a star.
fn history(store: &Store) -> Vec<String> {
    let query = VersionQuery {
        prefix: "",
        delimiter: None,
        after: "",
        after_version: None,
        limit: 1_000,
    };
    let page = store.list_versions("b", &query).unwrap();
    let told = |(object, latest): &(Arc<Object>, bool)| {
        let contents = fs::read_to_string(&object.path).unwrap();
        let contents = if object.marker { "-" } else { &contents };
        format!(
            "{}={contents}{}",
            object.key,
            if *latest { "*" } else { "" }
        )
    };
    page.versions.iter().map(told).collect()
}

#[test]
fn versions_are_kept_and_taken_up_by_the_next_start() {
    let (dir, store) = versioned();
    let first = put(&store, "k", "1", &Condition::Always).unwrap();
    put(&store, "k", "2", &Condition::Always).unwrap();
    let marker = store.delete("b", "k", &Condition::Always).unwrap();
    assert!(marker.marker);
    put(&store, "other", "x", &Condition::Always).unwrap();
    store.delete("b", "never", &Condition::Always).unwrap();
    let expected = ["k=-*", "k=2", "k=1", "k=before", "never=-*", "other=x*"];
    assert_eq!(history(&store), expected);
    assert_eq!(store.list("b", "", None, "", 9).unwrap().objects.len(), 1);

    let again = Store::open(dir.path()).unwrap();
    assert_eq!(history(&again), expected);
    assert!(matches!(
        again.get("b", "k", None),
        Err(StoreError::Deleted(_))
    ));
    let id = first.version.as_deref();
    assert_eq!(again.get("b", "k", id).unwrap().e_tag, first.e_tag);
    assert!(matches!(
        again.get("b", "k", marker.version.as_deref()),
        Err(StoreError::IsMarker(..))
    ));
    assert!(matches!(
        again.get("b", "k", Some("none")),
        Err(StoreError::NoSuchVersion(_))
    ));
    assert_eq!(
        fs::read_to_string(
            again
                .get("b", "k", Some(NULL_VERSION))
                .unwrap()
                .path
                .clone()
        )
        .unwrap(),
        "before"
    );
}

#[test]
fn a_version_that_is_removed_makes_the_next_one_the_latest() {
    let (_dir, store) = versioned();
    let first = put(&store, "k", "1", &Condition::Always).unwrap();
    let marker = store.delete("b", "k", &Condition::Always).unwrap();
    let remove = |id: Option<&str>| {
        store
            .delete_version("b", "k", id.unwrap(), &Condition::Always)
            .unwrap()
    };
    assert!(remove(marker.version.as_deref()).marker);
    assert_eq!(history(&store), ["k=1*", "k=before"]);
    assert!(!remove(first.version.as_deref()).marker);
    assert_eq!(history(&store), ["k=before*"]);
    remove(Some("0123456789abcdef0123456789abcdef"));
    assert!(matches!(
        store.delete_bucket("b"),
        Err(StoreError::BucketNotEmpty)
    ));
    remove(Some(NULL_VERSION));
    assert!(history(&store).is_empty());
    store.delete_bucket("b").unwrap();
}

#[test]
fn a_suspended_bucket_overwrites_the_version_without_an_id_alone() {
    let (_dir, store) = versioned();
    put(&store, "k", "1", &Condition::Always).unwrap();
    set(&store, Versioning::Suspended);
    put(&store, "k", "2", &Condition::Always).unwrap();
    assert_eq!(history(&store), ["k=2*", "k=1"]);
    put(&store, "k", "3", &Condition::Always).unwrap();
    assert_eq!(history(&store), ["k=3*", "k=1"]);
    let deleted = store.delete("b", "k", &Condition::Always).unwrap();
    assert_eq!(deleted.version.as_deref(), Some(NULL_VERSION));
    assert_eq!(history(&store), ["k=-*", "k=1"]);
    put(&store, "k", "4", &Condition::Always).unwrap();
    assert_eq!(history(&store), ["k=4*", "k=1"]);
}

#[test]
fn listings_of_versions_page_within_a_key() {
    let (_dir, store) = versioned();
    for text in ["1", "2"] {
        put(&store, "k", text, &Condition::Always).unwrap();
        put(&store, "d/e", text, &Condition::Always).unwrap();
    }
    let pages = |delimiter: Option<&str>, limit: usize| {
        let (mut pages, mut after, mut version) = (Vec::new(), String::new(), None::<String>);
        loop {
            let query = VersionQuery {
                prefix: "",
                delimiter,
                after: &after,
                after_version: version.as_deref(),
                limit,
            };
            let page = store.list_versions("b", &query).unwrap();
            let keys = page.versions.iter().map(|(object, _)| object.key.clone());
            pages.push(
                page.prefixes
                    .into_iter()
                    .chain(keys)
                    .collect::<Vec<_>>()
                    .join(" "),
            );
            match page.next {
                Some(next) => (after, version) = next,
                None => return pages,
            }
        }
    };
    assert_eq!(pages(None, 10), ["d/e d/e k k k"]);
    assert_eq!(pages(None, 2), ["d/e d/e", "k k", "k"]);
    assert_eq!(pages(Some("/"), 1), ["d/", "k", "k", "k"]);
}
