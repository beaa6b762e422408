//! Files of test cases, with what stands beside them: definition, sample input, schema.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use asl::placeholders::{Unset, Values};
use serde_json::Value;
use stack::StateMachine;
use testing::{Definition, Substitutions, Suite};

use crate::{
    definition,
    error::Error,
    machines::{self, Machines},
    place::ProjectArguments,
    project::{read_json, read_text},
};

/// How the name of a file of test cases ends.
const CASES: &str = ".test.json";

/// How the name of a definition ends, the likeliest first.
const DEFINITIONS: [&str; 6] = [
    ".asl.json",
    ".asl.yaml",
    ".asl.yml",
    ".json",
    ".yaml",
    ".yml",
];

/// A definition with its test cases, sample input and schema.
pub struct Loaded {
    /// The file of test cases, or the definition where there is none.
    pub file: PathBuf,
    /// What is tested.
    pub definition: Definition,
    /// Its test cases.
    pub suite: Option<Suite>,
    /// `NAME.input.json`, if it is there.
    pub sample: Option<Value>,
    /// `NAME.schema.json`, if it is there.
    pub schema: Option<Value>,
}

/// Definitions and test cases, of a project or wherever they are. The project is read when it is needed.
pub struct Suites<'a> {
    arguments: &'a ProjectArguments,
    machines: OnceCell<Machines>,
}

impl<'a> Suites<'a> {
    /// Those of the project that a command is about.
    pub fn of(arguments: &'a ProjectArguments) -> Suites<'a> {
        Suites {
            arguments,
            machines: OnceCell::new(),
        }
    }

    fn machines(&self) -> Result<&Machines, Error> {
        if let Some(machines) = self.machines.get() {
            return Ok(machines);
        }
        let machines = Machines::of(self.arguments)?;
        Ok(self.machines.get_or_init(|| machines))
    }

    fn machine(&self, name: &Path) -> Result<&StateMachine, Error> {
        let text = name.to_string_lossy();
        // A path that is not there is no pipeline that nobody knows.
        if text.contains(['/', '.']) {
            return Err(Error::Unreadable {
                path: name.to_path_buf(),
                source: std::io::ErrorKind::NotFound.into(),
            });
        }
        self.machines()?.named(&text)
    }

    /// The test cases that `paths` name: files, folders, or pipelines of the project. Without any, those of the project, or
    /// of the working directory where there is none.
    pub fn tests(&self, paths: &[PathBuf]) -> Result<Vec<Loaded>, Error> {
        let mut files = Vec::new();
        for path in paths {
            if path.is_dir() {
                files.extend(in_folders(std::slice::from_ref(path))?);
            } else if path.is_file() {
                files.push(path.clone());
            } else {
                files.push(self.tests_of(path)?);
            }
        }
        if paths.is_empty() {
            files = in_folders(&match self.machines() {
                Ok(machines) => machines.folders(),
                Err(Error::NoProject { .. }) => vec![PathBuf::from(".")],
                Err(error) => return Err(error),
            })?;
        }
        files.iter().map(|file| self.cases(file)).collect()
    }

    /// The file of the test cases of a pipeline.
    fn tests_of(&self, name: &Path) -> Result<PathBuf, Error> {
        let machine = self.machine(name)?;
        let file = match machines::file(machine) {
            Some(file) => beside(&file, &definition_name(&file), CASES),
            None => self.within(machine, CASES)?,
        };
        match file.is_file() {
            true => Ok(file),
            false => Err(Error::Usage(format!(
                "there are no test cases: {} is not there",
                file.display()
            ))),
        }
    }

    /// The definitions that `paths` name, each with what stands beside it: files, or pipelines of the project. Without any,
    /// all of the project.
    pub fn definitions(&self, paths: &[PathBuf]) -> Result<Vec<Loaded>, Error> {
        if paths.is_empty() {
            let machines = self.machines()?.all().iter();
            return machines.map(|machine| self.of_machine(machine)).collect();
        }
        let load = |path: &PathBuf| match path.is_file() {
            true => self.definition(path),
            false => self.of_machine(self.machine(path)?),
        };
        paths.iter().map(load).collect()
    }

    /// The text of a definition: of a file, of standard input for `-`, or of a pipeline of the project.
    pub fn text(&self, path: &Path) -> Result<String, Error> {
        let path = match path.is_file() || path == Path::new("-") {
            true => path.to_path_buf(),
            false => {
                let machine = self.machine(path)?;
                match machines::file(machine) {
                    Some(file) => file,
                    None => return Ok(machine.definition.clone()),
                }
            }
        };
        let read = definition::read(&path, &Values::default(), Unset::Stays)?;
        Ok(read.text.clone())
    }

    /// Reads a file of test cases and what stands beside it.
    fn cases(&self, file: &Path) -> Result<Loaded, Error> {
        let name = name_of(file, CASES);
        let suite =
            Suite::parse(&read_text(file)?).map_err(|problems| refused(file, &problems.0))?;
        let definition = match &suite.definition {
            Some(definition) => Some(file.with_file_name(definition)),
            None => definition_beside(file, &name),
        };
        let definition = match definition {
            Some(path) => parse(&path, &name, &suite.substitutions)?,
            None => self.declared(file, &name)?,
        };
        let problems = suite.problems(&definition);
        if !problems.is_empty() {
            return Err(refused(file, &problems));
        }
        Ok(Loaded {
            sample: optional(&beside(file, &name, ".input.json"))?,
            schema: optional(&beside(file, &name, ".schema.json"))?,
            file: file.to_path_buf(),
            definition,
            suite: Some(suite),
        })
    }

    /// The definition that the project's own file holds, for test cases without a definition beside them.
    fn declared(&self, cases: &Path, name: &str) -> Result<Definition, Error> {
        let machine = self.machines().and_then(|machines| machines.named(name));
        machine.map_or_else(
            |_| {
                Err(Error::Usage(format!(
                    "{}: there is no {} beside it, and no state machine {name:?} in a project; \"definition\" names another file",
                    cases.display(),
                    beside(cases, name, DEFINITIONS[0]).display()
                )))
            },
            |machine| self.parsed(machine),
        )
    }

    /// Reads a definition and what stands beside it; its test cases too, if there are any.
    fn definition(&self, file: &Path) -> Result<Loaded, Error> {
        let name = definition_name(file);
        let cases = beside(file, &name, CASES);
        if cases.is_file() {
            let loaded = self.cases(&cases)?;
            let other = loaded
                .suite
                .as_ref()
                .and_then(|suite| suite.definition.as_deref());
            if other.is_none_or(|other| cases.with_file_name(other) == file) {
                return Ok(loaded);
            }
        }
        Ok(Loaded {
            definition: parse(file, &name, &Substitutions::new())?,
            suite: None,
            sample: optional(&beside(file, &name, ".input.json"))?,
            schema: optional(&beside(file, &name, ".schema.json"))?,
            file: file.to_path_buf(),
        })
    }

    fn of_machine(&self, machine: &StateMachine) -> Result<Loaded, Error> {
        if let Some(file) = machines::file(machine) {
            return self.definition(&file);
        }
        let cases = self.within(machine, CASES)?;
        if cases.is_file() {
            return self.cases(&cases);
        }
        Ok(Loaded {
            definition: self.parsed(machine)?,
            suite: None,
            sample: optional(&self.within(machine, ".input.json")?)?,
            schema: optional(&self.within(machine, ".schema.json")?)?,
            file: self.machines()?.project().file().to_path_buf(),
        })
    }

    /// The definition of a state machine as the project resolves it.
    fn parsed(&self, machine: &StateMachine) -> Result<Definition, Error> {
        let name = machines::called(machine);
        let parsed = Definition::parse(name, &machine.definition, &Substitutions::new());
        let file = self.machines()?.project().file();
        parsed.map_err(|invalid| refuse(file, invalid.diagnostics))
    }

    /// A file in the project's folder that belongs to a state machine without a file of its own.
    fn within(&self, machine: &StateMachine, ending: &str) -> Result<PathBuf, Error> {
        let root = machines::relative(self.machines()?.project().root());
        Ok(root.join(format!("{}{ending}", machines::called(machine))))
    }
}

/// Reads a definition without what stands beside it.
pub fn alone(file: &Path, values: &Values) -> Result<Definition, Error> {
    let filled = definition::read(file, values, Unset::GetsName)?;
    definition::check_used(values, &filled.used)?;
    let name = definition_name(file);
    Definition::parse(&name, &filled.text, &Substitutions::new())
        .map_err(|invalid| refuse(file, filled.placed(invalid.diagnostics)))
}

fn in_folders(folders: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).map_err(|source| Error::Unreadable {
            path: folder.clone(),
            source,
        })?;
        let paths = entries.flatten().map(|entry| entry.path());
        files.extend(paths.filter(|path| path.to_string_lossy().ends_with(CASES)));
    }
    files.sort();
    if files.is_empty() {
        let folders = folders.iter().map(|folder| folder.display().to_string());
        return Err(Error::Usage(format!(
            "there is no file NAME{CASES} in {}",
            folders.collect::<Vec<_>>().join(", ")
        )));
    }
    Ok(files)
}

fn definition_name(file: &Path) -> String {
    let ending = DEFINITIONS
        .into_iter()
        .find(|ending| file.to_string_lossy().ends_with(ending));
    name_of(file, ending.unwrap_or_default())
}

fn name_of(file: &Path, ending: &str) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(ending).unwrap_or(&name).to_owned()
}

/// The definition beside a file of test cases, the likeliest first.
fn definition_beside(file: &Path, name: &str) -> Option<PathBuf> {
    let mut files = DEFINITIONS
        .into_iter()
        .map(|ending| beside(file, name, ending));
    files.find(|file| file.is_file())
}

fn beside(file: &Path, name: &str, ending: &str) -> PathBuf {
    file.with_file_name(format!("{name}{ending}"))
}

fn optional(file: &Path) -> Result<Option<Value>, Error> {
    file.is_file().then(|| read_json(file)).transpose()
}

fn parse(path: &Path, name: &str, substitutions: &Substitutions) -> Result<Definition, Error> {
    let values = Values::from(substitutions.clone());
    let read = definition::read(path, &values, Unset::GetsName)?;
    Definition::parse(name, &read.text, &Substitutions::new())
        .map_err(|invalid| refuse(path, read.placed(invalid.diagnostics)))
}

fn refuse(path: &Path, diagnostics: Vec<asl::Diagnostic>) -> Error {
    let lines = diagnostics
        .iter()
        .map(|diagnostic| crate::commands::line(path, diagnostic));
    Error::Definition {
        path: path.to_path_buf(),
        problems: lines.collect::<Vec<_>>().join("\n"),
    }
}

/// A file that cannot be used, one line a problem.
pub fn refused(file: &Path, problems: &[testing::Problem]) -> Error {
    let lines = problems
        .iter()
        .map(|problem| format!("{}: {problem}", file.display()));
    Error::Usage(lines.collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Call {
        #[command(flatten)]
        project: ProjectArguments,
    }

    fn loaded(files: &[(&str, &str)]) -> Vec<(String, usize)> {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let project = folder.path().to_str().unwrap();
        let call = Call::parse_from(["hybrid", "--project", project]);
        let suites = Suites::of(&call.project);
        let tests = suites.tests(&[]).unwrap();
        let definitions = suites.definitions(&[]).unwrap();
        assert_eq!(tests.len(), definitions.len());
        let cases = |one: &Loaded| one.suite.as_ref().map_or(0, |suite| suite.cases.len());
        let cases = definitions
            .iter()
            .map(|one| (one.definition.name.clone(), cases(one)));
        cases.collect()
    }

    #[test]
    fn the_definitions_of_any_project_are_found_with_their_test_cases() {
        let cases = r#"{"cases": [{"name": "a", "mocks": {"Call": {"0": {"Return": {"MessageId": "m"}}}}}]}"#;
        let flow =
            "StartAt: Call\nStates:\n  Call: {Type: Task, Resource: '${CallArn}', End: true}\n";
        let plain = [
            ("flows/order.asl.yaml", flow),
            ("flows/order.test.json", cases),
        ];
        assert_eq!(loaded(&plain), [("order".to_owned(), 1)]);
        let template = r#"{"Resources": {"Order": {"Type": "AWS::Serverless::StateMachine", "Properties": {"Definition": {
            "StartAt": "Call", "States": {"Call": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
                "Parameters": {"QueueUrl": "q", "MessageBody": "b"}, "End": true}}}}}}}"#;
        let sam = [("template.yaml", template), ("Order.test.json", cases)];
        assert_eq!(loaded(&sam), [("Order".to_owned(), 1)]);
    }
}
