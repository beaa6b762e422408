//! What each front end makes of its file.

use std::path::Path;

use serde_json::{Value, json};

use super::*;

fn load(files: &[(&str, &str)], options: &Options) -> Result<Stack, StackError> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Stack::load(&folder.path().join(files[0].0), options)
}

fn read(name: &str, text: &str) -> Stack {
    load(&[(name, text)], &Options::default()).unwrap()
}

const PLUGIN: &str = "service: mill
provider: {name: aws, runtime: python3.12, stage: qa}
functions:
  grind: {handler: src/mill.grind, layers: [{Ref: ToolsLambdaLayer}, 'arn:aws:lambda:us-east-1:1:layer:x:1'], events: [http: GET /]}
  sift: {handler: a.b, package: {artifact: sift.zip}}
layers: {tools: {path: tools}}
stepFunctions:
  activities: [hand-feed]
  stateMachines:
    flour:
      type: EXPRESS
      tags: {a: b}
      events:
        - schedule: {rate: [rate(1 hour), rate(2 hours)], input: {x: 1}, enabled: false}
        - eventBridge: {event: {source: [grain]}}
        - http: {path: x, method: GET}
      definition:
        StartAt: Grind
        States:
          Grind: {Type: Task, Resource: {Fn::GetAtt: [grind, Arn]}, ResultPath: null, Next: Feed}
          Feed: {Type: Task, Resource: 'arn:aws:states:#{AWS::Region}:#{AWS::AccountId}:activity:hand-feed', Next: Sift}
          Sift: {Type: Task, Resource: 'arn:aws:states:::lambda:invoke', Parameters: {FunctionName: '${self:service}-${opt:stage}-sift'}, End: true}
";

#[test]
fn the_plugin_for_step_functions_is_read() {
    let stack = read("serverless.yml", PLUGIN);
    let machine = stack.state_machine("flour").unwrap();
    assert_eq!(machine.logical_id, "FlourStepFunctionsStateMachine");
    assert_eq!(machine.kind, StateMachineKind::Express);
    let definition: Value = serde_json::from_str(&machine.definition).unwrap();
    let states = &definition["States"];
    assert_eq!(states["Grind"]["Resource"], json!(stack.functions[0].arn));
    assert_eq!(states["Grind"]["ResultPath"], Value::Null);
    assert_eq!(states["Feed"]["Resource"], json!(stack.activities[0].arn));
    assert_eq!(states["Sift"]["Parameters"]["FunctionName"], "mill-qa-sift");
    let rules: Vec<_> = stack
        .rules
        .iter()
        .map(|rule| {
            (
                rule.schedule_expression.as_deref(),
                rule.enabled,
                rule.targets[0].arn == machine.arn,
            )
        })
        .collect();
    let expected = [
        (Some("rate(1 hour)"), false, true),
        (Some("rate(2 hours)"), false, true),
        (None, true, true),
    ];
    assert_eq!(rules, expected);
    assert_eq!(stack.rules[0].targets[0].input, Some(json!({"x": 1})));
    let told = stack.told_not_run();
    assert_eq!(
        told,
        [
            "declared and not here: layer arn:aws:lambda:us-east-1:1:layer:x:1, http event of grind, \
          http event FlourStepFunctionsStateMachineEvent3"
        ]
    );
}

#[test]
fn functions_of_the_framework_have_their_code() {
    let stack = read("serverless.yml", PLUGIN);
    let [grind, sift] = stack.functions.as_slice() else {
        panic!("{:?}", stack.functions);
    };
    assert_eq!(grind.runtime.as_deref(), Some("python3.12"));
    assert!(matches!(&grind.code, Code::Folder(_)), "{:?}", grind.code);
    assert!(grind.layers.len() == 1 && grind.layers[0].ends_with("tools"));
    // It is not packaged yet.
    assert!(matches!(&sift.code, Code::Folder(path) if path.ends_with("sift.zip")));
    assert_eq!(grind.package(), None);
}

#[test]
fn an_unknown_key_of_the_plugin_is_refused_with_its_line() {
    let text = PLUGIN.replace("tags: {a: b}", "defintion: x");
    let error = load(&[("serverless.yml", &text)], &Options::default()).unwrap_err();
    let expected = "serverless.yml:10: stepFunctions.stateMachines.flour: unknown key `defintion` of a state machine";
    assert!(error.to_string().ends_with(expected), "{error}");
}

const SAM: &str = "Transform: AWS::Serverless-2016-10-31
Parameters:
  Bus: {Type: String}
  Zones: {Type: CommaDelimitedList, Default: 'a, b'}
Globals:
  Function: {Runtime: python3.12, MemorySize: 256, Environment: {Variables: {A: '1', ZONE: !Select [1, !Ref Zones]}}}
Resources:
  Ring:
    Type: AWS::Serverless::Function
    Properties:
      CodeUri: ring/
      Handler: app.handler
      AutoPublishAlias: live
      Environment: {Variables: {B: !Ref Bus}}
      EventInvokeConfig: {MaximumRetryAttempts: 1}
      Events:
        Daily: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 day)}}
        Bell: {Type: EventBridgeRule, Properties: {Pattern: {source: [bell]}, InputPath: $.detail}}
        Queue: {Type: SQS, Properties: {Queue: q}}
  Once:
    Type: AWS::Serverless::StateMachine
    Properties:
      Name: once
      Type: EXPRESS
      Definition: {StartAt: A, States: {A: {Type: Task, Resource: !Ref Ring.Alias, End: true}}}
  Image:
    Type: AWS::Serverless::Function
    Properties: {PackageType: Image, ImageUri: '1.dkr.ecr.us-east-1.amazonaws.com/scan:2'}
  Rust:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda}
    Properties: {CodeUri: rust, Handler: bootstrap, Runtime: provided.al2023}
";

#[test]
fn sam_is_read() {
    let options = Options {
        params: [("Bus".to_owned(), "main".to_owned())].into(),
        ..Options::default()
    };
    let manifest = "[package]\nname = \"rust-one\"\nversion = \"1.0.0\"\n";
    let files = [("p/template.yaml", SAM), ("p/rust/Cargo.toml", manifest)];
    let stack = load(&files, &options).unwrap();
    let by_key = |key: &str| stack.functions.iter().find(|one| one.key == key).unwrap();
    let ring = by_key("Ring");
    assert_eq!((ring.name.as_str(), ring.memory_mib), ("p-Ring", 256));
    let variables = ["A", "B", "ZONE"].map(|name| ring.environment[name].as_str());
    assert_eq!(variables, ["1", "main", "b"]);
    assert_eq!(ring.maximum_retry_attempts, Some(1));
    assert!(matches!(&ring.code, Code::Folder(path) if path.ends_with("ring")));
    assert_eq!(
        stack.rules[0].targets[0].input_path.as_deref(),
        Some("$.detail")
    );
    assert_eq!(stack.schedules[0].target_arn, ring.arn);
    let once = stack.state_machine("once").unwrap();
    assert!(
        once.definition.contains(&format!("\"{}\"", ring.arn)),
        "{}",
        once.definition
    );
    assert_eq!(
        (by_key("Image").package(), by_key("Rust").package()),
        (Some("scan"), Some("rust-one"))
    );
    assert_eq!(
        stack
            .not_run
            .iter()
            .filter(|one| one.why == Why::NotHere)
            .count(),
        1
    );
    let error = load(&files, &Options::default()).unwrap_err().to_string();
    assert!(error.contains("template.yaml:14: Resources.Ring.Properties.Environment.Variables.B: parameter Bus has no Default; give it a value: --param Bus=VALUE"), "{error}");
}

#[test]
fn the_dead_letter_queue_of_a_schedule_is_here() {
    let template = r#"{"Resources": {
        "Late": {"Type": "AWS::SQS::Queue"},
        "Orders": {"Type": "AWS::SQS::Queue"},
        "Machine": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {
            "DefinitionString": "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Succeed\"}}}"}},
        "Hourly": {"Type": "AWS::Scheduler::Schedule", "Properties": {
            "ScheduleExpression": "rate(1 hour)", "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": {"Ref": "Machine"}, "RoleArn": "arn:aws:iam::1:role/r",
                "DeadLetterConfig": {"Arn": {"Fn::GetAtt": ["Late", "Arn"]}}}}}
    }}"#;
    let stack = read("template.json", template);
    let told = ["declared and not here: AWS::SQS::Queue Orders"];
    assert_eq!(stack.told_not_run(), told);
}

/// What `sls package` leaves: archives beside the template, one name for all of them in the bucket.
#[test]
fn a_packaged_service_is_read() {
    let template = r#"{"Resources": {
        "ServerlessDeploymentBucket": {"Type": "AWS::S3::Bucket"},
        "GrindLogGroup": {"Type": "AWS::Logs::LogGroup"},
        "GrindLambdaFunction": {"Type": "AWS::Lambda::Function", "Properties": {
            "Code": {"S3Bucket": {"Ref": "ServerlessDeploymentBucket"}, "S3Key": "serverless/mill/dev/17-2026/mill.zip"},
            "Handler": "mill.grind", "Runtime": "nodejs20.x", "FunctionName": "mill-dev-grind"}},
        "GrindLambdaVersion": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "GrindLambdaFunction"}}},
        "GrindLambdaEvConf": {"Type": "AWS::Lambda::EventInvokeConfig", "Properties": {
            "FunctionName": {"Ref": "GrindLambdaFunction"}, "MaximumRetryAttempts": 0, "Qualifier": "$LATEST"}},
        "Flour": {"Type": "AWS::StepFunctions::StateMachine", "Properties": {"DefinitionString": {"Fn::Sub": [
            "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Task\",\"Resource\":\"${one}\",\"End\":true}}}",
            {"one": {"Ref": "GrindLambdaVersion"}}]}}},
        "Elsewhere": {"Type": "AWS::Lambda::Function", "Properties": {"Code": {"S3Bucket": "b", "S3Key": "other.zip"},
            "Handler": "x.y", "Runtime": "python3.12"}}}}"#;
    let name = ".serverless/cloudformation-template-update-stack.json";
    let files = [(name, template), (".serverless/mill.zip", "")];
    let stack = load(&files, &Options::default()).unwrap();
    let grind = &stack.functions[0];
    assert!(
        matches!(&grind.code, Code::Archive(path) if path.ends_with(Path::new(".serverless/mill.zip")))
    );
    assert_eq!(grind.maximum_retry_attempts, Some(0));
    assert_eq!(
        stack.functions[1].code,
        Code::Elsewhere("s3://b/other.zip".into())
    );
    assert!(
        stack
            .state_machine("Flour")
            .unwrap()
            .definition
            .contains(&grind.arn)
    );
    assert!(stack.buckets.is_empty());
}

#[test]
fn what_another_stack_exports_may_be_given() {
    let text = "Resources: {F: {Type: AWS::Lambda::Function, Properties: {Handler: a.b, Runtime: python3.12, \
                Environment: {Variables: {TABLE: !ImportValue Shared-Table}}}}}";
    let files = [("template.yaml", text)];
    let error = load(&files, &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains(
            "Shared-Table is exported by another stack; give it a value: --param Shared-Table=VALUE"
        ),
        "{error}"
    );
    let options = Options {
        params: [("Shared-Table".to_owned(), "t".to_owned())].into(),
        ..Options::default()
    };
    assert_eq!(
        load(&files, &options).unwrap().functions[0].environment["TABLE"],
        "t"
    );
}

#[test]
fn what_is_no_stack_is_refused_by_what_was_looked_for() {
    let error = load(&[("template.yaml", "a: 1\n")], &Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("template.yaml: neither `service`"),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let error = Stack::load(folder.path(), &Options::default())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no *.asl.json, *.asl.yaml or *.asl.yml"),
        "{error}"
    );
}
