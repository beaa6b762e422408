//! A folder with nothing but definitions and, beside them, the functions that they call: every `*.asl.json`, `*.asl.yaml`
//! and `*.asl.yml` is a state machine, and every file with a `handler` or `lambda_handler` a function. A function is called
//! as its file, or as the folder of a file with a name such as `app.py`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::assets::folder_name;
use super::error::Place;
use super::machines::{of_file, stem, substituted};
use super::variables::read;
use super::{
    ACCOUNT, Code, Env, Function, Options, Stack, StackError, StateMachine, StateMachineKind,
};

/// How deep a folder is looked through.
const DEPTH: usize = 3;
/// Folders in which nobody keeps definitions.
const SKIPPED: &[&str] = &[
    "__pycache__",
    "build",
    "cdk.out",
    "node_modules",
    "out",
    "target",
    "venv",
];
/// File names that say nothing of the function.
const PLAIN: &[&str] = &["app", "handler", "index", "lambda_function", "main", "mod"];
/// What definitions append to a function's name.
const SUFFIXES: &[&str] = &["arn", "name", "function", "lambda", "statemachine"];
/// What a function whose folder says nothing of it may use.
const MEMORY_MIB: u64 = 512;
const TIMEOUT: Duration = Duration::from_secs(60);

/// The definitions that a folder holds, as far as they can be found: what cannot be read is told when it is read.
pub fn definitions(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let _ = walk(folder, DEPTH, &mut files);
    files.retain(|file| is_definition(file));
    files
}

/// Whether a file is a definition by its name.
fn is_definition(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let endings = [".asl.json", ".asl.yaml", ".asl.yml"];
    name.is_some_and(|name| endings.iter().any(|ending| name.ends_with(ending)))
}

/// Reads the folder.
pub fn load(folder: &Path, options: &Options) -> Result<Stack, StackError> {
    let mut files = Vec::new();
    walk(folder, DEPTH, &mut files)?;
    let mut stack = Stack {
        service: folder_name(folder),
        stage: options.stage.clone().unwrap_or_else(|| "dev".into()),
        region: options.region.clone().unwrap_or_else(|| "us-east-1".into()),
        account: ACCOUNT.to_owned(),
        ..Stack::default()
    };
    let arn =
        |service: &str, rest: &str| format!("arn:aws:{service}:{}:{ACCOUNT}:{rest}", stack.region);
    let mut functions = BTreeMap::new();
    for file in files.iter().filter(|file| !is_definition(file)) {
        if let Some(function) = function(file)? {
            functions.entry(function.name.clone()).or_insert(function);
        }
    }
    let mut machines = BTreeMap::new();
    for path in files.iter().filter(|file| is_definition(file)) {
        let Some(name) = stem(path) else {
            continue;
        };
        if let Some(other) = machines.insert(name.clone(), path.clone()) {
            let message = format!(
                "two definitions are named {name}: {} is another",
                other.display()
            );
            return Err(StackError::NoStack {
                path: path.clone(),
                message,
            });
        }
    }
    if machines.is_empty() {
        let message = "no *.asl.json, *.asl.yaml or *.asl.yml".to_owned();
        return Err(StackError::NoStack {
            path: folder.to_owned(),
            message,
        });
    }
    let functions = functions.into_values().map(|function| Function {
        arn: arn("lambda", &format!("function:{}", function.name)),
        ..function
    });
    let functions: Vec<Function> = functions.collect();
    let named = machines.iter().map(|(name, path)| StateMachine {
        logical_id: name.clone(),
        name: name.clone(),
        arn: arn("states", &format!("stateMachine:{name}")),
        kind: StateMachineKind::Standard,
        role_arn: format!("arn:aws:iam::{ACCOUNT}:role/{}-states", stack.service),
        source: Some(path.clone()),
        pipeline: Some(name.clone()),
        ..StateMachine::default()
    });
    let mut named: Vec<StateMachine> = named.collect();
    stack.functions = functions;
    stack.state_machines = named.clone();
    for (machine, path) in named.iter_mut().zip(machines.values()) {
        let text = read(path)?;
        let values = values(&stack, options, &text, path)?;
        let text = of_file(path, &text, &values)?;
        machine.definition = here(&substituted(&text, &values), &stack.region);
    }
    stack.state_machines = named;
    Ok(stack)
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), StackError> {
    let failed = |source| StackError::Read {
        path: folder.to_owned(),
        source,
    };
    let mut inside = Vec::new();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        match path.is_dir() {
            true if !name.starts_with('.') && !SKIPPED.contains(&&*name) => inside.push(path),
            true => {}
            false => found.push(path),
        }
    }
    found.sort();
    inside.sort();
    files.extend(found);
    if depth > 1 {
        for folder in inside {
            walk(&folder, depth - 1, files)?;
        }
    }
    Ok(())
}

/// The function in a file, if there is one.
fn function(file: &Path) -> Result<Option<Function>, StackError> {
    let (Some(name), Some(folder)) = (stem(file), file.parent()) else {
        return Ok(None);
    };
    let ending = file.extension().and_then(|ending| ending.to_str());
    let (runtime, handler) = match ending {
        Some("py") => {
            let text = read(file)?;
            let defined = |name: &&str| {
                let starts = [format!("def {name}("), format!("{name} =")];
                let mut lines = text.lines();
                lines.any(|line| starts.iter().any(|start| line.starts_with(start)))
            };
            let handler = ["lambda_handler", "handler"].into_iter().find(defined);
            ("python3.13", handler)
        }
        Some("js" | "mjs" | "cjs") => {
            let text = read(file)?;
            let exported = text.lines().any(|line| {
                (line.contains("exports") || line.starts_with("export "))
                    && line.contains("handler")
            });
            ("nodejs22.x", exported.then_some("handler"))
        }
        None if name == "bootstrap" => ("provided.al2023", Some("handler")),
        _ => return Ok(None),
    };
    let Some(handler) = handler else {
        return Ok(None);
    };
    let plain = ending.is_none() || PLAIN.contains(&name.as_str());
    let called = match plain {
        true => folder_name(folder),
        false => name.clone(),
    };
    Ok(Some(Function {
        key: called.clone(),
        logical_id: called.clone(),
        name: called,
        handler: format!("{name}.{handler}"),
        runtime: Some(runtime.to_owned()),
        code: Code::Folder(folder.to_owned()),
        memory_mib: MEMORY_MIB,
        timeout: TIMEOUT,
        ..Function::default()
    }))
}

/// Values of the placeholders in a text: those that were given, those of CloudFormation, and functions and state machines
/// by their names.
fn values(stack: &Stack, options: &Options, text: &str, file: &Path) -> Result<Env, StackError> {
    let mut values = Env::new();
    for (index, line) in text.lines().enumerate() {
        for name in placeholders(line) {
            let value = options.params.get(name).cloned();
            let value = value.or_else(|| meant(stack, name)).ok_or_else(|| {
                let place = Place {
                    file: file.to_owned(),
                    line: Some(index + 1),
                    at: format!("${{{name}}}"),
                };
                StackError::Invalid {
                    place: Box::new(place),
                    message: format!(
                        "no function or state machine is called so; give it a value: --param {name}=VALUE"
                    ),
                }
            })?;
            values.insert(name.to_owned(), value);
        }
    }
    Ok(values)
}

fn placeholders(line: &str) -> impl Iterator<Item = &str> {
    let names = line.split("${").skip(1);
    let names = names.filter_map(|rest| rest.split_once('}').map(|(name, _)| name));
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
    names.filter(move |name| !name.is_empty() && name.chars().all(allowed))
}

fn meant(stack: &Stack, name: &str) -> Option<String> {
    match name {
        "AWS::Region" => return Some(stack.region.clone()),
        "AWS::AccountId" => return Some(ACCOUNT.to_owned()),
        "AWS::Partition" => return Some("aws".to_owned()),
        "AWS::StackName" => return Some(stack.service.clone()),
        _ => {}
    }
    let wanted = bare(name);
    let functions = stack.functions.iter().map(|one| (&one.name, &one.arn));
    let machines = stack.state_machines.iter().map(|one| (&one.name, &one.arn));
    let (found, arn) = functions
        .chain(machines)
        .find(|(one, _)| bare(one) == wanted)?;
    let as_name = name.to_lowercase().ends_with("name");
    Some(if as_name { found.clone() } else { arn.clone() })
}

/// A name without case, separators and what is appended to it.
fn bare(name: &str) -> String {
    let letters = name.chars().filter(char::is_ascii_alphanumeric);
    let name: String = letters.map(|c| c.to_ascii_lowercase()).collect();
    let mut name = name.as_str();
    while let Some(rest) = SUFFIXES.iter().find_map(|suffix| name.strip_suffix(suffix)) {
        if rest.is_empty() {
            break;
        }
        name = rest;
    }
    name.to_owned()
}

/// ARNs of what runs here with the region and the account of this place, whichever they were written for.
fn here(text: &str, region: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tail)) = rest.split_once("arn:aws:") {
        out.push_str(before);
        out.push_str("arn:aws:");
        let mut parts = tail.splitn(4, ':');
        let (service, place, account, after) =
            (parts.next(), parts.next(), parts.next(), parts.next());
        let plain = |text: &str| !text.is_empty() && !text.contains(['"', '\n', '\'']);
        rest = match (service, place, account, after) {
            (Some(service @ ("lambda" | "states")), Some(place), Some(account), Some(after))
                if plain(place) && plain(account) =>
            {
                out.push_str(&format!("{service}:{region}:{ACCOUNT}:"));
                after
            }
            _ => tail,
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    const MACHINE: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "End": true,
        "Resource": "${ResizeImageFunctionArn}"}}}"#;

    #[test]
    fn definitions_and_the_functions_beside_them_are_a_stack() {
        let folder = folder(&[
            ("flow.asl.json", MACHINE),
            (
                "more/other.asl.yaml",
                "StartAt: A\nStates:\n  A: {Type: Task, Resource: 'arn:aws:lambda:eu-west-1:999999999999:function:mail', End: true}\n",
            ),
            (
                "resize_image.py",
                "def lambda_handler(event, context):\n    return event\n",
            ),
            (
                "mail/index.mjs",
                "export const handler = async (event) => event\n",
            ),
            ("tool.py", "print('no function')\n"),
        ]);
        let stack = load(folder.path(), &Options::default()).unwrap();
        let functions: Vec<(&str, &str)> = stack
            .functions
            .iter()
            .map(|function| (function.name.as_str(), function.handler.as_str()))
            .collect();
        assert_eq!(
            functions,
            [
                ("mail", "index.handler"),
                ("resize_image", "resize_image.lambda_handler")
            ]
        );
        let definition = |name: &str| stack.state_machine(name).unwrap().definition.clone();
        assert!(definition("flow").contains(&stack.functions[1].arn));
        assert!(
            definition("other").contains(&stack.functions[0].arn),
            "{}",
            definition("other")
        );
    }

    #[test]
    fn a_placeholder_that_means_nothing_is_refused_with_its_place() {
        let folder = folder(&[("flow.asl.json", MACHINE)]);
        let error = load(folder.path(), &Options::default())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("flow.asl.json:2: ${ResizeImageFunctionArn}: no function or state machine is called so"),
            "{error}"
        );
        let options = Options {
            params: [("ResizeImageFunctionArn".to_owned(), "arn:x".to_owned())].into(),
            ..Options::default()
        };
        let stack = load(folder.path(), &options).unwrap();
        assert!(stack.state_machines[0].definition.contains("arn:x"));
    }

    #[test]
    fn arns_of_elsewhere_are_those_of_here() {
        let text = r#"["arn:aws:lambda:REGION:ACCOUNT_ID:function:f", "arn:aws:states:::lambda:invoke", "arn:aws:s3:::b"]"#;
        assert_eq!(
            here(text, "eu-west-1"),
            r#"["arn:aws:lambda:eu-west-1:123456789012:function:f", "arn:aws:states:::lambda:invoke", "arn:aws:s3:::b"]"#
        );
    }
}
