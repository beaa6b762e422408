//! `hybrid exec` and `hybrid validate` on definitions of any kind, with commands for what they call.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use end_to_end::{Finished, call};
use serde_json::{Value, json};
use tempfile::TempDir;

const LAMBDA: &str = "arn:aws:lambda:us-east-1:123456789012:function:f";

/// A folder with definitions.
struct Folder(TempDir);

impl Folder {
    fn of(definition: &Value) -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        folder.write("machine.asl.json", &definition.to_string());
        folder
    }

    /// A machine of one task, `Task`.
    fn task(state: Value) -> Folder {
        let mut task = json!({ "Type": "Task", "End": true });
        task.as_object_mut()
            .unwrap()
            .extend(state.as_object().unwrap().clone());
        Folder::of(&json!({ "StartAt": "Task", "States": { "Task": task } }))
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn machine(&self) -> String {
        let path: &Path = self.0.path();
        path.join("machine.asl.json").to_str().unwrap().to_owned()
    }

    fn exec(&self, arguments: &[&str]) -> Finished {
        call(
            &[
                &["exec", &self.machine(), "--json", "--clock", "virtual"],
                arguments,
            ]
            .concat(),
        )
    }

    fn output(&self, arguments: &[&str]) -> Value {
        let finished = self.exec(arguments);
        assert_eq!(
            finished.code,
            Some(0),
            "{}{}",
            finished.stdout,
            finished.stderr
        );
        finished.json()["output"].clone()
    }
}

#[test]
fn commands_stand_in_for_integrations_of_every_pattern() {
    let get = Folder::task(json!({ "Resource": "arn:aws:states:::dynamodb:getItem",
        "Parameters": { "TableName": "t", "Key": { "id": { "S": "1" } } }, "OutputPath": "$.Item.n.N" }));
    let answer = r#"echo '{"Item":{"n":{"N":"7"}}}'"#;
    for resource in [
        "arn:aws:states:::dynamodb:getItem",
        "dynamodb:getItem",
        "dynamodb:*",
        "Task",
        "*",
    ] {
        assert_eq!(
            get.output(&["--mock", &format!("{resource}={answer}")]),
            "7"
        );
    }
    let glue = Folder::task(
        json!({ "Resource": "arn:aws:states:::glue:startJobRun.sync",
        "Parameters": { "JobName": "j" }, "OutputPath": "$.JobName" }),
    );
    assert_eq!(glue.output(&["--mock", "glue:startJobRun.sync=cat"]), "j");
    let failing = r#"dynamodb:getItem=echo '{"Error":"DynamoDB.ResourceNotFoundException","Cause":"no"}'; exit 1"#;
    let failed = get.exec(&["--mock", failing]).json();
    assert_eq!(failed["error"], "DynamoDB.ResourceNotFoundException");
}

#[test]
fn what_nothing_stands_in_for_is_told_at_once_with_what_to_add() {
    let call = |resource: &str, parameters: Value| json!({ "Type": "Task", "Resource": resource, "Parameters": parameters, "End": true });
    let branch = |name: &str, state: Value| json!({ "StartAt": name, "States": { name: state } });
    let folder = Folder::of(
        &json!({ "StartAt": "All", "States": { "All": { "Type": "Parallel", "End": true, "Branches": [
        branch("Get", call("arn:aws:states:::dynamodb:getItem", json!({ "TableName": "t", "Key": {} }))),
        branch("Get again", call("arn:aws:states:::dynamodb:getItem", json!({ "TableName": "t", "Key": {} }))),
        branch("Invoke", call("arn:aws:states:::lambda:invoke", json!({ "FunctionName": "${Work}" }))),
        branch("Arn", call("${Fn.Arn}", json!({}))),
        branch("Start", call("arn:aws:states:::states:startExecution.sync:2", json!({ "StateMachineArn": "${Child}" }))),
    ] } } }),
    );
    let finished = folder.exec(&[]);
    assert_eq!(finished.code, Some(2));
    for line in [
        "--mock 'arn:aws:states:::dynamodb:getItem=COMMAND'   for Get, Get again",
        "--lambda 'Work=COMMAND'   for Invoke",
        "--lambda 'Fn=COMMAND'   for Arn",
        "--machine 'Child=FILE'   for Start",
    ] {
        assert!(finished.stderr.contains(line), "{}", finished.stderr);
    }
    let mistaken = folder.exec(&["--mock", "dynamo:*=cat"]);
    assert!(
        mistaken.stderr.contains("--mock dynamo:*: no state"),
        "{}",
        mistaken.stderr
    );
}

#[test]
fn placeholders_mean_the_same_to_exec_and_validate() {
    let wait = Folder::of(&json!({ "StartAt": "Nap", "States": {
        "Nap": { "Type": "Wait", "Seconds": "${N}", "Next": "Say" },
        "Say": { "Type": "Pass", "Result": "${Text}", "End": true } } }));
    let set = ["--set", "N=86400", "--set", "Text=a \"b\""];
    assert_eq!(wait.output(&set), "a \"b\"");
    assert_eq!(call(&["validate", &wait.machine()]).code, Some(0));
    assert_eq!(
        call(&["validate", &wait.machine(), set[0], set[1]]).code,
        Some(0)
    );
    let wrong = wait.exec(&["--set", "M=1", "--set", "N=1"]);
    assert!(
        wrong
            .stderr
            .contains("--set M: the definition has no such placeholder")
    );
    assert!(wait.exec(&[]).stderr.contains("add --set N=NUMBER"));
    let pseudo = "arn:aws:lambda:#{AWS::Region}:${AWS::AccountId}:function:f";
    let pseudo = Folder::task(json!({ "Resource": pseudo }));
    assert_eq!(call(&["validate", &pseudo.machine()]).code, Some(0));
    assert_eq!(
        pseudo.output(&["--lambda", "f=cat", "--input", r#"{"n": 1}"#]),
        json!({ "n": 1 })
    );
}

#[test]
fn a_definition_may_be_yaml() {
    let folder = Folder(tempfile::tempdir().unwrap());
    let text = "# A comment\nStartAt: Call\nStates:\n  Call:\n    Type: Task\n    Resource: ${Fn}\n    TimeoutSeconds: ${N}\n    End: true\n";
    let path = folder.write("machine.asl.yaml", text);
    assert_eq!(call(&["validate", &path]).code, Some(0));
    let finished = call(&["exec", &path, "--lambda", "Fn=cat", "--set", "N=5"]);
    assert_eq!(finished.stdout, "{}\n", "{}", finished.stderr);
    let broken = folder.write("broken.yml", "StartAt: [\n");
    let finished = call(&["validate", &broken]);
    assert_eq!(finished.code, Some(2));
    assert!(
        finished.stderr.contains("broken.yml"),
        "{}",
        finished.stderr
    );
}

#[test]
fn machines_start_each_other() {
    let folder = Folder::task(
        json!({ "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": { "StateMachineArn": "arn:aws:states:eu-west-1:111122223333:stateMachine:Child", "Input": { "n": 1 } },
        "OutputPath": "$.Output" }),
    );
    let child = folder.write(
        "child.json",
        &json!({ "StartAt": "Call", "States": { "Call": { "Type": "Task", "Resource": LAMBDA, "End": true } } }).to_string(),
    );
    let machine = format!("Child={child}");
    let arguments = ["--machine", &machine, "--lambda", "f=cat"];
    assert_eq!(folder.output(&arguments), json!({ "n": 1 }));
    // What the child calls must be there too.
    assert!(
        folder
            .exec(&arguments[..2])
            .stderr
            .contains("--lambda 'f=COMMAND'   for Call")
    );
}

/// SendTaskSuccess as any SDK sends it.
const CALL_BACK: &str = r#"curl -s "$AWS_ENDPOINT_URL_SFN" -H 'X-Amz-Target: AWSStepFunctions.SendTaskSuccess' \
    -H 'Content-Type: application/x-amz-json-1.0' -d "{\"taskToken\": \"$TASK_TOKEN\", \"output\": \"42\"}""#;

#[test]
fn a_token_waits_for_a_real_callback() {
    let wait = Folder::task(
        json!({ "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken", "TimeoutSeconds": 60,
        "Parameters": { "FunctionName": "f", "Payload": { "t.$": "$$.Task.Token" } } }),
    );
    assert_eq!(wait.output(&["--lambda", &format!("f={CALL_BACK}")]), 42);
    // A function's answer is no callback: on AWS this ends after a minute, and so does it here.
    let unanswered = wait.exec(&["--lambda", "f=cat"]).json();
    assert_eq!(unanswered["error"], "States.Timeout");
    let endless = Folder::task(
        json!({ "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": { "QueueUrl": "q", "MessageBody.$": "$$.Task.Token" } }),
    );
    assert_eq!(
        endless.exec(&["--mock", "sqs:*=cat"]).json()["status"],
        "RUNNING"
    );
}

#[test]
fn a_distributed_map_reads_and_writes_by_commands() {
    let double = json!({ "Type": "Pass", "Parameters": { "v.$": "$.a" }, "End": true });
    let folder = Folder::of(
        &json!({ "StartAt": "Map", "States": { "Map": { "Type": "Map", "End": true,
        "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "Parameters": { "Bucket": "b", "Key": "k.csv" },
            "ReaderConfig": { "InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW" } },
        "ItemProcessor": { "ProcessorConfig": { "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" },
            "StartAt": "Double", "States": { "Double": double } },
        "ResultWriter": { "Resource": "arn:aws:states:::s3:putObject", "Parameters": { "Bucket": "b", "Prefix": "p" } },
        "ResultSelector": { "bucket.$": "$.ResultWriterDetails.Bucket" } } } }),
    );
    let written = folder.0.path().join("written");
    let put = format!("s3:putObject=cat >> {}", written.display());
    let get = r"s3:getObject=printf 'a,b\n1,2\n3,4\n'";
    assert_eq!(
        folder.output(&["--mock", get, "--mock", &put]),
        json!({ "bucket": "b" })
    );
    let written = std::fs::read_to_string(written).unwrap();
    assert!(written.contains(r#"\\\"v\\\":\\\"3\\\""#), "{written}");
    assert!(
        folder
            .exec(&["--mock", get])
            .stderr
            .contains("s3:putObject=COMMAND'   for Map")
    );
}
