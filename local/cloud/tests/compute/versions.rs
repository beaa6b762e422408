//! Functions made by requests, their versions and aliases, and what is read of their logs.

use std::io::{Cursor, Write};

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::InvokeWithResponseStreamResponseEvent as Event;
use aws_sdk_lambda::types::{AliasRoutingConfiguration, Environment, FunctionCode, Runtime};
use cloud::action::LogsAction;
use serde_json::{Value, json};
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::cloud::{Cloud, Folder, stack};

/// An archive whose bootstrap is the test's function, with something to tell one archive from another.
fn archive(cloud: &Cloud, note: &str) -> Blob {
    let probe = cloud.dir.path().join("bin/probe");
    let script = format!("#!/bin/sh\nexport NOTE={note}\nexec {}\n", probe.display());
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.start_file("bootstrap", SimpleFileOptions::default())
        .unwrap();
    zip.write_all(script.as_bytes()).unwrap();
    Blob::new(zip.finish().unwrap().into_inner())
}

/// What the function says of itself, and the version that ran.
async fn describe(cloud: &Cloud, name: &str, qualifier: &str) -> (Value, String) {
    let payload = Blob::new(r#"{"do": "describe"}"#);
    let output = cloud
        .lambda()
        .invoke()
        .function_name(name)
        .qualifier(qualifier)
        .payload(payload);
    let output = output.send().await.unwrap();
    let document = serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap();
    (document, output.executed_version().unwrap().to_owned())
}

#[tokio::test]
async fn a_function_is_made_from_an_archive_and_its_versions_stay_as_they_were() {
    let cloud = Cloud::start(&stack()).await;
    let client = cloud.lambda();
    let code = |note: &str| {
        FunctionCode::builder()
            .zip_file(archive(&cloud, note))
            .build()
    };
    let variables = |value: &str| Environment::builder().variables("COLOUR", value).build();
    let made = client
        .create_function()
        .function_name("made")
        .runtime(Runtime::Providedal2023)
        .role("arn:aws:iam::123456789012:role/r")
        .handler("bootstrap")
        .code(code("one"))
        .environment(variables("red"))
        .publish(true)
        .tags("team", "x")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (made.version(), made.timeout(), made.memory_size()),
        (Some("1"), Some(3), Some(128))
    );
    let again = client
        .create_function()
        .function_name("made")
        .role("r")
        .code(code("one"));
    let again = again
        .runtime(Runtime::Providedal2)
        .send()
        .await
        .unwrap_err();
    assert_eq!(again.code(), Some("ResourceConflictException"));

    let update = client
        .update_function_code()
        .function_name("made")
        .zip_file(archive(&cloud, "two"));
    let updated = update.send().await.unwrap();
    assert_ne!(updated.code_sha256(), made.code_sha256());
    let update = client.update_function_configuration().function_name("made");
    update
        .environment(variables("blue"))
        .memory_size(256)
        .send()
        .await
        .unwrap();
    let seen = |document: &Value| {
        let environment = &document["environment"];
        [
            &environment["NOTE"],
            &environment["COLOUR"],
            &environment["AWS_LAMBDA_FUNCTION_VERSION"],
        ]
        .map(|value| value.as_str().unwrap().to_owned())
    };
    let (latest, version) = describe(&cloud, "made", "$LATEST").await;
    assert_eq!(
        (seen(&latest), version.as_str()),
        (["two", "blue", "$LATEST"].map(str::to_owned), "$LATEST")
    );
    let (first, version) = describe(&cloud, "made", "1").await;
    assert_eq!(
        (seen(&first), version.as_str()),
        (["one", "red", "1"].map(str::to_owned), "1")
    );

    let second = client
        .publish_version()
        .function_name("made")
        .send()
        .await
        .unwrap();
    assert_eq!(second.version(), Some("2"));
    let same = client
        .publish_version()
        .function_name("made")
        .send()
        .await
        .unwrap();
    assert_eq!(same.version(), Some("2"), "nothing has changed since");

    // A new cloud on the same folder has them too.
    let kept = Cloud::start_in(Folder::at(cloud.dir.path()), &stack(), r#"{"faults": []}"#).await;
    let (first, _) = describe(&kept, "made", "1").await;
    assert_eq!(seen(&first)[0], "one");
    let list = kept
        .lambda()
        .list_versions_by_function()
        .function_name("made")
        .send()
        .await
        .unwrap();
    let versions: Vec<_> = list
        .versions()
        .iter()
        .filter_map(|one| one.version())
        .collect();
    assert_eq!(versions, ["$LATEST", "1", "2"]);
    let tags = kept
        .lambda()
        .list_tags()
        .resource(made.function_arn().unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(tags.tags().unwrap()["team"], "x");
    kept.lambda()
        .delete_function()
        .function_name("made")
        .send()
        .await
        .unwrap();
    let gone = kept
        .lambda()
        .get_function()
        .function_name("made")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn a_qualifier_is_honoured_or_not_found() {
    let cloud = Cloud::start(&stack()).await;
    let client = cloud.lambda();
    client
        .publish_version()
        .function_name("probe")
        .send()
        .await
        .unwrap();
    let alias = client
        .create_alias()
        .function_name("probe")
        .name("live")
        .function_version("1");
    alias.send().await.unwrap();
    for (name, qualifier, version) in [
        ("probe", "live", "1"),
        ("probe:live", "live", "1"),
        (
            "arn:aws:lambda:us-east-1:123456789012:function:probe",
            "1",
            "1",
        ),
        ("probe", "$LATEST", "$LATEST"),
    ] {
        assert_eq!(
            describe(&cloud, name, qualifier).await.1,
            version,
            "{name} {qualifier}"
        );
    }
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:probe";
    for (name, qualifier, message) in [
        ("probe", "7", format!("Function not found: {arn}:7")),
        ("probe", "nope", format!("Function not found: {arn}:nope")),
        (
            "arn:aws:lambda:eu-west-1:123456789012:function:probe",
            "live",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')".to_owned(),
        ),
    ] {
        let error = client
            .invoke()
            .function_name(name)
            .qualifier(qualifier)
            .send()
            .await
            .unwrap_err();
        assert_eq!(error.code(), Some("ResourceNotFoundException"));
        assert_eq!(error.message(), Some(message.as_str()));
    }

    // All invocations go to the other version once its weight is 1.
    let update = client
        .update_function_configuration()
        .function_name("probe")
        .timeout(5);
    update.send().await.unwrap();
    client
        .publish_version()
        .function_name("probe")
        .send()
        .await
        .unwrap();
    let weights = AliasRoutingConfiguration::builder()
        .additional_version_weights("2", 1.0)
        .build();
    let shift = client
        .update_alias()
        .function_name("probe")
        .name("live")
        .routing_config(weights);
    shift.send().await.unwrap();
    assert_eq!(describe(&cloud, "probe", "live").await.1, "2");
    let in_use = client
        .delete_function()
        .function_name("probe")
        .qualifier("2")
        .send()
        .await
        .unwrap_err();
    assert_eq!(in_use.code(), Some("ResourceConflictException"));
    let latest = AliasRoutingConfiguration::builder()
        .additional_version_weights("$LATEST", 0.5)
        .build();
    let wrong = client
        .update_alias()
        .function_name("probe")
        .name("live")
        .routing_config(latest);
    assert_eq!(
        wrong.send().await.unwrap_err().code(),
        Some("InvalidParameterValueException")
    );
    client
        .delete_alias()
        .function_name("probe")
        .name("live")
        .send()
        .await
        .unwrap();
    let gone = client
        .get_alias()
        .function_name("probe")
        .name("live")
        .send()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
}

#[tokio::test]
async fn policies_and_reservations_are_kept() {
    let cloud = Cloud::start(&stack()).await;
    let client = cloud.lambda();
    let none = client
        .get_policy()
        .function_name("probe")
        .send()
        .await
        .unwrap_err();
    assert_eq!(none.code(), Some("ResourceNotFoundException"));
    let add = || {
        let add = client
            .add_permission()
            .function_name("probe")
            .statement_id("events");
        add.action("lambda:InvokeFunction")
            .principal("events.amazonaws.com")
            .source_arn("arn:aws:events:x")
            .send()
    };
    add().await.unwrap();
    assert_eq!(
        add().await.unwrap_err().code(),
        Some("ResourceConflictException")
    );
    let policy = client
        .get_policy()
        .function_name("probe")
        .send()
        .await
        .unwrap();
    let policy: Value = serde_json::from_str(policy.policy().unwrap()).unwrap();
    assert_eq!(
        policy["Statement"][0]["Condition"]["ArnLike"]["AWS:SourceArn"],
        "arn:aws:events:x"
    );
    client
        .remove_permission()
        .function_name("probe")
        .statement_id("events")
        .send()
        .await
        .unwrap();

    let reserve = |executions| {
        let put = client.put_function_concurrency().function_name("probe");
        put.reserved_concurrent_executions(executions).send()
    };
    assert_eq!(
        reserve(950).await.unwrap_err().code(),
        Some("InvalidParameterValueException")
    );
    reserve(0).await.unwrap();
    let throttled = client
        .invoke()
        .function_name("probe")
        .send()
        .await
        .unwrap_err();
    assert_eq!(throttled.code(), Some("TooManyRequestsException"));
    client
        .delete_function_concurrency()
        .function_name("probe")
        .send()
        .await
        .unwrap();
    client.invoke().function_name("probe").send().await.unwrap();
}

#[tokio::test]
async fn lists_are_paged_and_bad_code_is_refused() {
    let mut stack = stack();
    stack.functions.push(crate::cloud::function("other", 3));
    let cloud = Cloud::start(&stack).await;
    let client = cloud.lambda();
    let first = client.list_functions().max_items(1).send().await.unwrap();
    let marker = first.next_marker().unwrap();
    let second = client
        .list_functions()
        .max_items(1)
        .marker(marker)
        .send()
        .await
        .unwrap();
    let name = |page: &aws_sdk_lambda::operation::list_functions::ListFunctionsOutput| {
        page.functions()[0].function_name().unwrap().to_owned()
    };
    assert_eq!(
        (name(&first), name(&second)),
        ("other".to_owned(), "probe".to_owned())
    );
    assert_eq!(second.next_marker(), None);
    for (runtime, zip) in [
        (Runtime::Java21, archive(&cloud, "x")),
        (Runtime::Providedal2023, Blob::new("no zip")),
    ] {
        let code = FunctionCode::builder().zip_file(zip).build();
        let create = client
            .create_function()
            .function_name("f")
            .role("r")
            .handler("h");
        let refused = create.runtime(runtime).code(code).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameterValueException"));
    }
}

#[tokio::test]
async fn the_log_of_a_function_is_read() {
    let cloud = Cloud::start(&stack()).await;
    let before = chrono::Utc::now().timestamp_millis();
    cloud.invoke("probe", json!({"x": 1})).await;
    let api = cloud.compute.logs_api();
    let ask = |action, body: Value| api.call(action, &body);
    let groups = ask(
        LogsAction::DescribeLogGroups,
        json!({"logGroupNamePrefix": "/aws/lambda/"}),
    )
    .unwrap();
    assert_eq!(groups["logGroups"][0]["logGroupName"], "/aws/lambda/probe");
    let of = json!({"logGroupName": "/aws/lambda/probe"});
    let streams = ask(LogsAction::DescribeLogStreams, of.clone()).unwrap();
    let stream = streams["logStreams"][0]["logStreamName"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(stream.contains("[$LATEST]"), "{stream}");
    let mut filter = of.clone();
    filter["filterPattern"] = json!("RequestId -START");
    filter["startTime"] = json!(before);
    let events = ask(LogsAction::FilterLogEvents, filter).unwrap();
    let messages: Vec<_> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages[0].starts_with("END") && messages[1].starts_with("REPORT"));
    let mut get = of.clone();
    get["logStreamName"] = json!(stream);
    get["startFromHead"] = json!(true);
    get["limit"] = json!(1);
    let first = ask(LogsAction::GetLogEvents, get.clone()).unwrap();
    assert!(
        first["events"][0]["message"]
            .as_str()
            .unwrap()
            .starts_with("START")
    );
    get["nextToken"] = first["nextForwardToken"].clone();
    get["limit"] = json!(100);
    let rest = ask(LogsAction::GetLogEvents, get.clone()).unwrap();
    assert_eq!(rest["events"].as_array().unwrap().len(), 3, "{rest}");
    get["nextToken"] = rest["nextForwardToken"].clone();
    let end = ask(LogsAction::GetLogEvents, get).unwrap();
    assert_eq!(
        (&end["events"], &end["nextForwardToken"]),
        (&json!([]), &rest["nextForwardToken"])
    );
    let missing = ask(
        LogsAction::DescribeLogStreams,
        json!({"logGroupName": "none"}),
    )
    .unwrap_err();
    assert_eq!(missing.code, "ResourceNotFoundException");
}

#[tokio::test]
async fn a_function_of_an_object_answers_in_a_stream_and_tells_how_events_are_retried() {
    let cloud = Cloud::start(&stack()).await;
    let client = cloud.lambda();
    let bucket = stack().buckets.remove(0);
    let body = archive(&cloud, "one").into_inner();
    let put = cloud.s3().put_object().bucket(&bucket).key("code.zip");
    put.body(body.into()).send().await.unwrap();
    let make = |key: &str| {
        client
            .create_function()
            .function_name("made")
            .runtime(Runtime::Providedal2023)
            .role("arn:aws:iam::123456789012:role/r")
            .handler("bootstrap")
            .code(
                FunctionCode::builder()
                    .s3_bucket(&bucket)
                    .s3_key(key)
                    .build(),
            )
    };
    let missing = make("none.zip").send().await.unwrap_err();
    assert_eq!(missing.code(), Some("InvalidParameterValueException"));
    assert!(
        missing.message().unwrap().contains("NoSuchKey"),
        "{missing:?}"
    );
    make("code.zip").send().await.unwrap();

    let invoke = client.invoke_with_response_stream().function_name("made");
    let mut answer = invoke
        .payload(Blob::new(r#"{"do":"describe"}"#))
        .send()
        .await
        .unwrap();
    let mut payload = Vec::new();
    let mut completed = None;
    while let Some(event) = answer.event_stream.recv().await.unwrap() {
        match event {
            Event::PayloadChunk(chunk) => payload.extend(chunk.payload.unwrap().into_inner()),
            Event::InvokeComplete(complete) => completed = Some(complete),
            other => panic!("{other:?}"),
        }
    }
    assert!(
        serde_json::from_slice::<Value>(&payload)
            .unwrap()
            .is_object()
    );
    assert_eq!(completed.unwrap().error_code, None);

    let put = || {
        client
            .put_function_event_invoke_config()
            .function_name("made")
    };
    let refused = put().maximum_retry_attempts(3).send().await.unwrap_err();
    assert_eq!(refused.code(), Some("ValidationException"));
    let set = put()
        .maximum_retry_attempts(1)
        .maximum_event_age_in_seconds(60);
    let set = set.send().await.unwrap();
    assert!(set.function_arn.unwrap().ends_with(":made:$LATEST"));
    let update = client
        .update_function_event_invoke_config()
        .function_name("made");
    let updated = update.maximum_retry_attempts(0).send().await.unwrap();
    let told = (
        updated.maximum_retry_attempts,
        updated.maximum_event_age_in_seconds,
    );
    assert_eq!(told, (Some(0), Some(60)));
    let delete = client
        .delete_function_event_invoke_config()
        .function_name("made");
    delete.send().await.unwrap();
    let get = client
        .get_function_event_invoke_config()
        .function_name("made");
    let gone = get.send().await.unwrap_err();
    assert_eq!(gone.code(), Some("ResourceNotFoundException"));
}
