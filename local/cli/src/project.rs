//! Where things are in a project: what describes its stack, state machines, data, output.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use stack::StateMachine;

use crate::error::Error;

/// What describes a stack, in the order in which a folder is looked through.
const FILES: &[&str] = &[
    "serverless.yml",
    "serverless.yaml",
    "serverless.json",
    "template.yaml",
    "template.yml",
    "template.json",
];
/// Folders that tools fill inside a project.
const MADE: &[&str] = &[".aws-sam/build", ".serverless", "cdk.out"];
/// A project of the Serverless Framework that is a program.
const PROGRAMS: &[&str] = &["serverless.ts", "serverless.js"];

/// A folder with what describes a stack.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    /// The file, or the folder of definitions.
    file: PathBuf,
}

/// One state machine of the project with its sample input and the schema of its input.
#[derive(Debug, Clone)]
pub struct Pipeline {
    sample: PathBuf,
    schema: PathBuf,
}

impl Project {
    /// The project that `start` lies in: that of the nearest folder with a file that describes one, else the definitions in
    /// `start` itself.
    ///
    /// # Errors
    /// [`Error::NoProject`] if there is neither.
    pub fn find(start: &Path) -> Result<Self, Error> {
        for folder in start.ancestors() {
            if let Some(project) = Self::of_folder(folder)? {
                return Ok(project);
            }
        }
        Self::of_definitions(start).ok_or_else(|| Error::NoProject {
            place: start.to_path_buf(),
            above: true,
        })
    }

    /// The project that a person names: a file, or a folder with one or with definitions.
    ///
    /// # Errors
    /// [`Error::NoProject`] if it is none.
    pub fn named(path: &Path) -> Result<Self, Error> {
        let path = std::fs::canonicalize(path).map_err(Error::file(path))?;
        if path.is_file() || path.join("manifest.json").is_file() {
            return Ok(Self::of_file(path));
        }
        let found = Self::of_folder(&path)?.or_else(|| Self::of_definitions(&path));
        found.ok_or(Error::NoProject {
            place: path,
            above: false,
        })
    }

    fn of_file(file: PathBuf) -> Self {
        let folder = match file.is_dir() {
            true => file.as_path(),
            false => file.parent().unwrap_or(&file),
        };
        let made = MADE.iter().find(|made| folder.ends_with(made));
        let above = made.map_or(0, |made| Path::new(made).components().count());
        let root = folder
            .ancestors()
            .nth(above)
            .unwrap_or(folder)
            .to_path_buf();
        Self { root, file }
    }

    fn of_folder(folder: &Path) -> Result<Option<Self>, Error> {
        let file = FILES.iter().map(|name| folder.join(name));
        if let Some(file) = file.into_iter().find(|file| describes_stack(file)) {
            return Ok(Some(Self::of_file(file)));
        }
        let made = folder.join("cdk.out");
        if made.join("manifest.json").is_file() {
            return Ok(Some(Self::of_file(made)));
        }
        if folder.join("cdk.json").is_file() {
            return Err(Error::Usage(format!(
                "{} is a project of the CDK, and cdk.out is not there yet: run `cdk synth`",
                folder.display()
            )));
        }
        let program = PROGRAMS.iter().find(|name| folder.join(name).is_file());
        program.map_or(Ok(None), |name| {
            Err(Error::Usage(format!(
                "{} is a program, which is not run here: run `sls package`, and then name what it makes: --project \
                 {}/.serverless/cloudformation-template-update-stack.json",
                folder.join(name).display(),
                folder.display()
            )))
        })
    }

    fn of_definitions(folder: &Path) -> Option<Self> {
        (!stack::definitions(folder).is_empty()).then(|| Self {
            root: folder.to_path_buf(),
            file: folder.to_path_buf(),
        })
    }

    /// A folder that describes nothing.
    pub fn empty(root: PathBuf) -> Self {
        Self {
            file: root.clone(),
            root,
        }
    }

    /// The project of the working directory.
    ///
    /// # Errors
    /// As [`Project::find`], or when there is no working directory.
    pub fn here() -> Result<Self, Error> {
        let here = std::env::current_dir().map_err(Error::file("."))?;
        Self::find(&here)
    }

    /// The folder of the project.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What describes the stack: the single source of names, memory, timeouts and environment.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// Whether it is a folder with definitions and nothing that describes a stack.
    pub fn is_plain(&self) -> bool {
        self.file.is_dir() && !self.file.join("manifest.json").is_file()
    }

    /// Files that a run finds in the bucket under `data/`.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where runs leave their results.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }
}

/// Whether a file is there and, where its name says little, what it seems.
fn describes_stack(file: &Path) -> bool {
    let is_template = file.file_stem().is_some_and(|stem| stem == "template");
    match is_template {
        false => file.is_file(),
        true => std::fs::read_to_string(file).is_ok_and(|text| text.contains("Resources")),
    }
}

impl Pipeline {
    /// That of a state machine: sample and schema stand beside its definition.
    pub fn of(machine: &StateMachine, project: &Project) -> Pipeline {
        let folder = machine.source.as_deref().and_then(Path::parent);
        let folder = folder.unwrap_or(project.root());
        let name = machine.pipeline.as_deref().unwrap_or(&machine.name);
        Pipeline {
            sample: folder.join(format!("{name}.input.json")),
            schema: folder.join(format!("{name}.schema.json")),
        }
    }

    /// The input of a run: `source` (a file, or `-` for standard input), else the sample; checked
    /// against the pipeline's JSON Schema where it has one.
    ///
    /// # Errors
    /// [`Error::NotJson`] and [`Error::BadInput`], the latter with every problem's JSON path.
    pub fn input(&self, source: Option<&Path>) -> Result<Value, Error> {
        // As StartExecution does, where nobody gives any.
        if source.is_none() && !self.sample.is_file() && !self.schema.is_file() {
            return Ok(json!({}));
        }
        let input = read_json(source.unwrap_or(&self.sample))?;
        if self.schema.is_file() {
            let schema = read_json(&self.schema)?;
            check(
                &input,
                &schema,
                &origin(source.unwrap_or(&self.sample)),
                &origin(&self.schema),
            )?;
        }
        Ok(input)
    }
}

/// Reads text from a file, or from standard input for `-`.
pub fn read_text(path: &Path) -> Result<String, Error> {
    if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(path)
    }
    .map_err(|source| Error::Unreadable {
        path: path.to_path_buf(),
        source,
    })
}

/// Reads JSON from a file, from standard input for `-`, or from the argument itself where that is an object, a list or a text.
pub fn read_json(path: &Path) -> Result<Value, Error> {
    let inline = path.to_str().filter(|text| is_inline(text));
    let text = inline.map_or_else(|| read_text(path), |text| Ok(text.to_owned()))?;
    serde_json::from_str(&text).map_err(|source| Error::NotJson {
        origin: origin(path),
        source,
    })
}

/// Whether an argument is JSON and no file's name.
fn is_inline(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[', '"'])
}

fn origin(path: &Path) -> String {
    if path.to_str().is_some_and(is_inline) {
        return "of the command line".to_owned();
    }
    match path.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => path.display().to_string(),
    }
}

fn check(input: &Value, schema: &Value, origin: &str, schema_name: &str) -> Result<(), Error> {
    let found = console::schema::problems(input, schema)
        .map_err(|error| Error::Usage(format!("{schema_name} is not a JSON Schema: {error}")))?;
    let problems: Vec<String> = found
        .into_iter()
        .map(|problem| format!("  {}: {}", problem.path, problem.message))
        .collect();
    if problems.is_empty() {
        return Ok(());
    }
    Err(Error::BadInput {
        origin: origin.to_owned(),
        schema: schema_name.to_owned(),
        problems,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["rounds", "sets"],
            "properties": {
                "rounds": {"type": "integer", "minimum": 1},
                "sets": {"type": "array", "items": {"type": "object", "properties": {"depth": {"type": "integer"}}}}
            }
        })
    }

    #[test]
    fn every_problem_is_named_by_its_json_path() {
        let input = json!({"rounds": 0, "sets": [{"depth": 3}, {"depth": "deep"}]});
        let error = check(&input, &schema(), "input.json", "x.schema.json").unwrap_err();
        let text = error.to_string();
        assert!(text.contains("$.rounds: "), "{text}");
        assert!(text.contains("$.sets[1].depth: "), "{text}");
        assert_eq!(error.exit_code(), std::process::ExitCode::from(2));
    }

    #[test]
    fn a_missing_field_is_named() {
        let error = check(&json!({"rounds": 1}), &schema(), "-", "x.schema.json").unwrap_err();
        assert!(
            error
                .to_string()
                .contains("\"sets\" is a required property")
        );
    }

    #[test]
    fn json_may_stand_in_the_argument_itself() {
        assert_eq!(
            read_json(Path::new(r#"{"a": 1}"#)).unwrap(),
            json!({"a": 1})
        );
        let error = read_json(Path::new("{a")).unwrap_err().to_string();
        assert!(
            error.starts_with("input of the command line is not JSON"),
            "{error}"
        );
    }
}
