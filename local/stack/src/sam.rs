//! The Serverless Application Model: its resources as those of CloudFormation that it stands for. What becomes of roles
//! and policies is left to a deployment.
//! <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification.html>

use serde_json::{Map, Value, json};

use super::StackError;
use super::intrinsics::{Resource, intrinsic};
use super::variables::invalid;

/// What a resource stands for; one that is not of this model for itself.
pub fn translate(
    id: String,
    resource: Resource,
    globals: &Value,
) -> Result<Vec<(String, Resource)>, StackError> {
    let (section, kind, renamed): (_, _, &[(&str, &str)]) = match resource.kind.as_str() {
        "AWS::Serverless::Function" => ("Function", "AWS::Lambda::Function", &[]),
        "AWS::Serverless::LayerVersion" => ("LayerVersion", "AWS::Lambda::LayerVersion", &[]),
        "AWS::Serverless::StateMachine" => (
            "StateMachine",
            "AWS::StepFunctions::StateMachine",
            &[
                ("Name", "StateMachineName"),
                ("Type", "StateMachineType"),
                ("Role", "RoleArn"),
            ],
        ),
        _ => return Ok(vec![(id, resource)]),
    };
    let Resource { mut body, at, .. } = resource;
    let own = body.get("Properties").cloned().unwrap_or(json!({}));
    let mut properties = match inherited(&globals[section], own) {
        Value::Object(properties) => properties,
        other => {
            let message = format!("expected a mapping, found {other}");
            return Err(invalid(&at, message));
        }
    };
    for (from, to) in renamed {
        if let Some(value) = properties.remove(*from) {
            properties.insert((*to).to_owned(), value);
        }
    }
    let made = |kind: &str, body: Value, at: String| Resource {
        kind: kind.to_owned(),
        body,
        at,
    };
    let mut all = Vec::new();
    let has_role = ["Role", "RoleArn"]
        .iter()
        .any(|key| properties.contains_key(*key));
    if section != "LayerVersion" && !has_role {
        all.push((
            format!("{id}Role"),
            made("AWS::IAM::Role", json!({}), at.clone()),
        ));
    }
    let events = properties.remove("Events");
    for (name, event) in events.iter().filter_map(Value::as_object).flatten() {
        let at = format!("{at}.Events.{name}");
        let (kind, properties) = source(&id, event, &at)?;
        let body = json!({ "Properties": properties });
        all.push((format!("{id}{name}"), made(&kind, body, at)));
    }
    body["Properties"] = Value::Object(properties);
    all.insert(0, (id, made(kind, body, at)));
    Ok(all)
}

/// The properties with the globals' under them: mappings are put together, lists one after the other.
/// <https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-specification-template-anatomy-globals.html>
fn inherited(global: &Value, own: Value) -> Value {
    match (global, own) {
        (Value::Object(global), Value::Object(own)) => {
            let is_function =
                |object: &Map<String, Value>| intrinsic(&Value::Object(object.clone())).is_some();
            if is_function(global) || is_function(&own) {
                return Value::Object(own);
            }
            let mut all = global.clone();
            for (key, value) in own {
                let under = global.get(&key).unwrap_or(&Value::Null);
                all.insert(key, inherited(under, value));
            }
            Value::Object(all)
        }
        (Value::Array(global), Value::Array(own)) => global.iter().cloned().chain(own).collect(),
        (_, own) => own,
    }
}

/// The resource that an event stands for; one that needs a service which is not here keeps its name.
fn source(id: &str, event: &Value, at: &str) -> Result<(String, Value), StackError> {
    let Some(kind) = event["Type"].as_str() else {
        return Err(invalid(at, "`Type` is missing".into()));
    };
    let given = &event["Properties"];
    let arn = json!({"Fn::GetAtt": [id, "Arn"]});
    let mut target = json!({"Id": given["Target"]["Id"].as_str().unwrap_or("1"), "Arn": arn});
    copy(
        given,
        &mut target,
        &["Input", "InputPath", "InputTransformer"],
    );
    let mut made = json!({});
    copy(given, &mut made, &["Name", "State"]);
    if given["Enabled"] == json!(false) {
        made["State"] = json!("DISABLED");
    }
    match kind {
        "Schedule" => {
            made["ScheduleExpression"] = given["Schedule"].clone();
            made["Targets"] = json!([target]);
            Ok(("AWS::Events::Rule".to_owned(), made))
        }
        "EventBridgeRule" | "CloudWatchEvent" => {
            made["EventPattern"] = given["Pattern"].clone();
            copy(given, &mut made, &["EventBusName"]);
            made["Targets"] = json!([target]);
            Ok(("AWS::Events::Rule".to_owned(), made))
        }
        "ScheduleV2" => {
            let of_schedule = [
                "ScheduleExpression",
                "ScheduleExpressionTimezone",
                "GroupName",
                "StartDate",
                "EndDate",
                "FlexibleTimeWindow",
            ];
            copy(given, &mut made, &of_schedule);
            copy(given, &mut target, &["RetryPolicy"]);
            made["Target"] = target;
            Ok(("AWS::Scheduler::Schedule".to_owned(), made))
        }
        other => Ok((format!("{other} event"), given.clone())),
    }
}

fn copy(from: &Value, to: &mut Value, keys: &[&str]) {
    for key in keys {
        if let Some(value) = from.get(key) {
            to[*key] = value.clone();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globals_lie_under_the_properties() {
        let global = json!({"Timeout": 3, "Environment": {"Variables": {"A": "1", "B": "1"}}, "Layers": ["x"]});
        let own = json!({"Timeout": 5, "Environment": {"Variables": {"B": "2"}}, "Layers": ["y"], "Handler": "h"});
        assert_eq!(
            inherited(&global, own),
            json!({
                "Timeout": 5, "Environment": {"Variables": {"A": "1", "B": "2"}}, "Layers": ["x", "y"], "Handler": "h"
            })
        );
        let chosen = json!({"Fn::If": ["C", {}, {}]});
        assert_eq!(inherited(&json!({"Variables": {}}), chosen.clone()), chosen);
    }
}
