//! `hybrid serve`: the local cloud on one endpoint, for any SDK, the AWS CLI or Terraform.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::Args;
use cloud::config::{ACCESS_KEY, SECRET_KEY};
use serde_json::json;
use stack::Stack;
use stepfunctions::{Cloud, Config, Durability, Outside, Reloaded, unanswered};

use super::{price::prices_of, run::upload};
use crate::{
    binaries::Binaries,
    error::Error,
    interrupt,
    mock_file::MockedServices,
    needed,
    place::{CommandArguments, ProjectArguments, tell_not_run},
    project::Project,
    sent_on::SentOn,
    style,
    watch::{self, Change, Watch},
};

/// Arguments of `hybrid serve`.
#[derive(Args)]
pub struct Serve {
    /// Port on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 4566)]
    port: u16,
    /// Folder for objects, logs and histories; what was running there goes on [default: out/serve].
    #[arg(long)]
    data: Option<PathBuf>,
    /// Let the history survive a power failure, not only the death of this process: every commit waits
    /// for the disk. A commit then takes about 5 ms instead of 0.2; with thousands of executions at
    /// once, which share commits, half as many end in a second.
    #[arg(long)]
    durable: bool,
    /// Days for which ended executions are kept; AWS keeps them for 90. `hybrid prune` removes them at once.
    /// <https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html>
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    keep_days: u16,
    /// Send calls of a service that the local cloud does not have on, as of `hybrid run`.
    #[arg(long = "forward", value_name = "SERVICE=URL")]
    forwards: Vec<String>,
    /// Mocked responses in the format of AWS's MockConfigFile.json, by `#CASE` after the ARN of the state machine that
    /// is started. A state without a mock calls its service.
    #[arg(long, value_name = "FILE", env = "SFN_MOCK_CONFIG")]
    mocks: Option<PathBuf>,
    #[command(flatten)]
    project: ProjectArguments,
    #[command(flatten)]
    commands: CommandArguments,
    /// Do not build the stack's binaries first.
    #[arg(long)]
    no_build: bool,
    /// Take up changes: a changed source builds its function alone, a changed definition or stack is read again. What runs
    /// goes on as it began; what cannot be built or read leaves the old as it is.
    #[arg(long)]
    watch: bool,
    /// Print the endpoint as one JSON document.
    #[arg(long)]
    json: bool,
}

/// What the history survives, by the argument.
pub fn durability(durable: bool) -> Durability {
    match durable {
        true => Durability::PowerFailure,
        false => Durability::Crash,
    }
}

/// What the machines call that nothing answers; other machines are served all the same.
fn warn_unanswered(stack: &Stack, outside: Option<&dyn Outside>) {
    for machine in &stack.state_machines {
        for call in unanswered(&machine.definition, outside) {
            tracing::warn!(
                "{} of {} calls {}, which is not here; send it on with --forward",
                call.state,
                machine.name,
                call.what,
            );
        }
    }
}

/// The test cases of a mock file; those of the stack's state machines have to fit them.
fn mocked(file: &Path, stack: &Stack) -> Result<Arc<MockedServices>, Error> {
    let mocks = MockedServices::read(file, stack)?;
    mocks.check_stack(stack)?;
    for name in mocks.others(stack) {
        tracing::info!(
            "{}: {name} is to be created before its test cases can run",
            file.display()
        );
    }
    Ok(Arc::new(mocks))
}

impl Serve {
    /// The project, or none: what runs can be made by requests alone.
    fn project(&self) -> Result<(Project, Stack), Error> {
        match self.project.find() {
            Ok(project) => {
                let stack = self.project.stack(&project)?;
                Ok((project, stack))
            }
            Err(Error::NoProject { place, .. }) if !self.project.is_named() => {
                eprintln!(
                    "no project in {}: serving an empty account",
                    place.display()
                );
                let stack = self.project.empty()?;
                Ok((Project::empty(place), stack))
            }
            Err(error) => Err(error),
        }
    }

    /// Serves until Ctrl-C or SIGTERM.
    pub async fn execute(self) -> Result<ExitCode, Error> {
        let (project, stack) = self.project()?;
        let mocks = self.mocks.as_deref();
        let mocks = mocks.map(|file| mocked(file, &stack)).transpose()?;
        let programs = self.commands.programs(&project)?;
        tell_not_run(&stack);
        let executable = std::env::current_exe().map_err(Error::file("hybrid"))?;
        let binaries = Binaries::of(&project, &executable);
        if !self.no_build {
            binaries.build(&project, &needed::all(&stack)).await?;
        }
        let data = self.data.unwrap_or_else(|| project.out().join("serve"));
        let region = stack.region.clone();
        let outside = SentOn::parse(&self.forwards, &region)?;
        let mut changing = match self.watch {
            true => Some(Changing {
                arguments: &self.project,
                watch: Watch::new(project.root())?,
                stack: stack.clone(),
                builds: !self.no_build,
            }),
            false => None,
        };
        warn_unanswered(&stack, outside.as_deref());
        let bucket = stack.buckets.first().cloned();
        let prices = prices_of(Some(&stack))?;
        let mut config = Config::new(stack.clone(), data, binaries.folder());
        config.outside = outside;
        config.test_cases = mocks.map(|mocks| mocks as _);
        config.programs = programs;
        config.port = self.port;
        config.durability = durability(self.durable);
        config.keep = Some(Duration::from_secs(86_400 * u64::from(self.keep_days)));
        let cloud = Cloud::start(config).await?;
        if let Some(bucket) = &bucket {
            upload(&cloud, bucket, &project.data()).await?;
        }
        cloud.compute().watch_clock();
        let console = console::open(&cloud, &stack, prices);
        if self.json {
            println!(
                "{}",
                json!({"endpoint": cloud.endpoint(), "region": region, "console": console})
            );
        } else {
            println!("export AWS_ENDPOINT_URL={}", cloud.endpoint());
            println!("export AWS_REGION={region} AWS_DEFAULT_REGION={region}");
            // StartSyncExecution and TestState go to `sync-` and the endpoint's name, which nobody resolves.
            // <https://docs.aws.amazon.com/sdkref/latest/guide/feature-host-prefix.html>
            println!("export AWS_DISABLE_HOST_PREFIX_INJECTION=true");
            println!("export AWS_ACCESS_KEY_ID={ACCESS_KEY} AWS_SECRET_ACCESS_KEY={SECRET_KEY}");
            println!("# console: {console}");
        }
        match &mut changing {
            Some(changing) => {
                tokio::select! {
                    () = changing.follow(&cloud, &project, &binaries) => {}
                    () = interrupt::requested() => {}
                }
            }
            None => interrupt::requested().await,
        }
        cloud.shutdown().await;
        Ok(ExitCode::SUCCESS)
    }
}

/// A stack that is taken up again whenever it changes.
struct Changing<'a> {
    arguments: &'a ProjectArguments,
    watch: Watch,
    stack: Stack,
    builds: bool,
}

impl Changing<'_> {
    /// Takes up changes for as long as there can be some.
    async fn follow(&mut self, cloud: &Cloud, project: &Project, binaries: &Binaries) {
        loop {
            let changes = self.watch.next().await;
            if changes.is_empty() {
                // Nobody tells of changes any more; what is served stays as it is.
                return std::future::pending().await;
            }
            match self.take_up(&changes, cloud, project, binaries).await {
                Ok(reloaded) => tell(&reloaded),
                Err(error) => {
                    anstream::eprintln!("{}: {error}", style::bad("error"));
                    eprintln!("what is served stays as it was");
                }
            }
        }
    }

    async fn take_up(
        &mut self,
        changes: &BTreeSet<Change>,
        cloud: &Cloud,
        project: &Project,
        binaries: &Binaries,
    ) -> Result<Reloaded, Error> {
        let after = match changes.contains(&Change::Stack) {
            true => self.arguments.stack(project)?,
            false => self.stack.clone(),
        };
        let mut built = BTreeSet::new();
        if self.builds {
            let before = needed::all(&self.stack);
            let all = needed::all(&after);
            let new = all.iter().filter(|package| !before.contains(package));
            built.extend(new.cloned());
            built.extend(watch::packages(changes, &all));
            let packages: Vec<String> = built.iter().cloned().collect();
            binaries.build(project, &packages).await?;
        }
        let reloaded = cloud.reload(&self.stack, &after, &built).await?;
        self.stack = after;
        Ok(reloaded)
    }
}

/// One line for each kind of thing that was taken up.
fn tell(reloaded: &Reloaded) {
    for (kind, names) in [
        ("state machines", &reloaded.state_machines),
        ("functions", &reloaded.functions),
    ] {
        if !names.is_empty() {
            eprintln!("reloaded {kind}: {}", names.join(", "));
        }
    }
    if !reloaded.at_next_start.is_empty() {
        eprintln!(
            "start `hybrid serve` again to take up changed {}",
            reloaded.at_next_start.join(", ")
        );
    }
}
