//! Least privilege, both ways: every role allows what its owner calls, and nothing else.
//!
//! What a function calls is read from its sources, what a state machine calls from its definition; what they may call is
//! read from the inline policies of their roles.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    Finding, calls,
    running::workers,
    template::{Template, included, many},
};
use crate::{Error, Name};

type Actions = BTreeSet<String>;

/// A finding for every action that a role lacks, and a warning for every one that nothing needs.
pub fn check(root: &Path, template: &Template) -> Result<Vec<Finding>, Error> {
    let roles = Roles::read(template);
    let mut findings = Vec::new();
    for (key, function) in &template.functions {
        findings.extend(function_calls(root, &roles, key, function)?);
    }
    findings.extend(worker_calls(root, &roles)?);
    for (id, resource) in template.of("AWS::StepFunctions::StateMachine") {
        findings.extend(machine_calls(
            root,
            &roles,
            id,
            &resource.body["Properties"],
        )?);
    }
    Ok(findings)
}

/// The actions that each role allows; an invocation counts per function, as `lambda:InvokeFunction TunerLambdaFunction`.
struct Roles<'a> {
    template: &'a Template,
    allowed: BTreeMap<String, Actions>,
}

impl<'a> Roles<'a> {
    fn read(template: &'a Template) -> Self {
        let mut allowed: BTreeMap<String, Actions> = BTreeMap::new();
        for (id, role) in template.of("AWS::IAM::Role") {
            let actions = allowed.entry(id.clone()).or_default();
            for policy in many(&role.body["Properties"]["Policies"]) {
                actions.extend(granted(&policy["PolicyDocument"]));
            }
        }
        // A policy apart from its roles.
        for (_, policy) in template.of("AWS::IAM::Policy") {
            let properties = &policy.body["Properties"];
            for role in many(&properties["Roles"]) {
                if let Some(id) = role["Ref"].as_str() {
                    let actions = allowed.entry(id.to_owned()).or_default();
                    actions.extend(granted(&properties["PolicyDocument"]));
                }
            }
        }
        Self { template, allowed }
    }

    /// The differences between what the owner of a role needs and what the role allows.
    fn compare(&self, role: &str, owner: &str, needed: &Actions, by_target: bool) -> Vec<Finding> {
        let file = self.template.file_of(role);
        let Some(allowed) = self.allowed.get(role) else {
            // Another finding tells of a role that is not there.
            return Vec::new();
        };
        let managed = &self.template.resources[role].body["Properties"]["ManagedPolicyArns"];
        let allowed: Actions = match by_target {
            true => allowed.clone(),
            // Code names the function that it invokes at run time.
            false => allowed
                .iter()
                .map(|action| without_target(action))
                .collect(),
        };
        let lacking = needed.iter().filter(|action| !allows(&allowed, action));
        // What a managed policy allows is not in the template.
        let lacking = lacking.filter(|_| managed.is_null()).map(|action| {
            let message = format!("{role} lacks {action}, which {owner} calls");
            Finding::error(file, message)
        });
        let idle = allowed
            .iter()
            .filter(|action| !action.contains('*') && !needed.contains(*action));
        let idle = idle.map(|action| {
            let message = format!("{role} does not need {action}: {owner} does not call it");
            Finding::warning(file, message)
        });
        lacking.chain(idle).collect()
    }
}

fn granted(document: &Value) -> Actions {
    let mut actions = Actions::new();
    let statements = many(&document["Statement"]);
    for statement in statements.iter().filter(|it| it["Effect"] == "Allow") {
        for action in many(&statement["Action"]) {
            let Some(action) = action.as_str() else {
                continue;
            };
            for resource in many(&statement["Resource"]) {
                actions.insert(match (action, &resource["Fn::GetAtt"][0]) {
                    ("lambda:InvokeFunction", Value::String(function)) => {
                        format!("{action} {function}")
                    }
                    _ => action.to_owned(),
                });
            }
        }
    }
    actions
}

fn without_target(action: &str) -> String {
    action.split(' ').next().unwrap_or(action).to_owned()
}

/// Whether the action is among those allowed, by itself, for every target, or by a pattern such as `s3:Get*`.
fn allows(allowed: &Actions, action: &str) -> bool {
    allowed.contains(action)
        || allowed.contains(&without_target(action))
        || allowed.iter().any(|pattern| {
            pattern
                .strip_suffix('*')
                .is_some_and(|start| action.starts_with(start))
        })
}

fn owned(actions: &[&str]) -> Actions {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

fn function_calls(
    root: &Path,
    roles: &Roles<'_>,
    key: &str,
    function: &Value,
) -> Result<Vec<Finding>, Error> {
    let Some(role) = function["role"].as_str() else {
        let message = format!(
            "function {key} has no role of its own, so what it calls is not compared with what it may call"
        );
        return Ok(vec![Finding::warning("serverless.yml", message)]);
    };
    let handler = function["handler"].as_str().unwrap_or_default();
    let Some(folder) = crate_folder(root, handler) else {
        return Ok(Vec::new());
    };
    let mut needed = called_by_code(&folder)?;
    needed.extend(owned(&calls::EVERY_FUNCTION.concat()));
    // Lambda hands a failed event over in the function's own name.
    match &function["destinations"]["onFailure"] {
        Value::Null => {}
        queue if queue["type"] == "sqs" => needed.extend(owned(&["sqs:SendMessage"])),
        topic if topic["type"] == "sns" => needed.extend(owned(&["sns:Publish"])),
        bus if bus["type"] == "eventBus" => needed.extend(owned(&["events:PutEvents"])),
        _ => needed.extend(owned(&["lambda:InvokeFunction"])),
    }
    Ok(roles.compare(role, &format!("function {key}"), &needed, false))
}

/// All workers that share a role need what each of them needs.
fn worker_calls(root: &Path, roles: &Roles<'_>) -> Result<Vec<Finding>, Error> {
    let mut needed: BTreeMap<&str, Actions> = BTreeMap::new();
    let workers = workers(root);
    for (_, task) in roles.template.of("AWS::ECS::TaskDefinition") {
        let properties = &task.body["Properties"];
        let Some(role) = properties["TaskRoleArn"]["Fn::GetAtt"][0].as_str() else {
            continue;
        };
        for container in many(&properties["ContainerDefinitions"]) {
            let name = container["Name"].as_str().unwrap_or_default();
            if workers.contains(name) {
                let actions = needed.entry(role).or_default();
                actions.extend(called_by_code(
                    &root.join("workers").join(name).join("src"),
                )?);
                actions.extend(owned(calls::CONTAINER));
            }
        }
    }
    let compare = |(role, needed): (&str, Actions)| roles.compare(role, "a worker", &needed, true);
    Ok(needed.into_iter().flat_map(compare).collect())
}

fn machine_calls(
    root: &Path,
    roles: &Roles<'_>,
    id: &str,
    properties: &Value,
) -> Result<Vec<Finding>, Error> {
    let file = roles.template.file_of(id);
    let Some(role) = properties["RoleArn"]["Fn::GetAtt"][0].as_str() else {
        let message =
            format!("the role of {id} is none of this stack, so what it allows is not known");
        return Ok(vec![Finding::warning(file, message)]);
    };
    let definition = match properties["Definition"].as_str().and_then(included) {
        Some(file) => {
            let path = root.join(file);
            let text = fs::read_to_string(&path).map_err(|source| Error::File { path, source })?;
            // A definition that is no JSON is told of by its own check.
            serde_json::from_str(&text).unwrap_or_default()
        }
        None => properties["Definition"].clone(),
    };
    let mut called = Called {
        substitutions: &properties["DefinitionSubstitutions"],
        needed: Actions::new(),
        unknown: BTreeSet::new(),
    };
    if !properties["LoggingConfiguration"].is_null()
        || !properties["TracingConfiguration"].is_null()
    {
        called
            .needed
            .extend(owned(&calls::EVERY_STATE_MACHINE.concat()));
    }
    called.by_state(&definition);
    let unknown = called.unknown.iter().map(|resource| {
        let message =
            format!("what {resource} in {id} calls is not known here; see that {role} allows it");
        Finding::warning(file, message)
    });
    let mut findings: Vec<Finding> = unknown.collect();
    findings.extend(roles.compare(role, id, &called.needed, true));
    Ok(findings)
}

/// What a definition calls.
struct Called<'a> {
    substitutions: &'a Value,
    needed: Actions,
    unknown: BTreeSet<String>,
}

impl Called<'_> {
    fn by_state(&mut self, node: &Value) {
        match node {
            Value::Object(object) => {
                // Every `Resource` of a definition is a call: of a Task, an ItemReader or a ResultWriter.
                if let Some(resource) = object.get("Resource").and_then(Value::as_str) {
                    self.by_resource(resource, object);
                }
                if node["ProcessorConfig"]["Mode"] == "DISTRIBUTED" {
                    self.needed.extend(owned(calls::DISTRIBUTED));
                }
                object.values().for_each(|child| self.by_state(child));
            }
            Value::Array(items) => items.iter().for_each(|item| self.by_state(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn by_resource(&mut self, resource: &str, state: &Map<String, Value>) {
        if let Some(id) = self.substituted(resource) {
            // A function's or an activity's own ARN; only the function must be invoked.
            self.needed.extend(invoked(&id));
            return;
        }
        let known = calls::INTEGRATIONS
            .iter()
            .find(|(name, _)| *name == resource);
        match known {
            Some((_, actions)) => self.needed.extend(owned(actions)),
            None => {
                self.unknown.insert(resource.to_owned());
            }
        }
        if resource.starts_with("arn:aws:states:::lambda:invoke") {
            let arguments = state.get("Arguments").or(state.get("Parameters"));
            let name = arguments.and_then(|it| it["FunctionName"].as_str());
            if let Some(id) = name.and_then(|name| self.substituted(name)) {
                self.needed.extend(invoked(&id));
            }
        }
    }

    /// Logical id of the resource that `${Name}` stands for, perhaps with a version or alias behind it.
    fn substituted(&self, text: &str) -> Option<String> {
        let name = text.strip_prefix("${")?.split('}').next()?;
        let value = &self.substitutions[name];
        let id = value["Fn::GetAtt"][0].as_str().or(value["Ref"].as_str());
        id.map(str::to_owned)
    }
}

fn invoked(logical_id: &str) -> Option<String> {
    logical_id
        .ends_with("LambdaFunction")
        .then(|| format!("lambda:InvokeFunction {logical_id}"))
}

fn crate_folder(root: &Path, name: &str) -> Option<PathBuf> {
    // A handler of another runtime is no crate.
    Name::new(name).ok()?;
    let mut folders = ["functions", "workers"]
        .map(|group| root.join(group).join(name).join("src"))
        .into_iter();
    folders.find(|folder| folder.is_dir())
}

/// What the code of a function or worker calls.
fn called_by_code(folder: &Path) -> Result<Actions, Error> {
    let text = sources(folder)?;
    let words = calls::WORDS.iter().filter(|(word, _)| text.contains(word));
    let mut called: Actions = words.flat_map(|(_, actions)| owned(actions)).collect();
    if text.contains("worker::run") {
        called.extend(owned(calls::WORKER));
    }
    Ok(called)
}

/// The sources of a crate without their tests.
///
/// # Errors
/// [`Error::File`] names what cannot be read.
pub fn sources(folder: &Path) -> Result<String, Error> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        |source| Error::File { path, source }
    };
    let mut text = String::new();
    for entry in fs::read_dir(folder).map_err(failed(folder))? {
        let path = entry.map_err(failed(folder))?.path();
        let is_test = path
            .file_stem()
            .is_some_and(|name| name.to_string_lossy().ends_with("tests"));
        if path.is_dir() {
            text += &sources(&path)?;
        } else if path.extension().is_some_and(|it| it == "rs") && !is_test {
            let file = fs::read_to_string(&path).map_err(failed(&path))?;
            text += file.split("#[cfg(test)]").next().unwrap_or_default();
        }
    }
    Ok(text)
}
