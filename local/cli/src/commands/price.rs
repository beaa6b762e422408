//! `hybrid price`: what a job, or each job of a pipeline, costs on every placement, and which one it
//! would get.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use cloud::stack::{Options, Stack};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    input,
    job::Resources,
    placement::{Availability, Decision, Needs, choose},
    pricing::Prices,
};

use crate::{
    error::{Error, FAILED},
    needed,
    project::{Project, read_json},
};

/// Arguments of `hybrid price`.
#[derive(Args)]
pub struct Price {
    /// A pipeline of the project, or a JSON file with a job (`-` for standard input), such as
    /// {"resources": {"vcpu": 2, "memoryMiB": 4096}, "expectedSeconds": 3600}.
    what: String,
    /// How long each job of a pipeline runs.
    #[arg(long, default_value_t = 60.0, value_name = "SECONDS")]
    expected: f64,
    /// When each job of a pipeline must be done, from its start.
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<f64>,
    /// Each job of a pipeline may be interrupted, so that Spot may run it.
    #[arg(long)]
    interruptible: bool,
    /// Another price list: JSON in the form of `--json`'s `prices`.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Print one JSON document: prices, and per job its decision.
    #[arg(long)]
    json: bool,
}

/// A job as a file tells it: the fields of a request to the dispatcher that matter here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Job {
    /// Shown above the table.
    #[serde(default = "a_job")]
    worker: String,
    resources: Resources,
    expected_seconds: f64,
    #[serde(default)]
    longest_seconds: Option<f64>,
    #[serde(default)]
    deadline_seconds: Option<f64>,
    #[serde(default)]
    interruptible: bool,
}

fn a_job() -> String {
    "job".to_owned()
}

impl Price {
    /// Exit code 0, or 1 when a job fits no placement.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let prices = match &self.prices {
            Some(file) => parse(read_json(file)?)?,
            None => Prices::default(),
        };
        let jobs = self.jobs()?;
        let decisions: Vec<_> = jobs.iter().map(|job| decide(job, &prices)).collect();
        if self.json {
            println!("{}", document(&jobs, &decisions, &prices));
        } else {
            for (job, decision) in jobs.iter().zip(&decisions) {
                print!("{}", table(job, decision));
            }
            println!(
                "Prices of {}, us-east-1. One hour at the size nearest 2 vCPU, 4 GB:",
                prices.as_of
            );
            for row in prices.hour_of_two_vcpus() {
                println!(
                    "  {:<13} {:<16} {} USD",
                    row.placement.to_string(),
                    row.size,
                    row.usd
                );
            }
        }
        let fits = decisions.iter().all(Result::is_ok);
        Ok(if fits {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }

    fn jobs(&self) -> Result<Vec<Job>, Error> {
        let file = Path::new(&self.what);
        if self.what == "-" || file.is_file() {
            let job: Job = parse(read_json(file)?)?;
            return Ok(vec![job]);
        }
        let project = Project::here()?;
        let pipeline = project.pipeline(&self.what)?;
        let input = pipeline.input(None)?;
        let stack = Stack::load(&project.serverless_yml(), &Options::default())?;
        let jobs = self.of_pipeline(&stack, &input);
        if jobs.is_empty() {
            let message = format!(
                "{} starts no job on a cluster; its functions are priced by a run",
                self.what
            );
            return Err(Error::Usage(message));
        }
        Ok(jobs)
    }

    /// One job per worker that the pipeline reaches, at the size of its task definition.
    fn of_pipeline(&self, stack: &Stack, input: &Value) -> Vec<Job> {
        let named =
            |machine: &&cloud::stack::StateMachine| machine.pipeline.as_deref() == Some(&self.what);
        let Some(machine) = stack.state_machines.iter().find(named) else {
            return Vec::new();
        };
        let packages = needed::packages(stack, machine, input);
        let reached = stack.task_definitions.iter().filter_map(|task| {
            let worker = needed::worker(&task.containers.first()?.image);
            packages.contains(&worker).then(|| Job {
                worker,
                resources: Resources {
                    vcpu: task.cpu.unwrap_or(1_024) as f64 / 1_024.0,
                    memory_mib: u32::try_from(task.memory_mib.unwrap_or(2_048)).unwrap_or(u32::MAX),
                },
                expected_seconds: self.expected,
                longest_seconds: None,
                deadline_seconds: self.deadline,
                interruptible: self.interruptible,
            })
        });
        reached.collect()
    }
}

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, Error> {
    input::parse(value).map_err(|error| Error::Usage(error.to_string()))
}

fn decide(job: &Job, prices: &Prices) -> Result<Decision, String> {
    let needs = Needs {
        resources: job.resources,
        expected_seconds: job.expected_seconds,
        longest_seconds: job
            .longest_seconds
            .unwrap_or_else(|| Needs::longest_of(job.expected_seconds)),
        deadline: job.deadline_seconds,
        interruptible: job.interruptible,
    };
    choose(&needs, prices, 0.0, &Availability::all()).map_err(|error| error.to_string())
}

fn table(job: &Job, decision: &Result<Decision, String>) -> String {
    let Resources { vcpu, memory_mib } = job.resources;
    let head = format!(
        "{}: {vcpu} vCPU, {memory_mib} MiB, {} s expected\n",
        job.worker, job.expected_seconds
    );
    match decision {
        Ok(decision) => format!("{head}{decision}  {}\n\n", decision.explanation),
        Err(error) => format!("{head}  {error}\n\n"),
    }
}

fn document(jobs: &[Job], decisions: &[Result<Decision, String>], prices: &Prices) -> Value {
    let rows = jobs
        .iter()
        .zip(decisions)
        .map(|(job, decision)| match decision {
            Ok(decision) => {
                json!({"worker": job.worker, "resources": job.resources, "decision": decision})
            }
            Err(error) => json!({"worker": job.worker, "resources": job.resources, "error": error}),
        });
    json!({"prices": prices, "jobs": rows.collect::<Vec<_>>(), "hourOfTwoVcpus": prices.hour_of_two_vcpus()})
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn job(value: Value) -> Result<Job, Error> {
        parse(value)
    }

    #[test]
    fn a_job_gets_a_table_with_every_placement_and_its_choice() {
        let job =
            job(json!({"resources": {"vcpu": 2, "memoryMiB": 4096}, "expectedSeconds": 3600}))
                .unwrap();
        let text = table(&job, &decide(&job, &Prices::default()));
        for part in [
            "> BATCH ",
            "c6i.large",
            "0.0850",
            "0.0330",
            "0.0987",
            "0.2400",
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
            table(&giant, &decide(&giant, &Prices::default()))
                .contains("no placement can run the job")
        );
    }
}
