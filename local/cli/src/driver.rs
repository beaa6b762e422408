//! Drives one execution without the local cloud: functions are commands, other services are absent.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use asl::{
    Child, ChildId, Command, Event, Execution, Resource, Start, StateMachine, Task, TaskError,
    TaskId, TimerId, Timestamp, Value,
};
use serde_json::json;
use tokio::{
    io::AsyncWriteExt,
    task::{AbortHandle, JoinSet},
};

/// Whether timers take their time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// They do.
    Real,
    /// The next one fires as soon as no command is running.
    Virtual,
}

/// The commands that stand in for functions, by function name.
#[derive(Debug, Default)]
pub struct Functions {
    commands: HashMap<String, String>,
}

/// Runs an execution to its end. One that waits for what never comes is returned as it then stands.
pub async fn run(
    machine: StateMachine,
    start: Start,
    clock: Clock,
    functions: Arc<Functions>,
) -> Execution {
    run_from(machine, start, clock, functions, 0).await.0
}

/// The same, with the virtual time that has been skipped before; returns the execution and the time
/// skipped at its end, µs.
async fn run_from(
    machine: StateMachine,
    start: Start,
    clock: Clock,
    functions: Arc<Functions>,
    skipped: i64,
) -> (Execution, i64) {
    let mut driver = Driver {
        clock,
        functions,
        skipped,
        ready: VecDeque::new(),
        running: JoinSet::new(),
        tasks: HashMap::new(),
        children: HashMap::new(),
        timers: BTreeSet::new(),
    };
    let (mut execution, commands) = Execution::start(&machine, start, driver.now());
    driver.carry_out(commands);
    while let Some(event) = driver.next().await {
        let commands = execution.apply(event, driver.now());
        driver.carry_out(commands);
    }
    (execution, driver.skipped)
}

/// What is under way for one execution.
struct Driver {
    clock: Clock,
    functions: Arc<Functions>,
    skipped: i64,
    /// What has happened already.
    ready: VecDeque<Event>,
    running: JoinSet<(Event, i64)>,
    tasks: HashMap<TaskId, AbortHandle>,
    children: HashMap<ChildId, AbortHandle>,
    timers: BTreeSet<(Timestamp, TimerId)>,
}

impl Driver {
    fn now(&self) -> Timestamp {
        Timestamp(cloud::time::now().0 + self.skipped)
    }

    /// The next thing that happens; none when nothing can happen any more.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.ready.pop_front() {
            return Some(event);
        }
        loop {
            let timer = self.timers.first().map(|(at, _)| *at);
            let wait = match (timer, self.clock) {
                (Some(at), Clock::Real) => u64::try_from(at.0 - self.now().0).unwrap_or(0),
                (Some(_), Clock::Virtual) if self.running.is_empty() => 0,
                (Some(_), Clock::Virtual) => u64::MAX,
                (None, _) if self.running.is_empty() => return None,
                (None, _) => u64::MAX,
            };
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next() => {
                    // A task that was cancelled ends in an error and is of no further interest.
                    if let Ok((event, skipped)) = ended {
                        self.skipped = self.skipped.max(skipped);
                        return Some(event);
                    }
                }
                () = sleep(wait) => {
                    let (at, id) = self.timers.pop_first()?;
                    self.skipped += (at.0 - self.now().0).max(0);
                    return Some(Event::TimerFired { id });
                }
            }
        }
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        for command in commands {
            match command {
                Command::ScheduleTask(task) => {
                    let id = task.id;
                    let functions = self.functions.clone();
                    let skipped = self.skipped;
                    self.ready
                        .push_back(Event::TaskStarted { id, worker: None });
                    let work = async move { (functions.answer(&task).await, skipped) };
                    self.tasks.insert(id, self.running.spawn(work));
                }
                Command::CancelTask { id } => abort(self.tasks.remove(&id)),
                Command::StartTimer { id, at } => {
                    self.timers.insert((at, id));
                }
                Command::CancelTimer { id } => self.timers.retain(|(_, timer)| *timer != id),
                Command::ReadItems { id, .. } => self.ready.push_back(Event::ItemsRead {
                    id,
                    result: Err(absent("States.ItemReaderFailed", "S3")),
                }),
                Command::WriteResults { id, .. } => self.ready.push_back(Event::ResultsWritten {
                    id,
                    result: Err(absent("States.ResultWriterFailed", "S3")),
                }),
                Command::StartChild { id, child } => self.start_child(id, *child),
                Command::StopChild { id } => abort(self.children.remove(&id)),
            }
        }
    }

    fn start_child(&mut self, id: ChildId, child: Child) {
        let (clock, functions, skipped) = (self.clock, self.functions.clone(), self.skipped);
        let run = async move {
            let child = Box::pin(run_from(
                child.machine,
                child.start,
                clock,
                functions,
                skipped,
            ));
            let (execution, skipped) = child.await;
            let status = execution.status().clone();
            (Event::ChildFinished { id, status }, skipped)
        };
        self.children.insert(id, self.running.spawn(run));
    }
}

fn abort(task: Option<AbortHandle>) {
    if let Some(task) = task {
        task.abort();
    }
}

async fn sleep(microseconds: u64) {
    if microseconds == u64::MAX {
        std::future::pending::<()>().await;
    }
    if microseconds > 0 {
        tokio::time::sleep(Duration::from_micros(microseconds)).await;
    }
}

fn absent(error: &str, what: &str) -> TaskError {
    TaskError {
        error: error.to_owned(),
        cause: Some(format!(
            "{what} is not there when a definition runs by itself; run it in a project with `hybrid run`"
        )),
    }
}

impl Functions {
    /// Stand-ins by function name.
    pub fn new(commands: HashMap<String, String>) -> Self {
        Self { commands }
    }

    async fn answer(&self, task: &Task) -> Event {
        let id = task.id;
        let result = match &task.resource {
            Resource::Lambda { arn } => self.call(arn, &task.arguments).await,
            Resource::Service {
                service, action, ..
            } if &**service == "lambda" && &**action == "invoke" => {
                self.invoke(&task.arguments).await
            }
            Resource::Service { service, .. } => Err(absent("States.Runtime", service)),
            Resource::Activity { arn } => Err(absent("States.Runtime", arn)),
        };
        match result {
            Ok(output) => Event::TaskSucceeded { id, output },
            Err(TaskError { error, cause }) => Event::TaskFailed { id, error, cause },
        }
    }

    /// `lambda:invoke`: the answer of the Invoke API around the payload.
    async fn invoke(&self, arguments: &Value) -> Result<Value, TaskError> {
        let name = arguments.get("FunctionName").and_then(Value::as_str);
        let empty = Value::object::<&str>([]);
        let payload = arguments.get("Payload").unwrap_or(&empty);
        let output = self.call(name.unwrap_or_default(), payload).await?;
        Ok(Value::object([
            ("ExecutedVersion", Value::string("$LATEST")),
            ("Payload", output),
            (
                "SdkHttpMetadata",
                Value::from(json!({"HttpStatusCode": 200})),
            ),
            (
                "SdkResponseMetadata",
                Value::from(json!({"RequestId": "exec"})),
            ),
            ("StatusCode", Value::from(json!(200))),
        ]))
    }

    async fn call(&self, function: &str, payload: &Value) -> Result<Value, TaskError> {
        let name = name_of(function);
        let Some(command) = self.commands.get(name) else {
            return Err(TaskError {
                error: "Lambda.ResourceNotFoundException".to_owned(),
                cause: Some(format!(
                    "Function not found: {function}; name a stand-in with --lambda {name}=COMMAND"
                )),
            });
        };
        pipe(name, command, payload.to_string())
            .await
            .unwrap_or_else(|error| {
                Err(TaskError {
                    error: "Lambda.Unknown".to_owned(),
                    cause: Some(format!("{command}: {error}")),
                })
            })
    }
}

/// The name in a function's name, partial ARN or ARN, with or without a qualifier.
fn name_of(function: &str) -> &str {
    let after = function
        .rsplit_once("function:")
        .map_or(function, |(_, name)| name);
    after.split(':').next().unwrap_or(after)
}

/// Runs a command with the payload on its standard input. The document it prints is the payload of
/// the answer; with an exit code it is the error document of a function, if it has an `errorType`.
async fn pipe(
    name: &str,
    command: &str,
    payload: String,
) -> std::io::Result<Result<Value, TaskError>> {
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .env("AWS_LAMBDA_FUNCTION_NAME", name)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = child.stdin.take();
    // At the same time, since a command may print before it has read everything.
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input closes the pipe; that is no error.
            let _ = stdin.write_all(payload.as_bytes()).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?;
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.trim();
    let document = Value::parse(if text.is_empty() { "null" } else { text });
    if output.status.success() {
        return Ok(document.map_err(|error| TaskError {
            error: "Lambda.Unknown".to_owned(),
            cause: Some(format!("{name} did not print JSON: {error}")),
        }));
    }
    let named = document.ok().and_then(|document| {
        let error = document.get("errorType")?.as_str()?.to_owned();
        Some(TaskError {
            error,
            cause: Some(document.to_string()),
        })
    });
    Ok(Err(named.unwrap_or_else(|| exited(&output.status))))
}

/// As Lambda tells of a runtime that ends while it works.
fn exited(status: &std::process::ExitStatus) -> TaskError {
    let message = format!("RequestId: exec Error: Runtime exited with error: {status}");
    let document = json!({"errorType": "Runtime.ExitError", "errorMessage": message});
    TaskError {
        error: "Runtime.ExitError".to_owned(),
        cause: Some(document.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use asl::Status;

    async fn drive(definition: &str, lambdas: &[(&str, &str)]) -> Status {
        let machine = StateMachine::parse(definition).unwrap();
        let commands = lambdas
            .iter()
            .map(|(name, command)| ((*name).to_owned(), (*command).to_owned()));
        let functions = Arc::new(Functions::new(commands.collect()));
        let start = Start {
            input: Value::parse(r#"{"n":1}"#).unwrap(),
            ..Start::default()
        };
        run(machine, start, Clock::Virtual, functions)
            .await
            .status()
            .clone()
    }

    #[tokio::test]
    async fn a_command_stands_in_for_a_function_and_waits_are_skipped() {
        let definition = r#"{"StartAt":"Nap","States":{
            "Nap":{"Type":"Wait","Seconds":86400,"Next":"Call"},
            "Call":{"Type":"Task","Resource":"arn:aws:lambda:us-east-1:123456789012:function:echo","End":true}}}"#;
        let status = drive(definition, &[("echo", "cat")]).await;
        assert_eq!(
            status,
            Status::Succeeded {
                output: Value::parse(r#"{"n":1}"#).unwrap()
            }
        );
    }

    #[tokio::test]
    async fn an_exit_code_is_a_function_error_that_catch_takes() {
        let definition = r#"{"StartAt":"Call","States":{
            "Call":{"Type":"Task","Resource":"arn:aws:states:::lambda:invoke","Parameters":{"FunctionName":"bad"},
                "Retry":[{"ErrorEquals":["Mine"],"IntervalSeconds":3600,"MaxAttempts":2}],
                "Catch":[{"ErrorEquals":["Mine"],"ResultPath":"$.caught","Next":"Done"}],"End":true},
            "Done":{"Type":"Pass","InputPath":"$.caught.Error","End":true}}}"#;
        let command = r#"echo '{"errorType":"Mine","errorMessage":"no"}'; exit 1"#;
        let status = drive(definition, &[("bad", command)]).await;
        assert_eq!(
            status,
            Status::Succeeded {
                output: Value::string("Mine")
            }
        );
    }

    #[test]
    fn a_function_is_found_by_name_or_arn() {
        for function in [
            "echo",
            "echo:live",
            "arn:aws:lambda:us-east-1:123456789012:function:echo",
            "arn:aws:lambda:us-east-1:123456789012:function:echo:$LATEST",
        ] {
            assert_eq!(name_of(function), "echo");
        }
    }
}
