//! CloudFormation: resources, conditions, and intrinsic functions resolved to the names and ARNs a
//! deployment would make.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::cell::Cell;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::assets::Assets;
use super::variables::{Variables, invalid};
use super::{ACCOUNT, StackError};

const MAX_DEPTH: u32 = 64;

/// A resource as written.
pub struct Resource {
    /// `AWS::Service::Type`.
    pub kind: String,
    /// The whole resource.
    pub body: Value,
    /// Where it stands.
    pub at: String,
}

/// The stack's template: what a name in it refers to.
pub struct Template {
    /// Serverless variables of the file.
    pub variables: Variables,
    /// `service:`, or the name of the stack.
    pub service: String,
    /// Name of the CloudFormation stack.
    pub stack_name: String,
    /// Stage.
    pub stage: String,
    /// Region.
    pub region: String,
    /// Resources by logical id, those whose condition is false left out.
    pub resources: IndexMap<String, Resource>,
    /// Deployed names of the functions of a `serverless.yml` by logical id.
    pub(super) functions: IndexMap<String, String>,
    /// Files of the packages that the template names.
    pub(super) assets: Assets,
    pub(super) parameters: Map<String, Value>,
    pub(super) conditions: Map<String, Value>,
    pub(super) mappings: Value,
    pub(super) depth: Cell<u32>,
}

impl Template {
    /// An ARN in this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        format!("arn:aws:{service}:{}:{ACCOUNT}:{resource}", self.region)
    }

    /// `value` with its own variables and intrinsic resolved; children stay as written.
    pub fn resolve(&self, value: &Value, at: &str) -> Result<Value, StackError> {
        let value = self.pseudo(self.variables.expand(value, at)?, at)?;
        let Some((function, argument)) = intrinsic(&value) else {
            return Ok(value);
        };
        if self.depth.get() > MAX_DEPTH {
            return Err(invalid(at, format!("{value} refers to itself")));
        }
        self.depth.set(self.depth.get() + 1);
        let result = self
            .call(function, argument, at)
            .and_then(|value| self.resolve(&value, at));
        self.depth.set(self.depth.get() - 1);
        result
    }

    fn call(&self, function: &str, argument: &Value, at: &str) -> Result<Value, StackError> {
        match function {
            "Ref" => self.reference(&self.text(argument, at)?, at),
            "Fn::GetAtt" => {
                let path = self.joined(argument, ".", at)?;
                let (id, attribute) = path.split_once('.').ok_or_else(|| {
                    invalid(
                        at,
                        format!("Fn::GetAtt {path}: expected [LogicalId, Attribute]"),
                    )
                })?;
                self.attribute(id, attribute, at).map(Value::String)
            }
            "Fn::Sub" => self.substitute(argument, at),
            "Fn::Join" => {
                let [separator, parts] = self.arguments(argument, "Fn::Join", at)?;
                self.joined(&parts, &self.text(&separator, at)?, at)
                    .map(Value::String)
            }
            "Fn::Split" => {
                let [separator, text] = self.arguments(argument, "Fn::Split", at)?;
                let (separator, text) = (self.text(&separator, at)?, self.text(&text, at)?);
                Ok(text.split(&separator).map(Value::from).collect())
            }
            "Fn::Select" => {
                let [index, list] = self.arguments(argument, "Fn::Select", at)?;
                let index = self.text(&index, at)?.parse::<usize>().ok();
                let list = self.resolve(&list, at)?;
                index
                    .and_then(|index| list.get(index).cloned())
                    .ok_or_else(|| invalid(at, format!("Fn::Select: no such element in {list}")))
            }
            "Fn::If" => {
                let [condition, then, otherwise] = self.arguments(argument, "Fn::If", at)?;
                Ok(if self.condition(&self.text(&condition, at)?, at)? {
                    then
                } else {
                    otherwise
                })
            }
            "Fn::FindInMap" => {
                let [map, first, second] = self.arguments(argument, "Fn::FindInMap", at)?;
                let (map, first, second) = (
                    self.text(&map, at)?,
                    self.text(&first, at)?,
                    self.text(&second, at)?,
                );
                let found = &self.mappings[&map][&first][&second];
                if found.is_null() {
                    return Err(invalid(
                        at,
                        format!("Fn::FindInMap: no {map}.{first}.{second}"),
                    ));
                }
                Ok(found.clone())
            }
            "Fn::GetAZs" => Ok(["a", "b", "c"]
                .iter()
                .map(|zone| format!("{}{zone}", self.region))
                .collect()),
            "Fn::ImportValue" => {
                let name = self.text(argument, at)?;
                let given = self.variables.options().params.get(&name);
                let missing = format!(
                    "{name} is exported by another stack; give it a value: --param {name}=VALUE"
                );
                let given = given.map(|value| Value::from(value.as_str()));
                given.ok_or_else(|| invalid(at, missing))
            }
            "Fn::ToJsonString" => {
                let value = super::node::Node::new(self, argument, at.to_owned())?.deep()?;
                Ok(Value::String(value.to_string()))
            }
            "Fn::Base64" => {
                use base64::Engine;
                let text = self.text(argument, at)?;
                Ok(Value::String(
                    base64::engine::general_purpose::STANDARD.encode(text),
                ))
            }
            other => Err(invalid(
                at,
                format!("{other} cannot be resolved without an AWS account"),
            )),
        }
    }

    fn arguments<const N: usize>(
        &self,
        argument: &Value,
        name: &str,
        at: &str,
    ) -> Result<[Value; N], StackError> {
        let list = argument
            .as_array()
            .cloned()
            .and_then(|list| <[Value; N]>::try_from(list).ok());
        list.ok_or_else(|| {
            invalid(
                at,
                format!("{name}: expected a list of {N}, found {argument}"),
            )
        })
    }

    pub(super) fn text(&self, value: &Value, at: &str) -> Result<String, StackError> {
        match self.resolve(value, at)? {
            Value::String(text) => Ok(text),
            value @ (Value::Number(_) | Value::Bool(_)) => Ok(value.to_string()),
            other => Err(invalid(at, format!("expected a string, found {other}"))),
        }
    }

    fn joined(&self, list: &Value, separator: &str, at: &str) -> Result<String, StackError> {
        match self.resolve(list, at)? {
            Value::Array(parts) => {
                let parts: Vec<String> = parts
                    .iter()
                    .map(|part| self.text(part, at))
                    .collect::<Result<_, _>>()?;
                Ok(parts.join(separator))
            }
            Value::String(text) => Ok(text),
            other => Err(invalid(at, format!("expected a list, found {other}"))),
        }
    }

    fn substitute(&self, argument: &Value, at: &str) -> Result<Value, StackError> {
        let (text, names) = if let Value::String(text) = argument {
            (text.clone(), Value::Null)
        } else {
            let [text, names] = self.arguments(argument, "Fn::Sub", at)?;
            (self.text(&text, at)?, names)
        };
        let text = self.text(&Value::String(text), at)?;
        let mut out = String::new();
        let mut rest = text.as_str();
        while let Some((before, tail)) = rest.split_once("${") {
            out.push_str(before);
            let (name, after) = tail
                .split_once('}')
                .ok_or_else(|| invalid(at, format!("`{text}`: a }} is missing")))?;
            rest = after;
            let value = match (
                name.strip_prefix('!'),
                names.get(name),
                name.split_once('.'),
            ) {
                (Some(literal), ..) => format!("${{{literal}}}"),
                (None, Some(given), _) => self.text(given, at)?,
                (None, None, Some((id, attribute))) => self.attribute(id, attribute, at)?,
                (None, None, None) => self.text(&self.reference(name, at)?, at)?,
            };
            out.push_str(&value);
        }
        out.push_str(rest);
        Ok(Value::String(out))
    }

    pub(super) fn reference(&self, name: &str, at: &str) -> Result<Value, StackError> {
        let pseudo = match name {
            "AWS::Region" => Some(self.region.clone()),
            "AWS::AccountId" => Some(ACCOUNT.into()),
            "AWS::Partition" => Some("aws".into()),
            "AWS::URLSuffix" => Some("amazonaws.com".into()),
            "AWS::StackName" => Some(self.stack_name.clone()),
            "AWS::StackId" => Some(self.arn(
                "cloudformation",
                &format!("stack/{}/local", self.stack_name),
            )),
            "AWS::NoValue" => return Ok(Value::Null),
            _ => None,
        };
        if let Some(text) = pseudo {
            return Ok(Value::String(text));
        }
        if let Some(value) = self.parameters.get(name) {
            if value.is_null() {
                let message = format!(
                    "parameter {name} has no Default; give it a value: --param {name}=VALUE"
                );
                return Err(invalid(at, message));
            }
            return Ok(value.clone());
        }
        if let Some(function) = self.deployed(name) {
            return Ok(Value::String(function.clone()));
        }
        if let Some(arn) = self.of_function(name) {
            return Ok(Value::String(arn?));
        }
        let kind = &self.resource(name, at)?.kind;
        let value = match kind.as_str() {
            "AWS::StepFunctions::StateMachine"
            | "AWS::StepFunctions::StateMachineVersion"
            | "AWS::StepFunctions::StateMachineAlias"
            | "AWS::StepFunctions::Activity"
            | "AWS::Lambda::Version"
            | "AWS::Lambda::Alias"
            | "AWS::ECS::TaskDefinition"
            | "AWS::Batch::JobDefinition"
            | "AWS::Batch::JobQueue"
            | "AWS::Batch::ComputeEnvironment"
            | "AWS::SNS::Topic" => self.attribute(name, "Arn", at)?,
            _ => self.physical_name(name)?,
        };
        Ok(Value::String(value))
    }

    pub(super) fn resource(&self, id: &str, at: &str) -> Result<&Resource, StackError> {
        self.resources.get(id).ok_or_else(|| {
            let known = self
                .functions
                .keys()
                .chain(self.resources.keys())
                .chain(self.parameters.keys());
            invalid(
                at,
                format!(
                    "no resource, function or parameter {id}; known: {}",
                    list(known)
                ),
            )
        })
    }
}

pub(super) fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

pub(super) fn intrinsic(value: &Value) -> Option<(&str, &Value)> {
    let object = value.as_object().filter(|object| object.len() == 1)?;
    let (key, argument) = object.iter().next()?;
    let known = key.starts_with("Fn::") || (key == "Ref" && argument.is_string());
    known.then_some((key.as_str(), argument))
}
