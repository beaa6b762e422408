//! Where things are in a project: serverless.yml, state machines, data, output.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::Error;

/// A folder with a serverless.yml.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

/// One state machine of the project with its sample input and the schema of its input.
#[derive(Debug, Clone)]
pub struct Pipeline {
    sample: PathBuf,
    schema: PathBuf,
}

impl Project {
    /// The project that `start` lies in.
    ///
    /// # Errors
    /// [`Error::NoProject`] if neither `start` nor a folder above it has a serverless.yml.
    pub fn find(start: &Path) -> Result<Self, Error> {
        start
            .ancestors()
            .find(|folder| folder.join("serverless.yml").is_file())
            .map(|root| Self {
                root: root.to_path_buf(),
            })
            .ok_or_else(|| Error::NoProject(start.to_path_buf()))
    }

    /// The project of the working directory.
    ///
    /// # Errors
    /// As [`Project::find`], or when there is no working directory.
    pub fn here() -> Result<Self, Error> {
        let here = std::env::current_dir().map_err(Error::file("."))?;
        Self::find(&here)
    }

    /// The folder with the serverless.yml.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The single source of names, memory, timeouts and environment.
    pub fn serverless_yml(&self) -> PathBuf {
        self.root.join("serverless.yml")
    }

    /// Files that a run finds in the bucket under `data/`.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Where runs leave their results.
    pub fn out(&self) -> PathBuf {
        self.root.join("out")
    }

    /// All pipelines, by name.
    pub fn pipelines(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.root.join("statemachines"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                Some(name.strip_suffix(".asl.json")?.to_owned())
            })
            .collect();
        names.sort();
        names
    }

    /// One pipeline.
    ///
    /// # Errors
    /// [`Error::UnknownPipeline`], which lists those there are.
    pub fn pipeline(&self, name: &str) -> Result<Pipeline, Error> {
        let known = self.pipelines();
        if !known.iter().any(|other| other == name) {
            return Err(Error::UnknownPipeline {
                name: name.to_owned(),
                known,
            });
        }
        let file = |ending: &str| {
            self.root
                .join("statemachines")
                .join(format!("{name}.{ending}"))
        };
        Ok(Pipeline {
            sample: file("input.json"),
            schema: file("schema.json"),
        })
    }
}

impl Pipeline {
    /// The input of a run: `source` (a file, or `-` for standard input), else the sample; checked
    /// against the pipeline's JSON Schema where it has one.
    ///
    /// # Errors
    /// [`Error::NotJson`] and [`Error::BadInput`], the latter with every problem's JSON path.
    pub fn input(&self, source: Option<&Path>) -> Result<Value, Error> {
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

    #[test]
    fn an_unknown_pipeline_lists_the_known_ones() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("serverless.yml"), "").unwrap();
        std::fs::create_dir(folder.path().join("statemachines")).unwrap();
        for name in ["b", "a"] {
            let file = folder.path().join(format!("statemachines/{name}.asl.json"));
            std::fs::write(file, "{}").unwrap();
        }
        let project = Project::find(&folder.path().join("statemachines")).unwrap();
        let error = project.pipeline("c").unwrap_err();
        assert_eq!(error.to_string(), "unknown pipeline \"c\"; known are: a, b");
    }
}
