//! What is to be written, decided before any of it is.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::{Error, insert::insert, manifest, table::with_row};

/// Files to be made and entries to be added below one folder.
///
/// Nothing is written until [`Plan::write`], so a plan that fails has changed nothing. What is there already stays as it
/// is, so the same plan twice changes nothing the second time.
#[derive(Debug)]
pub struct Plan {
    root: PathBuf,
    /// The text that each file will have.
    texts: BTreeMap<PathBuf, String>,
    steps: Vec<Step>,
}

/// One thing that the plan brings about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The file, relative to the project.
    pub file: PathBuf,
    /// What is added to it; a whole file when absent.
    pub what: Option<String>,
    /// Whether it was there before.
    pub existed: bool,
}

impl Plan {
    /// A plan for the project in `root`.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            texts: BTreeMap::new(),
            steps: Vec::new(),
        }
    }

    /// What it brings about, in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether everything is there already.
    pub fn is_done(&self) -> bool {
        self.steps.iter().all(|step| step.existed)
    }

    /// A new file, unless there is one.
    pub fn file(&mut self, file: &str, text: String) {
        let existed = self.has(file);
        if !existed {
            self.texts.insert(file.into(), text);
        }
        self.step(file, None, existed);
    }

    /// The entries of a YAML fragment, in the collection at `path` of `file`.
    ///
    /// # Errors
    /// [`Error::NoPlace`] and [`Error::Edit`] if they cannot be added, [`Error::File`] if there is no such file.
    pub fn entry(&mut self, file: &str, path: &str, what: &str, yaml: &str) -> Result<(), Error> {
        let text = self.text(file)?;
        let extended = insert(&text, &self.root.join(file), path, yaml)?;
        let existed = extended.is_none();
        if let Some(text) = extended {
            self.texts.insert(file.into(), text);
        }
        self.step(file, Some(what), existed);
        Ok(())
    }

    /// `folder` as a member of the Cargo workspace.
    ///
    /// # Errors
    /// [`Error::Manifest`] if `Cargo.toml` is no workspace's.
    pub fn member(&mut self, folder: &str) -> Result<(), Error> {
        let file = "Cargo.toml";
        let extended = manifest::with_member(&self.text(file)?, folder)?;
        // A pattern such as `functions/*` has it without an edit.
        if let Some(text) = extended {
            self.texts.insert(file.into(), text);
            self.step(file, Some(&format!("member {folder}")), false);
        }
        Ok(())
    }

    /// A row of the table below a heading of a Markdown file, where there is such a table.
    pub fn row(&mut self, file: &str, heading: &str, row: &str) {
        let text = self.text(file).ok();
        if let Some(text) = text.and_then(|text| with_row(&text, heading, row)) {
            self.texts.insert(file.into(), text);
            self.step(file, Some(&format!("a row below {heading:?}")), false);
        }
    }

    /// Whether the project has, or will have, a file.
    pub fn has(&self, file: &str) -> bool {
        self.texts.contains_key(Path::new(file)) || self.root.join(file).exists()
    }

    /// The text that a file has, or will have.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read.
    pub fn text(&self, file: &str) -> Result<String, Error> {
        if let Some(text) = self.texts.get(Path::new(file)) {
            return Ok(text.clone());
        }
        let path = self.root.join(file);
        fs::read_to_string(&path).map_err(|source| Error::File { path, source })
    }

    /// Writes it all.
    ///
    /// # Errors
    /// [`Error::File`] names the first file that cannot be written.
    pub fn write(self) -> Result<Vec<Step>, Error> {
        for (file, text) in &self.texts {
            let path = self.root.join(file);
            write(&path, text).map_err(|source| Error::File { path, source })?;
        }
        Ok(self.steps)
    }

    fn step(&mut self, file: &str, what: Option<&str>, existed: bool) {
        self.steps.push(Step {
            file: file.into(),
            what: what.map(str::to_owned),
            existed,
        });
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    #[cfg(unix)]
    if text.starts_with("#!") {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_before_the_plan_is_whole_and_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yml"), "x: [1] # one\n").unwrap();
        let plan = || {
            let mut plan = Plan::new(folder.path());
            plan.file("new/b.txt", "b".to_owned());
            plan.entry("a.yml", "x", "two", "- 2\n").unwrap();
            plan
        };
        let first = plan();
        assert!(!folder.path().join("new").exists());
        assert!(first.write().unwrap().iter().all(|step| !step.existed));
        let text = || fs::read_to_string(folder.path().join("a.yml")).unwrap();
        assert_eq!(text(), "x: [1, 2] # one\n");
        fs::write(folder.path().join("new/b.txt"), "mine").unwrap();
        assert!(plan().is_done());
        plan().write().unwrap();
        assert_eq!(text(), "x: [1, 2] # one\n");
        let kept = fs::read_to_string(folder.path().join("new/b.txt")).unwrap();
        assert_eq!(kept, "mine");
        let mut bad = plan();
        assert!(bad.entry("absent.yml", "x", "two", "- 2\n").is_err());
    }
}
