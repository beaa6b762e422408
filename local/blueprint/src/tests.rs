//! Whole projects, made in a temporary folder.

use std::{fs, path::Path};

use stack::{Options, Stack};

use super::*;

fn origin() -> Origin {
    Origin::Path(concat!(env!("CARGO_MANIFEST_DIR"), "/../..").to_owned())
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A new project in `folder`.
fn made(folder: &Path) -> std::path::PathBuf {
    let root = folder.join("first");
    project(&root, &origin()).unwrap().write().unwrap();
    root
}

fn load(root: &Path) -> Stack {
    Stack::load(&root.join("serverless.yml"), &Options::default()).unwrap()
}

/// Adds by `add`, and checks that the same again finds everything.
fn added(root: &Path, add: impl Fn(&mut Plan)) {
    let plan = || {
        let mut plan = Plan::new(root);
        add(&mut plan);
        plan
    };
    assert!(!plan().is_done());
    plan().write().unwrap();
    assert!(plan().is_done(), "{:?}", plan().steps());
}

#[test]
fn a_project_has_one_function_and_one_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let root = made(folder.path());
    let stack = load(&root);
    assert_eq!(stack.service, "first");
    assert_eq!(stack.functions[0].name, "first-dev-counter");
    let machine = stack.state_machine("hello").unwrap();
    assert!(machine.definition.contains(&stack.functions[0].arn));
    assert_eq!(asl::validate(&machine.definition), []);
    assert!(project(&root, &origin()).unwrap().is_done());
    assert!(root.join("Cargo.lock").is_file());
    assert_eq!(check::check(&root).unwrap(), []);
}

#[test]
fn everything_can_be_added_to_a_project_and_once_only() {
    let folder = tempfile::tempdir().unwrap();
    let root = made(folder.path());
    added(&root, |plan| function(plan, &name("second-one")).unwrap());
    added(&root, |plan| worker(plan, &name("heavy-lifter")).unwrap());
    added(&root, |plan| worker(plan, &name("other")).unwrap());
    added(&root, |plan| {
        pipeline(plan, &name("lift"), &Calls::Worker(name("heavy-lifter"))).unwrap();
    });
    added(&root, |plan| {
        pipeline(plan, &name("more"), &Calls::Function(name("third"))).unwrap();
    });
    let stack = load(&root);
    let binaries: Vec<&str> = stack
        .functions
        .iter()
        .map(|it| it.binary.as_str())
        .collect();
    let expected = [
        "counter",
        "second-one",
        "dispatcher-function",
        "job-watcher-function",
        "heavy-lifter",
        "other",
        "third",
    ];
    assert_eq!(binaries, expected);
    let jobs: Vec<&str> = stack
        .job_definitions
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(jobs, ["first-dev-heavy-lifter", "first-dev-other"]);
    assert_eq!(stack.task_definitions.len(), 2);
    assert_eq!(stack.state_machine_aliases.len(), 3);
    for machine in &stack.state_machines {
        assert_eq!(asl::validate(&machine.definition), [], "{}", machine.name);
        assert!(!machine.definition.contains("${"), "{}", machine.name);
    }
    assert_eq!(check::check(&root).unwrap(), []);
}

/// The files of this repository are extended as those of a new project are.
#[test]
fn this_repository_can_be_extended() {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir(root.join("deploy")).unwrap();
    fs::create_dir(root.join("statemachines")).unwrap();
    for file in ["serverless.yml", "Cargo.toml"] {
        fs::copy(Path::new(here).join(file), root.join(file)).unwrap();
    }
    for folder in ["deploy", "statemachines"] {
        for entry in fs::read_dir(Path::new(here).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                fs::copy(&path, root.join(folder).join(path.file_name().unwrap())).unwrap();
            }
        }
    }
    let before = load(root);
    added(root, |plan| worker(plan, &name("resizer")).unwrap());
    added(root, |plan| {
        pipeline(plan, &name("resize"), &Calls::Worker(name("resizer"))).unwrap();
    });
    let after = load(root);
    assert_eq!(after.functions.len(), before.functions.len() + 1);
    assert_eq!(
        after.job_definitions.len(),
        before.job_definitions.len() + 1
    );
    assert_eq!(after.state_machines.len(), before.state_machines.len() + 1);
    // Nothing but lines were added.
    for file in [
        "serverless.yml",
        "deploy/iam.yml",
        "deploy/batch.yml",
        "deploy/monitoring.yml",
    ] {
        let (old, new) = (
            fs::read_to_string(Path::new(here).join(file)).unwrap(),
            fs::read_to_string(root.join(file)).unwrap(),
        );
        let mut lines = new.lines();
        for line in old.lines() {
            assert!(lines.any(|other| other == line), "{file}: {line} is gone");
        }
    }
}

#[test]
fn names_that_mean_something_else_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = made(folder.path());
    let mut plan = Plan::new(&root);
    let error = function(&mut plan, &name("hello")).unwrap_err().to_string();
    assert_eq!(error, "hello is a pipeline already; choose another name");
    let error = worker(&mut plan, &name("counter")).unwrap_err().to_string();
    assert_eq!(error, "counter is a function already; choose another name");
    let inside = project(&root.join("inner"), &origin()).unwrap_err();
    assert!(matches!(inside, Error::Folder { .. }), "{inside}");
    fs::write(folder.path().join("x"), "").unwrap();
    let file = project(folder.path(), &origin()).unwrap_err();
    assert!(
        matches!(file, Error::Folder { .. } | Error::Name { .. }),
        "{file}"
    );
}

#[test]
fn a_file_that_is_laid_out_otherwise_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = made(folder.path());
    fs::write(root.join("deploy/iam.yml"), "Other: {}\n").unwrap();
    let mut plan = Plan::new(&root);
    let error = function(&mut plan, &name("second"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("deploy/iam.yml has no Resources to add to"),
        "{error}"
    );
    assert!(!root.join("functions/second").exists());
}

/// The file with one piece of its text replaced, which must be there.
fn change(root: &Path, file: &str, old: &str, new: &str) {
    let path = root.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{file}: {old}");
    fs::write(path, text.replacen(old, new, 1)).unwrap();
}

#[test]
fn what_would_fail_on_aws_only_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let root = made(folder.path());
    added(&root, |plan| {
        pipeline(plan, &name("lift"), &Calls::Worker(name("lifter"))).unwrap();
    });
    let invoke = "- { Effect: Allow, Action: lambda:InvokeFunction, Resource: !GetAtt";
    for (file, old, new, file_of, message) in [
        (
            "deploy/batch.yml",
            "!Sub \"${LifterRepository.RepositoryUri}:${param:imageTag}\"",
            "other:1",
            "deploy/batch.yml",
            "no AWS::Batch::JobDefinition has the image of worker lifter",
        ),
        (
            "deploy/iam.yml",
            &format!("{invoke} CounterLambdaFunction.Arn }}"),
            "",
            "deploy/iam.yml",
            "HelloRole lacks lambda:InvokeFunction CounterLambdaFunction, which HelloStateMachine calls",
        ),
        (
            "deploy/iam.yml",
            "Action: batch:ListJobs,",
            "Action: batch:DescribeJobs,",
            "deploy/iam.yml",
            "DispatcherRole lacks batch:ListJobs, which function dispatcher calls",
        ),
        (
            "deploy/iam.yml",
            "!GetAtt CounterLogGroup.Arn",
            "!GetAtt CountLogGroup.Arn",
            "deploy/iam.yml",
            "CounterRole refers to CountLogGroup, which nothing in the stack defines",
        ),
        (
            "statemachines/hello.asl.json",
            "${CounterFunctionArn}",
            "${Counter}",
            "statemachines/hello.asl.json",
            "${Counter} has no value: add Counter to DefinitionSubstitutions of HelloStateMachine",
        ),
        (
            "statemachines/hello.asl.json",
            "${CounterFunctionArn}",
            "count",
            "statemachines/hello.asl.json",
            "function count is not in the stack",
        ),
        (
            "statemachines/lift.asl.json",
            "\"worker\": \"lifter\"",
            "\"worker\": \"shifter\"",
            "statemachines/lift.asl.json",
            "worker shifter is not in the stack",
        ),
    ] {
        let before = fs::read_to_string(root.join(file)).unwrap();
        change(&root, file, old, new);
        let findings = check::check(&root).unwrap();
        let found = findings.iter().any(|finding| {
            finding.severity == check::Severity::Error
                && finding.file == file_of
                && finding.message.starts_with(message)
        });
        assert!(found, "{message}: {findings:?}");
        fs::write(root.join(file), before).unwrap();
    }
    fs::remove_file(root.join("workers/lifter/Dockerfile")).unwrap();
    let findings = check::check(&root).unwrap();
    assert_eq!(findings.len(), 1, "{findings:?}");
}
