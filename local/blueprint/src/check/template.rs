//! serverless.yml with the files that it includes, as they are written: roles matter by the ids they name.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::{Map, Value};
use stack::yaml;

use crate::Error;

/// A resource and the file that declares it.
pub struct Resource {
    /// The file, relative to the project.
    pub file: String,
    /// The resource as it is written.
    pub body: Value,
}

/// The parts of a stack's template.
#[derive(Default)]
pub struct Template {
    /// Functions by key.
    pub functions: Map<String, Value>,
    /// Resources by logical id.
    pub resources: BTreeMap<String, Resource>,
    /// Names of conditions and parameters.
    pub names: BTreeSet<String>,
    /// Whether the stack has more than is read here: other includes, or what plugins and events of functions make.
    pub is_partial: bool,
}

impl Template {
    /// Reads serverless.yml and every `${file(…)}` below `resources`.
    pub fn read(root: &Path) -> Result<Self, Error> {
        let name = "serverless.yml";
        let main = parse(root, name)?;
        let mut template = Self {
            functions: main["functions"].as_object().cloned().unwrap_or_default(),
            ..Self::default()
        };
        let parts = match &main["resources"] {
            Value::Array(parts) => parts.clone(),
            one => vec![one.clone()],
        };
        for part in parts {
            match part.as_str().and_then(included) {
                Some(file) => template.add(file, &parse(root, file)?),
                None => template.add(name, &part),
            }
        }
        let makes_more = |function: &Value| !function["events"].is_null();
        template.is_partial |=
            !main["stepFunctions"].is_null() || template.functions.values().any(makes_more);
        Ok(template)
    }

    fn add(&mut self, file: &str, part: &Value) {
        let resources = &part["Resources"];
        self.is_partial |= part.is_string() || resources.is_string();
        for (id, body) in resources.as_object().into_iter().flatten() {
            let resource = Resource {
                file: file.to_owned(),
                body: body.clone(),
            };
            self.resources.insert(id.clone(), resource);
        }
        for section in ["Conditions", "Parameters"] {
            let names = part[section].as_object().into_iter().flatten();
            self.names.extend(names.map(|(name, _)| name.clone()));
        }
    }

    /// Resources of a type.
    pub fn of(&self, kind: &'static str) -> impl Iterator<Item = (&String, &Resource)> {
        let mut all = self.resources.iter();
        std::iter::from_fn(move || all.find(|(_, resource)| resource.body["Type"] == kind))
    }

    /// The file that declares a resource, or else the stack's own.
    pub fn file_of(&self, id: &str) -> &str {
        self.resources
            .get(id)
            .map_or("serverless.yml", |resource| &resource.file)
    }
}

fn parse(root: &Path, file: &str) -> Result<Value, Error> {
    let path = root.join(file);
    let text = fs::read_to_string(&path).map_err(|source| Error::File {
        path: path.clone(),
        source,
    })?;
    Ok(yaml::parse(&text, &path)?)
}

/// `deploy/iam.yml` of `${file(deploy/iam.yml)}`.
pub fn included(text: &str) -> Option<&str> {
    text.strip_prefix("${file(")?.strip_suffix(")}")
}

/// A value that may stand alone or in a list.
pub fn many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}
