//! Serverless Framework variables: `${self:a.b}`, `${opt:x, 'default'}`, `${sls:stage}`, `${env:X}`,
//! `${file(path):key}`, `${param:x}`, `${aws:region}`. <https://www.serverless.com/framework/docs/guides/variables>
//!
//! Resolution is lazy: only what is read must resolve, so a stack may hold variables that need an
//! AWS account in places that one machine does not use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::error::Place;
use super::syntax::{closing_brace, is_variable, literal, split_source, split_sources};
use super::{ACCOUNT, Options, StackError, yaml};

/// Deeper than any sensible chain of references; a cycle ends here.
const MAX_DEPTH: u32 = 64;

/// The document and what variables may refer to.
pub struct Variables {
    root: Value,
    directory: PathBuf,
    options: Options,
    /// Whether there are variables: a template has none, and `${...}` in it is for others.
    expands: bool,
    files: RefCell<HashMap<PathBuf, Value>>,
    depth: Cell<u32>,
}

impl Variables {
    /// Reads the file at `path`; relative paths in it are relative to its folder.
    pub fn open(path: &Path, options: &Options) -> Result<Variables, StackError> {
        let root = read_document(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        Ok(Variables {
            expands: root.get("Resources").is_none(),
            ..Variables::of(root, directory, options)
        })
    }

    /// A document without variables.
    pub fn of(root: Value, directory: &Path, options: &Options) -> Variables {
        Variables {
            root,
            directory: directory.to_owned(),
            options: options.clone(),
            expands: false,
            files: RefCell::default(),
            depth: Cell::new(0),
        }
    }

    /// The document as written.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// Whether it is a template of SAM or CloudFormation.
    pub fn is_template(&self) -> bool {
        !self.expands
    }

    /// What the command line sets.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The folder of the file.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `path` as the file means it.
    pub fn absolute(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }

    /// `value` with the variables of its own text resolved; children of a mapping or a list stay as written.
    pub fn expand(&self, value: &Value, at: &str) -> Result<Value, StackError> {
        let Value::String(text) = value else {
            return Ok(value.clone());
        };
        if !self.expands || !text.contains("${") {
            return Ok(value.clone());
        }
        if self.depth.get() > MAX_DEPTH {
            return Err(invalid(at, format!("{text} refers to itself")));
        }
        self.depth.set(self.depth.get() + 1);
        let result = self.expand_text(text, at);
        self.depth.set(self.depth.get() - 1);
        result
    }

    /// Path of `${file(path)}` when that is all that `value` says.
    pub fn file_of(&self, value: &Value) -> Option<PathBuf> {
        let inner = value
            .as_str()?
            .strip_prefix("${file(")?
            .strip_suffix(")}")?;
        (!inner.contains(['(', ')', '$'])).then(|| self.absolute(inner))
    }

    /// Stage: `--stage`, else `provider.stage`, else `dev`.
    pub fn stage(&self) -> Result<String, StackError> {
        match &self.options.stage {
            Some(stage) => Ok(stage.clone()),
            None => self.provider("stage", "dev"),
        }
    }

    /// Region: `--region`, else `provider.region`, else `us-east-1`.
    pub fn region(&self) -> Result<String, StackError> {
        match &self.options.region {
            Some(region) => Ok(region.clone()),
            None => self.provider("region", "us-east-1"),
        }
    }

    fn provider(&self, key: &str, default: &str) -> Result<String, StackError> {
        let at = format!("provider.{key}");
        match self.walk(&self.root, &at, &at)? {
            Value::Null => Ok(default.to_owned()),
            Value::String(text) => Ok(text),
            other => Err(invalid(&at, format!("expected a string, found {other}"))),
        }
    }

    fn expand_text(&self, text: &str, at: &str) -> Result<Value, StackError> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let tail = &rest[start + 2..];
            if !is_variable(tail) {
                out.push_str("${");
                rest = tail;
                continue;
            }
            let end = closing_brace(tail)
                .ok_or_else(|| invalid(at, format!("`{text}`: a `}}` is missing")))?;
            let value = self.evaluate(&tail[..end], at)?;
            rest = &tail[end + 1..];
            if out.is_empty() && rest.is_empty() {
                return self.expand(&value, at);
            }
            match self.expand(&value, at)? {
                Value::String(part) => out.push_str(&part),
                part @ (Value::Number(_) | Value::Bool(_)) => out.push_str(&part.to_string()),
                other => {
                    return Err(invalid(
                        at,
                        format!("`{text}`: {other} cannot stand inside a string"),
                    ));
                }
            }
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    /// One variable, without its braces: sources separated by commas, the first that exists wins.
    fn evaluate(&self, inner: &str, at: &str) -> Result<Value, StackError> {
        let sources = split_sources(inner);
        for source in &sources {
            let value = self.source(source.trim(), at)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        // Older releases of the framework set the two options themselves.
        for source in &sources {
            match source.trim() {
                "opt:stage" if at == "provider.stage" => return Ok(Value::from("dev")),
                "opt:stage" => return self.stage().map(Value::String),
                "opt:region" if at == "provider.region" => return Ok(Value::from("us-east-1")),
                "opt:region" => return self.region().map(Value::String),
                _ => {}
            }
        }
        let literal_null = sources.last().is_some_and(|source| source.trim() == "null");
        if literal_null {
            Ok(Value::Null)
        } else {
            let message = format!("`${{{inner}}}` has no value{}", remedy(&sources));
            Err(invalid(at, message))
        }
    }

    fn source(&self, source: &str, at: &str) -> Result<Value, StackError> {
        if let Some(literal) = literal(source) {
            return self.expand(&literal, at);
        }
        let source = match self.expand(&Value::String(source.to_owned()), at)? {
            Value::String(text) => text,
            other => return Ok(other),
        };
        let (kind, parameter, address) = split_source(&source);
        match kind {
            "self" => self.walk(&self.root, address, at),
            "opt" => Ok(match address {
                "stage" => self
                    .options
                    .stage
                    .clone()
                    .map_or(Value::Null, Value::String),
                "region" => self
                    .options
                    .region
                    .clone()
                    .map_or(Value::Null, Value::String),
                name => {
                    let given = self.options.params.get(name).cloned();
                    given.map_or(Value::Null, Value::String)
                }
            }),
            "sls" if address == "stage" => Ok(Value::String(self.stage()?)),
            "sls" if address == "instanceId" => Ok(Value::String("local".into())),
            "aws" if address == "accountId" => Ok(Value::String(ACCOUNT.into())),
            "aws" if address == "region" => Ok(Value::String(self.region()?)),
            "env" => Ok(std::env::var(address).map_or(Value::Null, Value::String)),
            "param" => self.param(address, at),
            "file" => self.file(parameter, address, at),
            "strToBool" => Ok(match parameter {
                "true" | "1" => Value::Bool(true),
                "false" | "0" => Value::Bool(false),
                other => {
                    return Err(invalid(
                        at,
                        format!("strToBool({other}): expected true or false"),
                    ));
                }
            }),
            // These need an AWS account: absent here, so that a fallback beside them is taken.
            "cf" | "s3" | "ssm" | "git" => Ok(Value::Null),
            _ => Err(invalid(
                at,
                format!("`{source}`: unknown variable source `{kind}`"),
            )),
        }
    }

    fn param(&self, name: &str, at: &str) -> Result<Value, StackError> {
        if let Some(value) = self.options.params.get(name) {
            return Ok(Value::String(value.clone()));
        }
        let stage = self.stage()?;
        for path in [
            format!("params.{stage}.{name}"),
            format!("stages.{stage}.params.{name}"),
            format!("params.default.{name}"),
            format!("stages.default.params.{name}"),
        ] {
            let value = self.walk(&self.root, &path, at)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        Ok(Value::Null)
    }

    fn file(&self, path: &str, address: &str, at: &str) -> Result<Value, StackError> {
        let path = self.absolute(path);
        if !self.files.borrow().contains_key(&path) {
            if !path.exists() {
                return Ok(Value::Null);
            }
            let value = match path.extension().and_then(|extension| extension.to_str()) {
                Some("yml" | "yaml" | "json") => read_document(&path)?,
                Some("js" | "cjs" | "mjs" | "ts") => {
                    let message = format!(
                        "{} is a program, which is not run here: package the stack, and run what comes of it by \
                         --project .serverless/cloudformation-template-update-stack.json",
                        path.display()
                    );
                    return Err(invalid(at, message));
                }
                _ => Value::String(read(&path)?),
            };
            self.files.borrow_mut().insert(path.clone(), value);
        }
        let content = self
            .files
            .borrow()
            .get(&path)
            .cloned()
            .unwrap_or(Value::Null);
        self.walk(&content, address, at)
    }

    /// `a.b.0` from `value`, expanding variables met on the way; null when absent.
    fn walk(&self, value: &Value, address: &str, at: &str) -> Result<Value, StackError> {
        let mut current = self.expand(value, at)?;
        for key in address.split('.').filter(|key| !key.is_empty()) {
            let child = match &current {
                Value::Object(object) => object.get(key),
                Value::Array(items) => key.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            current = match child {
                Some(child) => self.expand(child, at)?,
                None => return Ok(Value::Null),
            };
        }
        Ok(current)
    }
}

/// How to give a variable a value, where the command line can.
fn remedy(sources: &[&str]) -> String {
    let name = sources.iter().find_map(|source| {
        let source = source.trim();
        let name = source.strip_prefix("param:");
        name.or_else(|| source.strip_prefix("opt:"))
    });
    name.map_or(String::new(), |name| {
        format!("; give it one: --param {name}=VALUE")
    })
}

pub(super) fn read(path: &Path) -> Result<String, StackError> {
    std::fs::read_to_string(path).map_err(|source| StackError::Read {
        path: path.to_owned(),
        source,
    })
}

/// A file of YAML or, by its name, of JSON.
pub(super) fn read_document(path: &Path) -> Result<Value, StackError> {
    let text = read(path)?;
    if path.extension().is_none_or(|extension| extension != "json") {
        return yaml::parse(&text, path);
    }
    serde_json::from_str(&text).map_err(|error| StackError::Syntax {
        path: path.to_owned(),
        message: error.to_string(),
    })
}

pub(super) fn invalid(at: &str, message: String) -> StackError {
    let place = Place {
        at: at.to_owned(),
        ..Place::default()
    };
    StackError::Invalid {
        place: Box::new(place),
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn open(text: &str) -> (tempfile::TempDir, Variables) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("serverless.yml");
        std::fs::write(&path, text).unwrap();
        std::fs::write(
            folder.path().join("x.json"),
            r#"{"a": [1, "${sls:stage}"]}"#,
        )
        .unwrap();
        let variables = Variables::open(&path, &Options::default()).unwrap();
        (folder, variables)
    }

    #[test]
    fn variables_resolve_as_serverless_does() {
        let text = "service: demo\nprovider: {stage: \"${opt:stage, 'test'}\"}\ncustom: {n: 3, name: 'c-${self:service}', k: n}\n";
        let (_folder, variables) = open(text);
        let table = [
            ("${self:service}", json!("demo")),
            ("${self:custom.n}", json!(3)),
            ("${self:custom.${self:custom.k}}", json!(3)),
            ("${self:custom.name}-${sls:stage}", json!("c-demo-test")),
            ("${opt:missing, self:custom.n}", json!(3)),
            ("${opt:missing, 'a, b'}", json!("a, b")),
            ("${ssm:/secret, 'none'}", json!("none")),
            ("${file(x.json):a.1}", json!("test")),
            ("${file(absent.yml), 'fallback'}", json!("fallback")),
            (
                "${AWS::Region} ${Name} ${A.B}",
                json!("${AWS::Region} ${Name} ${A.B}"),
            ),
            ("${aws:accountId}", json!(ACCOUNT)),
        ];
        for (text, expected) in table {
            assert_eq!(
                variables.expand(&json!(text), "x").unwrap(),
                expected,
                "{text}"
            );
        }
    }

    #[test]
    fn errors_name_the_path() {
        let (_folder, variables) = open("service: '${self:service}'\n");
        for text in [
            "${self:nothing}",
            "${self:service}",
            "${what:x}",
            "${self:service",
        ] {
            let error = variables
                .expand(&json!(text), "functions.f.name")
                .unwrap_err()
                .to_string();
            assert!(error.starts_with("functions.f.name: "), "{error}");
        }
    }
}
