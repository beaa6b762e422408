//! The table against the files that must agree with it: schemas, task and job definitions, permissions.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::*;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn workers() -> Vec<String> {
    let folders = fs::read_dir(root().join("workers")).unwrap();
    let folders = folders
        .map(Result::unwrap)
        .filter(|entry| entry.path().is_dir());
    folders
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn placements_read_back_as_written() {
    for placement in Placement::ALL {
        let name = placement.as_str();
        assert_eq!(name.parse(), Ok(placement));
        assert_eq!(serde_json::to_value(placement).unwrap(), json!(name));
        assert_eq!(
            serde_json::from_value::<Placement>(json!(name)).unwrap(),
            placement
        );
        assert!(name.len() <= Placement::WIDTH);
    }
    let unknown = serde_json::from_value::<Placement>(json!("EC2")).unwrap_err();
    assert!(
        unknown.to_string().contains("`EC2` is not one of LAMBDA, "),
        "{unknown}"
    );
    assert_eq!(format!("[{:<8}]", Placement::Batch), "[BATCH   ]");
}

#[test]
fn no_two_placements_look_or_start_alike() {
    for (at, one) in Placement::ALL.into_iter().enumerate() {
        for other in &Placement::ALL[at + 1..] {
            assert_ne!(one.class(), other.class());
            assert_ne!(one.colour(), other.colour());
            assert_ne!(one.starter(), other.starter());
        }
    }
    assert_eq!(
        Placement::of_task("FARGATE_SPOT"),
        Some(Placement::FargateSpot)
    );
    assert_eq!(Placement::of_job("SPOT"), Placement::BatchSpot);
    assert_eq!(Placement::of_task("SPOT"), None);
}

/// Every list of placements in a schema, wherever it stands.
fn lists<'a>(schema: &'a Value, found: &mut Vec<&'a Vec<Value>>) {
    match schema {
        Value::Object(fields) => {
            let names = fields.get("enum").and_then(Value::as_array);
            let are_placements = |names: &&Vec<Value>| {
                names
                    .iter()
                    .any(|name| serde_json::from_value::<Placement>(name.clone()).is_ok())
            };
            found.extend(names.filter(are_placements));
            fields.values().for_each(|value| lists(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| lists(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn the_schemas_of_the_pipelines_list_every_placement() {
    let all = Placement::ALL.map(|placement| json!(placement)).to_vec();
    let mut seen = 0;
    for entry in fs::read_dir(root().join("statemachines")).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".schema.json") {
            continue;
        }
        let schema: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let mut found = Vec::new();
        lists(&schema, &mut found);
        seen += found.len();
        for list in found {
            // Beside the placements may stand that the dispatcher chooses.
            let mut named = list.clone();
            named.retain(|name| name != "AUTO");
            assert_eq!(named, all, "{}", path.display());
        }
    }
    assert!(seen > 0, "no schema lists placements");
}

#[test]
fn the_stack_has_a_definition_of_every_worker_for_every_placement() {
    let (stack, fargate) = (text("serverless.yml"), text("deploy/fargate.yml"));
    let (batch, iam) = (text("deploy/batch.yml"), text("deploy/iam.yml"));
    let has = |file: &str, line: String| assert!(file.contains(&line), "no `{line}`");
    for placement in Placement::ALL {
        for worker in workers() {
            let name = placement.definition("${self:custom.prefix}", &worker);
            match placement.starter() {
                // Functions are named by the Serverless Framework: service, stage, key of the function.
                Starter::Function => has(
                    &stack,
                    "  prefix: ${self:service}-${sls:stage}\n".to_owned(),
                ),
                Starter::Task { .. } => {
                    has(&fargate, format!("Family: {name}\n"));
                    has(&iam, format!(":task-definition/{name}:*\""));
                }
                Starter::Job { .. } => {
                    has(&batch, format!("JobDefinitionName: {name}\n"));
                    has(&iam, format!(":job-definition/{name}\""));
                    has(&iam, format!(":job-definition/{name}:*\""));
                }
            }
        }
        match placement.starter() {
            Starter::Function => {}
            Starter::Task { provider } => {
                let providers = fargate
                    .lines()
                    .find(|line| line.contains("CapacityProviders: ["));
                assert!(
                    providers
                        .unwrap()
                        .split(['[', ']', ','])
                        .any(|one| one.trim() == provider)
                );
            }
            Starter::Job { queue, compute } => {
                has(&stack, format!("      {queue}: "));
                has(&batch, format!("        Type: {compute}\n"));
            }
        }
    }
}
