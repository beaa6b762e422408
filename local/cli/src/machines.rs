//! The state machines of a project, whatever describes it, with their files.

use std::path::{Path, PathBuf};

use stack::{Stack, StateMachine};

use crate::{error::Error, place::ProjectArguments, project::Project};

/// A project and its state machines.
pub struct Machines {
    project: Project,
    stack: Stack,
}

impl Machines {
    /// Those of the project that a command is about.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub fn of(arguments: &ProjectArguments) -> Result<Machines, Error> {
        let project = arguments.find()?;
        let stack = match project.is_plain() {
            true => plain(arguments.empty()?, project.root()),
            false => arguments.stack(&project)?,
        };
        Ok(Machines { project, stack })
    }

    /// The project.
    pub fn project(&self) -> &Project {
        &self.project
    }

    /// All of them.
    pub fn all(&self) -> &[StateMachine] {
        &self.stack.state_machines
    }

    /// One by its name, logical id or pipeline.
    ///
    /// # Errors
    /// There is none; those there are are told.
    pub fn named(&self, name: &str) -> Result<&StateMachine, Error> {
        named(&self.stack, name)
    }

    /// The folders in which its definitions are, and the project's own where one is in no file of its own.
    pub fn folders(&self) -> Vec<PathBuf> {
        let folder = |machine: &StateMachine| {
            let file = machine.source.as_deref().and_then(Path::parent);
            relative(file.unwrap_or(self.project.root()))
        };
        let mut folders: Vec<PathBuf> = self.all().iter().map(folder).collect();
        folders.sort();
        folders.dedup();
        folders
    }
}

/// The file of a state machine's definition; none if it is within the project's file.
pub fn file(machine: &StateMachine) -> Option<PathBuf> {
    machine.source.as_deref().map(relative)
}

/// The definitions of a folder that has nothing else. Nothing says what their placeholders stand for, and who looks at the
/// definitions alone need not know.
fn plain(stack: Stack, folder: &Path) -> Stack {
    let machine = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = name.split('.').next().unwrap_or_default().to_owned();
        StateMachine {
            pipeline: Some(name.clone()),
            name,
            source: Some(path),
            ..StateMachine::default()
        }
    };
    Stack {
        state_machines: stack::definitions(folder)
            .into_iter()
            .map(machine)
            .collect(),
        ..stack
    }
}

/// The state machine of a name, logical id or pipeline.
///
/// # Errors
/// There is none; those there are are told.
pub fn named<'s>(stack: &'s Stack, name: &str) -> Result<&'s StateMachine, Error> {
    let known = || {
        stack
            .state_machines
            .iter()
            .map(|machine| called(machine).to_owned())
    };
    stack
        .state_machine(name)
        .ok_or_else(|| Error::UnknownPipeline {
            name: name.to_owned(),
            known: known().collect(),
        })
}

/// What a state machine is called: the stem of its file, else its name.
pub fn called(machine: &StateMachine) -> &str {
    machine.pipeline.as_deref().unwrap_or(&machine.name)
}

/// As a person in the working directory would write it.
pub fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    let path = path.strip_prefix(here).unwrap_or(path);
    match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path.to_path_buf(),
    }
}
