//! The local cloud as one thing: every service behind one endpoint.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use cloud::compute::Compute;
use cloud::config::{Limits, Local};
use cloud::error::ServiceError;
use cloud::faults::Faults;
use cloud::private;
use cloud::programs::Programs;
use cloud::router::{self, Pages};
use cloud::usage::Usage;
use stack::Stack;

use crate::clock::ClockMode;
use crate::description::ExecutionDescription;
use crate::folder::{CloudError, DATABASE_FILES, lock_folder};
use crate::outside::Outside;
use crate::service::{Options, Sfn};
use crate::store::Durability;
use crate::subscribers::ExecutionEvent;
use crate::test_cases::TestCases;

/// What a local cloud is made of.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stack to run.
    pub stack: Stack,
    /// Folder of objects, logs and the history; made if it is not there.
    pub data_dir: PathBuf,
    /// Folder of the function and worker binaries.
    pub bin_dir: PathBuf,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// What goes wrong, and when.
    pub faults: Faults,
    /// Limits that the services enforce.
    pub limits: Limits,
    /// What runs code that is no executable.
    pub programs: Programs,
    /// Which clock executions see.
    pub clock: ClockMode,
    /// What the history survives.
    pub durability: Durability,
    /// How long ended executions are kept; none for as long as the folder is there.
    pub keep: Option<Duration>,
    /// What answers calls of states in place of the local services.
    pub outside: Option<Arc<dyn Outside>>,
    /// The test cases that executions can be started as: `#CASE` after the ARN of the state machine.
    pub test_cases: Option<Arc<dyn TestCases>>,
    /// Whether the folder is only looked at: what was running does not go on, and state machines take no requests.
    pub at_rest: bool,
}

impl Config {
    /// A free port, no faults, the default limits, the real clock; executions are kept, and go on.
    pub fn new(stack: Stack, data_dir: PathBuf, bin_dir: PathBuf) -> Config {
        Config {
            stack,
            data_dir,
            bin_dir,
            port: 0,
            faults: Faults::default(),
            limits: Limits::default(),
            programs: Programs::default(),
            clock: ClockMode::Real,
            durability: Durability::default(),
            keep: None,
            outside: None,
            test_cases: None,
            at_rest: false,
        }
    }
}

/// What ends with the local cloud.
struct Server {
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    /// Locked while the folder is in use.
    _lock: File,
}

/// A running local cloud. Dropping it does not stop it: call [`Cloud::shutdown`].
pub struct Cloud {
    endpoint: String,
    compute: Compute,
    sfn: Sfn,
    pages: Pages,
    at_rest: bool,
    server: Mutex<Option<Server>>,
}

impl Cloud {
    /// Starts every service behind one endpoint on 127.0.0.1. Executions that the data folder shows
    /// as running go on.
    ///
    /// # Errors
    /// [`CloudError`] says what of the folder, the port or the stack cannot be used.
    pub async fn start(config: Config) -> Result<Cloud, CloudError> {
        let Config {
            stack,
            data_dir,
            bin_dir,
            port,
            faults,
            limits,
            programs,
            clock,
            durability,
            keep,
            outside,
            test_cases,
            at_rest,
        } = config;
        let lock = lock_folder(&data_dir)?;
        let folder = data_dir.clone();
        let listen = |source| CloudError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(listen)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(listen)?);
        let local = Local {
            region: stack.region.clone(),
            account: stack.account.clone(),
            endpoint: endpoint.clone(),
            bin_dir,
            data_dir,
            limits,
            programs,
        };
        let compute = Compute::start(local.clone(), &stack, faults)?;
        let options = Options {
            mode: clock,
            durability,
            outside,
            test_cases,
        };
        let sfn = Sfn::open(compute.clone(), local, &stack, options).await?;
        // SQLite makes its files readable for all; those to come take the mode of the first.
        private::take(&folder, DATABASE_FILES).map_err(|source| CloudError::Data {
            path: folder,
            source,
        })?;
        start_targets(&compute, &sfn);
        let services = match at_rest {
            true => compute.services(),
            false => compute.services().with(sfn.clone()),
        };
        let pages = Pages::default();
        let shown = pages.clone();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let shutdown = async move {
                // A dropped sender means the same as a sent word.
                let _ = stopped.await;
            };
            if let Err(error) = router::serve(listener, services, shown, shutdown).await {
                tracing::error!(%error, "the endpoint has ended");
            }
        });
        if at_rest {
            sfn.rest();
        } else {
            // What goes on calls the endpoint at once; requests to Step Functions wait until all of it does.
            sfn.recover().await?;
            compute.open();
            if let Some(keep) = keep {
                sfn.keep_for(keep);
            }
        }
        Ok(Cloud {
            endpoint,
            compute,
            sfn,
            pages,
            at_rest,
            server: Mutex::new(Some(Server {
                stop,
                serving,
                _lock: lock,
            })),
        })
    }

    /// `http://127.0.0.1:<port>`: the value of `AWS_ENDPOINT_URL` for any SDK.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Every history event as it is recorded, those of child executions too.
    pub fn subscribe(&self) -> mpsc::UnboundedReceiver<ExecutionEvent> {
        self.sfn.subscribe()
    }

    /// Starts an execution; its ARN.
    pub async fn start_execution(
        &self,
        machine_arn: &str,
        name: &str,
        input: &Value,
    ) -> Result<String, ServiceError> {
        self.sfn
            .start_execution(machine_arn, Some(name), input.clone().into())
            .await
    }

    /// Stops an execution.
    pub async fn stop_execution(
        &self,
        arn: &str,
        error: &str,
        cause: &str,
    ) -> Result<(), ServiceError> {
        self.sfn.stop_execution(arn, Some(error), Some(cause)).await
    }

    /// Waits for the end of an execution.
    pub async fn wait(&self, arn: &str) -> Result<ExecutionDescription, ServiceError> {
        self.sfn.wait(arn).await
    }

    /// Describes an execution.
    pub async fn describe(&self, arn: &str) -> Result<ExecutionDescription, ServiceError> {
        self.sfn.describe(arn)
    }

    /// All history events of an execution, in the shape of GetExecutionHistory.
    pub async fn history(&self, arn: &str) -> Result<Vec<Value>, ServiceError> {
        self.sfn.history(arn).await
    }

    /// Moves the clock that executions see forward, for who has no time to wait.
    pub fn skip(&self, by: Duration) {
        self.sfn.skip(by);
    }

    /// Removes the executions that ended before a moment; how many.
    pub async fn remove_ended(&self, before: asl::Timestamp) -> Result<usize, ServiceError> {
        self.sfn.remove_ended(before).await
    }

    /// Resolves when nothing can happen any more by itself, which only the virtual clock can tell: what still runs
    /// waits for a callback that nobody is there to make.
    pub async fn stalled(&self) {
        self.sfn.stalled().await;
    }

    /// Puts a local file into a bucket.
    pub async fn put_object(
        &self,
        bucket: &str,
        key: &str,
        path: &Path,
    ) -> Result<(), ServiceError> {
        let body = tokio::fs::read(path).await.map_err(|error| {
            ServiceError::new("NoSuchFile", format!("{}: {error}", path.display()))
        })?;
        self.compute.s3.put(bucket, key, Bytes::from(body)).await
    }

    /// Reads an object.
    pub async fn get_object(&self, bucket: &str, key: &str) -> Result<Bytes, ServiceError> {
        self.compute.s3.get(bucket, key).await
    }

    /// What ran so far: one row per invocation, task and job attempt.
    pub fn usage(&self) -> Vec<Usage> {
        self.compute.meter.rows()
    }

    /// Step Functions.
    pub fn stepfunctions(&self) -> &Sfn {
        &self.sfn
    }

    /// The console's place at the endpoint.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Whether the folder is only looked at.
    pub fn is_at_rest(&self) -> bool {
        self.at_rest
    }

    /// The compute services.
    pub fn compute(&self) -> &Compute {
        &self.compute
    }

    /// Stops every child process and the endpoint. The history is kept; executions that run go on
    /// at the next start on the same folder.
    pub async fn shutdown(&self) {
        self.sfn.shutdown();
        self.compute.shutdown().await;
        let server = self.server.lock().take();
        if let Some(Server {
            stop,
            serving,
            _lock,
        }) = server
        {
            // Children may hold connections open; the endpoint does not wait for them.
            let _ = stop.send(());
            serving.abort();
        }
    }
}

/// Rules and schedules may start state machines.
fn start_targets(compute: &Compute, sfn: &Sfn) {
    let sfn = sfn.clone();
    compute.events.on_start_execution(Arc::new(move |start| {
        let sfn = sfn.clone();
        async move {
            let name = Some(start.name.as_str());
            sfn.start_execution(&start.state_machine, name, start.input.into())
                .await
                .map(drop)
        }
        .boxed()
    }));
}
