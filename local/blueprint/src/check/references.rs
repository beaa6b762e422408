//! References to what the stack does not have. The local cloud resolves only what it runs.
//! <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Finding, template::Template};
use crate::Name;

/// What the Serverless Framework adds to every stack.
const OF_THE_FRAMEWORK: &[&str] = &["ServerlessDeploymentBucket", "IamRoleLambdaExecution"];

/// A finding for every id that nothing defines, by the resource or function that names it.
pub fn check(template: &Template) -> Vec<Finding> {
    if template.is_partial {
        let message = "it has includes, plugins or events that make resources of their own, so references to what \
                       is not there are not looked for";
        return vec![Finding::warning("serverless.yml", message.to_owned())];
    }
    let known = known(template);
    let mut findings = Vec::new();
    let resources = template.resources.iter();
    let functions = template.functions.iter();
    let owners = resources
        .map(|(id, resource)| (resource.file.as_str(), id, &resource.body))
        .chain(functions.map(|(key, function)| ("serverless.yml", key, function)));
    for (file, owner, body) in owners {
        let mut named = BTreeSet::new();
        collect(body, &mut named);
        for id in named {
            if !known.contains(&id) && !id.starts_with("AWS::") {
                let message = format!("{owner} refers to {id}, which nothing in the stack defines");
                findings.push(Finding::error(file, message));
            }
        }
    }
    findings
}

fn known(template: &Template) -> BTreeSet<String> {
    let resources = template.resources.keys().cloned();
    let functions = template.functions.keys().flat_map(|key| {
        let start = Name::sample(key).normalized();
        ["LambdaFunction", "LogGroup"].map(|end| format!("{start}{end}"))
    });
    resources
        .chain(functions)
        .chain(template.names.iter().cloned())
        .chain(OF_THE_FRAMEWORK.iter().map(|id| (*id).to_owned()))
        .collect()
}

fn collect(node: &Value, named: &mut BTreeSet<String>) {
    match node {
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("Ref", Value::String(id)) => {
                        named.insert(id.clone());
                    }
                    ("Fn::GetAtt", Value::Array(parts)) => {
                        named.extend(parts.first().and_then(Value::as_str).map(str::to_owned));
                    }
                    ("Fn::GetAtt", Value::String(text)) => {
                        named.extend(text.split('.').next().map(str::to_owned));
                    }
                    ("Fn::Sub", Value::String(text)) => named.extend(placeholders(text)),
                    ("Fn::Sub", Value::Array(parts)) => {
                        let own = parts.get(1).and_then(Value::as_object);
                        let text = parts.first().and_then(Value::as_str).unwrap_or_default();
                        let is_own = |id: &String| own.is_some_and(|own| own.contains_key(id));
                        named.extend(placeholders(text).filter(|id| !is_own(id)));
                        parts.iter().skip(1).for_each(|part| collect(part, named));
                    }
                    // The Serverless Framework has keys of this name for its own things.
                    ("DependsOn", Value::String(id)) => {
                        named.insert(id.clone());
                    }
                    ("DependsOn", Value::Array(ids)) => {
                        let ids = ids.iter().filter_map(Value::as_str);
                        named.extend(ids.map(str::to_owned));
                    }
                    _ => collect(value, named),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, named)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Ids in `${Id}` and `${Id.Attribute}`; `${!Literal}` and the variables of the Serverless Framework are none.
fn placeholders(text: &str) -> impl Iterator<Item = String> {
    let inner = text.split("${").skip(1).filter_map(|rest| {
        let (inner, _) = rest.split_once('}')?;
        Some(inner.trim())
    });
    let ids = inner.filter(|inner| {
        let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
        inner.starts_with("AWS::") || !inner.is_empty() && inner.chars().all(legal)
    });
    ids.map(|id| id.split('.').next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_form_of_a_reference_is_seen() {
        let body = json!({
            "a": {"Ref": "One"}, "b": [{"Fn::GetAtt": ["Two", "Arn"]}], "c": {"Fn::GetAtt": "Three.Arn"},
            "d": {"Fn::Sub": "${Four}-${Five.Arn}-${AWS::Region}-${!No}-${self:custom.prefix}"},
            "e": {"Fn::Sub": ["${Own}${Six}", {"Own": {"Ref": "Seven"}}]}, "DependsOn": ["Eight"],
        });
        let mut named = BTreeSet::new();
        collect(&body, &mut named);
        let named: Vec<&str> = named.iter().map(String::as_str).collect();
        assert_eq!(
            named,
            [
                "AWS::Region",
                "Eight",
                "Five",
                "Four",
                "One",
                "Seven",
                "Six",
                "Three",
                "Two"
            ]
        );
    }
}
