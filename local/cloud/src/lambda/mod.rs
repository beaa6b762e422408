//! Lambda: the Invoke API over real function binaries that speak the real Runtime API.
//!
//! Each concurrent execution has an environment of its own, a process that is kept warm and
//! reused, the most recently used first, as
//! <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html> describes.

mod access;
mod api;
mod catalog;
mod code;
mod environment;
mod event_invoke;
mod host;
mod launch;
pub(crate) mod limits;
mod outcome;
mod pool;
mod queue;
mod rest;
mod runtime_api;
mod settings;
mod streaming;
mod versions;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use serde::de::IgnoredAny;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::action::LambdaAction;
use crate::config::Local;
use crate::error::ServiceError;
use crate::faults::{Faults, Verdict};
use crate::logs::Logs;
use crate::process::Processes;
use crate::records::Records;
use crate::s3::S3;
use crate::usage::Meter;
use crate::work::Work;
use stack::Function;

use catalog::{Address, Entry};
use environment::Environment;
use host::{Host, Shared};
use limits::throttled;
pub use limits::{ASYNC_PAYLOAD_LIMIT, SYNC_PAYLOAD_LIMIT};
pub use outcome::Outcome;
use pool::Pool;
pub(crate) use rest::FUNCTIONS;
use settings::Settings;

/// The version that can be changed.
pub const LATEST: &str = "$LATEST";

/// How a function is invoked.
/// <https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvocationType {
    /// Wait for the response.
    RequestResponse,
    /// Queue the event; two retries when the function fails.
    Event,
    /// Check name and payload only.
    DryRun,
}

/// Answer of Invoke.
#[derive(Debug, Clone)]
pub struct InvokeOutput {
    /// 200 for `RequestResponse`, 202 for `Event`, 204 for `DryRun`.
    pub status_code: u16,
    /// `$LATEST`, or the number of the version that ran.
    pub executed_version: String,
    /// Response of the function, or the error document if `function_error` is set.
    pub payload: Bytes,
    /// `Unhandled` if the function failed.
    pub function_error: Option<String>,
    /// Last 4 KB of the log of this invocation, if it was asked for.
    pub log_tail: Option<Vec<u8>>,
    /// Request id, as the function saw it.
    pub request_id: String,
}

/// What one invocation is to do.
#[derive(Debug, Clone)]
pub struct Invoke {
    /// JSON; empty is an empty document.
    pub payload: Bytes,
    /// How.
    pub kind: InvocationType,
    /// Whether the log tail is wanted.
    pub tail: bool,
    /// Version or alias, where the name has none.
    pub qualifier: Option<String>,
}

/// The Lambda service.
#[derive(Clone)]
pub struct Lambda {
    inner: Arc<Inner>,
}

struct Inner {
    functions: Mutex<BTreeMap<String, Entry>>,
    unreserved: Arc<Semaphore>,
    async_retry_delays: Vec<Duration>,
    queued: Records,
    kept: Records,
    pool: Arc<Pool<Environment>>,
    shared: Shared,
    /// Where archives of code lie that requests name.
    objects: OnceLock<S3>,
}

impl Lambda {
    /// A service for these functions and for those that requests have made in the same data folder, within a tokio
    /// runtime. Binaries are looked for when a function is invoked. Events that an earlier one has left are queued
    /// again.
    pub fn new(
        local: Local,
        functions: &[Function],
        logs: Logs,
        processes: Processes,
        faults: Faults,
        meter: Meter,
    ) -> Self {
        let folder = local.data_dir.join("lambda");
        let kept = Records::new(folder.join("functions"));
        let functions = catalog(&kept, functions);
        let reserved: u32 = functions
            .values()
            .filter_map(|entry| entry.reserved_concurrency)
            .sum();
        let unreserved = local.limits.lambda_concurrency.saturating_sub(reserved);
        let pool = Pool::new(local.limits.lambda_memory_mib);
        let inner = Arc::new(Inner {
            functions: Mutex::new(functions),
            unreserved: Arc::new(Semaphore::new(unreserved as usize)),
            async_retry_delays: local.limits.async_retry_delays.clone(),
            queued: Records::new(folder),
            kept,
            pool,
            shared: Shared {
                local,
                logs,
                processes,
                faults,
                meter,
            },
            objects: OnceLock::new(),
        });
        let idle = inner.shared.local.limits.lambda_idle;
        tokio::spawn(give_up_idle(Arc::downgrade(&inner.pool), idle));
        let lambda = Lambda { inner };
        for entry in lambda.functions().values_mut() {
            lambda.run(entry);
        }
        lambda.take_up();
        lambda
    }

    fn functions(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.inner.functions.lock()
    }

    /// The surroundings of all services.
    pub(crate) fn local(&self) -> &Local {
        &self.inner.shared.local
    }

    /// Takes code from the buckets that there are.
    pub fn read_code_from(&self, objects: S3) {
        // There is one S3, and it is told of once.
        let _ = self.inner.objects.set(objects);
    }

    /// The folder of the code that requests have brought.
    fn code_root(&self) -> PathBuf {
        self.local().data_dir.join("lambda").join("code")
    }

    fn address(&self, name: &str, qualifier: Option<&str>) -> Result<Address, ServiceError> {
        Address::new(name, qualifier, self.local())
    }

    /// Keeps a function as it now is, and runs it so.
    fn keep(&self, entry: &mut Entry) -> Result<(), ServiceError> {
        self.inner.kept.create(&entry.latest.name, entry)?;
        self.run(entry);
        Ok(())
    }

    /// Makes what runs a function follow its configuration. Environments of an earlier one are not used again.
    fn run(&self, entry: &mut Entry) {
        let permits = |executions: u32| Arc::new(Semaphore::new(executions as usize));
        if entry.running.reserved.is_none() {
            entry.running.reserved = entry.reserved_concurrency.map(permits);
        }
        let Inner { shared, pool, .. } = &*self.inner;
        let host = |version: &Settings| {
            let host = Host::new(version, entry.running.reserved.clone(), shared, pool);
            (version.version.clone(), Arc::new(host))
        };
        entry.running.hosts = entry.all().map(host).collect();
    }

    /// Takes up functions of a changed stack, or with a new binary. Invocations under way end as they began, later ones
    /// start environments of their own.
    pub fn declare(&self, functions: &[Function]) {
        let mut catalog = self.functions();
        for function in functions {
            self.run(declare(&mut catalog, function));
        }
    }

    /// Gives a reservation that has ended back to the functions without one.
    fn release(&self, reserved: Option<u32>) {
        let permits = reserved.unwrap_or(0) as usize;
        self.inner.unreserved.add_permits(permits);
    }

    /// Invokes a function by name, partial ARN or ARN, with or without a qualifier.
    pub async fn invoke(
        &self,
        name_or_arn: &str,
        payload: Bytes,
        kind: InvocationType,
    ) -> Result<InvokeOutput, ServiceError> {
        let invoke = Invoke {
            payload,
            kind,
            tail: false,
            qualifier: None,
        };
        self.invoke_with(name_or_arn, invoke).await
    }

    /// Invokes a function.
    pub async fn invoke_with(
        &self,
        name_or_arn: &str,
        invoke: Invoke,
    ) -> Result<InvokeOutput, ServiceError> {
        let host = self.host(name_or_arn, invoke.qualifier.as_deref())?;
        check_payload(&invoke)?;
        // The members that the protocol carries were checked where they were read.
        let verdict = (self.faults()).admit(LambdaAction::Invoke, &Value::Null)?;
        let request_id = Uuid::new_v4().to_string();
        let mut output = InvokeOutput {
            status_code: 200,
            executed_version: host.version.clone(),
            payload: Bytes::new(),
            function_error: None,
            log_tail: None,
            request_id: request_id.clone(),
        };
        let payload = if invoke.payload.is_empty() {
            Bytes::from_static(b"{}")
        } else {
            invoke.payload
        };
        match (invoke.kind, verdict) {
            (InvocationType::DryRun, _) => output.status_code = 204,
            (InvocationType::Event, Verdict::Lose) => output.status_code = 202,
            (InvocationType::RequestResponse, Verdict::Lose) => return Err(unanswered()),
            (InvocationType::Event, Verdict::Proceed) => {
                output.status_code = 202;
                self.queue(host, request_id, payload)?;
            }
            (InvocationType::RequestResponse, Verdict::Proceed) => {
                let permit = self.try_permit(&host)?;
                // A task of its own: the function runs on when the caller goes away, as on AWS.
                let run = tokio::spawn(async move {
                    let _permit = permit;
                    host.run(&request_id, payload, invoke.tail).await
                });
                let outcome = run.await.map_err(|error| {
                    ServiceError::with_status(500, "ServiceException", error.to_string())
                })?;
                output.payload = outcome.payload;
                output.function_error = outcome.failed.then(|| "Unhandled".to_owned());
                output.log_tail = outcome.log_tail;
            }
        }
        Ok(output)
    }

    fn faults(&self) -> &Faults {
        &self.inner.shared.faults
    }

    /// The work under way in all services.
    pub fn work(&self) -> &Work {
        &self.inner.shared.processes.work
    }

    /// The processes of all services.
    pub(crate) fn processes(&self) -> &Processes {
        &self.inner.shared.processes
    }

    /// Queues an event: once this returns, it is delivered at least once, whatever ends in between.
    pub(crate) fn enqueue(&self, name_or_arn: &str, payload: Bytes) -> Result<(), ServiceError> {
        let host = self.host(name_or_arn, None)?;
        let invoke = Invoke {
            payload,
            kind: InvocationType::Event,
            tail: false,
            qualifier: None,
        };
        check_payload(&invoke)?;
        match self.faults().admit(LambdaAction::Invoke, &Value::Null)? {
            Verdict::Proceed => self.queue(host, Uuid::new_v4().to_string(), invoke.payload),
            Verdict::Lose => Ok(()),
        }
    }

    fn try_permit(&self, host: &Host) -> Result<OwnedSemaphorePermit, ServiceError> {
        let permits = host.reserved.as_ref().unwrap_or(&self.inner.unreserved);
        permits.clone().try_acquire_owned().map_err(|_| throttled())
    }

    /// What runs the version that a name and a qualifier mean.
    fn host(&self, name_or_arn: &str, qualifier: Option<&str>) -> Result<Arc<Host>, ServiceError> {
        let address = self.address(name_or_arn, qualifier)?;
        let functions = self.functions();
        let entry = functions.get(&address.name);
        let host = entry
            .and_then(|entry| entry.host(address.qualifier.as_deref(), catalog::random()))
            .cloned();
        host.ok_or_else(|| address.unknown(self.local()))
    }
}

/// The functions of the stack and those that were kept. Of a function that was kept, the stack says what `$LATEST` is.
fn catalog(kept: &Records, functions: &[Function]) -> BTreeMap<String, Entry> {
    let mut catalog = BTreeMap::new();
    for entry in kept.load::<Entry>() {
        catalog.insert(entry.latest.name.clone(), entry);
    }
    // One that the stack no longer has is not there any more.
    let is_there = |entry: &Entry| {
        !entry.declared
            || functions
                .iter()
                .any(|function| function.name == entry.latest.name)
    };
    catalog.retain(|_, entry| is_there(entry));
    for function in functions {
        declare(&mut catalog, function);
    }
    catalog
}

/// Makes `$LATEST` of a function what the stack says.
fn declare<'a>(catalog: &'a mut BTreeMap<String, Entry>, function: &Function) -> &'a mut Entry {
    let latest = Settings::declared(function);
    let entry = catalog
        .entry(function.name.clone())
        .or_insert_with(|| Entry::new(latest.clone(), true));
    entry.latest = latest;
    entry.declared = true;
    entry.reserved_concurrency = function.reserved_concurrency.or(entry.reserved_concurrency);
    entry
}

/// Ends environments that were idle for so long, as AWS does after some minutes.
async fn give_up_idle(pool: Weak<Pool<Environment>>, idle: Duration) {
    let mut look = tokio::time::interval((idle / 10).max(Duration::from_millis(10)));
    loop {
        look.tick().await;
        let Some(pool) = pool.upgrade() else {
            return;
        };
        pool.retain(|environment| environment.idle_for() < idle);
    }
}

/// What the client of a synchronous invocation reports that has waited for its answer in vain.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/sfn-best-practices.html#bp-lambda-serviceexception>
fn unanswered() -> ServiceError {
    let message = "The client gave up waiting for the answer of Invoke";
    ServiceError::with_status(500, "ClientExecutionTimeoutException", message)
}

fn check_payload(invoke: &Invoke) -> Result<(), ServiceError> {
    let (limit, operation) = match invoke.kind {
        InvocationType::Event => (ASYNC_PAYLOAD_LIMIT, "InvokeAsync"),
        InvocationType::RequestResponse | InvocationType::DryRun => {
            (SYNC_PAYLOAD_LIMIT, "InvokeFunction")
        }
    };
    if invoke.payload.len() > limit {
        return Err(ServiceError::with_status(
            413,
            "RequestTooLargeException",
            format!("Request must be smaller than {limit} bytes for the {operation} operation"),
        ));
    }
    if !invoke.payload.is_empty() {
        serde_json::from_slice::<IgnoredAny>(&invoke.payload).map_err(|error| {
            ServiceError::new(
                "InvalidRequestContentException",
                format!("Could not parse request body into json: {error}"),
            )
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_limits_depend_on_the_invocation_type() {
        let big = |bytes: usize, kind| Invoke {
            payload: Bytes::from(format!("\"{}\"", "x".repeat(bytes - 2))),
            kind,
            tail: false,
            qualifier: None,
        };
        let code = |invoke| check_payload(&invoke).err().map(|e| e.code);
        let too_large = Some("RequestTooLargeException".to_owned());
        assert_eq!(
            code(big(SYNC_PAYLOAD_LIMIT, InvocationType::RequestResponse)),
            None
        );
        assert_eq!(
            code(big(SYNC_PAYLOAD_LIMIT + 1, InvocationType::RequestResponse)),
            too_large
        );
        assert_eq!(code(big(ASYNC_PAYLOAD_LIMIT, InvocationType::Event)), None);
        assert_eq!(
            code(big(ASYNC_PAYLOAD_LIMIT + 1, InvocationType::Event)),
            too_large
        );
        let broken = Invoke {
            payload: Bytes::from_static(b"{oops"),
            kind: InvocationType::DryRun,
            tail: false,
            qualifier: None,
        };
        assert_eq!(
            code(broken),
            Some("InvalidRequestContentException".to_owned())
        );
    }
}
