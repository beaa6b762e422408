//! Least privilege, both ways: every role allows what its owner calls, and nothing else.
//!
//! What a function calls is read from its sources, what a state machine calls from its definition; what they may
//! call is read from `deploy/iam.yml`. A difference in either direction fails, and so does `"*"` as a resource
//! where the service authorization pages name a resource type for the action.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use end_to_end::root;
use serde_json::Value;
use stack::yaml;

type Actions = BTreeSet<String>;

/// Every function writes its log and its trace.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html>
const EVERY_FUNCTION: &[&str] = &[
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
];

/// Every state machine delivers its log and its trace.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html>
/// <https://docs.aws.amazon.com/step-functions/latest/dg/concepts-xray-tracing.html>
const EVERY_STATE_MACHINE: &[&str] = &[
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
];

/// Where ECS starts a task it assumes the roles of its definition.
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html>
const RUN_TASK: &[&str] = &["ecs:RunTask", "iam:PassRole"];

/// S3 answers 403 for a missing key to whoever may not list the bucket, and a handler must tell missing from
/// forbidden. <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>
const GET_OBJECT: &[&str] = &["s3:GetObject", "s3:ListBucket"];

/// A word of a source, and what whoever writes it calls: operations of the SDK, and the verbs of `shared` that
/// stand for them.
const WORDS: &[(&str, &[&str])] = &[
    (".get_object()", GET_OBJECT),
    (".put_object()", &["s3:PutObject"]),
    (".list_objects_v2()", &["s3:ListBucket"]),
    (".delete_objects()", &["s3:DeleteObject"]),
    (".run_task()", RUN_TASK),
    (".propagate_tags(", &["ecs:TagResource"]),
    (".stop_task()", &["ecs:StopTask"]),
    (".describe_tasks()", &["ecs:DescribeTasks"]),
    (".submit_job()", &["batch:SubmitJob"]),
    (".list_jobs()", &["batch:ListJobs"]),
    (".describe_jobs()", &["batch:DescribeJobs"]),
    (".terminate_job()", &["batch:TerminateJob"]),
    (".invoke()", &["lambda:InvokeFunction"]),
    (".get_activity_task()", &["states:GetActivityTask"]),
    (".start_execution()", &["states:StartExecution"]),
    (".send_task_success()", &["states:SendTaskSuccess"]),
    (".send_task_failure()", &["states:SendTaskFailure"]),
    (".send_task_heartbeat()", &["states:SendTaskHeartbeat"]),
    ("GetObject", GET_OBJECT),
    ("PutObject", &["s3:PutObject"]),
    ("ListObjects", &["s3:ListBucket"]),
    ("find_json(", GET_OBJECT),
    ("put_json(", &["s3:PutObject"]),
    (
        "put_once(",
        &["s3:GetObject", "s3:ListBucket", "s3:PutObject"],
    ),
    ("note_end(", &["s3:PutObject"]),
    (
        ".compact(",
        &[
            "s3:GetObject",
            "s3:ListBucket",
            "s3:PutObject",
            "s3:DeleteObject",
        ],
    ),
    ("PollActivity", &["states:GetActivityTask"]),
    ("Signal::Success", &["states:SendTaskSuccess"]),
    ("Signal::Failure", &["states:SendTaskFailure"]),
    ("Signal::Heartbeat", &["states:SendTaskHeartbeat"]),
    (
        ".signal(",
        &["states:SendTaskSuccess", "states:SendTaskFailure"],
    ),
];

/// What the harness of the workers does for each of them.
const WORKER: &[&str] = &[
    "s3:GetObject",
    "s3:ListBucket",
    "s3:PutObject",
    "states:SendTaskSuccess",
    "states:SendTaskFailure",
    "states:SendTaskHeartbeat",
];

/// What the harness does besides in a container: a worker there may poll an activity.
const CONTAINER: &[&str] = &["states:GetActivityTask"];

/// What Step Functions calls for an integration.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/service-integration-iam-templates.html>
const INTEGRATIONS: &[(&str, &[&str])] = &[
    ("arn:aws:states:::lambda:invoke", &[]),
    ("arn:aws:states:::lambda:invoke.waitForTaskToken", &[]),
    ("arn:aws:states:::ecs:runTask", RUN_TASK),
    ("arn:aws:states:::ecs:runTask.waitForTaskToken", RUN_TASK),
    (
        "arn:aws:states:::ecs:runTask.sync",
        &[
            "ecs:RunTask",
            "iam:PassRole",
            "ecs:StopTask",
            "ecs:DescribeTasks",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    ("arn:aws:states:::batch:submitJob", &["batch:SubmitJob"]),
    (
        "arn:aws:states:::batch:submitJob.sync",
        &[
            "batch:SubmitJob",
            "batch:DescribeJobs",
            "batch:TerminateJob",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    (
        "arn:aws:states:::states:startExecution.sync:2",
        &[
            "states:StartExecution",
            "states:DescribeExecution",
            "states:StopExecution",
            "events:PutTargets",
            "events:PutRule",
            "events:DescribeRule",
        ],
    ),
    (
        "arn:aws:states:::states:startExecution",
        &["states:StartExecution"],
    ),
    ("arn:aws:states:::aws-sdk:s3:getObject", &["s3:GetObject"]),
    ("arn:aws:states:::aws-sdk:s3:putObject", &["s3:PutObject"]),
    ("arn:aws:states:::s3:getObject", &["s3:GetObject"]),
    ("arn:aws:states:::s3:listObjectsV2", &["s3:ListBucket"]),
    (
        "arn:aws:states:::s3:putObject",
        &[
            "s3:PutObject",
            "s3:ListMultipartUploadParts",
            "s3:AbortMultipartUpload",
        ],
    ),
    ("arn:aws:states:::sns:publish", &["sns:Publish"]),
];

/// What a Map in distributed mode needs besides: it starts its own state machine as child executions, and whoever
/// redrives the parent restarts those that failed.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html>
const DISTRIBUTED: &[&str] = &[
    "states:StartExecution",
    "states:DescribeExecution",
    "states:StopExecution",
    "states:RedriveExecution",
];

/// Executions of a state machine, and those of its Map Runs: a child's ARN has the Map's label behind a slash.
const OWN_EXECUTIONS: &str = ":*";
const CHILD_EXECUTIONS: &str = "/*";

/// Actions without a resource type on their service authorization page, so that `"*"` is the only resource.
const UNSCOPED: &[(&str, &[&str])] = &[
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsstepfunctions.html",
        &[
            "states:SendTaskSuccess",
            "states:SendTaskFailure",
            "states:SendTaskHeartbeat",
        ],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsbatch.html",
        &["batch:DescribeJobs", "batch:ListJobs"],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html",
        &[
            "xray:PutTraceSegments",
            "xray:PutTelemetryRecords",
            "xray:GetSamplingRules",
            "xray:GetSamplingTargets",
        ],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatchlogs.html",
        &[
            "logs:CreateLogDelivery",
            "logs:GetLogDelivery",
            "logs:UpdateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:DescribeResourcePolicies",
            "logs:DescribeLogGroups",
        ],
    ),
    (
        "https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonelasticcontainerregistry.html",
        &["ecr:GetAuthorizationToken"],
    ),
];

fn read(path: &str) -> Value {
    let path = root().join(path);
    yaml::parse(&fs::read_to_string(&path).unwrap(), &path).unwrap()
}

fn many(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// One statement's action with one of its resources.
struct Grant {
    role: String,
    action: String,
    resource: Value,
    condition: Value,
}

impl Grant {
    /// The resource as it is written: an ARN with placeholders, or the logical id that a reference names.
    fn written(&self) -> &str {
        [
            &self.resource,
            &self.resource["Fn::Sub"],
            &self.resource["Ref"],
            &self.resource["Fn::GetAtt"][0],
        ]
        .into_iter()
        .find_map(Value::as_str)
        .unwrap_or_else(|| panic!("{}: {} names nothing", self.role, self.resource))
    }
}

/// The grants of all inline policies of all roles.
fn grants() -> Vec<Grant> {
    let template = read("deploy/iam.yml");
    let mut grants = Vec::new();
    for (role, body) in template["Resources"].as_object().unwrap() {
        let statements = many(&body["Properties"]["Policies"])
            .into_iter()
            .flat_map(|policy| many(&policy["PolicyDocument"]["Statement"]));
        for statement in statements {
            assert_eq!(
                statement["Effect"], "Allow",
                "{role}: only what is allowed is written down"
            );
            for action in many(&statement["Action"]) {
                for resource in many(&statement["Resource"]) {
                    grants.push(Grant {
                        role: role.clone(),
                        action: action.as_str().unwrap().to_owned(),
                        resource,
                        condition: statement["Condition"].clone(),
                    });
                }
            }
        }
    }
    grants
}

/// Actions per role; an invocation counts per function, as `lambda:InvokeFunction TunerLambdaFunction`.
fn allowed() -> BTreeMap<String, Actions> {
    let mut allowed: BTreeMap<String, Actions> = BTreeMap::new();
    for Grant {
        role,
        action,
        resource,
        ..
    } in grants()
    {
        let action = match (action.as_str(), &resource["Fn::GetAtt"][0]) {
            ("lambda:InvokeFunction", Value::String(function)) => format!("{action} {function}"),
            _ => action,
        };
        allowed.entry(role).or_default().insert(action);
    }
    allowed
}

fn owned(actions: &[&str]) -> Actions {
    actions.iter().map(|action| (*action).to_owned()).collect()
}

/// The sources of a crate without their tests.
fn sources(folder: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|it| it == "rs") && !name.ends_with("tests") {
            let file = fs::read_to_string(&path).unwrap();
            text += file.split("#[cfg(test)]").next().unwrap();
        }
    }
    text
}

fn crate_folder(name: &str) -> Option<std::path::PathBuf> {
    ["functions", "workers"]
        .map(|group| root().join(group).join(name).join("src"))
        .into_iter()
        .find(|folder| folder.is_dir())
}

/// What the code of a function or worker calls.
fn called_by_code(name: &str) -> Actions {
    let text = sources(&crate_folder(name).unwrap_or_else(|| panic!("no crate {name}")));
    let mut called: Actions = WORDS
        .iter()
        .filter(|(word, _)| text.contains(word))
        .flat_map(|(_, actions)| owned(actions))
        .collect();
    if text.contains("worker::run") {
        called.extend(owned(WORKER));
    }
    called
}

/// Differences between what is needed and what is allowed, as sentences.
fn differences(role: &str, needed: &Actions, allowed: &BTreeMap<String, Actions>) -> Vec<String> {
    let none = Actions::new();
    let allowed = allowed.get(role).unwrap_or(&none);
    let missing = needed
        .difference(allowed)
        .map(|action| format!("{role} lacks {action}"));
    let idle = allowed
        .difference(needed)
        .map(|action| format!("{role} does not need {action}"));
    missing.chain(idle).collect()
}

#[test]
fn functions_may_do_what_they_do() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (key, function) in read("serverless.yml")["functions"].as_object().unwrap() {
        let role = function["role"]
            .as_str()
            .unwrap_or_else(|| panic!("{key}: a role of its own"));
        let mut needed = called_by_code(function["handler"].as_str().unwrap());
        needed.extend(owned(EVERY_FUNCTION));
        // Lambda hands a failed event over in the function's own name.
        match &function["destinations"]["onFailure"] {
            Value::Null => {}
            Value::String(_) => needed.extend(owned(&["lambda:InvokeFunction"])),
            queue if queue["type"] == "sqs" => needed.extend(owned(&["sqs:SendMessage"])),
            other => panic!("{key}: say what a destination like {other} needs"),
        }
        let allowed = BTreeMap::from([(role.to_owned(), without_targets(&allowed[role]))]);
        wrong.extend(differences(role, &needed, &allowed));
    }
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

/// Code names the function it invokes at run time.
fn without_targets(actions: &Actions) -> Actions {
    actions
        .iter()
        .map(|action| action.split(' ').next().unwrap().to_owned())
        .collect()
}

#[test]
fn workers_may_do_what_they_do() {
    let workers = fs::read_dir(root().join("workers")).unwrap();
    let needed: Actions = workers
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .flat_map(|name| called_by_code(&name))
        .chain(owned(CONTAINER))
        .collect();
    let wrong = differences("WorkerRole", &needed, &allowed());
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

#[test]
fn state_machines_may_do_what_they_do() {
    let allowed = allowed();
    let mut wrong = Vec::new();
    for (id, resource) in read("deploy/statemachines.yml")["Resources"]
        .as_object()
        .unwrap()
    {
        if resource["Type"] != "AWS::StepFunctions::StateMachine" {
            continue;
        }
        let properties = &resource["Properties"];
        let role = properties["RoleArn"]["Fn::GetAtt"][0]
            .as_str()
            .unwrap_or_else(|| panic!("{id}: a role of its own"));
        let file = properties["Definition"].as_str().unwrap();
        let file = file.trim_start_matches("${file(").trim_end_matches(")}");
        let definition: Value =
            serde_json::from_str(&fs::read_to_string(root().join(file)).unwrap()).unwrap();
        let mut needed = owned(EVERY_STATE_MACHINE);
        called_by_state(
            &definition,
            &properties["DefinitionSubstitutions"],
            &mut needed,
        );
        wrong.extend(differences(role, &needed, &allowed));
    }
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

/// Collects what the states at and below `node` call.
fn called_by_state(node: &Value, substitutions: &Value, needed: &mut Actions) {
    match node {
        Value::Object(object) => {
            if let Some(resource) = object.get("Resource").and_then(Value::as_str) {
                needed.extend(called_by_task(resource, object, substitutions));
            }
            if node["ProcessorConfig"]["Mode"] == "DISTRIBUTED" {
                needed.extend(owned(DISTRIBUTED));
            }
            for child in object.values() {
                called_by_state(child, substitutions, needed);
            }
        }
        Value::Array(items) => {
            for item in items {
                called_by_state(item, substitutions, needed);
            }
        }
        _ => {}
    }
}

fn called_by_task(
    resource: &str,
    state: &serde_json::Map<String, Value>,
    substitutions: &Value,
) -> Actions {
    if let Some(function) = substituted(resource, substitutions) {
        // A function's or an activity's own ARN; only the function must be invoked.
        return owned(&[]).into_iter().chain(invoked(&function)).collect();
    }
    let (_, actions) = INTEGRATIONS
        .iter()
        .find(|(name, _)| *name == resource)
        .unwrap_or_else(|| panic!("{resource}: say in INTEGRATIONS what it calls"));
    let mut needed = owned(actions);
    if resource.starts_with("arn:aws:states:::lambda:invoke") {
        let arguments = state.get("Arguments").or(state.get("Parameters")).unwrap();
        let name = arguments["FunctionName"].as_str().unwrap();
        let function = substituted(name, substitutions)
            .unwrap_or_else(|| panic!("{name}: a function is named by a substitution"));
        needed.extend(invoked(&function));
    }
    needed
}

fn invoked(logical_id: &str) -> Option<String> {
    logical_id
        .ends_with("LambdaFunction")
        .then(|| format!("lambda:InvokeFunction {logical_id}"))
}

/// Logical id of the resource that `${Name}` stands for, perhaps with a version or alias behind it.
fn substituted(text: &str, substitutions: &Value) -> Option<String> {
    let name = text.strip_prefix("${")?.split('}').next()?;
    let value = &substitutions[name];
    let id = value["Fn::GetAtt"][0].as_str().or(value["Ref"].as_str());
    Some(
        id.unwrap_or_else(|| panic!("{text}: no such substitution"))
            .to_owned(),
    )
}

#[test]
fn a_star_stands_only_where_it_must() {
    let unscoped: BTreeSet<&str> = UNSCOPED
        .iter()
        .flat_map(|(_, actions)| *actions)
        .copied()
        .collect();
    let mut wrong = Vec::new();
    for Grant {
        role,
        action,
        resource,
        ..
    } in grants()
    {
        if action.contains('*') {
            wrong.push(format!("{role}: {action} allows more than one action"));
        }
        if (resource == "*") != unscoped.contains(action.as_str()) {
            wrong.push(format!("{role}: {action} on {resource}"));
        }
    }
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

/// Whether an ARN, or a reference to one, has a version or an alias behind the state machine.
fn is_qualified(written: &str) -> bool {
    let behind = |start: &str| {
        written
            .split_once(start)
            .is_some_and(|(_, rest)| rest.replace("${self:custom.prefix}", "").contains(':'))
    };
    behind(":stateMachine:") || behind("StateMachine}") || written.ends_with("Alias")
}

#[test]
fn versions_and_aliases_are_told_from_the_state_machine() {
    let arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine";
    for (written, qualified) in [
        ("LoadTestStateMachine", false),
        ("${LoadTestStateMachine}:live", true),
        ("LoadTestAlias", true),
        (
            &format!("{arn}:${{self:custom.prefix}}-parallel-map"),
            false,
        ),
        (
            &format!("{arn}:${{self:custom.prefix}}-parallel-map:3"),
            true,
        ),
    ] {
        assert_eq!(is_qualified(written), qualified, "{written}");
    }
}

/// Step Functions authorises by the state machine's own ARN, whatever the call names; the version or alias is the
/// condition key `states:StateMachineQualifier`.
/// <https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html>
#[test]
fn a_qualified_state_machine_is_granted_nowhere() {
    let wrong: Vec<_> = grants()
        .into_iter()
        .filter(|grant| is_qualified(grant.written()))
        .map(|grant| format!("{}: {} on {}", grant.role, grant.action, grant.written()))
        .collect();
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

#[test]
fn a_schedule_may_start_the_alias_that_it_names() {
    let mut schedules = 0;
    for (id, schedule) in read("deploy/schedule.yml")["Resources"]
        .as_object()
        .unwrap()
    {
        let target = &schedule["Properties"]["Target"];
        let arn = target["Arn"]["Fn::Sub"].as_str().unwrap();
        let (machine, alias) = arn
            .strip_prefix("${")
            .and_then(|rest| rest.split_once("}:"))
            .unwrap_or_else(|| panic!("{id}: {arn} names no alias"));
        let allowed = grants().into_iter().any(|grant| {
            target["RoleArn"]["Fn::GetAtt"][0] == grant.role.as_str()
                && grant.action == "states:StartExecution"
                && grant.written() == machine
                && grant.condition["StringEquals"]["states:StateMachineQualifier"] == alias
        });
        assert!(
            allowed,
            "{id}: its role may not start `{alias}` of {machine}"
        );
        schedules += 1;
    }
    assert!(schedules > 0);
}

#[test]
fn a_distributed_map_may_follow_its_children() {
    let mut wrong = Vec::new();
    let grants = grants();
    // Whoever starts a state machine by an ARN that is spelled out is that state machine: a reference would be a circle.
    let starts = grants.iter().filter_map(|grant| {
        let (_, name) = grant.written().split_once(":stateMachine:")?;
        Some((grant, name))
    });
    let mut maps = 0;
    for (start, name) in starts {
        for (action, executions) in [
            ("states:DescribeExecution", OWN_EXECUTIONS),
            ("states:DescribeExecution", CHILD_EXECUTIONS),
            ("states:StopExecution", OWN_EXECUTIONS),
            ("states:StopExecution", CHILD_EXECUTIONS),
            ("states:RedriveExecution", CHILD_EXECUTIONS),
        ] {
            let ending = format!(":execution:{name}{executions}");
            let allowed = grants.iter().any(|grant| {
                grant.role == start.role
                    && grant.action == action
                    && grant.written().ends_with(&ending)
            });
            if !allowed {
                wrong.push(format!("{} lacks {action} on {ending}", start.role));
            }
        }
        maps += 1;
    }
    assert!(maps > 0);
    assert!(wrong.is_empty(), "deploy/iam.yml:\n{}", wrong.join("\n"));
}

/// The table of words would be blind to a call that `shared` learns to make.
#[test]
fn shared_calls_nothing_that_the_words_miss() {
    let text = sources(&root().join("shared"));
    for call in text
        .split('.')
        .filter_map(|it| it.split_once("()\n"))
        .map(|(name, _)| name)
    {
        let is_operation = [
            "_object",
            "_task",
            "_job",
            "_jobs",
            "_tasks",
            "_execution",
            "invoke",
            "_events",
        ]
        .iter()
        .any(|ending| call.ends_with(ending));
        let word = format!(".{call}()");
        assert!(
            !is_operation || WORDS.iter().any(|(known, _)| *known == word),
            "{word}: say in WORDS what it calls"
        );
    }
}
