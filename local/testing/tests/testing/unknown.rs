//! A definition with nothing beside it is explored by the names and literals that it reads.

use testing::explore::{Bounds, FindingKind, Subject, explore};
use testing::{Definition, Substitutions};

const DEFINITION: &str = r#"{"StartAt": "Get", "States": {
  "Get": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:getItem",
    "Parameters": {"TableName": "orders", "Key": {"id": {"S.$": "$.id"}}}, "ResultPath": "$.order", "Next": "Kind"},
  "Kind": {"Type": "Choice", "Default": "Wrap", "Choices": [
    {"Variable": "$.order.Item.total", "NumericGreaterThan": 100, "Next": "Ask a person"}]},
  "Ask a person": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "Parameters": {"QueueUrl": "queue", "MessageBody": {"token.$": "$$.Task.Token"}}, "Next": "Wrap"},
  "Wrap": {"Type": "Pass", "End": true}}}"#;

#[test]
fn every_state_is_reached_without_a_sample_a_schema_or_a_case() {
    let definition = Definition::parse("orders", DEFINITION, &Substitutions::new()).unwrap();
    let subject = Subject {
        definition: &definition,
        suite: None,
        sample: None,
        schema: None,
    };
    let exploration = explore(&subject, Bounds { runs: 200, seed: 1 });
    let of = |kind| {
        exploration
            .findings
            .iter()
            .filter(move |finding| finding.kind == kind)
    };
    assert_eq!(of(FindingKind::Unreached).count(), 0);
    assert_eq!(
        of(FindingKind::MayNotEnd)
            .map(|finding| finding.state.as_str())
            .collect::<Vec<_>>(),
        ["Ask a person"]
    );
    let row = |error: &str| {
        exploration
            .table
            .iter()
            .any(|row| row.state == "Get" && row.error == error)
    };
    assert!(row("DynamoDB.ProvisionedThroughputExceededException"));
}
