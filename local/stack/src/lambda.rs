//! `AWS::Lambda::Function`, also as what SAM's function stands for, and where code and layers are.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html>

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::assets::code_at;
use super::intrinsics::Template;
use super::names::binary_of_image;
use super::node::Node;
use super::{Code, Function, NotRun, Stack, StackError, Why};

/// Lambda's default, MiB.
const DEFAULT_MEMORY_MIB: u64 = 128;
/// Lambda's default, seconds.
const DEFAULT_TIMEOUT_S: u64 = 3;

/// Reads the function `id`.
pub fn function(
    template: &Template,
    id: &str,
    node: &Node<'_>,
    stack: &mut Stack,
) -> Result<Function, StackError> {
    let name = template.physical_name(id)?;
    let environment = node.get("Environment")?;
    let environment = environment.map(|node| node.string_map("Variables"));
    let limit = node.opt_integer("ReservedConcurrentExecutions")?;
    let mut function = Function {
        key: id.to_owned(),
        logical_id: id.to_owned(),
        arn: template.arn("lambda", &format!("function:{name}")),
        name,
        memory_mib: node
            .opt_integer("MemorySize")?
            .unwrap_or(DEFAULT_MEMORY_MIB),
        timeout: Duration::from_secs(node.opt_integer("Timeout")?.unwrap_or(DEFAULT_TIMEOUT_S)),
        environment: environment.transpose()?.unwrap_or_default(),
        reserved_concurrency: limit.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        layers: layers(template, node, "Layers", stack)?,
        ..Function::default()
    };
    if let Some(config) = node.get("EventInvokeConfig")? {
        invoke_config(&config, &mut function)?;
    }
    if let Some(image) = image(node)? {
        binary_of_image(&image).clone_into(&mut function.binary);
        return Ok(function);
    }
    if node.opt_string("PackageType")?.as_deref() == Some("Image") {
        function.code = Code::Elsewhere("an image that is still to be built".into());
        return Ok(function);
    }
    let runtime = node.require("Runtime")?.string()?;
    function.handler = node.require("Handler")?.string()?;
    function.code = code(template, node)?;
    if let (true, Code::Folder(folder)) = (is_provided(&runtime), &function.code) {
        let metadata = &template.resource(id, &node.at)?.body["Metadata"];
        if let Some(binary) = built_by_cargo(folder, metadata) {
            function.binary = binary;
            function.code = Code::Built;
        }
    }
    function.runtime = Some(runtime);
    Ok(function)
}

/// Whether code brings its own runtime.
pub fn is_provided(runtime: &str) -> bool {
    runtime.starts_with("provided")
}

fn image(node: &Node<'_>) -> Result<Option<String>, StackError> {
    if let Some(code) = node.get("Code")?
        && let Value::Object(_) = code.value
        && let Some(image) = code.opt_string("ImageUri")?
    {
        return Ok(Some(image));
    }
    node.opt_string("ImageUri")
}

fn code(template: &Template, node: &Node<'_>) -> Result<Code, StackError> {
    if let Some(text) = node.opt_string("InlineCode")? {
        return Ok(Code::Inline(text));
    }
    for (key, bucket, object) in [("Code", "S3Bucket", "S3Key"), ("CodeUri", "Bucket", "Key")] {
        let Some(code) = node.get(key)? else {
            continue;
        };
        if let Value::Object(_) = code.value {
            if let Some(text) = code.opt_string("ZipFile")? {
                return Ok(Code::Inline(text));
            }
            let bucket = code.require(bucket)?.string()?;
            let key = code.require(object)?.string()?;
            return Ok(template.assets.code(&bucket, &key));
        }
        return Ok(code_named(template, &code.string()?));
    }
    Ok(Code::Folder(template.variables.directory().to_owned()))
}

fn code_named(template: &Template, uri: &str) -> Code {
    match uri
        .strip_prefix("s3://")
        .and_then(|rest| rest.split_once('/'))
    {
        Some((bucket, key)) => template.assets.code(bucket, key),
        None => code_at(template.variables.absolute(uri)),
    }
}

/// The binary that cargo builds of a folder which has no executable yet: the one of the build's properties, else that of
/// the package.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/building-rust.html>
fn built_by_cargo(folder: &Path, metadata: &Value) -> Option<String> {
    if folder.join("bootstrap").is_file() {
        return None;
    }
    let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).ok()?;
    if let Some(binary) = metadata["BuildProperties"]["Binary"].as_str() {
        return Some(binary.to_owned());
    }
    let (_, package) = manifest.split_once("[package]")?;
    let name = package.lines().find_map(|line| line.strip_prefix("name"))?;
    Some(name.split('"').nth(1)?.to_owned())
}

/// The layers of a function: those that the file declares. Others are told to be missing.
pub fn layers(
    template: &Template,
    node: &Node<'_>,
    key: &str,
    stack: &mut Stack,
) -> Result<Vec<PathBuf>, StackError> {
    let mut found = Vec::new();
    for layer in node
        .raw(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let declared = layer["Ref"].as_str().filter(|id| {
            let resource = template.resources.get(*id);
            resource.is_some_and(|resource| resource.kind == "AWS::Lambda::LayerVersion")
        });
        match declared {
            Some(id) => match layer_at(template, id)? {
                Code::Folder(path) | Code::Archive(path) => found.push(path),
                _ => stack
                    .not_run
                    .push(NotRun::new("layer without a file here", id, Why::NotHere)),
            },
            None => {
                let arn = template.text(layer, &format!("{}.{key}", node.at))?;
                stack.not_run.push(NotRun::new("layer", &arn, Why::NotHere));
            }
        }
    }
    Ok(found)
}

fn layer_at(template: &Template, id: &str) -> Result<Code, StackError> {
    let layer = template.resource(id, id)?;
    let node = Node::new(template, &layer.body["Properties"], layer.at.clone())?;
    if let Some(uri) = node.opt_string("ContentUri")? {
        return Ok(code_named(template, &uri));
    }
    let content = node.require("Content")?;
    let bucket = content.require("S3Bucket")?.string()?;
    let key = content.require("S3Key")?.string()?;
    Ok(template.assets.code(&bucket, &key))
}

/// How a function is invoked asynchronously.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-eventinvokeconfig.html>
fn invoke_config(config: &Node<'_>, function: &mut Function) -> Result<(), StackError> {
    function.maximum_retry_attempts = config
        .opt_integer("MaximumRetryAttempts")?
        .map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX));
    function.maximum_event_age = config
        .opt_integer("MaximumEventAgeInSeconds")?
        .map(Duration::from_secs);
    let destinations = config.get("DestinationConfig")?;
    let failure = destinations.map(|node| node.get("OnFailure")).transpose()?;
    function.on_failure = match failure.flatten() {
        Some(failure) => failure.opt_string("Destination")?,
        None => None,
    };
    Ok(())
}

/// Gives functions what resources of their own say of how they are invoked.
pub fn add_invoke_configs(template: &Template, stack: &mut Stack) -> Result<(), StackError> {
    for resource in template.resources.values() {
        if resource.kind != "AWS::Lambda::EventInvokeConfig" {
            continue;
        }
        let node = Node::new(template, &resource.body["Properties"], resource.at.clone())?;
        let named = node.require("FunctionName")?.string()?;
        let functions = &mut stack.functions;
        let named = |function: &&mut Function| function.name == named || function.arn == named;
        if let Some(function) = functions.iter_mut().find(named) {
            invoke_config(&node, function)?;
        }
    }
    Ok(())
}
