//! One function and its execution environments.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use super::environment::{Environment, Runs, StartError};
use super::outcome::Outcome;
use super::pool::{Grant, Pool};
use super::settings::Settings;
use crate::config::Local;
use crate::faults::{Faults, FunctionEffect};
use crate::logs::Logs;
use crate::process::Processes;
use crate::usage::Meter;
use stack::Function;

/// What all hosts share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) local: Local,
    pub(super) logs: Logs,
    pub(super) processes: Processes,
    pub(super) faults: Faults,
    pub(super) meter: Meter,
}

/// One version of a function with its warm environments.
pub(super) struct Host {
    pub(super) function: Function,
    pub(super) version: String,
    pub(super) reserved: Option<Arc<Semaphore>>,
    /// What the pool knows it by: name, version and revision.
    name: Arc<str>,
    pool: Arc<Pool<Environment>>,
    shared: Shared,
}

impl Host {
    pub(super) fn new(
        settings: &Settings,
        reserved: Option<Arc<Semaphore>>,
        shared: &Shared,
        pool: &Arc<Pool<Environment>>,
    ) -> Self {
        let Settings {
            name,
            version,
            revision,
            ..
        } = settings;
        Host {
            function: settings.function(),
            version: version.clone(),
            reserved,
            name: format!("{name}:{version}:{revision}").into(),
            pool: pool.clone(),
            shared: shared.clone(),
        }
    }

    /// Runs one invocation in a warm environment, or in a new one if none is idle; waits for memory where there is
    /// too little for that.
    pub(super) async fn run(
        self: Arc<Self>,
        request_id: &str,
        payload: Bytes,
        tail: bool,
    ) -> Outcome {
        let Function { key, name, .. } = &self.function;
        let fault = self.shared.faults.function(key, name);
        if fault == Some(FunctionEffect::Duplicate) {
            let (twin, id, payload) = (self.clone(), request_id.to_owned(), payload.clone());
            tokio::spawn(async move { twin.run_in_environment(&id, payload, false, None).await });
        }
        self.run_in_environment(request_id, payload, tail, fault)
            .await
    }

    async fn run_in_environment(
        &self,
        request_id: &str,
        payload: Bytes,
        tail: bool,
        fault: Option<FunctionEffect>,
    ) -> Outcome {
        let memory = self.function.memory_mib;
        let grant = self
            .pool
            .take(&self.name, memory, Environment::is_alive)
            .await;
        let environment = match grant {
            Some(Grant::Warm(environment)) => Ok(environment),
            Some(Grant::Cold(room)) => {
                let runs = Runs {
                    function: &self.function,
                    version: &self.version,
                };
                Environment::start(runs, &self.shared, room).await
            }
            None => Err(StartError::Closed),
        };
        let mut environment = match environment {
            Ok(environment) => environment,
            Err(error) => {
                let message = format!("RequestId: {request_id} Error: {error}");
                return Outcome::failure("Runtime.InvalidEntrypoint", &message);
            }
        };
        let mut outcome = environment.run(request_id, payload, fault).await;
        if tail {
            outcome.log_tail = Some(environment.log_tail());
        }
        if environment.is_alive() {
            self.pool.give_back(&self.name, environment);
        }
        outcome
    }
}
