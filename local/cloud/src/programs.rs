//! The programs that run what is no executable by itself: interpreters for handlers, and commands that a person names in
//! place of functions and containers.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use stack::{Code, Env, Function};
use tokio::process::Command;
use tokio::time::timeout;

/// How long an interpreter may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(10);

/// A language that handlers are written in and for which the local cloud has a runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// `python3.12`
    Python,
    /// `nodejs22.x`
    Node,
}

/// An interpreter on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// The executable.
    pub program: PathBuf,
    /// `3.12`, `22.11.0`.
    pub version: String,
}

/// No interpreter for a runtime.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{runtime} needs {program} on the PATH{}", match language {
    Language::Python => ", or a virtual environment in .venv or venv of the project; install Python, or name a command \
                         that speaks the Runtime API: --function NAME=COMMAND",
    Language::Node => "; install Node.js, or name a command that speaks the Runtime API: --function NAME=COMMAND",
})]
pub struct NoInterpreter {
    runtime: String,
    program: &'static str,
    language: Language,
}

/// Why nothing here can run a function.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unrunnable {
    /// Its code is not here.
    #[error(
        "the code is not on this machine: {place}; name a command that stands for the function: --function {name}=COMMAND"
    )]
    Elsewhere {
        /// Where it is said to be.
        place: String,
        /// The function.
        name: String,
    },
    /// Its language has no runtime here.
    #[error(
        "runtime {runtime}: the local cloud runs Python, Node.js and executables (provided); name a command that speaks \
         the Runtime API: --function {name}=COMMAND"
    )]
    Runtime {
        /// The runtime.
        runtime: String,
        /// The function.
        name: String,
    },
    /// Its language has no interpreter here.
    #[error(transparent)]
    Interpreter(#[from] NoInterpreter),
}

/// Interpreters and commands.
#[derive(Debug, Clone, Default)]
pub struct Programs {
    /// Folder of the project, whose virtual environment Python functions run in.
    pub project: Option<PathBuf>,
    /// Commands in place of functions, by name or key: shell commands that speak the Runtime API.
    pub functions: BTreeMap<String, String>,
    /// Commands in place of containers, by the image's name.
    pub containers: BTreeMap<String, String>,
    found: Arc<Mutex<BTreeMap<String, Interpreter>>>,
}

impl Language {
    /// The language of a runtime: `python3.12`, `nodejs22.x`.
    pub fn of(runtime: &str) -> Option<Language> {
        let numbered = |rest: &str| rest.starts_with(|first: char| first.is_ascii_digit());
        let python = runtime.strip_prefix("python").is_some_and(numbered);
        let node = runtime.strip_prefix("nodejs");
        let node = node.is_some_and(|rest| rest.is_empty() || numbered(rest));
        match (python, node) {
            (true, _) => Some(Language::Python),
            (_, true) => Some(Language::Node),
            _ => None,
        }
    }
}

impl Programs {
    /// Those of a project in a folder.
    pub fn of(folder: &Path) -> Programs {
        Programs {
            project: Some(folder.to_owned()),
            ..Programs::default()
        }
    }

    /// The interpreter of a runtime: that of the virtual environment which is active or lies in the project, one of the very
    /// version, or any.
    ///
    /// # Errors
    /// There is none.
    pub async fn interpreter(
        &self,
        language: Language,
        runtime: &str,
    ) -> Result<Interpreter, NoInterpreter> {
        if let Some(known) = self.found.lock().get(runtime) {
            return Ok(known.clone());
        }
        let (candidates, question, program): (_, &[&str], _) = match language {
            Language::Python => (self.pythons(runtime), PYTHON_VERSION, "python3"),
            Language::Node => (vec!["node".into()], NODE_VERSION, "node"),
        };
        for candidate in candidates {
            if let Some(found) = ask(&candidate, question).await {
                self.found.lock().insert(runtime.to_owned(), found.clone());
                return Ok(found);
            }
        }
        Err(NoInterpreter {
            runtime: runtime.to_owned(),
            program,
            language,
        })
    }

    /// Whether there is something to run a function by; else what to do.
    ///
    /// # Errors
    /// There is not.
    pub async fn runs(&self, function: &Function) -> Result<(), Unrunnable> {
        let name = function.key.clone();
        let runtime = function.runtime.as_deref();
        match (
            &function.code,
            runtime.map(|runtime| (runtime, Language::of(runtime))),
        ) {
            (Code::Elsewhere(place), _) => Err(Unrunnable::Elsewhere {
                place: place.clone(),
                name,
            }),
            (_, Some((runtime, Some(language)))) => {
                self.interpreter(language, runtime).await?;
                Ok(())
            }
            (_, Some((runtime, None))) if !runtime.starts_with("provided") => {
                let runtime = runtime.to_owned();
                Err(Unrunnable::Runtime { runtime, name })
            }
            _ => Ok(()),
        }
    }

    fn pythons(&self, runtime: &str) -> Vec<PathBuf> {
        let active = std::env::var_os("VIRTUAL_ENV").map(PathBuf::from);
        let own = self.project.iter();
        let own = own.flat_map(|folder| [folder.join(".venv"), folder.join("venv")]);
        let environments = active.into_iter().chain(own);
        let environments = environments.map(|folder| folder.join("bin/python"));
        let named = [runtime, "python3", "python"].map(PathBuf::from);
        let there = environments.filter(|program| program.exists());
        there.chain(named).collect()
    }
}

/// What an interpreter is and which version: a name on the PATH may be that of a script which chooses one.
const PYTHON_VERSION: &[&str] = &[
    "-c",
    "import sys; print(sys.executable); print('%d.%d' % sys.version_info[:2])",
];
const NODE_VERSION: &[&str] = &["-p", "process.execPath + '\\n' + process.versions.node"];

async fn ask(program: &Path, question: &[&str]) -> Option<Interpreter> {
    let answer = Command::new(program)
        .args(question)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let answer = timeout(PATIENCE, answer).await.ok()?.ok()?;
    let said = String::from_utf8(answer.stdout).ok()?;
    let mut lines = said.lines();
    let (program, version) = (lines.next()?, lines.next()?);
    answer.status.success().then(|| Interpreter {
        program: program.into(),
        version: version.to_owned(),
    })
}

/// What a command of a person needs to find its programs.
pub(crate) fn of_this_process() -> Env {
    let kept = ["PATH", "HOME", "JAVA_HOME", "VIRTUAL_ENV"].into_iter();
    let kept = kept.filter_map(|name| Some((name.to_owned(), std::env::var(name).ok()?)));
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_has_a_language() {
        for (runtime, language) in [
            ("python3.13", Some(Language::Python)),
            ("python2.7", Some(Language::Python)),
            ("nodejs22.x", Some(Language::Node)),
            ("nodejs", Some(Language::Node)),
            ("provided.al2023", None),
            ("java21", None),
            ("python", None),
        ] {
            assert_eq!(Language::of(runtime), language, "{runtime}");
        }
    }

    #[tokio::test]
    async fn the_virtual_environment_of_the_project_comes_first() {
        let project = tempfile::tempdir().unwrap();
        let bin = project.path().join(".venv/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink("/bin/false", bin.join("python")).unwrap();
        let programs = Programs {
            project: Some(project.path().to_owned()),
            ..Programs::default()
        };
        let names = programs.pythons("python3.12");
        let own = names.iter().position(|name| *name == bin.join("python"));
        let named = names
            .iter()
            .position(|name| name == Path::new("python3.12"));
        assert!(own < named && named.is_some(), "{names:?}");
        // What does not answer is none.
        assert_eq!(ask(Path::new("/bin/false"), PYTHON_VERSION).await, None);
    }
}
