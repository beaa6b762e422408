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
        let (object, _) = again.read("b", key).unwrap();
        assert_eq!(fs::read_to_string(&object.path).unwrap(), key);
        assert!(object.path.starts_with(dir.path().join("b")));
    }
    again.delete("b", "a", &Condition::Always).unwrap();
    assert!(matches!(again.get("b", "a"), Err(StoreError::NoSuchKey)));
    assert_eq!(again.get("b", "a/b").unwrap().size, 3);
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
    assert_eq!(again.get("b", "kept").unwrap(), kept);
    assert_eq!(
        again.get("b", "changed").unwrap().e_tag,
        hex::encode(Md5::checksum(b"other"))
    );
    assert_eq!(again.get("b", "data/by-hand").unwrap().size, 1);
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
