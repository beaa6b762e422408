//! `hybrid serve --watch`: what changes is taken up, what runs ends as it began.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Stdio};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sfn::types::ExecutionStatus;
use end_to_end::hybrid;
use serde_json::{Value, json};

const STACK: &str = "\
service: watched
provider: { name: aws, runtime: provided.al2023 }
resources:
  Resources:
    Task: { Type: AWS::StepFunctions::Activity, Properties: { Name: task } }
    Machine:
      Type: AWS::StepFunctions::StateMachine
      Properties: { StateMachineName: machine, Definition: '${file(statemachines/machine.asl.json)}' }
";

/// A server and what it tells beside its output.
struct Server {
    process: Child,
    told: BufReader<ChildStderr>,
    sfn: Client,
}

impl Server {
    fn start(project: &Path) -> Self {
        let mut process = Command::new(hybrid())
            .current_dir(project)
            .args(["serve", "--watch", "--port", "0", "--json"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let endpoint: Value = serde_json::from_str(&line).unwrap();
        let config = aws_sdk_sfn::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("test", "test", None, None, "test"))
            .endpoint_url(endpoint["endpoint"].as_str().unwrap())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            told: BufReader::new(process.stderr.take().unwrap()),
            process,
            sfn: Client::from_conf(config),
        }
    }

    /// Waits for a line with these words.
    fn wait_for(&mut self, words: &str) {
        let mut told = String::new();
        while !told.lines().last().unwrap_or_default().contains(words) {
            let read = self.told.read_line(&mut told).unwrap();
            assert!(read > 0, "the server ended: {told}");
        }
    }

    async fn begin(&self, name: &str) -> String {
        let machine = "arn:aws:states:us-east-1:123456789012:stateMachine:machine";
        let start = self.sfn.start_execution().state_machine_arn(machine);
        let started = start.name(name).send().await.unwrap();
        started.execution_arn().to_owned()
    }

    /// The output of an execution whose every task is answered.
    async fn end(&self, execution: &str) -> Value {
        let activity = "arn:aws:states:us-east-1:123456789012:activity:task";
        let task = self.sfn.get_activity_task().activity_arn(activity);
        let task = task.send().await.unwrap();
        let answer = self.sfn.send_task_success().output("1");
        answer
            .task_token(task.task_token().unwrap())
            .send()
            .await
            .unwrap();
        loop {
            let describe = self.sfn.describe_execution().execution_arn(execution);
            let found = describe.send().await.unwrap();
            if *found.status() != ExecutionStatus::Running {
                return serde_json::from_str(found.output().unwrap()).unwrap();
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A definition that waits for the activity and ends with `output`.
fn write(project: &Path, output: &str) {
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Wait", "States": {"Wait": {
        "Type": "Task", "Resource": "arn:aws:states:us-east-1:123456789012:activity:task",
        "Output": output, "End": true,
    }}});
    let file = project.join("statemachines/machine.asl.json");
    std::fs::write(file, definition.to_string()).unwrap();
}

#[tokio::test]
async fn a_changed_definition_is_for_new_executions_and_a_wrong_one_for_none() {
    let project = tempfile::tempdir().unwrap();
    let project = project.path();
    std::fs::create_dir(project.join("statemachines")).unwrap();
    std::fs::write(project.join("serverless.yml"), STACK).unwrap();
    write(project, "first");
    let mut server = Server::start(project);
    let first = server.begin("first").await;

    write(project, "second");
    server.wait_for("reloaded state machines: machine");
    assert_eq!(server.end(&first).await, "first");
    let second = server.begin("second").await;
    assert_eq!(server.end(&second).await, "second");

    write(project, "{% $nothing( %}");
    server.wait_for("what is served stays as it was");
    let third = server.begin("third").await;
    assert_eq!(server.end(&third).await, "second");
}
