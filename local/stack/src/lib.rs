//! A stack as one machine needs it: functions, state machines, task and job definitions, read from
//! the same file that a deployment takes. There is no second configuration.
//!
//! [`Stack::load`] reads a `serverless.yml`, a template of SAM or CloudFormation, what `cdk synth` or
//! `sls package` has made, or a folder of definitions. Front ends bring each to resources of
//! CloudFormation; one reader resolves their variables and intrinsics to the names and ARNs that a
//! deployment would make, and refuses what it cannot resolve with the file and the place of it.

mod assets;
mod conditions;
mod containers;
mod error;
mod folder;
#[cfg(test)]
mod fronts;
mod functions;
mod intrinsics;
mod lambda;
mod machines;
mod names;
mod node;
mod not_run;
mod open;
mod place;
mod plugin;
mod pseudo;
mod read;
mod retry;
mod sam;
mod syntax;
#[cfg(test)]
mod tests;
mod variables;
pub mod yaml;

pub use containers::task_units;
pub use error::{Options, StackError};
pub use folder::definitions;
pub use names::binary_of_image;
pub use not_run::{NotRun, Why};
pub use retry::{RetryError, check_retry};

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Account id of every local ARN: the example account of the AWS documentation.
pub const ACCOUNT: &str = "123456789012";

/// Environment variables by name.
pub type Env = BTreeMap<String, String>;

/// Everything that a project file declares that the local cloud runs, every value resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stack {
    /// `service:` of a `serverless.yml`, else the name of the stack.
    pub service: String,
    /// Stage: `--stage`, else `provider.stage`, else `dev`.
    pub stage: String,
    /// Region of every ARN.
    pub region: String,
    /// Account id of every ARN ([`ACCOUNT`]).
    pub account: String,
    /// Lambda functions.
    pub functions: Vec<Function>,
    /// Step Functions state machines.
    pub state_machines: Vec<StateMachine>,
    /// Aliases of state machines.
    pub state_machine_aliases: Vec<StateMachineAlias>,
    /// Step Functions activities.
    pub activities: Vec<Activity>,
    /// S3 bucket names.
    pub buckets: Vec<String>,
    /// ECS clusters.
    pub clusters: Vec<Cluster>,
    /// ECS task definitions.
    pub task_definitions: Vec<TaskDefinition>,
    /// Batch job definitions.
    pub job_definitions: Vec<JobDefinition>,
    /// Batch job queues.
    pub job_queues: Vec<JobQueue>,
    /// Batch compute environments.
    pub compute_environments: Vec<ComputeEnvironment>,
    /// EventBridge rules.
    pub rules: Vec<Rule>,
    /// EventBridge Scheduler schedules.
    pub schedules: Vec<Schedule>,
    /// What the file declares and nothing here runs.
    pub not_run: Vec<NotRun>,
}

/// A Lambda function.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Function {
    /// Key in `functions:`, or the logical id.
    pub key: String,
    /// Deployed name: `<service>-<stage>-<key>` unless `name:` says otherwise.
    pub name: String,
    /// CloudFormation logical id, as the Serverless Framework makes it.
    pub logical_id: String,
    /// Function ARN, without a qualifier.
    pub arn: String,
    /// File name of the local binary: the package that `handler` names, or the worker of `image`.
    pub binary: String,
    /// Handler as written (empty for an image).
    pub handler: String,
    /// `python3.12`, `nodejs22.x`, `provided.al2023`; none for an image.
    pub runtime: Option<String>,
    /// Where its code is.
    pub code: Code,
    /// Folders of its layers, in order.
    pub layers: Vec<PathBuf>,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Time limit of one invocation.
    pub timeout: Duration,
    /// Environment variables: the provider's, overlaid by the function's.
    pub environment: Env,
    /// Reserved concurrency, where the file sets one.
    pub reserved_concurrency: Option<u32>,
    /// Retries of an asynchronous invocation that failed, 0 to 2; 2 unless the file says otherwise.
    pub maximum_retry_attempts: Option<u32>,
    /// How long an asynchronous event may wait for its invocation; 6 hours unless the file says otherwise.
    pub maximum_event_age: Option<Duration>,
    /// ARN of what hears of an asynchronous invocation that failed for good: `destinations.onFailure`.
    pub on_failure: Option<String>,
}

/// Where the code of a function is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Code {
    /// In an executable that cargo builds, or in an image.
    #[default]
    Built,
    /// In a folder.
    Folder(PathBuf),
    /// In a zip archive.
    Archive(PathBuf),
    /// In the file that declares it.
    Inline(String),
    /// Not on this machine; where it is said to be.
    Elsewhere(String),
}

impl Stack {
    /// The names of the images of task and job definitions.
    pub fn images(&self) -> impl Iterator<Item = &str> {
        let tasks = self
            .task_definitions
            .iter()
            .flat_map(|task| &task.containers);
        let tasks = tasks.map(|container| container.image.as_str());
        let jobs = self.job_definitions.iter().map(|job| job.image.as_str());
        tasks.chain(jobs).map(binary_of_image)
    }
}

impl Function {
    /// The package that cargo builds for it, if one does.
    pub fn package(&self) -> Option<&str> {
        (self.code == Code::Built).then_some(self.binary.as_str())
    }
}

/// Standard or Express workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StateMachineKind {
    /// Durable, exactly-once, up to a year.
    #[default]
    Standard,
    /// At-least-once, up to five minutes.
    Express,
}

/// A Step Functions state machine.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateMachine {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// `StateMachineName`, else one made of stack name and logical id.
    pub name: String,
    /// State machine ARN.
    pub arn: String,
    /// Workflow type.
    pub kind: StateMachineKind,
    /// Definition text with `DefinitionSubstitutions` applied.
    pub definition: String,
    /// Execution role ARN.
    pub role_arn: String,
    /// File the definition came from, if it came from one.
    pub source: Option<PathBuf>,
    /// Stem of that file: `ml-training` of `statemachines/ml-training.asl.json`.
    pub pipeline: Option<String>,
}

/// An alias of a state machine. Here it leads to the state machine as the stack has it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StateMachineAlias {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Alias name.
    pub name: String,
    /// ARN of the state machine.
    pub state_machine_arn: String,
}

/// A Step Functions activity.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Activity {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Activity name.
    pub name: String,
    /// Activity ARN.
    pub arn: String,
}

/// An ECS cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Cluster name.
    pub name: String,
    /// Cluster ARN.
    pub arn: String,
}

/// An ECS task definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskDefinition {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Family.
    pub family: String,
    /// Revision: 1, a fresh stack has no earlier one.
    pub revision: u32,
    /// ARN with revision: `...:task-definition/<family>:1`.
    pub arn: String,
    /// Task CPU units (1,024 = 1 vCPU), where the file sets them.
    pub cpu: Option<u64>,
    /// Task memory, MiB, where the file sets it.
    pub memory_mib: Option<u64>,
    /// `FARGATE`, `EC2`.
    pub requires_compatibilities: Vec<String>,
    /// Containers in order.
    pub containers: Vec<ContainerDefinition>,
}

/// One container of a task definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContainerDefinition {
    /// Container name, as `ContainerOverrides` address it.
    pub name: String,
    /// Image as written.
    pub image: String,
    /// Arguments.
    pub command: Vec<String>,
    /// Entry point, where the file sets one.
    pub entry_point: Vec<String>,
    /// Environment variables.
    pub environment: Env,
    /// Whether the task ends when this container ends (default true).
    pub essential: bool,
    /// CPU units (1,024 = 1 vCPU), where the container sets them.
    pub cpu: Option<u64>,
    /// Hard memory limit, MiB, where the container sets it.
    pub memory_mib: Option<u64>,
    /// Time between SIGTERM and SIGKILL, where the container sets it.
    pub stop_timeout: Option<Duration>,
}

/// A Batch job definition.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobDefinition {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Job definition name.
    pub name: String,
    /// Revision: 1, a fresh stack has no earlier one.
    pub revision: u32,
    /// ARN with revision: `...:job-definition/<name>:1`.
    pub arn: String,
    /// Image as written.
    pub image: String,
    /// Arguments; `Ref::name` placeholders are filled from the job's parameters.
    pub command: Vec<String>,
    /// Environment variables.
    pub environment: Env,
    /// vCPUs; Fargate takes fractions.
    pub vcpus: f64,
    /// Memory, MiB.
    pub memory_mib: u64,
    /// Attempts of the retry strategy, 1 to 10 (default 1).
    pub attempts: u32,
    /// Conditions of the retry strategy, in order; the first that matches decides.
    pub evaluate_on_exit: Vec<EvaluateOnExit>,
    /// Time limit of one attempt.
    pub timeout: Option<Duration>,
    /// Default parameters.
    pub parameters: BTreeMap<String, String>,
    /// `FARGATE`, `EC2`.
    pub platform_capabilities: Vec<String>,
}

/// One condition of a Batch retry strategy: every given glob must match.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_EvaluateOnExit.html>
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EvaluateOnExit {
    /// Glob on the decimal exit code.
    pub on_exit_code: Option<String>,
    /// Glob on the container's reason.
    pub on_reason: Option<String>,
    /// Glob on the job's status reason.
    pub on_status_reason: Option<String>,
    /// `RETRY` or `EXIT`, in any case.
    pub action: String,
}

/// A Batch job queue.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct JobQueue {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Queue name.
    pub name: String,
    /// Queue ARN.
    pub arn: String,
    /// Priority.
    pub priority: i32,
    /// `ENABLED` or `DISABLED`.
    pub state: String,
    /// Names of the compute environments, in the queue's order.
    pub compute_environments: Vec<String>,
    /// `JobStateTimeLimitActions`: when it gives up a job that blocks it.
    #[serde(default)]
    pub time_limits: Vec<TimeLimit>,
}

/// When a queue gives up a job that is RUNNABLE and cannot start.
/// <https://docs.aws.amazon.com/batch/latest/APIReference/API_JobStateTimeLimitAction.html>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeLimit {
    /// Why the job cannot start: `CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY`.
    pub reason: String,
    /// After so many seconds.
    pub seconds: u64,
}

/// A Batch compute environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ComputeEnvironment {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Name.
    pub name: String,
    /// ARN.
    pub arn: String,
    /// `ComputeResources.Type`: `EC2`, `SPOT`, `FARGATE` or `FARGATE_SPOT`.
    pub kind: String,
    /// `MaxvCpus`.
    pub max_vcpus: Option<f64>,
}

/// An EventBridge rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rule {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Rule name.
    pub name: String,
    /// Rule ARN.
    pub arn: String,
    /// Event bus name (default `default`).
    pub event_bus: String,
    /// Event pattern; null for a rule that has only a schedule.
    pub pattern: Value,
    /// `rate(...)` or `cron(...)`, if the rule has one.
    pub schedule_expression: Option<String>,
    /// Whether the rule is enabled.
    pub enabled: bool,
    /// Targets.
    pub targets: Vec<RuleTarget>,
}

/// Target of a rule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RuleTarget {
    /// Target id.
    pub id: String,
    /// ARN of the function or state machine.
    pub arn: String,
    /// Constant input that replaces the event.
    pub input: Option<Value>,
    /// JSONPath into the event that becomes the input.
    pub input_path: Option<String>,
    /// `InputTransformer`, as written.
    pub input_transformer: Option<Value>,
}

/// An EventBridge Scheduler schedule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    /// CloudFormation logical id.
    pub logical_id: String,
    /// Schedule name.
    pub name: String,
    /// Schedule group (default `default`).
    pub group: String,
    /// Schedule ARN.
    pub arn: String,
    /// `rate(...)`, `cron(...)` or `at(...)`.
    pub expression: String,
    /// Time zone of `cron` and `at` (default UTC).
    pub timezone: Option<String>,
    /// Whether the schedule is enabled.
    pub enabled: bool,
    /// ARN of the function or state machine.
    pub target_arn: String,
    /// Input, parsed; null when there is none.
    pub input: Value,
    /// All properties of the resource, resolved: its dates, its window, its retry policy have the names of the API.
    pub properties: Value,
}
