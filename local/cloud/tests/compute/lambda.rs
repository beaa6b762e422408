use std::collections::HashSet;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, Instant};

use aws_sdk_lambda::error::ProvideErrorMetadata;
use aws_sdk_lambda::operation::invoke::InvokeOutput;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{InvocationType, LogType};
use futures::FutureExt;
use serde_json::{Value, json};

use crate::changes;
use crate::cloud::{Cloud, function, stack, wait_for_lines};

async fn call(cloud: &Cloud, name: &str, event: Value) -> InvokeOutput {
    let payload = Blob::new(event.to_string());
    cloud
        .lambda()
        .invoke()
        .function_name(name)
        .payload(payload)
        .send()
        .await
        .unwrap()
}

fn document(output: &InvokeOutput) -> Value {
    serde_json::from_slice(output.payload().unwrap().as_ref()).unwrap()
}

#[tokio::test]
async fn a_function_answers_and_its_log_tail_comes_along() {
    let cloud = Cloud::start(&stack()).await;
    let output = cloud
        .lambda()
        .invoke()
        .function_name("probe")
        .log_type(LogType::Tail)
        .payload(Blob::new(r#"{"x": 1}"#))
        .send()
        .await
        .unwrap();
    assert_eq!(output.status_code(), 200);
    assert_eq!(output.function_error(), None);
    assert_eq!(output.executed_version(), Some("$LATEST"));
    assert_eq!(document(&output), json!({"x": 1}));
    use base64::Engine;
    let tail = base64::engine::general_purpose::STANDARD
        .decode(output.log_result().unwrap())
        .unwrap();
    let tail = String::from_utf8(tail).unwrap();
    for words in [
        "START RequestId: ",
        "echoing\n",
        "END RequestId: ",
        "Max Memory Used: ",
        "Init Duration: ",
    ] {
        assert!(tail.contains(words), "{words} in {tail}");
    }
}

#[tokio::test]
async fn the_function_sees_what_it_sees_on_aws() {
    let mut stack = stack();
    stack.functions[0].environment = [("OWN".to_owned(), "value".to_owned())].into();
    let cloud = Cloud::start(&stack).await;
    let seen = document(
        &call(
            &cloud,
            &stack.functions[0].arn.clone(),
            json!({"do": "describe"}),
        )
        .await,
    );
    let environment = &seen["environment"];
    for (name, value) in [
        ("OWN", "value"),
        ("AWS_LAMBDA_FUNCTION_NAME", "probe"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/probe"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", &cloud.endpoint),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("_HANDLER", "probe"),
        ("TZ", ":UTC"),
    ] {
        assert_eq!(environment[name], value, "{name}");
    }
    assert_eq!(
        environment["HOME"],
        Value::Null,
        "nothing of the caller's environment leaks"
    );
    assert_eq!(seen["arn"], stack.functions[0].arn);
    assert_eq!(seen["name"], "probe");
    assert!(seen["trace"].as_str().unwrap().starts_with("Root=1-"));
    let left = seen["deadline"].as_i64().unwrap() - cloud::time::now().0 / 1_000;
    assert!((1..=3_000).contains(&left), "{left} ms to the deadline");
}

#[tokio::test]
async fn environments_are_reused_and_one_runs_per_concurrent_execution() {
    let cloud = Cloud::start(&stack()).await;
    let invoke = || cloud.invoke("probe", json!({"do": "describe"}));
    // Each has begun before one of them is answered.
    let (a, b, c) = tokio::join!(invoke(), invoke(), invoke());
    let pids: HashSet<u64> = [a, b, c]
        .iter()
        .map(|(answer, _)| answer["pid"].as_u64().unwrap())
        .collect();
    assert_eq!(pids.len(), 3);
    let mut again = HashSet::new();
    for _ in 0..5 {
        again.insert(invoke().await.0["pid"].as_u64().unwrap());
    }
    assert_eq!(
        again.len(),
        1,
        "the most recently used environment is taken"
    );
    assert!(again.is_subset(&pids));
}

#[tokio::test]
async fn failures_have_the_documents_of_lambda() {
    let cloud = Cloud::start(&stack()).await;
    let failed = document(&call(&cloud, "probe", json!({"do": "fail"})).await);
    assert_eq!(failed["errorMessage"], "this went wrong");

    let exited = call(&cloud, "probe", json!({"do": "exit", "code": 3})).await;
    assert_eq!(exited.function_error(), Some("Unhandled"));
    let exited = document(&exited);
    assert_eq!(exited["errorType"], "Runtime.ExitError");
    let message = exited["errorMessage"].as_str().unwrap();
    assert!(message.starts_with("RequestId: "), "{message}");
    assert!(
        message.ends_with(" Error: Runtime exited with error: exit status 3"),
        "{message}"
    );

    // A panic is caught by the runtime and reported as an error of the function.
    let (panicked, is_error) = cloud.invoke("probe", json!({"do": "panic"})).await;
    assert!(is_error);
    assert!(
        panicked["errorMessage"]
            .as_str()
            .unwrap()
            .contains("beyond repair"),
        "{panicked}"
    );
    assert_eq!(
        cloud.invoke("probe", json!({"ok": true})).await,
        (json!({"ok": true}), false)
    );
}

#[tokio::test]
async fn the_time_limit_kills_and_is_reported_as_a_sandbox_timeout() {
    let mut stack = stack();
    stack.functions.push(function("hasty", 1));
    let cloud = Cloud::start(&stack).await;
    let before = Instant::now();
    let (error, is_error) = cloud
        .invoke("hasty", json!({"do": "sleep", "ms": 60_000}))
        .await;
    assert!(is_error);
    assert_eq!(error["errorType"], "Sandbox.Timedout");
    let message = error["errorMessage"].as_str().unwrap();
    assert!(
        message.ends_with("Error: Task timed out after 1.00 seconds"),
        "{message}"
    );
    assert!(before.elapsed() >= Duration::from_secs(1));
    assert!(!cloud.invoke("hasty", json!({"do": "echo"})).await.1);
}

#[tokio::test]
async fn the_memory_limit_kills() {
    let cloud = Cloud::start(&stack()).await;
    let (error, is_error) = cloud
        .invoke("probe", json!({"do": "allocate", "mib": 256, "ms": 2_000}))
        .await;
    assert!(is_error);
    assert_eq!(error["errorType"], "Runtime.ExitError");
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("signal: killed"),
        "{error}"
    );
    assert!(
        cloud
            .logs("aws/lambda/probe")
            .contains("Max Memory Used: 128 MB")
    );
}

#[tokio::test]
async fn a_runtime_that_does_not_start_is_an_exit_error_and_a_missing_binary_is_named() {
    let mut stack = stack();
    stack.functions[0].environment = [("FAIL_INIT".to_owned(), "1".to_owned())].into();
    stack.functions.push(stack::Function {
        binary: "no-such-function".into(),
        ..function("unbuilt", 3)
    });
    let cloud = Cloud::start(&stack).await;
    let (error, _) = cloud.invoke("probe", json!({})).await;
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("exit status 7"),
        "{error}"
    );
    let (error, _) = cloud.invoke("unbuilt", json!({})).await;
    assert_eq!(error["errorType"], "Runtime.InvalidEntrypoint");
    assert!(
        error["errorMessage"]
            .as_str()
            .unwrap()
            .contains("cargo build -p no-such-function"),
        "{error}"
    );
}

#[tokio::test]
async fn an_initialisation_error_is_handed_to_the_caller() {
    let mut stack = stack();
    let reason = "no table name";
    stack.functions[0].environment = [("REPORT_INIT_ERROR".to_owned(), reason.to_owned())].into();
    let cloud = Cloud::start(&stack).await;
    let (error, is_error) = cloud.invoke("probe", json!({})).await;
    assert!(is_error);
    assert_eq!(
        error,
        json!({"errorType": "Function.NoConfiguration", "errorMessage": reason})
    );
}

#[tokio::test]
async fn idle_environments_are_given_up() {
    let cloud = Cloud::with_limits(&stack(), |limits| {
        limits.lambda_idle = Duration::from_millis(100);
    })
    .await;
    let pid = async || {
        cloud.invoke("probe", json!({"do": "sleep"})).await.0["pid"]
            .as_u64()
            .unwrap()
    };
    let first = pid().await;
    assert_eq!(pid().await, first);
    changes::ended(i32::try_from(first).unwrap()).await;
    assert_ne!(pid().await, first);
}

#[tokio::test]
async fn concurrency_and_payload_limits_refuse() {
    let mut stack = stack();
    stack.functions[0].reserved_concurrency = Some(1);
    let cloud = Cloud::start(&stack).await;
    let mut busy = pin!(cloud.invoke("probe", json!({})));
    assert_eq!(busy.as_mut().now_or_never(), None, "it has begun");
    let invoke = |payload: Vec<u8>| {
        cloud
            .lambda()
            .invoke()
            .function_name("probe")
            .payload(Blob::new(payload))
            .send()
    };
    let refused = invoke(b"{}".to_vec()).await.unwrap_err();
    assert_eq!(refused.code(), Some("TooManyRequestsException"));
    busy.await;
    invoke(b"{}".to_vec()).await.unwrap();

    let refused = invoke(format!("\"{}\"", "x".repeat(6 << 20)).into_bytes())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Some("RequestTooLargeException"));
    let refused = invoke(b"{".to_vec()).await.unwrap_err();
    assert_eq!(refused.code(), Some("InvalidRequestContentException"));
    let (error, _) = cloud
        .invoke("probe", json!({"do": "large", "bytes": (6 << 20) + 200}))
        .await;
    assert_eq!(error["errorType"], "Function.ResponseSizeTooLarge");
    let (large, _) = cloud
        .invoke("probe", json!({"do": "large", "bytes": 6_000_000}))
        .await;
    assert_eq!(large.as_str().unwrap().len(), 6_000_000);
}

#[tokio::test]
async fn an_event_is_accepted_at_once_and_retried_twice() {
    let cloud = Cloud::start(&stack()).await;
    let path = cloud.dir.path().join("attempts");
    for (until, attempts) in [(2, 2), (9, 3)] {
        let _ = std::fs::remove_file(&path);
        let event = json!({"do": "append", "path": path, "until": until});
        let invoke = cloud
            .lambda()
            .invoke()
            .function_name("probe")
            .invocation_type(InvocationType::Event);
        let accepted = invoke
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .unwrap();
        assert_eq!(accepted.status_code(), 202);
        wait_for_lines(&path, attempts).await;
        // It is forgotten once no further attempt may come.
        let queue = cloud.dir.path().join("data/lambda");
        let forgotten = || std::fs::read_dir(&queue).unwrap().next().is_none();
        changes::until(&queue, || forgotten().then_some(())).await;
        let text = std::fs::read_to_string(&path).unwrap();
        let ids: Vec<_> = text.lines().collect();
        assert_eq!(ids.len(), attempts);
        assert_eq!(
            ids.iter().collect::<HashSet<_>>().len(),
            1,
            "every attempt has the same request id"
        );
    }
}

/// The record that a function of these tests has kept, once it is whole.
async fn kept_record(path: &Path) -> Value {
    let whole = || serde_json::from_slice(&std::fs::read(path).ok()?).ok();
    changes::until(path.parent().unwrap(), whole).await
}

#[tokio::test]
async fn an_event_that_fails_for_good_is_recorded_at_its_destination() {
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("record.json");
    let mut stack = stack();
    let mut keeper = function("keeper", 3);
    keeper.environment = [("KEEP".to_owned(), path.display().to_string())].into();
    for (name, attempts) in [("careful", Some(0)), ("stubborn", None)] {
        stack.functions.push(stack::Function {
            maximum_retry_attempts: attempts,
            on_failure: Some(keeper.arn.clone()),
            ..function(name, 3)
        });
    }
    stack.functions.push(keeper);
    let cloud = Cloud::start(&stack).await;
    for (name, tries) in [("careful", 1), ("stubborn", 3)] {
        let _ = std::fs::remove_file(&path);
        let event = json!({"do": "exit", "code": 3});
        let invoke = cloud.lambda().invoke().function_name(name);
        invoke
            .invocation_type(InvocationType::Event)
            .payload(Blob::new(event.to_string()))
            .send()
            .await
            .unwrap();
        let record = kept_record(&path).await;
        let context = &record["requestContext"];
        assert_eq!(context["condition"], "RetriesExhausted");
        assert_eq!(context["approximateInvokeCount"], tries);
        assert_eq!(record["requestPayload"], event);
        assert_eq!(record["responseContext"]["functionError"], "Unhandled");
        assert_eq!(record["responsePayload"]["errorType"], "Runtime.ExitError");
    }
}

#[tokio::test]
async fn an_event_that_waited_too_long_is_recorded_instead_of_invoked() {
    let kept = tempfile::tempdir().unwrap();
    let path = kept.path().join("record.json");
    let mut stack = stack();
    let mut keeper = function("keeper", 3);
    keeper.environment = [("KEEP".to_owned(), path.display().to_string())].into();
    stack.functions.push(stack::Function {
        reserved_concurrency: Some(1),
        maximum_event_age: Some(Duration::from_millis(50)),
        on_failure: Some(keeper.arn.clone()),
        ..function("busy", 3)
    });
    stack.functions.push(keeper);
    let cloud = Cloud::start(&stack).await;
    let mut busy = pin!(cloud.invoke("busy", json!({})));
    assert_eq!(busy.as_mut().now_or_never(), None, "it has begun");
    let event = json!({"do": "echo"});
    let invoke = cloud.lambda().invoke().function_name("busy");
    invoke
        .invocation_type(InvocationType::Event)
        .payload(Blob::new(event.to_string()))
        .send()
        .await
        .unwrap();
    let record = kept_record(&path).await;
    assert_eq!(record["requestContext"]["condition"], "EventAgeExceeded");
    assert_eq!(record["requestContext"]["approximateInvokeCount"], 0);
    assert_eq!(record["requestPayload"], event);
    assert_eq!(record.get("responsePayload"), None);
}

#[tokio::test]
async fn dry_run_and_look_ups() {
    let cloud = Cloud::start(&stack()).await;
    let client = cloud.lambda();
    let dry = client
        .invoke()
        .function_name("probe")
        .invocation_type(InvocationType::DryRun)
        .send()
        .await
        .unwrap();
    assert_eq!(dry.status_code(), 204);
    let function = client
        .get_function()
        .function_name("probe:$LATEST")
        .send()
        .await
        .unwrap();
    assert_eq!(function.configuration().unwrap().memory_size(), Some(128));
    let list = client.list_functions().send().await.unwrap();
    assert_eq!(list.functions()[0].function_name(), Some("probe"));
    let missing = client
        .invoke()
        .function_name("nobody")
        .send()
        .await
        .unwrap_err();
    assert_eq!(missing.code(), Some("ResourceNotFoundException"));
    assert!(missing.message().unwrap().contains("function:nobody"));
}

#[tokio::test]
async fn faults_strike_functions() {
    let faults = r#"{"faults": [
        {"at": "lambda:Invoke", "do": "throttle"},
        {"at": "function:probe", "do": "crash"},
        {"at": "function:probe", "do": "timeOut"},
        {"at": "function:probe", "do": "duplicate"}
    ]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    let kind = cloud::lambda::InvocationType::RequestResponse;
    let throttled = cloud
        .compute
        .lambda
        .invoke("probe", "{}".into(), kind)
        .await
        .unwrap_err();
    assert_eq!(throttled.code, "TooManyRequestsException");
    let slow = json!({"do": "sleep", "ms": 1_000});
    let (crashed, _) = cloud.invoke("probe", slow.clone()).await;
    assert!(
        crashed["errorMessage"]
            .as_str()
            .unwrap()
            .ends_with("signal: killed"),
        "{crashed}"
    );
    let (cut_off, _) = cloud.invoke("probe", slow).await;
    assert_eq!(cut_off["errorType"], "Sandbox.Timedout");
    let path = cloud.dir.path().join("twice");
    cloud
        .invoke("probe", json!({"do": "append", "path": path}))
        .await;
    // Its twin runs too.
    wait_for_lines(&path, 2).await;
}

#[tokio::test]
async fn many_invocations_at_once_share_the_memory() {
    let cloud = Cloud::with_limits(&stack(), |limits| limits.lambda_memory_mib = 4 * 128).await;
    let calls = (0..100).map(|_| cloud.invoke("probe", json!({"do": "sleep", "ms": 1})));
    let answers = futures::future::join_all(calls).await;
    let processes: HashSet<u64> = answers
        .iter()
        .map(|(answer, _)| answer["pid"].as_u64().unwrap())
        .collect();
    assert!(processes.len() <= 4, "{}", processes.len());
}

#[tokio::test]
async fn a_lost_invocation_does_not_run() {
    let faults = r#"{"faults": [{"at": "lambda:Invoke", "do": "lose", "times": 2}]}"#;
    let cloud = Cloud::with_faults(&stack(), faults).await;
    let path = cloud.dir.path().join("ran");
    let payload = json!({"do": "append", "path": path}).to_string();
    let invoke = |kind| {
        let lambda = &cloud.compute.lambda;
        lambda.invoke("probe", payload.clone().into(), kind)
    };
    let event = invoke(cloud::lambda::InvocationType::Event).await.unwrap();
    assert_eq!(event.status_code, 202);
    let kind = cloud::lambda::InvocationType::RequestResponse;
    let waited = invoke(kind).await.unwrap_err();
    assert_eq!(waited.code, "ClientExecutionTimeoutException");
    assert!(cloud.compute.lambda.work().is_idle(), "nothing is queued");
    assert!(!path.exists());
    invoke(kind).await.unwrap();
    assert!(path.exists());
}

#[tokio::test]
async fn shutdown_leaves_no_process() {
    let cloud = Cloud::start(&stack()).await;
    let (answer, _) = cloud.invoke("probe", json!({"do": "sleep"})).await;
    let pid = answer["pid"].as_u64().unwrap();
    assert!(std::path::Path::new(&format!("/proc/{pid}")).exists());
    cloud.compute.shutdown().await;
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
}
