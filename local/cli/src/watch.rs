//! What changes in a project while it runs: events of the file system, gathered until they pause, as what has to be done.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    path::{Component, Path, PathBuf},
    time::Duration,
};

use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
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
        if !is_watched(root, file) {
            return None;
        }
        let file = file.strip_prefix(root).ok()?;
        let parts: Vec<&str> = file
            .components()
            .filter_map(|part| match part {
                Component::Normal(name) => name.to_str(),
                _ => None,
            })
            .collect();
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

/// What the system tells.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Event {
    /// A file was written, moved or removed.
    File(PathBuf),
    /// There was more than the system keeps.
    Lost,
}

/// Watches the files of a project.
pub struct Watch {
    root: PathBuf,
    events: mpsc::UnboundedReceiver<Event>,
}

impl Watch {
    /// Watches the project in `root`.
    ///
    /// # Errors
    /// [`Error::Watch`] if the system does not tell of changes, for example because it watches too many folders.
    pub fn new(root: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Watch {
            path: root.to_path_buf(),
            source,
        };
        let mut folders = Folders::new(root).map_err(failed)?;
        let (sender, events) = mpsc::unbounded_channel();
        // It waits for the system, and ends with the process.
        std::thread::spawn(move || {
            while let Ok(events) = folders.next() {
                if events.into_iter().any(|event| sender.send(event).is_err()) {
                    return;
                }
            }
        });
        Ok(Self {
            root: root.to_path_buf(),
            events,
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

    fn changes(&self, event: Event) -> Vec<Change> {
        match event {
            // Anything may have changed.
            Event::Lost => vec![Change::Library, Change::Stack],
            Event::File(file) => Change::of(&self.root, &file).into_iter().collect(),
        }
    }
}

/// The folders of a project, each of which the system watches by itself.
struct Folders {
    root: PathBuf,
    inotify: Inotify,
    paths: HashMap<WatchDescriptor, PathBuf>,
}

impl Folders {
    fn new(root: &Path) -> io::Result<Self> {
        let mut folders = Self {
            root: root.to_path_buf(),
            inotify: Inotify::init()?,
            paths: HashMap::new(),
        };
        folders.add(root.to_path_buf())?;
        Ok(folders)
    }

    /// Watches a folder and those below it; the files that are there.
    fn add(&mut self, folder: PathBuf) -> io::Result<Vec<Event>> {
        // A file that is made is told of again when it has been written.
        let mask = WatchMask::CLOSE_WRITE | WatchMask::MOVE | WatchMask::DELETE | WatchMask::CREATE;
        let descriptor = self.inotify.watches().add(&folder, mask)?;
        self.paths.insert(descriptor, folder.clone());
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            if !entry.file_type()?.is_dir() {
                files.push(Event::File(path));
            } else if is_watched(&self.root, &path) {
                files.extend(self.add(path)?);
            }
        }
        Ok(files)
    }

    /// Waits for the next events.
    fn next(&mut self) -> io::Result<Vec<Event>> {
        let mut buffer = [0; 4096];
        let told = self.inotify.read_events_blocking(&mut buffer)?;
        let (mut events, mut folders) = (Vec::new(), Vec::new());
        for event in told {
            if event.mask.contains(EventMask::Q_OVERFLOW) {
                events.push(Event::Lost);
            }
            let (Some(folder), Some(name)) = (self.paths.get(&event.wd), event.name) else {
                continue;
            };
            let path = folder.join(name);
            if event.mask.contains(EventMask::ISDIR) {
                folders.push(path);
            } else {
                events.push(Event::File(path));
            }
        }
        for folder in folders {
            if is_watched(&self.root, &folder) {
                // It may be gone again.
                events.extend(self.add(folder).unwrap_or_default());
            }
        }
        Ok(events)
    }
}

/// Whether a folder of the project may have what people write.
fn is_watched(root: &Path, folder: &Path) -> bool {
    let Ok(inside) = folder.strip_prefix(root) else {
        return false;
    };
    let name = |part: Component<'_>| part.as_os_str().to_string_lossy().into_owned();
    let mut parts = inside.components().map(name);
    let first = parts.clone().next().unwrap_or_default();
    !NOT_WATCHED.contains(&first.as_str()) && !parts.any(|part| part.starts_with('.'))
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

    fn event(file: &str) -> Event {
        Event::File(Path::new("/p").join(file))
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
    fn files_of_folders_that_come_later_are_told() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        std::fs::create_dir(root.join("target")).unwrap();
        let mut folders = Folders::new(root).unwrap();
        std::fs::write(root.join("target/a.rs"), "").unwrap();
        let file = root.join("workers/w/src/lib.rs");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, "").unwrap();
        let mut events = Vec::new();
        while !events.contains(&Event::File(file.clone())) {
            events.extend(folders.next().unwrap());
        }
        let other = |event: &Event| *event != Event::File(file.clone());
        assert!(!events.iter().any(other), "{events:?}");
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
