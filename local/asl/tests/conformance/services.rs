//! What stands behind the tasks of the cases: the functions that the recordings used, and S3.

use std::collections::{BTreeMap, VecDeque};

use asl::simulate::{Answer, Services};
use asl::{ItemReader, Resource, Task, TaskError, Value, items};

const ACCOUNT: &str = "111111111111";

const STACK: &str = "  File \"/var/task/handler.py\", line 2, in handler\n    raise Exception(\"Some exception was raised.\")\n";

/// The functions and buckets of one case. Services other than Lambda are not the engine's: they answer as they did
/// when the case was recorded.
#[derive(Default)]
pub struct Recorded {
    pub objects: BTreeMap<String, String>,
    pub answers: VecDeque<Result<Value, TaskError>>,
}

impl Services for Recorded {
    fn run(&mut self, task: &Task) -> Answer {
        match &task.resource {
            Resource::Lambda { arn } => function(arn, &task.arguments),
            Resource::Service {
                service, action, ..
            } => match (&**service, &**action) {
                ("lambda", "invoke") => invoke(&task.arguments),
                _ => match self.answers.pop_front() {
                    Some(Ok(output)) => Answer::output(output),
                    Some(Err(error)) => Answer::error(error.error, error.cause),
                    None => unknown(&task.resource),
                },
            },
            Resource::Activity { .. } => unknown(&task.resource),
        }
    }

    fn read_items(&mut self, reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
        match self.object(&reader.arguments) {
            Some(body) => items::parse(&reader.config, body.as_bytes()),
            None => Err(TaskError {
                error: "States.ItemReaderFailed".to_string(),
                cause: Some("no such object".to_string()),
            }),
        }
    }
}

impl Recorded {
    fn object(&self, arguments: &Value) -> Option<&String> {
        let part = |key| arguments.get(key).and_then(Value::as_str);
        self.objects
            .get(&format!("{}/{}", part("Bucket")?, part("Key")?))
    }
}

fn unknown(resource: &Resource) -> Answer {
    Answer::error(
        "States.TaskFailed",
        Some(format!("nothing stands behind {resource}")),
    )
}

fn invoke(arguments: &Value) -> Answer {
    let name = arguments
        .get("FunctionName")
        .and_then(Value::as_str)
        .unwrap_or_default();
    // Without a payload the function gets an empty object; a text is the payload's JSON itself.
    let payload = match arguments.get("Payload") {
        None | Some(Value::Null) => Value::empty_object(),
        Some(Value::String(text)) => {
            Value::parse(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        Some(payload) => payload.clone(),
    };
    let answer = function(name, &payload);
    match answer.result {
        Some(Ok(payload)) => Answer {
            result: Some(Ok(response(payload))),
            ..answer
        },
        _ => answer,
    }
}

/// What the function of this name or ARN answers.
fn function(name: &str, payload: &Value) -> Answer {
    let name = name.rsplit(':').next().unwrap_or(name);
    match name {
        "id_function" => Answer::output(payload.clone()),
        "echo_function" => Answer::output(Value::object([("Return", Value::from("HelloWorld"))])),
        "return_bytes_str" => Answer::output(Value::from("HelloWorld!")),
        "large_output_string" => Answer::output(Value::from("a".repeat(257 * 1024))),
        "wait_60_seconds" => Answer::output(payload.clone()).after(60.0),
        "raise_exception" => raised("Exception", "Some exception was raised."),
        "raise_custom_exception" => raised("CustomException", ""),
        _ => Answer::error(
            "Lambda.ResourceNotFoundException",
            Some(format!(
                "Function not found: arn:aws:lambda:us-east-1:{ACCOUNT}:function:{name}:$LATEST (Service: AWSLambda; Status Code: 404; Error Code: ResourceNotFoundException; Request ID: 0; Proxy: null)"
            )),
        ),
    }
}

fn raised(error: &str, message: &str) -> Answer {
    let cause = Value::object([
        ("errorMessage", Value::from(message)),
        ("errorType", Value::from(error)),
        ("requestId", Value::from("0")),
        ("stackTrace", Value::array(vec![Value::from(STACK)])),
    ]);
    Answer::error(error, Some(cause.to_string()))
}

fn response(payload: Value) -> Value {
    Value::object([
        ("ExecutedVersion", Value::from("$LATEST")),
        ("Payload", payload),
        (
            "SdkHttpMetadata",
            Value::object([
                ("AllHttpHeaders", Value::empty_object()),
                ("HttpHeaders", Value::empty_object()),
                ("HttpStatusCode", Value::from(200u64)),
            ]),
        ),
        (
            "SdkResponseMetadata",
            Value::object([("RequestId", Value::from("0"))]),
        ),
        ("StatusCode", Value::from(200u64)),
    ])
}
