//! Calls sent to a server of this process that looks at what comes.

#![allow(clippy::unwrap_used)]

use std::net::Ipv4Addr;

use asl::{Resource, TaskError};
use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use forward::Forward;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Answers as DynamoDB, SNS and Lambda do, with what they were sent.
async fn answer(uri: Uri, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name: &str| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let body = String::from_utf8(body.to_vec()).unwrap();
    let authorization = header("authorization");
    let scope = authorization.split('/').nth(3).unwrap_or_default();
    match (scope, header("x-amz-target")) {
        ("dynamodb", "DynamoDB_20120810.GetItem") => {
            assert_eq!(header("content-type"), "application/x-amz-json-1.0");
            assert!(authorization.contains("/us-east-1/dynamodb/aws4_request"));
            (
                StatusCode::OK,
                json!({ "Item": { "sent": { "S": body } } }).to_string(),
            )
        }
        ("dynamodb", _) => {
            let error = json!({ "__type": "x#ResourceNotFoundException", "message": "no table" });
            (StatusCode::BAD_REQUEST, error.to_string())
        }
        ("sns", _) => {
            assert!(
                body.starts_with("Action=Publish&Version=2010-03-31"),
                "{body}"
            );
            let answer = "<PublishResponse><PublishResult><MessageId>m</MessageId></PublishResult></PublishResponse>";
            (StatusCode::OK, answer.to_owned())
        }
        ("lambda", _) => {
            assert_eq!(uri.path(), "/2015-03-31/functions/f/invocations");
            (StatusCode::OK, body)
        }
        ("", "") => match uri.path() {
            "/prod/pets" => (StatusCode::OK, r#"{"pets":[]}"#.to_owned()),
            _ => (StatusCode::NOT_FOUND, "no such path".to_owned()),
        },
        other => panic!("{other:?}"),
    }
}

async fn call(forward: &Forward, resource: &str, arguments: Value) -> Result<Value, TaskError> {
    let resource = Resource::parse(&format!("arn:aws:states:::{resource}")).unwrap();
    assert!(forward.answers(&resource, false));
    forward.call(&resource, arguments).await
}

#[tokio::test]
async fn calls_are_signed_and_spoken_in_the_services_own_protocols() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("*=http://{}", listener.local_addr().unwrap());
    let server = axum::serve(listener, Router::new().fallback(answer));
    let server = tokio::spawn(async move { server.await });
    let forward = Forward::parse(&[url], "us-east-1").unwrap();

    let key = json!({ "TableName": "t", "Key": { "id": { "S": "1" } } });
    let got = call(&forward, "dynamodb:getItem", key.clone())
        .await
        .unwrap();
    assert_eq!(got["Item"]["sent"]["S"], key.to_string());
    for (resource, name) in [
        ("dynamodb:putItem", "DynamoDB.ResourceNotFoundException"),
        (
            "aws-sdk:dynamodb:putItem",
            "DynamoDb.ResourceNotFoundException",
        ),
    ] {
        let error = call(&forward, resource, json!({})).await.unwrap_err();
        assert_eq!(error.error, name);
        assert!(
            error
                .cause
                .unwrap()
                .starts_with("no table (Service: DynamoDb, Status Code: 400")
        );
    }
    let published = call(&forward, "aws-sdk:sns:publish", json!({ "Message": "m" })).await;
    assert_eq!(published, Ok(json!({ "MessageId": "m" })));
    let invoked = call(
        &forward,
        "lambda:invoke",
        json!({ "FunctionName": "f", "Payload": { "n": 1 } }),
    );
    assert_eq!(invoked.await.unwrap()["Payload"], json!({ "n": 1 }));
    let pets =
        |path: &str| json!({ "ApiEndpoint": "x", "Method": "GET", "Stage": "prod", "Path": path });
    let listed = call(&forward, "apigateway:invoke", pets("pets"))
        .await
        .unwrap();
    assert_eq!(listed["ResponseBody"], json!({ "pets": [] }));
    assert_eq!(listed["StatusText"], "OK");
    let missing = call(&forward, "apigateway:invoke", pets("cats"))
        .await
        .unwrap_err();
    assert_eq!(missing.error, "ApiGateway.404");
    let mistaken = call(&forward, "aws-sdk:sns:publish", json!({ "Massage": "m" })).await;
    let mistaken = mistaken.unwrap_err().cause.unwrap();
    assert!(mistaken.contains("no parameter Massage"), "{mistaken}");
    server.abort();
}

#[test]
fn what_cannot_be_sent_on_is_not_answered() {
    let forward = Forward::parse(&["*=http://127.0.0.1:1".to_owned()], "us-east-1").unwrap();
    for resource in [
        "http:invoke",
        "states:startExecution.sync",
        "dynamodb:noSuchAction",
        "aws-sdk:s3:getObject",
        "ecs:runTask.sync",
        "aws-sdk:nosuch:action",
    ] {
        let resource = Resource::parse(&format!("arn:aws:states:::{resource}")).unwrap();
        assert!(!forward.answers(&resource, false), "{resource}");
    }
}
