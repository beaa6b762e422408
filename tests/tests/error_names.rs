//! Every name of our own that a state machine retries or catches is a name that some crate can raise.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use end_to_end::root;
use serde_json::Value;

fn files(folder: &Path, suffix: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, suffix, found);
        } else if path.to_string_lossy().ends_with(suffix) {
            found.push(path);
        }
    }
}

/// All that `Retry` and `Catch` match in a definition.
fn matched(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            let listed = map.get("ErrorEquals").and_then(Value::as_array);
            names.extend(
                listed
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .map(str::to_owned),
            );
            map.values().for_each(|value| matched(value, names));
        }
        Value::Array(items) => items.iter().for_each(|item| matched(item, names)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The text of all sources that are deployed, up to their tests.
fn sources() -> Vec<String> {
    let mut paths = Vec::new();
    for folder in ["shared", "functions", "workers"] {
        files(&root().join(folder), ".rs", &mut paths);
    }
    let deployed = paths
        .iter()
        .filter(|path| !path.to_string_lossy().contains("tests"));
    let code = |path: &PathBuf| {
        fs::read_to_string(path)
            .unwrap()
            .split("#[cfg(test)]")
            .next()
            .unwrap()
            .to_owned()
    };
    deployed.map(code).collect()
}

/// Whether some code raises `name`: by its literal, or by the constant that has it.
fn raised(name: &str, sources: &[String]) -> bool {
    let literal = format!("\"{name}\"");
    let line = |source: &String| {
        source
            .lines()
            .find(|line| line.contains(&literal))
            .map(str::to_owned)
    };
    sources
        .iter()
        .filter_map(line)
        .any(|line| match line.split_once("const ") {
            Some((_, constant)) => {
                let identifier = constant.split(':').next().unwrap();
                sources
                    .iter()
                    .map(|source| source.matches(identifier).count())
                    .sum::<usize>()
                    > 1
            }
            None => true,
        })
}

#[test]
fn state_machines_match_only_names_that_are_raised() {
    let mut definitions = Vec::new();
    files(&root().join("statemachines"), ".asl.json", &mut definitions);
    assert!(
        definitions.len() >= 2,
        "the definitions are not where they were"
    );
    let sources = sources();
    for path in definitions {
        let mut names = BTreeSet::new();
        matched(
            &serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap(),
            &mut names,
        );
        let own = names
            .iter()
            .filter(|name| name.starts_with("Job.") || name.starts_with("Input."));
        for name in own {
            assert!(
                raised(name, &sources),
                "{}: nothing raises {name}",
                path.display()
            );
        }
    }
    assert!(!raised("Job.NobodyRaisesThis", &sources));
}
