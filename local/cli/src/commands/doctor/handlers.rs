//! What the handlers of a project need: the interpreters of their runtimes, their modules, or a command.

use std::collections::BTreeMap;
use std::path::Path;

use cloud::programs::{Language, Programs};
use stack::{Code, Function, Stack};

use super::{Finding, Purpose};
use crate::project::Project;

/// What is there and what is missing.
pub async fn findings(project: &Project, stack: &Stack) -> Vec<Finding> {
    let programs = Programs::of(project.root());
    let mut runtimes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut findings = Vec::new();
    for function in &stack.functions {
        let runtime = function.runtime.as_deref();
        let language = runtime.filter(|runtime| Language::of(runtime).is_some());
        match (language, &function.code) {
            (Some(runtime), code) if !matches!(code, Code::Elsewhere(_)) => {
                *runtimes.entry(runtime).or_default() += 1;
            }
            _ => {
                if let Err(cure) = programs.runs(function).await {
                    let what = format!("function {}", function.key);
                    findings.push(finding(&what, Err(cure.to_string())));
                }
            }
        }
    }
    for (runtime, functions) in runtimes {
        let Some(language) = Language::of(runtime) else {
            continue;
        };
        let found = programs.interpreter(language, runtime).await;
        let found = found.map(|found| format!("{} ({})", found.version, found.program.display()));
        let what = match functions {
            1 => format!("{runtime} of a function"),
            _ => format!("{runtime} of {functions} functions"),
        };
        findings.push(finding(&what, found.map_err(|error| error.to_string())));
    }
    findings.extend(modules(project.root(), &stack.functions));
    findings
}

fn finding(what: &str, found: Result<String, String>) -> Finding {
    let (found, missing) = match found {
        Ok(found) => (Some(found), None),
        Err(cure) => (None, Some(cure)),
    };
    Finding {
        purpose: Purpose::Run,
        what: what.to_owned(),
        found,
        missing,
    }
}

/// Modules that a function's folder asks for and nobody has installed.
fn modules(root: &Path, functions: &[Function]) -> Vec<Finding> {
    let environments = [".venv", "venv"].map(|name| root.join(name));
    let has_environment =
        std::env::var_os("VIRTUAL_ENV").is_some() || environments.iter().any(|path| path.is_dir());
    let mut folders: Vec<&Path> = functions
        .iter()
        .filter_map(|function| match &function.code {
            Code::Folder(folder) => Some(folder.as_path()),
            _ => None,
        })
        .collect();
    folders.sort();
    folders.dedup();
    let mut findings = Vec::new();
    for folder in folders {
        let requirements = folder.join("requirements.txt");
        if requirements.is_file() && !has_environment {
            let shown = requirements.display();
            let cure = format!(
                "`python3 -m venv .venv && .venv/bin/pip install -r {shown}` in the project"
            );
            findings.push(finding(&format!("the modules of {shown}"), Err(cure)));
        }
        let asks = std::fs::read_to_string(folder.join("package.json"));
        let asks = asks.is_ok_and(|text| text.contains("\"dependencies\""));
        if asks && !folder.join("node_modules").is_dir() {
            let what = format!("the modules of {}", folder.join("package.json").display());
            let cure = format!("`npm install` in {}", folder.display());
            findings.push(finding(&what, Err(cure)));
        }
    }
    findings
}
