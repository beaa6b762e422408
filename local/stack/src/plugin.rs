//! `stepFunctions:` of a `serverless.yml`: state machines and activities as the plugin serverless-step-functions makes
//! resources of them. <https://www.serverless.com/plugins/serverless-step-functions>

use serde_json::{Value, json};

use super::StackError;
use super::intrinsics::{Resource, Template};
use super::names::normalized;
use super::variables::invalid;

/// Keys of a state machine that a deployment alone needs.
const OF_DEPLOYMENT: &[&str] = &[
    "alarms",
    "dependsOn",
    "iamRoleStatements",
    "inheritGlobalTags",
    "loggingConfig",
    "notifications",
    "retain",
    "tags",
    "tracingConfig",
    "useExactVersion",
    "encryptionConfig",
];

/// Adds the resources that the section stands for.
pub fn add(template: &mut Template) -> Result<(), StackError> {
    if template.variables.is_template() {
        return Ok(());
    }
    let section = template.variables.root()["stepFunctions"].clone();
    let section = template.merged("stepFunctions", &section)?;
    let mut made = Vec::new();
    if let Some(machines) = section.get("stateMachines") {
        let at = "stepFunctions.stateMachines";
        for (key, machine) in template.merged(at, machines)? {
            let at = format!("{at}.{key}");
            let machine = template.variables.expand(&machine, &at)?;
            state_machine(template, &key, &machine, &at, &mut made)?;
        }
    }
    let activities = section.get("activities").unwrap_or(&Value::Null);
    let activities = template
        .variables
        .expand(activities, "stepFunctions.activities")?;
    for (index, activity) in activities.as_array().into_iter().flatten().enumerate() {
        let at = format!("stepFunctions.activities.{index}");
        let name = template.text(activity, &at)?;
        let id = format!("{}StepFunctionsActivity", normalized(&name));
        made.push((
            id,
            resource("AWS::StepFunctions::Activity", json!({"Name": name}), at),
        ));
    }
    template.resources.extend(made);
    Ok(())
}

fn resource(kind: &str, properties: Value, at: String) -> Resource {
    Resource {
        kind: kind.to_owned(),
        body: json!({ "Properties": properties }),
        at,
    }
}

fn state_machine(
    template: &Template,
    key: &str,
    machine: &Value,
    at: &str,
    made: &mut Vec<(String, Resource)>,
) -> Result<(), StackError> {
    let Value::Object(given) = machine else {
        return Err(invalid(at, format!("expected a mapping, found {machine}")));
    };
    let id = match given.get("id") {
        Some(id) => template.text(id, &format!("{at}.id"))?,
        None => format!("{}StepFunctionsStateMachine", normalized(key)),
    };
    let mut properties = json!({ "Key": key });
    for (key, value) in given {
        let name = match key.as_str() {
            "definition" => "definition",
            "name" => "StateMachineName",
            "type" => "StateMachineType",
            "role" => "RoleArn",
            "id" | "events" => continue,
            key if OF_DEPLOYMENT.contains(&key) => continue,
            other => {
                let message = format!("unknown key `{other}` of a state machine");
                return Err(invalid(at, message));
            }
        };
        properties[name] = value.clone();
    }
    let events = given.get("events").unwrap_or(&Value::Null);
    let events_at = format!("{at}.events");
    let events = template.variables.expand(events, &events_at)?;
    for (index, event) in events.as_array().into_iter().flatten().enumerate() {
        let at = format!("{events_at}.{index}");
        let event = template.variables.expand(event, &at)?;
        for (kind, event) in event.as_object().into_iter().flatten() {
            let event = template.variables.expand(event, &format!("{at}.{kind}"))?;
            let number = index + 1;
            made.extend(source(&id, number, kind, &event, &format!("{at}.{kind}")));
        }
    }
    let kind = "AWS::StepFunctions::StateMachine";
    made.push((id, resource(kind, properties, at.to_owned())));
    Ok(())
}

/// The rules that an event of a state machine stands for.
fn source(id: &str, number: usize, kind: &str, event: &Value, at: &str) -> Vec<(String, Resource)> {
    let target = || {
        let mut target = json!({"Id": "1", "Arn": {"Fn::GetAtt": [id, "Arn"]}});
        for (from, to) in [
            ("input", "Input"),
            ("inputPath", "InputPath"),
            ("inputTransformer", "InputTransformer"),
        ] {
            if let Some(value) = event.get(from) {
                target[to] = value.clone();
            }
        }
        target
    };
    let state = match event["enabled"] == json!(false) {
        true => "DISABLED",
        false => "ENABLED",
    };
    let rule = |name: String, mut properties: Value| {
        properties["State"] = json!(state);
        properties["Targets"] = json!([target()]);
        (
            name,
            resource("AWS::Events::Rule", properties, at.to_owned()),
        )
    };
    match kind {
        "schedule" => {
            let rates = match event {
                Value::Object(full) => full.get("rate").cloned().unwrap_or(Value::Null),
                rate => rate.clone(),
            };
            let rates = match rates {
                Value::Array(rates) => rates,
                rate => vec![rate],
            };
            let made = rates.into_iter().enumerate().map(|(index, rate)| {
                let name = format!("{id}Schedule{number}x{}", index + 1);
                rule(name, json!({ "ScheduleExpression": rate }))
            });
            made.collect()
        }
        "eventBridge" | "cloudwatchEvent" => {
            let mut properties = json!({ "EventPattern": event["event"] });
            if let Some(bus) = event.get("eventBusName") {
                properties["EventBusName"] = bus.clone();
            }
            vec![rule(format!("{id}Event{number}"), properties)]
        }
        other => {
            let name = format!("{id}Event{number}");
            let kind = format!("{other} event");
            vec![(name, resource(&kind, event.clone(), at.to_owned()))]
        }
    }
}
