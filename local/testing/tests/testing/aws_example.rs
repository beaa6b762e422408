//! The example of AWS's documentation runs as it stands
//! (<https://docs.aws.amazon.com/step-functions/latest/dg/sfn-local-mock-cfg-file.html>).

use asl::Value;
use testing::{Definition, MockFile, Options, Run, Substitutions, rehearse};

/// A function, then a queue, as the page's state machine `LambdaSQSIntegration`.
const DEFINITION: &str = r#"{
  "StartAt": "LambdaState",
  "States": {
    "LambdaState": {
      "Type": "Task",
      "Resource": "arn:aws:states:::lambda:invoke",
      "Parameters": {"Payload.$": "$", "FunctionName": "HelloWorldFunction"},
      "Retry": [{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 2, "MaxAttempts": 3, "BackoffRate": 2}],
      "OutputPath": "$.Payload",
      "Next": "SQSState"
    },
    "SQSState": {
      "Type": "Task",
      "Resource": "arn:aws:states:::sqs:sendMessage",
      "Parameters": {"QueueUrl": "https://sqs.us-east-1.amazonaws.com/123456789012/myQueue", "MessageBody.$": "$"},
      "End": true
    }
  }
}"#;

/// The names, numbers and shapes of the page's file.
const MOCKS: &str = r#"{
  "StateMachines": {
    "LambdaSQSIntegration": {
      "TestCases": {
        "HappyPath": {"LambdaState": "MockedLambdaSuccess", "SQSState": "MockedSQSSuccess"},
        "RetryPath": {"LambdaState": "MockedLambdaRetry", "SQSState": "MockedSQSSuccess"},
        "HybridPath": {"LambdaState": "MockedLambdaSuccess"}
      }
    }
  },
  "MockedResponses": {
    "MockedLambdaSuccess": {
      "0": {"Return": {"StatusCode": 200, "Payload": {"StatusCode": 200, "body": "Hello from Lambda!"}}}
    },
    "LambdaMockedResourceNotReady": {
      "0": {"Throw": {"Error": "Lambda.ResourceNotReadyException", "Cause": "Lambda resource is not ready."}}
    },
    "MockedSQSSuccess": {
      "0": {"Return": {"MD5OfMessageBody": "3bcb6e8e-7h85-4375-b0bc-1a59812c6e51", "MessageId": "3bcb6e8e-8b51-4375-b0bc-1a59812c6e51"}}
    },
    "MockedLambdaRetry": {
      "0": {"Throw": {"Error": "Lambda.ResourceNotReadyException", "Cause": "Lambda resource is not ready."}},
      "1-2": {"Throw": {"Error": "Lambda.TimeoutException", "Cause": "Lambda timed out."}},
      "3": {"Return": {"StatusCode": 200, "Payload": {"StatusCode": 200, "body": "Hello from Lambda!"}}}
    }
  }
}"#;

fn run(case: &str) -> Run {
    let definition =
        Definition::parse("LambdaSQSIntegration", DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    let mocks = file.find(&definition.name, case).unwrap();
    assert_eq!(mocks.problems(&definition.outline, "$"), []);
    rehearse(
        &definition,
        &Value::empty_object(),
        mocks,
        Options::default(),
    )
}

#[test]
fn the_happy_path_takes_no_time() {
    let run = run("HappyPath");
    assert_eq!(run.status().name(), "SUCCEEDED");
    assert_eq!(run.entered, ["LambdaState", "SQSState"]);
    assert_eq!(run.seconds, 0.0);
}

#[test]
fn the_path_of_retries_takes_three_of_them() {
    let run = run("RetryPath");
    assert_eq!(run.status().name(), "SUCCEEDED");
    assert_eq!(run.retries["LambdaState"], 3);
    assert_eq!(run.seconds, 2.0 + 4.0 + 8.0);
}

#[test]
fn a_state_without_a_mock_is_told_before_and_leaves_the_run_as_it_stands() {
    let definition = Definition::parse("m", DEFINITION, &Substitutions::new()).unwrap();
    let file = MockFile::parse(MOCKS).unwrap();
    let mocks = file.find("m", "HybridPath").unwrap();
    assert_eq!(mocks.missing(&definition.outline), ["SQSState"]);
    let run = run("HybridPath");
    assert_eq!(run.status().name(), "RUNNING");
    assert_eq!(run.unanswered().unwrap().state, "SQSState");
}
