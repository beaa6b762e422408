//! `hybrid test`: the test cases beside state machine definitions, each with its mocks, on a virtual clock.

mod junit;
mod page;
mod report;

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::ExitCode,
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use clap::Args;
use serde_json::Value;
use testing::{Case, Coverage, Mismatch, Run};

use crate::{
    error::{Error, FAILED},
    place::ProjectArguments,
    suites::{Loaded, Suites},
};

/// Arguments of `hybrid test`.
#[derive(Args)]
pub struct Test {
    /// Files NAME.test.json, folders of them, or pipelines of this project [default: all of the project].
    paths: Vec<PathBuf>,
    /// Run only the cases whose name contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Print a dot for a case instead of its name.
    #[arg(long)]
    dots: bool,
    /// Print what the cases reach of each state machine.
    #[arg(long)]
    coverage: bool,
    /// Write a page of what the cases reach, with the graph of each state machine.
    #[arg(long, value_name = "FILE")]
    coverage_html: Option<PathBuf>,
    /// Fail unless the cases reach so much of each state machine, in percent.
    #[arg(long, value_name = "PERCENT", value_parser = percent)]
    min_coverage: Option<f64>,
    /// Stop a case at so many events of its history, where the case does not say [default: 25000, as on AWS].
    #[arg(long, value_name = "N")]
    max_events: Option<u64>,
    /// Write the results as JUnit XML.
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    project: ProjectArguments,
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text
        .parse()
        .ok()
        .filter(|number| (0.0..=100.0).contains(number));
    number.ok_or_else(|| "expected a number from 0 to 100".to_owned())
}

/// The results of one file.
struct Tested {
    loaded: Loaded,
    outcomes: Vec<Outcome>,
    coverage: Coverage,
}

/// The result of one case: what is told of its run, for there may be a hundred thousand.
struct Outcome {
    name: String,
    status: &'static str,
    output: Option<asl::Value>,
    error: Option<String>,
    cause: Option<String>,
    path: Vec<String>,
    retries: BTreeMap<String, u32>,
    /// On the virtual clock.
    seconds: f64,
    is_endless: bool,
    /// Of a case that failed.
    history: Vec<Value>,
    mismatches: Vec<Mismatch>,
    took: Duration,
}

impl Outcome {
    fn new(case: &Case, run: Run, mismatches: Vec<Mismatch>, took: Duration) -> Outcome {
        let (error, cause) = run.failure();
        let events = run.execution.history().iter();
        Outcome {
            name: case.name.clone(),
            status: run.status().name(),
            output: run.output().cloned(),
            error: error.map(str::to_owned),
            cause: cause.map(str::to_owned),
            is_endless: run.is_endless(),
            history: match mismatches.is_empty() {
                true => Vec::new(),
                false => events.map(|event| event.to_json().into()).collect(),
            },
            path: run.entered,
            retries: run.retries,
            seconds: run.seconds,
            mismatches,
            took,
        }
    }

    fn passed(&self) -> bool {
        self.mismatches.is_empty()
    }
}

impl Test {
    /// Exit code 0 if every case passes and the coverage suffices, 2 for a file that cannot be used, else 1.
    pub fn execute(self) -> Result<ExitCode, Error> {
        let loaded = Suites::of(&self.project).tests(&self.paths)?;
        for one in &loaded {
            for line in unmocked(one) {
                eprintln!("{line}");
            }
        }
        let start = Instant::now();
        let tested = self.run(loaded)?;
        let took = start.elapsed();
        if self.json {
            println!("{}", report::json(&tested, took));
        } else {
            report::print(
                &tested,
                took,
                self.dots,
                self.coverage || self.min_coverage.is_some(),
            );
        }
        if let Some(file) = &self.junit {
            std::fs::write(file, junit::document(&tested)).map_err(Error::file(file))?;
        }
        if let Some(file) = &self.coverage_html {
            std::fs::write(file, page::document(&tested)).map_err(Error::file(file))?;
        }
        let mut passed = tested
            .iter()
            .all(|one| one.outcomes.iter().all(Outcome::passed));
        for one in &tested {
            let reached = one.coverage.percent();
            if let Some(least) = self.min_coverage.filter(|least| reached < *least) {
                passed = false;
                eprintln!(
                    "{}: the cases reach {reached:.1} % of the state machine, less than {least} %",
                    one.loaded.file.display()
                );
            }
        }
        Ok(if passed {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        })
    }

    fn run(&self, loaded: Vec<Loaded>) -> Result<Vec<Tested>, Error> {
        let chosen = |case: &&Case| {
            self.filter
                .as_ref()
                .is_none_or(|text| case.name.contains(text))
        };
        let work: Vec<(usize, &Case)> = loaded
            .iter()
            .enumerate()
            .flat_map(|(index, one)| {
                let cases = one.suite.iter().flat_map(|suite| &suite.cases);
                cases.filter(chosen).map(move |case| (index, case))
            })
            .collect();
        if work.is_empty() {
            return Err(Error::Usage(match &self.filter {
                Some(text) => format!("no case has {text:?} in its name"),
                None => "there are no cases".to_owned(),
            }));
        }
        let (outcomes, coverages) = in_parallel(&loaded, &work, self.max_events);
        let tested = loaded.into_iter().zip(outcomes).zip(coverages);
        let tested = tested.map(|((loaded, outcomes), coverage)| Tested {
            loaded,
            outcomes,
            coverage,
        });
        Ok(tested.filter(|one| !one.outcomes.is_empty()).collect())
    }
}

/// Runs the cases on every processor: for each file the results in the order of the cases, and what they reach.
fn in_parallel(
    loaded: &[Loaded],
    work: &[(usize, &Case)],
    max_events: Option<u64>,
) -> (Vec<Vec<Outcome>>, Vec<Coverage>) {
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(work.len());
    let nothing_reached = || -> Vec<Coverage> {
        let outlines = loaded.iter().map(|one| &one.definition.outline);
        outlines.map(Coverage::new).collect()
    };
    let worker = || {
        let (mut done, mut coverages) = (Vec::new(), nothing_reached());
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some((index, case)) = work.get(at) else {
                return (done, coverages);
            };
            let outcome = one(&loaded[*index], case, max_events, &mut coverages[*index]);
            done.push((at, *index, outcome));
        }
    };
    let finished: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        // A worker that panicked has said so; its panic goes on here.
        let joined = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        joined.collect()
    });
    let (mut all, mut coverages) = (Vec::new(), nothing_reached());
    for (done, reached) in finished {
        all.extend(done);
        for (coverage, reached) in coverages.iter_mut().zip(&reached) {
            coverage.merge(reached);
        }
    }
    all.sort_by_key(|(at, ..)| *at);
    let mut outcomes: Vec<Vec<Outcome>> = loaded.iter().map(|_| Vec::new()).collect();
    for (_, index, outcome) in all {
        outcomes[index].push(outcome);
    }
    (outcomes, coverages)
}

fn one(loaded: &Loaded, case: &Case, max_events: Option<u64>, coverage: &mut Coverage) -> Outcome {
    let kind = loaded
        .suite
        .as_ref()
        .map_or(asl::ExecutionType::Standard, |suite| suite.kind);
    let start = Instant::now();
    let sample = loaded.sample.as_ref();
    let (run, mismatches) = case.run(&loaded.definition, kind, sample, max_events);
    coverage.add(&run.observations);
    Outcome::new(case, run, mismatches, start.elapsed())
}

/// What is told before the run: task states that a case does not mock. A case that gets there fails.
fn unmocked(loaded: &Loaded) -> Vec<String> {
    let mut cases: Vec<(&str, Vec<&str>)> = Vec::new();
    for case in loaded.suite.iter().flat_map(|suite| &suite.cases) {
        for state in case.mocks.missing(&loaded.definition.outline) {
            match cases.iter_mut().find(|(name, _)| *name == state) {
                Some((_, without)) => without.push(&case.name),
                None => cases.push((state, vec![&case.name])),
            }
        }
    }
    let line = |(state, cases): (&str, Vec<&str>)| {
        let more = match cases.len() - 1 {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "note: {}: {state:?} has no mock in the case {:?}{more}",
            loaded.file.display(),
            cases[0]
        )
    };
    cases.into_iter().map(line).collect()
}
