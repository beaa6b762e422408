//! State machines and their definitions, JSON or YAML.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-stepfunctions-statemachine.html>

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::intrinsics::Template;
use super::node::Node;
use super::variables::read;
use super::{ACCOUNT, Env, StackError, StateMachine, StateMachineKind, yaml};

/// Reads the state machine `id`.
pub fn state_machine(
    template: &Template,
    id: &str,
    node: &Node<'_>,
) -> Result<StateMachine, StackError> {
    let name = template.physical_name(id)?;
    let substitutions = node.string_map("DefinitionSubstitutions")?;
    let (definition, source) = definition(template, node, &substitutions)?;
    let kind = match node.opt_string("StateMachineType")?.as_deref() {
        None | Some("STANDARD") => StateMachineKind::Standard,
        Some("EXPRESS") => StateMachineKind::Express,
        Some(other) => {
            return Err(node.error(format!(
                "StateMachineType: STANDARD or EXPRESS, not {other}"
            )));
        }
    };
    let role = format!("arn:aws:iam::{ACCOUNT}:role/{}-states", template.stack_name);
    Ok(StateMachine {
        logical_id: id.to_owned(),
        arn: template.arn("states", &format!("stateMachine:{name}")),
        name,
        kind,
        definition,
        role_arn: node.opt_string("RoleArn")?.unwrap_or(role),
        pipeline: match node.opt_string("Key")? {
            Some(key) => Some(key),
            None => source.as_deref().and_then(stem),
        },
        source,
    })
}

/// `ml-training` of `statemachines/ml-training.asl.json`.
pub fn stem(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    name.split('.').next().map(str::to_owned)
}

fn definition(
    template: &Template,
    node: &Node<'_>,
    substitutions: &Env,
) -> Result<(String, Option<PathBuf>), StackError> {
    for key in ["Definition", "DefinitionString", "definition"] {
        let Some(definition) = node.get(key)? else {
            continue;
        };
        let source = node
            .raw(key)
            .and_then(|raw| template.variables.file_of(raw));
        let text = match &definition.value {
            Value::String(text) => text.clone(),
            // The plugin makes text of it, in which null may stand.
            _ if key == "definition" => format!("{:#}", definition.deep_with_nulls()?),
            _ => format!("{:#}", definition.deep()?),
        };
        return Ok((substituted(&text, substitutions), source));
    }
    if let Some(path) = file(template, node)? {
        let text = of_file(&path, &read(&path)?, substitutions)?;
        return Ok((text, Some(path)));
    }
    Err(node.error("expected `Definition`, `DefinitionString` or `DefinitionUri`"))
}

/// The file that holds the definition.
fn file(template: &Template, node: &Node<'_>) -> Result<Option<PathBuf>, StackError> {
    for key in ["DefinitionUri", "DefinitionS3Location"] {
        let Some(place) = node.get(key)? else {
            continue;
        };
        let Value::Object(_) = place.value else {
            return Ok(Some(template.variables.absolute(&place.string()?)));
        };
        let (bucket, object) = (
            place.require("Bucket")?.string()?,
            place.require("Key")?.string()?,
        );
        let file = template.assets.file(&object);
        let missing = || place.error(format!("s3://{bucket}/{object} is not on this machine"));
        return file.map(Some).ok_or_else(missing);
    }
    Ok(None)
}

/// The text of a definition's file as JSON, filled in. In YAML a placeholder may stand for a number too, so it is filled
/// in before.
pub fn of_file(path: &Path, text: &str, substitutions: &Env) -> Result<String, StackError> {
    let ending = path.extension().and_then(|ending| ending.to_str());
    if !matches!(ending, Some("yml" | "yaml")) {
        return Ok(substituted(text, substitutions));
    }
    let mut text = text.to_owned();
    for (key, value) in substitutions {
        text = text.replace(&format!("${{{key}}}"), value);
    }
    Ok(format!("{:#}", yaml::parse(&text, path)?))
}

/// The values stand inside JSON strings, so they are escaped like them.
pub fn substituted(text: &str, substitutions: &Env) -> String {
    let mut text = text.to_owned();
    for (key, value) in substitutions {
        let value = Value::from(value.as_str()).to_string();
        text = text.replace(&format!("${{{key}}}"), &value[1..value.len() - 1]);
    }
    text
}
