//! What changes in a project while it runs: events of the file system, gathered until they pause, as what has to be done.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::{sync::mpsc, time::timeout};

use crate::error::Error;

/// How long nothing may happen before what happened is taken up: editors write a file in several steps, Git many files.
const PAUSE: Duration = Duration::from_millis(200);

/// Folders in which nothing is written by hand.
const NOT_WATCHED: &[&str] = &["target", "out", "node_modules"];

/// What a changed file means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// A source of one function or worker, which is built alone.
    Package(String),
    /// A source or manifest that many use.
    Library,
    /// A definition, its input, or the description of the stack.
    Stack,
}

impl Change {
    /// What a file of the project means; nothing for what cargo or an editor writes beside it.
    pub fn of(root: &Path, file: &Path) -> Option<Self> {
        let file = file.strip_prefix(root).ok()?;
        let parts: Vec<&str> = file
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
        let hidden = parts.iter().any(|part| part.starts_with('.'));
        if hidden
            || parts
                .first()
                .is_some_and(|first| NOT_WATCHED.contains(first))
        {
            return None;
        }
        let ending = file.extension().and_then(|ending| ending.to_str())?;
        match (ending, parts.as_slice()) {
            ("rs" | "toml", ["functions" | "workers", package, _, ..]) => {
                Some(Self::Package((*package).to_owned()))
            }
            ("rs" | "toml", _) => Some(Self::Library),
            ("yml" | "yaml" | "json", _) => Some(Self::Stack),
            _ => None,
        }
    }
}

/// Watches the files of a project.
pub struct Watch {
    root: PathBuf,
    events: mpsc::UnboundedReceiver<notify::Result<notify::Event>>,
    /// Ends with this.
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches the project in `root`.
    ///
    /// # Errors
    /// [`Error::Watch`] if the system does not tell of changes, for example because it watches too many folders.
    pub fn new(root: &Path) -> Result<Self, Error> {
        let (sender, events) = mpsc::unbounded_channel();
        let mut watcher = notify::recommended_watcher(move |event| {
            // Who no longer listens does not want to hear.
            let _ = sender.send(event);
        })?;
        watcher.watch(root, RecursiveMode::NonRecursive)?;
        for entry in std::fs::read_dir(root).map_err(Error::file(root))? {
            let entry = entry.map_err(Error::file(root))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.path().is_dir() && !name.starts_with('.') && !NOT_WATCHED.contains(&&*name) {
                watcher.watch(&entry.path(), RecursiveMode::Recursive)?;
            }
        }
        Ok(Self {
            root: root.to_path_buf(),
            events,
            _watcher: Some(watcher),
        })
    }

    /// The next changes: at least one, and all that come until there is a pause. Empty when there will be none any more.
    pub async fn next(&mut self) -> BTreeSet<Change> {
        let mut changes = BTreeSet::new();
        while changes.is_empty() {
            match self.events.recv().await {
                Some(event) => changes.extend(self.changes(event)),
                None => return changes,
            }
        }
        while let Ok(Some(event)) = timeout(PAUSE, self.events.recv()).await {
            changes.extend(self.changes(event));
        }
        changes
    }

    fn changes(&self, event: notify::Result<notify::Event>) -> Vec<Change> {
        match event {
            // Events were lost, so anything may have changed.
            Err(_) => vec![Change::Library, Change::Stack],
            Ok(event) if event.need_rescan() => vec![Change::Library, Change::Stack],
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => Vec::new(),
            Ok(event) => {
                let files = event.paths.iter();
                files
                    .filter_map(|file| Change::of(&self.root, file))
                    .collect()
            }
        }
    }
}

/// The packages to build for these changes, of those that the stack has.
pub fn packages(changes: &BTreeSet<Change>, all: &[String]) -> Vec<String> {
    if changes.contains(&Change::Library) {
        return all.to_vec();
    }
    let changed = |package: &String| changes.contains(&Change::Package(package.clone()));
    all.iter()
        .filter(|package| changed(package))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(file: &str) -> notify::Result<notify::Event> {
        let kind = EventKind::Modify(notify::event::ModifyKind::Any);
        Ok(notify::Event::new(kind).add_path(Path::new("/p").join(file)))
    }

    #[test]
    fn a_file_is_of_a_package_of_all_or_of_the_stack() {
        for (file, change) in [
            (
                "functions/a/src/lib.rs",
                Some(Change::Package("a".to_owned())),
            ),
            (
                "workers/w/Cargo.toml",
                Some(Change::Package("w".to_owned())),
            ),
            ("shared/jobs/src/lib.rs", Some(Change::Library)),
            ("Cargo.toml", Some(Change::Library)),
            ("statemachines/a.asl.json", Some(Change::Stack)),
            ("serverless.yml", Some(Change::Stack)),
            ("deploy/iam.yml", Some(Change::Stack)),
            ("target/debug/a.json", None),
            ("out/serve/x.json", None),
            (".git/config.yml", None),
            ("statemachines/.a.asl.json.swp", None),
            ("Cargo.lock", None),
            ("README.md", None),
        ] {
            assert_eq!(
                Change::of(Path::new("/p"), &Path::new("/p").join(file)),
                change,
                "{file}"
            );
        }
        assert_eq!(Change::of(Path::new("/p"), Path::new("/other/a.rs")), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_happens_before_a_pause_is_taken_up_together() {
        let (sender, events) = mpsc::unbounded_channel();
        let mut watch = Watch {
            root: "/p".into(),
            events,
            _watcher: None,
        };
        for file in [
            "README.md",
            "serverless.yml",
            "functions/a/src/lib.rs",
            "serverless.yml",
        ] {
            sender.send(event(file)).unwrap();
        }
        let expected = BTreeSet::from([Change::Package("a".to_owned()), Change::Stack]);
        assert_eq!(watch.next().await, expected);
        sender.send(event("functions/b/src/lib.rs")).unwrap();
        assert_eq!(
            watch.next().await,
            BTreeSet::from([Change::Package("b".to_owned())])
        );
        drop(sender);
        assert!(watch.next().await.is_empty());
    }

    #[test]
    fn a_source_builds_its_package_alone_and_a_library_all() {
        let all = ["a", "b"].map(str::to_owned);
        let one = BTreeSet::from([
            Change::Package("b".to_owned()),
            Change::Package("z".to_owned()),
        ]);
        assert_eq!(packages(&one, &all), ["b"]);
        assert_eq!(
            packages(&BTreeSet::from([Change::Stack]), &all),
            Vec::<String>::new()
        );
        assert_eq!(packages(&BTreeSet::from([Change::Library]), &all), all);
    }
}
