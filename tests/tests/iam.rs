//! Least privilege, both ways: every role allows what its owner calls, and nothing else.
//!
//! `blueprint` compares what functions, workers and state machines call with what `deploy/iam.yml` allows them; a
//! difference in either direction fails here, and so does `"*"` as a resource where the service authorization pages name
//! a resource type for the action.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs};

use blueprint::check::{
    calls::{UNSCOPED, WORDS},
    check, sources,
};
use end_to_end::root;
use serde_json::Value;
use stack::yaml;

/// Executions of a state machine, and those of its Map Runs: a child's ARN has the Map's label behind a slash.
const OWN_EXECUTIONS: &str = ":*";
const CHILD_EXECUTIONS: &str = "/*";

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

#[test]
fn every_role_allows_what_its_owner_calls_and_nothing_else() {
    let findings = check(root()).unwrap();
    let told: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn a_star_stands_only_where_it_must() {
    let unscoped: BTreeSet<&str> = UNSCOPED
        .iter()
        .flat_map(|(_, actions)| actions.concat())
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
    let text = sources(&root().join("shared")).unwrap();
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
