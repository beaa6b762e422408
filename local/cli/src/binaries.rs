//! Builds the function and worker binaries that a run needs, with the profile of the running
//! `hybrid`, so that all of them stand in one folder.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{error::Error, project::Project};

/// The folder with the binaries, and the cargo profile that fills it.
#[derive(Debug, Clone, PartialEq)]
pub struct Binaries {
    target: PathBuf,
    profile: String,
}

impl Binaries {
    /// The running executable's own folder where cargo built it inside the project, else the
    /// project's `target/release`.
    pub fn of(project: &Project, executable: &Path) -> Self {
        let beside = executable.parent().and_then(|folder| {
            let profile = folder.file_name()?.to_str()?.to_owned();
            let target = folder.parent()?.to_path_buf();
            let cargos = target.join("CACHEDIR.TAG").is_file();
            cargos.then_some(Self { target, profile })
        });
        beside.unwrap_or_else(|| Self {
            target: project.root().join("target"),
            profile: "release".to_owned(),
        })
    }

    /// The folder.
    pub fn folder(&self) -> PathBuf {
        self.target.join(&self.profile)
    }

    /// Brings the binaries of `packages` up to date, with a progress line on a terminal. A project
    /// without a Cargo.toml brings its own binaries, so nothing is built there.
    ///
    /// # Errors
    /// [`Error::Build`] with what cargo printed.
    pub async fn build(&self, project: &Project, packages: &[String]) -> Result<(), Error> {
        if packages.is_empty() || !project.root().join("Cargo.toml").is_file() {
            return Ok(());
        }
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut command = tokio::process::Command::new(&cargo);
        for (name, _) in std::env::vars_os().filter(|(name, _)| is_of_package(name)) {
            command.env_remove(name);
        }
        let mut child = command
            .current_dir(project.root())
            .args(["build", "--profile"])
            .arg(match self.profile.as_str() {
                "debug" => "dev",
                other => other,
            })
            .arg("--target-dir")
            .arg(&self.target)
            .args(packages.iter().flat_map(|package| ["-p", package]))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::file(&cargo))?;
        let mut output = String::new();
        let bar = spinner(packages.len());
        if let Some(stderr) = child.stderr.take() {
            let mut lines = BufReader::new(stderr).lines();
            while let Some(line) = lines.next_line().await.map_err(Error::file(&cargo))? {
                bar.set_message(line.trim().to_owned());
                output.push_str(&line);
                output.push('\n');
            }
        }
        bar.finish_and_clear();
        let status = child.wait().await.map_err(Error::file(&cargo))?;
        if status.success() {
            return Ok(());
        }
        Err(Error::Build {
            packages: packages.join(", "),
            output,
        })
    }
}

/// Whether a variable tells of the package that `cargo run` or `cargo test` runs. Build scripts that
/// watch these would run again at every change between a cargo call and one inside it.
fn is_of_package(variable: &OsStr) -> bool {
    variable
        .to_str()
        .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
}

/// Drawn on standard error, and only where that is a terminal.
fn spinner(packages: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed}  {wide_msg}");
    let bar = ProgressBar::new_spinner().with_prefix(format!("building {packages} binaries"));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_stand_beside_an_executable_that_cargo_built() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::write(root.join("serverless.yml"), "").unwrap();
        std::fs::create_dir(root.join("target")).unwrap();
        std::fs::write(root.join("target/CACHEDIR.TAG"), "").unwrap();
        let project = Project::find(root).unwrap();
        for (executable, expected) in [
            (root.join("target/debug/hybrid"), "target/debug"),
            (root.join("target/release/hybrid"), "target/release"),
            (PathBuf::from("/usr/local/bin/hybrid"), "target/release"),
        ] {
            let binaries = Binaries::of(&project, &executable);
            assert_eq!(binaries.folder(), root.join(expected));
        }
    }
}
