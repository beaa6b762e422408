//! The compute side of the local cloud, built from a stack.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::batch::Batch;
use crate::config::Local;
use crate::ecs::Ecs;
use crate::events::{Events, RuleError};
use crate::faults::Faults;
use crate::lambda::Lambda;
use crate::logs::Logs;
use crate::process::Processes;
use crate::rates::Rates;
use crate::router::{JsonService, Services};
use crate::s3::S3;
use crate::scheduler::{ScheduleError, Scheduler};
use crate::usage::Meter;
use crate::worker::Workers;
use stack::Stack;

/// Lambda, ECS, Batch, S3, EventBridge and its Scheduler.
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
    /// What ran.
    pub meter: Meter,
    /// Child processes.
    pub processes: Processes,
    /// Log files.
    pub logs: Logs,
    /// Faults still to come.
    pub faults: Faults,
    local: Local,
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
        let s3 = S3::open(&objects, &stack.buckets, faults.clone()).map_err(|source| {
            ComputeError::Data {
                path: objects.display().to_string(),
                source,
            }
        })?;
        let logs = Logs::new(local.data_dir.join("logs"));
        let processes = Processes::default();
        let meter = Meter::default();
        let lambda = Lambda::new(
            local.clone(),
            &stack.functions,
            logs.clone(),
            processes.clone(),
            faults.clone(),
            meter.clone(),
        );
        let events = Events::new(local.clone(), &stack.rules, lambda.clone())?;
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
        let scheduler = Scheduler::new(local.clone(), events.clone(), stack)?;
        Ok(Compute {
            lambda,
            ecs,
            batch,
            s3,
            events,
            scheduler,
            meter,
            processes,
            logs,
            faults,
            local,
        })
    }

    /// The services as the router takes them; `more` are further JSON services by target prefix.
    pub fn services(
        &self,
        more: impl IntoIterator<Item = (&'static str, Arc<dyn JsonService>)>,
    ) -> Services {
        let mut json: BTreeMap<&'static str, Arc<dyn JsonService>> = more.into_iter().collect();
        json.insert("AmazonEC2ContainerService", Arc::new(self.ecs.clone()));
        json.insert("AWSEvents", Arc::new(self.events.clone()));
        Services {
            lambda: self.lambda.clone(),
            ecs: self.ecs.clone(),
            batch: self.batch.clone(),
            scheduler: self.scheduler.clone(),
            s3: self.s3.clone(),
            json,
            faults: self.faults.clone(),
            account: self.local.account.clone(),
        }
    }

    /// Begins to work: what an earlier local cloud has left goes on, and what is asked for starts.
    /// Before, whoever hears of it must be there, as the state machines that events start.
    pub fn open(&self) {
        self.processes.open();
    }

    /// Stops every child and waits until all have ended. What they did is done again at the next start
    /// on the same folder.
    pub async fn shutdown(&self) {
        self.scheduler.stop();
        self.processes.shutdown().await;
    }
}
