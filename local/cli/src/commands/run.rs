//! `hybrid run`: a pipeline on this machine, with the binaries and definitions that AWS gets.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use cloud::faults::Faults;
use placement::pricing::Prices;
use serde_json::{Value, json};
use stack::{Stack, StateMachine};
use stepfunctions::{Cloud, Config};

use super::{exec::ClockArgument, price::prices_of, serve};
use crate::{
    binaries::Binaries,
    error::{Error, FAILED, INTERRUPTED},
    interrupt, needed,
    progress::Progress,
    project::Project,
    sent_on::{SentOn, check_answered},
    summary,
    timeline::Timeline,
};

/// Arguments of `hybrid run`.
#[derive(Args)]
pub struct Run {
    /// The pipeline: the name of a file in statemachines/ without `.asl.json`.
    pipeline: String,
    /// Input, a JSON file or `-` for standard input [default: the pipeline's sample input].
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
    /// Let the history survive a power failure, not only the death of this process, as of `hybrid serve`.
    #[arg(long)]
    durable: bool,
    /// Print one JSON document with status, output, error, cause, events and the report's path.
    #[arg(long)]
    json: bool,
}

/// How a run ended.
struct Ended {
    execution: stepfunctions::ExecutionDescription,
    events: Vec<Value>,
    usage: Vec<cloud::Usage>,
    prices: Prices,
    report: Option<PathBuf>,
    folder: PathBuf,
    interrupted: bool,
    /// Places of the given faults that never struck.
    unstruck: Vec<String>,
}

impl Run {
    /// Exit code 0 if the execution SUCCEEDED, 130 after Ctrl-C, else 1.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let project = Project::here()?;
        let pipeline = project.pipeline(&self.pipeline)?;
        let input = pipeline.input(self.input.as_deref())?;
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| default_name(&self.pipeline));
        // Before the name becomes a folder.
        stepfunctions::api::check_name(&name).map_err(|error| Error::Usage(error.to_string()))?;
        let stack = Stack::load(&project.serverless_yml(), &stack::Options::default())?;
        let machine = machine(&stack, &self.pipeline)?;
        let outside = SentOn::parse(&self.forwards, &stack.region)?;
        check_answered(&stack, &machine, outside.as_deref())?;
        let executable = std::env::current_exe().map_err(Error::file("hybrid"))?;
        let binaries = Binaries::of(&project, &executable);
        let packages = needed::packages(&stack, &machine, &input);
        binaries.build(&project, &packages).await?;

        let folder = self
            .out
            .clone()
            .unwrap_or_else(|| project.out())
            .join(&name);
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let mut config = Config::new(stack, folder.join("cloud"), binaries.folder());
        config.clock = self.clock.into();
        config.outside = outside;
        config.durability = serve::durability(self.durable);
        if let Some(faults) = &self.faults {
            config.faults =
                Faults::load(faults).map_err(|error| Error::Usage(error.to_string()))?;
        }
        let ended = run(config, &machine, &name, folder, &input, &project.data()).await?;
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

fn machine(stack: &Stack, pipeline: &str) -> Result<StateMachine, Error> {
    stack
        .state_machines
        .iter()
        .find(|machine| machine.pipeline.as_deref() == Some(pipeline))
        .cloned()
        .ok_or_else(|| {
            Error::Usage(format!(
                "statemachines/{pipeline}.asl.json is the Definition of no AWS::StepFunctions::StateMachine in serverless.yml; declare it there"
            ))
        })
}

async fn run(
    config: Config,
    machine: &StateMachine,
    name: &str,
    folder: PathBuf,
    input: &Value,
    data: &Path,
) -> Result<Ended, Error> {
    let bucket = config.stack.buckets.first().cloned();
    let prices = prices_of(Some(&config.stack))?;
    let faults = config.faults.clone();
    let cloud = Cloud::start(config).await?;
    if let Some(bucket) = &bucket {
        upload(&cloud, bucket, data).await?;
    }
    let mut progress = Progress::new(machine.pipeline.as_deref().unwrap_or(name));
    let mut timeline = Timeline::default();
    let mut events = cloud.subscribe();
    let arn = cloud.start_execution(&machine.arn, name, input).await?;
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
    let report = match (&execution.output, &bucket) {
        (Some(output), _) => report(&cloud, output, &folder).await?,
        // A run that failed may have gathered a report before.
        (None, Some(bucket)) => {
            let uri = |kind: &str| format!("s3://{bucket}/runs/{name}/report.{kind}");
            let place = json!({"report": {"json": uri("json"), "html": uri("html")}});
            report(&cloud, &place, &folder).await.unwrap_or(None)
        }
        (None, None) => None,
    };
    cloud.shutdown().await;
    Ok(Ended {
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

fn default_name(pipeline: &str) -> String {
    let milliseconds = cloud::time::now().0 / 1_000;
    format!("{pipeline}-{milliseconds}")
}

impl Ended {
    fn exit_code(&self) -> ExitCode {
        if self.interrupted {
            ExitCode::from(INTERRUPTED)
        } else if self.execution.status == "SUCCEEDED" {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(FAILED)
        }
    }

    fn summary(&self) -> String {
        let prices = &self.prices;
        let mut timeline = Timeline::default();
        for event in &self.events {
            timeline.push(event);
        }
        let execution = &self.execution;
        let mut text = format!("{}\n\n", execution.arn);
        text.push_str(&summary::states(timeline.rows()));
        text.push('\n');
        text.push_str(&summary::costs(
            &summary::placements(&self.usage, prices),
            prices,
        ));
        text.push_str(&format!("\n{}\n", execution.status));
        if let Some(error) = &execution.error {
            text.push_str(&format!("error: {error}\n"));
        }
        if let Some(cause) = &execution.cause {
            text.push_str(&format!("cause: {cause}\n"));
        }
        if !self.unstruck.is_empty() {
            text.push_str(&format!(
                "faults that never struck: {}\n",
                self.unstruck.join(", ")
            ));
        }
        match &self.report {
            Some(report) => text.push_str(&format!("report: {}\n", report.display())),
            None => text.push_str(&format!("results: {}\n", self.folder.display())),
        }
        text
    }

    fn document(&self) -> Value {
        json!({
            "status": self.execution.status,
            "output": self.execution.output,
            "error": self.execution.error,
            "cause": self.execution.cause,
            "events": self.events,
            "usage": self.usage,
            "report": self.report,
            "unstruckFaults": self.unstruck,
        })
    }
}
