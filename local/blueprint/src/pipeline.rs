//! A new state machine.

use crate::{Error, Fill, Name, Plan, function, function::Kind, worker};

/// What the state of a new pipeline calls; it is made if there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Calls {
    /// A function.
    Function(Name),
    /// A worker, by the dispatcher.
    Worker(Name),
}

/// Adds a pipeline: its definition with sample input, schema and test cases, the state machine with version and alias,
/// its role, its alarm.
///
/// # Errors
/// [`Error::Taken`] for the name of something else, and why the project cannot be extended.
pub fn pipeline(plan: &mut Plan, name: &Name, calls: &Calls) -> Result<(), Error> {
    plan.refuse(name, &[Kind::Function, Kind::Worker])?;
    let fill = Fill::new().name("my-pipeline", name);
    let (fill, definition, cases) = match calls {
        Calls::Function(called) => {
            // Made by hand it may look otherwise than `hybrid new function` makes it.
            if !plan.has(&format!("functions/{}/Cargo.toml", called.kebab())) {
                function(plan, called)?;
            }
            (
                fill.name("my-function", called),
                include_str!("../templates/pipeline/function.asl.json"),
                include_str!("../templates/pipeline/function.test.json"),
            )
        }
        Calls::Worker(called) => {
            if !plan.has(&format!("workers/{}/Cargo.toml", called.kebab())) {
                worker(plan, called)?;
            }
            let dispatcher = Name::new("dispatcher")?;
            (
                fill.name("my-function", &dispatcher)
                    .name("my-worker", called),
                include_str!("../templates/pipeline/worker.asl.json"),
                include_str!("../templates/pipeline/worker.test.json"),
            )
        }
    };
    for (ending, template) in [
        ("asl.json", definition),
        ("test.json", cases),
        (
            "input.json",
            include_str!("../templates/pipeline/my-pipeline.input.json"),
        ),
        (
            "schema.json",
            include_str!("../templates/pipeline/my-pipeline.schema.json"),
        ),
    ] {
        let file = format!("statemachines/{}.{ending}", name.kebab());
        plan.file(&file, fill.apply(template));
    }
    let pascal = name.pascal();
    for (file, path, what, template) in [
        (
            "deploy/iam.yml",
            "Resources",
            format!("role {pascal}Role"),
            include_str!("../templates/pipeline/iam.yml"),
        ),
        (
            "deploy/statemachines.yml",
            "Resources",
            format!("{pascal}StateMachine, {pascal}Version, {pascal}Alias"),
            include_str!("../templates/pipeline/statemachines.yml"),
        ),
        (
            "deploy/rollout.yml",
            "Resources",
            format!("{pascal}RolloutAlarm"),
            include_str!("../templates/pipeline/rollout.yml"),
        ),
        (
            "deploy/monitoring.yml",
            "Resources.FailedExecutionsRule.Properties.EventPattern.detail.stateMachineArn",
            format!("{pascal}StateMachine in the alarms"),
            include_str!("../templates/pipeline/monitoring.yml"),
        ),
    ] {
        plan.entry(file, path, &what, &fill.apply(template))?;
    }
    let row = format!("| `{}` | counts the words of a text |", name.kebab());
    plan.row("README.md", "## Pipelines", &row);
    Ok(())
}
