//! `hybrid price`: what a job, or each job of a pipeline, costs on every placement, and which one the
//! dispatcher of the stack would give it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use input::{self, InvalidInput};
use placement::choice::{Availability, Decision, Needs, choose};
use placement::pricing::Prices;
use placement::{Placement, Resources, Starter};
use serde::Deserialize;
use serde_json::{Value, json};
use stack::{Stack, StateMachine, binary_of_image};

use crate::{
    error::{Error, FAILED},
    learnt::{self, Learnt},
    ledger::{self, Ledgers},
    machines, needed,
    place::ProjectArguments,
    project::{Pipeline, Project, read_json},
    summary,
};

/// How long a job runs of which nothing is said, s.
const EXPECTED: f64 = 60.0;

/// Arguments of `hybrid price`.
#[derive(Args)]
pub struct Price {
    /// A pipeline of the project, or a job as JSON: a file, `-` for standard input, or the JSON itself, such as
    /// {"resources": {"vcpu": 2, "memoryMiB": 4096}, "expectedSeconds": 3600}.
    what: String,
    /// How long each job of a pipeline runs [default: what its input or definition says as `expectedSeconds`, else 60].
    #[arg(long, value_name = "SECONDS")]
    expected: Option<f64>,
    /// When each job of a pipeline must be done, from its start.
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<f64>,
    /// Each job of a pipeline may be interrupted, so that Spot may run it.
    #[arg(long)]
    interruptible: bool,
    /// Another price list: JSON in the form of `--json`'s `prices`.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    /// Print one JSON document: prices, and per job its decision.
    #[arg(long)]
    json: bool,
}

/// A job as a file tells it: the fields of a request to the dispatcher that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Job {
    /// Shown above the table; its function is what Lambda has for the job.
    #[serde(default)]
    worker: Option<String>,
    resources: Resources,
    expected_seconds: f64,
    #[serde(default)]
    longest_seconds: Option<f64>,
    #[serde(default)]
    deadline_seconds: Option<f64>,
    #[serde(default)]
    interruptible: bool,
}

impl Job {
    fn name(&self) -> &str {
        self.worker.as_deref().unwrap_or("job")
    }

    /// What the ledger tells of jobs of its worker.
    fn learnt(&self, ledgers: &Ledgers) -> Vec<Learnt> {
        let worker = self.worker.as_deref();
        worker.map_or_else(Vec::new, |worker| learnt::of(ledgers, worker))
    }

    /// What it needs.
    fn needs(&self) -> Needs {
        Needs {
            resources: self.resources,
            expected_seconds: self.expected_seconds,
            longest_seconds: self
                .longest_seconds
                .unwrap_or_else(|| Needs::longest_of(self.expected_seconds)),
            within: self.deadline_seconds,
            interruptible: self.interruptible,
        }
    }
}

impl Price {
    /// Exit code 0, or 1 when a job fits no placement.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let (jobs, stack) = self.jobs()?;
        for job in &jobs {
            job.needs().check().map_err(usage)?;
        }
        let prices = match &self.prices {
            Some(file) => parse(read_json(file)?)?,
            None => prices_of(stack.as_ref())?,
        };
        let decide = |job| decide(job, stack.as_ref(), &prices);
        let decisions: Vec<_> = jobs.iter().map(decide).collect();
        let ledgers = self.ledgers()?;
        if self.json {
            println!("{}", document(&jobs, &decisions, &prices, &ledgers));
        } else {
            for (job, decision) in jobs.iter().zip(&decisions) {
                print!("{}", table(job, decision, &job.learnt(&ledgers)));
            }
            print!("{}", hours(&prices));
        }
        let fits = decisions.iter().all(Result::is_ok);
        Ok(if fits {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }

    /// What the runs of the project have learnt, where there is one.
    fn ledgers(&self) -> Result<Ledgers, Error> {
        let project = self.project.find().ok();
        project.map_or_else(
            || Ok(Ledgers::default()),
            |project| Ledgers::read(&project.out().join(ledger::FILE)),
        )
    }

    /// The jobs, and the stack of the project, which a job of a file can do without.
    fn jobs(&self) -> Result<(Vec<Job>, Option<Stack>), Error> {
        let load = |project: Project| self.project.stack(&project);
        let file = Path::new(&self.what);
        if self.what == "-" || self.what.trim_start().starts_with('{') || file.is_file() {
            let job: Job = parse(read_json(file)?)?;
            let stack = self.project.find().ok().map(load).transpose()?;
            return Ok((vec![job], stack));
        }
        let project = self.project.find()?;
        let stack = load(project.clone())?;
        let machine = machines::named(&stack, &self.what)?;
        let input = Pipeline::of(machine, &project).input(None)?;
        let jobs = self.of_pipeline(&stack, machine, &input)?;
        if jobs.is_empty() {
            let message = format!(
                "{} starts no job on a cluster; its functions are priced by a run",
                self.what
            );
            return Err(Error::Usage(message));
        }
        Ok((jobs, Some(stack)))
    }

    /// One job per worker that the pipeline reaches, at the size of its task definition.
    fn of_pipeline(
        &self,
        stack: &Stack,
        machine: &StateMachine,
        input: &Value,
    ) -> Result<Vec<Job>, Error> {
        let packages = needed::packages(stack, machine, input);
        let definition: Value = serde_json::from_str(&machine.definition).unwrap_or(Value::Null);
        let written =
            number(input, "expectedSeconds").or_else(|| number(&definition, "expectedSeconds"));
        let expected = self.expected.or(written).unwrap_or(EXPECTED);
        let mut reached: BTreeMap<String, Resources> = BTreeMap::new();
        for task in &stack.task_definitions {
            let worker = task
                .containers
                .first()
                .map(|container| binary_of_image(&container.image).to_owned());
            if let Some(worker) = worker.filter(|worker| packages.contains(worker)) {
                reached.insert(worker, size(task)?);
            }
        }
        for job in &stack.job_definitions {
            let worker = binary_of_image(&job.image).to_owned();
            if packages.contains(&worker) && !reached.contains_key(&worker) {
                reached.insert(
                    worker,
                    Resources {
                        vcpu: job.vcpus,
                        memory_mib: memory(job.memory_mib),
                    },
                );
            }
        }
        let job = |(worker, resources): (String, Resources)| {
            Ok(Job {
                worker: Some(worker),
                resources,
                expected_seconds: expected,
                longest_seconds: None,
                deadline_seconds: self.deadline,
                interruptible: self.interruptible,
            })
        };
        reached.into_iter().map(job).collect()
    }
}

/// The size of a task, which a definition for Fargate must tell.
fn size(task: &stack::TaskDefinition) -> Result<Resources, Error> {
    let (Some(cpu), Some(memory)) = (task.cpu, task.memory_mib) else {
        let family = &task.family;
        let message =
            format!("task definition {family} tells no Cpu and Memory; without a size no price");
        return Err(Error::Usage(message));
    };
    Ok(Resources {
        vcpu: cpu as f64 / 1_024.0,
        memory_mib: self::memory(memory),
    })
}

fn memory(mib: u64) -> u32 {
    u32::try_from(mib).unwrap_or(u32::MAX)
}

/// The first number of this name in a document.
fn number(value: &Value, name: &str) -> Option<f64> {
    match value {
        Value::Object(fields) => {
            let own = fields.get(name).and_then(Value::as_f64);
            own.or_else(|| fields.values().find_map(|inner| number(inner, name)))
        }
        Value::Array(items) => items.iter().find_map(|inner| number(inner, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    input::parse(value).map_err(usage)
}

fn usage(error: InvalidInput) -> Error {
    Error::Usage(error.to_string())
}

/// The prices that the dispatcher of `stack` chooses by.
pub(super) fn prices_of(stack: Option<&Stack>) -> Result<Prices, Error> {
    let functions = stack.map_or(&[][..], |stack| &stack.functions);
    let architecture = functions
        .iter()
        .find_map(|function| function.environment.get("ARCHITECTURE"));
    architecture.map_or_else(
        || Ok(Prices::default()),
        |architecture| architecture.parse().map_err(usage),
    )
}

/// What the dispatcher of `stack` would choose. Without a stack, or without a worker, Lambda is made to measure.
fn decide(job: &Job, stack: Option<&Stack>, prices: &Prices) -> Result<Decision, String> {
    let (mut prices, mut availability) = (prices.clone(), Availability::all());
    if let (Some(stack), Some(worker)) = (stack, &job.worker) {
        let is_its = |function: &&stack::Function| function.binary == *worker;
        match stack.functions.iter().find(is_its) {
            Some(function) => {
                let memory = u32::try_from(function.memory_mib).unwrap_or(u32::MAX);
                prices = prices.with_function(memory);
            }
            None => refuse(
                &mut availability,
                |starter| starter == Starter::Function,
                || format!("{worker} has no function"),
            ),
        }
        // A stack without any container tells of none what it would run on.
        if !(stack.task_definitions.is_empty() && stack.job_definitions.is_empty()) {
            refuse_undefined(&mut availability, stack, worker);
        }
    }
    choose(&job.needs(), &prices, &availability).map_err(|error| error.to_string())
}

/// Notes that the placements refuse for which `worker` has no task or job definition.
fn refuse_undefined(availability: &mut Availability, stack: &Stack, worker: &str) {
    let is_its = |image: &str| binary_of_image(image) == worker;
    let mut tasks = stack
        .task_definitions
        .iter()
        .flat_map(|task| &task.containers);
    if !tasks.any(|container| is_its(&container.image)) {
        let is_task = |starter| matches!(starter, Starter::Task { .. });
        refuse(availability, is_task, || {
            format!("{worker} has no task definition")
        });
    }
    if !stack.job_definitions.iter().any(|job| is_its(&job.image)) {
        let is_job = |starter| matches!(starter, Starter::Job { .. });
        refuse(availability, is_job, || {
            format!("{worker} has no job definition")
        });
    }
}

/// Notes that the placements which are started so refuse.
fn refuse(
    availability: &mut Availability,
    which: impl Fn(Starter) -> bool,
    why: impl Fn() -> String,
) {
    let refusing = Placement::ALL
        .into_iter()
        .filter(|placement| which(placement.starter()));
    refusing.for_each(|placement| availability.refuse(placement, why()));
}

fn table(job: &Job, decision: &Result<Decision, String>, learnt: &[Learnt]) -> String {
    let Resources { vcpu, memory_mib } = job.resources;
    let mut head = format!(
        "{}: {vcpu} vCPU, {memory_mib} MiB, {} s expected\n",
        job.name(),
        job.expected_seconds
    );
    for one in learnt {
        head.push_str(&format!("  {one}\n"));
    }
    match decision {
        Ok(decision) => {
            // What follows tells of the other placements, as the table does.
            let chosen = decision.explanation.split(';').next().unwrap_or_default();
            format!("{head}{decision}  {chosen}\n\n")
        }
        Err(error) => format!("{head}  {error}\n\n"),
    }
}

/// One hour of each placement, and of what AWS manages beside them.
fn hours(prices: &Prices) -> String {
    let rows = prices.hour_of_two_vcpus().into_iter();
    let rows = rows.map(|row| vec![row.placement.to_string(), row.size, row.usd]);
    let mut text = format!("Prices of {}, us-east-1, in USD.\n", prices.as_of);
    let head = ["one hour near 2 vCPU, 4 GB", "size", "USD"];
    text.push_str(&summary::table(&head, rows.collect()));
    if prices.managed.is_empty() {
        return text;
    }
    let rows = prices.managed.iter().map(|one| {
        let usd = format!("{:.4}", one.usd_per_hour);
        vec![one.service.clone(), one.size.clone(), usd]
    });
    let head = ["not in this stack, fee included", "size", "USD"];
    text.push('\n');
    text.push_str(&summary::table(&head, rows.collect()));
    for one in &prices.managed {
        text.push_str(&format!(
            "{}: {}, read on {}\n",
            one.service, one.source, one.as_of
        ));
    }
    text
}

fn document(
    jobs: &[Job],
    decisions: &[Result<Decision, String>],
    prices: &Prices,
    ledgers: &Ledgers,
) -> Value {
    let rows = jobs.iter().zip(decisions).map(|(job, decision)| {
        let mut row = json!({"worker": job.name(), "resources": job.resources,
                             "expectedSeconds": job.expected_seconds, "learnt": job.learnt(ledgers)});
        match decision {
            Ok(decision) => row["decision"] = json!(decision),
            Err(error) => row["error"] = json!(error),
        }
        row
    });
    json!({"prices": prices, "jobs": rows.collect::<Vec<_>>(), "hourOfTwoVcpus": prices.hour_of_two_vcpus()})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(value: Value) -> Result<Job, Error> {
        parse(value)
    }

    #[test]
    fn a_job_gets_a_table_with_every_placement_and_its_choice() {
        let job =
            job(json!({"resources": {"vcpu": 2, "memoryMiB": 3584}, "expectedSeconds": 3600}))
                .unwrap();
        let text = table(&job, &decide(&job, None, &Prices::default()), &[]);
        for part in [
            "> BATCH ",
            "c6i.large",
            "0.0850",
            "0.0330",
            "0.0987",
            "0.2100",
            "BATCH (c6i.large): cheapest in time",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn bad_jobs_are_refused_by_path_and_what_fits_nowhere_is_told() {
        let error =
            job(json!({"resources": {"vcpu": "two", "memoryMiB": 4096}, "expectedSeconds": 1}))
                .unwrap_err();
        assert!(error.to_string().contains("$.resources.vcpu"), "{error}");
        let giant =
            job(json!({"resources": {"vcpu": 500, "memoryMiB": 1}, "expectedSeconds": 1})).unwrap();
        assert!(
            table(&giant, &decide(&giant, None, &Prices::default()), &[])
                .contains("no placement can run the job")
        );
    }

    #[test]
    fn lambda_has_for_a_job_what_its_worker_has_as_a_function() {
        let function = |binary: &str, environment: &[(&str, &str)]| stack::Function {
            binary: binary.to_owned(),
            memory_mib: 1_769,
            environment: environment
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Default::default()
        };
        let stack = Stack {
            functions: vec![
                function("dispatcher", &[("ARCHITECTURE", "arm64")]),
                function("trainer", &[]),
            ],
            ..Stack::default()
        };
        let prices = prices_of(Some(&stack)).unwrap();
        assert_eq!(prices, Prices::arm64());
        let lambda = |worker: &str, memory: u32| {
            let resources = json!({"vcpu": 1, "memoryMiB": memory});
            let job = json!({"worker": worker, "resources": resources, "expectedSeconds": 1});
            let job = job_of(job);
            let decision = decide(&job, Some(&stack), &prices).unwrap();
            decision.candidate(Placement::Lambda).unwrap().clone()
        };
        let size = |worker, memory| lambda(worker, memory).offer.map(|offer| offer.size);
        assert_eq!(size("trainer", 512).as_deref(), Some("1769 MB"));
        assert_eq!(size("trainer", 2_048), None);
        let refused = serde_json::to_string(&lambda("transformer", 512).promise).unwrap();
        assert!(refused.contains("transformer has no function"), "{refused}");
    }

    #[test]
    fn a_placement_without_a_definition_of_the_worker_is_refused() {
        let container = stack::ContainerDefinition {
            image: "trainer:1".to_owned(),
            ..Default::default()
        };
        let task = stack::TaskDefinition {
            containers: vec![container],
            ..Default::default()
        };
        let stack = Stack {
            task_definitions: vec![task],
            ..Stack::default()
        };
        let job = job_of(
            json!({"worker": "trainer", "resources": {"vcpu": 1, "memoryMiB": 2048}, "expectedSeconds": 1}),
        );
        let decision = decide(&job, Some(&stack), &Prices::default())
            .unwrap()
            .to_string();
        assert!(
            decision.contains("trainer has no job definition"),
            "{decision}"
        );
        assert!(!decision.contains("no task definition"), "{decision}");
    }

    #[test]
    fn the_first_number_of_a_name_is_found() {
        let input =
            json!({"a": [{"transform": {"expectedSeconds": 30}}], "expectedSeconds": "soon"});
        assert_eq!(number(&input, "expectedSeconds"), Some(30.0));
        assert_eq!(number(&input, "none"), None);
    }

    #[test]
    fn managed_instances_are_told_with_their_source() {
        let text = hours(&Prices::x86_64());
        for part in [
            "FARGATE",
            "0.098",
            "c6i.large",
            "0.0978",
            "0.3430",
            "/ecs/pricing/, read on 2026-09-20",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn nonsense_is_refused_by_path() {
        for (field, value) in [("expectedSeconds", json!(-5)), ("longestSeconds", json!(1))] {
            let mut value_of =
                json!({"resources": {"vcpu": 1, "memoryMiB": 1024}, "expectedSeconds": 2});
            value_of[field] = value;
            let refusal = job_of(value_of).needs().check().unwrap_err();
            assert_eq!(refusal.path, format!("$.{field}"));
        }
    }

    fn job_of(value: Value) -> Job {
        parse(value).unwrap()
    }
}
