//! A local cloud for one test, and the clients that talk to it.

use aws_sdk_sfn::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::{HistoryEvent, StateMachineType};
use serde_json::{Value, json};
use stack::{Rule, RuleTarget, Stack};
use stepfunctions::{Cloud, Config, ExecutionDescription};

use crate::support;
pub use crate::support::{config, make_binaries, write_worker};

pub const STATES: &str = "arn:aws:states:us-east-1:123456789012";

pub const ROLE: &str = "arn:aws:iam::123456789012:role/states";

/// A machine of one state with this result.
pub fn pass(result: u32) -> Value {
    json!({ "StartAt": "Pass", "States": { "Pass": { "Type": "Pass", "Result": result, "End": true } } })
}

/// The code of a refusal; empty for an answer.
pub fn code<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> String {
    let refused = answer.err();
    let code = refused.as_ref().and_then(ProvideErrorMetadata::code);
    code.unwrap_or_default().to_owned()
}

pub struct Test {
    pub cloud: Cloud,
    pub sfn: aws_sdk_sfn::Client,
    pub dir: tempfile::TempDir,
}

/// The stack of all tests, with a rule that starts a state machine.
pub fn stack() -> Stack {
    Stack {
        rules: vec![Rule {
            name: "ordered".into(),
            arn: support::arn("events", "rule/ordered"),
            event_bus: "default".into(),
            pattern: json!({ "source": ["test"] }),
            enabled: true,
            targets: vec![RuleTarget {
                id: "1".into(),
                arn: format!("{STATES}:stateMachine:target"),
                ..RuleTarget::default()
            }],
            ..Rule::default()
        }],
        ..support::stack()
    }
}

impl Test {
    pub async fn start() -> Test {
        Self::with(|_| ()).await
    }

    /// Starts with a changed configuration.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Test {
        let dir = tempfile::tempdir().unwrap();
        let bin_dir = make_binaries(dir.path(), "probe-function");
        let mut parts = Config::new(stack(), dir.path().join("data"), bin_dir);
        change(&mut parts);
        let cloud = Cloud::start(parts).await.unwrap();
        let config = config(cloud.endpoint());
        Test {
            sfn: aws_sdk_sfn::Client::new(&config),
            cloud,
            dir,
        }
    }

    /// Puts a shell script into the bin dir as a worker.
    pub fn worker(&self, script: &str) {
        write_worker(self.dir.path(), script);
    }

    pub async fn machine(&self, name: &str, definition: &Value) -> String {
        self.machine_of(name, definition, StateMachineType::Standard)
            .await
    }

    pub async fn machine_of(
        &self,
        name: &str,
        definition: &Value,
        kind: StateMachineType,
    ) -> String {
        let request = self
            .sfn
            .create_state_machine()
            .name(name)
            .definition(definition.to_string());
        let request = request.role_arn(ROLE).r#type(kind);
        request.send().await.unwrap().state_machine_arn
    }

    pub async fn activity(&self, name: &str) -> String {
        self.sfn
            .create_activity()
            .name(name)
            .send()
            .await
            .unwrap()
            .activity_arn
    }

    /// A machine that waits for one task of an activity.
    pub async fn asking(&self, activity: &str) -> String {
        let state = json!({ "Type": "Task", "Resource": activity, "End": true });
        self.machine(
            "machine",
            &json!({ "StartAt": "Task", "States": { "Task": state } }),
        )
        .await
    }

    /// Fetches a task of an activity; its token.
    pub async fn fetch(&self, activity: &str) -> String {
        let fetch = self.sfn.get_activity_task().activity_arn(activity);
        let task = fetch.worker_name("me").send().await.unwrap();
        task.task_token.unwrap()
    }

    /// Answers a task; the code of a refusal.
    pub async fn succeed(&self, token: &str, output: &str) -> Result<(), String> {
        let succeed = self.sfn.send_task_success().task_token(token);
        let answer = succeed.output(output).send().await;
        answer.map(drop).map_err(|error| {
            error
                .into_service_error()
                .code()
                .unwrap_or_default()
                .to_owned()
        })
    }

    /// Runs one Task state to its end.
    pub async fn task(&self, name: &str, mut state: Value) -> ExecutionDescription {
        state["Type"] = json!("Task");
        state["End"] = json!(true);
        let definition =
            json!({ "QueryLanguage": "JSONata", "StartAt": "Task", "States": { "Task": state } });
        let machine = self.machine(name, &definition).await;
        self.run(&machine, &json!({})).await
    }

    pub async fn run(&self, machine: &str, input: &Value) -> ExecutionDescription {
        let arn = self.start_execution(machine, input).await;
        self.cloud.wait(&arn).await.unwrap()
    }

    pub async fn start_execution(&self, machine: &str, input: &Value) -> String {
        let request = self
            .sfn
            .start_execution()
            .state_machine_arn(machine)
            .input(input.to_string());
        request.send().await.unwrap().execution_arn
    }

    pub async fn events(&self, execution: &str) -> Vec<HistoryEvent> {
        let request = self
            .sfn
            .get_execution_history()
            .execution_arn(execution)
            .max_results(1_000);
        request.send().await.unwrap().events
    }

    pub async fn event_types(&self, execution: &str) -> Vec<String> {
        self.events(execution)
            .await
            .iter()
            .map(|event| event.r#type.as_str().to_owned())
            .collect()
    }

    /// Calls an action by hand: the SDK puts `sync-` before the host of some, which an address does not survive.
    pub async fn post(&self, action: &str, body: &Value) -> Value {
        let output = tokio::process::Command::new("curl")
            .args([
                "-s",
                self.cloud.endpoint(),
                "-H",
                &format!("X-Amz-Target: AWSStepFunctions.{action}"),
                "-H",
                "Content-Type: application/x-amz-json-1.0",
                "-d",
            ])
            .arg(body.to_string())
            .output()
            .await
            .unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub async fn put(&self, key: &str, body: &str) {
        let file = self.dir.path().join("object");
        std::fs::write(&file, body).unwrap();
        self.cloud.put_object("bucket", key, &file).await.unwrap();
    }

    pub async fn get(&self, key: &str) -> Value {
        serde_json::from_slice(&self.cloud.get_object("bucket", key).await.unwrap()).unwrap()
    }
}
