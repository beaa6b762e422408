//! Projects as people have them run as they are: of the Serverless Framework with its plugin for Step Functions, of SAM,
//! of the CDK, and plain folders; and what a set-up script makes in an empty account.

#![allow(clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use end_to_end::{hybrid, root};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A copy of a project, which may be written to.
fn project(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(
        &root().join("tests/tests/projects").join(name),
        folder.path(),
    );
    folder
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, &to).unwrap()),
        }
    }
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Calls `hybrid` in a folder: its exit code and both outputs.
fn call(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(hybrid());
    let output = command.current_dir(folder).args(arguments);
    let output = output.stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// The output of a run that must succeed, and what was said beside it.
fn run(folder: &Path, pipeline: &str, input: &Value, more: &[&str]) -> (Value, String) {
    let input = input.to_string();
    let first = ["run", pipeline, "--json", "--input", &input];
    let (code, stdout, stderr) = call(folder, &[&first[..], more].concat());
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    let ended: Value = serde_json::from_str(&stdout).unwrap();
    (ended["output"].clone(), stderr)
}

/// Python handlers, the plugin's state machine, pseudo parameters, a container that a command stands for.
#[test]
fn a_project_of_the_framework_and_its_plugin_runs() {
    let folder = project("origin");
    let weigh = "scales=printf '%s\\n' weighed by";
    let (output, told) = run(
        folder.path(),
        "Fields",
        &json!({"fields": 3}),
        &["--container", weigh],
    );
    assert_eq!(output, json!({"tons": 60, "by": "harvest-dev-reduce"}));
    assert!(
        told.contains("declared and not here: AWS::ECS::Service Service, http event"),
        "{told}"
    );
    assert!(told.contains("AWS::EC2::VPC"), "{told}");
    let (output, _) = run(
        folder.path(),
        "harvest-Fields",
        &json!({}),
        &["--container", weigh, "--stage", "prod"],
    );
    assert_eq!(output["by"], "harvest-prod-reduce");
    let (code, _, told) = call(
        folder.path(),
        &["run", "Fields", "--container", "scale=true"],
    );
    assert_eq!(code, Some(2));
    assert!(
        told.contains("--container scale: there is none; known are: scales"),
        "{told}"
    );
}

/// A definition's file with substitutions, globals, a layer, Python and Node.js.
#[test]
fn a_sam_project_runs() {
    let folder = project("sam");
    let (output, told) = run(folder.path(), "trade", &json!({"price": 5}), &[]);
    assert_eq!(output, "5 EUR");
    assert!(
        told.contains("Api event BuyFunctionApi, AWS::Serverless::SimpleTable Table"),
        "{told}"
    );
    let more = ["--param", "Currency=USD", "--project", "template.yaml"];
    let (output, _) = run(folder.path(), "Trade", &json!({"price": 50}), &more);
    assert_eq!(output, "kept");
    let (_, stdout, _) = call(folder.path(), &["doctor"]);
    assert!(stdout.contains("python3.12 of a function: 3."), "{stdout}");
}

/// The definition and the code in the template itself.
#[test]
fn a_sam_template_alone_runs() {
    let folder = tempfile::tempdir().unwrap();
    let template = r"
Transform: AWS::Serverless-2016-10-31
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition:
        StartAt: Add
        States:
          Add:
            Type: Task
            Resource: arn:aws:states:::lambda:invoke
            Parameters: {FunctionName: !Ref Add, Payload.$: $}
            OutputPath: $.Payload
            End: true
  Add:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: nodejs22.x
      Handler: index.handler
      AutoPublishAlias: live
      InlineCode: |
        exports.handler = async ({ a, b }) => a + b;
";
    write(folder.path(), "template.yml", template);
    let (output, _) = run(folder.path(), "Machine", &json!({"a": 1, "b": 2}), &[]);
    assert_eq!(output, 3);
}

/// What `sam build` has made, with a definition in YAML.
#[test]
fn a_built_sam_project_runs() {
    let folder = tempfile::tempdir().unwrap();
    let template = r"
Resources:
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties:
      Type: EXPRESS
      DefinitionUri: machine.asl.yaml
      DefinitionSubstitutions: {Function: !GetAtt Upper.Arn, Attempts: 2}
  Upper:
    Type: AWS::Serverless::Function
    Metadata: {SamResourceId: Upper}
    Properties: {Runtime: python3.13, Handler: upper.handler, CodeUri: Upper}
";
    let machine = "StartAt: Upper\nStates:\n  Upper:\n    Type: Task\n    Resource: ${Function}\n    End: true\n    \
                   Retry: [{ErrorEquals: [States.ALL], MaxAttempts: ${Attempts}}]\n";
    let handler = "def handler(event, context):\n    return event.upper()\n";
    let made = folder.path().join(".aws-sam/build");
    write(&made, "template.yaml", template);
    write(&made, "machine.asl.yaml", machine);
    write(&made, "Upper/upper.py", handler);
    let named = ["--project", ".aws-sam/build/template.yaml"];
    let (output, _) = run(folder.path(), "machine", &json!("loud"), &named);
    assert_eq!(output, "LOUD");
}

#[test]
fn what_the_cdk_has_made_runs() {
    let folder = project("cdk");
    let (output, told) = run(folder.path(), "Flow4B", &json!({"name": "you"}), &[]);
    assert_eq!(output, "Hello, you");
    assert!(told.contains("AWS::SNS::Topic Topic5"), "{told}");
    std::fs::remove_dir_all(folder.path().join("cdk.out")).unwrap();
    let (code, _, told) = call(folder.path(), &["run", "Flow4B"]);
    assert_eq!(code, Some(2));
    assert!(told.contains("run `cdk synth`"), "{told}");
}

/// Nothing but definitions and handlers.
#[test]
fn a_plain_folder_runs() {
    let folder = project("plain");
    let (output, _) = run(folder.path(), "flow", &json!({"n": 4}), &[]);
    assert_eq!(output, json!({"n": 4}));
    let command = "--function=halve=exec python3 bootstrap.py";
    let bootstrap = "import os, urllib.request as web\n\
                     base = f\"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation/\"\n\
                     asked = web.urlopen(base + 'next')\n\
                     place = base + asked.headers['Lambda-Runtime-Aws-Request-Id'] + '/response'\n\
                     web.urlopen(place, b'\"by a command\"').read()\n";
    write(folder.path(), "bootstrap.py", bootstrap);
    let (output, _) = run(folder.path(), "flow", &json!({"n": 4}), &[command]);
    assert_eq!(output, "by a command");
}

#[test]
fn a_folder_without_a_project_tells_what_was_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, told) = call(folder.path(), &["run", "flow", "--project", "."]);
    assert_eq!(code, Some(2));
    for name in ["serverless.yml", "template.yaml", "cdk.out", "*.asl.json"] {
        assert!(told.contains(name), "{told}");
    }
}

/// A server that ends with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python with boto3: that of the deployment test, else one on the path.
fn python() -> Option<PathBuf> {
    let installed = root().join("target/deploy/venv/bin/python");
    [installed, PathBuf::from("python3")]
        .into_iter()
        .find(|python| {
            let import = Command::new(python).args(["-c", "import boto3"]).output();
            import.is_ok_and(|output| output.status.success())
        })
}

/// Without boto3 the test says that it is skipped.
#[test]
fn a_set_up_script_makes_what_then_runs() {
    let Some(python) = python() else {
        eprintln!("no Python with boto3: skipped");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Command::new(hybrid());
    let serve = serve.current_dir(folder.path());
    let serve = serve.args(["serve", "--json", "--port", "0"]);
    let serve = serve.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = Server(serve.spawn().unwrap());
    let mut line = String::new();
    let stdout = server.0.stdout.take().unwrap();
    BufReader::new(stdout).read_line(&mut line).unwrap();
    let told: Value = serde_json::from_str(&line).unwrap();
    let output = Command::new(python)
        .arg(root().join("tests/tests/projects/deploy.py"))
        .env("AWS_ENDPOINT_URL", told["endpoint"].as_str().unwrap())
        .env("AWS_DEFAULT_REGION", told["region"].as_str().unwrap())
        .env("AWS_ACCESS_KEY_ID", "test")
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], r#"SUCCEEDED {"n":42,"by":"double"}"#);
    assert!(
        lines[1].starts_with("SUCCEEDED {\"Error\":\"NotYet\""),
        "{}",
        lines[1]
    );
}
