//! Whatever a build names, what lies below more than one package is compiled with one set of features, so once.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
};

/// Package with version -> every set of features with which it is compiled.
type Features = BTreeMap<String, BTreeSet<String>>;

fn features(arguments: &[&str]) -> Features {
    let output = Command::new(env!("CARGO"))
        .current_dir(end_to_end::root())
        .args(["tree", "--locked", "--prefix", "none", "--no-dedupe"])
        .args(["--format", "{p}|{f}"])
        .args(arguments)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let mut found = Features::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        // An empty line parts the trees of two packages.
        let Some((package, features)) = line.split_once('|') else {
            continue;
        };
        // A package of this workspace is followed by its folder: each is small and builds fast.
        let others = !package.contains(" (/");
        if others {
            let package = package.trim_end_matches(" (proc-macro)").to_owned();
            found
                .entry(package)
                .or_default()
                .insert(features.to_owned());
        }
    }
    found
}

/// The packages that a build may name: functions, workers and the command.
fn binaries() -> Vec<String> {
    let mut packages = vec!["hybrid".to_owned()];
    for folder in ["functions", "workers"] {
        for entry in std::fs::read_dir(end_to_end::root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                packages.push(path.file_name().unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    packages
}

#[test]
fn every_binary_is_built_on_the_same_features_as_the_workspace_and_its_tests() {
    let whole = features(&["--workspace", "--edges", "normal,build,dev"]);
    let mut other = BTreeSet::new();
    for package in binaries() {
        for (below, sets) in features(&["--package", &package, "--edges", "normal,build"]) {
            for set in sets.difference(&whole[&below]) {
                let united = &whole[&below];
                other.insert(format!(
                    "{below}: {set:?} for {package}, {united:?} for all"
                ));
            }
        }
    }
    let other: Vec<String> = other.into_iter().collect();
    assert!(
        other.is_empty(),
        "name the missing features in shared/features/Cargo.toml:\n{}",
        other.join("\n")
    );
}
