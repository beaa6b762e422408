//! Which binaries a run reaches, so that nothing else must be built first.

use std::collections::BTreeSet;

use serde_json::Value;
use stack::{Function, Stack, StateMachine, binary_of_image};

/// The packages that a run of `machine` on `input` reaches: functions, task and job definitions
/// named in its definition (and in those of the state machines that it starts), workers that
/// definition or input name, and the functions that listen to events.
pub fn packages(stack: &Stack, machine: &StateMachine, input: &Value) -> Vec<String> {
    let text = text(stack, machine, input);
    let targets: BTreeSet<&str> = stack
        .rules
        .iter()
        .flat_map(|rule| rule.targets.iter().map(|target| target.arn.as_str()))
        .collect();
    let mut packages = BTreeSet::new();
    for function in &stack.functions {
        let Some(package) = function.package() else {
            continue;
        };
        if calls(&text, function) || targets.contains(function.arn.as_str()) {
            packages.insert(package.to_owned());
        }
    }
    for task in &stack.task_definitions {
        for container in &task.containers {
            let worker = binary_of_image(&container.image);
            if names(&text, &task.family, worker) || text.contains(&task.arn) {
                packages.insert(worker.to_owned());
            }
        }
    }
    for job in &stack.job_definitions {
        let worker = binary_of_image(&job.image);
        if names(&text, &job.name, worker) || text.contains(&job.arn) {
            packages.insert(worker.to_owned());
        }
    }
    packages.into_iter().collect()
}

/// The functions that a run of `machine` on `input` calls by itself.
pub fn functions<'a>(stack: &'a Stack, machine: &StateMachine, input: &Value) -> Vec<&'a Function> {
    let text = text(stack, machine, input);
    let functions = stack.functions.iter();
    functions
        .filter(|function| calls(&text, function))
        .collect()
}

/// Where names are looked for: in the input and in the definitions of all machines that a run starts.
fn text(stack: &Stack, machine: &StateMachine, input: &Value) -> String {
    let machines = machines(stack, machine);
    let definitions = machines.iter().map(|machine| machine.definition.as_str());
    let mut text: String = definitions.collect();
    text.push_str(&input.to_string());
    text
}

fn calls(text: &str, function: &Function) -> bool {
    names(text, &function.name, &function.binary) || text.contains(&function.arn)
}

/// Every package of the stack.
pub fn all(stack: &Stack) -> Vec<String> {
    let functions = stack.functions.iter();
    let functions = functions.filter_map(|function| function.package());
    let packages: BTreeSet<&str> = functions.chain(stack.images()).collect();
    packages.into_iter().map(str::to_owned).collect()
}

/// As a whole JSON string, so that `train` is not found in `trainer`.
fn names(text: &str, deployed: &str, binary: &str) -> bool {
    [deployed, binary]
        .iter()
        .filter(|name| !name.is_empty())
        .any(|name| text.contains(&format!("\"{name}\"")) || text.contains(&format!("'{name}'")))
}

/// The machine, followed by those that it starts, each once.
pub fn machines<'a>(stack: &'a Stack, machine: &'a StateMachine) -> Vec<&'a StateMachine> {
    let mut open = vec![machine];
    let mut seen = BTreeSet::from([machine.arn.as_str()]);
    let mut machines = Vec::new();
    while let Some(machine) = open.pop() {
        for other in &stack.state_machines {
            if machine.definition.contains(&other.arn) && seen.insert(&other.arn) {
                open.push(other);
            }
        }
        machines.push(machine);
    }
    machines
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stack::{ContainerDefinition, JobDefinition, TaskDefinition};

    fn machine(arn: &str, definition: &str) -> StateMachine {
        StateMachine {
            arn: arn.to_owned(),
            definition: definition.to_owned(),
            ..StateMachine::default()
        }
    }

    fn function(binary: &str) -> Function {
        Function {
            name: format!("demo-dev-{binary}"),
            arn: format!("arn:aws:lambda:::function:demo-dev-{binary}"),
            binary: binary.to_owned(),
            ..Function::default()
        }
    }

    fn stack() -> Stack {
        Stack {
            functions: vec![function("tuner"), function("gatherer")],
            state_machines: vec![
                machine("arn:outer", r#"{"Resource":"states","Arn":"arn:inner"}"#),
                machine(
                    "arn:inner",
                    r#"["arn:aws:lambda:::function:demo-dev-gatherer"]"#,
                ),
            ],
            task_definitions: vec![TaskDefinition {
                family: "demo-dev-trainer".to_owned(),
                arn: "arn:task".to_owned(),
                containers: vec![ContainerDefinition {
                    image: "1.dkr.ecr.us-east-1.amazonaws.com/trainer:1".to_owned(),
                    ..ContainerDefinition::default()
                }],
                ..TaskDefinition::default()
            }],
            job_definitions: vec![JobDefinition {
                name: "demo-dev-train".to_owned(),
                arn: "arn:job".to_owned(),
                image: "train".to_owned(),
                ..JobDefinition::default()
            }],
            ..Stack::default()
        }
    }

    #[test]
    fn a_nested_state_machine_brings_its_functions() {
        let stack = stack();
        let found = packages(&stack, &stack.state_machines[0], &json!({}));
        assert_eq!(found, ["gatherer"]);
    }

    #[test]
    fn a_worker_is_found_by_whole_name_in_the_input() {
        let stack = stack();
        let input = json!({"worker": "trainer"});
        let found = packages(&stack, &machine("arn:x", "{}"), &input);
        assert_eq!(found, ["trainer"]);
    }
}
