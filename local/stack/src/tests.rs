use std::time::Duration;

use serde_json::json;

use super::*;

const SERVERLESS: &str = r#"
service: hybrid
params:
  default: {subnets: '', registry: example.com}
  prod: {subnets: 'subnet-1,subnet-2'}
provider:
  name: aws
  region: eu-west-1
  stage: ${opt:stage, 'dev'}
  memorySize: 256
  environment:
    BUCKET: !Ref Artifacts
    PREFIX: ${self:service}-${sls:stage}
functions:
  dispatcher:
    handler: dispatcher
    timeout: 30
    environment:
      CLUSTER: {Ref: Cluster}
      SUBNETS: !If [OwnNetwork, !Join [',', [!Ref SubnetA, !Ref SubnetB]], '${param:subnets}']
      JOB_QUEUE: {Ref: Queue}
  job-watcher:
    handler: functions/job-watcher.bootstrap
    reservedConcurrency: 2
    events:
      - schedule: rate(5 minutes)
      - eventBridge:
          pattern: {source: [aws.batch]}
      - httpApi: 'GET /x'
  trainer:
    image: ${param:registry}/trainer:1
    maximumRetryAttempts: 0
    maximumEventAge: 480
    destinations: {onFailure: job-watcher}
resources:
  - ${file(fragment.yml)}
  - Conditions:
      OwnNetwork: !Equals ['${param:subnets}', '']
    Resources:
      Artifacts:
        Type: AWS::S3::Bucket
        Properties: {BucketName: 'hybrid-${sls:stage}-${aws:accountId}'}
      Pipeline:
        Type: AWS::StepFunctions::StateMachine
        Properties:
          StateMachineName: ${self:service}-${sls:stage}-ml
          Definition: ${file(statemachines/ml.asl.json)}
          DefinitionSubstitutions:
            DispatcherFunctionArn: !GetAtt DispatcherLambdaFunction.Arn
            ClusterArn: !GetAtt Cluster.Arn
            Quote: 'say "x"'
          RoleArn: !GetAtt StatesRole.Arn
      Inline:
        Type: AWS::StepFunctions::StateMachine
        Properties:
          StateMachineType: EXPRESS
          DefinitionString: !Sub |
            {"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "${Poll}", "End": true}}}
      Version:
        Type: AWS::StepFunctions::StateMachineVersion
        Properties: {StateMachineArn: !Ref Pipeline}
      Live:
        Type: AWS::StepFunctions::StateMachineAlias
        Properties:
          Name: live
          DeploymentPreference: {StateMachineVersionArn: !Ref Version, Type: ALL_AT_ONCE}
      Weighted:
        Type: AWS::StepFunctions::StateMachineAlias
        Properties:
          Name: weighted
          Description: !Sub 'beside ${Live}'
          RoutingConfiguration: [{StateMachineVersionArn: !Ref Version, Weight: 100}]
      Poll:
        Type: AWS::StepFunctions::Activity
        Properties: {Name: poll}
      Watch:
        Type: AWS::Events::Rule
        Properties:
          EventPattern: {source: [aws.ecs], detail-type: [ECS Task State Change]}
          Targets:
            - Id: watcher
              Arn: !GetAtt JobDashwatcherLambdaFunction.Arn
              InputPath: $.detail
      Nightly:
        Type: AWS::Scheduler::Schedule
        Properties:
          ScheduleExpression: cron(0 2 * * ? *)
          State: DISABLED
          FlexibleTimeWindow: {Mode: 'OFF'}
          Target: {Arn: !Ref Pipeline, RoleArn: !GetAtt StatesRole.Arn, Input: '{"rounds": 2}'}
      Unread:
        Type: AWS::CloudWatch::Alarm
        Properties: {X: '${ssm:/only/on/aws}', Y: !ImportValue Elsewhere}
"#;

const FRAGMENT: &str = r"
Resources:
  StatesRole: {Type: AWS::IAM::Role, Properties: {}}
  SubnetA: {Type: AWS::EC2::Subnet, Condition: OwnNetwork}
  SubnetB: {Type: AWS::EC2::Subnet, Condition: OwnNetwork}
  Cluster: {Type: AWS::ECS::Cluster}
  Trainer:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Family: !Sub '${AWS::StackName}-trainer'
      Cpu: '1 vCPU'
      Memory: '2048'
      RequiresCompatibilities: [FARGATE]
      ContainerDefinitions:
        - Name: worker
          Image: !Sub '${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/trainer:latest'
          Command: [--seed, 7]
          StopTimeout: 5
          Environment: [{Name: BUCKET, Value: !Ref Artifacts}]
  TrainerJob:
    Type: AWS::Batch::JobDefinition
    Properties:
      Type: container
      JobDefinitionName: trainer
      PlatformCapabilities: [FARGATE]
      RetryStrategy:
        Attempts: 3
        EvaluateOnExit: [{OnStatusReason: 'Host EC2*', Action: RETRY}, {OnReason: '*', Action: EXIT}]
      Timeout: {AttemptDurationSeconds: 600}
      ContainerProperties:
        Image: trainer
        ResourceRequirements: [{Type: VCPU, Value: '0.5'}, {Type: MEMORY, Value: '1024'}]
  Queue:
    Type: AWS::Batch::JobQueue
    Properties:
      JobQueueName: queue
      Priority: 5
      ComputeEnvironmentOrder:
        - {Order: 2, ComputeEnvironment: other}
        - {Order: 1, ComputeEnvironment: !Ref Spot}
  Spot:
    Type: AWS::Batch::ComputeEnvironment
    Properties: {Type: MANAGED, ComputeEnvironmentName: spot, ComputeResources: {Type: FARGATE_SPOT, MaxvCpus: 8}}
";

fn load(serverless: &str, options: &Options) -> Result<Stack, StackError> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    std::fs::create_dir(folder.path().join("statemachines")).unwrap();
    write("serverless.yml", serverless);
    write("fragment.yml", FRAGMENT);
    write(
        "statemachines/ml.asl.json",
        r#"{"StartAt": "A", "Comment": "${Quote}", "States": {"A": {"Type": "Task", "Resource": "${DispatcherFunctionArn}", "End": true}}}"#,
    );
    Stack::load(&folder.path().join("serverless.yml"), options)
}

#[test]
fn functions_are_read_as_the_framework_names_them() {
    let stack = load(SERVERLESS, &Options::default()).unwrap();
    let dispatcher = &stack.functions[0];
    assert_eq!(dispatcher.name, "hybrid-dev-dispatcher");
    assert_eq!(dispatcher.logical_id, "DispatcherLambdaFunction");
    assert_eq!(
        dispatcher.arn,
        "arn:aws:lambda:eu-west-1:123456789012:function:hybrid-dev-dispatcher"
    );
    assert_eq!(
        (dispatcher.memory_mib, dispatcher.timeout),
        (256, Duration::from_secs(30))
    );
    assert_eq!(dispatcher.environment["BUCKET"], "hybrid-dev-123456789012");
    assert_eq!(dispatcher.environment["PREFIX"], "hybrid-dev");
    assert_eq!(dispatcher.environment["CLUSTER"], "hybrid-dev-Cluster");
    assert_eq!(
        dispatcher.environment["JOB_QUEUE"],
        "arn:aws:batch:eu-west-1:123456789012:job-queue/queue"
    );
    let subnets: Vec<&str> = dispatcher.environment["SUBNETS"].split(',').collect();
    assert!(
        subnets.len() == 2 && subnets.iter().all(|id| id.starts_with("subnet-0")),
        "{subnets:?}"
    );
    let watcher = &stack.functions[1];
    assert_eq!(
        (watcher.binary.as_str(), watcher.reserved_concurrency),
        ("job-watcher", Some(2))
    );
    let trainer = &stack.functions[2];
    assert_eq!(
        (trainer.binary.as_str(), trainer.maximum_retry_attempts),
        ("trainer", Some(0))
    );
    assert_eq!(trainer.maximum_event_age, Some(Duration::from_secs(480)));
    assert_eq!(trainer.on_failure.as_ref(), Some(&watcher.arn));
}

#[test]
fn parameters_follow_the_stage() {
    let options = Options {
        stage: Some("prod".into()),
        ..Options::default()
    };
    let stack = load(SERVERLESS, &options).unwrap();
    assert_eq!(stack.functions[0].name, "hybrid-prod-dispatcher");
    assert_eq!(
        stack.functions[0].environment["SUBNETS"],
        "subnet-1,subnet-2"
    );
}

#[test]
fn aliases_lead_to_the_state_machine_of_their_version() {
    let stack = load(SERVERLESS, &Options::default()).unwrap();
    let arn = &stack.state_machine("ml").unwrap().arn;
    let aliases = stack.state_machine_aliases.iter();
    let aliases: Vec<_> = aliases
        .map(|alias| (alias.name.as_str(), &alias.state_machine_arn))
        .collect();
    assert_eq!(aliases, [("live", arn), ("weighted", arn)]);
}

#[test]
fn state_machines_get_their_substitutions() {
    let stack = load(SERVERLESS, &Options::default()).unwrap();
    let machine = stack.state_machine("ml").unwrap();
    assert_eq!(
        machine.arn,
        "arn:aws:states:eu-west-1:123456789012:stateMachine:hybrid-dev-ml"
    );
    assert_eq!(
        machine.role_arn,
        "arn:aws:iam::123456789012:role/hybrid-dev-StatesRole"
    );
    let definition: Value = serde_json::from_str(&machine.definition).unwrap();
    assert_eq!(
        definition["States"]["A"]["Resource"],
        json!(stack.functions[0].arn)
    );
    assert_eq!(definition["Comment"], "say \"x\"");
    let inline = stack.state_machine("Inline").unwrap();
    assert_eq!(inline.kind, StateMachineKind::Express);
    assert!(
        inline.definition.contains(&stack.activities[0].arn),
        "{}",
        inline.definition
    );
}

#[test]
fn containers_jobs_and_queues_are_read() {
    let stack = load(SERVERLESS, &Options::default()).unwrap();
    let task = &stack.task_definitions[0];
    assert_eq!(
        task.arn,
        "arn:aws:ecs:eu-west-1:123456789012:task-definition/hybrid-dev-trainer:1"
    );
    assert_eq!((task.cpu, task.memory_mib), (Some(1024), Some(2048)));
    let worker = &task.containers[0];
    assert_eq!(
        worker.image,
        "123456789012.dkr.ecr.eu-west-1.amazonaws.com/trainer:latest"
    );
    assert_eq!(worker.command, ["--seed", "7"]);
    assert_eq!(worker.stop_timeout, Some(Duration::from_secs(5)));
    assert_eq!(worker.environment["BUCKET"], "hybrid-dev-123456789012");
    let job = &stack.job_definitions[0];
    assert_eq!((job.vcpus, job.memory_mib, job.attempts), (0.5, 1024, 3));
    assert_eq!(
        job.evaluate_on_exit[0].on_status_reason.as_deref(),
        Some("Host EC2*")
    );
    assert_eq!(job.timeout, Some(Duration::from_secs(600)));
    assert_eq!(stack.job_queues[0].compute_environments, ["spot", "other"]);
    assert_eq!(stack.compute_environments[0].kind, "FARGATE_SPOT");
    assert_eq!(stack.compute_environments[0].max_vcpus, Some(8.0));
}

#[test]
fn rules_and_schedules_are_read() {
    let stack = load(SERVERLESS, &Options::default()).unwrap();
    let by_name = |name: &str| stack.rules.iter().find(|rule| rule.name == name).unwrap();
    let watch = by_name("hybrid-dev-Watch");
    assert_eq!(watch.pattern["source"], json!(["aws.ecs"]));
    assert_eq!(watch.targets[0].arn, stack.functions[1].arn);
    assert_eq!(watch.targets[0].input_path.as_deref(), Some("$.detail"));
    let schedule = by_name("hybrid-dev-job-watcher-schedule-1-1");
    assert_eq!(
        schedule.schedule_expression.as_deref(),
        Some("rate(5 minutes)")
    );
    assert_eq!(
        by_name("hybrid-dev-job-watcher-rule-2").pattern,
        json!({"source": ["aws.batch"]})
    );
    let nightly = &stack.schedules[0];
    assert!(!nightly.enabled);
    assert_eq!(
        (&nightly.target_arn, &nightly.input),
        (&stack.state_machines[0].arn, &json!({"rounds": 2}))
    );
}

#[test]
fn errors_name_the_yaml_path() {
    let table = [
        (
            "{source: [aws.ecs], detail-type",
            "{source: null, detail-type",
            "resources.Resources.Watch.Properties.EventPattern.source: null values are not allowed in templates",
        ),
        (
            "handler: dispatcher",
            "hindler: dispatcher",
            "functions.dispatcher: expected `handler` or `image`",
        ),
        (
            "timeout: 30",
            "timeout: soon",
            "functions.dispatcher.timeout: expected a number, found \"soon\"",
        ),
        (
            "!GetAtt Cluster.Arn",
            "!GetAtt Clutter.Arn",
            "resources.Resources.Pipeline.Properties.DefinitionSubstitutions.ClusterArn: no resource, function or parameter Clutter",
        ),
        (
            "statemachines/ml.asl.json",
            "statemachines/no.asl.json",
            "resources.Resources.Pipeline.Properties.Definition: `${file(statemachines/no.asl.json)}` has no value",
        ),
        (
            "EXPRESS",
            "FAST",
            "resources.Resources.Inline.Properties: StateMachineType: STANDARD or EXPRESS, not FAST",
        ),
    ];
    for (from, to, expected) in table {
        let error = load(&SERVERLESS.replace(from, to), &Options::default())
            .unwrap_err()
            .to_string();
        assert!(error.contains(&format!(" {expected}")), "{error}");
        assert!(error.contains("serverless.yml:"), "{error}");
    }
}

/// The product's own stack, as `sls deploy` takes it.
#[test]
fn the_demo_stack_is_read() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../serverless.yml");
    let stack = Stack::load(&file, &Options::default()).unwrap();
    assert!(
        !stack.functions.is_empty()
            && !stack.task_definitions.is_empty()
            && !stack.job_definitions.is_empty()
    );
    for machine in &stack.state_machines {
        let definition: Value = serde_json::from_str(&machine.definition).unwrap();
        assert!(definition["StartAt"].is_string(), "{}", machine.name);
        assert!(
            !machine.definition.contains("${"),
            "{}: a substitution is missing",
            machine.name
        );
    }
}
