//! Builds the function and worker binaries that a run needs, with the profile of the running
//! `hybrid`, so that all of them stand in one folder.

use std::{
    ffi::OsStr,
    io::IsTerminal as _,
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

    /// Brings the binaries of `packages` up to date, with a bar on a terminal and a line for each crate elsewhere. A project
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
            // cargo draws its bar for nobody's terminal, and this reads from it how much there is to do.
            .env("CARGO_TERM_PROGRESS_WHEN", "always")
            .env("CARGO_TERM_PROGRESS_WIDTH", "100")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Error::file(&cargo))?;
        let mut output = String::new();
        let bar = bar(packages.len());
        let on_terminal = std::io::stderr().is_terminal();
        if let Some(stderr) = child.stderr.take() {
            let mut pieces = BufReader::new(stderr).split(b'\r');
            while let Some(piece) = pieces.next_segment().await.map_err(Error::file(&cargo))? {
                for line in String::from_utf8_lossy(&piece).lines() {
                    match said(line) {
                        Said::Progress(done, all) => {
                            bar.set_length(all);
                            bar.set_position(done);
                        }
                        Said::Step(line) => {
                            bar.set_message(line.to_owned());
                            if !on_terminal {
                                eprintln!("building: {line}");
                            }
                        }
                        Said::Other => {}
                    }
                    output.push_str(line);
                    output.push('\n');
                }
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

/// What a line of cargo tells.
#[derive(Debug, PartialEq)]
enum Said<'a> {
    /// So many crates are done of all.
    Progress(u64, u64),
    /// What it does now.
    Step(&'a str),
    /// Errors, warnings, and what it has done.
    Other,
}

/// Reads a line such as `Building [==>  ] 12/345: serde` or `Compiling serde v1`.
fn said(line: &str) -> Said<'_> {
    let line = line.trim();
    if let Some((_, rest)) = line.split_once("] ")
        && line.starts_with("Building")
    {
        let counts = rest.split(':').next().unwrap_or_default();
        let numbers = counts
            .split_once('/')
            .and_then(|(done, all)| Some((done.parse().ok()?, all.trim().parse().ok()?)));
        return numbers.map_or(Said::Other, |(done, all)| Said::Progress(done, all));
    }
    let steps = [
        "Compiling",
        "Downloading",
        "Downloaded",
        "Updating",
        "Blocking",
    ];
    if steps.iter().any(|step| line.starts_with(step)) {
        return Said::Step(line);
    }
    Said::Other
}

/// Drawn on standard error, and only where that is a terminal.
fn bar(packages: usize) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{spinner} {prefix} {elapsed}  [{bar:24}] {pos} of {len} crates  {wide_msg}",
    );
    let bar = ProgressBar::new(0).with_prefix(format!("building {packages} binaries"));
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_says_is_progress_or_a_step() {
        let bar = "    Building [=======>      ] 12/345: serde, tokio(build)";
        assert_eq!(said(bar), Said::Progress(12, 345));
        assert_eq!(
            said("   Compiling serde v1.0.0"),
            Said::Step("Compiling serde v1.0.0")
        );
        for other in [
            "    Finished `dev` profile",
            "error: no",
            "",
            "Building [broken",
        ] {
            assert_eq!(said(other), Said::Other, "{other}");
        }
    }

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
