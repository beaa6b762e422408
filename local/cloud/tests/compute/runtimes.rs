//! Handlers in Python and Node.js, and what cannot be run.

use serde_json::{Value, json};
use stack::{Code, Function, Stack};

use crate::cloud::{Cloud, function, stack};

const PYTHON: &str = r#"
import decimal, os

class TooLittle(Exception):
    pass

def handler(event, context):
    if event == "raise":
        raise TooLittle("one at least")
    if event == "unfit":
        return {1, 2}
    return {
        "event": event, "half": decimal.Decimal("0.5"), "name": context.function_name,
        "left": context.get_remaining_time_in_millis() > 0, "here": os.getcwd() == os.environ["LAMBDA_TASK_ROOT"],
        "umlaut": "ä",
    }
"#;

const NODE: &str = r#"
class TooLittle extends Error {
  constructor(message) { super(message); this.name = "TooLittle"; }
}
exports.handler = async (event, context) => {
  if (event === "raise") throw new TooLittle("one at least");
  return { event, name: context.functionName, left: context.getRemainingTimeInMillis() > 0 };
};
exports.late = (event, context, callback) => { setImmediate(() => callback(null, event)); };
exports.never = () => {};
"#;

fn inline(name: &str, runtime: &str, handler: &str, code: &str) -> Function {
    Function {
        handler: handler.to_owned(),
        runtime: Some(runtime.to_owned()),
        code: Code::Inline(code.to_owned()),
        ..function(name, 20)
    }
}

/// What an invocation answers; an error as its type and its message.
async fn ask(cloud: &Cloud, name: &str, event: Value) -> Value {
    let (answer, failed) = cloud.invoke(name, event).await;
    match failed {
        false => answer,
        true => json!([answer["errorType"], answer["errorMessage"]]),
    }
}

fn of(functions: Vec<Function>) -> Stack {
    Stack {
        functions,
        ..stack()
    }
}

#[tokio::test]
async fn handlers_in_python_answer_and_fail_as_on_lambda() {
    let cloud = Cloud::start(&of(vec![
        inline("f", "python3.12", "index.handler", PYTHON),
        inline("missing", "python3.12", "index.other", PYTHON),
        inline(
            "import",
            "python3.12",
            "index.handler",
            "import no_such_module\n",
        ),
        inline("syntax", "python3.12", "index.handler", "def handler(:\n"),
        inline("named", "python3.12", "handler", PYTHON),
    ]))
    .await;
    let expected = json!({"event": {"n": 1}, "half": 0.5, "name": "f", "left": true, "here": true, "umlaut": "ä"});
    assert_eq!(ask(&cloud, "f", json!({"n": 1})).await, expected);
    assert_eq!(
        ask(&cloud, "f", json!("raise")).await,
        json!(["TooLittle", "one at least"])
    );
    let unfit = "Unable to marshal response: Object of type set is not JSON serializable";
    assert_eq!(
        ask(&cloud, "f", json!("unfit")).await,
        json!(["Runtime.MarshalError", unfit])
    );
    for (name, kind) in [
        ("missing", "Runtime.HandlerNotFound"),
        ("import", "Runtime.ImportModuleError"),
        ("syntax", "Runtime.UserCodeSyntaxError"),
        ("named", "Runtime.MalformedHandlerName"),
    ] {
        assert_eq!(ask(&cloud, name, json!({})).await[0], kind, "{name}");
    }
}

#[tokio::test]
async fn handlers_in_node_answer_and_fail_as_on_lambda() {
    let cloud = Cloud::start(&of(vec![
        inline("f", "nodejs22.x", "index.handler", NODE),
        inline("late", "nodejs22.x", "index.late", NODE),
        inline("never", "nodejs22.x", "index.never", NODE),
        inline("missing", "nodejs22.x", "index.other", NODE),
        inline("file", "nodejs22.x", "other.handler", NODE),
        inline(
            "syntax",
            "nodejs22.x",
            "index.handler",
            "exports.handler = (;",
        ),
    ]))
    .await;
    let expected = json!({"event": {"n": 1}, "name": "f", "left": true});
    assert_eq!(ask(&cloud, "f", json!({"n": 1})).await, expected);
    assert_eq!(
        ask(&cloud, "f", json!("raise")).await,
        json!(["TooLittle", "one at least"])
    );
    assert_eq!(ask(&cloud, "late", json!(7)).await, 7);
    for _ in 0..2 {
        assert_eq!(ask(&cloud, "never", json!(7)).await, Value::Null);
    }
    for (name, kind) in [
        ("missing", "Runtime.HandlerNotFound"),
        ("file", "Runtime.ImportModuleError"),
        ("syntax", "Runtime.UserCodeSyntaxError"),
    ] {
        assert_eq!(ask(&cloud, name, json!({})).await[0], kind, "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_run_says_how_it_can() {
    let elsewhere = Function {
        code: Code::Elsewhere("s3://bucket/code.zip".into()),
        runtime: Some("python3.12".into()),
        ..function("elsewhere", 20)
    };
    let folder = Function {
        code: Code::Folder("/nowhere/at/all".into()),
        runtime: Some("python3.12".into()),
        ..function("folder", 20)
    };
    let cloud = Cloud::start(&of(vec![
        elsewhere,
        folder,
        inline("java", "java21", "App::handle", ""),
        inline("go", "provided.al2023", "bootstrap", ""),
    ]))
    .await;
    for (name, words) in [
        (
            "elsewhere",
            "not on this machine: s3://bucket/code.zip; name a command",
        ),
        ("folder", "/nowhere/at/all: no such folder"),
        (
            "java",
            "runtime java21: the local cloud runs Python, Node.js and executables",
        ),
        (
            "go",
            "no executable `bootstrap`, which provided.al2023 starts",
        ),
    ] {
        let refused = ask(&cloud, name, json!({})).await;
        assert_eq!(refused[0], "Runtime.InvalidEntrypoint");
        assert!(refused[1].as_str().unwrap().contains(words), "{refused}");
    }
}

/// A version keeps the code as it was.
#[tokio::test]
async fn a_version_of_a_handler_keeps_its_code() {
    let code = tempfile::tempdir().unwrap();
    let write = |answer: u8| {
        let text = format!("def handler(event, context):\n    return {answer}\n");
        std::fs::write(code.path().join("app.py"), text).unwrap();
    };
    write(1);
    let function = Function {
        handler: "app.handler".into(),
        runtime: Some("python3.12".into()),
        code: Code::Folder(code.path().to_owned()),
        ..function("f", 20)
    };
    let cloud = Cloud::start(&of(vec![function])).await;
    let publish = cloud.lambda().publish_version().function_name("f");
    assert_eq!(publish.send().await.unwrap().version(), Some("1"));
    write(2);
    assert_eq!(ask(&cloud, "f:1", json!({})).await, 1);
    assert_eq!(ask(&cloud, "f", json!({})).await, 2);
}
