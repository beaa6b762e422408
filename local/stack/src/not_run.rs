//! What a file declares and nothing here runs.

use std::collections::BTreeMap;
use std::fmt;

use super::{Schedule, Stack, intrinsics::Template};

/// Kinds of resources that are read.
const READ: &[&str] = &[
    "AWS::Batch::ComputeEnvironment",
    "AWS::Batch::JobDefinition",
    "AWS::Batch::JobQueue",
    "AWS::ECS::Cluster",
    "AWS::ECS::TaskDefinition",
    "AWS::Events::Rule",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Function",
    "AWS::Lambda::LayerVersion",
    "AWS::S3::Bucket",
    "AWS::Scheduler::Schedule",
    "AWS::StepFunctions::Activity",
    "AWS::StepFunctions::StateMachine",
    "AWS::StepFunctions::StateMachineAlias",
    "AWS::StepFunctions::StateMachineVersion",
];

/// Kinds, or services, that have nothing to do on one machine: who may do what, networks, what watches.
const IDLE: &[&str] = &[
    "AWS::ApplicationAutoScaling::",
    "AWS::Budgets::",
    "AWS::CDK::Metadata",
    "AWS::CloudTrail::",
    "AWS::CloudWatch::",
    "AWS::EC2::",
    "AWS::ECR::",
    "AWS::Events::EventBusPolicy",
    "AWS::IAM::",
    "AWS::KMS::",
    "AWS::Lambda::Alias",
    "AWS::Lambda::LayerVersionPermission",
    "AWS::Lambda::Permission",
    "AWS::Lambda::Version",
    "AWS::Logs::",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "AWS::Scheduler::ScheduleGroup",
    "AWS::XRay::",
];

/// Why something is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The service is not here.
    NotHere,
    /// It has nothing to do on one machine.
    Idle,
}

/// Something that a file declares and nothing here runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotRun {
    /// What it is: `AWS::SNS::Topic`, `http event`.
    pub what: String,
    /// Its logical id, or whose it is.
    pub name: String,
    /// Why.
    pub why: Why,
}

impl NotRun {
    pub(super) fn new(what: &str, name: &str, why: Why) -> NotRun {
        NotRun {
            what: what.to_owned(),
            name: name.to_owned(),
            why,
        }
    }
}

impl fmt::Display for NotRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.what, self.name)
    }
}

/// Notes the resources of a template that are not read.
pub(super) fn note(template: &Template, stack: &mut Stack) {
    // What cannot be delivered to the target of a schedule is kept as a file of that queue's name.
    let kept = |schedule: &Schedule| {
        let queue = &schedule.properties["Target"]["DeadLetterConfig"]["Arn"];
        queue.as_str().map(str::to_owned)
    };
    let kept: Vec<String> = stack.schedules.iter().filter_map(kept).collect();
    for (id, resource) in &template.resources {
        let kind = resource.kind.as_str();
        let is_kept = || {
            let arn = template.attribute(id, "Arn", id);
            kind == "AWS::SQS::Queue" && arn.is_ok_and(|arn| kept.contains(&arn))
        };
        if READ.contains(&kind) || is_kept() {
            continue;
        }
        let fits = |one: &str| kind == one || one.ends_with("::") && kind.starts_with(one);
        let why = match IDLE.iter().any(|one| fits(one)) {
            true => Why::Idle,
            false => Why::NotHere,
        };
        stack.not_run.push(NotRun::new(kind, id, why));
    }
}

impl Stack {
    /// What is declared and not run, in a line for each reason: what is not here by its names, what has nothing to do by
    /// its number.
    pub fn told_not_run(&self) -> Vec<String> {
        let of = |why: Why| self.not_run.iter().filter(move |one| one.why == why);
        let missing: Vec<String> = of(Why::NotHere).map(NotRun::to_string).collect();
        let mut idle = BTreeMap::new();
        for one in of(Why::Idle) {
            *idle.entry(one.what.as_str()).or_insert(0) += 1;
        }
        let idle: Vec<String> = idle
            .into_iter()
            .map(|(what, number)| match number {
                1 => what.to_owned(),
                _ => format!("{number} {what}"),
            })
            .collect();
        let mut lines = Vec::new();
        if !missing.is_empty() {
            lines.push(format!("declared and not here: {}", missing.join(", ")));
        }
        if !idle.is_empty() {
            lines.push(format!(
                "declared, with nothing to do on one machine: {}",
                idle.join(", ")
            ));
        }
        lines
    }
}
