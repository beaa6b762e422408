//! The `functions:` section of the Serverless Framework.
//! <https://www.serverless.com/framework/docs/providers/aws/guide/functions>

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::assets::code_at;
use super::names::binary_of_image;

use super::intrinsics::Template;
use super::names::function_logical_id;
use super::node::Node;
use super::read::read_target_input;
use super::{Code, Env, Function, NotRun, Rule, RuleTarget, Stack, StackError, Why, lambda};

/// Serverless Framework default: <https://www.serverless.com/framework/docs/providers/aws/guide/functions>
const DEFAULT_MEMORY_MIB: u64 = 1024;
/// Serverless Framework default, seconds.
const DEFAULT_TIMEOUT_S: u64 = 6;
/// Serverless Framework default.
const DEFAULT_RUNTIME: &str = "nodejs20.x";

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
        runtime: provider.opt_string("runtime")?,
        layers: lambda::layers(template, &provider, "layers", stack)?,
    };
    for (key, function) in template.functions()? {
        let node = Node::new(template, &function, format!("functions.{key}"))?;
        let mut function = read_function(template, &key, &node, &defaults)?;
        let layers = lambda::layers(template, &node, "layers", stack)?;
        function.layers = match node.raw("layers") {
            Some(_) => layers,
            None => defaults.layers.clone(),
        };
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
    runtime: Option<String>,
    layers: Vec<PathBuf>,
}

fn read_function(
    template: &Template,
    key: &str,
    node: &Node<'_>,
    defaults: &FunctionDefaults,
) -> Result<Function, StackError> {
    let stack_name = template.stack_name.clone();
    let name = node
        .opt_string("name")?
        .unwrap_or_else(|| format!("{stack_name}-{key}"));
    let handler = node.opt_string("handler")?;
    let runtime = match node.opt_string("runtime")? {
        Some(runtime) => Some(runtime),
        None => defaults.runtime.clone(),
    };
    let (binary, runtime, code) = match (&handler, node.get("image")?) {
        (Some(handler), None) => {
            let (runtime, code) = code(template, node, handler, runtime)?;
            (binary_of_handler(key, handler), Some(runtime), code)
        }
        (None, Some(image)) => {
            let binary = binary_of_image(&image_name(&image)?).to_owned();
            (binary, None, Code::Built)
        }
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
        runtime,
        code,
        layers: Vec::new(),
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

/// The runtime of a function and where its code is. Without a runtime the framework takes Node.js; here that is so where the
/// handler's file is there, else it is the executable that cargo builds.
fn code(
    template: &Template,
    node: &Node<'_>,
    handler: &str,
    runtime: Option<String>,
) -> Result<(String, Code), StackError> {
    let module = handler
        .rsplit_once('.')
        .map_or(handler, |(module, _)| module);
    let is_file = |ending: &str| {
        let file = template.variables.absolute(&format!("{module}.{ending}"));
        file.is_file()
    };
    let runtime = match runtime {
        Some(runtime) => runtime,
        None if ["js", "mjs", "cjs"].into_iter().any(is_file) => DEFAULT_RUNTIME.to_owned(),
        None => "provided.al2023".to_owned(),
    };
    let package = match node.get("package")? {
        Some(package) => package.opt_string("artifact")?,
        None => None,
    };
    if let Some(artifact) = package {
        return Ok((runtime, code_at(template.variables.absolute(&artifact))));
    }
    let folder = template.variables.directory().to_owned();
    let brought = !lambda::is_provided(&runtime) || folder.join("bootstrap").is_file();
    let code = if brought {
        Code::Folder(folder)
    } else {
        Code::Built
    };
    Ok((runtime, code))
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
/// services this cloud does not have, and are told.
fn read_event(
    template: &Template,
    function: &Function,
    number: usize,
    event: &Node<'_>,
    stack: &mut Stack,
) -> Result<(), StackError> {
    let mut left = |kind: &str| {
        let (what, name) = (format!("{kind} event"), format!("of {}", function.key));
        stack.not_run.push(NotRun::new(&what, &name, Why::NotHere));
    };
    let Value::Object(kinds) = &event.value else {
        left(event.value.as_str().unwrap_or_default());
        return Ok(());
    };
    for kind in kinds.keys() {
        if !matches!(kind.as_str(), "eventBridge" | "schedule") {
            left(kind);
        }
    }
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
