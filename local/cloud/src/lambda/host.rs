//! One function and its execution environments.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Semaphore;

use super::environment::Environment;
use super::outcome::Outcome;
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

/// One function with its warm environments.
pub(super) struct Host {
    pub(super) function: Function,
    pub(super) reserved: Option<Arc<Semaphore>>,
    idle: Mutex<Vec<Environment>>,
    shared: Shared,
}

impl Host {
    pub(super) fn new(function: &Function, shared: &Shared) -> Self {
        let reserved = function.reserved_concurrency;
        Host {
            function: function.clone(),
            reserved: reserved.map(|executions| Arc::new(Semaphore::new(executions as usize))),
            idle: Mutex::default(),
            shared: shared.clone(),
        }
    }

    /// Ends the environments that were idle for so long.
    pub(super) fn give_up_idle(&self, idle: Duration) {
        self.idle()
            .retain(|environment| environment.idle_for() < idle);
    }

    /// Runs one invocation in a warm environment, or in a new one if none is idle.
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
        let environment = match self.warm() {
            Some(environment) => Ok(environment),
            None => Environment::start(&self.function, &self.shared).await,
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
            self.idle().push(environment);
        }
        outcome
    }

    /// The most recently used environment that is alive.
    fn warm(&self) -> Option<Environment> {
        let mut idle = self.idle();
        std::iter::from_fn(|| idle.pop()).find(Environment::is_alive)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Environment>> {
        self.idle.lock()
    }
}
