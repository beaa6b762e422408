//! Which process runs a function: its executable, the interpreter of its language with a runtime of ours, or the command
//! that stands for it.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use stack::{Code, Env, Function};
use uuid::Uuid;

use super::code::{self, CodeError};
use crate::config::{Local, missing_binary};
use crate::private;
use crate::programs::{Language, Unrunnable, of_this_process};

/// The runtimes: small programs that ask the Runtime API for events and hand them to a handler.
const PYTHON: (&str, &str) = ("py", include_str!("runtimes/python.py"));
const NODE: (&str, &str) = ("mjs", include_str!("runtimes/node.mjs"));

/// Where a function finds programs.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime>
const PATH: &str = "/usr/local/bin:/usr/bin/:/bin:/opt/bin";

/// A process to start.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Launch {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    /// Where its code lies; an executable that cargo built has none.
    pub(super) folder: Option<PathBuf>,
    /// What it needs to find programs and modules.
    pub(super) env: Env,
}

/// Why no process can be started for a function.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("{0}")]
    MissingBinary(String),
    #[error(
        "{}: no executable `bootstrap`, which {runtime} starts; build it, or name a command: --function {name}=COMMAND",
        folder.display()
    )]
    NoBootstrap {
        folder: PathBuf,
        runtime: String,
        name: String,
    },
    #[error(transparent)]
    Unrunnable(#[from] Unrunnable),
    #[error("{}: no such folder", .0.display())]
    NoFolder(PathBuf),
    #[error(transparent)]
    Code(#[from] CodeError),
}

/// The process for a function.
pub(super) async fn launch(function: &Function, local: &Local) -> Result<Launch, LaunchError> {
    let root = local.data_dir.join("lambda");
    let commands = &local.programs.functions;
    let command = [&function.key, &function.name]
        .into_iter()
        .find_map(|name| commands.get(name));
    if let Some(command) = command {
        return Ok(Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".to_owned(), command.clone()],
            folder: match &function.code {
                Code::Folder(folder) if folder.is_dir() => Some(folder.clone()),
                _ => local.programs.project.clone(),
            },
            env: of_this_process(),
        });
    }
    local.programs.runs(function).await?;
    let runtime = function.runtime.as_deref().unwrap_or("provided");
    let folder = placed(function, &root.join("code")).await?;
    let mut env = Env::from([("PATH".to_owned(), PATH.to_owned())]);
    if let Some(language) = Language::of(runtime) {
        let interpreter = local.programs.interpreter(language, runtime).await;
        let interpreter = interpreter.map_err(Unrunnable::Interpreter)?;
        let (ending, text) = match language {
            Language::Python => PYTHON,
            Language::Node => NODE,
        };
        let script = script(&root.join("runtimes"), ending, text).map_err(CodeError::Io)?;
        let layers = layers(function, &root.join("code")).await?;
        env.extend(search(language, &interpreter.version, &layers));
        return Ok(Launch {
            program: interpreter.program,
            args: vec![script.display().to_string()],
            folder,
            env,
        });
    }
    let program = match &folder {
        Some(folder) => folder.join(code::BOOTSTRAP),
        None => local.binary(&function.binary),
    };
    match folder {
        Some(folder) if !program.is_file() => Err(LaunchError::NoBootstrap {
            folder,
            runtime: runtime.to_owned(),
            name: function.key.clone(),
        }),
        None if !program.exists() => Err(LaunchError::MissingBinary(missing_binary(&program))),
        folder => Ok(Launch {
            program,
            args: Vec::new(),
            folder,
            env,
        }),
    }
}

/// The folder with a function's code, unpacked or written where it is in none.
async fn placed(function: &Function, root: &Path) -> Result<Option<PathBuf>, LaunchError> {
    match &function.code {
        Code::Built => Ok(None),
        Code::Folder(folder) => Ok(Some(unpacked(folder, root).await?)),
        Code::Archive(archive) => Ok(Some(unpacked(archive, root).await?)),
        Code::Inline(text) => {
            let python =
                function.runtime.as_deref().and_then(Language::of) == Some(Language::Python);
            let name = if python { "index.py" } else { "index.js" };
            Ok(Some(code::write_inline(text, name, root)?))
        }
        // Refused before.
        Code::Elsewhere(_) => Ok(None),
    }
}

/// A folder as it is, an archive unpacked.
async fn unpacked(path: &Path, root: &Path) -> Result<PathBuf, LaunchError> {
    if path.is_file() {
        let (path, root) = (path.to_owned(), root.to_owned());
        let unpacking = tokio::task::spawn_blocking(move || code::unpack_file(&path, &root));
        let unpacked = unpacking.await.map_err(std::io::Error::other);
        return Ok(unpacked.map_err(CodeError::Io)??);
    }
    // A process may change its folder.
    let folder = std::path::absolute(path).map_err(CodeError::Io)?;
    match folder.is_dir() {
        true => Ok(folder),
        false => Err(LaunchError::NoFolder(folder)),
    }
}

async fn layers(function: &Function, root: &Path) -> Result<Vec<PathBuf>, LaunchError> {
    let mut layers = Vec::new();
    for layer in &function.layers {
        layers.push(unpacked(layer, root).await?);
    }
    Ok(layers)
}

/// Where modules are looked for besides the function's own folder. On Lambda all layers lie in /opt; here each has its
/// folder.
/// <https://docs.aws.amazon.com/lambda/latest/dg/packaging-layers.html>
fn search(language: Language, version: &str, layers: &[PathBuf]) -> Env {
    let (name, within): (_, Vec<String>) = match language {
        Language::Python => (
            "PYTHONPATH",
            vec![
                format!("python/lib/python{version}/site-packages"),
                "python".to_owned(),
                // Before it is built, a layer may have its modules at its root.
                String::new(),
            ],
        ),
        Language::Node => ("NODE_PATH", vec!["nodejs/node_modules".to_owned()]),
    };
    let folders = layers.iter().flat_map(|layer| {
        let folders = within.iter().map(|folder| layer.join(folder));
        folders.filter(|folder| folder.is_dir())
    });
    let folders: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    let mut env = Env::new();
    if !folders.is_empty() {
        env.insert(name.to_owned(), folders.join(":"));
    }
    if language == Language::Python {
        // The folder of the code is the person's own, and the log shall have lines at once.
        for name in ["PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"] {
            env.insert(name.to_owned(), "1".to_owned());
        }
    }
    env
}

/// A runtime as a file, which is named after what is in it: a newer one does not disturb what runs.
fn script(folder: &Path, ending: &str, text: &str) -> std::io::Result<PathBuf> {
    let digest = hex::encode(&Sha256::digest(text.as_bytes())[..8]);
    let path = folder.join(format!("{digest}.{ending}"));
    if !path.exists() {
        private::create_dir_all(folder)?;
        let new = folder.join(Uuid::new_v4().simple().to_string());
        private::write(&new, text.as_bytes())?;
        std::fs::rename(&new, &path)?;
    }
    std::path::absolute(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_searched_where_lambda_searches_them() {
        let layer = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(layer.path().join("python")).unwrap();
        std::fs::create_dir_all(layer.path().join("nodejs/node_modules")).unwrap();
        let layers = [layer.path().to_owned()];
        let shown = layer.path().display();
        let python = search(Language::Python, "3.12", &layers);
        assert_eq!(python["PYTHONPATH"], format!("{shown}/python:{shown}/"));
        let node = search(Language::Node, "22.1.0", &layers);
        assert_eq!(node["NODE_PATH"], format!("{shown}/nodejs/node_modules"));
    }

    #[test]
    fn a_runtime_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let first = script(folder.path(), "py", "1").unwrap();
        assert_eq!(script(folder.path(), "py", "1").unwrap(), first);
        assert_ne!(script(folder.path(), "py", "2").unwrap(), first);
        assert_eq!(std::fs::read_to_string(first).unwrap(), "1");
    }
}
