//! `hybrid run`: a pipeline on this machine, with the binaries and definitions that AWS gets.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

use clap::Args;
use cloud::faults::Faults;
use cloud::usage::placements;
use gatherer::report::Report;
use jobs::cause::words;
use placement::pricing::Prices;
use serde_json::{Value, json};
use stack::{Stack, StateMachine};
use stepfunctions::{Cloud, Config, TestCases};
use testing::Mocks;

use super::{exec::ClockArgument, price::prices_of, serve};
use crate::{
    answer,
    binaries::Binaries,
    course,
    error::{Error, FAILED, INTERRUPTED},
    interrupt,
    ledger::{self, Ledgers},
    machines,
    mock_file::{self, MockedServices},
    needed,
    place::{CommandArguments, ProjectArguments, check_commands, check_runnable, tell_not_run},
    progress::Progress,
    project::{Pipeline, Project, read_json},
    sent_on::{SentOn, check_answered},
    style, summary,
    timeline::Timeline,
    watch::Watch,
};

/// Arguments of `hybrid run`.
#[derive(Args)]
pub struct Run {
    /// The pipeline: the name of its definition's file without `.asl.json`, of the state machine, or its logical id.
    pipeline: String,
    #[command(flatten)]
    project: ProjectArguments,
    #[command(flatten)]
    commands: CommandArguments,
    /// Input: a JSON file, `-` for standard input, or the JSON itself [default: the pipeline's sample input].
    #[arg(long)]
    input: Option<PathBuf>,
    /// Name of the execution [default: the pipeline's name and the time].
    #[arg(long)]
    name: Option<String>,
    /// Folder for results; each execution gets a folder of its own in it [default: out].
    #[arg(long)]
    out: Option<PathBuf>,
    /// Whether Wait, Retry delays and timeouts take their time while nothing real is running.
    #[arg(long, value_enum, default_value_t = ClockArgument::Real)]
    clock: ClockArgument,
    /// What goes wrong: a JSON file of faults for the local cloud.
    #[arg(long)]
    faults: Option<PathBuf>,
    /// Send calls of a service that the local cloud does not have on to a URL, or with the word `aws` to AWS itself, with
    /// your credentials. `*` stands for every service.
    #[arg(long = "forward", value_name = "SERVICE=URL")]
    forwards: Vec<String>,
    /// Mocked responses in the format of AWS's MockConfigFile.json. A state without a mock calls its service.
    #[arg(long, value_name = "FILE", requires = "case")]
    mocks: Option<PathBuf>,
    /// The test case of the mock file, `CASE` or `MACHINE#CASE`.
    #[arg(long, value_name = "NAME", requires = "mocks")]
    case: Option<String>,
    /// Let the history survive a power failure, not only the death of this process, as of `hybrid serve`.
    #[arg(long)]
    durable: bool,
    /// Run again whenever a source, a definition or the stack changes, until Ctrl-C.
    #[arg(long, conflicts_with_all = ["name", "json"])]
    watch: bool,
    /// Print one JSON document with status, answer, output, error, cause, first cause, events and the report's path.
    #[arg(long)]
    json: bool,
}

/// How a run ended.
struct Ended {
    pipeline: String,
    execution: stepfunctions::ExecutionDescription,
    events: Vec<Value>,
    usage: Vec<cloud::Usage>,
    prices: Prices,
    report: Option<PathBuf>,
    /// What the report says, as data.
    found: Option<Value>,
    folder: PathBuf,
    interrupted: bool,
    /// Places of the given faults that never struck.
    unstruck: Vec<String>,
}

/// The test case that takes the place of the services.
struct Chosen {
    name: String,
    services: Arc<dyn TestCases>,
    mocks: Mocks,
    /// The states that call their services all the same.
    unmocked: Vec<String>,
}

impl Run {
    fn case(&self, stack: &Stack, machine: &StateMachine) -> Result<Option<Chosen>, Error> {
        let (Some(file), Some(case)) = (&self.mocks, &self.case) else {
            return Ok(None);
        };
        let mut services = MockedServices::read(file, stack)?;
        let (name, mocks) = services.of(machine, case)?;
        let unmocked = mock_file::unmocked(machine, &mocks);
        for state in &unmocked {
            eprintln!("note: {state:?} has no mock in the case {name:?}: its service is called");
        }
        Ok(Some(Chosen {
            name,
            services: Arc::new(services),
            mocks,
            unmocked,
        }))
    }

    /// Exit code 0 if the execution SUCCEEDED, 130 after Ctrl-C, else 1.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let project = self.project.find()?;
        if !self.watch {
            return self.once(&project).await;
        }
        let mut watch = Watch::new(project.root())?;
        let mut last = Ok(ExitCode::SUCCESS);
        loop {
            let code = self.once(&project).await;
            match &code {
                Ok(code) if *code == ExitCode::from(INTERRUPTED) => return Ok(*code),
                Ok(_) => {}
                Err(error) => anstream::eprintln!("{}: {error}", style::bad("error")),
            }
            last = code.or(last);
            eprintln!("watching {}; Ctrl-C ends", project.root().display());
            tokio::select! {
                changes = watch.next() => {
                    if changes.is_empty() {
                        return last;
                    }
                }
                () = interrupt::requested() => return last,
            }
        }
    }

    /// One run of the project as it is now.
    async fn once(&self, project: &Project) -> Result<ExitCode, Error> {
        let stack = self.project.stack(project)?;
        let machine = machines::named(&stack, &self.pipeline)?.clone();
        let input = Pipeline::of(&machine, project).input(self.input.as_deref())?;
        let pipeline = machines::called(&machine);
        let name = self.name.clone().unwrap_or_else(|| default_name(pipeline));
        // Before the name becomes a folder.
        stepfunctions::check_name(&name).map_err(|error| Error::Usage(error.to_string()))?;
        let outside = SentOn::parse(&self.forwards, &stack.region)?;
        let case = self.case(&stack, &machine)?;
        let mocks = case.as_ref().map(|case| &case.mocks);
        check_answered(&stack, &machine, outside.as_deref(), mocks)?;
        warn_of_aws(project);
        let programs = self.commands.programs(project)?;
        check_commands(&programs, &stack)?;
        let calls_services = case.as_ref().is_none_or(|case| !case.unmocked.is_empty());
        if calls_services {
            check_runnable(&programs, &needed::functions(&stack, &machine, &input)).await?;
        }
        tell_not_run(&stack);
        let executable = std::env::current_exe().map_err(Error::file("hybrid"))?;
        let binaries = Binaries::of(project, &executable);
        if calls_services {
            let packages = needed::packages(&stack, &machine, &input);
            tokio::select! {
                built = binaries.build(project, &packages) => built?,
                () = interrupt::requested() => return Ok(ExitCode::from(INTERRUPTED)),
            }
        }

        let folder = self
            .out
            .clone()
            .unwrap_or_else(|| project.out())
            .join(&name);
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let mut config = Config::new(stack, folder.join("cloud"), binaries.folder());
        config.clock = self.clock.into();
        config.outside = outside;
        config.programs = programs;
        config.durability = serve::durability(self.durable);
        if let Some(faults) = &self.faults {
            config.faults =
                Faults::load(faults).map_err(|error| Error::Usage(error.to_string()))?;
        }
        let mut start = machine.arn.clone();
        if let Some(case) = case {
            start = format!("{start}#{}", case.name);
            config.test_cases = Some(case.services);
        }
        let mut ended = run(
            config,
            &machine,
            &start,
            &name,
            folder,
            &input,
            &project.data(),
        )
        .await?;
        ended.write_report()?;
        let text = serde_json::to_string_pretty(&ended.events).unwrap_or_default();
        let history = ended.folder.join("history.json");
        std::fs::write(&history, text).map_err(Error::file(&history))?;
        if self.json {
            println!("{}", ended.document());
        } else {
            print!("{}", ended.summary());
        }
        Ok(ended.exit_code())
    }
}

/// Says what would fail on AWS only; here it runs all the same.
fn warn_of_aws(project: &Project) {
    // A stack that cannot be read was refused before.
    let findings = blueprint::check::check(project.root()).unwrap_or_default();
    for finding in findings.iter().filter(|finding| finding.is_error()) {
        eprintln!("on AWS: {}: {}", finding.file, finding.message);
    }
}

async fn run(
    config: Config,
    machine: &StateMachine,
    start: &str,
    name: &str,
    folder: PathBuf,
    input: &Value,
    data: &Path,
) -> Result<Ended, Error> {
    let bucket = config.stack.buckets.first().cloned();
    let prices = prices_of(Some(&config.stack))?;
    let faults = config.faults.clone();
    let is_mocked = config.test_cases.is_some();
    let cloud = Cloud::start(config).await?;
    let ledger = folder.with_file_name(ledger::FILE);
    let lent = match &bucket {
        Some(bucket) => {
            upload(&cloud, bucket, data).await?;
            ledger::lend(&ledger, &cloud, bucket).await?
        }
        None => Ledgers::default(),
    };
    let pipeline = machine.pipeline.clone().unwrap_or_else(|| name.to_owned());
    let mut progress = Progress::new(&pipeline);
    let mut timeline = Timeline::default();
    let mut events = cloud.subscribe();
    let arn = cloud.start_execution(start, name, input).await?;
    let ended = cloud.wait(&arn);
    let stop = interrupt::requested();
    tokio::pin!(ended, stop);
    let interrupted = loop {
        tokio::select! {
            Some(event) = events.recv() => {
                if event.execution_arn == arn {
                    progress.show(&mut timeline, &event.event);
                }
            }
            _ = &mut ended => break false,
            () = &mut stop => break true,
        }
    };
    progress.clear();
    let execution = cloud.describe(&arn).await?;
    let events = cloud.history(&arn).await?;
    let report = match (&execution.output(), &bucket) {
        // What a mock says of a report need not be there.
        (Some(output), _) if is_mocked => report(&cloud, output, &folder).await.unwrap_or(None),
        (Some(output), _) => report(&cloud, output, &folder).await?,
        // A run that failed may have gathered a report before.
        (None, Some(bucket)) => gathered(&cloud, bucket, name, &folder).await,
        (None, None) => None,
    };
    let found = report
        .as_ref()
        .and_then(|page| read_json(&page.with_extension("json")).ok());
    if let Some(found) = &found {
        fetch_files(&cloud, found, &folder).await?;
    }
    if let Some(bucket) = &bucket
        && let Err(error) = ledger::keep(&ledger, &lent, &cloud, bucket).await
    {
        eprintln!("note: {error}; the next run learns nothing from this one");
    }
    cloud.shutdown().await;
    Ok(Ended {
        pipeline,
        found,
        execution,
        events,
        usage: cloud.usage(),
        prices,
        report,
        folder,
        interrupted,
        unstruck: faults.unstruck(),
    })
}

/// The project's data files under `data/` of the bucket, as `aws s3 sync data s3://BUCKET/data`.
pub(super) async fn upload(cloud: &Cloud, bucket: &str, data: &Path) -> Result<(), Error> {
    for entry in std::fs::read_dir(data).into_iter().flatten().flatten() {
        let path = entry.path();
        if let (true, Ok(name)) = (path.is_file(), entry.file_name().into_string()) {
            cloud
                .put_object(bucket, &format!("data/{name}"), &path)
                .await?;
        }
    }
    Ok(())
}

/// The report that the output points to, copied beside the history.
async fn report(cloud: &Cloud, output: &Value, folder: &Path) -> Result<Option<PathBuf>, Error> {
    let mut page = None;
    for (kind, file) in [("json", "report.json"), ("html", "report.html")] {
        let uri = output
            .pointer(&format!("/report/{kind}"))
            .and_then(Value::as_str);
        if let Some((bucket, key)) = uri.and_then(|uri| uri.strip_prefix("s3://")?.split_once('/'))
        {
            let path = folder.join(file);
            let body = cloud.get_object(bucket, key).await?;
            std::fs::write(&path, &body).map_err(Error::file(&path))?;
            page = Some(path);
        }
    }
    Ok(page)
}

/// The report that a run which failed gathered before, copied beside the history.
async fn gathered(cloud: &Cloud, bucket: &str, name: &str, folder: &Path) -> Option<PathBuf> {
    for place in ["report", "load/report"] {
        let uri = |kind: &str| format!("s3://{bucket}/runs/{name}/{place}.{kind}");
        let place = json!({"report": {"json": uri("json"), "html": uri("html")}});
        if let Ok(Some(page)) = report(cloud, &place, folder).await {
            return Some(page);
        }
    }
    None
}

/// The files that jobs made, as far as the report names them, copied beside it.
async fn fetch_files(cloud: &Cloud, found: &Value, folder: &Path) -> Result<(), Error> {
    let Ok(report) = serde_json::from_value::<Report>(found.clone()) else {
        return Ok(());
    };
    for file in report.branches().flat_map(|branch| &branch.files) {
        let path = folder.join(file.name());
        if !path.exists() {
            let body = cloud.get_object(&file.uri.bucket, &file.uri.key).await?;
            std::fs::write(&path, &body).map_err(Error::file(&path))?;
        }
    }
    Ok(())
}

fn default_name(pipeline: &str) -> String {
    let milliseconds = cloud::time::now().0 / 1_000;
    format!("{pipeline}-{milliseconds}")
}

impl Ended {
    fn exit_code(&self) -> ExitCode {
        if self.interrupted {
            ExitCode::from(INTERRUPTED)
        } else if matches!(self.execution.status, asl::Status::Succeeded { .. }) {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    /// Adds to the report that the pipeline gathered how the run went; of a pipeline that gathers none it is the report.
    /// The report of a load test has a form of its own and stays as it is.
    fn write_report(&mut self) -> Result<(), Error> {
        let gathered = match &self.found {
            None => None,
            Some(found) => match serde_json::from_value::<Report>(found.clone()) {
                Ok(report) => Some(report),
                Err(_) => return Ok(()),
            },
        };
        let execution = &self.execution;
        let mut report = gathered.unwrap_or_else(|| {
            let ended = execution
                .stopped
                .unwrap_or_else(cloud::time::now)
                .to_string();
            Report::new(self.pipeline.clone(), execution.name.clone(), ended)
        });
        if report.answer.is_empty() {
            report.answer = self.found_out();
        }
        let sections = report.sections.iter_mut();
        let branches = sections.flat_map(|section| &mut section.branches);
        for file in branches.flat_map(|branch| &mut branch.files) {
            file.link = Some(file.name().to_owned());
        }
        let began = report
            .branches()
            .filter_map(|branch| Some((branch.job_id.clone()?, branch.started_at_ms?)));
        let began = began.collect();
        let places = placements(&self.usage, &self.prices);
        report.run = Some(course::of(&self.events, &places, &began));
        let page = self.folder.join("report.html");
        std::fs::write(&page, report.page()).map_err(Error::file(&page))?;
        let data = page.with_extension("json");
        let text = serde_json::to_string(&report).unwrap_or_default();
        std::fs::write(&data, text).map_err(Error::file(&data))?;
        self.report = Some(page);
        Ok(())
    }

    /// What the run found out, or why not.
    fn found_out(&self) -> String {
        let output = self.execution.output();
        let told = output.and_then(|output| answer::sentence(&output, self.found.as_ref()));
        match (told, self.reason()) {
            (Some(told), _) => format!("{}.", capital(&told)),
            (None, reason) if reason.is_empty() => format!("{}.", self.status()),
            (None, reason) => format!("{}: {reason}", self.status()),
        }
    }

    fn status(&self) -> &'static str {
        if self.interrupted {
            "INTERRUPTED"
        } else {
            self.execution.status.name()
        }
    }

    /// Error and cause of the execution, in words.
    fn reason(&self) -> String {
        let cause = words(self.execution.cause().unwrap_or_default());
        let both = [self.execution.error().unwrap_or_default(), cause.as_str()];
        let told: Vec<&str> = both.into_iter().filter(|text| !text.is_empty()).collect();
        told.join(": ")
    }

    /// The tables of states and costs, and then the answer: what was found out or why not, at what cost and in what
    /// time, the output, and where the rest is.
    fn summary(&self) -> String {
        let prices = &self.prices;
        let mut timeline = Timeline::default();
        for event in &self.events {
            timeline.push(event);
        }
        let placements = placements(&self.usage, prices);
        let mut text = format!("{}\n\n", style::dim(&self.execution.arn));
        text.push_str(&summary::states(timeline.rows()));
        text.push('\n');
        text.push_str(&summary::costs(&placements, prices));
        if !self.unstruck.is_empty() {
            text.push_str(&format!(
                "faults that never struck: {}\n",
                self.unstruck.join(", ")
            ));
        }
        text.push('\n');
        text.push_str(&self.answer(&summary::spent(&placements, self.seconds())));
        if let Some(report) = &self.report {
            text.push_str(&format!("report:  {}\n", report.display()));
        }
        let history = self.folder.join("history.json");
        text.push_str(&format!("history: {}\n", history.display()));
        text
    }

    /// How long the execution ran.
    fn seconds(&self) -> f64 {
        let at = |event: Option<&Value>| event.and_then(|event| event["timestamp"].as_f64());
        let (first, last) = (at(self.events.first()), at(self.events.last()));
        first.zip(last).map_or(0.0, |(first, last)| last - first)
    }

    /// What was found out and the output; or why not, and where the log is.
    fn answer(&self, spent: &str) -> String {
        let execution = &self.execution;
        if let Some(output) = &execution.output() {
            let found = answer::sentence(output, self.found.as_ref());
            let found = found.map_or_else(String::new, |found| format!(": {found}"));
            let output = summary::shortened(output);
            return format!(
                "{}{found}; {spent}\noutput:  {output}\n",
                style::good(execution.status.name())
            );
        }
        let error = execution.error().unwrap_or_default();
        let cause = words(execution.cause().unwrap_or_default());
        let reason = match self.reason() {
            reason if reason.is_empty() => reason,
            reason => format!(": {reason}"),
        };
        let mut text = format!("{}{reason}; {spent}\n", style::bad(self.status()));
        let Some(first) = answer::first_cause(&self.events).filter(|_| !self.interrupted) else {
            return text;
        };
        let times = if first.times > 1 {
            format!(", {} times", first.times)
        } else {
            String::new()
        };
        // A cause that the execution ended with is not told twice.
        let told = (first.error == error && first.words == cause)
            || (!first.words.is_empty() && cause.contains(&first.words));
        let what = if told {
            String::new()
        } else {
            format!(": {}: {}", first.error, first.words)
        };
        text.push_str(&format!("first:   in \"{}\"{times}{what}\n", first.state));
        let logs = self.folder.join("cloud/logs");
        text.push_str(&format!(
            "log:     {} (hybrid logs {} \"{}\")\n",
            logs.display(),
            execution.name,
            first.state
        ));
        text
    }

    fn document(&self) -> Value {
        json!({
            "status": self.execution.status.name(),
            "output": self.execution.output(),
            "error": self.execution.error(),
            "cause": self.execution.cause(),
            "events": self.events,
            "usage": self.usage,
            "answer": self.execution.output().as_ref().and_then(|output| answer::sentence(output, self.found.as_ref())),
            "firstCause": answer::first_cause(&self.events).map(|first| json!({
                "state": first.state, "error": first.error, "cause": first.words, "times": first.times,
            })),
            "report": self.report,
            "unstruckFaults": self.unstruck,
        })
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}
