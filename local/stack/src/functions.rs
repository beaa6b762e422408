//! The `functions:` section of the Serverless Framework.
//! <https://www.serverless.com/framework/docs/providers/aws/guide/functions>

use std::time::Duration;

use serde_json::Value;

use super::names::binary_of_image;

use super::intrinsics::Template;
use super::names::function_logical_id;
use super::node::Node;
use super::read::read_target_input;
use super::{Env, Function, Rule, RuleTarget, Stack, StackError};

/// Serverless Framework default: <https://www.serverless.com/framework/docs/providers/aws/guide/functions>
const DEFAULT_MEMORY_MIB: u64 = 1024;
/// Serverless Framework default, seconds.
const DEFAULT_TIMEOUT_S: u64 = 6;

/// Reads every function, and the rules that its events stand for.
pub fn read_functions(template: &Template, stack: &mut Stack) -> Result<(), StackError> {
    let provider = Node::new(
        template,
        &template.variables.root()["provider"],
        "provider".into(),
    )?;
    let defaults = FunctionDefaults {
        memory_mib: provider
            .opt_integer("memorySize")?
            .unwrap_or(DEFAULT_MEMORY_MIB),
        timeout_s: provider
            .opt_integer("timeout")?
            .unwrap_or(DEFAULT_TIMEOUT_S),
        environment: provider.string_map("environment")?,
    };
    for (key, function) in template.functions()? {
        let node = Node::new(template, &function, format!("functions.{key}"))?;
        let function = read_function(template, &key, &node, &defaults)?;
        for (index, event) in node.list("events")?.iter().enumerate() {
            read_event(template, &function, index + 1, event, stack)?;
        }
        stack.functions.push(function);
    }
    Ok(())
}

struct FunctionDefaults {
    memory_mib: u64,
    timeout_s: u64,
    environment: Env,
}

fn read_function(
    template: &Template,
    key: &str,
    node: &Node<'_>,
    defaults: &FunctionDefaults,
) -> Result<Function, StackError> {
    let stack_name = template.stack_name();
    let name = node
        .opt_string("name")?
        .unwrap_or_else(|| format!("{stack_name}-{key}"));
    let handler = node.opt_string("handler")?;
    let binary = match (&handler, node.get("image")?) {
        (Some(handler), None) => binary_of_handler(key, handler),
        (None, Some(image)) => binary_of_image(&image_name(&image)?).to_owned(),
        (None, None) => return Err(node.error("expected `handler` or `image`")),
        (Some(_), Some(_)) => return Err(node.error("`handler` and `image` exclude each other")),
    };
    let mut environment = defaults.environment.clone();
    environment.extend(node.string_map("environment")?);
    let concurrency = node.opt_integer("reservedConcurrency")?;
    Ok(Function {
        key: key.to_owned(),
        logical_id: function_logical_id(key),
        arn: template.arn("lambda", &format!("function:{name}")),
        name,
        binary,
        handler: handler.unwrap_or_default(),
        memory_mib: node
            .opt_integer("memorySize")?
            .unwrap_or(defaults.memory_mib),
        timeout: Duration::from_secs(node.opt_integer("timeout")?.unwrap_or(defaults.timeout_s)),
        environment,
        reserved_concurrency: concurrency.map(|limit| u32::try_from(limit).unwrap_or(u32::MAX)),
        maximum_retry_attempts: node
            .opt_integer("maximumRetryAttempts")?
            .map(|attempts| u32::try_from(attempts).unwrap_or(u32::MAX)),
        maximum_event_age: node
            .opt_integer("maximumEventAge")?
            .map(Duration::from_secs),
        on_failure: on_failure(template, node)?,
    })
}

/// `destinations.onFailure`: the key of a function of this file, an ARN, or `{type, arn}`.
/// <https://www.serverless.com/framework/docs/providers/aws/guide/functions#lambda-destinations>
fn on_failure(template: &Template, node: &Node<'_>) -> Result<Option<String>, StackError> {
    let destination = match node.get("destinations")? {
        Some(destinations) => destinations.get("onFailure")?,
        None => None,
    };
    let Some(destination) = destination else {
        return Ok(None);
    };
    if let Value::Object(_) = destination.value {
        return destination.require("arn")?.string().map(Some);
    }
    let written = destination.string()?;
    if written.starts_with("arn:") {
        return Ok(Some(written));
    }
    let Some(name) = template.function_name(&written) else {
        return Err(destination.error(format!("`{written}` is neither a function nor an ARN")));
    };
    Ok(Some(template.arn("lambda", &format!("function:{name}"))))
}

/// The serverless-rust convention is `package` or `package.binary`; `bootstrap` is the custom
/// runtime's own name and says nothing, so the key stands for it.
fn binary_of_handler(key: &str, handler: &str) -> String {
    match handler.rsplit(['.', '/']).next() {
        None | Some("" | "bootstrap" | "handler" | "provided") => key.to_owned(),
        Some(binary) => binary.to_owned(),
    }
}

fn image_name(image: &Node<'_>) -> Result<String, StackError> {
    match image.value {
        Value::Object(_) => match image.opt_string("uri")? {
            Some(uri) => Ok(uri),
            None => image.require("name")?.string(),
        },
        _ => image.string(),
    }
}

/// `schedule` and `eventBridge` events become the rules that the framework would make; others need
/// services this cloud does not have, and are left alone.
fn read_event(
    template: &Template,
    function: &Function,
    number: usize,
    event: &Node<'_>,
    stack: &mut Stack,
) -> Result<(), StackError> {
    let Value::Object(_) = event.value else {
        return Ok(());
    };
    let name = format!("{}-rule-{number}", function.name);
    let target = |node: &Node<'_>| {
        read_target_input(
            node,
            "input",
            "inputPath",
            "inputTransformer",
            &function.arn,
        )
    };
    if let Some(bridge) = event.get("eventBridge")? {
        stack.rules.push(Rule {
            logical_id: format!("{}EventBridge{number}", function.logical_id),
            arn: template.arn("events", &format!("rule/{name}")),
            event_bus: bridge
                .opt_string("eventBus")?
                .unwrap_or_else(|| "default".into()),
            pattern: bridge
                .get("pattern")?
                .map_or(Ok(Value::Null), |pattern| pattern.deep())?,
            schedule_expression: bridge.opt_string("schedule")?,
            enabled: bridge
                .get("enabled")?
                .map_or(Ok(true), |enabled| enabled.boolean())?,
            targets: vec![target(&bridge)?],
            name,
        });
    } else if let Some(schedule) = event.get("schedule")? {
        let full = matches!(schedule.value, Value::Object(_));
        let rates = if full {
            schedule.strings("rate")?
        } else {
            vec![schedule.string()?]
        };
        let enabled = !full
            || schedule
                .get("enabled")?
                .map_or(Ok(true), |enabled| enabled.boolean())?;
        for (index, rate) in rates.into_iter().enumerate() {
            let name = format!("{}-schedule-{number}-{}", function.name, index + 1);
            stack.rules.push(Rule {
                logical_id: format!("{}Schedule{number}x{}", function.logical_id, index + 1),
                arn: template.arn("events", &format!("rule/{name}")),
                event_bus: "default".into(),
                pattern: Value::Null,
                schedule_expression: Some(rate),
                enabled,
                targets: vec![if full {
                    target(&schedule)?
                } else {
                    RuleTarget {
                        id: "1".into(),
                        arn: function.arn.clone(),
                        ..RuleTarget::default()
                    }
                }],
                name,
            });
        }
    }
    Ok(())
}
