//! `--forward`: calls of states against moto's server. Without moto the test says that it is skipped.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use end_to_end::{call, root};
use serde_json::{Value, json};

/// A server that ends with the test.
struct Moto(Child);

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// That of the deployment test, else one on the path.
fn start() -> Option<(Moto, String)> {
    let installed = root().join("target/deploy/venv/bin/moto_server");
    let program = match installed.is_file() {
        true => installed,
        false => PathBuf::from("moto_server"),
    };
    let mut moto = Command::new(program)
        .args(["-H", "127.0.0.1", "-p", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map(Moto)
        .ok()?;
    let lines = BufReader::new(moto.0.stderr.take().unwrap());
    let url = lines.lines().find_map(|line| {
        let line = line.ok()?;
        Some(line.split_once("Running on ")?.1.trim().to_owned())
    })?;
    Some((moto, url))
}

/// A chain of tasks; each puts its result under its own name.
fn chain(tasks: &[(&str, &str, Value, Value)]) -> Value {
    let mut states = serde_json::Map::new();
    for (index, (name, resource, parameters, more)) in tasks.iter().enumerate() {
        let mut state = json!({
            "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters,
            "ResultPath": format!("$.{name}"),
        });
        let next = match tasks.get(index + 1) {
            Some((next, ..)) => json!({ "Next": next }),
            None => json!({ "End": true }),
        };
        for fields in [&next, more] {
            let fields = fields.as_object().unwrap().clone();
            state.as_object_mut().unwrap().extend(fields);
        }
        states.insert((*name).to_owned(), state);
    }
    json!({ "StartAt": tasks[0].0, "States": states })
}

fn machine() -> Value {
    let none = || json!({});
    let item = json!({ "TableName": "t", "Item": { "id": { "S": "1" }, "n": { "N": "7" } },
        "ConditionExpression": "attribute_not_exists(id)" });
    let caught = |error: &str, next: &str| json!({ "Catch": [{ "ErrorEquals": [error], "ResultPath": format!("$.{next}Caught"), "Next": next }] });
    chain(&[
        (
            "CreateTable",
            "aws-sdk:dynamodb:createTable",
            json!({
            "TableName": "t", "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }] }),
            none(),
        ),
        ("Put", "dynamodb:putItem", item.clone(), none()),
        (
            "PutAgain",
            "dynamodb:putItem",
            item.clone(),
            caught("DynamoDB.ConditionalCheckFailedException", "PutBySdk"),
        ),
        (
            "PutBySdk",
            "aws-sdk:dynamodb:putItem",
            item,
            caught("DynamoDb.ConditionalCheckFailedException", "Get"),
        ),
        (
            "Get",
            "dynamodb:getItem",
            json!({ "TableName": "t", "Key": { "id": { "S": "1" } } }),
            none(),
        ),
        (
            "CreateQueue",
            "aws-sdk:sqs:createQueue",
            json!({ "QueueName": "q" }),
            none(),
        ),
        (
            "Send",
            "sqs:sendMessage",
            json!({ "QueueUrl.$": "$.CreateQueue.QueueUrl", "MessageBody": { "a": 1 } }),
            none(),
        ),
        (
            "Receive",
            "aws-sdk:sqs:receiveMessage",
            json!({ "QueueUrl.$": "$.CreateQueue.QueueUrl" }),
            none(),
        ),
        (
            "CreateTopic",
            "aws-sdk:sns:createTopic",
            json!({ "Name": "topic" }),
            none(),
        ),
        (
            "Publish",
            "sns:publish",
            json!({ "TopicArn.$": "$.CreateTopic.TopicArn", "Message": { "b": 2 },
            "MessageAttributes": { "k": { "DataType": "String", "StringValue": "v" } } }),
            none(),
        ),
        (
            "PublishNowhere",
            "aws-sdk:sns:publish",
            json!({ "TopicArn": "arn:aws:sns:us-east-1:123456789012:no", "Message": "m" }),
            caught("Sns.NotFoundException", "Regions"),
        ),
        (
            "Regions",
            "aws-sdk:ec2:describeRegions",
            json!({ "RegionNames": ["us-east-1"] }),
            none(),
        ),
        (
            "PutEvents",
            "events:putEvents",
            json!({ "Entries": [{ "Source": "s", "DetailType": "d", "Detail": { "c": 3 } }] }),
            none(),
        ),
        (
            "Secret",
            "aws-sdk:secretsmanager:createSecret",
            json!({ "Name": "s", "SecretString": "x" }),
            none(),
        ),
        (
            "Described",
            "aws-sdk:secretsmanager:describeSecret",
            json!({ "SecretId": "s" }),
            none(),
        ),
        (
            "Functions",
            "aws-sdk:lambda:listFunctions",
            json!({ "MaxItems": 5 }),
            none(),
        ),
        (
            "Stream",
            "aws-sdk:kinesis:createStream",
            json!({ "StreamName": "k", "ShardCount": 1 }),
            none(),
        ),
        (
            "Record",
            "aws-sdk:kinesis:putRecord",
            json!({ "StreamName": "k", "PartitionKey": "p", "Data": { "d": 4 } }),
            none(),
        ),
        (
            "Query",
            "athena:startQueryExecution.sync",
            json!({ "QueryString": "SELECT 1",
            "ResultConfiguration": { "OutputLocation": "s3://b/" } }),
            none(),
        ),
        ("Identity", "aws-sdk:sts:getCallerIdentity", none(), none()),
    ])
}

#[test]
fn calls_are_sent_on_to_moto() {
    let Some((_moto, url)) = start() else {
        eprintln!(
            "skipped: there is no moto_server, neither in target/deploy/venv nor on the path"
        );
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.asl.json");
    std::fs::write(&path, machine().to_string()).unwrap();
    let forward = format!("*={url}");
    let arguments = [
        "exec",
        path.to_str().unwrap(),
        "--json",
        "--forward",
        &forward,
    ];
    let finished = call(&arguments);
    assert_eq!(
        finished.code,
        Some(0),
        "{}{}",
        finished.stdout,
        finished.stderr
    );
    let output = finished.json()["output"].clone();
    for (place, expected) in [
        (
            "/PutBySdkCaught/Error",
            json!("DynamoDB.ConditionalCheckFailedException"),
        ),
        (
            "/GetCaught/Error",
            json!("DynamoDb.ConditionalCheckFailedException"),
        ),
        ("/Get/Item/n/N", json!("7")),
        ("/Receive/Messages/0/Body", json!(r#"{"a":1}"#)),
        ("/Regions/Regions/0/RegionName", json!("us-east-1")),
        ("/PutEvents/FailedEntryCount", json!(0)),
        ("/Functions/Functions", json!([])),
        ("/Query/QueryExecution/Status/State", json!("SUCCEEDED")),
        ("/Identity/Account", json!("123456789012")),
    ] {
        assert_eq!(output.pointer(place), Some(&expected), "{place} {output}");
    }
    let created = output["Described"]["CreatedDate"].as_str().unwrap();
    assert!(created.ends_with('Z'), "{created}");
    assert!(output["Publish"]["MessageId"].is_string());
    assert!(
        output["RegionsCaught"]["Error"] == "Sns.NotFoundException",
        "{output}"
    );
}

/// Without a stand-in and without a place to send it to, a call is refused before the run.
#[test]
fn what_is_not_sent_anywhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("machine.asl.json");
    std::fs::write(&path, machine().to_string()).unwrap();
    let forward = ["--forward", "dynamodb=http://127.0.0.1:9"];
    let finished = call(&[&["exec", path.to_str().unwrap()], &forward[..]].concat());
    assert_eq!(finished.code, Some(2));
    assert!(
        finished
            .stderr
            .contains("--mock 'arn:aws:states:::sns:publish=COMMAND'")
    );
    assert!(
        !finished.stderr.contains("dynamodb:putItem"),
        "{}",
        finished.stderr
    );
}
