//! What stands behind the tasks of the cases: the functions that the recordings used, and S3.

use std::collections::{BTreeMap, VecDeque};

use md5::{Digest, Md5};

use asl::simulate::{Answer, Services};
use asl::{ItemReader, Resource, Task, TaskError, Value, items};

const ACCOUNT: &str = "111111111111";

const STACK: &str = "  File \"/var/task/handler.py\", line 2, in handler\n    raise Exception(\"Some exception was raised.\")\n";

/// The functions and buckets of one case. Services other than Lambda are not the engine's: they answer as they did
/// when the case was recorded.
#[derive(Default)]
pub struct Recorded {
    pub objects: BTreeMap<String, String>,
    /// How the other services answered, in the order in which they were called.
    pub answers: VecDeque<Answer>,
}

impl Services for Recorded {
    fn run(&mut self, task: &Task) -> Answer {
        match &task.resource {
            Resource::Lambda { arn } => function(arn, &task.arguments),
            resource if resource.to_string() == "lambda:invoke" => invoke(&task.arguments),
            Resource::Service { .. } | Resource::Activity { .. } => {
                let unknown = || {
                    let cause = format!("nothing stands behind {}", task.resource);
                    Answer::error("States.TaskFailed", Some(cause))
                };
                self.answers.pop_front().unwrap_or_else(unknown)
            }
        }
    }

    fn read_items(&mut self, reader: &ItemReader) -> Result<Vec<Value>, TaskError> {
        if matches!(&reader.resource, Resource::Service { action, .. } if &**action == "listObjectsV2")
        {
            return Ok(self.list(reader));
        }
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
    /// The objects of the case, and the answers that its recorded history tells.
    pub fn new(objects: BTreeMap<String, String>, events: &[Value]) -> Recorded {
        let scheduled = events.iter().filter(|event| {
            let details = details(event);
            kind(event) == "ActivityScheduled"
                || kind(event) == "TaskScheduled"
                    && !(text(details, "resourceType") == "lambda"
                        && text(details, "resource") == "invoke")
        });
        Recorded {
            objects,
            answers: scheduled.map(|event| answer(events, event)).collect(),
        }
    }

    fn list(&self, reader: &ItemReader) -> Vec<Value> {
        let folder = format!("{}/", text(&reader.arguments, "Bucket"));
        let prefix = text(&reader.arguments, "Prefix");
        let listed = self.objects.iter().filter_map(|(path, body)| {
            let key = path
                .strip_prefix(&folder)
                .filter(|key| key.starts_with(prefix))?;
            Some(items::Object {
                key: key.to_string(),
                etag: etag(body),
                size: body.len() as u64,
                last_modified: 0,
                storage_class: "STANDARD".to_string(),
            })
        });
        items::objects(&reader.config, listed)
    }

    fn object(&self, arguments: &Value) -> Option<&String> {
        let part = |key| arguments.get(key).and_then(Value::as_str);
        self.objects
            .get(&format!("{}/{}", part("Bucket")?, part("Key")?))
    }
}

/// The entity tag of an object that was put in one piece: its MD5 in quotes.
fn etag(body: &str) -> String {
    let digest = Md5::digest(body);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
}

/// What became of a scheduled task, by following its events.
fn answer(events: &[Value], scheduled: &Value) -> Answer {
    let mut answer = Answer {
        seconds: 0.0,
        worker: None,
        submitted: None,
        result: None,
    };
    let mut id = scheduled.get("id");
    while let Some(event) = events
        .iter()
        .find(|event| id.is_some() && event.get("previousEventId") == id)
    {
        let details = details(event);
        let output = || details.get("output").cloned().unwrap_or_default();
        let kind = kind(event);
        match kind
            .strip_prefix("Task")
            .or_else(|| kind.strip_prefix("Activity"))
        {
            Some("Started") => {
                answer.worker = details
                    .get("workerName")
                    .and_then(Value::as_str)
                    .map(str::to_string);
            }
            Some("Submitted") => answer.submitted = Some(output()),
            Some("Succeeded") => answer.result = Some(Ok(output())),
            Some("Failed") => {
                answer.result = Some(Err(TaskError {
                    error: text(details, "error").to_string(),
                    cause: details.get("cause").map(|cause| match cause {
                        Value::String(cause) => cause.to_string(),
                        cause => cause.to_string(),
                    }),
                }));
            }
            _ => break,
        }
        id = event.get("id");
    }
    answer
}

fn kind(event: &Value) -> &str {
    text(event, "type")
}

/// The details of an event, whatever its type calls them.
fn details(event: &Value) -> &Value {
    let members = event
        .as_object()
        .map(|members| members.iter())
        .into_iter()
        .flatten();
    members
        .filter(|(key, _)| key.ends_with("EventDetails"))
        .map(|(_, details)| details)
        .next()
        .unwrap_or(&Value::Null)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
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
