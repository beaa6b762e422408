//! `hybrid exec`: any definition by itself, without a project; commands stand in for what it calls.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
    sync::Arc,
};

use asl::placeholders::{REGION, Unset, Values, machine_name};
use asl::{Resource, Status};
use clap::{Args, ValueEnum};
use forward::Forward;
use serde_json::{Value, json};
use stack::{Stack, StateMachine, StateMachineKind};
use stepfunctions::{CallSite, Cloud, Config, ExecutionDescription, call_sites};

use crate::{
    definition,
    error::{Error, FAILED, INTERRUPTED},
    interrupt,
    pipe::Surroundings,
    project::read_json,
    standins::{StandIns, flag_for, is_of_states, literal, pair},
};

/// Arguments of `hybrid exec`.
#[derive(Args)]
pub struct Exec {
    /// An Amazon States Language file, JSON or YAML, or `-` for standard input.
    definition: PathBuf,
    /// Input: a JSON file, `-` for standard input, or the JSON itself: '{"n": 1}' [default: {}].
    #[arg(long)]
    input: Option<PathBuf>,
    /// The command that stands in for a function: it gets the payload on standard input and answers
    /// with JSON on standard output; another exit code than 0 is a function error.
    #[arg(long = "lambda", value_name = "NAME=COMMAND")]
    lambdas: Vec<String>,
    /// The command that stands in for anything else that a state calls. RESOURCE is an integration
    /// (`dynamodb:getItem`, `glue:startJobRun.sync`, or its ARN), all of a service (`dynamodb:*`), the ARN
    /// of a function or an activity, a state's name, or `*`. The command gets the state's arguments as JSON
    /// on standard input and prints what the service would answer. Another exit code than 0 is an error,
    /// which `{"Error": …, "Cause": …}` names. For `.waitForTaskToken` it calls SendTaskSuccess, by any
    /// SDK or the AWS CLI, with the token in its input or in `$TASK_TOKEN`.
    #[arg(long = "mock", value_name = "RESOURCE=COMMAND")]
    mocks: Vec<String>,
    /// Send the calls of a service that has no stand-in on to a URL, or with the word `aws` to AWS itself, with your
    /// credentials. `*` stands for every service.
    #[arg(long = "forward", value_name = "SERVICE=URL")]
    forwards: Vec<String>,
    /// The definition of a state machine that this one starts.
    #[arg(long = "machine", value_name = "NAME=FILE")]
    machines: Vec<String>,
    /// The value of a placeholder `${NAME}`.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Whether Wait, Retry delays and timeouts take their time.
    #[arg(long, value_enum, default_value_t = ClockArgument::Real)]
    clock: ClockArgument,
    /// Run as an Express instead of a Standard workflow.
    #[arg(long)]
    express: bool,
    /// Print one JSON document with status, output, error, cause and events.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    mocked: super::mocked::Mocked,
}

/// The clock as an argument.
#[derive(Clone, Copy, ValueEnum)]
pub enum ClockArgument {
    /// As on AWS.
    Real,
    /// Skip to the next timer as soon as nothing real is running.
    Virtual,
}

impl From<ClockArgument> for stepfunctions::ClockMode {
    fn from(clock: ClockArgument) -> Self {
        match clock {
            ClockArgument::Real => stepfunctions::ClockMode::Real,
            ClockArgument::Virtual => stepfunctions::ClockMode::Virtual,
        }
    }
}

/// A definition that takes part.
struct Part {
    /// The name or ARN by which others start it.
    name: String,
    path: PathBuf,
    filled: definition::Read,
    sites: Vec<CallSite>,
}

/// How it ended.
struct Ended {
    execution: ExecutionDescription,
    events: Vec<Value>,
    interrupted: bool,
}

impl Exec {
    /// Exit code 0 if the execution SUCCEEDED, 2 for wrong input or what nothing answers, 3 for a wrong definition, 130
    /// after Ctrl-C, else 1.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let settings = definition::values(&self.sets)?;
        let input = match &self.input {
            Some(source) => read_json(source)?,
            None => json!({}),
        };
        let mocked =
            self.mocked
                .execute(&self.definition, &settings, &input, self.express, self.json)?;
        if let Some(code) = mocked {
            return Ok(code);
        }
        let parts = self.parts(&settings)?;
        let mut standins = StandIns::parse(&self.lambdas, &self.mocks)?;
        if !self.forwards.is_empty() {
            standins.forward(Forward::parse(&self.forwards, REGION)?);
        }
        let sites: Vec<CallSite> = parts.iter().flat_map(|part| part.sites.clone()).collect();
        standins.check_used(&sites)?;
        check_answered(&parts, &standins)?;
        let ended = run(stack(&parts, self.express), self.clock, standins, &input).await?;
        if self.json {
            println!("{}", ended.document());
        } else {
            ended.print();
        }
        Ok(match ended.execution.status {
            Status::Succeeded { .. } => ExitCode::SUCCESS,
            _ if ended.interrupted => ExitCode::from(INTERRUPTED),
            _ => ExitCode::from(FAILED),
        })
    }

    /// The definition, then those that it may start.
    fn parts(&self, settings: &Values) -> Result<Vec<Part>, Error> {
        let mut files = vec![("exec", self.definition.clone())];
        for argument in &self.machines {
            let (name, file) = pair("--machine", argument, "NAME=FILE")?;
            files.push((name, file.into()));
        }
        let (mut used, mut missing) = (BTreeSet::new(), BTreeSet::new());
        let mut parts = Vec::new();
        for (name, path) in files {
            let filled = definition::read(&path, settings, Unset::GetsName)?;
            used.extend(filled.used.iter().cloned());
            missing.extend(filled.missing.iter().cloned());
            parts.push(Part {
                name: name.to_owned(),
                sites: call_sites(&filled.text),
                filled,
                path,
            });
        }
        definition::check_used(settings, &used)?;
        for part in &parts {
            check_valid(part, kind_of(part, &parts, self.express))?;
        }
        if missing.is_empty() {
            return Ok(parts);
        }
        let flags: Vec<String> = missing
            .iter()
            .map(|name| format!("--set {name}=NUMBER"))
            .collect();
        Err(Error::Usage(format!(
            "the definition has placeholders where a number belongs; add {}",
            flags.join(" ")
        )))
    }
}

/// What only Express workflows are started by tells that it is one.
fn kind_of(part: &Part, parts: &[Part], express: bool) -> StateMachineKind {
    let mut sites = parts.iter().flat_map(|part| &part.sites);
    let synchronously =
        |site: &CallSite| site.resource.contains("startSyncExecution") && starts(site, &part.name);
    match (part.name == "exec" && express) || sites.any(synchronously) {
        true => StateMachineKind::Express,
        false => StateMachineKind::Standard,
    }
}

fn starts(site: &CallSite, name: &str) -> bool {
    literal(&site.arguments, "StateMachineArn")
        .is_some_and(|arn| machine_name(arn) == machine_name(name))
}

fn check_valid(part: &Part, kind: StateMachineKind) -> Result<(), Error> {
    let kind = match kind {
        StateMachineKind::Standard => asl::ExecutionType::Standard,
        StateMachineKind::Express => asl::ExecutionType::Express,
    };
    let mut found = part
        .filled
        .placed(asl::validate_as(&part.filled.text, kind));
    found.retain(|finding| finding.severity == asl::Severity::Error);
    if found.is_empty() {
        return Ok(());
    }
    let lines = found.iter().map(|finding| super::line(&part.path, finding));
    Err(Error::Definition {
        path: part.path.clone(),
        problems: lines.collect::<Vec<_>>().join("\n"),
    })
}

/// Refuses the run if something is called that nothing answers, with what to add for each.
fn check_answered(parts: &[Part], standins: &StandIns) -> Result<(), Error> {
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for site in parts.iter().flat_map(|part| &part.sites) {
        let Some(resource) = Resource::parse(&site.resource) else {
            continue;
        };
        let answered = standins.cover(site, &resource)
            || is_of_states(&resource) && machine_is_there(site, parts);
        if !answered {
            let states = missing.entry(flag_for(site)).or_default();
            states.push(&site.state);
        }
    }
    match missing.is_empty() {
        true => Ok(()),
        false => Err(Error::Unanswered(
            missing
                .into_iter()
                .map(|(flag, states)| format!("  {flag}   for {}", states.join(", ")))
                .collect(),
        )),
    }
}

/// Calls of Step Functions itself need a state machine only where they start one.
fn machine_is_there(site: &CallSite, parts: &[Part]) -> bool {
    let starts_one =
        site.resource.contains(":startExecution") || site.resource.contains(":startSyncExecution");
    match literal(&site.arguments, "StateMachineArn") {
        _ if !starts_one => true,
        Some(_) => parts.iter().any(|part| starts(site, &part.name)),
        // Which one it is, the run will tell.
        None => parts.len() > 1,
    }
}

/// A stack of the state machines alone, each under every ARN by which it is started.
fn stack(parts: &[Part], express: bool) -> Stack {
    let mut state_machines = Vec::new();
    for part in parts {
        let name = machine_name(&part.name);
        let mut arns = BTreeSet::from([match part.name.starts_with("arn:") {
            true => part.name.clone(),
            false => arn(&format!("stateMachine:{name}")),
        }]);
        let sites = parts.iter().flat_map(|part| &part.sites);
        arns.extend(
            sites
                .filter(|site| starts(site, name))
                .filter_map(|site| literal(&site.arguments, "StateMachineArn"))
                .map(str::to_owned),
        );
        state_machines.extend(arns.into_iter().map(|arn| StateMachine {
            name: name.to_owned(),
            arn,
            kind: kind_of(part, parts, express),
            definition: part.filled.text.clone(),
            role_arn: format!("arn:aws:iam::{}:role/exec", stack::ACCOUNT),
            source: Some(part.path.clone()),
            ..StateMachine::default()
        }));
    }
    Stack {
        region: REGION.to_owned(),
        account: stack::ACCOUNT.to_owned(),
        state_machines,
        ..Stack::default()
    }
}

fn arn(resource: &str) -> String {
    format!("arn:aws:states:{REGION}:{}:{resource}", stack::ACCOUNT)
}

/// Runs the first state machine of the stack in a folder of its own.
async fn run(
    stack: Stack,
    clock: ClockArgument,
    standins: StandIns,
    input: &Value,
) -> Result<Ended, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(std::env::temp_dir()))?;
    let standins = Arc::new(standins);
    let mut config = Config::new(stack, folder.path().join("cloud"), PathBuf::new());
    config.clock = clock.into();
    config.outside = Some(standins.clone());
    let cloud = Cloud::start(config).await?;
    standins.surround(Surroundings {
        endpoint: Some(cloud.endpoint().to_owned()),
    });
    let name = format!("exec-{}", cloud::time::now().0);
    let machine = arn("stateMachine:exec");
    let arn = cloud.start_execution(&machine, &name, input).await?;
    let interrupted = tokio::select! {
        biased;
        _ = cloud.wait(&arn) => false,
        () = cloud.stalled() => false,
        () = interrupt::requested() => true,
    };
    let execution = cloud.describe(&arn).await?;
    let events = cloud.history(&arn).await?;
    cloud.shutdown().await;
    Ok(Ended {
        execution,
        events,
        interrupted,
    })
}

impl Ended {
    fn document(&self) -> Value {
        let execution = &self.execution;
        json!({
            "status": execution.status.name(),
            "output": execution.output(),
            "error": execution.error(),
            "cause": execution.cause(),
            "events": self.events,
        })
    }

    /// The output alone on standard output, so that it can be piped; what went wrong on standard error.
    fn print(&self) {
        let execution = &self.execution;
        if let Some(output) = execution.output() {
            println!("{output}");
            return;
        }
        eprintln!("{}", execution.status.name());
        for (what, text) in [("error", execution.error()), ("cause", execution.cause())] {
            if let Some(text) = text {
                eprintln!("{what}: {text}");
            }
        }
        if matches!(execution.status, Status::Running) && !self.interrupted {
            eprintln!(
                "nothing can happen any more: a task waits for its token, which nobody answers, and has no TimeoutSeconds"
            );
        }
    }
}
