//! Opens a project file: which kind it is, and what its names refer to.

use std::cell::Cell;
use std::path::Path;

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::assets::Assets;
use super::intrinsics::{Resource, Template};
use super::names::{function_logical_id, normalized};
use super::variables::{Variables, invalid};
use super::{Options, StackError, plugin, sam};

impl Template {
    /// Opens the file at `path` and indexes its resources and functions.
    pub fn open(path: &Path, options: &Options) -> Result<Template, StackError> {
        let variables = Variables::open(path, options)?;
        let keys = ["Resources", "service", "provider", "functions"];
        if !keys.iter().any(|key| variables.root().get(key).is_some()) {
            let message = "neither `service` of the Serverless Framework nor `Resources` of SAM or CloudFormation";
            return Err(StackError::NoStack {
                path: path.to_owned(),
                message: message.to_owned(),
            });
        }
        let assets = Assets::beside(path)?;
        let (service, stage) = match variables.is_template() {
            true => (assets.stack_name(path), variables.stage()?),
            false => (service(&variables)?, variables.stage()?),
        };
        let stack_name = match variables.is_template() {
            true => service.clone(),
            false => format!("{service}-{stage}"),
        };
        let region = variables.region()?;
        let mut template = Template {
            service,
            stack_name,
            stage,
            region,
            resources: IndexMap::new(),
            functions: IndexMap::new(),
            assets,
            parameters: Map::new(),
            conditions: Map::new(),
            mappings: Value::Null,
            depth: Cell::new(0),
            variables,
        };
        template.index_functions()?;
        template.index_resources()?;
        plugin::add(&mut template)?;
        Ok(template)
    }

    /// The path of a section of CloudFormation.
    pub(super) fn at(&self, path: &str) -> String {
        match self.variables.is_template() {
            true => path.to_owned(),
            false => format!("resources.{path}"),
        }
    }

    /// Functions as written, by key; `functions:` may be a mapping or a list of mappings.
    pub fn functions(&self) -> Result<Map<String, Value>, StackError> {
        match self.variables.is_template() {
            true => Ok(Map::new()),
            false => self.merged("functions", &self.variables.root()["functions"]),
        }
    }

    /// Deployed name of the function under this key.
    pub fn function_name(&self, key: &str) -> Option<&str> {
        let name = self.functions.get(&function_logical_id(key))?;
        Some(name)
    }

    fn index_functions(&mut self) -> Result<(), StackError> {
        for (key, function) in self.functions()? {
            let at = format!("functions.{key}");
            let function = self.variables.expand(&function, &at)?;
            let name = match self
                .variables
                .expand(&function["name"], &format!("{at}.name"))?
            {
                Value::String(name) => name,
                _ => format!("{}-{}-{key}", self.service, self.stage),
            };
            self.functions.insert(function_logical_id(&key), name);
        }
        Ok(())
    }

    /// `layers:` of a `serverless.yml`.
    /// <https://www.serverless.com/framework/docs/providers/aws/guide/layers>
    fn index_layers(&mut self) -> Result<(), StackError> {
        if self.variables.is_template() {
            return Ok(());
        }
        for (key, layer) in self.merged("layers", &self.variables.root()["layers"])? {
            let at = format!("layers.{key}");
            let body = json!({"Properties": {"ContentUri": layer["path"]}});
            let kind = "AWS::Lambda::LayerVersion".to_owned();
            let id = format!("{}LambdaLayer", normalized(&key));
            self.resources.insert(id, Resource { kind, body, at });
        }
        Ok(())
    }

    fn index_resources(&mut self) -> Result<(), StackError> {
        let root = self.variables.root();
        let sections = match self.variables.is_template() {
            true => root.as_object().cloned().unwrap_or_default(),
            false => self.merged("resources", &root["resources"])?,
        };
        let section = |name: &str| match sections.get(name) {
            Some(section) => self.merged(&self.at(name), section),
            None => Ok(Map::new()),
        };
        let absent = Value::Null;
        let mut resources = section("Resources")?;
        for (id, more) in section("extensions")? {
            extend(&mut resources, &id, &more);
        }
        let parameters = section("Parameters")?;
        self.conditions = section("Conditions")?;
        self.mappings = sections.get("Mappings").unwrap_or(&absent).clone();
        for (name, parameter) in parameters {
            let given = self.variables.options().params.get(&name);
            let given = given.map(|value| Value::from(value.as_str()));
            let value = given.or_else(|| parameter.get("Default").cloned());
            let value = value.map_or(Value::Null, |value| as_type(&parameter["Type"], value));
            self.parameters.insert(name, value);
        }
        let globals = sections.get("Globals").unwrap_or(&absent).clone();
        self.index_layers()?;
        for (id, body) in resources {
            let at = self.at(&format!("Resources.{id}"));
            let body = self.variables.expand(&body, &at)?;
            let kind = match self.variables.expand(&body["Type"], &at)? {
                Value::String(kind) => kind,
                _ => return Err(invalid(&at, "`Type` is missing".into())),
            };
            match body["Condition"].as_str() {
                Some(condition) if !self.condition(condition, &at)? => continue,
                _ => {}
            }
            let at = format!("{at}.Properties");
            let resource = Resource { kind, body, at };
            for (id, resource) in sam::translate(id, resource, &globals)? {
                self.resources.insert(id, resource);
            }
        }
        Ok(())
    }

    /// A mapping, or a list of mappings whose entries are put together.
    pub(super) fn merged(&self, at: &str, value: &Value) -> Result<Map<String, Value>, StackError> {
        match self.variables.expand(value, at)? {
            Value::Null => Ok(Map::new()),
            Value::Object(object) => Ok(object),
            Value::Array(parts) => {
                let mut all = Map::new();
                for (index, part) in parts.iter().enumerate() {
                    for (key, value) in self.merged(&format!("{at}.{index}"), part)? {
                        // Parts may each hold a `Resources` section.
                        match (all.get_mut(&key), value) {
                            (Some(Value::Object(old)), Value::Object(new)) => old.extend(new),
                            (_, value) => {
                                all.insert(key, value);
                            }
                        }
                    }
                }
                Ok(all)
            }
            other => Err(invalid(at, format!("expected a mapping, found {other}"))),
        }
    }
}

fn service(variables: &Variables) -> Result<String, StackError> {
    let name = match variables.expand(&variables.root()["service"], "service")? {
        // The form of old releases of the framework.
        Value::Object(service) => service.get("name").cloned().unwrap_or(Value::Null),
        name => name,
    };
    match variables.expand(&name, "service")? {
        Value::String(name) => Ok(name),
        _ => Err(invalid(
            "service",
            "expected the name of the service".into(),
        )),
    }
}

/// Sets more properties of a resource.
/// <https://www.serverless.com/framework/docs/providers/aws/guide/resources#override-aws-cloudformation-resource>
fn extend(resources: &mut Map<String, Value>, id: &str, more: &Value) {
    let properties = resources
        .get_mut(id)
        .and_then(|resource| resource.get_mut("Properties"));
    if let (Some(Value::Object(old)), Some(new)) = (properties, more["Properties"].as_object()) {
        old.extend(new.clone());
    }
}

/// A parameter of a list type is text in which commas separate the items.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/parameters-section-structure.html>
fn as_type(kind: &Value, value: Value) -> Value {
    let kind = kind.as_str().unwrap_or_default();
    match &value {
        Value::String(text) if kind == "CommaDelimitedList" || kind.starts_with("List<") => {
            let items = text.split(',').map(str::trim);
            items.filter(|item| !item.is_empty()).collect()
        }
        _ => value,
    }
}
