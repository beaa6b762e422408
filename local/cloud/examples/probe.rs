//! A function for the tests of the Lambda host: it does what its event says.

use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    if std::env::var("FAIL_INIT").is_ok() {
        eprintln!("refusing to start");
        std::process::exit(7);
    }
    if let Ok(reason) = std::env::var("REPORT_INIT_ERROR") {
        report_init_error(&reason)?;
    }
    lambda_runtime::run(service_fn(handle)).await
}

/// Tells the Runtime API that the function cannot initialise, and ends.
fn report_init_error(reason: &str) -> Result<(), Error> {
    use std::io::{Read, Write};
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API")?;
    let body = json!({"errorType": "Function.NoConfiguration", "errorMessage": reason}).to_string();
    let mut stream = std::net::TcpStream::connect(&address)?;
    write!(
        stream,
        "POST /2018-06-01/runtime/init/error HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    std::process::exit(1);
}

async fn handle(event: LambdaEvent<Value>) -> Result<Value, Error> {
    let number = |name: &str| event.payload[name].as_u64().unwrap_or(0);
    match event.payload["do"].as_str().unwrap_or("echo") {
        "fail" => Err("this went wrong".into()),
        "panic" => panic!("beyond repair"),
        "exit" => std::process::exit(i32::try_from(number("code"))?),
        "sleep" => {
            tokio::time::sleep(Duration::from_millis(number("ms"))).await;
            Ok(json!({"pid": std::process::id()}))
        }
        "allocate" => {
            let bytes = vec![1_u8; usize::try_from(number("mib"))? << 20];
            tokio::time::sleep(Duration::from_millis(number("ms"))).await;
            Ok(json!({"last": bytes.last()}))
        }
        "large" => Ok(Value::from("x".repeat(usize::try_from(number("bytes"))?))),
        "describe" => {
            let context = &event.context;
            let environment: std::collections::BTreeMap<String, String> =
                std::env::vars().collect();
            Ok(json!({
                "pid": std::process::id(),
                "environment": environment,
                "request_id": context.request_id,
                "deadline": context.deadline,
                "arn": context.invoked_function_arn,
                "name": context.env_config.function_name,
                "trace": context.xray_trace_id,
            }))
        }
        "append" => {
            // Leaves a line for each attempt; fails until there are as many as asked for.
            use std::io::Write;
            let path = event.payload["path"].as_str().unwrap_or_default();
            let mut file = std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(path)?;
            writeln!(file, "{}", event.context.request_id)?;
            let lines = std::fs::read_to_string(path)?.lines().count() as u64;
            if lines < number("until") {
                Err("not yet".into())
            } else {
                Ok(Value::Null)
            }
        }
        _ => {
            println!("echoing");
            if let Ok(path) = std::env::var("KEEP") {
                std::fs::write(path, event.payload.to_string())?;
            }
            Ok(event.payload)
        }
    }
}
