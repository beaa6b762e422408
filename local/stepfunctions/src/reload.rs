//! A stack that changes while the local cloud runs it.

use std::collections::BTreeSet;

use stack::{Stack, StateMachine};

use crate::facade::Cloud;
use crate::folder::CloudError;

/// What came of a changed stack.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Names of the state machines that are new or have changed.
    pub state_machines: Vec<String>,
    /// Names of the functions that are new or have changed, or were built again.
    pub functions: Vec<String>,
    /// Kinds of resources whose changes the next start takes up.
    pub at_next_start: Vec<&'static str>,
}

impl Cloud {
    /// Takes up what is different in `after`: state machines with their aliases, activities, and functions, also those
    /// whose binaries are among `rebuilt`. What runs goes on as it began, as on AWS. What the stack no longer has stays
    /// until the next start.
    ///
    /// # Errors
    /// [`CloudError::StepFunctions`] if a definition is not valid; then nothing has changed.
    pub async fn reload(
        &self,
        before: &Stack,
        after: &Stack,
        rebuilt: &BTreeSet<String>,
    ) -> Result<Reloaded, CloudError> {
        let changed = changed(before, after);
        self.stepfunctions().engine.reload(&changed).await?;
        let functions = after.functions.iter().filter(|function| {
            !before.functions.contains(function) || rebuilt.contains(&function.binary)
        });
        let functions: Vec<_> = functions.cloned().collect();
        self.compute().lambda.declare(&functions);
        let names = |machine: StateMachine| machine.name;
        Ok(Reloaded {
            state_machines: changed.state_machines.into_iter().map(names).collect(),
            functions: functions.into_iter().map(|it| it.name).collect(),
            at_next_start: at_next_start(before, after),
        })
    }
}

/// State machines that are new or have changed, their aliases, and all activities.
fn changed(before: &Stack, after: &Stack) -> Stack {
    let mut changed = Stack {
        activities: after.activities.clone(),
        state_machines: after.state_machines.clone(),
        state_machine_aliases: after.state_machine_aliases.clone(),
        ..Stack::default()
    };
    changed
        .state_machines
        .retain(|machine| !before.state_machines.contains(machine));
    let arns: BTreeSet<&str> = changed
        .state_machines
        .iter()
        .map(|machine| machine.arn.as_str())
        .collect();
    changed.state_machine_aliases.retain(|alias| {
        arns.contains(alias.state_machine_arn.as_str())
            || !before.state_machine_aliases.contains(alias)
    });
    changed
}

fn at_next_start(before: &Stack, after: &Stack) -> Vec<&'static str> {
    let differ = [
        ("buckets", before.buckets != after.buckets),
        ("clusters", before.clusters != after.clusters),
        (
            "task definitions",
            before.task_definitions != after.task_definitions,
        ),
        (
            "job definitions",
            before.job_definitions != after.job_definitions,
        ),
        ("job queues", before.job_queues != after.job_queues),
        (
            "compute environments",
            before.compute_environments != after.compute_environments,
        ),
        ("rules", before.rules != after.rules),
        ("schedules", before.schedules != after.schedules),
    ];
    let differ = differ.into_iter().filter(|(_, differs)| *differs);
    differ.map(|(kind, _)| kind).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(name: &str, definition: &str) -> StateMachine {
        StateMachine {
            arn: format!("arn:{name}"),
            name: name.to_owned(),
            definition: definition.to_owned(),
            ..StateMachine::default()
        }
    }

    fn stack(machines: &[(&str, &str)]) -> Stack {
        let alias = |(name, _): &(&str, &str)| stack::StateMachineAlias {
            name: "live".to_owned(),
            state_machine_arn: format!("arn:{name}"),
            ..stack::StateMachineAlias::default()
        };
        Stack {
            state_machines: machines
                .iter()
                .map(|(name, it)| machine(name, it))
                .collect(),
            state_machine_aliases: machines.iter().map(alias).collect(),
            ..Stack::default()
        }
    }

    #[test]
    fn only_what_is_different_is_taken_up() {
        let before = stack(&[("a", "1"), ("b", "1")]);
        let after = stack(&[("a", "1"), ("b", "2"), ("c", "1")]);
        let changed = changed(&before, &after);
        let names: Vec<&str> = changed
            .state_machines
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(names, ["b", "c"]);
        assert_eq!(
            changed.state_machine_aliases,
            after.state_machine_aliases[1..]
        );
        let mut other = after.clone();
        other.buckets.push("bucket".to_owned());
        assert_eq!(at_next_start(&after, &other), ["buckets"]);
        assert!(at_next_start(&before, &after).is_empty());
    }
}
