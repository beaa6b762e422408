//! A command as a service: JSON on its standard input, its answer on standard output.

use std::process::Stdio;

use asl::{TaskError, Value};
use cloud::config::{ACCESS_KEY, SECRET_KEY};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use asl::placeholders::REGION;

/// What a command needs to know to call Step Functions.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// Where Step Functions answers.
    pub endpoint: Option<String>,
}

/// What a command stands in for: they tell of a failure without a name in their own ways.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A function.
    Function,
    /// An action of a service.
    Service,
}

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// A JSON document, or nothing for null.
    Json,
    /// A JSON document or any other text.
    Text,
    /// Nothing that anybody reads.
    Any,
}

impl Surroundings {
    /// The variables by which any SDK calls Step Functions here, and other services where it would otherwise. Region
    /// and keys are added where there are none.
    /// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html>
    pub fn environment(&self) -> Vec<(String, String)> {
        let absent = |name: &str| std::env::var_os(name).is_none();
        let mut environment = Vec::new();
        let mut set =
            |name: &str, value: &str| environment.push((name.to_owned(), value.to_owned()));
        if let Some(endpoint) = &self.endpoint {
            set("AWS_ENDPOINT_URL_SFN", endpoint);
        }
        for name in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            if absent(name) {
                set(name, REGION);
            }
        }
        if absent("AWS_PROFILE") && absent("AWS_ACCESS_KEY_ID") {
            set("AWS_ACCESS_KEY_ID", ACCESS_KEY);
            set("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        environment
    }
}

/// Runs a command. The document that it prints is the answer; with an exit code other than 0 it tells the error: as a
/// function does by `errorType`, or by `Error` and `Cause`.
pub async fn pipe(
    command: &str,
    environment: &[(String, String)],
    input: &Value,
    kind: Kind,
    answer: Answer,
) -> Result<Value, TaskError> {
    let failed = |cause: String| kind.failed(cause);
    let output = run(command, environment, input.to_string()).await;
    let output = output.map_err(|error| failed(format!("{command}: {error}")))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let trimmed = text.trim();
    let document = Value::parse(if trimmed.is_empty() { "null" } else { trimmed });
    if !output.status.success() {
        return Err(document
            .ok()
            .and_then(|document| named(&document))
            .unwrap_or_else(|| kind.exited(command, output.status)));
    }
    match (document, answer) {
        (Ok(document), _) => Ok(document),
        (Err(_), Answer::Text | Answer::Any) => Ok(Value::from(&*text)),
        (Err(error), Answer::Json) => Err(failed(format!("{command} did not print JSON: {error}"))),
    }
}

async fn run(
    command: &str,
    environment: &[(String, String)],
    input: String,
) -> std::io::Result<std::process::Output> {
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", command])
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdin = child.stdin.take();
    // At the same time, since a command may print before it has read everything.
    let write = async move {
        if let Some(mut stdin) = stdin {
            // A command that does not read its input closes the pipe; that is no error.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    output
}

impl Kind {
    fn failed(self, cause: String) -> TaskError {
        let error = match self {
            Kind::Function => "Lambda.Unknown",
            Kind::Service => "States.TaskFailed",
        };
        TaskError {
            error: error.to_owned(),
            cause: Some(cause),
        }
    }

    /// As Lambda tells of a runtime that ends while it works.
    fn exited(self, command: &str, status: std::process::ExitStatus) -> TaskError {
        if self == Kind::Service {
            return self.failed(format!("{command}: {status}"));
        }
        let message = format!("RequestId: exec Error: Runtime exited with error: {status}");
        let document = json!({"errorType": "Runtime.ExitError", "errorMessage": message});
        TaskError {
            error: "Runtime.ExitError".to_owned(),
            cause: Some(document.to_string()),
        }
    }
}

/// The error that a document tells.
fn named(document: &Value) -> Option<TaskError> {
    let text = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(error) = text("errorType") {
        return Some(TaskError {
            error,
            cause: Some(document.to_string()),
        });
    }
    Some(TaskError {
        error: text("Error")?,
        cause: text("Cause"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(command: &str, answer: Answer) -> Result<Value, TaskError> {
        pipe(command, &[], &Value::from("in"), Kind::Function, answer).await
    }

    #[tokio::test]
    async fn a_command_answers_or_fails_by_what_it_prints() {
        assert_eq!(answer("cat", Answer::Json).await, Ok(Value::from("in")));
        assert_eq!(
            answer("true", Answer::Json).await,
            Ok(Value::parse("null").unwrap())
        );
        assert_eq!(
            answer("printf 'a,b\n1,2'", Answer::Text).await,
            Ok(Value::from("a,b\n1,2"))
        );
        for (command, name) in [
            ("echo no", "Lambda.Unknown"),
            ("exit 3", "Runtime.ExitError"),
            (r#"echo '{"errorType":"Mine"}'; exit 1"#, "Mine"),
            (
                r#"echo '{"Error":"DynamoDb.Throttled","Cause":"c"}'; exit 1"#,
                "DynamoDb.Throttled",
            ),
        ] {
            let error = answer(command, Answer::Json).await.unwrap_err();
            assert_eq!(error.error, name, "{command}");
        }
        let input = Value::from("in");
        let service = pipe("exit 3", &[], &input, Kind::Service, Answer::Json).await;
        assert_eq!(service.unwrap_err().error, "States.TaskFailed");
    }
}
