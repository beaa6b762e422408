//! The compute side of the local cloud, built from a stack.

use std::io;

use crate::batch::Batch;
use crate::config::Local;
use crate::ecs::Ecs;
use crate::events::{Events, RuleError};
use crate::faults::Faults;
use crate::lambda::Lambda;
use crate::logs::{Logs, LogsApi};
use crate::process::Processes;
use crate::rates::Rates;
use crate::router::Services;
use crate::s3::{Home, S3};
use crate::scheduler::{ScheduleError, Scheduler};
use crate::sts::Sts;
use crate::targets::Targets;
use crate::usage::Meter;
use crate::worker::Workers;
use stack::Stack;

/// Lambda, ECS, Batch, S3, EventBridge, its Scheduler, and STS.
#[derive(Clone)]
pub struct Compute {
    /// Lambda.
    pub lambda: Lambda,
    /// ECS.
    pub ecs: Ecs,
    /// Batch.
    pub batch: Batch,
    /// S3.
    pub s3: S3,
    /// EventBridge.
    pub events: Events,
    /// EventBridge Scheduler.
    pub scheduler: Scheduler,
    /// Security Token Service.
    pub sts: Sts,
    /// What ran.
    pub meter: Meter,
    /// Child processes.
    pub processes: Processes,
    /// Log files.
    pub logs: Logs,
    /// Faults still to come.
    pub faults: Faults,
}

/// Why the services cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ComputeError {
    /// The data folder cannot be used.
    #[error("cannot use the data folder {path}: {source}")]
    Data {
        /// The folder.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// A rule's pattern is not valid.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// A schedule is not valid.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl Compute {
    /// Builds the services. Tasks, jobs and asynchronous invocations that an earlier local cloud left in
    /// the data folder are known, and go on with [`Compute::open`]; no other process is started before
    /// it is asked for. Call it within a tokio runtime.
    pub fn start(local: Local, stack: &Stack, faults: Faults) -> Result<Self, ComputeError> {
        let faults = faults.with_rates(Rates::new(&local.limits.rates));
        let objects = local.data_dir.join("s3");
        let home = Home {
            account: local.account.clone(),
            region: local.region.clone(),
        };
        let s3 = S3::open(&objects, &stack.buckets, home, faults.clone()).map_err(|source| {
            ComputeError::Data {
                path: objects.display().to_string(),
                source,
            }
        })?;
        let logs = Logs::new(local.data_dir.join("logs"));
        let notes = local.data_dir.join("processes");
        let processes =
            Processes::noted_in(notes.clone()).map_err(|source| ComputeError::Data {
                path: notes.display().to_string(),
                source,
            })?;
        let meter = Meter::default();
        let lambda = Lambda::new(
            local.clone(),
            &stack.functions,
            logs.clone(),
            processes.clone(),
            faults.clone(),
            meter.clone(),
        );
        lambda.read_code_from(s3.clone());
        let targets = Targets::new(&local, lambda.clone());
        let events = Events::new(local.clone(), &stack.rules, targets.clone(), faults.clone())?;
        let workers = Workers {
            local: local.clone(),
            processes: processes.clone(),
            logs: logs.clone(),
            faults: faults.clone(),
        };
        let ecs = Ecs::new(
            workers.clone(),
            events.clone(),
            meter.clone(),
            &stack.clusters,
            &stack.task_definitions,
        );
        let batch = Batch::new(
            workers,
            events.clone(),
            meter.clone(),
            &stack.job_definitions,
            &stack.job_queues,
            &stack.compute_environments,
        );
        let sts = Sts {
            account: local.account.clone(),
            faults: faults.clone(),
        };
        let scheduler = Scheduler::new(local, targets, faults.clone(), stack)?;
        Ok(Compute {
            lambda,
            ecs,
            batch,
            s3,
            events,
            scheduler,
            sts,
            meter,
            processes,
            logs,
            faults,
        })
    }

    /// The services as the router takes them; those of other crates are added to them.
    pub fn services(&self) -> Services {
        Services::default()
            .with(self.lambda.clone())
            .with(self.ecs.clone())
            .with(self.batch.clone())
            .with(self.s3.clone())
            .with(self.events.clone())
            .with(self.scheduler.clone())
            .with(self.logs_api())
            .with(self.sts.clone())
    }

    /// CloudWatch Logs, over the log files.
    pub fn logs_api(&self) -> LogsApi {
        LogsApi {
            logs: self.logs.clone(),
            local: self.lambda.local().clone(),
            faults: self.faults.clone(),
        }
    }

    /// Begins to work: what an earlier local cloud has left goes on, and what is asked for starts.
    /// Before, whoever hears of it must be there, as the state machines that events start.
    pub fn open(&self) {
        self.processes.open();
    }

    /// Begins to watch the clock: schedules and scheduled rules are due from now on.
    pub fn watch_clock(&self) {
        self.scheduler.start();
        self.events.start();
    }

    /// Stops every child and waits until all have ended. What they did is done again at the next start
    /// on the same folder.
    pub async fn shutdown(&self) {
        self.scheduler.stop();
        self.events.stop();
        self.processes.shutdown().await;
    }
}
