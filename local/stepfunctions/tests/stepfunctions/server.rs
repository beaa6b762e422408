//! A local cloud in a process of its own, which a test kills, stops, or takes the disk away from.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use aws_sdk_sfn::types::ExecutionStatus;
use rusqlite::{Connection, params};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::cloud::{config, make_binaries, stack};

/// Serves until it is stopped. Run by [`Server::start`], never as a test of its own.
#[tokio::test]
#[ignore = "the server process of the other tests here"]
async fn serve() {
    let Ok(dir) = std::env::var("SERVER_TEST_DIR") else {
        return;
    };
    let dir = Path::new(&dir);
    let mut terminate =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
    let cloud = stepfunctions::Cloud::start(stepfunctions::Config::new(
        stack(),
        dir.join("data"),
        dir.join("bin"),
    ))
    .await
    .unwrap();
    let mut events = cloud.subscribe();
    println!("\nendpoint {}", cloud.endpoint());
    loop {
        tokio::select! {
            Some(event) = events.recv() => {
                println!("event {} {}", event.event["type"].as_str().unwrap(), event.execution_arn);
            }
            _ = terminate.recv() => break,
        }
    }
    cloud.shutdown().await;
}

pub struct Server {
    process: Child,
    pub sfn: aws_sdk_sfn::Client,
    /// `<type> <execution>` of each history event from the start of the server on.
    events: Mutex<UnboundedReceiver<String>>,
}

impl Server {
    pub fn start(dir: &Path) -> Server {
        Server::start_with(dir, "")
    }

    /// A server that cannot make any file grow from its start on.
    pub fn start_without_space(dir: &Path) -> Server {
        Server::start_with(dir, "ulimit -S -f 0;")
    }

    fn start_with(dir: &Path, first: &str) -> Server {
        // A write beyond the limit is to fail, as on a full disk, not to end the process.
        let mut process = Command::new("sh")
            .arg("-c")
            .arg(format!(r#"{first} trap "" XFSZ; exec "$0" "$@""#))
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "server::serve", "--ignored", "--nocapture"])
            .env("SERVER_TEST_DIR", dir)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let endpoint = lines
            .find_map(|line| line.unwrap().strip_prefix("endpoint ").map(str::to_owned))
            .unwrap();
        let (sender, events) = unbounded_channel();
        // The pipe must be read on, or the server would stop at its next line.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(event) = line.strip_prefix("event ") {
                    // The test may have ended.
                    let _ = sender.send(event.to_owned());
                }
            }
        });
        Server {
            process,
            sfn: aws_sdk_sfn::Client::new(&config(&endpoint)),
            events: Mutex::new(events),
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        kill_process(self.pid(), Signal::TERM).unwrap();
        self.process.wait().unwrap()
    }

    /// From now on no file can grow, as on a full disk; or again as it was before.
    pub fn fill_disk(&self, full: bool) {
        let maximum = getrlimit(Resource::Fsize).maximum;
        let current = if full { Some(0) } else { maximum };
        prlimit(
            Some(self.pid()),
            Resource::Fsize,
            Rlimit { current, maximum },
        )
        .unwrap();
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    pub async fn activity(&self) -> String {
        self.sfn
            .create_activity()
            .name("work")
            .send()
            .await
            .unwrap()
            .activity_arn
    }

    pub async fn machine(&self, definition: &Value) -> String {
        self.named_machine("machine", definition).await
    }

    pub async fn named_machine(&self, name: &str, definition: &Value) -> String {
        let create = self
            .sfn
            .create_state_machine()
            .name(name)
            .definition(definition.to_string());
        create
            .role_arn("arn:aws:iam::123456789012:role/r")
            .send()
            .await
            .unwrap()
            .state_machine_arn
    }

    pub async fn execution(&self, machine: &str, input: &Value) -> String {
        let start = self
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .input(input.to_string());
        start.send().await.unwrap().execution_arn
    }

    pub async fn fetch(&self, activity: &str) -> String {
        let task = self
            .sfn
            .get_activity_task()
            .activity_arn(activity)
            .send()
            .await
            .unwrap();
        task.task_token.unwrap()
    }

    pub async fn succeed(&self, token: &str, output: &str) {
        self.sfn
            .send_task_success()
            .task_token(token)
            .output(output)
            .send()
            .await
            .unwrap();
    }

    pub async fn types(&self, execution: &str) -> Vec<String> {
        let history = self
            .sfn
            .get_execution_history()
            .execution_arn(execution)
            .max_results(1_000);
        let events = history.send().await.unwrap().events;
        events
            .iter()
            .map(|event| event.r#type.as_str().to_owned())
            .collect()
    }

    /// Waits for a history event of a type in any execution; the execution.
    pub async fn event(&self, kind: &str) -> String {
        let mut events = self.events.lock().await;
        loop {
            let event = events.recv().await.expect("the server has ended");
            if let Some((found, execution)) = event.split_once(' ')
                && found == kind
            {
                return execution.to_owned();
            }
        }
    }

    /// The output, once there is one: every event is a reason to look again.
    pub async fn output(&self, execution: &str) -> Value {
        let mut events = self.events.lock().await;
        loop {
            let describe = self.sfn.describe_execution().execution_arn(execution);
            let described = describe.send().await.unwrap();
            match described.status {
                ExecutionStatus::Running => {
                    events.recv().await.expect("the server has ended");
                }
                ExecutionStatus::Succeeded => {
                    return serde_json::from_str(&described.output.unwrap()).unwrap();
                }
                _ => panic!("{:?}: {:?}", described.error, described.cause),
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already dead after `kill`.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A folder for a server, and for what is between two of them.
pub fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    make_binaries(dir.path(), "probe-function");
    dir
}

/// The database of a server that has ended.
pub fn database(dir: &Path) -> Connection {
    Connection::open(dir.join("data/stepfunctions.db")).unwrap()
}

/// Cuts the log of an execution after its last event of this kind, as if the server had been killed
/// there: `TaskStarted` is before the answer of what was called.
pub fn cut_log(dir: &Path, execution: &str, after: &str) {
    let database = database(dir);
    let id: i64 = database
        .query_row(
            "SELECT id FROM executions WHERE arn = ?1",
            [execution],
            |row| row.get(0),
        )
        .unwrap();
    let cut = database
        .execute(
            "DELETE FROM events WHERE execution = ?1 AND seq > \
             (SELECT MAX(seq) FROM events WHERE execution = ?1 AND event LIKE '%' || ?2 || '%')",
            params![id, after],
        )
        .unwrap();
    assert!(cut > 0, "nothing comes after {after}");
    database
        .execute(
            "UPDATE executions SET stopped = NULL, status = 'RUNNING', ending = NULL WHERE id = ?1",
            [id],
        )
        .unwrap();
}

/// A pipe with a name. To open one end waits for somebody who opens the other: a worker that reads
/// it tells that it runs, and goes on when the test lets go of its end.
pub fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// The writing end of a [`pipe`], once it is read.
pub async fn reader_of(path: &Path) -> std::fs::File {
    let path = path.to_owned();
    let open = move || std::fs::OpenOptions::new().write(true).open(path).unwrap();
    tokio::task::spawn_blocking(open).await.unwrap()
}
