//! The typed reader: from the resolved document to a [`Stack`].

use std::path::Path;

use serde_json::Value;

use super::assets::synthesized;
use super::functions::read_functions;
use super::intrinsics::Template;
use super::names::aliased_machine;
use super::node::Node;
use super::place::located;
use super::{
    ACCOUNT, Activity, Cluster, ComputeEnvironment, JobQueue, Options, Rule, RuleTarget, Schedule,
    Stack, StackError, StateMachine, StateMachineAlias, TimeLimit, containers, folder, lambda,
    machines, not_run,
};

impl Stack {
    /// Reads a project: a `serverless.yml`, a template of SAM or CloudFormation, the folder that `cdk synth` has filled,
    /// or a folder of definitions.
    ///
    /// # Errors
    /// [`StackError`] names the file and the place of the first value that cannot be read or resolved.
    pub fn load(path: &Path, options: &Options) -> Result<Stack, StackError> {
        if path.join("manifest.json").is_file() {
            return Stack::of_file(&synthesized(path)?, options);
        }
        match path.is_dir() {
            true => folder::load(path, options),
            false => Stack::of_file(path, options),
        }
    }

    fn of_file(path: &Path, options: &Options) -> Result<Stack, StackError> {
        let read = || {
            let template = Template::open(path, options)?;
            Stack::of_template(&template)
        };
        read().map_err(|error| located(error, path))
    }

    fn of_template(template: &Template) -> Result<Stack, StackError> {
        let mut stack = Stack {
            service: template.service.clone(),
            stage: template.stage.clone(),
            region: template.region.clone(),
            account: ACCOUNT.to_owned(),
            ..Stack::default()
        };
        read_functions(template, &mut stack)?;
        for id in template.resources.keys() {
            read_resource(template, id, &mut stack)?;
        }
        lambda::add_invoke_configs(template, &mut stack)?;
        not_run::note(template, &mut stack);
        stack.name_pipelines();
        Ok(stack)
    }

    /// Gives each state machine a name to run it by: the stem of its definition's file where that is of it alone, else its
    /// logical id.
    fn name_pipelines(&mut self) {
        let stems: Vec<Option<String>> = self
            .state_machines
            .iter()
            .map(|machine| machine.pipeline.clone())
            .collect();
        for machine in &mut self.state_machines {
            let same = stems.iter().filter(|stem| **stem == machine.pipeline);
            if machine.pipeline.is_none() || same.count() > 1 {
                machine.pipeline = Some(machine.logical_id.clone());
            }
        }
    }

    /// The state machine of that name, ARN, logical id or pipeline (the stem of its definition file).
    pub fn state_machine(&self, name: &str) -> Option<&StateMachine> {
        self.state_machines.iter().find(|machine| {
            machine.name == name
                || machine.arn == name
                || machine.logical_id == name
                || machine.pipeline.as_deref() == Some(name)
        })
    }
}

/// A target with what it makes of the event, under the names that its section uses.
pub(super) fn read_target_input(
    node: &Node<'_>,
    input: &str,
    path: &str,
    transformer: &str,
    arn: &str,
) -> Result<RuleTarget, StackError> {
    Ok(RuleTarget {
        id: node.opt_string("Id")?.unwrap_or_else(|| "1".into()),
        arn: arn.to_owned(),
        input: node
            .get(input)?
            .map(|input| json_value(&input))
            .transpose()?,
        input_path: node.opt_string(path)?,
        input_transformer: node
            .get(transformer)?
            .map(|value| value.deep())
            .transpose()?,
    })
}

/// JSON given as text (CloudFormation) or as a structure (Serverless).
fn json_value(node: &Node<'_>) -> Result<Value, StackError> {
    match &node.value {
        Value::String(text) => serde_json::from_str(text)
            .map_err(|error| node.error(format!("expected JSON text: {error}"))),
        _ => node.deep(),
    }
}

fn read_resource(template: &Template, id: &str, stack: &mut Stack) -> Result<(), StackError> {
    let resource = &template.resources[id];
    let properties = || Node::new(template, &resource.body["Properties"], resource.at.clone());
    let logical_id = id.to_owned();
    match resource.kind.as_str() {
        // What the framework keeps its packages in is none of the stack's buckets.
        "AWS::S3::Bucket" if id == "ServerlessDeploymentBucket" => {}
        "AWS::S3::Bucket" => stack.buckets.push(template.physical_name(id)?),
        "AWS::StepFunctions::StateMachine" => {
            stack
                .state_machines
                .push(machines::state_machine(template, id, &properties()?)?);
        }
        "AWS::Lambda::Function" => {
            let function = lambda::function(template, id, &properties()?, stack)?;
            stack.functions.push(function);
        }
        "AWS::StepFunctions::StateMachineAlias" => {
            stack.state_machine_aliases.push(StateMachineAlias {
                logical_id,
                name: template.physical_name(id)?,
                state_machine_arn: aliased_machine(&properties()?)?,
            });
        }
        "AWS::StepFunctions::Activity" => {
            let name = template.physical_name(id)?;
            stack.activities.push(Activity {
                logical_id,
                arn: template.arn("states", &format!("activity:{name}")),
                name,
            });
        }
        "AWS::ECS::Cluster" => {
            let name = template.physical_name(id)?;
            stack.clusters.push(Cluster {
                logical_id,
                arn: template.arn("ecs", &format!("cluster/{name}")),
                name,
            });
        }
        "AWS::ECS::TaskDefinition" => {
            stack
                .task_definitions
                .push(containers::task_definition(template, id, &properties()?)?);
        }
        "AWS::Batch::JobDefinition" => {
            stack
                .job_definitions
                .push(containers::job_definition(template, id, &properties()?)?);
        }
        "AWS::Batch::JobQueue" => {
            stack
                .job_queues
                .push(read_job_queue(template, id, &properties()?)?);
        }
        "AWS::Batch::ComputeEnvironment" => {
            let (properties, name) = (properties()?, template.physical_name(id)?);
            let resources = properties.get("ComputeResources")?;
            let maximum = resources
                .as_ref()
                .map(|node| node.get("MaxvCpus"))
                .transpose()?
                .flatten();
            let kind = resources
                .map(|node| node.opt_string("Type"))
                .transpose()?
                .flatten();
            stack.compute_environments.push(ComputeEnvironment {
                logical_id,
                arn: template.arn("batch", &format!("compute-environment/{name}")),
                name,
                kind: kind.unwrap_or_else(|| "EC2".into()),
                max_vcpus: maximum.map(|node| node.number()).transpose()?,
            });
        }
        "AWS::Events::Rule" => stack.rules.push(read_rule(template, id, &properties()?)?),
        "AWS::Scheduler::Schedule" => {
            stack
                .schedules
                .push(read_schedule(template, id, &properties()?)?);
        }
        // Told by `not_run`.
        _ => {}
    }
    Ok(())
}

fn read_job_queue(template: &Template, id: &str, node: &Node<'_>) -> Result<JobQueue, StackError> {
    let name = template.physical_name(id)?;
    let mut order = Vec::new();
    for entry in node.list("ComputeEnvironmentOrder")? {
        let environment = entry.require("ComputeEnvironment")?.string()?;
        let short = environment
            .rsplit('/')
            .next()
            .unwrap_or(&environment)
            .to_owned();
        order.push((entry.opt_integer("Order")?.unwrap_or(0), short));
    }
    order.sort_by_key(|(position, _)| *position);
    Ok(JobQueue {
        logical_id: id.to_owned(),
        arn: template.arn("batch", &format!("job-queue/{name}")),
        name,
        priority: node
            .opt_integer("Priority")?
            .map_or(1, |priority| i32::try_from(priority).unwrap_or(i32::MAX)),
        state: node
            .opt_string("State")?
            .unwrap_or_else(|| "ENABLED".into()),
        compute_environments: order.into_iter().map(|(_, name)| name).collect(),
        time_limits: time_limits(node)?,
    })
}

fn time_limits(queue: &Node<'_>) -> Result<Vec<TimeLimit>, StackError> {
    let limits = queue.list("JobStateTimeLimitActions")?;
    let limit = |node: &Node<'_>| {
        let seconds = node.require("MaxTimeSeconds")?.integer()?;
        Ok(TimeLimit {
            reason: node.require("Reason")?.string()?,
            seconds,
        })
    };
    limits.iter().map(limit).collect()
}

fn read_rule(template: &Template, id: &str, node: &Node<'_>) -> Result<Rule, StackError> {
    let name = template.physical_name(id)?;
    let mut targets = Vec::new();
    for target in node.list("Targets")? {
        let arn = target.require("Arn")?.string()?;
        targets.push(read_target_input(
            &target,
            "Input",
            "InputPath",
            "InputTransformer",
            &arn,
        )?);
    }
    Ok(Rule {
        logical_id: id.to_owned(),
        arn: template.arn("events", &format!("rule/{name}")),
        name,
        event_bus: node
            .opt_string("EventBusName")?
            .unwrap_or_else(|| "default".into()),
        pattern: node
            .get("EventPattern")?
            .map_or(Ok(Value::Null), |pattern| json_value(&pattern))?,
        schedule_expression: node.opt_string("ScheduleExpression")?,
        enabled: node.opt_string("State")?.as_deref() != Some("DISABLED"),
        targets,
    })
}

fn read_schedule(template: &Template, id: &str, node: &Node<'_>) -> Result<Schedule, StackError> {
    let name = template.physical_name(id)?;
    let group = node
        .opt_string("GroupName")?
        .unwrap_or_else(|| "default".into());
    let target = node.require("Target")?;
    Ok(Schedule {
        logical_id: id.to_owned(),
        arn: template.arn("scheduler", &format!("schedule/{group}/{name}")),
        name,
        group,
        expression: node.require("ScheduleExpression")?.string()?,
        timezone: node.opt_string("ScheduleExpressionTimezone")?,
        enabled: node.opt_string("State")?.as_deref() != Some("DISABLED"),
        target_arn: target.require("Arn")?.string()?,
        input: target
            .get("Input")?
            .map_or(Ok(Value::Null), |input| json_value(&input))?,
        properties: node.deep()?,
    })
}
