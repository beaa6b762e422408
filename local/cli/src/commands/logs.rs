//! `hybrid logs`: what functions, tasks and jobs of an execution wrote, all of them or those of one state.

use std::{
    collections::HashMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::Args;
use console::logs::{called, is_of, states};

use super::history;
use crate::{error::Error, interrupt, names, place::ProjectArguments, style};

/// How often files are looked at for more.
const PAUSE: Duration = Duration::from_millis(200);

/// Arguments of `hybrid logs`.
#[derive(Args)]
pub struct Logs {
    /// Name of the execution [default: the latest that ended].
    execution: Option<String>,
    /// Only what a state of this name called: its function, its task, its job, the worker that it asked for.
    state: Option<String>,
    /// Go on printing what is written until Ctrl-C.
    #[arg(long, short)]
    follow: bool,
    /// Folder of the results, as given to `hybrid run` [default: out].
    #[arg(long)]
    out: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
}

impl Logs {
    /// Prints the logs.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let out = match &self.out {
            Some(out) => out.clone(),
            None => self.project.find()?.out(),
        };
        let folder = folder(&out, self.execution.as_deref())?;
        let called = self.state.as_deref();
        let called = called.map(|state| called_by(state, &self.project));
        let called = called.transpose()?;
        let mut printed = Printed {
            root: folder,
            called,
            ends: HashMap::new(),
            last: None,
        };
        printed.print()?;
        if self.follow {
            let stop = interrupt::requested();
            tokio::pin!(stop);
            loop {
                tokio::select! {
                    () = &mut stop => break,
                    () = tokio::time::sleep(PAUSE) => printed.print()?,
                }
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The folder with the logs of an execution.
fn folder(out: &Path, execution: Option<&str>) -> Result<PathBuf, Error> {
    let known = history::executions(out);
    let logs = |name: &str| out.join(name).join("cloud/logs");
    match (execution, known.last()) {
        (Some(name), _) if logs(name).is_dir() => Ok(logs(name)),
        (Some(name), _) => Err(Error::Usage(format!(
            "no logs of an execution {name:?} in {}; {}",
            out.display(),
            names::told(name, &known)
        ))),
        (None, Some(latest)) => Ok(logs(latest)),
        (None, None) => Err(Error::Usage(format!(
            "no execution in {}; run one with `hybrid run`",
            out.display()
        ))),
    }
}

/// The names that the states called `state` give to a service: of a function, a task or job definition, a worker.
fn called_by(state: &str, project: &ProjectArguments) -> Result<Vec<String>, Error> {
    let stack = project.stack(&project.find()?)?;
    let definitions = stack
        .state_machines
        .iter()
        .filter_map(|machine| serde_json::from_str(&machine.definition).ok());
    let (mut found, mut known) = (Vec::new(), Vec::new());
    for definition in definitions {
        states(&definition, &mut |name, definition| {
            known.push(name.to_owned());
            if name == state {
                found.extend(called(definition));
            }
        });
    }
    if !known.iter().any(|name| name == state) {
        known.sort_unstable();
        known.dedup();
        return Err(Error::Usage(format!(
            "no state {state:?} in this project; {}",
            names::told(state, &known)
        )));
    }
    Ok(found)
}

/// What has been printed of each file.
struct Printed {
    root: PathBuf,
    /// Only files of these names.
    called: Option<Vec<String>>,
    ends: HashMap<PathBuf, u64>,
    last: Option<PathBuf>,
}

impl Printed {
    /// Prints what is new, the oldest file first.
    fn print(&mut self) -> Result<(), Error> {
        let mut files = Vec::new();
        collect(&self.root, &mut files);
        files.sort();
        for (_, path) in files {
            let shown = path.strip_prefix(&self.root).unwrap_or(&path).to_path_buf();
            if self
                .called
                .as_ref()
                .is_some_and(|called| !is_of("", &shown.to_string_lossy(), called))
            {
                continue;
            }
            let end = self.ends.entry(path.clone()).or_default();
            let mut file = File::open(&path).map_err(Error::file(&path))?;
            file.seek(SeekFrom::Start(*end))
                .map_err(Error::file(&path))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).map_err(Error::file(&path))?;
            if bytes.is_empty() {
                continue;
            }
            *end += bytes.len() as u64;
            if self.last.as_ref() != Some(&path) {
                println!("{}", style::bold(&format!("==> {}", shown.display())));
                self.last = Some(path);
            }
            let text = String::from_utf8_lossy(&bytes);
            print!("{text}");
            if !text.ends_with('\n') {
                print!("\n");
            }
        }
        Ok(())
    }
}

/// The logs below a folder with the time of their last line.
fn collect(folder: &Path, into: &mut Vec<(std::time::SystemTime, PathBuf)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, into);
        } else if let (Some("log"), Ok(at)) = (
            path.extension().and_then(|end| end.to_str()),
            entry.metadata().and_then(|one| one.modified()),
        ) {
            into.push((at, path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_is_printed() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("a.log");
        std::fs::write(&log, "one\n").unwrap();
        let mut printed = Printed {
            root: folder.path().to_path_buf(),
            called: None,
            ends: HashMap::new(),
            last: None,
        };
        printed.print().unwrap();
        assert_eq!(printed.ends[&log], 4);
        std::fs::write(&log, "one\ntwo\n").unwrap();
        printed.print().unwrap();
        assert_eq!(printed.ends[&log], 8);
    }
}
