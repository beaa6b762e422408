//! Files of test cases, with what stands beside them: definition, sample input, schema.

use std::path::{Path, PathBuf};

use serde_json::Value;
use testing::{Definition, Substitutions, Suite};

use crate::{
    definition,
    error::Error,
    placeholders::{Settings, Unset},
    project::{Project, read_json, read_text},
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

impl Loaded {
    /// Reads a file of test cases and what stands beside it.
    pub fn cases(file: &Path) -> Result<Loaded, Error> {
        let name = name_of(file, CASES);
        let suite =
            Suite::parse(&read_text(file)?).map_err(|problems| refused(file, &problems.0))?;
        let path = match &suite.definition {
            Some(definition) => file.with_file_name(definition),
            None => definition_beside(file, &name),
        };
        let definition = parse(&path, &name, &suite.substitutions)?;
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

    /// Reads a definition without what stands beside it.
    pub fn alone(file: &Path, settings: &Settings) -> Result<Definition, Error> {
        let filled = definition::read(file, settings, Unset::Stays)?;
        definition::check_used(settings, &filled.used)?;
        let name = definition_name(file);
        Definition::parse(&name, &filled.text, &Substitutions::new())
            .map_err(|invalid| refuse(file, filled.placed(invalid.diagnostics)))
    }

    /// Reads a definition and what stands beside it; its test cases too, if there are any.
    pub fn definition(file: &Path) -> Result<Loaded, Error> {
        let name = definition_name(file);
        let cases = beside(file, &name, CASES);
        if cases.is_file() {
            let loaded = Loaded::cases(&cases)?;
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
}

/// The files of test cases that `paths` name: files, folders, or pipelines of this project. Without any, those of the
/// project, or of the working directory where there is none.
pub fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    if paths.is_empty() {
        let folder = match Project::here() {
            Ok(project) => relative(&project.root().join("statemachines")),
            Err(_) => PathBuf::from("."),
        };
        return in_folder(&folder);
    }
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(in_folder(path)?);
        } else if path.is_file() {
            files.push(path.clone());
        } else {
            let beside = pipeline(path)?
                .with_extension("")
                .with_extension("test.json");
            if !beside.is_file() {
                return Err(Error::Usage(format!(
                    "there are no test cases: {} is not there",
                    beside.display()
                )));
            }
            files.push(beside);
        }
    }
    Ok(files)
}

/// The definition of a pipeline of this project.
pub fn pipeline(name: &Path) -> Result<PathBuf, Error> {
    let text = name.to_string_lossy();
    // A path that is not there is no pipeline that nobody knows.
    if text.contains(['/', '.']) {
        return Err(Error::Unreadable {
            path: name.to_path_buf(),
            source: std::io::ErrorKind::NotFound.into(),
        });
    }
    let project = Project::here()?;
    project.pipeline(&text)?;
    Ok(relative(
        &project
            .root()
            .join("statemachines")
            .join(format!("{text}.asl.json")),
    ))
}

/// As a person in the working directory would write it.
pub fn relative(path: &Path) -> PathBuf {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_path_buf()
}

fn in_folder(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let entries = std::fs::read_dir(folder).map_err(|source| Error::Unreadable {
        path: folder.to_path_buf(),
        source,
    })?;
    let mut files: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(CASES))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(Error::Usage(format!(
            "{} has no file NAME{CASES}",
            folder.display()
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

/// The definition beside a file of test cases: JSON, unless only YAML is there.
fn definition_beside(file: &Path, name: &str) -> PathBuf {
    let mut files = DEFINITIONS
        .into_iter()
        .map(|ending| beside(file, name, ending));
    let found = files.find(|file| file.is_file());
    found.unwrap_or_else(|| beside(file, name, DEFINITIONS[0]))
}

fn beside(file: &Path, name: &str, ending: &str) -> PathBuf {
    file.with_file_name(format!("{name}{ending}"))
}

fn optional(file: &Path) -> Result<Option<Value>, Error> {
    file.is_file().then(|| read_json(file)).transpose()
}

fn parse(path: &Path, name: &str, substitutions: &Substitutions) -> Result<Definition, Error> {
    let read = definition::json(path)?;
    Definition::parse(name, &read.text, substitutions)
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
