use aws_sdk_sfn::types::MapRunStatus;
use serde_json::{Value, json};

use crate::cloud::Test;

fn distributed(processor: Value, extra: &Value) -> Value {
    let mut map = json!({ "Type": "Map", "ItemProcessor": processor, "End": true });
    map.as_object_mut()
        .unwrap()
        .extend(extra.as_object().unwrap().clone());
    map["ItemProcessor"]["ProcessorConfig"] =
        json!({ "Mode": "DISTRIBUTED", "ExecutionType": "STANDARD" });
    json!({ "StartAt": "Map", "States": { "Map": map } })
}

fn double() -> Value {
    json!({ "StartAt": "Double", "States": {
        "Double": { "Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $states.input.n * 2 %}", "End": true },
    } })
}

#[tokio::test]
async fn items_come_from_s3_and_results_go_there() {
    let test = Test::start().await;
    let items: Vec<Value> = (0..50).map(|n| json!({ "n": n })).collect();
    test.put("in/items.json", &json!(items).to_string()).await;
    let definition = distributed(
        double(),
        &json!({
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject", "ReaderConfig": { "InputType": "JSON" },
                "Parameters": { "Bucket": "bucket", "Key": "in/items.json" },
            },
            "ResultWriter": { "Resource": "arn:aws:states:::s3:putObject", "Parameters": { "Bucket": "bucket", "Prefix": "out" } },
        }),
    );
    let machine = test.machine("machine", &definition).await;
    let ended = test.run(&machine, &json!({})).await;
    let output = ended.output().unwrap();
    let manifest = test
        .get(output["ResultWriterDetails"]["Key"].as_str().unwrap())
        .await;
    let rows = test
        .get(
            manifest["ResultFiles"]["SUCCEEDED"][0]["Key"]
                .as_str()
                .unwrap(),
        )
        .await;
    let outputs: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["Output"].as_str().unwrap())
        .collect();
    assert_eq!(outputs.len(), 50);
    assert_eq!(&outputs[..3], ["0", "2", "4"]);

    let runs = test
        .sfn
        .list_map_runs()
        .execution_arn(&ended.arn)
        .send()
        .await
        .unwrap()
        .map_runs;
    assert_eq!(runs[0].map_run_arn, output["MapRunArn"].as_str().unwrap());
    let run = test
        .sfn
        .describe_map_run()
        .map_run_arn(&runs[0].map_run_arn)
        .send()
        .await
        .unwrap();
    assert_eq!(run.status, MapRunStatus::Succeeded);
    assert_eq!(run.execution_counts.unwrap().succeeded, 50);
    let children = test
        .sfn
        .list_executions()
        .map_run_arn(&runs[0].map_run_arn)
        .max_results(10)
        .send()
        .await
        .unwrap();
    assert_eq!(children.executions.len(), 10);
    let history = test.events(&children.executions[0].execution_arn).await;
    assert_eq!(
        history.last().unwrap().r#type.as_str(),
        "ExecutionSucceeded"
    );
}

#[tokio::test]
async fn a_listing_of_a_bucket_gives_items() {
    let test = Test::start().await;
    for name in ["b", "a"] {
        test.put(&format!("list/{name}"), "xyz").await;
    }
    let processor =
        json!({ "StartAt": "Key", "States": { "Key": { "Type": "Pass", "End": true } } });
    let definition = distributed(
        processor,
        &json!({
            "ItemReader": { "Resource": "arn:aws:states:::s3:listObjectsV2", "Parameters": { "Bucket": "bucket", "Prefix": "list/" } },
        }),
    );
    let machine = test.machine("machine", &definition).await;
    let output = test.run(&machine, &json!({})).await.output().unwrap();
    assert_eq!(
        (&output[0]["Key"], &output[1]["Key"], &output[0]["Size"]),
        (&json!("list/a"), &json!("list/b"), &json!(3))
    );
}

#[tokio::test]
async fn listed_and_unloaded_objects_give_what_they_hold() {
    let test = Test::start().await;
    test.put("parts/", "").await;
    test.put("parts/1", "{\"n\":1}\n{\"n\":2}\n").await;
    test.put("parts/2", "{\"n\":3}\n{\"n\":4}\n").await;
    let manifest = "s3://bucket/parts/2\ns3://bucket/parts/1\n";
    test.put("query-manifest.csv", manifest).await;
    let readers = [
        (
            "listed",
            json!({
                "Resource": "arn:aws:states:::s3:listObjectsV2",
                "ReaderConfig": { "InputType": "JSONL", "Transformation": "LOAD_AND_FLATTEN", "MaxItems": 3 },
                "Parameters": { "Bucket": "bucket", "Prefix": "parts/" },
            }),
            json!([2, 4, 6]),
        ),
        (
            "unloaded",
            json!({
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": { "InputType": "JSONL", "ManifestType": "ATHENA_DATA" },
                "Parameters": { "Bucket": "bucket", "Key": "query-manifest.csv" },
            }),
            json!([6, 8, 2, 4]),
        ),
    ];
    for (name, reader, outputs) in readers {
        let definition = distributed(double(), &json!({ "ItemReader": reader }));
        let machine = test.machine(name, &definition).await;
        let ended = test.run(&machine, &json!({})).await;
        assert_eq!(ended.output(), Some(outputs), "{name}: {:?}", ended.cause());
    }
    // What would change the items is not dropped in silence.
    let reader = json!({
        "Resource": "arn:aws:states:::s3:getObject",
        "Parameters": { "Bucket": "bucket", "Key": "parts/1", "VersionId": "7" },
    });
    let definition = distributed(double(), &json!({ "ItemReader": reader }));
    let machine = test.machine("version", &definition).await;
    let ended = test.run(&machine, &json!({})).await;
    assert_eq!(ended.error(), Some("States.ItemReaderFailed"));
    assert!(ended.cause().unwrap().contains("VersionId"));
}

#[tokio::test]
async fn what_cannot_be_read_fails_by_name() {
    let test = Test::start().await;
    let definition = distributed(
        double(),
        &json!({
            "ItemReader": { "Resource": "arn:aws:states:::s3:getObject", "Parameters": { "Bucket": "bucket", "Key": "missing.json" } },
        }),
    );
    let machine = test.machine("machine", &definition).await;
    let ended = test.run(&machine, &json!({})).await;
    assert_eq!(ended.error(), Some("States.ItemReaderFailed"));
    assert!(ended.cause().unwrap().contains("missing.json"));
}

#[tokio::test]
async fn failures_beyond_the_tolerance_fail_the_state() {
    let test = Test::start().await;
    let fail = json!({ "StartAt": "Fail", "States": { "Fail": { "Type": "Fail", "Error": "Own.Error" } } });
    let machine = test
        .machine("machine", &distributed(fail, &json!({})))
        .await;
    let ended = test.run(&machine, &json!([1, 2, 3])).await;
    assert_eq!(
        ended.error(),
        Some("States.ExceedToleratedFailureThreshold")
    );
}
